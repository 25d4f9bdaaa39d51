"""Reports: an image is looked at, what is news is told, and what was told is remembered, in this order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.errors import ConflictError, NotReadyError
from longshore.images import is_artifact_tag
from longshore.outcomes import Outcome
from longshore.scan import telling
from longshore.scan.findings import ScanState
from longshore.scan.looking import telling_keys
from longshore.scan.memory import Memory
from longshore.scan.ports import Reported
from longshore.scan.report import Verdict, report, run_by
from longshore.scan.team_digest import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from longshore.images import Digest, Repository
    from longshore.scan.findings import Assessment
    from longshore.scan.looking import Looker, Running
    from longshore.scan.ports import Ports, Runner
    from longshore.scan.report import Cure, Look, Report
    from longshore.scan.rules import ScanPolicy
    from longshore.scan.telling import Teller

_FRESH: Final = timedelta(days=30)
"""What did not change is written again after so long, so that the ledger does not forget it."""
TELLING: Final = timedelta(minutes=1)
"""So long it may take to tell and to record; after that nobody is at it any more."""


class Reporter:
    """The use case of one image. What was told and not yet recorded is told again, never lost."""

    def __init__(self, ports: Ports, policy: ScanPolicy, looker: Looker, teller: Teller) -> None:
        self._ports = ports
        self._policy = policy
        self._looker = looker
        self._teller = teller

    def subjects(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """What a report is about: the indexes that an image belongs to, or itself. An index without a tag is known
        only to those who looked at it before."""
        if indexes := tuple(self._ports.scans.index_of(repository, digest)):
            return indexes
        known = [each for each in self._remembered(repository) if digest in each.memory.images]
        return tuple(each.digest for each in known if each.memory.runs) or (digest,)

    def running_subjects(self, repository: Repository, running: Running) -> Sequence[Digest]:
        """The images that run; of an index and its images, which a platform may name both, the index."""
        known = {each.digest: each.memory.images for each in self._remembered(repository)}
        listed: set[Digest] = set()
        for digest in running.images:
            images = known[digest] if digest in known else self._ports.scans.assess(repository, digest).images
            listed.update(each for each in images if each != digest)
        return sorted(set(running.images) - listed)

    def _remembered(self, repository: Repository) -> list[Kept]:
        found = ((each, Memory.of(each)) for each in self._ports.reports.of(repository))
        return [Kept(repository, each.digest, memory) for each, memory in found if memory]

    def look(self, repository: Repository, digest: Digest, correlation: str) -> list[Outcome]:
        """Tells what is news of an image. Raises NotReadyError while another process tells the same, and further
        TransientErrors, such as ConflictError: it is looked at anew."""
        now = self._ports.clock.now()
        told = self._ports.reports.get(repository, digest)
        assessment = self._ports.scans.assess(repository, digest)
        running = self._looker.running(repository)
        if assessment.state is ScanState.GONE:
            left = self._left(assessment, told, running)
            if left is None:
                return self._closed(told, correlation, "gone", running, now)
            assessment = left
        if assessment.state is ScanState.PENDING:
            self._wait(told, assessment, running.of(digest, assessment.images), now)
            return [_skipped(correlation, assessment, "scanning")]
        look = self._looker.look(assessment, told, running, now)
        if told and look.memory and look.memory.ran and not look.runs:
            return self._closed(told, correlation, "replaced", running, now)
        found = report(look, self._policy)
        cure = self._looker.cure(assessment, telling_keys(look, self._policy))
        behind = telling.cured(cure) if look.runs else None
        memory = replace(found.memory, behind=behind)
        if found.verdict is Verdict.SKIP and _mends_more(look, behind):
            found = replace(found, verdict=Verdict.REPORT, reason="mended-upstream")
        outcome = self._outcome(correlation, found, cure)
        if self._teller.observe:
            memory, outcome = _only_observed(found, memory, outcome)
        self._claim(outcome, found)
        outcomes = self._teller.tell([outcome])
        if not told and not look.runs and found.verdict is Verdict.SKIP:
            return outcomes  # of every image that is pushed and never deployed there would be a memory
        if not told or memory != look.memory or told.told < now - _FRESH:
            self._put(told, found, memory, correlation)
        return outcomes

    def _wait(self, told: Reported | None, assessment: Assessment, runners: Sequence[Runner], now: datetime) -> None:
        """Of what runs it is remembered that no scan of it has finished: some never do, and digests say so."""
        memory = Memory.of(told) or Memory()
        waits = replace(
            memory,
            runs=True,
            scanned=assessment.state.value,
            why=assessment.why[:300],
            tags=assessment.tags[: telling.NAMED],
            images=tuple(each for each in assessment.images if each != assessment.digest),
            **run_by(runners),
        )
        if runners and waits != memory:
            image = (assessment.repository, assessment.digest)
            told = told or Reported(*image, fingerprint="", open=False, told=now, correlation="", summary={})
            self._ports.reports.put(replace(told, summary=waits.as_json()))

    def _left(self, assessment: Assessment, told: Reported | None, running: Running) -> Assessment | None:
        """Of an image that is not in the registry any more what still runs, though nobody scans it; None: nothing."""
        memory = Memory.of(told) or Memory()
        image = (assessment.digest, memory.images)
        if not running.of(*image) and not (memory.runs and self._looker.seen(assessment.repository, *image)):
            return None
        return replace(assessment, images=memory.images, tags=memory.tags)

    def _claim(self, outcome: Outcome, found: Report) -> None:
        """Images of an index are scanned at the same time, and each event leads here: one of them tells."""
        look = found.look
        if outcome.kind is None or self._teller.observe:
            return
        what = f"tell {look.assessment.repository}@{look.assessment.digest} {found.verdict.value} {found.fingerprint}"
        if not self._ports.reports.once(what, look.now, look.now + TELLING):
            raise NotReadyError(f"somebody is about to tell of {look.assessment.repository}@{look.assessment.digest}")

    def _outcome(self, correlation: str, found: Report, cure: Cure | None) -> Outcome:
        look = found.look
        assessment = look.assessment
        match found.verdict:
            case Verdict.REPORT:
                return telling.reported(correlation, found, self._runners(found), cure)
            case Verdict.RESOLVE:
                memory = look.memory or Memory()
                image = (assessment.repository, assessment.digest)
                return telling.resolved(correlation, *image, memory, found.reason, look.now, runners=look.runners)
            case Verdict.SKIP:
                return _skipped(correlation, assessment, found.reason, found.memory)

    def _runners(self, found: Report) -> Sequence[Runner]:
        """Those that Longshore follows, and what Inspector sees in clusters besides."""
        look = found.look
        seen = self._looker.seen(look.assessment.repository, look.assessment.digest, look.assessment.images)
        arns, names = {each.arn for each in look.runners}, {(each.cluster, each.name) for each in look.runners}
        others = [each for each in seen if each.arn not in arns - {""} and (each.cluster, each.name) not in names]
        return (*look.runners, *others)

    def _put(self, told: Reported | None, found: Report, memory: Memory, correlation: str) -> None:
        look = found.look
        whole = look.assessment.state is ScanState.COMPLETE
        kept = found.fingerprint if (whole or not told) and not self._teller.observe else _fingerprint(told)
        self._ports.reports.put(
            Reported(
                repository=look.assessment.repository,
                digest=look.assessment.digest,
                fingerprint=kept if found.verdict is not Verdict.REPORT or self._teller.observe else found.fingerprint,
                open=memory.opened is not None,
                told=look.now,
                correlation=correlation if found.verdict is not Verdict.SKIP or not told else told.correlation,
                summary=memory.as_json(),
                version=told.version if told else 0,
            )
        )

    def close_replaced(self, repository: Repository, running: Running, correlation: str) -> list[Outcome]:
        """What was told of images that nothing runs any more is over: something else was deployed."""
        now = self._ports.clock.now()
        outcomes: list[Outcome] = []
        for told in self._ports.reports.of(repository):
            memory = Memory.of(told)
            if memory and memory.runs and not self._runs(told, memory, running):
                outcomes += self._closed(told, correlation, "replaced", running, now)
        return outcomes

    def _runs(self, told: Reported, memory: Memory, running: Running) -> bool:
        image = (told.digest, memory.images)
        return bool(running.of(*image) or self._looker.seen(told.repository, *image))

    def _closed(
        self, told: Reported | None, correlation: str, reason: str, running: Running, now: datetime
    ) -> list[Outcome]:
        """Ends what was told of an image; one of which nothing was told is only no longer counted as running."""
        memory = Memory.of(told)
        if told is None or memory is None:
            return []
        outcomes: list[Outcome] = []
        observed = f"closed {reason}" if self._teller.observe and memory.opened is not None else ""
        if observed and observed == memory.observed:
            return []
        if memory.opened is not None:
            by = self._instead(told.repository, running) if reason == "replaced" else None
            outcome = telling.resolved(correlation, told.repository, told.digest, memory, reason, now, by)
            outcomes = self._teller.tell([outcome])
        if memory.opened is not None or memory.runs:
            ended = replace(memory, runs=False, opened=None, runners=(), behind=None, overdue=0, worst=())
            ended = replace(ended, findings={} if reason == "gone" else memory.findings, ran=False)
            put = replace(told, fingerprint="", open=False, told=now, summary=ended.as_json())
            if observed:  # nobody heard of it: it ends once reports are on
                put = replace(told, summary=replace(memory, observed=observed).as_json())
            try:
                self._ports.reports.put(put)
            except ConflictError:
                return outcomes  # somebody looked at it at this very moment, and knows better
        return outcomes

    def _instead(self, repository: Repository, running: Running) -> dict[str, Any] | None:
        """What most run now."""
        beside = running.beside("", ())
        known = {each.digest: each.memory.tags for each in self._remembered(repository) if each.digest in beside}
        if not beside:
            return None
        digest = next((each for each in beside if each in known), beside[0])
        named = known.get(digest) or next(
            (tags for each, tags, _ in self._ports.scans.images(repository) if each == digest), ()
        )
        return {"digest": digest, "tags": [tag for tag in named if not is_artifact_tag(tag)]}


def _fingerprint(told: Reported | None) -> str:
    return told.fingerprint if told else ""


def _only_observed(found: Report, memory: Memory, outcome: Outcome) -> tuple[Memory, Outcome]:
    """What was told stays what it was, to be compared with once reports are on; what would be told is logged once."""
    before = found.look.memory or Memory()
    observed = f"{found.verdict.value} {found.fingerprint}" if outcome.kind else before.observed
    kept = replace(memory, findings=before.findings, opened=before.opened, ran=before.ran, observed=observed)
    if outcome.kind and observed == before.observed:
        outcome = _skipped(outcome.correlation, found.look.assessment, "nothing-new", memory)
    return kept, outcome


def _mends_more(look: Look, behind: Mapping[str, Any] | None) -> bool:
    """Whether a newer image came since it was told that lacks more of what is still open in what runs (N20)."""
    if behind is None or look.memory is None or look.memory.opened is None:
        return False
    known = look.memory.behind
    return known is None or (known["digest"] != behind["digest"] and known["fixed"] < behind["fixed"])


def _skipped(correlation: str, assessment: Assessment, reason: str, memory: Memory | None = None) -> Outcome:
    detail = {
        **telling.image_members(assessment.repository, assessment.digest, assessment.tags),
        "scanned": assessment.state.value,
        "counts": dict(memory.counts) if memory else {},
    }
    return Outcome("skip", reason, correlation, detail=detail)
