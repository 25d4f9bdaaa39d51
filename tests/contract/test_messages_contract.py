"""Waiting and publishing: one suite, run on the fakes and on SQS, Scheduler and EventBridge (design 4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.aws.bus import Bus
from longshore.aws.queue import QueuePostponer
from longshore.envelopes import SOURCE
from longshore.errors import LongshoreError, UpstreamError
from longshore.events import Announcement, Kind
from tests.contract.aws_account import REGION, client, mocked
from tests.fakes import FakeClock, FakePostponer, FakePublisher

if TYPE_CHECKING:
    from longshore.ports import Postponer, Publisher

ARN = f"arn:aws:ecs:{REGION}:123456789012:service/shop/web"


@dataclass(frozen=True)
class Waiting:
    """A postponer, and what it has on the way: when each message comes, and its body."""

    clock: FakeClock
    postponer: Postponer
    sent: Callable[[], list[tuple[datetime, dict[str, Any]]]]


class Aws:
    """A queue whose delays are read from the requests, and schedules from the API."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sqs, self.scheduler = client("sqs"), client("scheduler")
        url = self.sqs.create_queue(QueueName="redeploy")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        self.scheduler.create_schedule_group(Name="longshore")
        self.delayed: list[tuple[datetime, dict[str, Any]]] = []
        self.sqs.meta.events.register("provide-client-params.sqs.SendMessage", self._note)
        self.postponer = QueuePostponer(
            self.sqs,
            lambda: self.scheduler,
            clock,
            queue_url=url,
            queue_arn=attributes["QueueArn"],
            group="longshore",
            role_arn="arn:aws:iam::123456789012:role/scheduler",
        )

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        until = self.clock.now() + timedelta(seconds=params["DelaySeconds"])
        self.delayed.append((until, json.loads(params["MessageBody"])))

    def sent(self) -> list[tuple[datetime, dict[str, Any]]]:
        found = list(self.delayed)
        for name in [each["Name"] for each in self.scheduler.list_schedules(GroupName="longshore")["Schedules"]]:
            schedule = self.scheduler.get_schedule(GroupName="longshore", Name=name)
            assert schedule["ScheduleExpressionTimezone"] == "UTC"
            at = datetime.fromisoformat(schedule["ScheduleExpression"][3:-1] + "+00:00")
            found.append((at, json.loads(schedule["Target"]["Input"])))
        return sorted(found, key=lambda each: each[0])


@pytest.fixture(params=["fake", "aws"])
def waiting(request: pytest.FixtureRequest) -> Iterator[Waiting]:
    clock = FakeClock()
    if request.param == "fake":
        fake = FakePostponer()
        yield Waiting(clock, fake, lambda: fake.waiting)
        return
    with mocked():
        aws = Aws(clock)
        yield Waiting(clock, aws.postponer, aws.sent)


@pytest.mark.parametrize("seconds", [0, 0.4, 5, 899.5, 900, 900.5, 3600, 86400 * 30])
def test_a_copy_comes_at_its_time_and_never_before(waiting: Waiting, seconds: float) -> None:
    until = waiting.clock.now() + timedelta(seconds=seconds)
    waiting.postponer.postpone({"id": "one"}, until)
    ((at, body),) = waiting.sent()
    assert body == {"id": "one"}
    assert timedelta(0) <= at - until < timedelta(seconds=1)


def test_a_time_that_is_over_is_now(waiting: Waiting) -> None:
    waiting.postponer.postpone({"id": "one"}, waiting.clock.now() - timedelta(hours=1))
    ((at, _),) = waiting.sent()
    assert at <= waiting.clock.now()


def test_text_of_any_language_arrives(waiting: Waiting) -> None:
    body = {"id": "one", "detail": {"why": "déjà \u2028 日本", "nested": [1, None, True]}}
    waiting.postponer.postpone(body, waiting.clock.now() + timedelta(hours=1))
    assert waiting.sent()[0][1] == body


def test_different_copies_are_different_messages(waiting: Waiting) -> None:
    until = waiting.clock.now() + timedelta(hours=1)
    waiting.postponer.postpone({"id": "one"}, until)
    waiting.postponer.postpone({"id": "two"}, until)
    assert sorted(body["id"] for _, body in waiting.sent()) == ["one", "two"]


