"""What there is to tell of one image: what changed since it was told, or against what runs (notify 2.2, N8). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from longshore.scan.compare import Comparison, Material, compare, fingerprint, materials, short
from longshore.scan.findings import ScanState, Severity
from longshore.scan.memory import MOST, Memory, Overdue
from longshore.scan.priority import Priority, Ranked, ranked
from longshore.scan.sla import NEVER, Pause, due

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.scan.findings import Assessment, Finding, Key
    from longshore.scan.ports import Runner
    from longshore.scan.rules import ScanPolicy
    from longshore.scan.suppressions import Suppression

_WORST: Final = 5
_NAMED: Final = 20
_Kept = TypeVar("_Kept", Material, Pause)
_TEAMS: Final = 1000


class Verdict(StrEnum):
    """What becomes of a look."""

    REPORT = "report"
    RESOLVE = "resolve"
    SKIP = "skip"


class Baseline(NamedTuple):
    """What an image is compared with: findings of others, or of itself as it was told; `digest` None is itself."""

    digest: Digest | None
    findings: Mapping[str, Material]
    pauses: Mapping[str, Pause] = {}


class Cure(NamedTuple):
    """A newer image of the repository that lacks some of the findings."""

    digest: Digest
    tags: tuple[str, ...]
    fixed: int
    of: int


@dataclass(frozen=True, slots=True)
class Look:
    """All that is known of an image at one moment.

    `open` are the findings that count, `suppressed` the others with what suppresses them; `lapsed` is what suppressed a
    finding until it ended. `since` is the first sight of each key in the repository. `memory` is what was told of the
    image before, `others` what ran before it where it begins to run now, or runs beside it where it never was told.
    """

    assessment: Assessment
    open: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, Suppression], ...]
    runners: tuple[Runner, ...]
    since: Mapping[Key, datetime]
    now: datetime
    memory: Memory | None = None
    fingerprint: str = ""
    others: Baseline | None = None
    lapsed: Mapping[Key, Suppression] = field(default_factory=dict)
    expiring: int = 0
    concerns: bool = True

    @property
    def runs(self) -> bool:
        """Whether anything that is known runs it."""
        return bool(self.runners)

    @property
    def pauses(self) -> Mapping[str, Pause]:
        """The clocks that acceptance stopped; a new image inherits those of the one before it."""
        if self.memory:
            return self.memory.pauses
        return self.others.pauses if self.others else {}


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of an image, and what is remembered of it.

    `reason` is ``new``, ``worsened`` or ``reopened`` of a report, ``fixed`` or ``accepted`` of a resolution, otherwise
    why nothing is told. `found` are all findings that count, the gravest first; `compared_to` is the other image, None:
    the same one, as it was told last.
    """

    verdict: Verdict
    reason: str
    look: Look
    found: tuple[Ranked, ...]
    comparison: Comparison
    reopened: tuple[Ranked, ...]
    compared_to: Digest | None
    fingerprint: str
    memory: Memory
    dues: Mapping[Key, datetime]

    @property
    def changed(self) -> tuple[Ranked, ...]:
        """What is news, the gravest first."""
        return tuple(
            sorted((*self.comparison.new, *self.comparison.worsened, *self.reopened), key=lambda each: each.order)
        )

    @property
    def news(self) -> Mapping[Key, str]:
        """Each finding that is news, and what about it is."""
        named = (("new", self.comparison.new), ("worsened", self.comparison.worsened), ("reopened", self.reopened))
        return {each.finding.key: name for name, found in named for each in found}


def report(look: Look, policy: ScanPolicy) -> Report:
    """What there is to tell.

    Only findings of `policy.report` or graver are told, and remembered. An image that was never told is compared with
    the others; one that was, with itself; one that begins to run, with what ran before it. Nothing is told twice: the
    fingerprint covers the material members alone.
    """
    found = tuple(ranked(look.open, policy, running=look.runs))
    telling = [each for each in found if each.priority <= policy.report][:MOST]
    before = _baseline(look)
    raw = compare(telling, before.findings, policy.epss)
    pauses = _pauses(look)
    reopened = tuple(each for each in raw.new if _was_accepted(look, short(each.finding.key)))
    comparison = raw._replace(new=tuple(each for each in raw.new if each not in reopened))
    told = materials(telling, policy.epss)
    mark = fingerprint(told)
    dues = {each.finding.key: at for each in found if (at := _due(each, look, policy, pauses))}
    verdict, reason = _decide(look, comparison, reopened, mark, telling)
    memory = _memory(look, found, told, pauses, dues, verdict)
    return Report(verdict, reason, look, found, comparison, reopened, before.digest, mark, memory, dues)


def _baseline(look: Look) -> Baseline:
    memory = look.memory
    begins = memory is not None and look.runs and not memory.ran
    if look.others and (memory is None or begins):
        return look.others
    return Baseline(None, memory.findings if memory else {})


