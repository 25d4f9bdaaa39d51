"""EventBridge rules that start ECS tasks: by the clock, or when an event matches. Their targets are moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.aws.scheduled_tasks import fingerprint
from longshore.aws.tagging import opted_in
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError, UpstreamError
from longshore.workloads import Observation, Refusal, WorkloadId

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.aws.scheduled_tasks import ScheduledTasks, Target
    from longshore.workloads import Plan, Rollout

_GONE = ("ResourceNotFoundException",)
_MANAGED = {"ManagedRuleException": UnsupportedError}
_PASSING = ("ConcurrentModificationException", "InternalException", "ThrottlingException")
"""Codes of failed entries that may succeed later."""


class ScheduledRules:
    """The platform and the discovery of rules on any bus. A rule's ECS targets that pin a revision are one workload."""

    def __init__(
        self, events: Callable[[], Any], tagging: Callable[[], Any], tasks: Callable[[], ScheduledTasks]
    ) -> None:
        """`events` answers EventBridge's boto3 client, `tagging` that of the tagging API; each is built when needed."""
        self._events = events
        self._tagging = tagging
        self._tasks = tasks

    def arns(self) -> Iterable[str]:
        """See the port."""
        return (arn for arn in opted_in(self._tagging(), "events:rule") if WorkloadId.names(arn))

    def unseen(self, arn: str) -> str:
        """Tags are all that there is to see."""
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """EventBridge describes one rule at a time."""
        found = []
        for arn in arns:
            try:
                found.append(self.observe(arn))
            except GoneError:
                continue
        return found

    def observe(self, arn: str) -> Observation:
        """DescribeRule, ListTargetsByRule and ListTagsForResource, and what ECS says of the targets."""
        id = WorkloadId.parse(arn)
        with aws_errors(gone=_GONE):
            rule = self._events().describe_rule(Name=id.name, **_bus(id, "EventBusName"))
            listed = self._events().list_tags_for_resource(ResourceARN=arn).get("Tags", [])
        tags = {str(tag["Key"]): str(tag["Value"]) for tag in listed}
        seen = self._tasks().observe(id, _started_by(id), self._targets(id), tags)
        if owner := rule.get("ManagedBy"):
            refusal = Refusal(Reason.UNSUPPORTED_PLATFORM, f"{owner} manages this rule")
            return replace(seen, refusal=refusal)
        return seen

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """PutTargets of the targets that move, every other member as it was read right before, and read back.

        EventBridge compares nothing. Raises ConflictError where the targets are not those that were observed.
        """
        id = WorkloadId.parse(plan.workload)
        observed = self._targets(id)
        if fingerprint(observed) != observation.revision:
            raise ConflictError("the rule's targets have changed since they were observed")
        moved = self._tasks().revised(observation, plan, observed, resumed=resumed)
        by_id = {target["Id"]: target for target in moved}
        wanted: list[Target] = [by_id.get(target["Id"], target) for target in observed]
        if moved and wanted != observed:
            self._put(id, moved, observed)
            if fingerprint(self._targets(id)) != fingerprint(wanted):
                raise ConflictError("the rule's targets are not as they were written: somebody else wrote as well")
        return self._tasks().begun(wanted)

    def _put(self, id: WorkloadId, moved: Sequence[Target], observed: Sequence[Target]) -> None:
        if fingerprint(self._targets(id)) != fingerprint(observed):  # to register takes its time
            raise ConflictError("the rule's targets have changed since they were observed")
        with aws_errors(gone=_GONE, kinds=_MANAGED):
            answer = self._events().put_targets(Rule=id.name, Targets=list(moved), **_bus(id, "EventBusName"))
        for entry in answer.get("FailedEntries", []):
            text = f"PutTargets: {entry.get('TargetId')}: {entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
            raise (UpstreamError if entry.get("ErrorCode") in _PASSING else UnsupportedError)(text)

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The revision that was registered since, where the targets name it."""
        return self._tasks().find(self._targets(WorkloadId.parse(arn)), since)

    def rollout(self, arn: str, id: str) -> Rollout:
        """How the first run went."""
        rule = WorkloadId.parse(arn)
        return self._tasks().rollout(id, _started_by(rule), self._targets(rule))

    def complete(self, arn: str, id: str) -> None:
        """The next run completes it."""

    def stop(self, arn: str, id: str) -> None:
        """Always raises ConflictError, for what is declared is declared; GoneError without the rule."""
        self._targets(WorkloadId.parse(arn))
        raise ConflictError("what the next run takes cannot be stopped")

    def _targets(self, id: WorkloadId) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        request: dict[str, Any] = {"Rule": id.name, **_bus(id, "EventBusName")}
        with aws_errors(gone=_GONE):
            while True:
                answer = self._events().list_targets_by_rule(**request)
                found += answer.get("Targets", [])
                if not answer.get("NextToken"):
                    return sorted(found, key=lambda target: str(target["Id"]))
                request["NextToken"] = answer["NextToken"]


def _bus(id: WorkloadId, member: str) -> dict[str, str]:
    return {member: id.namespace} if id.namespace else {}


def _started_by(id: WorkloadId) -> str:
    """What ECS calls those who are started by a rule (recover 2.1)."""
    return f"events-rule/{id.name}"
