"""The one model of findings, whatever scanner they come from (design 6.4, notify 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NamedTuple

from longshore.codes import Code

if TYPE_CHECKING:
    from datetime import date, datetime

    from longshore.images import Digest, Repository


class Severity(IntEnum):
    """How grave a scanner calls a vulnerability; the greater, the graver. Unknown (UNDEFINED, UNTRIAGED) is None."""

    INFORMATIONAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Fix(StrEnum):
    """Whether a fixed version exists; basic scanning does not say."""

    YES = "yes"
    PARTIAL = "partial"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def exists(self) -> bool:
        """Whether something can be done today."""
        return self in (Fix.YES, Fix.PARTIAL)


class Key(NamedTuple):
    """What makes a finding the same in another image of the repository (notify 2.2)."""

    vulnerability: str
    manager: str
    package: str
    path: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One vulnerability of one package in an image.

    `severity` None is unknown. `score` is CVSS 0 to 10, `epss` 0 to 1, each None where not told. `kev` says that CISA
    lists it as exploited, `kev_due` until when it must be mended. `exploit`: one is known; `exploited`: it was seen in
    use. `layer` is the digest of the layer that brought the package. `arn` is Inspector's.
    """

    vulnerability: str
    package: str
    version: str = ""
    manager: str = ""
    path: str = ""
    severity: Severity | None = None
    score: float | None = None
    fix: Fix = Fix.UNKNOWN
    fixed_in: str = ""
    exploit: bool = False
    exploited: bool = False
    kev: bool = False
    kev_due: date | None = None
    epss: float | None = None
    title: str = ""
    url: str = ""
    layer: str = ""
    arn: str = ""
    first_seen: datetime | None = None
    platform: str = ""
    """The image's system as Inspector writes it, such as ``DEBIAN_12``; basic scanning does not tell."""

    @property
    def key(self) -> Key:
        """What makes it the same finding in another image of the repository."""
        return Key(self.vulnerability, self.manager, self.package, self.path)


class Scanner(StrEnum):
    """Who scans: ECR itself, or Inspector for it."""

    BASIC = "basic"
    ENHANCED = "enhanced"


class ScanState(Code):
    """How the scan of one image stands, of ECR's and Inspector's many words (aws A1b, A2)."""

    finished: bool

    def __init__(self, code: str, finished: bool, meaning: str) -> None:
        super().__init__(code, meaning)
        self.finished = finished

    COMPLETE = "complete", True, "its findings are all there"
    PENDING = "pending", False, "it has not finished"
    FAILED = "failed", False, "the scanner failed"
    UNSUPPORTED = "unsupported", False, "the scanner cannot read it"
    TOO_LARGE = "too-large", False, "it is larger than the scanner takes"
    ARCHIVED = "archived", False, "archived images are not scanned"
    EXPIRED = "expired", False, "it is no longer scanned; its findings vanished, which is not: fixed"
    NOT_SCANNED = "not-scanned", False, "nobody scans the repository, or has not begun"
    GONE = "gone", False, "it is not in the registry"


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of an image that was, or should have been, scanned.

    Of an index, `digest` names it and `images` those of its children that were looked at; the findings are merged by
    key, the gravest of each. `state` is that of the child that is furthest from complete, `states` are those of all
    without repetition, in the same order: what lets one of them pass must not hide another. Empty means `state` alone.
    """

    repository: Repository
    digest: Digest
    state: ScanState
    scanner: Scanner | None = None
    findings: tuple[Finding, ...] = ()
    images: tuple[Digest, ...] = ()
    tags: tuple[str, ...] = ()
    at: datetime | None = None
    why: str = ""
    states: tuple[ScanState, ...] = ()
