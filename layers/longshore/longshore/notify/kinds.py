"""What each kind of event means to people: a table, one row for each kind that is told (design 4, 6.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from longshore.events import Kind
from longshore.notices import Phase, Severity

CRITICAL, ERROR, WARNING, INFO, OK = Severity
OPENED, PROGRESS, RESOLVED, FAILED = Phase


class Meaning(NamedTuple):
    """How a kind is told.

    `thread` is the first part of the thread's name, `of` the members that make up the rest (alternatives apart by
    ``|``; ``@`` members are the envelope's). `rank` orders notices of one thread and second. `subject` are members that
    name what it is about, before those that all kinds share. `next` is the catalogue's entry for what happens next.
    """

    severity: Severity
    phase: Phase
    rank: int
    thread: str
    of: tuple[str, ...]
    subject: tuple[str, ...] = ()
    next: str = ""


_DEPLOYMENT = ("workload", "correlation")
_TASK = ("root_task|task|workload|correlation",)
_LOOP = ("workload|cluster", "family")
_NAMED = ("workload_name", "family")
_IMAGE = ("registry", "region", "repository", "digest|tag")

MEANINGS: Mapping[Kind, Meaning] = {
    Kind.DEPLOYMENT_PLANNED: Meaning(INFO, OPENED, 0, "deployment", _DEPLOYMENT, next="observing"),
    Kind.DEPLOYMENT_HELD: Meaning(WARNING, OPENED, 0, "deployment", _DEPLOYMENT),
    Kind.DEPLOYMENT_STARTED: Meaning(INFO, OPENED, 1, "deployment", _DEPLOYMENT, next="watched"),
    Kind.DEPLOYMENT_SUCCEEDED: Meaning(OK, RESOLVED, 3, "deployment", _DEPLOYMENT),
    Kind.DEPLOYMENT_SUPERSEDED: Meaning(INFO, RESOLVED, 3, "deployment", _DEPLOYMENT),
    Kind.DEPLOYMENT_FAILED: Meaning(ERROR, FAILED, 3, "deployment", _DEPLOYMENT, next="rolling-back"),
    Kind.DEPLOYMENT_ROLLED_BACK: Meaning(ERROR, FAILED, 4, "deployment", _DEPLOYMENT, next="new-push"),
    Kind.TASK_FAILED: Meaning(ERROR, OPENED, 0, "task", _TASK, ("family", "task")),
    Kind.TASK_REPLACED: Meaning(WARNING, RESOLVED, 1, "task", _TASK, ("family", "task")),
    Kind.TASK_REPLACEMENT_REFUSED: Meaning(WARNING, FAILED, 1, "task", _TASK, ("family", "task"), "not-replaced"),
    Kind.TASK_GIVEN_UP: Meaning(ERROR, FAILED, 2, "task", _TASK, ("family", "task"), "given-up"),
    Kind.CRASH_LOOP_OPENED: Meaning(ERROR, OPENED, 0, "crash-loop", _LOOP, _NAMED),
    Kind.CRASH_LOOP_RESOLVED: Meaning(OK, RESOLVED, 1, "crash-loop", _LOOP, _NAMED),
    Kind.RETIREMENT_ANNOUNCED: Meaning(
        WARNING, OPENED, 0, "retirement", ("workload|task|root_task", "correlation"), _NAMED
    ),
    Kind.IMAGE_MIRRORED: Meaning(OK, RESOLVED, 1, "mirror", ("downstream", "tag"), ("downstream", "mirror")),
    Kind.MIRROR_FAILED: Meaning(ERROR, OPENED, 0, "mirror", ("downstream", "tag"), ("downstream", "mirror"), "retried"),
    Kind.MIRROR_REPORTED: Meaning(INFO, RESOLVED, 0, "mirror-report", ("correlation",), ("mirror",)),
    Kind.FINDINGS_REPORTED: Meaning(WARNING, OPENED, 0, "findings", _IMAGE, ("repository",)),
    Kind.FINDINGS_RESOLVED: Meaning(OK, RESOLVED, 1, "findings", _IMAGE, ("repository",)),
    Kind.GATE_CLOSED: Meaning(WARNING, OPENED, 0, "gate", (*_IMAGE, "workload")),
    Kind.GATE_OPENED: Meaning(OK, RESOLVED, 1, "gate", (*_IMAGE, "workload")),
    Kind.APPROVAL_REQUESTED: Meaning(WARNING, OPENED, 0, "approval", ("approval|id|correlation",)),
    Kind.APPROVAL_DECIDED: Meaning(OK, RESOLVED, 1, "approval", ("approval|id|correlation",)),
    Kind.HOLD_SET: Meaning(WARNING, OPENED, 0, "hold", ("workload",), next="lifted"),
    Kind.HOLD_LIFTED: Meaning(OK, RESOLVED, 1, "hold", ("workload",)),
    Kind.CONFIGURATION_REJECTED: Meaning(
        ERROR, OPENED, 0, "configuration", ("@account", "@region", "workload|file|key", "problem"), ("file", "key")
    ),
    Kind.CHANNEL_FAILED: Meaning(
        ERROR,
        OPENED,
        0,
        "channel",
        ("@account", "@region", "destination|channel", "reason"),
        ("destination", "channel"),
        "fallback",
    ),
    Kind.EVENTS_MISSED: Meaning(INFO, RESOLVED, 0, "repository", ("repository",), next="caught-up"),
}
"""Every kind that is told. `Redeploy Requested` is between Longshore's functions and concerns nobody."""

