"""What scan needs of the world: scanners, who runs what, and its own stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from longshore.images import Digest, Repository
    from longshore.ports import Clock, Gates, Index, Postponer, Publisher
    from longshore.scan.findings import Assessment, Key
    from longshore.scan.suppressions import Suppression


class Scans(Protocol):
    """What scanners found, read from their APIs now: an event only names the image."""

    def assess(self, repository: Repository, digest: Digest, images: Sequence[Digest] | None = None) -> Assessment:
        """The assessment of an image; of an index, of those of its `images` (None: of all that are no attestations).

        An image that is not there is `ScanState.GONE`. Raises TransientError to be tried again.
        """
        ...

    def index_of(self, repository: Repository, digest: Digest) -> Sequence[Digest]:
        """The indexes whose child an image is, among those with a tag; empty for an image of its own."""
        ...

    def images(self, repository: Repository) -> Iterable[tuple[Digest, Sequence[str], datetime]]:
        """Tagged images of a repository, with tags and the time of the push, newest first."""
        ...


class Runner(NamedTuple):
    """Something that runs an image: a workload by ARN, or what Inspector saw of a cluster.

    `units` is how many tasks or pods, None where not told.
    """

    name: str
    arn: str = ""
    cluster: str = ""
    team: str = ""
    channel: str = ""
    environment: str = ""
    units: int | None = None


class Runners(Protocol):
    """Who runs which image now."""

    def of(self, repository: Repository) -> Mapping[Digest, Sequence[Runner]]:
        """Every running image of a repository that is known: from workloads that Longshore follows."""
        ...

    def clusters(self, repository: Repository, images: Sequence[Digest]) -> Sequence[Runner]:
        """What Inspector knows of those images in clusters; empty where it is not enabled or may not be asked."""
        ...

    def repositories(self) -> Iterable[Repository]:
        """Every repository that some followed workload runs, for the sweep and the digest."""
        ...


class Attestations(Protocol):
    """Statements that are attached to an image in its registry."""

    def vex(self, repository: Repository, digest: Digest) -> Sequence[Mapping[str, Any]]:
        """The OpenVEX documents that refer to an image, unwrapped; what cannot be read is left out and logged."""
        ...


@dataclass(frozen=True, slots=True)
class Reported:
    """What was told of an image last. `fingerprint` covers the material members alone (notify 2.2).

    `open` says whether something is still to be mended; `version` guards the write (0: never written).
    """

    repository: Repository
    digest: Digest
    fingerprint: str
    open: bool
    told: datetime
    correlation: str
    summary: Mapping[str, Any]
    version: int = 0


class Reports(Protocol):
    """What was told, and since when each finding is known: the ledger's."""

    def get(self, repository: Repository, digest: Digest) -> Reported | None:
        """What was told of an image last."""
        ...

    def put(self, reported: Reported) -> None:
        """Writes it. Raises ConflictError when `version` is not the recorded one."""
        ...

    def of(self, repository: Repository) -> Sequence[Reported]:
        """The reports of a repository that are kept."""
        ...

    def seen(self, repository: Repository, keys: Iterable[Key], at: datetime) -> Mapping[Key, datetime]:
        """Since when each finding is known in the repository; those not known yet are since `at`, and recorded."""
        ...

    def done(self, what: str, at: datetime) -> bool:
        """Whether `what` was done, and is still kept in mind at a moment."""
        ...

    def once(self, what: str, at: datetime, keep: datetime) -> bool:
        """Whether `what` was not done yet; from now on, until `keep`, it was. Told first and kept then, nothing is
        lost to a process that ends in between."""
        ...

    def digest(self, team: str) -> Mapping[str, Any] | None:
        """What the last digest of a team said: its moment (`due`) and its figures."""
        ...

    def keep_digest(self, team: str, figures: Mapping[str, Any], at: datetime) -> None:
        """Keeps that in place of the one before."""
        ...


class Acceptances(Protocol):
    """Suppressions that people set at run time; those of the configuration travel with the deploy."""

    def all(self) -> Sequence[Suppression]:
        """Those that are kept, lapsed ones of late included."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that scan needs."""

    scans: Scans
    runners: Runners
    attestations: Attestations
    reports: Reports
    acceptances: Acceptances
    gates: Gates
    index: Index
    postponer: Postponer
    publisher: Publisher
    clock: Clock
