"""The scan of one image, and the findings that it holds, as ECR and Inspector keep them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from longshore_local.ecr_images import EcrImage
from longshore_local.scanning.vulnerabilities import Vulnerability

ENHANCED = "ENHANCED"
BASIC = "BASIC"
CONTINUOUS = "CONTINUOUS_SCAN"
ON_PUSH = "SCAN_ON_PUSH"
PENDING_STATES = ("PENDING", "IN_PROGRESS")
EXPIRED = "SCAN_ELIGIBILITY_EXPIRED"
STATES: Mapping[str, str] = {
    "ACTIVE": "SUCCESSFUL",
    "COMPLETE": "SUCCESSFUL",
    "PENDING": "PENDING_INITIAL_SCAN",
    "IN_PROGRESS": "PENDING_INITIAL_SCAN",
    "FAILED": "INTERNAL_ERROR",
    "UNSUPPORTED_IMAGE": "UNSUPPORTED_OS",
    "LIMIT_EXCEEDED": "INTERNAL_ERROR",
    "FINDINGS_UNAVAILABLE": "INTERNAL_ERROR",
    EXPIRED: EXPIRED,
    "IMAGE_ARCHIVED": "IMAGE_ARCHIVED",
    "IMAGE_SIZE_EXCEEDED": "IMAGE_SIZE_EXCEEDED",
}
"""ECR's ScanStatus, and the reason that Inspector's coverage gives for the same."""


@dataclass(slots=True)
class Held:
    """A finding that an image has, or had: `vulnerabilities` are those of one id, one for each package."""

    arn: str
    vulnerabilities: tuple[Vulnerability, ...]
    first: datetime
    last: datetime
    status: str = "ACTIVE"

    @property
    def worst(self) -> Vulnerability:
        """The gravest of its packages."""
        return max(self.vulnerabilities, key=lambda each: each.rank)

    @property
    def severity(self) -> str:
        """In Inspector's words."""
        return self.worst.severity.replace("UNDEFINED", "UNTRIAGED")


@dataclass(slots=True)
class Scan:
    """How the scan of one image stands; `due` is when the first one ends."""

    account: str
    region: str
    repository: str
    image: EcrImage
    scanner: str
    frequency: str
    due: datetime
    status: str = "PENDING"
    at: datetime | None = None
    held: dict[str, Held] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The image."""
        return self.image.manifest.digest

    @property
    def pending(self) -> bool:
        """Whether the first scan has not ended."""
        return self.status in PENDING_STATES

    @property
    def enhanced(self) -> bool:
        """Whether Inspector scans."""
        return self.scanner == ENHANCED

    @property
    def finished(self) -> bool:
        """Whether its findings are there."""
        return self.status in ("ACTIVE", "COMPLETE")

    @property
    def repository_arn(self) -> str:
        """The repository."""
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.repository}"

    @property
    def arn(self) -> str:
        """The image as Inspector names it."""
        return f"{self.repository_arn}/{self.digest}"

    @property
    def reason(self) -> str:
        """Inspector's word for how it stands."""
        return STATES[self.status]

    def active(self) -> list[Held]:
        """The findings that are open, in order of their ids."""
        return [each for _, each in sorted(self.held.items()) if each.status == "ACTIVE"]

    def counts(self) -> dict[str, int]:
        """Findings by severity, none for a severity without any: basic scanning counts packages."""
        if self.enhanced:
            return dict(Counter(each.severity for each in self.active()))
        return dict(Counter(one.severity for each in self.active() for one in each.vulnerabilities))

    def take(self, found: Iterable[Vulnerability], now: datetime) -> list[Held]:
        """Takes what a scan found; answers the findings that are new, changed or closed."""
        by_id: dict[str, list[Vulnerability]] = {}
        for each in found:
            by_id.setdefault(each.id, []).append(each)
        changed = [self._seen(name, tuple(each), now) for name, each in by_id.items()]
        gone = [each for name, each in self.held.items() if name not in by_id and each.status == "ACTIVE"]
        for held in gone:
            held.status, held.last = "CLOSED", now
        self.at = now
        return [each for each in changed if each is not None] + gone

    def _seen(self, name: str, vulnerabilities: tuple[Vulnerability, ...], now: datetime) -> Held | None:
        known = self.held.get(name)
        if known is None:
            known = self.held[name] = Held(self._finding_arn(name), vulnerabilities, now, now)
            return known
        same = known.vulnerabilities == vulnerabilities and known.status == "ACTIVE"
        known.vulnerabilities, known.status, known.last = vulnerabilities, "ACTIVE", now
        return None if same else known

    def _finding_arn(self, name: str) -> str:
        key = hashlib.sha256(f"{self.arn}/{name}".encode()).hexdigest()[:32]
        return f"arn:aws:inspector2:{self.region}:{self.account}:finding/{key}"

    def facts(self) -> dict[str, Any]:
        """What Inspector says of the image in each finding; absent where it is unknown."""
        tags = {"imageTags": list(self.image.image_tags)} if self.image.image_tags else {}
        return {
            "repositoryName": self.repository,
            "registry": self.account,
            "imageHash": self.digest,
            "pushedAt": self.image.pushed_at,
            "architecture": "amd64",
            "platform": "DEBIAN_12",
            **tags,
        }
