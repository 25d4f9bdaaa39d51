"""The resources of template.yaml: nothing is lost in silence, nothing is left behind, every parameter counts."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml
from samtranslator.yaml_helper import yaml_parse

from tests.template.rendered import ROOT, TEMPLATE, Rendered

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
VARIANTS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "observing": {"RedeployMode": "observe"},
    "a key": {"KmsKeyArn": KEY},
    "a network": {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"},
    "disposable": {"KeepLedger": "false"},
    "replay": {"AllowReplay": "true"},
    "roles": {"PassableRoleArns": "arn:aws:iam::123456789012:role/*", "RolePath": "/team/"},
    "channels": {
        "ChannelSecretArns": "arn:aws:ssm:eu-west-1:123456789012:parameter/longshore/slack",
        "ChannelTopicArns": "arn:aws:sns:eu-west-1:123456789012:ops",
    },
    "mirrors": {"MirrorSecretArns": "arn:aws:ssm:eu-west-1:123456789012:parameter/longshore/hub"},
    "recovering": {"RecoverMode": "auto", "FollowCloudTrail": "true"},
    "off": {"RedeployMode": "off"},
    "not mirroring": {"MirrorMode": "off"},
    "not scanning": {"ScanMode": "off"},
    "not recovering": {"RecoverMode": "off"},
    "silent": {"NotifyMode": "off"},
}
CAPABILITIES = ("Redeploy", "Recover", "Mirror", "Scan", "Notify")
WAITING = 6  # visibility timeout, in timeouts of the function (AWS's advice for event source mappings)
A_FORTNIGHT = 1_209_600


@pytest.fixture(params=list(VARIANTS), ids=list(VARIANTS))
def stack(request: pytest.FixtureRequest) -> Rendered:
    """The stack in every variant."""
    return Rendered(VARIANTS[request.param])


def queues(stack: Rendered) -> dict[str, dict[str, Any]]:
    """The queues by ARN."""
    return {stack.arn(name): queue for name, queue in stack.of_type("AWS::SQS::Queue").items()}


def work_queues(stack: Rendered) -> dict[str, dict[str, Any]]:
    """Queues that functions take from."""
    return {arn: queue for arn, queue in queues(stack).items() if "RedrivePolicy" in queue}


def delivery_letters(stack: Rendered) -> set[str]:
    """The dead-letter queues of rule targets and schedules."""
    rules = [t for rule in stack.of_type("AWS::Events::Rule").values() for t in rule["Targets"]]
    schedules = [schedule["Target"] for schedule in stack.of_type("AWS::Scheduler::Schedule").values()]
    return {each.get("DeadLetterConfig", {}).get("Arn", "none") for each in [*rules, *schedules]}


def test_queues_are_encrypted_and_keep_what_they_hold(stack: Rendered) -> None:
    for arn, queue in queues(stack).items():
        by_key = queue.get("KmsMasterKeyId") == KEY and "SqsManagedSseEnabled" not in queue
        by_sqs = queue.get("SqsManagedSseEnabled") is True and "KmsMasterKeyId" not in queue
        assert by_key if stack.parameters.get("KmsKeyArn") else by_sqs, arn
        assert queue["MessageRetentionPeriod"] == A_FORTNIGHT, arn


def test_every_queue_is_worked_off_or_alarms(stack: Rendered) -> None:
    """A queue that nobody takes from is a dead-letter queue, and each of those has an alarm that reaches the topic."""
    dead = {queue["RedrivePolicy"]["deadLetterTargetArn"] for queue in work_queues(stack).values()}
    on = all(stack.holds(f"{each}Enabled") for each in CAPABILITIES)
    assert dead | set(work_queues(stack)) | delivery_letters(stack) >= set(queues(stack)) or not on
    alarms = stack.of_type("AWS::CloudWatch::Alarm").values()
    watched = {a["Dimensions"][0]["Value"] for a in alarms if a["AlarmActions"] == [stack.arn("Alarms")]}
    for arn in set(queues(stack)) - set(work_queues(stack)):
        assert arn.rsplit(":", 1)[-1] in watched, f"{arn} fills in silence"


def test_alarms_speak_at_the_first_message(stack: Rendered) -> None:
    """Of a queue that is a message in it, of a metric of our own each count; what an hourly sweep counts is apart."""
    hourly = {"SpokeUnreachedAlarm": (3600, 1), "PlatformUnreachedAlarm": (3600, 3)}
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        what = (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"])
        own = alarm["Namespace"] == "Longshore"
        expected = ("Longshore", name.removesuffix("Alarm"), "Sum")
        assert what == (expected if own else ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum")), name
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold"), name
        assert (alarm["Period"], alarm["EvaluationPeriods"]) == hourly.get(name, (60, 1)), name
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert alarm["AlarmActions"] == [stack.arn("Alarms")], name


def test_alarms_on_our_own_metrics_look_where_the_function_counts(stack: Rendered) -> None:
    """Powertools gives each metric the namespace and the service as its dimension (POWERTOOLS_SERVICE_NAME)."""
    own = {n: a for n, a in stack.of_type("AWS::CloudWatch::Alarm").items() if a["Namespace"] == "Longshore"}
    sweeps = {"PlatformUnreachedAlarm"} if stack.holds("RedeployEnabled") else set()
    assert set(own) == {"ChannelFailedAlarm", "FallbackUnheardAlarm"} | sweeps
    for name, alarm in own.items():
        counts = "redeploy" if name == "PlatformUnreachedAlarm" else "notify"
        assert alarm["Dimensions"] == [{"Name": "service", "Value": counts}]
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "Longshore", name
        assert variables["POWERTOOLS_SERVICE_NAME"] == name.removesuffix("Function").lower(), name


def test_redrive_gives_a_message_several_tries(stack: Rendered) -> None:
    for arn, queue in work_queues(stack).items():
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] in queues(stack), arn
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3, arn


def test_every_delivery_has_a_dead_letter_queue_and_may_be_made(stack: Rendered) -> None:
    assert delivery_letters(stack) <= set(queues(stack))
    open_to_rules = {
        resource
        for policy in stack.of_type("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "events.amazonaws.com"}
        for resource in statement["Resource"]
    }
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            assert {target["Arn"], target["DeadLetterConfig"]["Arn"]} <= open_to_rules, name


def test_queue_policies_let_only_this_accounts_rules_in(stack: Rendered) -> None:
    for name, policy in stack.of_type("AWS::SQS::QueuePolicy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": stack.account}, name
            assert statement["Condition"]["ArnLike"]["aws:SourceArn"].endswith(f":{stack.account}:rule/*"), name
        assert {u.rsplit("/", 1)[-1] for u in policy["Queues"]} == {
            arn.rsplit(":", 1)[-1] for s in policy["PolicyDocument"]["Statement"] for arn in s["Resource"]
        }, name


def test_every_function_has_its_queue_log_and_runtime(stack: Rendered) -> None:
    groups = {f"{stack.stack}-{name}": group for name, group in stack.of_type("AWS::Logs::LogGroup").items()}
    mappings = {m["FunctionName"]: m for m in stack.of_type("AWS::Lambda::EventSourceMapping").values()}
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"]), name
        assert (ROOT / "functions" / f"{function['Handler'].partition('.')[0]}.py").is_file(), name
        assert groups[function["LoggingConfig"]["LogGroup"]]["RetentionInDays"] == 30, name
        mapping = mappings[f"{stack.stack}-{name}"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2, name
        visibility = queues(stack)[mapping["EventSourceArn"]]["VisibilityTimeout"]
        if name == "MirrorFunction":  # nothing waits behind a batch of one, and a blob may take a quarter of an hour
            assert (visibility, mapping["BatchSize"]) == (function["Timeout"] + 60, 1)
        else:
            assert visibility >= WAITING * function["Timeout"], name
        assert mapping["EventSourceArn"] == function["Environment"]["Variables"]["LONGSHORE_QUEUE_ARN"], name


def test_no_two_functions_share_a_log_or_a_queue(stack: Rendered) -> None:
    functions = stack.of_type("AWS::Lambda::Function").values()
    logs = [function["LoggingConfig"]["LogGroup"] for function in functions]
    sources = [mapping["EventSourceArn"] for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values()]
    assert len(set(logs)) == len(logs)
    assert len(set(sources)) == len(sources)


def test_functions_read_only_what_the_template_gives_them() -> None:
    source = (ROOT / "layers/longshore/longshore/settings.py").read_text(encoding="utf-8")
    for name, function in Rendered().of_type("AWS::Lambda::Function").items():
        for variable in function["Environment"]["Variables"]:
            if variable.startswith("LONGSHORE_"):
                assert f'"{variable}"' in source, f"{name} is given {variable}, which settings never reads"


def test_the_ledger_forgets_and_can_be_restored(stack: Rendered) -> None:
    [(name, table)] = stack.of_type("AWS::DynamoDB::Table").items()
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    kept = stack.parameters.get("KeepLedger") != "false"
    assert stack.resources[name]["DeletionPolicy"] == ("Retain" if kept else "Delete")
    for function in stack.of_type("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["LONGSHORE_TABLE"] == f"{stack.stack}-{name}"


def test_removal_leaves_only_the_ledger(stack: Rendered) -> None:
    for name, resource in stack.resources.items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            continue
        assert resource.get("DeletionPolicy", "Delete") == "Delete", name
        if resource["Type"] in ("AWS::Logs::LogGroup", "AWS::Lambda::LayerVersion", "AWS::KMS::Key"):
            assert resource["DeletionPolicy"] == "Delete", name


def test_postponed_messages_go_to_the_stacks_own_schedule_group(stack: Rendered) -> None:
    for name, schedule in stack.of_type("AWS::Scheduler::Schedule").items():
        assert schedule["GroupName"] == stack.stack
        due = "Digest Due" if name == "ScanDigest" else "Sweep Due"
        assert json.loads(schedule["Target"]["Input"])["detail-type"] == due
        assert schedule["FlexibleTimeWindow"]["Mode"] == "FLEXIBLE", "not every account at the full hour"
    for function in stack.of_type("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["LONGSHORE_SCHEDULE_GROUP"] == stack.stack


def test_alarms_can_be_published_and_mailed(stack: Rendered) -> None:
    topics = stack.of_type("AWS::SNS::Topic")
    assert set(topics) == {"Alarms", "NoticesTopic"}
    topic = topics["Alarms"]
    own = not stack.parameters.get("KmsKeyArn")
    assert topic["KmsMasterKeyId"] == (f"{stack.stack}-AlarmKey" if own else KEY)
    assert bool(stack.of_type("AWS::KMS::Key")) is own
    [policy] = stack.of_type("AWS::SNS::TopicPolicy").values()
    [statement] = policy["PolicyDocument"]["Statement"]
    assert set(statement["Principal"]["Service"]) == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    assert policy["Topics"] == [stack.arn("Alarms")]
    assert stack.of_type("AWS::SNS::Subscription") == {}


def test_alarms_and_what_no_channel_takes_are_mailed() -> None:
    mailed = Rendered({"AlertEmail": "a@example.com"})
    mails = mailed.of_type("AWS::SNS::Subscription").values()
    assert {mail["TopicArn"] for mail in mails} == {mailed.arn("Alarms"), mailed.arn("NoticesTopic")}
    assert {(mail["Protocol"], mail["Endpoint"]) for mail in mails} == {("email", "a@example.com")}


def test_the_fallback_topic_is_under_the_stacks_key_where_there_is_one(stack: Rendered) -> None:
    """Without one it is not encrypted by KMS: a key of AWS's own would shut out the function's fallback."""
    topic = stack.of_type("AWS::SNS::Topic")["NoticesTopic"]
    assert topic.get("KmsMasterKeyId") == stack.parameters.get("KmsKeyArn")
    for function in stack.of_type("AWS::Lambda::Function").values():
        variables = function["Environment"]["Variables"]
        if variables["POWERTOOLS_SERVICE_NAME"] == "notify":
            assert variables["LONGSHORE_FALLBACK_TOPIC_ARN"] == stack.arn("NoticesTopic")
            assert variables["LONGSHORE_DEAD_LETTERS_URL"].endswith("/longshore-NotifyDeadLetters")


def test_off_leaves_a_stack_that_does_nothing() -> None:
    off = Rendered({**dict.fromkeys((f"{each}Mode" for each in CAPABILITIES), "off"), "FollowCloudTrail": "true"})
    for kind in ("AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping", "AWS::Events::Rule"):
        assert off.of_type(kind) == {}, kind
    assert off.of_type("AWS::Scheduler::Schedule") == {}
    assert off.of_type("AWS::DynamoDB::Table"), "what Longshore knows survives a pause"


@pytest.mark.parametrize(
    ("capability", "functions"),
    [
        ("RedeployMode", {"RedeployFunction", "WatchFunction"}),
        ("RecoverMode", {"RecoverFunction"}),
        ("MirrorMode", {"MirrorFunction"}),
        ("NotifyMode", {"NotifyFunction"}),
    ],
)
def test_a_capability_that_is_off_leaves_the_others(capability: str, functions: set[str]) -> None:
    everything, less = Rendered(), Rendered({capability: "off"})
    for kind in ("AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"):
        gone = set(everything.of_type(kind)) - set(less.of_type(kind))
        assert {name.removesuffix("Queue") for name in gone} == functions, kind
    queues = {f"longshore-{name.removesuffix('Function')}Queue" for name in functions}
    for rule in less.of_type("AWS::Events::Rule").values():
        assert not {target["Arn"].rsplit(":", 1)[-1] for target in rule["Targets"]} & queues


@pytest.mark.parametrize("mode", ["observe", "auto"])
@pytest.mark.parametrize("capability", CAPABILITIES)
def test_functions_are_told_their_mode(capability: str, mode: str) -> None:
    other = {"observe": "auto", "auto": "observe"}[mode]
    modes = {f"{each}Mode": mode if each == capability else other for each in CAPABILITIES}
    for name, function in Rendered(modes).of_type("AWS::Lambda::Function").items():
        told = function["Environment"]["Variables"]["LONGSHORE_MODE"]
        of = "Redeploy" if name == "WatchFunction" else name.removesuffix("Function")
        assert told == modes[f"{of}Mode"], name


def test_functions_join_the_network_that_is_named() -> None:
    networked = Rendered(VARIANTS["a network"])
    for function in networked.of_type("AWS::Lambda::Function").values():
        assert function["VpcConfig"] == {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
    assert all("VpcConfig" not in f for f in Rendered().of_type("AWS::Lambda::Function").values())


# -- parameters --------------------------------------------------------------------------------------------------


def test_the_parameters_of_the_design_exist_with_its_defaults() -> None:
    parameters = Rendered().document["Parameters"]
    modes = {name.removesuffix("Mode").lower(): p for name, p in parameters.items() if name.endswith("Mode")}
    assert {name: p["Default"] for name, p in modes.items()} == {
        "redeploy": "auto",
        "recover": "observe",
        "mirror": "auto",
        "scan": "auto",
        "notify": "auto",
    }
    assert all(p["AllowedValues"] == ["off", "observe", "auto"] for p in modes.values())
    others = {name: p.get("Default") for name, p in parameters.items() if not name.endswith("Mode")}
    assert others == {
        "PassableRoleArns": "",
        "UpdatableStackArns": "",
        "ChannelSecretArns": "",
        "ChannelTopicArns": "",
        "MirrorSecretArns": "",
        "MirrorRepositories": "*",
        "PermissionsBoundary": "",
        "RolePath": "/",
        "Spokes": "",
        "AlertEmail": "",
        "LogRetentionDays": 30,
        "KmsKeyArn": "",
        "SubnetIds": "",
        "SecurityGroupIds": "",
        "KeepLedger": "true",
        "AllowReplay": "false",
        "FollowCloudTrail": "false",
    }


def test_every_parameter_is_used_described_and_grouped() -> None:
    document = Rendered().document
    used = json.dumps([document["Resources"], document["Conditions"], document["Outputs"]])
    groups = document["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(document["Parameters"])
    for name, parameter in document["Parameters"].items():
        assert f'"Ref": "{name}"' in used or f"${{{name}}}" in used, f"{name} changes nothing"
        assert parameter["Description"], name


def test_every_condition_is_used() -> None:
    document = Rendered().document
    text = json.dumps([document["Resources"], document["Conditions"], document["Outputs"]])
    for name in document["Conditions"]:
        assert f'"Condition": "{name}"' in text or f'"Fn::If": ["{name}"' in text, f"{name} decides nothing"


class _WrittenOut(yaml.SafeDumper):
    """What `sam` sends: every anchor written out where it is used."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never an alias."""
        return True


def test_the_stack_keeps_cloudformations_limits() -> None:
    """Of a template in a bucket, before and after SAM's transform (CloudFormation quotas)."""
    document = Rendered().document
    sent = yaml.dump(json.loads(json.dumps(yaml_parse(TEMPLATE.read_text("utf-8")))), Dumper=_WrittenOut)
    assert max(len(sent.encode()), len(json.dumps(document).encode())) <= 1_000_000
    assert len(document["Resources"]) <= 500
    assert len(document["Parameters"]) <= 200
    assert len(document["Outputs"]) <= 200


def test_the_template_goes_through_a_bucket() -> None:
    """CloudFormation takes no more than 51,200 bytes without one."""
    with (ROOT / "samconfig.toml").open("rb") as file:
        settings = tomllib.load(file)
    deploys = [value["deploy"]["parameters"] for value in settings.values() if isinstance(value, dict)]
    assert [deploy["resolve_s3"] for deploy in deploys] == [True, True]
