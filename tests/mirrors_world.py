"""A world for mirror: registries as dictionaries, an engine that copies between them, and the ledger in memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from longshore.images import Digest, Endpoint
from longshore.manifests import Descriptor, digest_of
from longshore.mirror.carrier import Part, Sent, TooLargeError
from longshore.mirror.messages import Message
from longshore.mirror.ports import Holdings, ManifestHead, RateLimit, Registry
from longshore.mirror.reading import Home, read_mirrors
from longshore.mirror.report import Failure, Report
from longshore.mirror.service import Mirrorer, Ports
from longshore_cli.mirror_memory import MemoryJobs, MemoryLeases, MemoryMirrors, MemoryPulls
from tests.fakes import FakeClock, FakePostponer, FakePublisher, FakeSwitches

if TYPE_CHECKING:
    from longshore.errors import LongshoreError
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.outcomes import Outcome

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
HOME = Home("123456789012", "eu-west-1")
HUB = "registry-1.docker.io"


def digest(text: str) -> Digest:
    """The digest of an image of this name."""
    return digest_of(text.encode())


@dataclass
class Shelf:
    """A repository: its tags, what refers to images, and what is wrong with it."""

    tags: dict[str, Digest] = field(default_factory=dict)
    referrers: dict[Digest, list[Digest]] = field(default_factory=dict)
    blobs: set[Digest] = field(default_factory=set)
    media_type: str = IMAGE
    fails: dict[str, LongshoreError] = field(default_factory=dict)
    unlisted: LongshoreError | None = None
    """Why referrers cannot be asked for."""
    down: LongshoreError | None = None
    exists: bool = True


class FakeRegistry:
    """Those parts of a registry that looking needs; it counts what it was asked."""

    def __init__(self, world: MirrorWorld, host: str) -> None:
        self._world = world
        self._host = host
        self.asked: list[str] = []
        self.rate: RateLimit | None = None

    def head(self, repository: str, reference: str) -> ManifestHead | None:
        shelf = self._shelf(repository, f"HEAD {reference}")
        if reference in shelf.fails:
            raise shelf.fails[reference]
        found = shelf.tags.get(reference)
        return ManifestHead(found, shelf.media_type) if found else None

    def tags(self, repository: str) -> Iterator[str]:
        yield from sorted(self._shelf(repository, "GET tags").tags)

    def referrers(self, repository: str, digest: Digest, known: Collection[str] | None = None) -> Sequence[Descriptor]:
        shelf = self._shelf(repository, "GET referrers")
        if shelf.unlisted:
            raise shelf.unlisted
        found = shelf.referrers.get(digest, [])
        return [Descriptor(IMAGE, each, 1) for each in found]

    def _shelf(self, repository: str, what: str) -> Shelf:
        self.asked.append(what)
        shelf = self._world.shelf(Endpoint(self._host, repository))
        if shelf.down:
            raise shelf.down
        return shelf


class FakeHoldings:
    """What ECR tells in bulk."""

    def __init__(self, world: MirrorWorld, host: str) -> None:
        self._world = world
        self._host = host

    def tagged(self, repository: str) -> Mapping[str, Digest] | None:
        shelf = self._world.shelf(Endpoint(self._host, repository))
        return dict(shelf.tags) if shelf.exists else {}

    def blobs(self, repository: str, digests: Collection[Digest]) -> Collection[Digest] | None:
        return self._world.shelf(Endpoint(self._host, repository)).blobs & set(digests)


class MirrorWorld:
    """Mirrors, registries, ledger and queue; also the `Places` and the `Carrier` of the service."""

    def __init__(self, *, observe: bool = False, paused: str | None = None, **mirrors: Mapping[str, Any]) -> None:
        self.clock = FakeClock()
        self.queue = FakePostponer()
        self.publisher = FakePublisher()
        self.memory, self.pulls = MemoryMirrors(), MemoryPulls()
        self.leases, self.jobs = MemoryLeases(), MemoryJobs()
        self.switches = FakeSwitches()
        self.mirrors = read_mirrors(mirrors, HOME)
        self._shelves: dict[Endpoint, Shelf] = {}
        self._registries: dict[str, FakeRegistry] = {}
        self.created: list[Endpoint] = []
        self.described: list[Endpoint] = []
        self.copies: list[tuple[Endpoint, str, Digest]] = []
        self.refuses: dict[str, list[LongshoreError]] = {}
        self.large: dict[Digest, list[Descriptor]] = {}
        self.sending: dict[Digest, list[LongshoreError]] = {}
        self.pull_cost: dict[str, int] = {}
        """Manifests that are read for a tag; one, where it is not here."""
        self.shelves: set[Digest] = set()
        """Images whose manifests were read and kept."""
        self.stuck = False
        ports = Ports(
            self, self.memory, self.pulls, self.leases, self.jobs, self,
            self.queue, self.publisher, self.switches, self.clock,
        )  # fmt: skip
        self.service = Mirrorer(ports, self.mirrors, HOME.host, observe=observe)

    # -- registries --------------------------------------------------------------------------------------------------

    def shelf(self, endpoint: Endpoint) -> Shelf:
        """A repository, made when it is first named; those of ECR do not exist until they are created."""
        if endpoint not in self._shelves:
            self._shelves[endpoint] = Shelf(exists=not endpoint.host.endswith(("amazonaws.com", "ecr.aws")))
        return self._shelves[endpoint]

    def upstream(self, mirror: str = "web") -> Shelf:
        """What a mirror copies from."""
        return self.shelf(self.mirrors[mirror].upstream)

    def downstream(self, mirror: str = "web", place: int = 0) -> Shelf:
        """What a mirror copies to."""
        return self.shelf(self.mirrors[mirror].downstreams[place].endpoint)

    def registry(self, host: str) -> FakeRegistry:
        """The registry at a host."""
        return self._registries.setdefault(host, FakeRegistry(self, host))

    def source(self, mirror: Mirror) -> Registry:
        return cast("Registry", self.registry(mirror.upstream.host))

    def destination(self, mirror: Mirror, downstream: Downstream) -> Registry:
        return cast("Registry", self.registry(downstream.endpoint.host))

    def holdings(self, downstream: Downstream) -> Holdings | None:
        return FakeHoldings(self, downstream.endpoint.host) if downstream.creatable else None

    def create(self, mirror: Mirror, downstream: Downstream) -> bool:
        shelf = self.shelf(downstream.endpoint)
        if shelf.exists:
            return False
        shelf.exists = True
        self.created.append(downstream.endpoint)
        return True

    def describe(self, mirror: Mirror, downstream: Downstream) -> bool:
        self.described.append(downstream.endpoint)
        return True

    def delete(self, downstream: Downstream, tags: Mapping[str, Digest]) -> Sequence[str]:
        there = self.shelf(downstream.endpoint).tags
        going = [tag for tag, digest in tags.items() if there.get(tag) == digest]
        for tag in going:
            del there[tag]
        return going

    # -- the engine --------------------------------------------------------------------------------------------------

    def copy(self, part: Part) -> Report:
        shelf, items = self.shelf(part.downstream.endpoint), part.items
        assert shelf.exists, "the repository was not created"
        missing = [b for item in items for b in self.large.get(item.reference, []) if b.digest not in shelf.blobs]
        if missing and not part.whole:
            raise TooLargeError(missing)
        copied, failures, pulls = [], [], 0
        for item in items:
            assert item.tag is not None
            pulls += self._pull(part.mirror, item.tag)
            errors = self.refuses.get(item.tag, [])
            if errors:
                failures.append(Failure(item, errors.pop(0), "source"))
                continue
            shelf.tags[item.tag] = item.reference
            self.copies.append((part.downstream.endpoint, item.tag, item.reference))
            copied.append(item)
        return Report(copied=tuple(copied), failures=tuple(failures), pulls=pulls, progressed=not self.stuck)

    def _pull(self, mirror: Mirror, tag: str) -> int:
        registry, cost = self.registry(mirror.upstream.host), self.pull_cost.get(tag, 1)
        if registry.rate is not None:
            registry.rate = registry.rate._replace(remaining=registry.rate.remaining - cost)
            assert registry.rate.remaining >= 0, "more was pulled than the registry allows"
        return cost

    def send(self, mirror: Mirror, downstream: Downstream, blobs: Sequence[Descriptor], until: datetime) -> Sent:
        there, failed = [], []
        for blob in blobs:
            errors = self.sending.get(blob.digest, [])
            if errors:
                failed.append((blob, errors.pop(0)))
            else:
                self.shelf(downstream.endpoint).blobs.add(blob.digest)
                there.append(blob.digest)
        return Sent(tuple(there), tuple(failed), not self.stuck)

    def rate(self, mirror: Mirror, ask: Digest = "") -> RateLimit | None:
        return self.registry(mirror.upstream.host).rate

    def shelved(self, mirror: Mirror, digest: Digest) -> bool:
        return digest in self.shelves

    def stored(self, mirror: Mirror, downstream: Downstream, tag: str) -> Digest:
        return self.shelf(downstream.endpoint).tags.get(tag, "")

    # -- messages ----------------------------------------------------------------------------------------------------

    def event(self, kind: str, detail: Mapping[str, Any], source: str = "longshore") -> dict[str, Any]:
        """An event as a rule or a schedule brings it."""
        return {
            "version": "0",
            "id": f"{kind}-{self.clock.now():%H%M}",
            "detail-type": kind,
            "source": source,
            "account": HOME.account,
            "region": HOME.region,
            "time": self.clock.now().isoformat(),
            "resources": [],
            "detail": dict(detail),
        }

    def send_event(self, kind: str, detail: Mapping[str, Any] | None = None, source: str = "longshore") -> None:
        """Puts an event onto the queue."""
        self.queue.postpone(self.event(kind, detail or {}, source), self.clock.now())

    def sweep(self) -> None:
        """The hourly schedule."""
        self.send_event("Sweep Due")

    def pushed(self, repository: str, tag: str | None, of: str) -> None:
        """ECR tells of a push."""
        detail = {"action-type": "PUSH", "result": "SUCCESS", "repository-name": repository, "image-digest": digest(of)}
        self.send_event("ECR Image Action", {**detail, **({"image-tag": tag} if tag else {})}, "aws.ecr")

    def handle(self, body: Mapping[str, Any], seconds: float = 900) -> list[Outcome]:
        """One message, as it comes."""
        return self.service.handle(Message.parse(body), self.clock.now() + timedelta(seconds=seconds))

    def run(self, minutes: float = 0, most: int = 500) -> list[Outcome]:
        """Everything that is due within so long; time moves on to each message."""
        end = self.clock.now() + timedelta(minutes=minutes)
        outcomes: list[Outcome] = []
        for _ in range(most):
            due = self.queue.next_due()
            if due is None or due > end:
                self.clock.advance_to(end)
                return outcomes
            self.clock.advance_to(due)
            body = self.queue.receive(self.clock.now())
            assert body is not None
            assert len(json.dumps(body)) < 256 * 1024, "SQS takes no larger message"
            outcomes += self.handle(body)
        raise AssertionError("messages without end")
