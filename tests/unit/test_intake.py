"""A batch from the queue: each message on its own, bad ones counted and told, failed ones given back (design 4)."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from longshore.envelopes import DEFERRAL
from longshore.errors import AccessDeniedError, ThrottledError
from longshore.events import Event, Kind
from longshore.intake import Intake
from longshore.outcomes import Outcome
from tests.fakes import FakeClock, FakePostponer

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"
_NUMBERS = itertools.count()  # Powertools shares a logger between those of one name


@dataclass
class Context:
    """As much of Lambda's context as a batch needs."""

    remaining: int = 100_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@dataclass
class Taking:
    """An intake with what it writes and sends."""

    handle: Callable[[Event], list[Outcome]] = lambda event: []
    context: Context = field(default_factory=Context)
    seen: list[Event] = field(default_factory=list)
    time_needed: timedelta = timedelta(seconds=20)

    def __post_init__(self) -> None:
        self.stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        self.clock, self.postponer = FakeClock(), FakePostponer()
        logger = Logger(service=f"intake-{next(_NUMBERS)}", stream=self.stream)
        self.metrics = AmazonCloudWatchEMFProvider(namespace="Longshore", metric_set={}, dimension_set={})
        self._intake = Intake(
            Event.parse,
            self._note,
            self.postponer,
            self.clock,
            logger,
            self.metrics,  # type: ignore[arg-type]
            self.time_needed,
        )

    def _note(self, event: Event) -> list[Outcome]:
        self.seen.append(event)
        return self.handle(event)

    def take(self, *bodies: str) -> list[str]:
        """The ids that were given back; the n-th message is ``m<n>``."""
        records = [{"messageId": f"m{n}", "body": body} for n, body in enumerate(bodies)]
        answer = self._intake.take({"Records": records}, self.context)  # type: ignore[arg-type]
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    @property
    def log(self) -> list[dict[str, Any]]:
        self.stream.seek(0)
        return [json.loads(line) for line in self.stream.read().splitlines()]

    @property
    def counted(self) -> dict[str, float]:
        return {name: sum(metric["Value"]) for name, metric in self.metrics.metric_set.items()}


def watch(id: str = "event-1", **members: Any) -> str:
    body = {
        "id": id,
        "detail-type": "Watch Due",
        "account": "123456789012",
        "region": "eu-west-1",
        "time": "2026-11-23T09:00:00Z",
        "detail": {"workload": ARN},
    }
    return json.dumps({**body, **members})


BAD = {
    "": "body",
    "{": "body",
    "null": "event",
    "[]": "event",
    '"text"': "event",
    "{}": "id",
    "[" * 100_000: "body",
    '{"a":' * 100_000: "body",
    "9" * 5000: "body",
    watch(region="\ud800"): "region",
    watch(id="\ud800"): "id",
    watch(time="x" * 100): "time",
    watch(**{"detail-type": "Other\u2028"}): "detail-type",
}


@pytest.mark.parametrize(("body", "field"), BAD.items(), ids=[f"{n}-{name}" for n, name in enumerate(BAD.values())])
def test_a_bad_event_is_logged_once_with_its_field_and_counted_and_not_tried_again(body: str, field: str) -> None:
    taking = Taking()
    assert taking.take(body) == []
    (line,) = taking.log
    assert (line["level"], line["field"]) == ("ERROR", field)
    assert line["problem"]
    assert len(line["event"]) <= 500
    assert taking.counted == {"Messages": 1, "BadEvents": 1}
    assert taking.seen == []


@pytest.mark.parametrize("error", [ThrottledError("slow"), AccessDeniedError("no"), ValueError("a bug"), KeyError("x")])
def test_a_message_that_fails_is_given_back_and_the_others_go_on(error: Exception) -> None:
    def handle(event: Event) -> list[Outcome]:
        if event.id == "second":
            raise error
        return [Outcome("skip", "downgrade", event.correlation, ARN)]

    taking = Taking(handle)
    assert taking.take(watch("first"), watch("second"), "{", watch("third")) == ["m1"]
    assert [event.id for event in taking.seen] == ["first", "second", "third"]
    assert taking.counted == {"Messages": 4, "MessagesFailed": 1, "BadEvents": 1, "DecisionSkip": 2}
    (failed,) = [line for line in taking.log if line.get("exception")]
    assert (failed["level"], failed["message_id"]) == ("ERROR", "m1")


def test_with_little_time_left_a_message_is_put_back_without_failing() -> None:
    taking = Taking(context=Context(remaining=5_000))
    assert taking.take(watch()) == []
    assert taking.seen == []
    assert taking.postponer.waiting == [(taking.clock.now(), json.loads(watch()))]


def test_how_much_time_is_needed_is_for_each_function_to_say() -> None:
    taking = Taking(context=Context(remaining=59_999), time_needed=timedelta(seconds=60))
    taking.take(watch())
    assert (taking.seen, len(taking.postponer.waiting)) == ([], 1)
    taking.context.remaining = 60_000
    taking.take(watch())
    assert len(taking.seen) == 1


def test_a_bad_event_is_logged_without_its_secrets() -> None:
    token = "xoxb-" + "123456789012-abcdefABCDEF"
    taking = Taking()
    bodies = [json.dumps({"password": token}), token, f'{{"id": "{token}"', "x" * 490 + token, watch(region=token)]
    bodies.append(watch(**{"detail-type": token}))
    taking.take(*bodies)
    assert taking.counted["BadEvents"] >= len(bodies) - 1
    taking.stream.seek(0)
    assert token[:12] not in taking.stream.read()


def test_what_is_put_back_keeps_how_long_it_has_waited() -> None:
    waited: dict[str, Any] = {
        "not_before": "2026-11-23T09:00:00Z",
        "first": "2026-11-23T08:00:00Z",
        "deferrals": 3,
        "reason": "x",
    }
    taking = Taking(context=Context(remaining=0))
    taking.take(json.dumps({**json.loads(watch()), DEFERRAL: waited}))
    assert taking.postponer.waiting[0][1][DEFERRAL] == waited


def test_one_outcome_is_one_line_and_one_count() -> None:
    def handle(event: Event) -> list[Outcome]:
        told = Outcome("deploy", "newer", "event-1", ARN, Kind.DEPLOYMENT_STARTED)
        return [told, Outcome("skip", "swept", "event-1", kind=Kind.EVENTS_MISSED, detail={"count": 7})]

    taking = Taking(handle)
    assert taking.take(watch()) == []
    assert [(line["message"], line["outcome"]["reason"], line["correlation_id"]) for line in taking.log] == [
        ("newer", "newer", "event-1"),
        ("swept", "swept", "event-1"),
    ]
    assert taking.counted == {"Messages": 1, "DeploymentStarted": 1, "EventsMissed": 7}


def test_a_message_does_not_log_under_the_correlation_of_the_one_before() -> None:
    taking = Taking()
    taking.handle = lambda event: [Outcome("skip", "downgrade", event.correlation)]
    taking.take(watch("first"), "{", watch("second"))
    assert [line.get("correlation_id") for line in taking.log] == ["first", None, "second"]


def test_an_empty_batch_is_no_failure() -> None:
    assert Taking().take() == []
