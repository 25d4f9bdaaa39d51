"""Notices: severities and phases compare as routes and webhooks need it."""

from __future__ import annotations

import pytest

from longshore.notices import Phase, Severity


@pytest.mark.parametrize(
    ("severity", "floor", "answer"),
    [
        (Severity.CRITICAL, Severity.ERROR, True),
        (Severity.ERROR, Severity.ERROR, True),
        (Severity.WARNING, Severity.ERROR, False),
        (Severity.INFO, Severity.WARNING, False),
        (Severity.OK, Severity.INFO, False),
        (Severity.OK, Severity.OK, True),
    ],
)
def test_at_least(severity: Severity, floor: Severity, answer: bool) -> None:
    assert severity.at_least(floor) is answer


def test_severities_are_a_total_order() -> None:
    for place, severity in enumerate(Severity):
        assert [severity.at_least(other) for other in Severity] == [other >= place for other in range(len(Severity))]


def test_only_the_last_two_phases_are_final() -> None:
    assert [phase for phase in Phase if phase.final] == [Phase.RESOLVED, Phase.FAILED]
