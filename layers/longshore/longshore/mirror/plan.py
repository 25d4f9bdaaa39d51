"""What is due at one downstream of a mirror: from what upstream, downstream and the ledger say. Pure (mirror 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import PermanentError
from longshore.mirror.budget import Budget, pulls_of
from longshore.mirror.reasons import Action, Reason
from longshore.mirror.referrers import fallback_tag
from longshore.mirror.rules import OnMove
from longshore.mirror.trees import digest_tags

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.images import Digest
    from longshore.mirror.ports import ManifestHead
    from longshore.mirror.rules import Downstream, Mirror


INCOMPLETE: Final = "incomplete"
"""In place of what refers to an image: something of it could not be copied, and each look tries again."""
_REFUSED_FOR: Final = timedelta(days=1)
"""How long an immutable tag is left alone: somebody may make its repository mutable."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger remembers of a tag at one downstream.

    `source` is upstream's digest that was copied, `stored` what was put downstream in its place (another digest where
    only some platforms were wanted), `terms` and `referrers` what else the copy depended on.
    """

    tag: str
    source: Digest = ""
    stored: Digest = ""
    terms: str = ""
    referrers: str = ""
    pulls: int | None = None
    copied: datetime | None = None
    gone: datetime | None = None
    """Since when upstream is known to lack it."""
    refused: Digest = ""
    """Upstream's digest that downstream's immutable tag did not take, last at `refused_at`."""
    told: str = ""
    """What was told of it last, so that it is told once."""
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """Since when upstream's tag is known to name an image."""

    digest: Digest
    since: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """What downstream has: the digest of each tag; none where there is no such repository.

    `failed` are tags that it could not be asked for.
    """

    tags: Mapping[str, Digest] = field(default_factory=dict)
    failed: Mapping[str, LongshoreError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upstream:
    """What upstream has. `tags` is its whole list, None where none was asked for.

    `chosen` are the tags that the mirror is about, `left` why others are not; `heads` holds those that were asked for
    (None: no such tag), `failed` why others could not be, and `referrers` what refers to a tag's image, in a form that
    differs when that does, empty for nothing; a tag is not in it when that could not be asked, and nothing has changed.
    """

    chosen: tuple[str, ...]
    left: Mapping[str, Reason] = field(default_factory=dict)
    heads: Mapping[str, ManifestHead | None] = field(default_factory=dict)
    referrers: Mapping[str, str] = field(default_factory=dict)
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    tags: frozenset[str] | None = None
    failed: Mapping[str, LongshoreError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one tag at one downstream."""

    tag: str
    reason: Reason
    digest: Digest = ""
    """Upstream's; what is copied is this and nothing newer."""
    previous: Digest = ""
    """What downstream has now."""
    pulls: int = 0
    until: datetime | None = None
    """When to look again, for what waits."""
    referrers: str = ""
    why: str = ""

    @property
    def action(self) -> Action:
        """What follows."""
        return self.reason.action

    def as_json(self) -> dict[str, Any]:
        """For `longshore mirror plan`."""
        members = {"tag": self.tag, "action": self.action.value, "reason": self.reason.value, "digest": self.digest}
        more = {
            "previous": self.previous,
            "pulls": self.pulls,
            "until": self.until and self.until.isoformat(),
            "why": self.why,
        }
        return members | {name: value for name, value in more.items() if value}


def needs_head(mirror: Mirror, tag: str, knowns: Mapping[Downstream, Mapping[str, Known]]) -> bool:
    """Whether upstream has to be asked for a tag: not for one that it never moves and that was copied everywhere.

    Copied with all that refers to it, that is.
    """
    if not any(pattern.matches(tag) for pattern in mirror.tags.immutable):
        return True
    copies = [knowns.get(each, {}).get(tag) for each in mirror.downstreams]
    done = [known for known in copies if known and known.source and known.referrers != INCOMPLETE]
    return len(done) < len(copies) or any(known.terms != mirror.terms for known in done)


def plan(
    mirror: Mirror,
    upstream: Upstream,
    known: Mapping[str, Known],
    listing: Listing,
    now: datetime,
    budget: Budget | None = None,
) -> tuple[Step, ...]:
    """One step for each tag, sorted by tag; the copies together never cost more pulls than `budget` has."""
    steps = [_step(mirror, tag, upstream, known.get(tag), listing, now) for tag in upstream.chosen]
    steps += [Step(tag, reason) for tag, reason in upstream.left.items()]
    steps += _prune(mirror, upstream, known, listing, now)
    steps.sort(key=lambda step: step.tag)
    return tuple(_within(budget, steps, now, mirror.keep_pulls)) if budget else tuple(steps)


def _step(mirror: Mirror, tag: str, upstream: Upstream, known: Known | None, listing: Listing, now: datetime) -> Step:
    there = listing.tags.get(tag, "")
    error = upstream.failed.get(tag) or listing.failed.get(tag)
    if error is not None:
        reason = Reason.DENIED if isinstance(error, PermanentError) else Reason.UNREADABLE
        return Step(tag, reason, previous=there, why=str(error))
    if tag not in upstream.heads:
        if known is not None and there == known.stored:
            return Step(tag, Reason.KNOWN, known.source, there)
        # Downstream lost it: what was copied is copied again, by its digest.
        return Step(tag, Reason.REPAIR, known.source, there, known.pulls or 1) if known else Step(tag, Reason.MISSING)
    head = upstream.heads[tag]
    if head is None:
        return Step(tag, Reason.MISSING, previous=there)
    copied_with = known.referrers if known and known.source == head.digest else ""
    step = Step(tag, Reason.IN_SYNC, head.digest, there, referrers=upstream.referrers.get(tag, copied_with))
    reason = _due(mirror, step, known)
    return _allowed(mirror, replace(step, reason=reason), head, known, upstream.sightings.get(tag), now)


def _due(mirror: Mirror, step: Step, known: Known | None) -> Reason:
    """Why a tag is to be copied, or that it is in sync."""
    if not step.previous:
        return Reason.NEW
    copied = known if known and known.source else None
    if copied is None:
        if step.previous != step.digest or mirror.platforms:
            return Reason.MOVED
        return Reason.REFERRERS if step.referrers else Reason.IN_SYNC
    if copied.source != step.digest:
        return Reason.MOVED
    if copied.stored != step.previous:
        return Reason.REPAIR
    if copied.terms != mirror.terms:
        return Reason.TERMS
    return Reason.IN_SYNC if copied.referrers == step.referrers else Reason.REFERRERS


def _allowed(
    mirror: Mirror, step: Step, head: ManifestHead, known: Known | None, sighting: Sighting | None, now: datetime
) -> Step:
    """The step, or what keeps it from being done now."""
    if step.action is not Action.COPY:
        return step
    if step.reason in (Reason.MOVED, Reason.REPAIR) and mirror.on_move is OnMove.KEEP:
        return replace(step, reason=Reason.KEPT)
    if known and step.previous and _is_refused(known, step.digest, now):
        return replace(step, reason=Reason.IMMUTABLE)
    since = sighting.since if sighting and sighting.digest == step.digest else now
    if now < since + mirror.tags.min_age:
        return replace(step, reason=Reason.TOO_YOUNG, until=since + mirror.tags.min_age)
    from_before = known.pulls if known and known.terms == mirror.terms else None
    pulls = pulls_of(is_index=_is_index(head), platforms=len(mirror.platforms), known=from_before)
    return replace(step, pulls=pulls)


def _is_refused(known: Known, digest: Digest, now: datetime) -> bool:
    return known.refused == digest and known.refused_at is not None and now < known.refused_at + _REFUSED_FOR


def _is_index(head: ManifestHead) -> bool:
    return "index" in head.media_type or "list" in head.media_type


def _within(budget: Budget, steps: list[Step], now: datetime, keep: int) -> list[Step]:
    """Those copies that the budget allows; the others wait."""
    found = []
    for step in steps:
        if step.action is not Action.COPY:
            found.append(step)
            continue
        reserved = budget.planned(step.pulls, now, keep)
        if reserved is None:
            found.append(replace(step, reason=Reason.BUDGET, until=budget.refills(now)))
        else:
            budget = reserved
            found.append(step)
    return found


def _prune(
    mirror: Mirror, upstream: Upstream, known: Mapping[str, Known], listing: Listing, now: datetime
) -> list[Step]:
    """What becomes of tags that were copied and that upstream lacks now.

    An empty list upstream says nothing: a registry in trouble looks the same.
    """
    if mirror.prune is None or not upstream.tags:
        return []
    copied = [each for each in known.values() if each.source]
    steps = []
    for each in copied:
        there = listing.tags.get(each.tag, "")
        if each.tag in upstream.tags or each.tag in upstream.chosen or not there:
            continue
        until = (each.gone or now) + mirror.prune.after
        waits = Reason.GRACE if now < until else Reason.GONE
        reason = waits if there == each.stored else Reason.CHANGED_BY_HAND
        steps.append(Step(each.tag, reason, each.source, there, until=until if reason is Reason.GRACE else None))
    going = sum(step.reason is Reason.GONE for step in steps)
    if going * 100 > sum(each.tag in listing.tags for each in copied) * mirror.prune.most:
        return [replace(s, reason=Reason.PRUNE_GUARD) if s.reason is Reason.GONE else s for s in steps]
    return steps + _companions(mirror, upstream, known, listing, steps)


def _companions(
    mirror: Mirror, upstream: Upstream, known: Mapping[str, Known], listing: Listing, steps: list[Step]
) -> list[Step]:
    """Cosign's tags that came along with images that go, where no other tag names the image.

    Not those that upstream still has, or that the mirror chooses by themselves; nor the fallback tag of referrers, of
    which upstream may tell by its API alone: the image may be in an index that stays, and be verified by it.
    """
    gone = {step.tag for step in steps if step.reason is Reason.GONE}
    staying = {digest for tag, digest in listing.tags.items() if tag not in gone}
    staying |= {each.source for tag, each in known.items() if tag in listing.tags and tag not in gone}
    images = {digest for tag in gone for digest in (known[tag].source, known[tag].stored) if digest} - staying
    tags = {tag for image in images for tag in digest_tags(image, mirror.referrers)} - set(map(fallback_tag, images))
    own = {*upstream.chosen, *(upstream.tags or ()), *(tag for tag, each in known.items() if each.source)}
    there = [(tag, listing.tags[tag]) for tag in sorted(tags - own) if tag in listing.tags]
    return [Step(tag, Reason.GONE, digest, digest) for tag, digest in there]
