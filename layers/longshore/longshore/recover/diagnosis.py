"""What a diagnosis is: who owns the task, what befell it, what may be done, and why (design 6.2, 8)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Owner(StrEnum):
    """Who starts a task again when it ends (recover 2.2)."""

    SERVICE = "service"
    DAEMON = "daemon"
    SCHEDULED = "scheduled"
    STANDALONE = "standalone"
    STEP_FUNCTIONS = "step-functions"
    BATCH = "batch"
    ORCHESTRATOR = "orchestrator"
    CONTROLLER = "controller"
    LONGSHORE = "longshore"

    @property
    def nobody(self) -> bool:
        """Whether nobody but Longshore would start it again."""
        return self in (Owner.SCHEDULED, Owner.STANDALONE, Owner.LONGSHORE)


class Remedy(StrEnum):
    """What `auto` would do for a family or service that opted in (design 8)."""

    NONE = "none"
    NOTIFY = "notify"
    REPLACE = "replace"
    REDEPLOY = "redeploy"
    ROLLBACK = "rollback"
    DRAIN = "drain"
    STOP = "stop"


class Diagnosis(NamedTuple):
    """`cls` is the id of recover 2.4 (``P4``), `name` its short name; `reason` a bare code saying why this remedy.

    `evidence` are the fields and texts that decided, redacted and short; `hint` is what a person may do about it;
    `culprit` the container that ended first, where one did.
    """

    owner: Owner
    cls: str
    name: str
    remedy: Remedy
    reason: str
    evidence: tuple[str, ...] = ()
    hint: str = ""
    culprit: str = ""
