"""What a decision looks at: what runs, what could run, and what may forbid it (redeploy 8.1, 8.7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from longshore.decisions import Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from longshore.gates import GateReason
    from longshore.images import Digest


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tag as the registry resolves it now.

    `digest` is empty where it is not known, as for the command. `platforms` maps a platform (``linux/arm64``) to the
    digest of its image, and is empty for a single image. `moved_at` is when the tag last began to name this digest, by
    Longshore's record: the registry's `pushed_at` stays as it was when a tag is put on an older image (redeploy 4,
    defect 11). `complete`: every child of the index is there. Times are aware.
    """

    tag: str
    digest: Digest = ""
    platforms: Mapping[str, Digest] = field(default_factory=dict, hash=False)
    moved_at: datetime | None = None
    pushed_at: datetime | None = None
    complete: bool = True

    def on(self, platform: str) -> frozenset[Digest]:
        """The images that `platform` could run: ``linux/arm`` takes any ``linux/arm/...``."""
        return frozenset(
            digest for name, digest in self.platforms.items() if name == platform or name.startswith(f"{platform}/")
        )


@dataclass(frozen=True, slots=True)
class Current:
    """What a workload's container runs: its tag (declared, or written beside a digest) and digest, None if unknown.

    `equivalents` are further digests of the same image: the index that a running child belongs to, or the reverse.
    `moved_at` and `pushed_at` are of the tag, as in a Candidate. `since` is when what runs was deployed, where only
    that is known.
    """

    tag: str | None
    digest: Digest | None = None
    equivalents: frozenset[Digest] = frozenset()
    moved_at: datetime | None = None
    pushed_at: datetime | None = None
    since: datetime | None = None

    @property
    def running(self) -> frozenset[Digest]:
        """Every digest that stands for what runs; empty if the platform cannot tell."""
        return self.equivalents | {self.digest} if self.digest else self.equivalents

    def precedes(self, candidate: Candidate) -> bool:
        """Whether the tag began to name the candidate no sooner than what runs was deployed."""
        return bool(self.since and candidate.moved_at and self.since <= candidate.moved_at)


class Approval(StrEnum):
    """What approvers said of one digest (redeploy 8.13)."""

    GRANTED = "granted"
    PENDING = "pending"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Veto:
    """Something that forbids or puts off any deployment of the workload, until `until` where it ends by itself."""

    reason: Reason
    until: datetime | None = None
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.reason.verdict not in (Verdict.HOLD, Verdict.WAIT):
            raise ValueError(f"{self.reason} forbids nothing")

    def stands(self, now: datetime | None) -> bool:
        """Whether it still forbids; without a clock it does."""
        return self.until is None or now is None or now < self.until


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that may forbid a deployment which the policy asks for. By default nothing does.

    `vetoes` do not depend on the image: holds, pauses, freezes, windows, cooldowns, deployments in progress, what the
    platform refuses. Gates and approvals are kept by digest, so that a tag which moves takes no verdict along
    (redeploy 4, defect 1); what a profile asks for and is absent here is pending.
    """

    vetoes: tuple[Veto, ...] = ()
    required_platforms: frozenset[str] = frozenset()
    quarantined: frozenset[Digest] = frozenset()
    gates: Mapping[Digest, Mapping[str, GateReason]] = field(default_factory=dict, hash=False)
    approvals: Mapping[Digest, Approval] = field(default_factory=dict, hash=False)


FREE = Circumstances()
"""Nothing forbids anything."""