def test_a_schedule_deletes_itself_and_the_same_copy_is_scheduled_once() -> None:
    with mocked():
        aws = Aws(FakeClock())
        until = aws.clock.now() + timedelta(hours=1)
        aws.postponer.postpone({"id": "one"}, until)
        aws.postponer.postpone({"id": "one"}, until)
        (schedule,) = aws.scheduler.list_schedules(GroupName="longshore")["Schedules"]
        found = aws.scheduler.get_schedule(GroupName="longshore", Name=schedule["Name"])
        assert found["ActionAfterCompletion"] == "DELETE"
        assert found["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_a_queue_that_is_gone_is_told_as_an_error_of_longshores() -> None:
    with mocked():
        aws = Aws(FakeClock())
        aws.sqs.delete_queue(QueueUrl=aws.sqs.list_queues()["QueueUrls"][0])
        with pytest.raises(LongshoreError):
            aws.postponer.postpone({}, aws.clock.now())


# -- publishing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Publishing:
    """A publisher, and what came out: kind, detail and correlation."""

    publisher: Publisher
    published: Callable[[], list[tuple[str, dict[str, Any], str]]]


class EventBridge:
    """A bus whose rule sends everything to a queue."""

    def __init__(self) -> None:
        self.events, self.sqs = client("events"), client("sqs")
        self.events.create_event_bus(Name="longshore")
        self.url = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = json.dumps({"source": [SOURCE]})
        self.events.put_rule(Name="all", EventBusName="longshore", EventPattern=pattern)
        self.events.put_targets(Rule="all", EventBusName="longshore", Targets=[{"Id": "queue", "Arn": arn}])
        self.publisher = Bus(lambda: self.events, "longshore", FakeClock())

    def envelopes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def published(self) -> list[tuple[str, dict[str, Any], str]]:
        heard = [(each["detail-type"], dict(each["detail"])) for each in self.envelopes()]
        return [(kind, detail, detail.pop("correlation")) for kind, detail in heard]


@pytest.fixture(params=["fake", "aws"])
def publishing(request: pytest.FixtureRequest) -> Iterator[Publishing]:
    if request.param == "fake":
        fake = FakePublisher()
        yield Publishing(fake, lambda: [(a.kind.value, dict(a.detail), a.correlation) for a in fake.published])
        return
    with mocked():
        bus = EventBridge()
        yield Publishing(bus.publisher, bus.published)


def test_announcements_come_out_in_order_however_many(publishing: Publishing) -> None:
    sent = [Announcement(Kind.DEPLOYMENT_STARTED, {"number": n}, (ARN,), f"event-{n}") for n in range(23)]
    publishing.publisher.publish(sent)
    expected = [("Deployment Started", {"number": n}, f"event-{n}") for n in range(23)]
    assert sorted(publishing.published(), key=lambda each: each[1]["number"]) == expected


def test_nothing_is_published_of_nothing(publishing: Publishing) -> None:
    publishing.publisher.publish([])
    assert publishing.published() == []


def test_what_json_cannot_say_is_said_as_text(publishing: Publishing) -> None:
    at = FakeClock().now()
    publishing.publisher.publish([Announcement(Kind.HOLD_SET, {"until": at, "why": "日本"})])
    assert publishing.published()[0][1] == {"until": str(at), "why": "日本"}


def test_the_envelope_names_longshore_the_workload_and_the_clocks_time() -> None:
    with mocked():
        bus = EventBridge()
        bus.publisher.publish([Announcement(Kind.HOLD_SET, {}, (ARN,), "event-1")])
        (envelope,) = bus.envelopes()
    assert (envelope["source"], envelope["resources"]) == (SOURCE, [ARN])


def test_an_entry_that_the_bus_refuses_is_an_error() -> None:
    class Refusing:
        def put_events(self, **_: Any) -> dict[str, Any]:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "no"}]}

    with pytest.raises(UpstreamError, match="InternalFailure"):
        Bus(Refusing, "longshore", FakeClock()).publish([Announcement(Kind.HOLD_SET, {})])
