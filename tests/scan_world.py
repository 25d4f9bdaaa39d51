"""A world for scan: scanners, workloads and stores in memory, every call a boundary at which the process may end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from longshore.errors import ConflictError
from longshore.gates import GATE_DUE, GateQuestion, GateTerms
from longshore.images import Repository
from longshore.scan.findings import Assessment, Finding, Fix, Scanner, ScanState, Severity
from longshore.scan.messages import Message
from longshore.scan.ports import Ports, Reported, Runner
from longshore.scan.rules import ScanPolicy
from longshore.scan.service import Scanner as ScanService
from longshore.workloads import Subject
from tests.boundaries import ACCOUNT, REGION, Bounded, Crash
from tests.fakes import FakeGates, FakeIndex, FakePostponer, FakePublisher

if TYPE_CHECKING:
    from longshore.events import Kind
    from longshore.images import Digest
    from longshore.outcomes import Outcome
    from longshore.ports import Clock
    from longshore.scan.findings import Key
    from longshore.scan.suppressions import Suppression
    from longshore.workloads import Workload

WEB = Repository(ACCOUNT, REGION, "shop/web")
ONE, TWO, THREE, ARM, AMD = (f"sha256:{digit * 64}" for digit in "12345")
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web"
SHOP = Runner("web", SERVICE, "prod", "shop", "shop-alerts", "prod", 4)
CRITICAL = Finding("CVE-2026-1", "openssl", "3.0.11", severity=Severity.CRITICAL, fix=Fix.YES, fixed_in="3.0.15")
HIGH = Finding("CVE-2026-2", "curl", "8.0", severity=Severity.HIGH, fix=Fix.YES, fixed_in="8.1")
MINOR = Finding("CVE-2026-3", "tar", "1.34", severity=Severity.LOW)


class FakeScans:
    """Assessments by image; what is not there is gone."""

    def __init__(self) -> None:
        self.assessments: dict[tuple[Repository, Digest], Assessment] = {}
        self.pushed: dict[tuple[Repository, Digest], datetime] = {}
        self.looks = 0

    def assess(self, repository: Repository, digest: Digest, images: Sequence[Digest] | None = None) -> Assessment:
        """See the port."""
        self.looks += 1
        found = self.assessments.get((repository, digest), Assessment(repository, digest, ScanState.GONE))
        return replace(found, images=tuple(images)) if images else found

    def index_of(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """See the port."""
        return [
            each.digest
            for (where, _), each in self.assessments.items()
            if where == repository and digest in each.images and digest != each.digest and each.tags
        ]

    def images(self, repository: Repository) -> Iterable[tuple[Digest, Sequence[str], datetime]]:
        """See the port."""
        tagged = [
            (digest, each.tags, self.pushed[repository, digest])
            for (where, digest), each in self.assessments.items()
            if where == repository and each.tags
        ]
        return sorted(tagged, key=lambda each: each[2], reverse=True)


class FakeRunners:
    """Who runs what, by repository and digest."""

    def __init__(self) -> None:
        self.running: dict[Repository, dict[Digest, list[Runner]]] = {}
        self.seen: list[Runner] = []

    def of(self, repository: Repository) -> Mapping[Digest, Sequence[Runner]]:
        """See the port."""
        return {digest: list(found) for digest, found in self.running.get(repository, {}).items()}

    def clusters(self, repository: Repository, images: Sequence[Digest]) -> Sequence[Runner]:
        """See the port."""
        return list(self.seen)

    def repositories(self) -> Iterable[Repository]:
        """See the port."""
        return sorted(self.running)


class FakeAttestations:
    """Documents by image."""

    def __init__(self) -> None:
        self.documents: dict[Digest, list[Mapping[str, Any]]] = {}

    def vex(self, repository: Repository, digest: Digest) -> Sequence[Mapping[str, Any]]:
        """See the port."""
        return self.documents.get(digest, [])


class MemoryReports:
    """What was told, in dictionaries, as JSON would carry it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[Repository, Digest], Reported] = {}
        self._sights: dict[tuple[Repository, Key], datetime] = {}
        self._done: dict[str, datetime] = {}
        self._digests: dict[str, Mapping[str, Any]] = {}

    def get(self, repository: Repository, digest: Digest) -> Reported | None:
        """See the port."""
        return self.kept.get((repository, digest))

    def put(self, reported: Reported) -> None:
        """See the port."""
        key = reported.repository, reported.digest
        if (self.kept[key].version if key in self.kept else 0) != reported.version:
            raise ConflictError(f"version {reported.version} is outdated")
        summary = json.loads(json.dumps(reported.summary))
        self.kept[key] = replace(reported, summary=summary, version=reported.version + 1)

    def of(self, repository: Repository) -> Sequence[Reported]:
        """See the port."""
        return [each for (where, _), each in sorted(self.kept.items()) if where == repository]

    def seen(self, repository: Repository, keys: Iterable[Key], at: datetime) -> Mapping[Key, datetime]:
        """See the port."""
        return {key: self._sights.setdefault((repository, key), at.replace(microsecond=0)) for key in keys}

    def done(self, what: str, at: datetime) -> bool:
        """See the port."""
        return what in self._done and self._done[what] > at

    def once(self, what: str, at: datetime, keep: datetime) -> bool:
        """See the port."""
        if self.done(what, at):
            return False
        self._done[what] = keep
        return True

    def digest(self, team: str) -> Mapping[str, Any] | None:
        """See the port."""
        return self._digests.get(team)

    def keep_digest(self, team: str, figures: Mapping[str, Any], at: datetime) -> None:
        """See the port."""
        self._digests[team] = json.loads(json.dumps(figures))