def _was_accepted(look: Look, key: str) -> bool:
    pause = look.pauses.get(key)
    return pause is not None and pause.since is not None


def _decide(
    look: Look, comparison: Comparison, reopened: Sequence[Ranked], mark: str, telling: Sequence[Ranked]
) -> tuple[Verdict, str]:
    if not look.concerns:
        return Verdict.SKIP, "not-followed"
    news = {"new": comparison.new, "reopened": reopened, "worsened": comparison.worsened}
    if any(news.values()) and mark != look.fingerprint:
        return Verdict.REPORT, next(name for name, found in news.items() if found)
    if not telling and look.memory and look.memory.opened and look.assessment.state is ScanState.COMPLETE:
        left = {short(each.key) for each, _ in look.suppressed}
        return Verdict.RESOLVE, "accepted" if left & look.memory.findings.keys() else "fixed"
    return Verdict.SKIP, "nothing-new" if look.assessment.state is ScanState.COMPLETE else look.assessment.state.value


def _pauses(look: Look) -> dict[str, Pause]:
    """The clocks that acceptance stops, or stopped, of findings that are still there; those of the gravest first."""
    known = look.pauses
    graver = sorted((finding for finding, _ in look.suppressed), key=lambda each: -(each.severity or Severity.MEDIUM))
    accepted = dict.fromkeys(short(each.key) for each in graver)
    found = {key: known.get(key, NEVER).accept(look.now) for key in accepted}
    for finding in look.open:
        key = short(finding.key)
        if key in known and key not in accepted:
            ended = look.lapsed[finding.key].expires if finding.key in look.lapsed else None
            found[key] = known[key].lapse(min(ended or look.now, look.now))
    return _bounded(found)


def _due(each: Ranked, look: Look, policy: ScanPolicy, pauses: Mapping[str, Pause]) -> datetime | None:
    since = look.since.get(each.finding.key, look.now)
    return due(each, since, policy, pauses.get(short(each.finding.key), NEVER))


def _memory(
    look: Look,
    found: Iterable[Ranked],
    told: Mapping[str, Material],
    pauses: Mapping[str, Pause],
    dues: Mapping[Key, datetime],
    verdict: Verdict,
) -> Memory:
    before = look.memory or Memory()
    late = [(dues[each.finding.key], each) for each in found if dues.get(each.finding.key, look.now) < look.now]
    late.sort(key=lambda each: (each[0], each[1].order))
    whole = look.assessment.state is ScanState.COMPLETE
    known = before.findings
    recalled = {key: _recalled(each, known[key], whole) if key in known else each for key, each in told.items()}
    opened = before.opened
    if verdict is Verdict.REPORT:
        opened = opened or look.now
    elif verdict is Verdict.RESOLVE:
        opened = None
    return Memory(
        # What vanished with the scan was not fixed.
        findings=recalled if whole else _bounded(recalled | _without(before.findings, recalled)),
        pauses=dict(pauses) if whole else _bounded({**pauses, **_without(before.pauses, pauses)}),
        ran=before.ran or look.runs,
        runs=look.runs,
        opened=opened,
        scanned=look.assessment.state.value,
        why=look.assessment.why[:300],
        tags=tuple(look.assessment.tags[:_NAMED]),
        counts=dict(sorted(Counter(each.priority.value for each in found).items())),
        suppressed=len(look.suppressed),
        overdue=len(late),
        worst=tuple(_overdue(each, at) for at, each in late[:_WORST]),
        **run_by(look.runners),
        behind=before.behind,
        images=tuple(each for each in look.assessment.images if each != look.assessment.digest),
    )


def run_by(runners: Sequence[Runner]) -> dict[str, Any]:
    """What is remembered of who runs an image."""
    return {
        "runners": tuple((each.name, each.team) for each in runners[:_NAMED]),
        "teams": tuple(sorted({each.team for each in runners})[:_TEAMS]),
    }


def _recalled(now: Material, told: Material, whole: bool) -> Material:
    """Without a result nothing got better: what the scanner did not tell this time is not news when it does again."""
    return now.recalled(told) if whole or now.worse_than(told) else told


def _bounded(found: Mapping[str, _Kept]) -> dict[str, _Kept]:
    """As many as an item of the ledger holds."""
    return dict(islice(found.items(), MOST))


def _without(known: Mapping[str, _Kept], others: Mapping[str, _Kept]) -> dict[str, _Kept]:
    return {key: each for key, each in known.items() if key not in others}


def _overdue(each: Ranked, at: datetime) -> Overdue:
    finding = each.finding
    return Overdue(finding.vulnerability[:64], finding.package[:128], each.priority.value, at.isoformat())


def gravest(found: Iterable[Ranked]) -> Priority | None:
    """The gravest priority of some findings."""
    return min((each.priority for each in found), default=None)
