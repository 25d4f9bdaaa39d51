"""Checks of the stack itself: is it there, does it hear of events, does anybody hear of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore_cli.checks.findings import Found, Unseen, batches

if TYPE_CHECKING:
    from longshore_cli.checks.sight import Sight

_GONE: Final = ("ResourceNotFoundException",)
_SETTLED: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_BUSY: Final = "_IN_PROGRESS"
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_LATE: Final = timedelta(hours=1)
_SCHEDULES: Final = 100
_SOON: Final = timedelta(days=180)
_RUNTIMES: Final = {
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
}
"""When Lambda deprecates a runtime: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html."""


def missing(sight: Sight) -> Iterator[Found]:
    """No stack: nothing follows anything."""
    try:
        _ = sight.description
    except GoneError:
        fix = f"sam build && sam deploy --stack-name {quote(sight.stack_name)}; a stack of another name: --stack NAME"
        yield Found(sight.stack_name, f"no stack of this name is deployed in {sight.account.region}", fix)


def unsettled(sight: Sight) -> Iterator[Found]:
    """A deploy of the stack failed, was rolled back or was left half-way."""
    status = str(sight.output("LedgerName") and sight.description["StackStatus"])
    if status and status not in _SETTLED and not (status.endswith(_BUSY) and "ROLLBACK" not in status):
        fix = f"aws cloudformation describe-stack-events --stack-name {quote(sight.stack_name)}, mend it, sam deploy"
        yield Found(sight.stack_name, f"its last deploy ended as {status}: it runs what was deployed before", fix)


def modes(sight: Sight) -> Iterator[Found]:
    """Capabilities that do not act."""
    for name in ("Redeploy", "Recover", "Mirror", "Scan", "Notify"):
        mode = sight.parameter(f"{name}Mode") or "auto"
        if mode != "auto":
            fix = f"sam deploy --parameter-overrides {name}Mode=auto"
            yield Found(f"{name}Mode", f"is {mode}: {_MEANS[mode]}", fix)


def configured(sight: Sight) -> Iterator[Found]:
    """What longshore.yaml asks of a capability that does not act."""
    asked = sight.configuration
    gates = [name for name, each in (asked.get("profiles") or {}).items() if each.get("gates")]
    for capability, off, what in (
        ("Scan", ("off",), gates and f"the gates of {', '.join(sorted(gates))} have no result: all is held"),
        ("Mirror", ("off", "observe"), asked.get("mirrors") and "its mirrors copy nothing"),
        ("Notify", ("off", "observe"), asked.get("channels") and "its channels are told nothing"),
    ):
        mode = sight.parameter(f"{capability}Mode")
        if what and mode in off:
            fix = f"sam deploy --parameter-overrides {capability}Mode=auto, or take it out of longshore.yaml"
            yield Found(f"{capability}Mode", f"is {mode}, and by longshore.yaml {what}", fix)


def spokes(sight: Sight) -> Iterator[Found]:
    """Further accounts and Regions: they are not looked at from here."""
    for role in filter(None, (each.strip() for each in sight.parameter("Spokes").split(","))):
        fix = "run longshore doctor with credentials of that account and in that Region (docs/accounts.md)"
        yield Found(role, "is a spoke: what runs there is not looked at from here", fix)


_MEANS: Final = {"observe": "it says what it would do, and does nothing", "off": "it looks at nothing"}


def dead_letters(sight: Sight) -> Iterator[Found]:
    """Messages that nobody could handle or deliver."""
    for queue in sight.of_type("AWS::SQS::Queue"):
        if not queue.name.endswith(("DeadLetters", "Undelivered")):
            continue
        names = ["ApproximateNumberOfMessages", "QueueArn"]
        with aws_errors():
            got = sight.client("sqs").get_queue_attributes(QueueUrl=queue.id, AttributeNames=names)["Attributes"]
        count = int(got["ApproximateNumberOfMessages"])
        if not count:
            continue
        if queue.name.endswith("Undelivered"):
            fix = f"read their attribute ERROR_CODE, mend it, then: aws sqs purge-queue --queue-url {quote(queue.id)}"
        else:
            fix = f"read the function's log, then: aws sqs start-message-move-task --source-arn {got['QueueArn']}"
        yield Found(queue.name, f"{count} messages wait in it, which nobody could handle", fix)


def alarms(sight: Sight) -> Iterator[Found]:
    """Alarms of the stack that are firing."""
    names = {each.id: each.name for each in sight.of_type("AWS::CloudWatch::Alarm")}
    for some in batches(sorted(names), 100):
        with aws_errors():
            answer = sight.client("cloudwatch").describe_alarms(AlarmNames=list(some), StateValue="ALARM")
        for alarm in answer["MetricAlarms"]:
            if alarm["StateValue"] != "ALARM":
                continue
            name = names[alarm["AlarmName"]]
            fix = f"do what docs/operations.md#alarms says of {name}"
            yield Found(name, f"is firing: {alarm.get('AlarmDescription', '')}", fix)


def _subscriptions(sight: Sight) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """The stack's topics: output's name, ARN and who subscribed."""
    for output in ("AlarmTopicArn", "NoticesTopicArn"):
        if topic := sight.output(output):
            pages = sight.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
            with aws_errors():
                yield output, topic, [each for page in pages for each in page["Subscriptions"]]


def unconfirmed(sight: Sight) -> Iterator[Found]:
    """Subscriptions that somebody has not confirmed."""
    for output, topic, subscribed in _subscriptions(sight):
        for each in subscribed:
            if not each["SubscriptionArn"].startswith("arn:"):
                who, to = f"{each['Protocol']} {each['Endpoint']}", quote(each["Endpoint"])
                fix = (
                    "follow the link in the mail that AWS sent; for another mail: aws sns subscribe --topic-arn "
                    f"{quote(topic)} --protocol {quote(each['Protocol'])} --notification-endpoint {to}"
                )
                yield Found(output, f"the subscription of {who} waits to be confirmed: nothing is sent to it", fix)


def unheard(sight: Sight) -> Iterator[Found]:
    """Topics that nobody hears."""
    for output, topic, subscribed in _subscriptions(sight):
        if not any(each["SubscriptionArn"].startswith("arn:") for each in subscribed):
            fix = (
                "sam deploy --parameter-overrides AlertEmail=YOU@EXAMPLE.COM, or: aws sns subscribe --topic-arn "
                f"{quote(topic)} --protocol email --notification-endpoint YOU@EXAMPLE.COM"
            )
            yield Found(output, "nobody has a confirmed subscription: what is sent there reaches nobody", fix)


def rules(sight: Sight) -> Iterator[Found]:
    """Event rules that are switched off or gone."""
    own = [each.id for each in sight.of_type("AWS::Events::EventBus")]
    for rule in sight.of_type("AWS::Events::Rule"):
        bus, _, name = rule.id.rpartition("|")  # the id of a rule on a bus of one's own may name both
        for where in [bus] if bus else ["default", *own]:
            if state := _state(sight, name, where):
                break
        else:
            fix = (
                f"aws cloudformation detect-stack-drift --stack-name {quote(sight.stack_name)}; sam deploy puts it back"
            )
            yield Found(rule.name, "was deleted: its events are not heard", fix)
            continue
        if state == "DISABLED":
            fix = f"aws events enable-rule --name {quote(name)} --event-bus-name {quote(where)}"
            yield Found(rule.name, "is disabled: its events are not heard", fix)


def _state(sight: Sight, name: str, bus: str) -> str:
    """Of a rule; empty when there is none."""
    try:
        with aws_errors(gone=_GONE):
            return str(sight.client("events").describe_rule(Name=name, EventBusName=bus)["State"])
    except GoneError:
        return ""


def pollers(sight: Sight) -> Iterator[Found]:
    """Queues that no function takes messages from."""
    for function in sight.of_type("AWS::Lambda::Function"):
        pages = sight.client("lambda").get_paginator("list_event_source_mappings").paginate(FunctionName=function.id)
        with aws_errors():
            mappings = [each for page in pages for each in page["EventSourceMappings"]]
        for each in mappings:
            if each.get("State") in ("Disabled", "Disabling"):
                fix = f"aws lambda update-event-source-mapping --uuid {each['UUID']} --enabled"
                yield Found(
                    function.name, f"takes nothing from {_last(each['EventSourceArn'])}: it is switched off", fix
                )


def runtimes(sight: Sight) -> Iterator[Found]:
    """Functions of the stack whose runtime AWS stops maintaining."""
    for function in sight.of_type("AWS::Lambda::Function"):
        with aws_errors():
            runtime = sight.client("lambda").get_function_configuration(FunctionName=function.id).get("Runtime", "")
        end = _RUNTIMES.get(runtime)
        if end and end <= (sight.now + _SOON).date():
            fix = "deploy a newer release of Longshore, which names a newer runtime"
            yield Found(function.name, f"runs on {runtime}, which AWS maintains until {end}", fix)


def orphans(sight: Sight) -> Iterator[Found | Unseen]:
    """One-time schedules of Longshore's group that should have fired and deleted themselves."""
    known = {_last(each.id.replace("|", "/")) for each in sight.of_type("AWS::Scheduler::Schedule")}
    scheduler = sight.client("scheduler")
    for group in sight.of_type("AWS::Scheduler::ScheduleGroup"):
        with aws_errors():
            pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group.id)
            names = [each["Name"] for page in pages for each in page["Schedules"] if each["Name"] not in known]
        for name in names[:_SCHEDULES]:
            with aws_errors():
                found = scheduler.get_schedule(GroupName=group.id, Name=name)
            due = _AT.fullmatch(found["ScheduleExpression"])
            if due and datetime.fromisoformat(due[1]).replace(tzinfo=UTC) < sight.now - _LATE:
                fix = f"aws scheduler delete-schedule --group-name {quote(group.id)} --name {quote(name)}"
                yield Found(name, f"was due at {due[1]}Z and is still there: what it put off never happened", fix)
        if len(names) > _SCHEDULES:
            yield Unseen(f"only {_SCHEDULES} of the {len(names)} schedules in {group.id} were looked at")


def paused(sight: Sight) -> Iterator[Found]:
    """The global pause."""
    if sight.paused is not None:
        key = f'{{"pk": {{"S": "SWITCH#{sight.account.id}/{sight.account.region}"}}, "sk": {{"S": "PAUSE"}}}}'
        fix = f"aws dynamodb delete-item --table-name {quote(sight.stack.ledger)} --key {quote(key)}"
        yield Found("pause", f"everything is paused ({sight.paused or 'no reason given'}): nothing is deployed", fix)


def _last(arn: str) -> str:
    return arn.rpartition(":")[2].rpartition("/")[2]
