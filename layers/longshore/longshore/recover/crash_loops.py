"""Crash loops of services: which stops count, when they are trouble, what may be done: pure (recover O1, 2.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from longshore.recover.diagnose import diagnose
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.grounds import Ground
from longshore.recover.service_reasons import CareReason, EndReason
from longshore.recover.troubles import FULL, HALF, Limit, Sign, Trouble
from longshore.settings import Mode
from longshore.tasks import RECOVER_TAG, Task
from longshore.workload_ids import POLICY_TAG

if TYPE_CHECKING:
    from longshore.recover.services import Service

LOOP, ACTION, IMAGE, STUCK = "LOOP#", "ACTION#", "IMAGE#", "STUCK#"
"""How the keys of troubles begin: stops of a deployment, events of ECS, images that are gone, stuck tasks."""

_DROPPED = frozenset({"A1", "A2"})
_TOLD_BY_ECS = frozenset({"C1", "C2", "C3", "C4", "C5"})
"""Classes of placement: ECS tells them of the service itself."""
_COUNTED = frozenset({"D1", "H1", "H2", "G1", "G2", "G4"})
"""Classes for which nothing is done about one service task, though often they are a crash loop (recover 2.4)."""
_PULL = "P"
"""Pulls that fail: ECS tries again by itself for ever, and nobody hears of one that never succeeds."""
_UNDONE = frozenset({"", "D1", "G1", "G2", "G3", "G4", "H1", "H2", "K1", "P2", "P6", "R1", "R2", "R3", "T2"})
"""Classes that a new revision may have brought, so that the one before may not have them."""

_PASSES = frozenset(
    {
        CareReason.NOT_OPTED_IN,
        CareReason.NO_POLICY,
        CareReason.OBSERVE_ONLY,
        CareReason.PAUSED,
        CareReason.HEAL,
        CareReason.ROLLBACK,
    }
)
"""Reasons for which nothing was asked for so far: they pass, or what was to be asked for was kept from it."""
_ASKED_WITHIN = timedelta(minutes=1)
"""Whoever is about to ask has asked by then, or died: a function's time is shorter."""

_RECENT = timedelta(hours=24)
_FOLLOWS = timedelta(hours=1)
"""A deployment that begins so soon after a rollback was asked for is that rollback."""
_SETTLED = timedelta(minutes=5)
_FORGOTTEN = timedelta(hours=7)
"""ECS tells the same of a service only every six hours (recover 1, ECS)."""


class Act(StrEnum):
    """What is done about a crash loop."""

    NOTIFY = "notify"
    ROLLBACK = "rollback"


class CrashLoopPolicy(NamedTuple):
    """When stops are a crash loop, in which order limits are tried, and what is done; see docs/recover.md.

    `ran` is how long a task may have run to count for the first limit; `quiet` for how long nothing must fail for it to
    be over, `again` after what time it may be told anew.
    """

    act: Act = Act.NOTIFY
    stops: int = 3
    within: timedelta = timedelta(minutes=10)
    ran: timedelta = timedelta(minutes=10)
    slow_stops: int = 5
    slow_within: timedelta = timedelta(minutes=60)
    quiet: timedelta = timedelta(minutes=15)
    again: timedelta = timedelta(minutes=15)

    @property
    def limits(self) -> tuple[Limit, Limit]:
        """Of young tasks in a short time, of any in a longer one."""
        return Limit(self.stops, self.within, young=True), Limit(self.slow_stops, self.slow_within)

    @property
    def keep(self) -> timedelta:
        """For how long stops are kept."""
        return max(self.within, self.slow_within)


class Care(NamedTuple):
    """What is done about a trouble, and why; `would` is what `auto` would do for a service that opted in."""

    remedy: Remedy
    reason: CareReason
    would: Remedy | None = None

    @property
    def acts(self) -> bool:
        """Whether anything but telling is done."""
        return self.remedy is not Remedy.NOTIFY


class Suspects(NamedTuple):
    """What a daemon service's failures point at: `instances` where they are on some instances only."""

    instances: tuple[str, ...] = ()


def uneventful(detail: Mapping[str, object]) -> bool:
    """Whether an event itself says that a task was stopped on purpose: no API need be asked (recover 2.3)."""
    try:
        return diagnose(Task.read(detail)).cls in _DROPPED
    except ValueError:
        return False


def sign_of(task: Task, diagnosis: Diagnosis, policy: CrashLoopPolicy, now: datetime) -> Sign | None:
    """How a stopped task counts towards a crash loop, or None when it does not."""
    clean = not diagnosis.cls and diagnosis.reason == Ground.CLEAN_EXIT.value
    if not (clean or _counts(diagnosis)):
        return None
    ran = task.ran_for
    code = next((each.exit_code for each in task.containers if each.name == diagnosis.culprit), None)
    return Sign(
        id=task.arn,
        at=min(task.stopped or now, now),
        weight=HALF if clean else FULL,
        young=ran is None or ran < policy.ran.total_seconds(),
        cls=diagnosis.cls,
        container=diagnosis.culprit,
        exit_code=code,
        instance=task.container_instance,
    )


