"""Looking at an image: what scanners, workloads, the ledger and suppressions say of it now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from longshore.errors import ConfigurationError
from longshore.images import is_artifact_tag
from longshore.scan.acceptance import read_suppressions
from longshore.scan.compare import Material, materials
from longshore.scan.findings import ScanState
from longshore.scan.memory import Memory
from longshore.scan.openvex import read_documents, read_openvex
from longshore.scan.priority import ranked
from longshore.scan.report import Baseline, Cure, Look
from longshore.scan.rules import AttachedVex
from longshore.scan.suppressions import Suppressions

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.images import Digest, Repository
    from longshore.scan.findings import Assessment, Finding, Key
    from longshore.scan.ports import Ports, Reported, Runner
    from longshore.scan.rules import ScanPolicy
    from longshore.scan.suppressions import Suppression

_OTHERS: Final = 3
"""Other running images that an image is compared with."""
_NEWER: Final = 3
"""Newer images that are asked whether they lack the findings."""
_RECENT: Final = timedelta(days=3)
"""So long after its push an image that nothing runs is told of."""
CLUSTERS: Final = 10
"""Images about whose clusters Inspector is asked."""
_VEX_IMAGES: Final = 8
"""Images of an index whose attached statements are read."""


class Running(NamedTuple):
    """What of a repository runs now, by digest."""

    images: Mapping[Digest, Sequence[Runner]]

    def of(self, digest: Digest, images: Iterable[Digest] = ()) -> tuple[Runner, ...]:
        """Who runs an image, or one of an index."""
        found = dict.fromkeys(runner for each in (digest, *images) for runner in self.images.get(each, ()))
        return tuple(sorted(found, key=lambda runner: (runner.environment, runner.name, runner.arn)))

    def by(self, workload: str) -> frozenset[Digest]:
        """The images that a workload, by ARN, runs."""
        return frozenset(
            digest for digest, runners in self.images.items() if any(each.arn == workload for each in runners)
        )

    def beside(self, digest: Digest, images: Iterable[Digest]) -> list[Digest]:
        """Other images, those with most runners first."""
        own = {digest, *images}
        return sorted(set(self.images) - own, key=lambda each: (-len(self.images[each]), each))


class Looker:
    """Gathers what there is to know. It changes nothing but first sights."""

    def __init__(self, ports: Ports, policy: ScanPolicy) -> None:
        self._ports = ports
        self._policy = policy
        self._configured = (*read_suppressions(policy.suppressions), *read_documents(policy.vex))

    def running(self, repository: Repository) -> Running:
        """What of a repository runs now."""
        return Running(self._ports.runners.of(repository))

    def suppressions(self) -> Suppressions:
        """Those of the configuration, and those that were set at run time."""
        return Suppressions((*self._configured, *self._ports.acceptances.all()))

    def suppressions_of(self, assessment: Assessment, *, gate: bool = False) -> Suppressions:
        """Those, and what is attached to an image where the policy lets it count; a document that cannot be read
        suppresses nothing. `gate`: for a gate, which whoever pushes an image does not open unless the policy says so.
        """
        counts = self._policy.attached_vex
        read = counts is AttachedVex.GATES or (counts is AttachedVex.REPORTS and not gate)
        attached = self._attached(assessment) if read else ()
        return Suppressions((*self._configured, *self._ports.acceptances.all(), *attached))

    def _attached(self, assessment: Assessment) -> list[Suppression]:
        found: list[Suppression] = []
        for digest in dict.fromkeys((assessment.digest, *assessment.images[:_VEX_IMAGES])):
            for document in self._ports.attestations.vex(assessment.repository, digest):
                try:
                    found += read_openvex(document, attached=digest)
                except ConfigurationError:
                    continue
        return found

    def look(self, assessment: Assessment, told: Reported | None, running: Running, now: datetime) -> Look:
        """All that is known of an image that was assessed just now."""
        memory = Memory.of(told)
        suppressions = self.suppressions_of(assessment)
        split = suppressions.split(assessment, now)
        runners = running.of(assessment.digest, assessment.images)
        if not runners and (assessment.findings or (memory and memory.runs)):
            runners = self.seen(assessment.repository, assessment.digest, assessment.images)
        begins = memory is None or (bool(runners) and not memory.ran)
        keys = [each.key for each in assessment.findings]
        return Look(
            assessment=assessment,
            open=split.open,
            suppressed=split.suppressed,
            runners=runners,
            since=self._ports.reports.seen(assessment.repository, keys, now) if keys else {},
            now=now,
            memory=memory,
            fingerprint=told.fingerprint if told else "",
            others=self._others(assessment, told, running) if begins else None,
            lapsed=_lapsed(suppressions, split.open, assessment, now),
            expiring=sum(by.ends_soon(now) for _, by in split.suppressed),
            concerns=bool(runners) or self._may_run(assessment, memory, now),
        )

    def _may_run(self, assessment: Assessment, memory: Memory | None, now: datetime) -> bool:
        """Whether an image that nothing runs may come to run: it was pushed of late to a repository that is followed.

        Scanners go on with old images for months; nobody mends those. One that was told of stays told of.
        """
        if memory is not None:
            return memory.opened is not None
        if not self._ports.index.runs(assessment.repository):
            return False
        for digest, _, pushed in self._ports.scans.images(assessment.repository):
            if pushed < now - _RECENT:
                return False
            if digest == assessment.digest:
                return True
        return False

    def seen(self, repository: Repository, digest: Digest, images: Iterable[Digest]) -> tuple[Runner, ...]:
        """Who runs an image by Inspector's word alone. Of what Longshore follows the platform's word counts: Inspector
        knows of a task for up to a day after it ended."""
        asked = (digest, *(each for each in images if each != digest))[:CLUSTERS]
        found = self._ports.runners.clusters(repository, asked)
        return tuple(each for each in found if not each.arn or self._ports.index.get(each.arn) is None)

    def _others(self, assessment: Assessment, told: Reported | None, running: Running) -> Baseline | None:
        """What an image is compared with at first: what runs beside it, else what ran or was told last; with nothing
        where that was the image itself, and it was over."""
        reports = [each for each in self._ports.reports.of(assessment.repository) if each.digest != assessment.digest]
        known = {each.digest: memory for each in reports if (memory := Memory.of(each))}
        beside = running.beside(assessment.digest, assessment.images)
        remembered = [each for each in beside if each in known]
        if remembered:
            found = {key: material for each in remembered for key, material in known[each].findings.items()}
            pauses = {key: pause for each in remembered for key, pause in known[each].pauses.items()}
            return Baseline(remembered[0], found, pauses)
        if beside:
            assessed = [self._materials(assessment.repository, each) for each in beside[:_OTHERS]]
            return Baseline(beside[0], {key: material for each in assessed for key, material in each.items()})
        last = max(reports, key=lambda each: (known[each.digest].ran, each.told), default=None)
        own = Memory.of(told)
        if told and own and (last is None or (own.ran, told.told) > (known[last.digest].ran, last.told)):
            return Baseline(None, {}) if own.opened is None else None
        if last is None:
            return None
        return Baseline(last.digest, known[last.digest].findings, known[last.digest].pauses)

    def _materials(self, repository: Repository, digest: Digest) -> Mapping[str, Material]:
        """What matters of an image that was never looked at; nothing where its scan is not complete."""
        assessment = self._ports.scans.assess(repository, digest)
        if assessment.state is not ScanState.COMPLETE:
            return {}
        found = ranked(assessment.findings, self._policy, running=True)
        return materials((each for each in found if each.priority <= self._policy.report), self._policy.epss)

    def cure(self, assessment: Assessment, keys: Iterable[Key]) -> Cure | None:
        """The image among the newest tagged ones, pushed after this one, that lacks most of some findings (N20)."""
        wanted = frozenset(keys)
        best: Cure | None = None
        asked = 0
        for digest, tags, _ in self._ports.scans.images(assessment.repository) if wanted else ():
            if digest == assessment.digest or asked == _NEWER:
                break
            named = tuple(tag for tag in tags if not is_artifact_tag(tag))
            if not named or digest in assessment.images:
                continue
            asked += 1
            other = self._ports.scans.assess(assessment.repository, digest)
            if other.state is not ScanState.COMPLETE:
                continue
            fixed = len(wanted - {each.key for each in other.findings})
            if fixed and (best is None or fixed > best.fixed):
                best = Cure(digest, named, fixed, len(wanted))
        return best


def _lapsed(
    suppressions: Suppressions, findings: Iterable[Finding], assessment: Assessment, now: datetime
) -> Mapping[Key, Suppression]:
    """Of each finding the suppression that ended last."""
    image = (assessment.repository, assessment.digest, assessment.images)
    ended = [each for each in suppressions.all if not each.stands(now) and not each.denies]
    ended = sorted(
        (each for each in ended if each.covers_image(*image)), key=lambda each: (each.expires or now, each.id)
    )
    return {finding.key: each for finding in findings for each in ended if each.covers(finding)} if ended else {}


def telling_keys(look: Look, policy: ScanPolicy) -> list[Key]:
    """The findings of an image that are worth telling."""
    found = ranked(look.open, policy, running=look.runs)
    return [each.finding.key for each in found if each.priority <= policy.report]
