"""Looking: what upstream, each downstream and the ledger say of a mirror, at the fewest requests (design 6.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.errors import LongshoreError, PermanentError, ThrottledError
from longshore.mirror.choosing import candidates, choose
from longshore.mirror.errors import AddressError, RepositoryGoneError
from longshore.mirror.plan import Known, Listing, Sighting, Step, Upstream, needs_head, plan
from longshore.mirror.ports import ManifestHead
from longshore.mirror.referrers import fallback_tag
from longshore.mirror.rules import By, Downstream

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.budget import Budget
    from longshore.mirror.ports import RateLimit, Registry
    from longshore.mirror.rules import Mirror
    from longshore.mirror.stores import Memory, Places, Pulls
    from longshore.ports import Clock

_AT_ONCE: Final = 8
_COSIGN: Final = (".sig", ".att", ".sbom")
_FOR_ALL: Final = (AddressError, RepositoryGoneError, ThrottledError)
"""What one tag's request says of every other one. A denial does not: it may be of that tag."""
_Asked = TypeVar("_Asked")


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a mirror now; the plans follow from it.

    `unlisted` says of which downstreams nothing is known, and why: no plan is made for those, and the others go on.
    """

    mirror: Mirror
    upstream: Upstream
    known: Mapping[Downstream, Mapping[str, Known]]
    listings: Mapping[Downstream, Listing]
    budget: Budget
    now: datetime
    unlisted: Mapping[Downstream, LongshoreError] = field(default_factory=dict)

    def plans(self) -> dict[Downstream, tuple[Step, ...]]:
        """The steps by downstream; the budget covers all of them together."""
        found, budget = {}, self.budget
        for downstream, listing in self.listings.items():
            known = self.known.get(downstream, {})
            steps = plan(self.mirror, self.upstream, known, listing, self.now, budget)
            spent = sum(step.pulls for step in steps if step.action == "copy")
            budget = budget.planned(spent, self.now, self.mirror.keep_pulls) or budget
            found[downstream] = steps
        return found


def whose(mirror: Mirror, rate: RateLimit | None) -> str:
    """Whose pulls the mirror uses: those of a login at a host, or else of the address that they come from.

    A Lambda function has many addresses; the registry says in `rate` for which one it counts.
    """
    if mirror.secret:
        return f"{mirror.upstream.host}#{mirror.secret}"
    return f"{mirror.upstream.host}#anonymous" + (f"@{rate.source}" if rate is not None and rate.source else "")


class Surveyor:
    """Asks registries and the ledger. Nothing is changed but since when tags are known, and the budget."""

    def __init__(self, places: Places, memory: Memory, pulls: Pulls, clock: Clock) -> None:
        self._places = places
        self._memory = memory
        self._pulls = pulls
        self._clock = clock

    def look(
        self, mirror: Mirror, only: Iterable[str] | None = None, *, beat: Callable[[], object] = lambda: None
    ) -> Survey:
        """The survey of a mirror, or of `only` some of its tags: those that an event named.

        `beat` is called now and then: as long as it is, the work goes on.
        Raises what says that upstream cannot be used at all; what concerns a downstream or a tag is in the survey.
        """
        now = self._clock.now()
        source = self._places.source(mirror)
        kept = self._memory.known(mirror.name)
        known = {each: kept.get(each.endpoint, {}) for each in mirror.downstreams}
        sightings = self._memory.sightings(mirror.name)
        at_once = self._at_once(mirror) if only is None else {}
        tags = frozenset(at_once or source.tags(mirror.upstream.name)) if mirror.tags.listed else None
        beat()
        arrivals = self._arrivals(mirror, tags or (), now)
        chosen, left = choose(mirror.tags, tags or mirror.tags.names, arrivals, _ripe(mirror, known, sightings, now))
        if only is not None:
            wanted = set(only)
            chosen, left = [t for t in chosen if t in wanted], {t: r for t, r in left.items() if t in wanted}
        asked = [tag for tag in chosen if needs_head(mirror, tag, known)]
        heads, failed = self._heads(mirror, source, asked, at_once)
        beat()
        upstream = Upstream(
            chosen=tuple(chosen),
            left=left,
            heads=heads,
            referrers=self._referrers(mirror, source, heads, tags),
            sightings=self._sighted(mirror, heads, sightings, now),
            tags=tags if only is None else None,
            failed=failed,
        )
        listings: dict[Downstream, Listing] = {}
        unlisted: dict[Downstream, LongshoreError] = {}
        for each in mirror.downstreams:
            beat()
            try:
                listings[each] = self._listing(mirror, each, chosen)
            except LongshoreError as error:
                unlisted[each] = error
        return Survey(mirror, upstream, known, listings, self._budget(mirror, source, now), now, unlisted)

    def _arrivals(self, mirror: Mirror, tags: Iterable[str], now: datetime) -> Mapping[str, datetime]:
        """Since when each tag is listed, for `by: time`; of those of one look the newest are recorded last."""
        if mirror.tags.latest is None or mirror.tags.by is not By.TIME:
            return {}
        before = self._memory.arrivals(mirror.name)
        fresh = {tag: now for tag in candidates(mirror.tags, tags) if tag not in before}
        if fresh:
            self._memory.arrive(mirror.name, fresh)
        return {**before, **fresh}

    def _at_once(self, mirror: Mirror) -> Mapping[str, Digest]:
        """Every tag of an upstream in ECR by its own API, as of a downstream; empty where that says nothing.

        Its registry answers then: it says what is wrong, and may let in whom the API denies (other accounts, Regions).
        """
        upstream = Downstream(mirror.upstream)
        if not upstream.is_ecr:
            return {}
        try:
            holdings = self._places.holdings(upstream)
            return (holdings.tagged(mirror.upstream.name) if holdings else None) or {}
        except PermanentError:
            return {}

    def _heads(
        self, mirror: Mirror, source: Registry, tags: list[str], at_once: Mapping[str, Digest]
    ) -> tuple[dict[str, ManifestHead | None], dict[str, LongshoreError]]:
        """What is known `at_once` has no media type: that only says how many pulls a copy costs, and ECR has none."""
        if at_once:
            return {tag: ManifestHead(at_once[tag], "") if tag in at_once else None for tag in tags}, {}
        return _told(_each(tags, lambda tag: source.head(mirror.upstream.name, tag)))

    def _referrers(
        self,
        mirror: Mirror,
        source: Registry,
        heads: Mapping[str, ManifestHead | None],
        tags: frozenset[str] | None,
    ) -> dict[str, str]:
        """What refers to each image, as a hash: by the API, and by what its fallback tag and cosign's tags name.

        Only HEADs: to read the list of a fallback tag would be a pull.
        """
        if mirror.referrers == "none":
            return {}
        name, digests = mirror.upstream.name, {head.digest for head in heads.values() if head}

        def of(digest: Digest) -> list[str]:
            found = [each.digest for each in source.referrers(name, digest, frozenset())]
            told = (fallback_tag(digest), *map(digest.replace(":", "-").__add__, _COSIGN))
            named = [tag for tag in told if tag in (tags or ())]
            return found + [head.digest for tag in named if (head := source.head(name, tag))]

        answers = _each(digests, of)
        known = {digest: _hash(found) for digest, found in answers.items() if not isinstance(found, LongshoreError)}
        return {tag: known[head.digest] for tag, head in heads.items() if head and head.digest in known}

    def _sighted(
        self,
        mirror: Mirror,
        heads: Mapping[str, ManifestHead | None],
        before: Mapping[str, Sighting],
        now: datetime,
    ) -> Mapping[str, Sighting]:
        fresh = {
            tag: Sighting(head.digest, now)
            for tag, head in heads.items()
            if head and (tag not in before or before[tag].digest != head.digest)
        }
        if fresh:
            self._memory.sight(mirror.name, fresh)
        return {**before, **fresh}

    def _listing(self, mirror: Mirror, downstream: Downstream, chosen: list[str]) -> Listing:
        """By its own API where that tells all at once, else by one HEAD for each tag."""
        name = downstream.endpoint.name
        holdings = self._places.holdings(downstream)
        tagged = holdings.tagged(name) if holdings else None
        if tagged is not None:
            return Listing(tagged)
        registry = self._places.destination(mirror, downstream)
        heads, failed = _told(_each(chosen, lambda tag: registry.head(name, tag)))
        return Listing({tag: head.digest for tag, head in heads.items() if head}, failed)

    def _budget(self, mirror: Mirror, source: Registry, now: datetime) -> Budget:
        """As the ledger has it, with what the registry has just said."""
        name = whose(mirror, source.rate)
        if source.rate is not None:
            self._pulls.settle(name, "", source.rate, now)
        return self._pulls.budget(name)


def _ripe(
    mirror: Mirror,
    known: Mapping[Downstream, Mapping[str, Known]],
    sightings: Mapping[str, Sighting],
    now: datetime,
) -> dict[str, bool] | None:
    """Whether each tag's image is out of quarantine, for `latest`; a tag that was copied is. None: there is none."""
    if not mirror.tags.min_age:
        return None
    seen = {tag: now >= sighting.since + mirror.tags.min_age for tag, sighting in sightings.items()}
    return seen | {tag: True for tags in known.values() for tag, each in tags.items() if each.source}


