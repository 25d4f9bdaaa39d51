"""Suppressions: findings that somebody accepted, with an owner, a reason and an end (notify 2.2, N12)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from longshore.scan.globs import matches_path
from longshore.scan.purls import matches_package, read_purl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from longshore.images import Digest, Repository
    from longshore.scan.findings import Assessment, Finding

NOTICE = timedelta(days=7)
"""So long before it ends, a suppression is announced."""
_WHOLE = re.compile(r"\d{12}/(?:\*|[a-z]{2,}(?:-[a-z]+)+-\d{1,2})/", re.ASCII)
_SKEW = timedelta(minutes=10)
"""By so much the clock of who attaches a statement may be ahead."""
_EVER = datetime.max.replace(tzinfo=UTC)


class Origin(StrEnum):
    """Where a suppression comes from."""

    FILE = "file"
    """``.trivyignore.yaml`` beside the configuration."""
    VEX = "vex"
    """An OpenVEX document, of the configuration or attached to the image."""
    SWITCH = "switch"
    """Set at run time, by `longshore suppress`."""


class Status(StrEnum):
    """What an OpenVEX statement says of a vulnerability in a product (OpenVEX 0.2.0, status labels)."""

    NOT_AFFECTED = "not_affected"
    FIXED = "fixed"
    AFFECTED = "affected"
    UNDER_INVESTIGATION = "under_investigation"


class Justification(StrEnum):
    """Why a product is not affected (OpenVEX 0.2.0, status justifications)."""

    COMPONENT_NOT_PRESENT = "component_not_present"
    CODE_NOT_PRESENT = "vulnerable_code_not_present"
    CODE_NOT_IN_EXECUTE_PATH = "vulnerable_code_not_in_execute_path"
    NOT_CONTROLLED_BY_ADVERSARY = "vulnerable_code_cannot_be_controlled_by_adversary"
    MITIGATIONS_EXIST = "inline_mitigations_already_exist"


@dataclass(frozen=True, slots=True)
class Suppression:
    """One finding, or several, that somebody accepted.

    `vulnerability` is its id, as CVE-2026-1, `aliases` are others of the same. Empty `packages` (package URLs, a
    version only where one is written), `paths`, `repositories` (globs) or `digests` leave that open. `expires` is the
    moment from which it no longer counts, None: never; `until_fix`: it ends by itself when a fix exists. With a
    `justification` it says that the image is not affected; without one, that the risk is taken.

    `status` and `stated` are of an OpenVEX statement: one that says `affected` or `under_investigation` suppresses
    nothing, and voids what earlier statements said. `attached`: whoever pushed the image says so, not the operator.
    """

    id: str
    origin: Origin
    vulnerability: str
    packages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    expires: datetime | None = None
    until_fix: bool = False
    owner: str = ""
    reason: str = ""
    aliases: tuple[str, ...] = ()
    justification: Justification | None = None
    status: Status | None = None
    stated: datetime | None = None
    attached: bool = False

    @property
    def denies(self) -> bool:
        """Whether it says that the finding does matter."""
        return self.status in (Status.AFFECTED, Status.UNDER_INVESTIGATION)

    @property
    def names(self) -> tuple[str, ...]:
        """Every id of the vulnerability."""
        return (self.vulnerability, *self.aliases)

    def stands(self, now: datetime) -> bool:
        """Whether it counts at a moment; at that of its end it does no longer."""
        return self.expires is None or now < self.expires

    def ends_soon(self, now: datetime, within: timedelta = NOTICE) -> bool:
        """Whether it counts now, and will not `within` this time."""
        return self.stands(now) and self.expires is not None and self.expires - now <= within

    def covers_image(self, repository: Repository, digest: Digest, images: Sequence[Digest] = ()) -> bool:
        """Whether it is about an image. Of an index, the index itself or every one of its `images` must be named."""
        if self.repositories and not any(_is_of(glob, repository) for glob in self.repositories):
            return False
        return not self.digests or digest in self.digests or (bool(images) and set(images) <= set(self.digests))

    def covers(self, finding: Finding) -> bool:
        """Whether it is about a finding, whichever the image, and whenever."""
        return (
            _folded(finding.vulnerability) in map(_folded, self.names)
            and not (self.until_fix and finding.fix.exists)
            and (not self.packages or any(matches_package(read_purl(each), finding) for each in self.packages))
            and (not self.paths or any(matches_path(each, finding.path) for each in self.paths))
        )


class Split(NamedTuple):
    """Findings of an image: those that count, and those that are suppressed, each with what suppresses it."""

    open: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, Suppression], ...]


class Suppressions:
    """All suppressions that may be about an image, ready to be asked about many findings."""

    def __init__(self, suppressions: Iterable[Suppression]) -> None:
        self._by_name: dict[str, list[Suppression]] = defaultdict(list)
        self.all = tuple(suppressions)
        for each in self.all:
            for name in {_folded(name) for name in each.names}:
                self._by_name[name].append(each)

    def of(self, finding: Finding, assessment: Assessment, now: datetime) -> Suppression | None:
        """What suppresses a finding of an image now: of several, what lasts longest; None when it counts."""
        image = (assessment.repository, assessment.digest, assessment.images)
        found = [
            each
            for each in self._by_name.get(_folded(finding.vulnerability), ())
            if each.stands(now) and each.covers_image(*image) and each.covers(finding)
        ]
        standing = [*(each for each in found if each.origin is not Origin.VEX), *_undenied(found, now)]
        return max(standing, key=_lasting, default=None)

    def split(self, assessment: Assessment, now: datetime) -> Split:
        """The findings of an image."""
        judged = [(finding, self.of(finding, assessment, now)) for finding in assessment.findings]
        return Split(
            tuple(finding for finding, by in judged if by is None),
            tuple((finding, by) for finding, by in judged if by is not None),
        )

    def expiring(self, now: datetime) -> tuple[Suppression, ...]:
        """Those that end within 7 days, soonest first."""
        return tuple(
            sorted((each for each in self.all if each.ends_soon(now)), key=lambda each: (each.expires, each.id))
        )


def _undenied(found: Iterable[Suppression], now: datetime) -> list[Suppression]:
    """Of OpenVEX statements the latest alone is true; of two at once the one that hides nothing.

    Those of the operator count alone where there are any: nobody who pushes an image outranks them. What is attached
    and dates from the future hides nothing, or it would be the latest for ever.
    """
    statements = [each for each in found if each.origin is Origin.VEX]
    own = [each for each in statements if not each.attached]
    told = own or [each for each in statements if each.denies or _stated(each) <= now + _SKEW]
    latest = max(told, key=lambda each: (_stated(each), each.denies), default=None)
    return [] if latest is None or latest.denies else [latest]


def _stated(statement: Suppression) -> datetime:
    return statement.stated or datetime.min.replace(tzinfo=UTC)


def _lasting(suppression: Suppression) -> tuple[datetime, bool, str]:
    return suppression.expires or _EVER, not suppression.until_fix, suppression.id


def _is_of(glob: str, repository: Repository) -> bool:
    """A pattern is of the repository's name; of ``account/region/name`` only when it writes out the account."""
    whole = _WHOLE.match(glob) is not None and fnmatchcase(str(repository), glob)
    return whole or fnmatchcase(repository.name, glob)


def _folded(name: str) -> str:
    return name.strip().upper()
