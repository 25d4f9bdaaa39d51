"""Several images become one: the children of an index, each scanned by itself (notify 2.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from longshore.manifests import Manifest
from longshore.scan.findings import Assessment, Finding, Fix, Key, Scanner, ScanState

if TYPE_CHECKING:
    from longshore.images import Digest, Repository

_Day = TypeVar("_Day", date, datetime)

FURTHEST: Final = (
    ScanState.PENDING,
    ScanState.GONE,
    ScanState.FAILED,
    ScanState.NOT_SCANNED,
    ScanState.EXPIRED,
    ScanState.ARCHIVED,
    ScanState.TOO_LARGE,
    ScanState.UNSUPPORTED,
    ScanState.COMPLETE,
)
"""From the furthest from complete: as long as one scan runs, nothing is settled for the others either."""
_UNKNOWN_RANK: Final = 1.5
"""An unknown severity is graver than LOW, and less so than MEDIUM, which says what is unknown here."""


def children(manifest: bytes, media_type: str | None = None) -> Sequence[Digest]:
    """The images of an index, without attestations; empty for what is no index.

    Raises ManifestError or UnsupportedError for what is no manifest.
    """
    listed = Manifest.parse(manifest, media_type).children
    return tuple(dict.fromkeys(each.digest for each in listed if each.platform))


def merged(
    repository: Repository, digest: Digest, parts: Sequence[Assessment], tags: tuple[str, ...] = ()
) -> Assessment:
    """One assessment of what was looked at in `parts`; an index without an image is nothing that can be scanned."""
    if not parts:
        why = "the index lists no image"
        return Assessment(
            repository, digest, ScanState.UNSUPPORTED, tags=tags, why=why, states=(ScanState.UNSUPPORTED,)
        )
    furthest = min(parts, key=lambda part: FURTHEST.index(part.state))
    scanners = {part.scanner for part in parts if part.scanner}
    times = [part.at for part in parts if part.at]
    return Assessment(
        repository=repository,
        digest=digest,
        state=furthest.state,
        scanner=Scanner.ENHANCED if Scanner.ENHANCED in scanners else next(iter(scanners), None),
        findings=gravest(finding for part in parts for finding in part.findings),
        images=tuple(dict.fromkeys(part.digest for part in parts)),
        tags=tags,
        at=max(times, default=None),
        why=furthest.why or next((part.why for part in parts if part.why), ""),
        states=tuple(sorted({part.state for part in parts}, key=FURTHEST.index)),
    )


def gravest(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each key, as grave as any of them in every respect; in the order of their keys."""
    same: dict[Key, list[Finding]] = {}
    for finding in findings:
        same.setdefault(finding.key, []).append(finding)
    return tuple(_one(same[key]) for key in sorted(same))


def _one(same: Sequence[Finding]) -> Finding:
    if len(same) == 1:
        return same[0]
    first = max(same, key=_gravity)
    return replace(
        first,
        score=_most(each.score for each in same),
        fix=_fix({each.fix for each in same}),
        fixed_in=first.fixed_in or max(each.fixed_in for each in same),
        exploit=any(each.exploit for each in same),
        exploited=any(each.exploited for each in same),
        kev=any(each.kev for each in same),
        kev_due=_first(each.kev_due for each in same),
        epss=_most(each.epss for each in same),
        first_seen=_first(each.first_seen for each in same),
    )


def _gravity(finding: Finding) -> tuple[object, ...]:
    """A total order, so that it does not matter which came first."""
    rank = _UNKNOWN_RANK if finding.severity is None else finding.severity
    score = -1.0 if finding.score is None else finding.score
    return (rank, score, finding.version, finding.fixed_in, finding.arn, finding.layer, finding.title, finding.url)


def _fix(told: set[Fix]) -> Fix:
    known = told - {Fix.UNKNOWN}
    if len(known) > 1:
        return Fix.PARTIAL
    return known.pop() if known else Fix.UNKNOWN


def _most(values: Iterable[float | None]) -> float | None:
    return max((each for each in values if each is not None), default=None)


def _first(values: Iterable[_Day | None]) -> _Day | None:
    return min((each for each in values if each is not None), default=None)
