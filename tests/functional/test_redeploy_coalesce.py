"""Many events, one end: pushes during a deployment, tags that go back, duplicates, and events in any order."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from longshore_local import images
from tests.functional.stage import ENDS, Stage, uri


def ends(stage: Stage) -> list[str]:
    return [kind.removeprefix("Deployment ") for kind in stage.told() if kind in ENDS]


def test_pushes_during_a_deployment_lead_to_one_more_and_the_newest_wins(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.run(minutes=0.2)
    for version in ("three", "four", "five"):
        digest = stage.push("prod", version)
        stage.run(minutes=0.2)
    stage.run(minutes=40)
    assert stage.running() == digest
    assert stage.deployments() == 3
    assert ends(stage) == ["Succeeded", "Succeeded"]


def test_what_waited_for_a_deployment_is_told_as_a_story_of_its_own(stage: Stage) -> None:
    """Or people would read of two deployments in one message."""
    stage.push("prod", "one")
    stage.service()
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.run(minutes=0.2)
    stage.push("prod", "three")
    stage.run(minutes=40)
    started = [each["correlation"] for each in stage.events("Deployment Started")]
    assert [each["correlation"] for each in stage.events("Deployment Succeeded")] == started
    assert len(set(started)) == 2
    (asked,) = stage.events("Redeploy Requested")
    assert (asked["reason"], asked["correlation"]) == ("pending", started[0]), "which names what it waited for"


def test_a_push_that_ecs_takes_up_instead_is_told_and_its_newest_deployed(stage: Stage) -> None:
    """ECS resolves the tag when it starts the first task: what it finds there need not be what was decided."""
    stage.push("prod", "one")
    stage.service()
    second = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    digest = stage.push("prod", "three")
    stage.run(minutes=40)
    assert stage.running() == digest
    assert stage.told()[:2] == ["Deployment Started", "Deployment Superseded"]
    superseded = stage.events("Deployment Superseded")[0]
    assert (superseded["reason"], superseded["changes"][0]["digest"]) == ("raced", second)
    assert superseded["resolved"] == {"app": digest}


SLOWLY: dict[str, Any] = {
    "desiredCount": 10,
    "deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 110},
}


def test_a_tag_that_goes_back_during_a_deployment_is_followed_back(stage: Stage) -> None:
    """Most tasks still run the old image, to which the tag returns: that says nothing of what runs in the end."""
    first = stage.push("prod", "one")
    stage.service(**SLOWLY)
    second = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.run(minutes=0.2)
    stage.push("prod", "one")
    stage.run(minutes=0.2)
    assert [each["runningCount"] > 5 for each in stage.described()["deployments"]] == [False, True]
    stage.run(minutes=40)
    assert (stage.running(), stage.deployments()) == (first, 3)
    assert [each["changes"][0]["digest"] for each in stage.events("Deployment Succeeded")] == [second, first]


def test_a_hold_on_one_container_does_not_make_another_ones_push_forgotten(stage: Stage) -> None:
    stage.push("1.0.0", "one")
    stage.push("1.0.0", images.multi_platform("envoy"), repository="envoy")
    both = {"app": uri("web:1.0.0"), "envoy": uri("envoy:1.0.0")}
    stage.service(definition=stage.register("web", both), policy="profile:versions")
    stage.push("1.1.0", images.multi_platform("envoy 1.1.0", ["linux/arm64"]), repository="envoy")
    stage.run(minutes=1)
    assert [each["reason"] for each in stage.events()] == ["platform"]
    stage.push("1.1.0", "two")
    stage.until_told("Deployment Started", minutes=2)
    stage.run(minutes=0.3)
    digest = stage.push("1.2.0", "three")
    stage.run(minutes=20)
    assert stage.digests()["app"] == digest


def test_pushes_in_quick_succession_settle_into_one_deployment(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    for version in ("two", "three", "four"):
        digest = stage.push("prod", version)
        stage.run(minutes=0.05)
    stage.run(minutes=20)
    assert (stage.running(), stage.deployments()) == (digest, 2)


def test_a_tag_that_never_rests_is_followed_all_the_same(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    for number in range(42):
        stage.push("prod", f"build {number}")
        stage.run(minutes=0.05)
    assert "Deployment Started" in stage.told()  # after two minutes at the latest


def test_new_tags_during_a_deployment_wait_for_it(stage: Stage) -> None:
    stage.push("1.0.0", "1.0.0")
    stage.service(image="web:1.0.0", policy="profile:versions")
    stage.push("1.1.0", "1.1.0")
    stage.until_told("Deployment Started")
    stage.push("1.3.0", "1.3.0")
    newest = stage.push("1.4.0", "1.4.0")
    stage.push("1.2.0", "1.2.0")
    stage.run(minutes=40)
    assert (stage.running(), stage.deployments()) == (newest, 3)


def test_a_to_b_to_a_is_a_rollback_that_someone_meant(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    second = stage.push("prod", "two")
    stage.run(minutes=10)
    assert stage.running() == second
    stage.push("prod", "one")
    stage.run(minutes=10)
    assert (stage.running(), stage.deployments()) == (first, 3)
    stage.push("prod", "two")
    stage.run(minutes=10)
    assert (stage.running(), stage.deployments()) == (second, 4)
    assert ends(stage) == ["Succeeded"] * 3


def test_a_to_b_to_a_before_anything_is_deployed_deploys_nothing(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    stage.push("prod", "two")
    stage.push("prod", "one")
    stage.run(minutes=20)
    assert stage.running() == first
    stage.untouched()


def test_a_push_during_somebody_elses_deployment_waits_for_its_end(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.update(deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}, forceNewDeployment=True)
    stage.run(minutes=1)
    digest = stage.push("prod", "two")
    stage.run(minutes=3)
    assert stage.writes() == []
    stage.run(minutes=40)
    assert (stage.running(), stage.deployments()) == (digest, 3)
    assert ends(stage) == ["Succeeded"]


def test_after_a_deployment_the_cooldown_is_kept_and_the_newest_is_deployed(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy="digest")  # five minutes of cooldown, five of soak
    stage.push("prod", "two")
    stage.until_told("Deployment Started")
    began = stage.bundle.timeline.now()
    stage.run(minutes=1)
    digest = stage.push("prod", "three")
    stage.until_told("Deployment Started")
    assert (stage.bundle.timeline.now() - began).total_seconds() >= 300
    stage.run(minutes=20)
    assert (stage.running(), stage.deployments()) == (digest, 3)


def events_of(stage: Stage) -> list[dict[str, Any]]:
    """The ECR events of three pushes, kept from the stack's rule by disabling it."""
    kept: list[dict[str, Any]] = []
    stage.bundle.bus.subscribe(lambda bus, event: kept.append(event) if event["source"] == "aws.ecr" else None)
    rule = stage.bundle.stack.physical_ids["ImageMoved"]
    events = stage.client("events")
    events.disable_rule(Name=rule)
    try:
        for version in ("two", "three", "four"):
            stage.push("prod", version)
            stage.run(minutes=0.02)
    finally:
        events.enable_rule(Name=rule)
    return kept