RESTATED = frozenset({Kind.HOLD_SET, Kind.FINDINGS_REPORTED})
"""Openings that are news though the thread is not over, where they say something else: another reason of a hold, which
is somebody's decision, or other findings, which an edit would hide."""

ENDS_ONLY = frozenset({Kind.GATE_OPENED})
"""Good news only for who heard of the trouble: else it is the way to a deployment, which is told anyway."""

SOAKING = "soaking"
"""The stage of a deployment whose images run, and are watched: `Deployment Started` tells that too (decision 12)."""

INCONCLUSIVE = frozenset({"never-started", "not-completed", "not-steady"})
"""Failures that say nothing against the image: told, never undone (redeploy 8.9)."""

HELD_UNTIL: Mapping[str, str] = {
    "quarantined": "new-push",
    "platform": "new-push",
    "ambiguous": "new-push",
    "immutable-retag": "new-push",
    "unknown-pushed": "new-push",
    "gate-failed": "new-push",
    "gate-no-result": "new-push",
    "approval-rejected": "new-push",
    "approval-expired": "new-push",
    "held": "lifted",
    "paused": "unpaused",
    "frozen": "thawed",
    "invalid-policy": "policy",
    "profile-unknown": "policy",
    "current-not-comparable": "policy",
    "gate-needs-digest": "policy",
    "pass-role-not-granted": "parameter",
    "controller-code-deploy": "owner",
    "controller-external": "owner",
    "gitops-owned": "owner",
    "deploys-itself": "owner",
    "service-paused": "tried-again",
    "owned": "owner",
    "stack-not-updatable": "policy",
    "unsupported-platform": "owner",
    "alias-missing": "policy",
    "revision-not-pinned": "policy",
    "cluster-endpoint-private": "tried-again",
    "unknown-running": "tried-again",
    "incomplete-index": "complete",
    "replication-failed": "new-push",
    "replicating": "complete",
    "registry-unreachable": "tried-again",
    "observe-only": "observing",
}
"""Until when a held deployment stays held, by reason."""


def slug(kind: Kind) -> str:
    """The kind as keys of the catalogue spell it: ``deployment-rolled-back``."""
    return kind.value.lower().replace(" ", "-")


def entry(kind: Kind, stage: str = "") -> str:
    """The catalogue's entry for what a kind is called, at a stage of it."""
    return f"kind.{slug(kind)}{stage and f'.{stage}'}"