def _counts(diagnosis: Diagnosis) -> bool:
    cls = diagnosis.cls
    if not cls or cls in _DROPPED or cls in _TOLD_BY_ECS:
        return False
    return cls in _COUNTED or cls.startswith(_PULL) or diagnosis.remedy is not Remedy.NONE


def suspects(signs: Sequence[Sign], service: Service) -> Suspects:
    """Of a daemon, one task runs on each instance: what fails on one is its instance, what fails on all its image."""
    instances = sorted({each.instance for each in signs if each.instance})
    some = service.owner is Owner.DAEMON and instances and len(instances) < service.desired
    return Suspects(tuple(instances)) if some else Suspects()


def commonest(signs: Iterable[Sign]) -> Mapping[str, int]:
    """How often each class was seen, the commonest first; ends with exit code 0 are `clean exit`."""
    return dict(Counter(each.cls or "clean exit" for each in signs).most_common())


def care_for_loop(
    loop: Trouble,
    service: Service,
    diagnosis: Diagnosis,
    others: Iterable[Trouble],
    suspected: Suspects,
    policy: CrashLoopPolicy,
    now: datetime,
) -> Care:
    """What a crash loop asks for, before it is known whether that is allowed."""
    reason: CareReason | None = None
    if service.owner is Owner.CONTROLLER:
        reason = CareReason.OWNED_ELSEWHERE
    elif suspected.instances:
        reason = CareReason.INSTANCE_SUSPECTED
    elif service.rolling and service.breaker:
        reason = CareReason.LEFT_TO_BREAKER
    elif diagnosis.cls not in _UNDONE:
        reason = CareReason.NOT_MENDED
    elif service.changed is None or now - service.changed > _RECENT:
        reason = CareReason.NO_RECENT_CHANGE
    elif loop.acted is not None:
        reason = CareReason.ALREADY_ASKED
    elif _is_way_back(service, others):
        reason = CareReason.ROLLED_BACK
    elif policy.act is Act.NOTIFY:
        reason = CareReason.NOTIFY_ONLY
    return Care(Remedy.NOTIFY, reason) if reason else Care(Remedy.ROLLBACK, CareReason.ROLLBACK)


def _is_way_back(service: Service, others: Iterable[Trouble]) -> bool:
    """Whether the deployment began because of a rollback that was asked for: that one is not undone as well."""
    began = service.changed
    asked = [each.asked for each in others if each.act == Remedy.ROLLBACK and each.asked is not None]
    return began is not None and any(at <= began <= at + _FOLLOWS for at in asked)


def allowed(care: Care, service: Service, definition_tags: Mapping[str, str], mode: Mode, *, paused: bool) -> Care:
    """The same, stopped where it is only told: not opted in, not followed by redeploy, observed, or paused."""
    if not care.acts:
        return care
    reason: CareReason | None = None
    if definition_tags.get(RECOVER_TAG) != "auto":
        reason = CareReason.NOT_OPTED_IN
    elif care.remedy is not Remedy.STOP and POLICY_TAG not in service.tags:
        reason = CareReason.NO_POLICY
    elif mode is not Mode.AUTO:
        reason = CareReason.OBSERVE_ONLY
    elif paused:
        reason = CareReason.PAUSED
    return Care(Remedy.NOTIFY, reason, care.remedy) if reason else care


def undecided(trouble: Trouble, now: datetime) -> bool:
    """Whether an open trouble is to be decided again: nothing was asked for, and why not may have passed.

    What somebody is about to ask for at this moment is left to them.
    """
    if not trouble.is_open or trouble.acted is not None or trouble.why not in _PASSES:
        return False
    return trouble.asking is None or now - trouble.asking >= _ASKED_WITHIN


def stands(trouble: Trouble, care: Care) -> bool:
    """Whether what was told of an open trouble is still all there is to say and to do."""
    return trouble.is_open and trouble.why == care.reason.value and not care.acts


def over(
    trouble: Trouble, service: Service | None, policy: CrashLoopPolicy, now: datetime, *, told: bool
) -> EndReason | None:
    """Why an open trouble of a service is over, or None. `told`: ECS has just told that the service is steady."""
    if service is None or not service.wanted:
        return EndReason.NOT_WANTED
    loops = trouble.key.startswith(LOOP)
    if loops and service.deployment and trouble.key != f"{LOOP}{service.deployment}":
        return EndReason.NEWER_DEPLOYMENT
    calm = now - (trouble.last or trouble.opened or now)
    if loops:
        patience = max(policy.quiet, timedelta(seconds=trouble.window))
        if calm >= patience:
            return EndReason.QUIET
    elif calm >= _FORGOTTEN:
        return EndReason.QUIET
    if service.steady and calm >= (settling(trouble) if told else policy.quiet) and (told or not loops):
        return EndReason.STEADY
    return None


def settling(trouble: Trouble) -> timedelta:
    """For how long a service must be steady to be believed: between two crashes it is steady as well."""
    return max(_SETTLED, timedelta(seconds=trouble.window) / 2)


__all__ = ["Act", "Care", "CrashLoopPolicy", "care_for_loop", "over", "sign_of", "stands", "suspects", "undecided"]
