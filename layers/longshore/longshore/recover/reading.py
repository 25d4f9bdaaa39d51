"""What recover's queue holds, read: AWS's events and recover's own messages, every field checked (recover 2.1, 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from longshore.envelopes import Envelope, parse_time, text
from longshore.recover.aws_events import READERS
from longshore.recover.checks import (
    CLUSTER,
    LONGEST_NAME,
    TASK,
    cluster_arn,
    container_instance_arn,
    named,
    number,
    texts,
)
from longshore.recover.facts import AgentCheckDue, DrainCheckDue, Fact, ReplacementDue, RetirementDue, SweepDue

REPLACEMENT_DUE = "Replacement Due"
SWEEP_DUE = "Sweep Due"
AGENT_CHECK_DUE = "Agent Check Due"
RETIREMENT_DUE = "Retirement Due"
DRAIN_CHECK_DUE = "Drain Check Due"

_MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class Message(Envelope):
    """A message of recover's queue, with what it says."""

    fact: Fact

    @classmethod
    def parse(cls, body: object) -> Message:
        """Reads a message. Raises BadEventError with the path of the first offending field."""
        envelope = Envelope.read(body, _READERS)
        return cls(**envelope.members(), fact=_READERS[envelope.kind](envelope, envelope.detail))


def _replacement_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    root = named(detail, "root_task", TASK, "the ARN of an ECS task")
    return ReplacementDue(root, number(detail, "attempt", _MOST_ATTEMPTS))


def _sweep_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return SweepDue(texts(detail, "clusters", CLUSTER))


def _since(detail: Mapping[str, Any], key: str = "since") -> datetime:
    return parse_time(text(detail, key, where="detail", limit=64), f"detail.{key}")


def _agent_check_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return AgentCheckDue(container_instance_arn(detail), cluster_arn(detail), _since(detail))


def _drain_check_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return DrainCheckDue(container_instance_arn(detail), cluster_arn(detail), _since(detail))


def _retirement_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return RetirementDue(text(detail, "thing", where="detail", limit=LONGEST_NAME), _since(detail, "at"))


_READERS: Mapping[str, Callable[[Envelope, Mapping[str, Any]], Fact]] = {
    **READERS,
    REPLACEMENT_DUE: _replacement_due,
    SWEEP_DUE: _sweep_due,
    AGENT_CHECK_DUE: _agent_check_due,
    DRAIN_CHECK_DUE: _drain_check_due,
    RETIREMENT_DUE: _retirement_due,
}