def _told(answers: Mapping[str, _Asked | LongshoreError]) -> tuple[dict[str, _Asked], dict[str, LongshoreError]]:
    """The answers, and what came in the way of which tag. Raises it when every tag has it: denied, or failed."""
    failed = {tag: answer for tag, answer in answers.items() if isinstance(answer, LongshoreError)}
    kinds = {isinstance(error, PermanentError) for error in failed.values()}
    if len(kinds) == 1 and len(failed) == len(answers):
        raise next(iter(failed.values()))
    return {tag: answer for tag, answer in answers.items() if not isinstance(answer, LongshoreError)}, failed


def _each(keys: Iterable[str], ask: Callable[[str], _Asked]) -> dict[str, _Asked | LongshoreError]:
    """The answers, several asked for at once. Raises an error that holds for all; any other is the answer."""
    wanted = list(keys)

    def one(key: str) -> _Asked | LongshoreError:
        try:
            return ask(key)
        except _FOR_ALL:
            raise
        except LongshoreError as error:
            return error

    if len(wanted) <= 1:
        return {key: one(key) for key in wanted}
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))


def _hash(digests: Iterable[str]) -> str:
    """One text for a set of digests, empty for none."""
    text = ",".join(sorted(set(digests)))
    return sha256(text.encode()).hexdigest()[:16] if text else ""