class MemoryAcceptances:
    """Suppressions by id."""

    def __init__(self) -> None:
        self._kept: dict[str, Suppression] = {}

    def all(self) -> Sequence[Suppression]:
        """See the port."""
        return [each for _, each in sorted(self._kept.items())]

    def put(self, suppression: Suppression) -> None:
        """Sets one."""
        self._kept[suppression.id] = suppression

    def remove(self, identity: str) -> bool:
        """Takes one away."""
        return self._kept.pop(identity, None) is not None


class FollowedIndex(FakeIndex):
    """Repositories that somebody follows, whoever it is."""

    def __init__(self) -> None:
        super().__init__()
        self.followed: set[Repository] = {WEB}
        self.left: set[str] = set()

    def runs(self, repository: Repository) -> Sequence[Workload]:
        """Anything that is true."""
        return cast("Sequence[Workload]", ["somebody"] if repository in self.followed else [])

    def get(self, arn: str) -> Workload | None:
        """Anything that is true, of a workload that was not removed."""
        return None if arn in self.left else cast("Workload", "somebody")


class ScanWorld(Bounded):
    """Everything that scan needs, with a queue that delivers again what a process did not finish."""

    def __init__(self, policy: ScanPolicy | None = None, *, observe: bool = False) -> None:
        super().__init__()
        self.policy = policy or ScanPolicy()
        self.observe = observe
        self.scans = FakeScans()
        self.runners = FakeRunners()
        self.attestations = FakeAttestations()
        self.reports = MemoryReports()
        self.acceptances = MemoryAcceptances()
        self.gates = FakeGates()
        self.index = FollowedIndex()
        self.queue = FakePostponer()
        self.publisher = FakePublisher()
        self.outcomes: list[Outcome] = []
        self.failures: list[BaseException] = []
        self.runners.running[WEB] = {}

    def service(self) -> ScanService:
        """A new process."""
        ports = Ports(
            scans=self._port(self.scans),
            runners=self._port(self.runners),
            attestations=self._port(self.attestations),
            reports=self._port(self.reports),
            acceptances=self._port(self.acceptances),
            gates=self._port(self.gates),
            index=self._port(self.index),
            postponer=self._port(self.queue),
            publisher=self._port(self.publisher),
            clock=cast("Clock", self.clock),
        )
        return ScanService(ports, self.policy, observe=self.observe)

    # -- what happens ------------------------------------------------------------------------------------------------

    def push(self, digest: Digest, *findings: Finding, tag: str = "", **members: Any) -> Assessment:
        """An image is there, and scanned; a tag that another image had moves."""
        if tag:
            for key, each in self.scans.assessments.items():
                self.scans.assessments[key] = replace(each, tags=tuple(old for old in each.tags if old != tag))
        default = {"state": ScanState.COMPLETE, "scanner": Scanner.ENHANCED, "at": self.clock.now()}
        found = Assessment(WEB, digest, findings=findings, **{**default, "tags": (tag,) if tag else (), **members})
        self.scans.assessments[WEB, digest] = found
        self.scans.pushed.setdefault((WEB, digest), self.clock.now())
        return found

    def find(self, digest: Digest, *findings: Finding, state: ScanState = ScanState.COMPLETE) -> None:
        """What is known of an image is another thing now."""
        known = self.scans.assessments[WEB, digest]
        self.scans.assessments[WEB, digest] = replace(known, findings=findings, state=state)

    def deploy(self, digest: Digest, *runners: Runner) -> None:
        """A workload runs an image, and nothing else of the repository."""
        self.runners.running[WEB] = {digest: list(runners or (SHOP,))}

    def scanned(self, digest: Digest) -> dict[str, Any]:
        """ECR's event."""
        detail = {"scan-status": "COMPLETE", "repository-name": WEB.name, "image-digest": digest, "image-tags": []}
        return self.envelope("ECR Image Scan", detail)

    def finding(self, digest: Digest) -> dict[str, Any]:
        """Inspector's event."""
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{WEB.name}/{digest}"
        resource = {"type": "AWS_ECR_CONTAINER_IMAGE", "id": arn}
        return self.envelope("Inspector2 Finding", {"type": "PACKAGE_VULNERABILITY", "resources": [resource]})

    def succeeded(self) -> dict[str, Any]:
        """Longshore's event of a deployment."""
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{WEB.name}:prod"
        return self.own("Deployment Succeeded", {"workload": SERVICE, "changes": [{"image": image}]})

    def own(self, kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        """A message of Longshore's."""
        return {**self.envelope(kind, detail), "source": "longshore"}

    def ask(self, digest: Digest, *running: Digest, terms: GateTerms | None = None, workload: str = SERVICE) -> None:
        """Redeploy asks, and says so."""
        question = GateQuestion(
            workload=workload,
            repository=WEB,
            digest=digest,
            tag="prod",
            images=(digest,),
            running=running,
            terms=terms or GateTerms(),
            asked=self.clock.now(),
            correlation="push",
            subject=Subject("web", "prod", "ecs-service", "shop", "shop-alerts"),
        )
        self.gates.ask(question)
        self.send(self.own(GATE_DUE, question.named))

    # -- the queue ---------------------------------------------------------------------------------------------------

    def send(self, *bodies: Mapping[str, Any]) -> None:
        """Messages for now."""
        for body in bodies:
            self.queue.postpone(body, self.clock.now())

    def run(self, minutes: float = 0) -> None:
        """Delivers what comes due for a while, each message again until it is done."""
        end = self.clock.now() + timedelta(minutes=minutes)
        while (due := self.queue.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            body = self.queue.receive(self.clock.now())
            assert body is not None
            try:
                self.outcomes += self.service().handle(Message.parse(body))
            except (Crash, ConflictError) as error:
                self.failures.append(error)
                self.queue.postpone(body, self.clock.now() + timedelta(seconds=30))
                end = max(end, self.clock.now() + timedelta(minutes=1))
        self.clock.advance_to(end)

    def sweep(self) -> None:
        """The daily look."""
        self.send(self.own("Sweep Due", {}))

    @property
    def told(self) -> list[str]:
        """The detail-types, in order."""
        return self.publisher.kinds

    def details(self, kind: Kind) -> list[Mapping[str, Any]]:
        """The details of the events of a kind."""
        return [{**each.detail, "correlation": each.correlation} for each in self.publisher.of(kind)]


def running_world(*findings: Finding, policy: ScanPolicy | None = None, observe: bool = False) -> ScanWorld:
    """A service that runs an image which was looked at before anything is told."""
    world = ScanWorld(policy, observe=observe)
    world.push(ONE, *findings, tag="prod")
    world.deploy(ONE)
    world.send(world.scanned(ONE))
    world.run()
    return world
