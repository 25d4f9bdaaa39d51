"""What mirror tells: an image mirrored, a tag that failed, and what a look at a mirror came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from longshore.events import Kind
from longshore.mirror.reasons import Action, Reason
from longshore.outcomes import Outcome, announcements

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.messages import Wanted
    from longshore.mirror.plan import Step
    from longshore.mirror.report import Failure
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.ports import Publisher

_WHY = 1000
_TAGS = 20
_TOLD_OF = (Action.HOLD, Action.DELETE)


class Teller:
    """Publishes outcomes before what they tell is recorded: told at least once (docs/events.md)."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def tell(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Publishes what concerns somebody, and answers all of it."""
        if found := announcements(outcomes):
            self._publisher.publish(found)
        return outcomes


def mirrored(correlation: str, mirror: Mirror, downstream: Downstream, wanted: Wanted, stored: Digest) -> Outcome:
    """A tag was copied. `digest` is what downstream has, `source_digest` what upstream calls it."""
    detail = {
        **_place(mirror, downstream),
        "tag": wanted.tag,
        "digest": stored,
        "source_digest": wanted.digest,
        "previous": wanted.previous or None,
    }
    return Outcome("copy", wanted.reason, correlation, kind=Kind.IMAGE_MIRRORED, detail=detail)


def failed(
    correlation: str,
    mirror: Mirror,
    downstream: Downstream | None,
    tag: str,
    failure: Failure | Exception,
    retry_at: datetime | None = None,
) -> Outcome:
    """A tag, or the whole mirror, could not be copied; `side`, `why` and `blob` say what is to blame."""
    error = failure if isinstance(failure, Exception) else failure.error
    detail: dict[str, Any] = {
        **_place(mirror, downstream),
        "tag": tag or None,
        "error": type(error).__name__,
        "why": str(failure)[:_WHY],
        "side": None if isinstance(failure, Exception) else failure.side,
        "blob": None if isinstance(failure, Exception) else failure.digest,
        "retry_at": retry_at.isoformat() if retry_at else None,
    }
    return Outcome("copy", "failed", correlation, kind=Kind.MIRROR_FAILED, detail=detail)


def held(correlation: str, mirror: Mirror, downstream: Downstream, step: Step) -> Outcome:
    """A tag that something forbids to copy or to delete."""
    detail = {
        **_place(mirror, downstream),
        "tag": step.tag,
        "digest": step.digest or None,
        "previous": step.previous or None,
        "error": None,
        "why": (step.why or step.reason.meaning)[:_WHY],
        "side": None,
        "blob": None,
        "retry_at": None,
    }
    return Outcome("hold", step.reason.value, correlation, kind=Kind.MIRROR_FAILED, detail=detail)


def noted(correlation: str, mirror: Mirror, downstream: Downstream, why: str) -> Outcome:
    """What was left out of a copy that went well; only logged."""
    return Outcome("copy", "left-out", correlation, detail={**_place(mirror, downstream), "tag": None, "why": why})


def put_off(correlation: str, mirror: Mirror, reason: str, until: datetime, tags: int = 0) -> Outcome:
    """Work waits; only logged."""
    detail = {"mirror": mirror.name, "until": until.isoformat(), "tags": tags}
    return Outcome("wait", reason, correlation, detail=detail)


def reported(
    correlation: str,
    mirror: Mirror,
    plans: Mapping[Downstream, Iterable[Step]],
    deleted: Mapping[Downstream, Iterable[str]],
    failing: int,
    *,
    observe: bool = False,
) -> Outcome:
    """The roll-up of one look at a mirror. It is an event when there is anything to tell but that all is in sync."""
    steps = [step for plan in plans.values() for step in plan]
    chosen = [step for step in steps if step.reason not in _LEFT_OUT]
    counts = Counter(step.action for step in chosen)
    gone = [tag for tags in deleted.values() for tag in tags]
    detail = {
        "mirror": mirror.name,
        "upstream": str(mirror.upstream),
        "downstreams": [str(each.endpoint) for each in mirror.downstreams],
        "checked": len(chosen),
        "current": counts[Action.SKIP],
        "due": counts[Action.COPY],
        "waiting": counts[Action.WAIT],
        "held": counts[Action.HOLD],
        "failing": failing,
        "deleted": sorted(gone)[:_TAGS],
        "reasons": dict(sorted(Counter(step.reason.value for step in steps).items())),
        "pulls": sum(step.pulls for step in chosen if step.action is Action.COPY),
        "observed": observe,
    }
    quiet = not (counts[Action.COPY] or gone or failing)
    verdict, reason = ("skip", "in-sync") if quiet else ("copy", "observe-only" if observe else "due")
    return Outcome(verdict, reason, correlation, kind=None if quiet else Kind.MIRROR_REPORTED, detail=detail)


_LEFT_OUT = frozenset(
    {Reason.NOT_CHOSEN, Reason.EXCLUDED, Reason.PRERELEASE, Reason.VARIANT, Reason.OLDER, Reason.ARTIFACT}
)


def _place(mirror: Mirror, downstream: Downstream | None) -> dict[str, Any]:
    return {
        "mirror": mirror.name,
        "upstream": str(mirror.upstream),
        "downstream": str(downstream.endpoint) if downstream else None,
    }
