"""What a check of `longshore doctor` is, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from longshore.errors import ConfigurationError, LongshoreError

if TYPE_CHECKING:
    from longshore_cli.checks.sight import Sight

COULD_NOT: Final = "could not look"
"""What a reason says when a check failed; one that has nothing to look at gives another."""
_PERFORM = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")
_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_LONGEST: Final = 300


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    ERROR = "error"
    """Something does not work: what should follow its image does not, or nobody is told."""
    WARNING = "warning"
    """It works, and will hurt: at the next failure, expiry or end of a service."""
    INFO = "info"
    """Worth knowing."""


class Found(NamedTuple):
    """One thing that a check found: where, what, and the exact command, tag or parameter that mends it."""

    resource: str
    message: str
    fix: str


class Unseen(NamedTuple):
    """A part that a check could not look at, and why; the rest of it goes on."""

    why: str


class NothingToLookAtError(LongshoreError):
    """A check needs what is not there: no stack is deployed, no longshore.yaml is at hand."""


class Check(NamedTuple):
    """One row of the table: `looks_at` says for people what is looked at."""

    code: str
    severity: Severity
    looks_at: str
    find: Callable[[Sight], Iterable[Found | Unseen]]


class Finding(NamedTuple):
    """What a check found, with what its row says of it."""

    code: str
    severity: Severity
    resource: str
    message: str
    fix: str


@dataclass(slots=True)
class Report:
    """What came of all checks: `checked` are those that looked at everything, `skipped` the others, and why."""

    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong: no error, no warning, and no check that could not look."""
        blind = any(COULD_NOT in why for _, why in self.skipped)
        return not blind and all(each.severity is Severity.INFO for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The document of the command."""
        return {
            "findings": [each._asdict() for each in self.findings],
            "checked": self.checked,
            "skipped": [{"check": code, "why": why} for code, why in self.skipped],
        }


def examine(sight: Sight, checks: Sequence[Check]) -> Report:
    """Runs each check on its own; one that fails is told, and stops none of the others."""
    report = Report()
    for check in checks:
        found, unseen = _looked(check, sight)
        report.findings += [Finding(check.code, check.severity, *each) for each in found]
        report.skipped += [(check.code, why) for why in dict.fromkeys(unseen)]
        if not unseen:
            report.checked.append(check.code)
    order = list(Severity)
    report.findings.sort(key=lambda each: (order.index(each.severity), each.code, each.resource))
    return report


def _looked(check: Check, sight: Sight) -> tuple[list[Found], list[str]]:
    found: list[Found] = []
    unseen: list[str] = []
    try:
        for each in check.find(sight):
            if isinstance(each, Unseen):
                unseen.append(each.why)
            else:
                found.append(each)
    except Exception as error:
        unseen.append(why_not(error, sight.action))
    return found, unseen


def why_not(error: Exception, action: Callable[[str], str]) -> str:
    """Why something could not be looked at; of what is not permitted, the IAM action that is missing.

    `action` answers the IAM action of an operation's name.
    """
    if isinstance(error, NothingToLookAtError | ConfigurationError):
        return str(error)[:_LONGEST]
    raised = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(raised, ClientError) and raised.response.get("Error", {}).get("Code") in _DENIED:
        said = _PERFORM.search(str(raised))
        return f"{COULD_NOT}: {said[1] if said else action(raised.operation_name)} is not allowed"
    said_so = isinstance(error, LongshoreError | BotoCoreError | ClientError)
    return f"{COULD_NOT}: {'' if said_so else f'{type(error).__name__}: '}{error}"[:_LONGEST]


def batches(of: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Consecutive parts of at most `size`."""
    return (of[start : start + size] for start in range(0, len(of), size))
