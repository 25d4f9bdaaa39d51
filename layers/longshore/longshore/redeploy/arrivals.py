"""An image arrives: its tag settles, and is then resolved, whatever the event said (redeploy 8.2, 8.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from longshore.decisions import Reason
from longshore.errors import PermanentError, TransientError
from longshore.events import Cause
from longshore.images import is_artifact_tag, is_index
from longshore.ports import Head

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from longshore.events import Event, ImageMoved
    from longshore.images import Repository
    from longshore.redeploy.ports import Ports
    from longshore.redeploy.state import Candidate

SETTLE = timedelta(seconds=5)
SETTLE_INDEX = timedelta(seconds=20)
SETTLE_CAP_SECONDS = 120
"""How long a tag must rest before it is acted on, and the most that further moves put it off (redeploy 8.3)."""

_PATIENCE = timedelta(minutes=10)
_RETRY = timedelta(seconds=15)
_DOUBLINGS = 5
_OUTAGE = timedelta(hours=1)
_AFTER_OUTAGE = timedelta(minutes=1)
"""How long it is asked again of a registry that does not answer; then the sweep does."""


class UnreachableError(PermanentError):
    """A public registry that was asked for as long as there is patience, or that refuses to answer at all."""


class Arrival(NamedTuple):
    """A tag that rests, resolved: to be decided on by whoever follows its repository."""

    repository: Repository
    candidate: Candidate
    heads: Sequence[Head]


class Arrivals:
    """Turns moves of tags into arrivals, or into the reason why there is none (yet)."""

    def __init__(self, ports: Ports) -> None:
        self._registry = ports.registry
        self._heads = ports.heads
        self._postponer = ports.postponer
        self._clock = ports.clock

    def of(self, event: Event, moved: ImageMoved) -> list[Arrival | Reason]:
        """The arrivals of one event: mostly one; several where a restored image has several tags.

        Raises UnreachableError.
        """
        if moved.tag is not None:
            return [self._tagged(event, moved, moved.tag)]
        if moved.cause is not Cause.RESTORE or moved.digest is None:
            return [Reason.UNTAGGED]  # a child of an index, or an attestation
        tags = self._registry.tags_of(moved.repository, moved.digest)
        return [self._resolved(event, moved, tag) for tag in tags if not is_artifact_tag(tag)] or [Reason.UNTAGGED]

    def _tagged(self, event: Event, moved: ImageMoved, tag: str) -> Arrival | Reason:
        if is_artifact_tag(tag):
            return Reason.ARTIFACT
        now = self._clock.now()
        if event.deferral is None and moved.digest is not None:
            return self._settling(event, moved, tag, now) or self._resolved(event, moved, tag)
        head = self._heads.get(moved.repository, tag)
        waiting = event.deferral is None or event.deferral.reason == Reason.SETTLING
        if head and now < head.settles and waiting:
            return Reason.SUPERSEDED  # the later move sent its own copy
        return self._resolved(event, moved, tag)

    def _settling(self, event: Event, moved: ImageMoved, tag: str, now: datetime) -> Reason | None:
        """Records the move and comes back when the tag has rested: an index is pushed in several steps."""
        assert moved.digest is not None
        rest = SETTLE_INDEX if is_index(moved.media_type) else SETTLE
        seen = Head(moved.repository, tag, moved.digest, min(event.time, now), now + rest, now)
        head = self._heads.observe(seen, SETTLE_CAP_SECONDS)
        if head.settles <= now:
            return None
        self._postponer.postpone(event.deferred(head.settles, Reason.SETTLING.value, now), head.settles)
        return Reason.SETTLING

    def _resolved(self, event: Event, moved: ImageMoved, tag: str) -> Arrival | Reason:
        try:
            resolved = self._registry.resolve(moved.repository, tag)
        except (TransientError, PermanentError) as error:
            if not moved.repository.is_public:
                raise  # AWS's own API: the queue tries again, and says so where it never answers
            again = isinstance(error, TransientError)
            if again and self._come_back(event, Reason.REGISTRY_UNREACHABLE, _AFTER_OUTAGE, _OUTAGE):
                return Reason.REGISTRY_UNREACHABLE
            raise UnreachableError(str(error)) from error
        if resolved is None:
            return Reason.IMAGE_MISSING
        if not resolved.is_image:
            return Reason.ARTIFACT
        candidate = resolved.candidate
        now = self._clock.now()
        heads = {head.tag: head for head in self._heads.of(moved.repository)}
        if tag not in heads or heads[tag].digest != candidate.digest:
            seen = Head(moved.repository, tag, candidate.digest, now, now, now, source=moved.cause.value)
            heads[tag] = self._heads.observe(seen, SETTLE_CAP_SECONDS)
        if not candidate.complete and self._come_back(event, Reason.INCOMPLETE_INDEX, _RETRY, _PATIENCE):
            return Reason.INCOMPLETE_INDEX
        return Arrival(moved.repository, replace(candidate, moved_at=heads[tag].moved), list(heads.values()))

    def _come_back(self, event: Event, reason: Reason, after: timedelta, patience: timedelta) -> bool:
        """Comes back for what is not there yet, less and less often; False once patience is over."""
        now, waited = self._clock.now(), event.waited(reason.value)
        first, count = (waited.first, waited.deferrals) if waited else (now, 0)
        if now - first >= patience:
            return False
        until = min(now + after * 2 ** min(count, _DOUBLINGS), first + patience)
        self._postponer.postpone(event.deferred(until, reason.value, now), until)
        return True
