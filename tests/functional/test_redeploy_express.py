"""A push, and ECS Express Mode services follow through their own canary (aws B4, redeploy 8.8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from longshore_local.images import multi_platform
from tests.functional.people_express import Express
from tests.functional.stage import CLUSTER, Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]
UNPASSABLE = "arn:aws:iam::123456789012:role/other"


@pytest.fixture
def express(stage: Stage) -> Express:
    stage.push("prod", "one")
    return Express(stage)


def clean(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_the_same_tag_anew_is_a_forced_deployment_and_nothing_drifts(stage: Stage, express: Express) -> None:
    arn = express.create()
    before = express.described()
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (stage.running(), stage.told()) == (digest, ROLLING)
    after = express.described()
    assert after["taskDefinitionArn"] == before["taskDefinitionArn"]
    assert [call.params for call in stage.writes()] == [
        {"cluster": CLUSTER, "service": "web", "forceNewDeployment": True}
    ]
    started = stage.events("Deployment Started")[0]
    assert (started["workload"], started["platform"], started["action"]) == (arn, "ecs-service", "refresh")
    clean(stage)


def test_a_new_version_replaces_the_image_of_the_primary_container_alone(stage: Stage, express: Express) -> None:
    stage.push("1.4.2", "one")
    container = {
        "image": uri("web:1.4.2"),
        "containerPort": 8080,
        "command": ["serve"],
        "environment": [{"name": "COLOUR", "value": "blue"}],
    }
    express.create(policy="profile:versions", primaryContainer=container, cpu="512", memory="1024")
    digest = stage.push("1.5.0", "two")
    stage.run(minutes=20)
    assert (stage.running(), stage.told(), express.writes()) == (digest, ROLLING, ["UpdateExpressGatewayService"])
    after = express.described()
    assert after["primaryContainer"] == {**container, "image": uri("web:1.5.0")}
    assert (after["cpu"], after["memory"]) == ("512", "1024")
    clean(stage)


def test_a_digest_is_written_and_its_version_stays_known(stage: Stage, express: Express) -> None:
    stage.push("1.4.2", "one")
    express.create(image="web:1.4.2", policy="profile:written")
    second = stage.push("1.5.0", "two")
    stage.run(minutes=20)
    assert express.described()["primaryContainer"]["image"] == uri(f"web@{second}")
    tags = {tag["key"]: tag["value"] for tag in stage.described()["tags"]}
    assert tags["longshore:tag"] == f"1.5.0@{second}"
    stage.push("1.4.9", "three")
    stage.run(minutes=20)
    assert (stage.running(), "downgrade" in stage.reasons()) == (second, True)
    third = stage.push("1.6.0", "four")
    stage.run(minutes=20)
    assert stage.running() == third
    clean(stage)


def test_a_service_of_the_customers_own_task_definition_keeps_its_sidecar(stage: Stage, express: Express) -> None:
    stage.push("1.4.2", "one")
    stage.push("v1", "sidecar", repository="envoy")
    own = stage.register("own", {"Main": uri("web:1.4.2"), "envoy": uri("envoy:v1")})
    port = {"containerPort": 80, "name": "main"}
    containers = [
        {"name": "Main", "image": uri("web:1.4.2"), "portMappings": [port]},
        {"name": "envoy", "image": uri("envoy:v1")},
    ]
    own = stage.register("own", "", containerDefinitions=containers)
    express.create(policy="profile:versions", primaryContainer=None, executionRoleArn=None, taskDefinitionArn=own)
    digest = stage.push("1.5.0", "two")
    stage.run(minutes=20)
    assert (stage.digests()["Main"], stage.told()) == (digest, ROLLING)
    assert set(stage.digests()) == {"Main", "envoy"}
    clean(stage)


def test_a_bad_image_is_taken_back_by_ecs_and_stays_out(stage: Stage, express: Express) -> None:
    express.create()
    good = stage.running()
    bad = stage.push_bad("prod", "two")
    stage.run(minutes=30)
    assert (stage.running(), stage.told()[:2]) == (good, ["Deployment Started", "Deployment Rolled Back"])
    assert stage.events("Deployment Rolled Back")[0]["by"] == "platform"
    writes = len(express.writes())
    stage.push("prod", "one")
    stage.run(minutes=10)
    stage.push("prod", "two")
    stage.run(minutes=90)
    assert (stage.running() != bad, len(express.writes())) == (True, writes)
    assert "quarantined" in stage.reasons()
    clean(stage)


def test_a_canary_that_hangs_is_stopped_at_its_deadline(stage: Stage, express: Express) -> None:
    express.create()
    good = stage.running()
    stage.push_bad("prod", "two", "hang")
    stage.run(minutes=60)
    assert (stage.running(), stage.told()[:2]) == (good, ["Deployment Started", "Deployment Rolled Back"])
    assert stage.events("Deployment Rolled Back")[0]["by"] == "longshore"
    clean(stage)


def test_a_role_that_may_not_be_passed_holds_a_new_image_and_not_the_same_tag(stage: Stage, express: Express) -> None:
    stage.push("1.4.2", "one")
    express.create(image="web:1.4.2", policy="profile:versions", executionRoleArn=UNPASSABLE)
    stage.push("1.5.0", "two")
    stage.run(minutes=20)
    held = stage.events("Deployment Held")[0]
    assert (held["reason"], held["roles"]) == ("pass-role-not-granted", [UNPASSABLE])
    express.create("api", policy="profile:steady", executionRoleArn=UNPASSABLE)
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert stage.running("api") == digest


def test_an_answer_that_is_lost_is_no_second_deployment(stage: Stage, express: Express) -> None:
    stage.push("1.4.2", "one")
    express.create(image="web:1.4.2", policy="profile:versions")
    before = stage.deployments()
    stage.faults.add("ecs", "UpdateExpressGatewayService", "ServerException", when="after")
    digest = stage.push("1.5.0", "two")
    stage.run(minutes=40)
    assert (stage.running(), stage.deployments(), stage.told()) == (digest, before + 1, ROLLING)


def test_the_canary_takes_its_time_and_the_next_push_waits_for_it(stage: Stage, express: Express) -> None:
    express.create()
    stage.push("prod", "two")
    stage.run(minutes=4)
    began = stage.bundle.timeline.now()
    third = stage.push("prod", "three")
    stage.run(minutes=2)
    assert "deployment-in-progress" in stage.reasons()
    stage.run(minutes=30)
    assert (stage.running(), stage.told()) == (third, [*ROLLING, *ROLLING])
    assert stage.bundle.timeline.now() - began > timedelta(minutes=12)


def test_the_platform_of_the_service_decides(stage: Stage, express: Express) -> None:
    express.create(cpuArchitecture="ARM64")
    stage.push("prod", multi_platform("two", ["linux/amd64"]))
    stage.run(minutes=20)
    assert stage.events("Deployment Held")[0]["reason"] == "platform"
