"""Two images' findings side by side: new, fixed, worsened, unchanged (notify 2.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from longshore.scan.findings import Severity
from longshore.scan.priority import Priority

if TYPE_CHECKING:
    from longshore.scan.findings import Key
    from longshore.scan.priority import Ranked

_CERTAIN = 0.5


class Material(NamedTuple):
    """What of a finding matters: another one of these is news, whatever else changes is noise.

    `epss` is 0 below the policy's bound, 2 from one half on, and 1 between.
    """

    priority: Priority
    severity: Severity
    fix: bool
    exploit: bool
    exploited: bool
    kev: bool
    epss: int

    @classmethod
    def of(cls, ranked: Ranked, bound: float) -> Material:
        """That of a finding."""
        finding = ranked.finding
        epss = finding.epss or 0.0
        bucket = 0 if epss < bound or not epss else 2 if epss >= _CERTAIN else 1
        return cls(
            ranked.priority,
            ranked.severity,
            finding.fix.exists,
            finding.exploit,
            finding.exploited,
            finding.kev,
            bucket,
        )

    @property
    def text(self) -> str:
        """``P241001``: as short as the ledger likes it."""
        flags = (self.fix, self.exploit, self.exploited, self.kev)
        return f"{self.priority}{int(self.severity)}{''.join(str(int(each)) for each in flags)}{self.epss}"

    @classmethod
    def parse(cls, text: str) -> Material:
        """Reads what `text` wrote. Raises ValueError."""
        fix, exploit, exploited, kev = (each == "1" for each in text[3:7])
        return cls(Priority(text[:2]), Severity(int(text[2])), fix, exploit, exploited, kev, int(text[7:]))

    def recalled(self, told: Material) -> Material:
        """What is remembered of it after `told`: an EPSS that went down may come up again tomorrow, and is no news."""
        return told if self[1:6] == told[1:6] and not self.worse_than(told) else self

    def worse_than(self, other: Material) -> bool:
        """Graver, or an exploit or a place in CISA's list came, or a fix, so that something can be done."""
        return (
            self.priority < other.priority
            or self.severity > other.severity
            or any(mine and not its for mine, its in zip(self[2:6], other[2:6], strict=True))
        )


class Comparison(NamedTuple):
    """The four sets; `fixed` are short keys, because what was found there may not be known any more."""

    new: tuple[Ranked, ...] = ()
    worsened: tuple[Ranked, ...] = ()
    unchanged: tuple[Ranked, ...] = ()
    fixed: tuple[str, ...] = ()


def short(key: Key) -> str:
    """A key's name in the ledger."""
    return hashlib.sha256("\0".join(key).encode()).hexdigest()[:16]


def materials(findings: Iterable[Ranked], bound: float) -> dict[str, Material]:
    """What matters of each finding, by short key."""
    return {short(each.finding.key): Material.of(each, bound) for each in findings}


def compare(findings: Iterable[Ranked], before: Mapping[str, Material], bound: float) -> Comparison:
    """Findings against those of another image, or of the same one earlier."""
    new: list[Ranked] = []
    worsened: list[Ranked] = []
    unchanged: list[Ranked] = []
    keys = set()
    for each in findings:
        key = short(each.finding.key)
        keys.add(key)
        known = before.get(key)
        if known is None:
            new.append(each)
        elif Material.of(each, bound).worse_than(known):
            worsened.append(each)
        else:
            unchanged.append(each)
    fixed = tuple(sorted(before.keys() - keys))
    return Comparison(tuple(new), tuple(worsened), tuple(unchanged), fixed)


def fingerprint(found: Mapping[str, Material]) -> str:
    """The same for the same material members, in whatever order they come."""
    lines = "\n".join(f"{key} {material.text}" for key, material in sorted(found.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:32]
