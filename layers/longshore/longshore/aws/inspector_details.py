"""What Inspector knows of vulnerabilities beyond findings: KEV, EPSS, and whether exploitation was seen (aws A2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.aws.errors import aws_errors
from longshore.envelopes import json_object
from longshore.errors import BadEventError
from longshore.scan.inspector import Details, read_details

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.ports import Clock
    from longshore.scan.findings import Finding

NOT_ENABLED: Final = ("ResourceNotFoundException",)
_BATCH: Final = 10  # BatchGetFindingDetails takes at most ten
_UNKNOWN: Final = "FINDING_DETAILS_NOT_FOUND"
_FRESH: Final = timedelta(minutes=5)
_MOST: Final = 50_000


class _Known(NamedTuple):
    details: Details
    until: datetime


class InspectorDetails:
    """Details of vulnerabilities; any may be in CISA's list, whatever its severity, and a finding does not say so.

    They are the same in whatever image a vulnerability is found: each is asked for once, by one of its findings, and
    kept for five minutes, so that the images of an index, of what runs and of what is to be deployed share them.
    """

    def __init__(self, inspector2: Any, clock: Clock) -> None:
        self._inspector2 = inspector2
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def of(self, findings: Iterable[Finding]) -> tuple[Mapping[str, Details], tuple[BadEventError, ...]]:
        """By vulnerability, and what could not be learned; of what Inspector has no details of, there are none.

        What fails is asked for once more. Raises AccessDeniedError, GoneError where Inspector is not enabled, and
        TransientError; what was learned until then is kept.
        """
        now = self._clock.now()
        if len(self._known) > _MOST:
            self._known.clear()
        names = {each.arn: each.vulnerability for each in findings if each.arn}
        first = {name: arn for arn, name in sorted(names.items(), reverse=True)}
        asked = sorted(arn for name, arn in first.items() if not self._is_fresh(name, now))
        failed = self._ask(asked, names, now)
        if failed:
            failed = self._ask(sorted(failed), names, now)
        return {name: self._known[name].details for name in first if name in self._known}, tuple(failed.values())

    def _is_fresh(self, name: str, now: datetime) -> bool:
        known = self._known.get(name)
        return known is not None and now < known.until

    def _ask(self, arns: Sequence[str], names: Mapping[str, str], now: datetime) -> dict[str, BadEventError]:
        """Learns of the vulnerabilities of findings. Returns those of which nothing was learned, and why."""
        failed: dict[str, BadEventError] = {}
        for start in range(0, len(arns), _BATCH):
            batch = arns[start : start + _BATCH]
            with aws_errors(gone=NOT_ENABLED):
                answer = self._inspector2.batch_get_finding_details(findingArns=batch)
            told, bad = _told(answer)
            for arn in batch:
                if arn in told:
                    self._known[names[arn]] = _Known(told[arn], now + _FRESH)
                else:
                    self._known.pop(names[arn], None)
                    failed[arn] = bad.get(arn) or BadEventError("findingDetails", f"nothing is told of {arn}")
        return failed


def _told(answer: Mapping[str, Any]) -> tuple[Mapping[str, Details], Mapping[str, BadEventError]]:
    """The details of findings, and what is wrong with the others, by ARN."""
    told: dict[str, Details] = {}
    bad: dict[str, BadEventError] = {}
    for number, each in enumerate(answer.get("findingDetails", [])):
        where = f"findingDetails[{number}]"
        try:
            arn, details = read_details(json_object(each, where), where)
            told[arn] = details
        except BadEventError as error:
            bad[str(each.get("findingArn"))] = error
    for each in answer.get("errors", []):
        arn, code = str(each.get("findingArn")), str(each.get("errorCode"))
        if code == _UNKNOWN:
            told.setdefault(arn, Details())
        else:
            bad[arn] = BadEventError("findingDetails", f"{code}: {each.get('errorMessage', '')}"[:200])
    return told, bad
