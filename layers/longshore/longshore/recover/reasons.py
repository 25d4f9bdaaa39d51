"""Why a failed task is replaced or is not: a closed set of codes, each with verdict and meaning (recover 2.3, 3)."""

from __future__ import annotations

from enum import StrEnum

from longshore.codes import Code


class Verdict(StrEnum):
    """What follows from a decision about a failed task."""

    REPLACE = "replace"
    """It is run again, at once or later."""
    WAIT = "wait"
    """It is decided again later, without anybody's help."""
    NOTIFY = "notify"
    """It is told, and not touched."""
    REFUSE = "refuse"
    """It should be replaced and cannot be; it is told why."""
    GIVE_UP = "give-up"
    """Attempts were made and no more follow; it is told once."""
    NONE = "none"
    """Nothing is done, and nobody need know."""


class Reason(Code):
    """Why. Codes are public and never change their meaning.

    Each has one verdict, with one exception: once attempts have been made, what would be told or refused is given up.
    """

    verdict: Verdict

    def __init__(self, code: str, verdict: Verdict, meaning: str) -> None:
        super().__init__(code, meaning)
        self.verdict = verdict

    NEVER_STARTED = "never-started", Verdict.REPLACE, "none of its code ran, so that another try repeats nothing"
    IDEMPOTENT = "idempotent", Verdict.REPLACE, "it ran, and `longshore:retry=idempotent` allows that it is run again"

    FAMILY_BUDGET = "family-budget", Verdict.WAIT, "the family has had its replacements of this hour"
    CLUSTER_BUDGET = "cluster-budget", Verdict.WAIT, "the cluster has had its replacements of this hour"
    PAUSED = "paused", Verdict.WAIT, "Longshore is paused"

    NOT_OPTED_IN = "not-opted-in", Verdict.NOTIFY, "the task definition has no tag `longshore:recover=auto`"
    OBSERVE_ONLY = "observe-only", Verdict.NOTIFY, "recover is set to `observe`"
    NOT_IDEMPOTENT = "not-idempotent", Verdict.NOTIFY, "it ran, and nothing says that it may be run again"
    NOT_MENDED = "not-mended", Verdict.NOTIFY, "another try would not mend this failure"
    OWNED_ELSEWHERE = "owned-elsewhere", Verdict.NOTIFY, "somebody else starts this task again"

    TASK_GONE = "task-gone", Verdict.REFUSE, "ECS does not know the task any more, so that its overrides are lost"
    DEFINITION_INACTIVE = "definition-inactive", Verdict.REFUSE, "its revision of the task definition is not active"
    NETWORK_UNKNOWN = "network-unknown", Verdict.REFUSE, "its subnets and security groups cannot be known"
    VOLUMES_UNKNOWN = "volumes-unknown", Verdict.REFUSE, "how its volumes were configured at launch cannot be known"
    CAPACITY_UNKNOWN = "capacity-unknown", Verdict.REFUSE, "what it ran on cannot be known"
    GROUP_RESERVED = "group-reserved", Verdict.REFUSE, "its group is a service's, which RunTask may not use"
    PASS_ROLE_NOT_GRANTED = "pass-role-not-granted", Verdict.REFUSE, "`PassableRoleArns` lacks a role of the task"
    LAUNCH_REJECTED = "launch-rejected", Verdict.REFUSE, "ECS does not accept the launch as it was asked for before"
    LAUNCH_FORBIDDEN = "launch-forbidden", Verdict.REFUSE, "Longshore's role may not launch it"
    CLUSTER_GONE = "cluster-gone", Verdict.REFUSE, "its cluster is no more"
    TOO_OLD = "too-old", Verdict.REFUSE, "it failed too long ago"
    NEXT_FIRING = "next-firing", Verdict.REFUSE, "its schedule starts it again before a replacement would begin"
    BREAKER_OPEN = "breaker-open", Verdict.REFUSE, "replacements of this family failed in a row and are stopped for now"
    MEMORY_CAPPED = "memory-capped", Verdict.REFUSE, "it needs more memory than the cap or the platform allows"

    ATTEMPTS_SPENT = "attempts-spent", Verdict.GIVE_UP, "every attempt that is allowed has failed"
    DEADLINE_PASSED = "deadline-passed", Verdict.GIVE_UP, "it was not brought back within the time that is allowed"

    NOTHING_FAILED = "nothing-failed", Verdict.NONE, "it ended as it should, or as somebody wanted"
    SILENCED = "silenced", Verdict.NONE, "`longshore:recover=off` silences the family"
    NOT_FINAL = "not-final", Verdict.NONE, "it has not stopped yet"
    ALREADY_REPLACED = "already-replaced", Verdict.NONE, "a replacement was launched already"
    RECOVERY_CLOSED = "recovery-closed", Verdict.NONE, "its recovery has ended"
