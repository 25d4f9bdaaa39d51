"""Ports that several capabilities share: the clock, the publisher, the way to wait, and the ledger's stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from longshore.events import Announcement
    from longshore.gates import Gate, GateQuestion, GateVerdict
    from longshore.images import Digest, Repository
    from longshore.owners import Drift
    from longshore.workloads import Deployment, Hold, Workload


class Clock(Protocol):
    """Tells the time; injected so that tests decide it."""

    def now(self) -> datetime:
        """The present, in UTC."""
        ...


class Publisher(Protocol):
    """Puts Longshore's own events on its bus."""

    def publish(self, announcements: Sequence[Announcement]) -> None:
        """All of them, in order. Raises TransientError when one could not be put."""
        ...


class Postponer(Protocol):
    """Sends a copy of a message that arrives later: waiting is never sleeping (design 4)."""

    def postpone(self, body: Mapping[str, Any], until: datetime) -> None:
        """Delivers `body` to the same queue at `until` or shortly after it."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """Where a tag points, and since when. `settles` is when its last move may be acted on (redeploy 8.3)."""

    repository: Repository
    tag: str
    digest: Digest
    moved: datetime
    settles: datetime
    first: datetime
    previous: Digest | None = None
    source: str = "event"


class Heads(Protocol):
    """Tag heads: the ledger of every tag's moves."""

    def observe(self, head: Head, cap_seconds: int) -> Head:
        """Records that a tag was seen at a digest and answers the head as it now stands.

        The same digest again changes nothing. An older move than the recorded one changes nothing. Another digest
        restarts the settling, though never beyond `cap_seconds` after its first unsettled move.
        """
        ...

    def get(self, repository: Repository, tag: str) -> Head | None:
        """One head."""
        ...

    def of(self, repository: Repository) -> Sequence[Head]:
        """Every head of a repository."""
        ...

    def forget(self, repository: Repository, tag: str) -> None:
        """Drops the head of a tag that is gone from its registry."""
        ...


class Index(Protocol):
    """Image -> workload: one Query answers who follows a repository, whatever the account's size (design 5)."""

    def runs(self, repository: Repository) -> Sequence[Workload]:
        """The workloads that follow a repository."""
        ...

    def get(self, arn: str) -> Workload | None:
        """One workload, or None when it is not followed."""
        ...

    def put(self, workload: Workload) -> bool:
        """Records a workload under each of its repositories; answers whether anything changed."""
        ...

    def remove(self, arn: str) -> bool:
        """Forgets a workload; answers whether it was known."""
        ...

    def all(self, account: str, region: str) -> Iterable[Workload]:
        """Every workload of an account and Region."""
        ...


class Good(NamedTuple):
    """Digests that were seen to work, by container, newest first in a Record; `tags` are what people called them."""

    digests: Mapping[str, Digest]
    since: datetime
    tags: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Record:
    """All that the ledger knows of one workload, read at once."""

    arn: str
    deployment: Deployment | None = None
    hold: Hold | None = None
    goods: tuple[Good, ...] = ()
    quarantined: Mapping[Digest, datetime] = field(default_factory=dict)
    pending: Mapping[tuple[Repository, str], datetime] = field(default_factory=dict)
    told: str = ""
    drifts: tuple[Drift, ...] = ()
    published: Mapping[str, str] = field(default_factory=dict)
    """The parameters that tell what runs, with their values as they were written last."""


class Records(Protocol):
    """What Longshore has done to each workload, and what it must not do."""

    def get(self, arn: str) -> Record:
        """The record; an empty one for a workload never touched."""
        ...

    def begin(self, deployment: Deployment, previous: Deployment | None) -> None:
        """Claims the workload for a deployment. Raises ConflictError unless `previous` is still what is recorded."""
        ...

    def advance(self, deployment: Deployment) -> Deployment:
        """Writes the next state; answers it with its new version. Raises ConflictError when `version` is outdated."""
        ...

    def good(self, arn: str, goods: Sequence[Good]) -> None:
        """Replaces the last known good digests, newest first."""
        ...

    def quarantine(self, arn: str, digests: Iterable[Digest], reason: str, at: datetime) -> None:
        """Refuses digests to a workload until they are cleared."""
        ...

    def hold(self, arn: str, hold: Hold | None) -> None:
        """Sets a hold, or lifts it with None."""
        ...

    def tell(self, arn: str, what: str) -> None:
        """Keeps what was told of a workload last, so that it is told once."""
        ...

    def drift(self, arn: str, drifts: Sequence[Drift]) -> None:
        """Replaces what a workload declares otherwise than its owner does."""
        ...

    def published(self, arn: str, images: Mapping[str, str]) -> None:
        """Keeps what was written to the workload's parameters."""
        ...

    def remember(self, arn: str, repository: Repository, tag: str, at: datetime) -> None:
        """Keeps a tag that moved while a deployment ran; it is looked at when that one ends."""
        ...

    def forget(self, arn: str, seen: Mapping[tuple[Repository, str], datetime]) -> None:
        """Drops remembered tags, unless they were remembered again since they were `seen`."""
        ...


class Gates(Protocol):
    """Questions of redeploy and answers of scan, one for each workload and digest."""

    def get(self, repository: Repository, workload: str, digest: Digest) -> Gate | None:
        """What was asked last about a digest, and the answer."""
        ...

    def of(self, repository: Repository) -> Sequence[Gate]:
        """All that was asked about a repository lately."""
        ...

    def ask(self, question: GateQuestion) -> None:
        """Records a question. It replaces what was asked about the same workload and digest, with its answer."""
        ...

    def judge(self, question: GateQuestion, verdict: GateVerdict) -> bool:
        """Records the answer; False, changing nothing, when another question has taken this one's place."""
        ...

    def retire(self, question: GateQuestion) -> None:
        """Drops a question, with its answer, about which nobody wants to know any more; one in its place stays."""
        ...


class Switches(Protocol):
    """Run-time switches and rate counters of an account and Region."""

    def paused(self) -> str | None:
        """Why everything is paused, or None."""
        ...

    def count(self, counter: str, at: datetime, limit: int) -> bool:
        """Counts one more in the hour of `at`; answers False, counting nothing, past `limit`."""
        ...
