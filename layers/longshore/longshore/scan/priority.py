"""How much a finding matters, P1 to P4, and the rule that says so (notify 2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.codes import Code
from longshore.scan.findings import Fix, Severity

if TYPE_CHECKING:
    from longshore.scan.findings import Finding
    from longshore.scan.rules import ScanPolicy


class Priority(StrEnum):
    """P1 is the gravest; they sort so."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class Rule(Code):
    """Why a finding has its priority; the first that holds."""

    priority: Priority

    def __init__(self, code: str, priority: Priority, meaning: str) -> None:
        super().__init__(code, meaning)
        self.priority = priority

    KEV = "kev", Priority.P1, "in CISA KEV"
    EXPLOITED = "exploited", Priority.P1, "exploitation was observed"
    EXPLOIT = "exploit", Priority.P1, "an exploit is known, and it runs"
    CRITICAL = "critical", Priority.P2, "critical, and it runs"
    LIKELY = "likely", Priority.P2, "high, likely to be exploited, and it runs"
    GRAVE = "grave", Priority.P3, "high or critical"
    REST = "rest", Priority.P4, "nothing that is urgent"


class Ranked(NamedTuple):
    """A finding, the rule that fired, and the severity that it was taken for."""

    finding: Finding
    rule: Rule
    severity: Severity

    @property
    def priority(self) -> Priority:
        """That of the rule."""
        return self.rule.priority

    @property
    def text(self) -> str:
        """``P1: in CISA KEV, due 2026-12-05``."""
        return f"{self.priority}: {self.rule.meaning}{self._besides}"

    @property
    def arguments(self) -> dict[str, Any]:
        """What `text` says besides the rule, for those who have words of their own."""
        finding = self.finding
        if self.rule is Rule.KEV and finding.kev_due:
            return {"due": finding.kev_due.isoformat()}
        return {"epss": finding.epss} if self.rule is Rule.LIKELY else {}

    @property
    def _besides(self) -> str:
        return "".join(f", {name} {value}" for name, value in self.arguments.items())

    @property
    def order(self) -> tuple[object, ...]:
        """The gravest first, and always the same way."""
        finding = self.finding
        return (
            self.priority,
            list(Rule).index(self.rule),
            -self.severity,
            -(finding.epss or 0.0),
            -(finding.score or 0.0),
            not finding.fix.exists,
            finding.key,
        )


def rank(finding: Finding, policy: ScanPolicy, *, running: bool) -> Ranked:
    """What a finding comes to where its image runs, or does not.

    A severity that the scanner does not know counts as `unknown_as`. Whether a fix exists basic scanning does not tell:
    then it may (notify 2.3 has a critical one that runs at P2).
    """
    severity = policy.unknown_as if finding.severity is None else finding.severity
    return Ranked(finding, _rule(finding, severity, policy.epss, running), severity)


def ranked(findings: Iterable[Finding], policy: ScanPolicy, *, running: bool) -> list[Ranked]:
    """All of them, the gravest first."""
    return sorted((rank(each, policy, running=running) for each in findings), key=lambda each: each.order)


def _rule(finding: Finding, severity: Severity, epss: float, running: bool) -> Rule:
    if finding.kev:
        return Rule.KEV
    if finding.exploited:
        return Rule.EXPLOITED
    if severity < Severity.HIGH:
        return Rule.REST
    if running and finding.exploit:
        return Rule.EXPLOIT
    if running and finding.fix is not Fix.NO:
        if severity is Severity.CRITICAL:
            return Rule.CRITICAL
        if finding.epss is not None and finding.epss >= epss:
            return Rule.LIKELY
    return Rule.GRAVE
