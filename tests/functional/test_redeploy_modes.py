"""What holds everything back: the global pause, caps on deployments, and what a profile asks for."""

from __future__ import annotations

import pytest

from tests.functional.stage import ACCOUNT, REGION, Stage

NAMES = [f"web-{number}" for number in range(5)]


def pause(stage: Stage, reason: str | None) -> None:
    """Sets the global pause, or lifts it with None."""
    dynamodb, table = stage.client("dynamodb"), stage.bundle.stack.physical_ids["Ledger"]
    key = {"pk": {"S": f"SWITCH#{ACCOUNT}/{REGION}"}, "sk": {"S": "PAUSE"}}
    if reason is None:
        dynamodb.delete_item(TableName=table, Key=key)
    else:
        dynamodb.put_item(TableName=table, Item={**key, "reason": {"S": reason}, "schema": {"N": "1"}})


def fleet(stage: Stage, policy: str) -> None:
    """Five services that follow one tag."""
    stage.push("prod", "one")
    for name in NAMES:
        stage.service(name, policy=policy, settle=False)
    stage.run(minutes=2)
    stage.forget()


def following(stage: Stage, digest: str) -> int:
    """How many of the services run this digest."""
    return sum(stage.running(name) == digest for name in NAMES)


def test_the_pause_holds_everything_and_says_why(stage: Stage) -> None:
    first = stage.push("prod", "one")
    arn = stage.service()
    pause(stage, "incident 42")
    digest = stage.push("prod", "two")
    stage.run(minutes=40)
    assert (stage.running(), stage.writes()) == (first, [])
    (held,) = stage.events()
    assert (held["workload"], held["reason"], held["why"]) == (arn, "paused", "incident 42")
    pause(stage, None)
    stage.run(minutes=60)  # the sweep
    assert stage.running() == digest


def test_the_pause_does_not_stop_what_is_under_way(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    digest = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    pause(stage, "incident 42")
    stage.run(minutes=20)
    assert (stage.running(), stage.told()) == (digest, ["Deployment Started", "Deployment Succeeded"])


def test_one_push_begins_only_so_many_deployments_at_once_and_the_rest_follows(stage: Stage) -> None:
    fleet(stage, "profile:few")
    digest = stage.push("prod", "two")
    stage.run(minutes=0.8)
    assert following(stage, digest) == 2
    assert stage.reasons().count("rate-capped") == 3
    stage.run(minutes=20)
    assert following(stage, digest) == 5
    assert [stage.deployments(name) for name in NAMES] == [2] * 5
    assert stage.told().count("Deployment Succeeded") == 5


def test_an_hour_begins_only_so_many_deployments_and_the_rest_follows_in_the_next(stage: Stage) -> None:
    fleet(stage, "profile:rare")
    hour = stage.bundle.timeline.now().replace(minute=5)
    stage.bundle.run(limit=(hour.replace(hour=hour.hour + 1) - stage.bundle.timeline.now()))
    stage.forget()
    digest = stage.push("prod", "two")
    stage.run(minutes=30)
    assert following(stage, digest) == 2
    stage.run(minutes=60)
    assert following(stage, digest) == 4
    stage.run(minutes=60)
    assert following(stage, digest) == 5
    assert stage.told().count("Deployment Started") == 5


def test_a_profile_without_soak_ends_with_the_deployment(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy="profile:eager")
    digest = stage.push("prod", "two")
    stage.run(minutes=1)
    assert (stage.running(), stage.told()) == (digest, ["Deployment Started", "Deployment Succeeded"])


@pytest.mark.parametrize(
    ("policy", "reason"),
    [("profile:unknown", "profile-unknown"), ("semver:^1", "invalid-policy"), ("", "invalid-policy")],
)
def test_a_policy_that_says_nothing_usable_is_told_and_deploys_nothing(stage: Stage, policy: str, reason: str) -> None:
    stage.push("prod", "one")
    stage.service(policy=policy, settle=False)
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert stage.writes() == []
    assert [each["reason"] for each in stage.events()] == [reason]
