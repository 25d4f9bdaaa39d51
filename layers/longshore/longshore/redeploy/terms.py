"""What a profile demands of an image: its `gates`, read into terms (redeploy 8.11, notify 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from longshore.gates import SCAN_GATE, GateReason, GateResult, GateTerms
from longshore.redeploy.pacing import read_seconds

PRIORITIES: Final = ("P1", "P2", "P3", "P4")
SEVERITIES: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
NO_RESULTS: Final = {reason.value: reason for reason in GateReason if reason.result is GateResult.NO_RESULT}
"""The reasons without a result that `no_result` may name."""
_KEYS: Final = ("fail", "severity", "fixable", "compare", "wait", "no_result", "act")


class TermsError(ValueError):
    """Terms cannot be read: `key` says which member of `gates`, `problem` what is wrong, `fix` what to write."""

    def __init__(self, key: str, problem: str, fix: str) -> None:
        super().__init__(f"{key}: {problem} ({fix})")
        self.key = key
        self.problem = problem
        self.fix = fix


def read_gates(raw: object) -> dict[str, GateTerms]:
    """The terms of each gate: of a mapping, or of names alone, which mean the defaults. Raises TermsError."""
    if isinstance(raw, list | tuple) and all(isinstance(name, str) for name in raw):
        raw = dict.fromkeys(raw)
    if not isinstance(raw, Mapping):
        raise TermsError("gates", f"is {str(raw)[:80]!r}", "write gates: [scan], or gates: {scan: {fail: [P1, P2]}}")
    for name in raw:
        if name != SCAN_GATE:
            raise TermsError("gates", f"names {str(name)[:80]!r}", f"the only gate is {SCAN_GATE}")
    return {name: _terms(f"gates.{name}", terms) for name, terms in raw.items()}


def _terms(key: str, raw: object) -> GateTerms:
    if raw is None:
        return GateTerms()
    if not isinstance(raw, Mapping):
        raise TermsError(key, f"is {str(raw)[:80]!r}", "write terms such as {fail: [P1, P2], wait: 30m}")
    for name in raw:
        if name not in _KEYS:
            raise TermsError(f"{key}.{name}", "is no term", "known here: " + ", ".join(_KEYS))
    read = _Terms(key, raw)
    terms = GateTerms(
        priorities=read.priorities(),
        severity=read.severity(),
        fixable_only=read.flag("fixable", default=True),
        new_only=read.word("compare", ("new", "all")) == "new",
        wait=read.wait(),
        no_result=read.no_result(),
        tell_only=read.word("act", ("hold", "tell")) == "tell",
    )
    if not terms.priorities and terms.severity is None:
        raise TermsError(f"{key}.fail", "is empty, so that nothing fails", "name priorities, or a severity")
    return terms


class _Terms:
    """Reads the members of one gate's terms; errors name their keys."""

    def __init__(self, key: str, raw: Mapping[str, Any]) -> None:
        self._key = key
        self._raw = raw

    def priorities(self) -> frozenset[str]:
        value = self._raw.get("fail", sorted(GateTerms().priorities))
        if not isinstance(value, list | tuple) or any(each not in PRIORITIES for each in value):
            raise self._error("fail", value, "write a list of " + ", ".join(PRIORITIES))
        named = frozenset(value)
        closed = [each for each in PRIORITIES if each <= max(named, default="")]
        if len(closed) > len(named):
            raise self._error("fail", value, f"what is graver must fail too: write [{', '.join(closed)}]")
        return named

    def severity(self) -> str | None:
        value = self._raw.get("severity")
        if value is None:
            return None
        if not isinstance(value, str) or value.upper() not in SEVERITIES:
            raise self._error("severity", value, "write one of " + ", ".join(SEVERITIES))
        return value.upper()

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._raw.get(name, default)
        if not isinstance(value, bool):
            raise self._error(name, value, "write true or false")
        return value

    def word(self, name: str, words: tuple[str, ...]) -> str:
        value = self._raw.get(name, words[0])
        if value not in words:
            raise self._error(name, value, "write " + " or ".join(words))
        return str(value)

    def wait(self) -> timedelta:
        default = int(GateTerms().wait.total_seconds())
        try:
            return timedelta(seconds=read_seconds("wait", self._raw.get("wait", default)))
        except ValueError as error:
            _, text = error.args
            problem, _, fix = text.partition("; ")
            raise TermsError(f"{self._key}.wait", problem, fix) from error

    def no_result(self) -> frozenset[GateReason]:
        value = self._raw.get("no_result", "hold")
        if isinstance(value, str):
            return (
                frozenset(NO_RESULTS.values())
                if self.word("no_result", ("hold", "deploy")) == "deploy"
                else frozenset()
            )
        if not isinstance(value, Mapping):
            raise self._error("no_result", value, "write hold, deploy, or {timed-out: deploy}")
        for reason, answer in value.items():
            if reason not in NO_RESULTS:
                raise self._error("no_result", reason, "known here: " + ", ".join(NO_RESULTS))
            if answer not in ("hold", "deploy"):
                raise self._error(f"no_result.{reason}", answer, "write hold or deploy")
        return frozenset(NO_RESULTS[reason] for reason, answer in value.items() if answer == "deploy")

    def _error(self, name: str, value: object, fix: str) -> TermsError:
        return TermsError(f"{self._key}.{name}", f"is {str(value)[:80]!r}", fix)
