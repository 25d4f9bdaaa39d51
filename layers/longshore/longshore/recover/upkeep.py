"""Upkeep: what may be done about that which lies under tasks, and why: a closed set of codes (recover 2.4, 5).

Codes that mean the same as in `reasons` and `grounds` are the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from longshore.codes import Code


class Measure(StrEnum):
    """What is done."""

    DRAIN = "drain"
    """A container instance is set to DRAINING."""
    REPLACE = "replace"
    """A task is started anew before it is taken, then the old one is stopped."""
    REDEPLOY = "redeploy"
    """Redeploy is asked for a new deployment."""
    DEREGISTER = "deregister"
    """An instance is taken out of Cloud Map."""
    WAIT = "wait"
    """It is decided again later, without anybody's help."""
    NOTIFY = "notify"
    """It is told, and not touched."""
    NONE = "none"
    """Nothing is done, and nobody need know."""


class Why(Code):
    """Why. Codes are public and never change their meaning."""

    measure: Measure

    def __init__(self, code: str, measure: Measure, meaning: str) -> None:
        super().__init__(code, meaning)
        self.measure = measure

    AGENT_LOST = "agent-lost", Measure.DRAIN, "its agent stayed away, and its machine is impaired or stopped"
    IMPAIRED_INSTANCE = "impaired-instance", Measure.DRAIN, "the instance cannot run containers any more"
    SUSPECT_INSTANCE = "suspect-instance", Measure.DRAIN, "two tasks within the hour failed for a fault of the instance"
    INSTANCE_ENDS = "instance-ends", Measure.DRAIN, "the instance is about to be taken away"

    RETIREMENT = "retirement", Measure.REDEPLOY, "the platform is about to stop it: what replaces it starts before"
    IDEMPOTENT = "idempotent", Measure.REPLACE, "`longshore:retry=idempotent` allows that it is run again"
    STALE_INSTANCE = "stale-instance", Measure.DEREGISTER, "Cloud Map still names a task that has ended"

    PAUSED = "paused", Measure.WAIT, "Longshore is paused"
    BLAST_RADIUS = "blast-radius", Measure.WAIT, "as many instances of the cluster as may be were drained lately"
    WIDESPREAD = "widespread", Measure.WAIT, "so many agents are away at once that the instance is not to blame"
    YOUNG = "young", Measure.WAIT, "it was seen only now, and may just be late"
    LAST_ONE = "last-one", Measure.WAIT, "no task that lives would be left in Cloud Map"
    STARTING = "starting", Measure.WAIT, "its replacement does not run, or is not healthy, yet"

    NOT_OPTED_IN = "not-opted-in", Measure.NOTIFY, "nothing of it has the tag `longshore:recover=auto`"
    OBSERVE_ONLY = "observe-only", Measure.NOTIFY, "recover is set to `observe`"
    NOT_PERMITTED = "not-permitted", Measure.NOTIFY, "Longshore's role may not do it"
    ON_PREMISES = "on-premises", Measure.NOTIFY, "its containers probably still run where Longshore cannot see them"
    HOST_WELL = "host-well", Measure.NOTIFY, "its agent stayed away, though its machine is well or says nothing"
    AWS_REPAIRS = "aws-repairs", Measure.NOTIFY, "AWS repairs or replaces this by itself"
    NOT_MENDED = "not-mended", Measure.NOTIFY, "draining would not mend this"
    MAY_END = "may-end", Measure.NOTIFY, "EC2 thinks that it may take the instance away, which is not certain"
    DRAIN_STUCK = "drain-stuck", Measure.NOTIFY, "it has been draining for long, and tasks are still on it"
    NOT_IDEMPOTENT = "not-idempotent", Measure.NOTIFY, "it ran, and nothing says that it may be run again"
    OWNED_ELSEWHERE = "owned-elsewhere", Measure.NOTIFY, "somebody else starts it again"
    LAUNCHER_UNKNOWN = (
        "launcher-unknown",
        Measure.NOTIFY,
        "what was to start it is gone, is not the only one, or makes its input anew each time",
    )

    ACCUSED_ONCE = "accused-once", Measure.NONE, "one failure alone says little of the instance"
    RECONNECTED = "reconnected", Measure.NONE, "the agent came back"
    RECOVERED = "recovered", Measure.NONE, "the instance's health checks pass again"
    DRAINING = "draining", Measure.NONE, "it is draining already"
    DRAINED = "drained", Measure.NONE, "no task is left on it"
    GONE = "gone", Measure.NONE, "AWS does not know it any more"
    SILENCED = "silenced", Measure.NONE, "`longshore:recover=off` silences it"
    OUTDATED = "outdated", Measure.NONE, "something newer decides"
    TOLD_BEFORE = "told-before", Measure.NONE, "nothing has changed since it was told"
    MOVED_ALREADY = "moved-already", Measure.NONE, "it was started anew since it was announced"
    OURS = "ours", Measure.NONE, "Longshore asked for it, and goes on from its ledger"


class Ruling(NamedTuple):
    """A decision. Where it is only told, `would` is what `auto` would have done for something that opted in."""

    why: Why
    would: Why | None = None

    @property
    def measure(self) -> Measure:
        """What follows."""
        return self.why.measure


class UpkeepPolicy(NamedTuple):
    """Seconds, but for the shares, which are percent of a cluster's instances (recover 2.4 E1, 5 O4, O5)."""

    agent_away: int = 300
    look_again: int = 900
    look_until: int = 21_600
    drained_share: int = 10
    drained_within: int = 900
    widespread_share: int = 30
    drain_stuck: int = 1800
    rebalance_drains: bool = False
    retirement_before: int = 86_400
    handover: int = 60
    stale_after: int = 300
