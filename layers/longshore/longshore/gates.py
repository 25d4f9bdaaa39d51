"""Gates: what redeploy asks before it deploys a digest, and what scan answers, in the ledger (design 3, 6.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from longshore.codes import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.images import Digest, Repository
    from longshore.workloads import Subject

SCAN_GATE = "scan"
"""The name of the gate that findings decide."""

GATE_DUE = "Gate Due"
"""The message that asks scan to judge: `detail` has `repository`, `workload` and `digest`."""


class GateResult(StrEnum):
    """What a gate says of one digest (design 6.4). No result is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    WAIT = "wait"
    NO_RESULT = "no-result"


class GateReason(Code):
    """Why a gate says what it says. Codes are public and never change their meaning."""

    result: GateResult

    def __init__(self, code: str, result: GateResult, meaning: str) -> None:
        super().__init__(code, meaning)
        self.result = result

    CLEAN = "clean", GateResult.PASS, "no finding is as grave as the terms forbid"
    NOT_NEW = "not-new", GateResult.PASS, "what the terms forbid runs already, and this image is no worse"
    FINDINGS = "findings", GateResult.FAIL, "findings as grave as the terms forbid"
    SCANNING = "scanning", GateResult.WAIT, "the scan has not finished yet"
    TIMED_OUT = "timed-out", GateResult.NO_RESULT, "no scan finished in the time that the terms allow"
    UNSUPPORTED = "unsupported", GateResult.NO_RESULT, "the scanner cannot read this image"
    TOO_LARGE = "too-large", GateResult.NO_RESULT, "the image is larger than the scanner takes"
    ARCHIVED = "archived", GateResult.NO_RESULT, "an archived image is not scanned"
    EXPIRED = "expired", GateResult.NO_RESULT, "the image is no longer scanned, and what was found is gone"
    SCAN_FAILED = "scan-failed", GateResult.NO_RESULT, "the scanner failed"
    NOT_SCANNED = "not-scanned", GateResult.NO_RESULT, "no scanner looks at this repository"
    GONE = "gone", GateResult.NO_RESULT, "the image is not in the registry any more"
    OFF = "off", GateResult.NO_RESULT, "the capability scan is off, so nobody judges"


@dataclass(frozen=True, slots=True)
class GateTerms:
    """What a profile demands of an image.

    It fails with a finding of one of `priorities` (``P1`` to ``P4``), or of `severity` or graver (``CRITICAL``,
    ``HIGH``, ``MEDIUM``, ``LOW``; None: severity does not matter). `fixable_only`: findings without a fix do not count;
    `new_only`: those that run already, as grave, do not either. `wait` is how long a scan is waited for. `no_result`
    says which reasons without a result let it be deployed all the same: the result stays what it is. `tell_only`: what
    fails is told, and deployed.
    """

    priorities: frozenset[str] = frozenset({"P1", "P2"})
    severity: str | None = None
    fixable_only: bool = True
    new_only: bool = True
    wait: timedelta = timedelta(minutes=30)
    no_result: frozenset[GateReason] = frozenset()
    tell_only: bool = False

    def admit(self, reason: GateReason) -> bool:
        """Whether what the gate says lets the image be deployed."""
        match reason.result:
            case GateResult.PASS:
                return True
            case GateResult.FAIL:
                return self.tell_only
            case GateResult.NO_RESULT:
                return reason in self.no_result
            case GateResult.WAIT:
                return False


@dataclass(frozen=True, slots=True)
class GateQuestion:
    """May this digest be deployed to this workload?

    `images` are those that would be scanned: the children for the workload's platforms, or the digest itself; `running`
    are the images that its containers of this repository run now, resolved the same way. Times are aware. Another
    question about the same workload and digest replaces this one, and its verdict is void.
    """

    workload: str
    repository: Repository
    digest: Digest
    tag: str
    images: tuple[Digest, ...]
    running: tuple[Digest, ...]
    terms: GateTerms
    asked: datetime
    correlation: str
    subject: Subject

    @property
    def until(self) -> datetime:
        """When a scan that has not finished is no result."""
        return self.asked + self.terms.wait

    @property
    def named(self) -> dict[str, str]:
        """What names it in the ledger: the detail of `GATE_DUE`."""
        return {"repository": str(self.repository), "workload": self.workload, "digest": self.digest}

    def same(self, other: GateQuestion) -> bool:
        """Whether both ask the same, whenever and for whatever reason."""
        return self.asks == other.asks

    @property
    def asks(self) -> tuple[object, ...]:
        """What is asked, without when and why."""
        return (self.workload, self.repository, self.digest, self.images, self.running, self.terms)


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """The answer: why, when, and in figures for people (`counts` by priority, `findings` the gravest as text).

    `until` is when an acceptance ends that it rests on; None: it rests on none that ends. `at` is when it was judged
    last, `since` when it was first said what has been said ever since; None: at `at`.
    """

    reason: GateReason
    at: datetime
    counts: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Mapping[str, Any], ...] = ()
    until: datetime | None = None
    since: datetime | None = None

    @property
    def result(self) -> GateResult:
        """Pass, fail, wait or no result."""
        return self.reason.result


@dataclass(frozen=True, slots=True)
class Gate:
    """A question, and its answer once there is one."""

    question: GateQuestion
    verdict: GateVerdict | None = None
