"""Every class, its near misses and the ignore list, standalone and in a service, with and without the right to retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from longshore.recover.catalogue import CLASSES, UNKNOWN
from longshore.recover.grounds import Ground
from longshore.recover.observations import diagnose_event
from tests.unit.recover.diagnosis_cases import TABLE, Expected, event, of_service

if TYPE_CHECKING:
    from longshore.recover.diagnosis import Diagnosis

IDEMPOTENT = {"longshore:retry": "idempotent"}
each_case = pytest.mark.parametrize("case", TABLE, ids=[case.id for case in TABLE])


def answers() -> Iterator[Diagnosis]:
    for case in TABLE:
        yield diagnose_event(event(case.detail))
        yield diagnose_event(event(of_service(case.detail)))
        yield diagnose_event(event(case.detail), definition_tags=IDEMPOTENT)


@each_case
def test_standalone(case: Expected) -> None:
    found = diagnose_event(event(case.detail))
    assert (found.owner.value, found.cls, found.remedy.value) == ("standalone", case.cls, case.alone)


@each_case
def test_scheduled_tasks_are_treated_like_standalone_ones(case: Expected) -> None:
    found = diagnose_event(event({**case.detail, "startedBy": "events-rule/nightly"}))
    assert (found.owner.value, found.cls, found.remedy.value) == ("scheduled", case.cls, case.alone)


@each_case
def test_standalone_with_the_right_to_retry(case: Expected) -> None:
    found = diagnose_event(event(case.detail), definition_tags=IDEMPOTENT)
    assert (found.cls, found.remedy.value) == (case.cls, case.idempotent or case.alone)


@each_case
def test_of_a_service(case: Expected) -> None:
    found = diagnose_event(event(of_service(case.detail)))
    assert (found.owner.value, found.cls, found.remedy.value) == ("service", case.cls, case.service)


@each_case
def test_the_right_to_retry_changes_nothing_for_a_service(case: Expected) -> None:
    found = diagnose_event(event(of_service(case.detail)), definition_tags=IDEMPOTENT)
    assert found == diagnose_event(event(of_service(case.detail)))


@each_case
@pytest.mark.parametrize("by", ["AWS Step Functions", "airflow", "3f2504e0-4f89-51d3-9a0c-0305e82c3301"])
def test_what_others_start_again_is_left_to_them(case: Expected, by: str) -> None:
    found = diagnose_event(event({**case.detail, "startedBy": by}), definition_tags=IDEMPOTENT)
    assert (found.cls, found.remedy.value) == (case.cls, "none")


def test_every_class_of_a_stopped_task_is_in_the_table() -> None:
    assert {entry.cls for entry in (*CLASSES, UNKNOWN)} <= {case.cls for case in TABLE} | {"X1", "X2", "X3"}


def test_the_table_is_large_enough() -> None:
    assert len(TABLE) >= 140
    assert len({case.id for case in TABLE}) == len(TABLE)


def test_every_reason_is_of_the_closed_set() -> None:
    assert {found.reason for found in answers()} <= {ground.value for ground in Ground}


def test_every_diagnosis_of_a_failure_has_evidence_and_a_hint() -> None:
    assert [found for found in answers() if found.cls not in ("", "A1") and not (found.evidence and found.hint)] == []


def test_what_ran_is_replaced_only_with_the_right_to_it() -> None:
    replaced = {case.id for case in TABLE if case.alone == "replace"}
    assert {case.id for case in TABLE if "startedAt" in case.detail} & replaced == set()
