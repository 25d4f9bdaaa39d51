"""Scheduled tasks: rules and schedules move to another revision, and their first run is followed (design 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.functional.people_schedules import Scheduled

if TYPE_CHECKING:
    from tests.functional.stage import Stage

ROLLING = ["Deployment Started", "Deployment Succeeded"]


@pytest.fixture
def people(stage: Stage) -> Scheduled:
    found = Scheduled(stage)
    stage.push("prod", "one")
    return found


def clean(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_a_rule_that_declares_a_tag_is_left_as_it_is_and_its_next_run_is_followed(
    stage: Stage, people: Scheduled
) -> None:
    arn = people.rule(people.definition("web:prod"), "profile:steady")
    before = people.rule_target()
    second = stage.push("prod", "two")
    stage.run(minutes=15)
    assert (people.rule_target(), people.moved(), stage.told()) == (before, [], ROLLING)
    started, succeeded = stage.events()
    assert (started["workload"], started["platform"], started["action"]) == (arn, "eventbridge-rule", "refresh")
    assert (succeeded["reason"], succeeded["workload_name"], succeeded["cluster"]) == ("verified", "nightly", "shop")
    assert [change["digest"] for change in succeeded["changes"]] == [second]
    clean(stage)


def test_a_new_version_moves_the_schedule_to_a_new_revision(stage: Stage, people: Scheduled) -> None:
    stage.push("1.4.2", "one")
    arn = people.schedule(people.definition("web:1.4.2"), "profile:versions")
    before = people.scheduled_target()
    stage.push("1.5.0", "two")
    stage.run(minutes=15)
    after = people.scheduled_target()
    assert people.image(after["EcsParameters"]["TaskDefinitionArn"]) == "web:1.5.0"
    assert {**after, "EcsParameters": None} == {**before, "EcsParameters": None}
    assert (people.moved(), stage.told()) == (["UpdateSchedule"], ROLLING)
    assert (stage.events()[0]["workload"], stage.events()[0]["platform"]) == (arn, "eventbridge-schedule")
    assert stage.events()[1]["reason"] == "verified"
    stage.forget()
    stage.push("1.4.3", "three")
    stage.run(minutes=15)
    assert (people.moved(), people.scheduled_target()) == ([], after)
    assert "downgrade" in stage.reasons("nightly")
    clean(stage)


def test_with_write_digest_a_moved_tag_is_pinned(stage: Stage, people: Scheduled) -> None:
    people.rule(people.definition("web:prod"), "profile:written-digest")
    second = stage.push("prod", "two")
    stage.run(minutes=20)
    assert people.image(definition_of(people)) == f"web@{second}"
    assert (people.moved(), stage.told(), stage.events()[1]["reason"]) == (["PutTargets"], ROLLING, "verified")
    clean(stage)


def test_a_first_run_that_fails_is_taken_back(stage: Stage, people: Scheduled) -> None:
    people.rule(people.definition("web:prod"), "profile:steady")
    good = stage.push("prod", "two")
    stage.run(minutes=15)
    stage.forget()
    bad = stage.push("prod", "three")
    people.fail(bad, "cannot-pull")
    stage.run(minutes=30)
    assert people.image(definition_of(people)) == f"web@{good}"
    assert stage.told()[:2] == ["Deployment Started", "Deployment Failed"]
    assert stage.told()[2:4] == ROLLING
    failed = stage.events("Deployment Failed")[0]
    assert (failed["reason"], "CannotPullContainer" in failed["why"]) == ("failed", True)
    clean(stage)


def test_what_has_not_run_in_time_is_said_and_proven_later(stage: Stage, people: Scheduled) -> None:
    people.rule(people.definition("web:prod"), "profile:written-digest", expression="rate(3 hours)")
    first = stage.push("prod", "two")
    stage.run(minutes=30)
    assert people.image(definition_of(people)) == f"web@{first}"
    assert (stage.told(), stage.events()[-1]["reason"]) == (ROLLING, "not-run")
    assert stage.events()[-1]["why"] == "nothing has started it yet"
    stage.run(minutes=60 * 7)
    assert (stage.told(), people.moved()) == (ROLLING, ["PutTargets"]), "its late proof is quiet"
    bad = stage.push("prod", "three")
    people.fail(bad)
    stage.run(minutes=60 * 5)
    assert people.image(definition_of(people)) == f"web@{first}", "what ran late is the last known good"
    assert stage.told()[2:5] == [*ROLLING, "Deployment Failed"]
    clean(stage)


def test_a_refresh_that_has_not_run_yet_is_not_begun_again(stage: Stage, people: Scheduled) -> None:
    people.rule(people.definition("web:prod"), "profile:steady", expression="rate(3 hours)")
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert (stage.told(), stage.events()[-1]["reason"]) == (ROLLING, "not-run")
    clean(stage)


def test_a_role_that_may_not_be_passed_holds_what_must_be_written(stage: Stage, people: Scheduled) -> None:
    stage.push("1.4.2", "one")
    definition = people.definition("web:1.4.2")
    target = {**people.target(definition), "RoleArn": "arn:aws:iam::123456789012:role/elsewhere"}
    people.rule(definition, "profile:versions", targets=[target])
    stage.push("1.5.0", "two")
    stage.run(minutes=15)
    (held,) = stage.events()
    assert (held["reason"], held["roles"]) == ("pass-role-not-granted", [target["RoleArn"]])
    assert people.moved() == []
    clean(stage)


def test_without_the_groups_tag_a_schedule_is_never_touched(stage: Stage, people: Scheduled) -> None:
    people.schedule(people.definition("web:prod"), "profile:written-digest")
    group = "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/jobs"
    people.scheduler.untag_resource(ResourceArn=group, TagKeys=["longshore:policy"])
    stage.push("prod", "two")
    stage.run(minutes=70)
    assert (people.moved(), stage.told()) == ([], [])
    clean(stage)


def definition_of(people: Scheduled) -> str:
    """The revision that the rule's target names."""
    return str(people.rule_target()["EcsParameters"]["TaskDefinitionArn"])