@pytest.mark.parametrize("order", list(permutations(range(3)))[::2])
def test_events_in_any_order_and_twice_lead_to_the_same(stage: Stage, order: tuple[int, ...]) -> None:
    stage.push("prod", "one")
    stage.service()
    kept = events_of(stage)
    for place in (*order, *reversed(order)):
        stage.send("RedeployQueue", kept[place])
        stage.run(minutes=0.02)
    stage.run(minutes=20)
    late = kept[order[0]]
    stage.send("RedeployQueue", late)  # a duplicate after everything is over
    stage.run(minutes=20)
    final = json.loads(json.dumps(kept[2]))["detail"]["image-digest"]
    assert (stage.running(), stage.deployments()) == (final, 2)
    assert ends(stage) == ["Succeeded"]
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_every_event_twice_changes_nothing(stage: Stage) -> None:
    """EventBridge delivers at least once: every event of the whole way comes again at once."""
    stage.push("prod", "one")
    stage.service()
    queues = {"aws.ecr": "RedeployQueue", "aws.tag": "RedeployQueue", "aws.ecs": "WatchQueue"}

    def again(_bus: str, event: dict[str, Any]) -> None:
        if event["detail-type"] not in ("ECS Service Action", "ECS Task State Change") and event["source"] in queues:
            stage.send(queues[event["source"]], event)

    stage.bundle.bus.subscribe(again)
    try:
        good = stage.push("prod", "two")
        stage.run(minutes=10)
        assert stage.running() == good
        stage.push_bad("prod", "three")
        stage.run(minutes=20)
    finally:
        stage.bundle.bus._observers.remove(again)
    assert (stage.running(), stage.deployments()) == (good, 3)
    told = [kind for kind in stage.told() if kind != "Deployment Held"]  # the second look finds the bad image refused
    assert told == ["Deployment Started", "Deployment Succeeded", "Deployment Started", "Deployment Rolled Back"]


def test_the_same_digest_under_a_second_tag_is_nothing_new(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(definition=stage.register("web", uri("web:prod")))
    stage.push("1.0.0", "one")
    stage.run(minutes=20)
    stage.untouched()
