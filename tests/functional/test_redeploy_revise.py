"""A new tag, or a digest to be written: a new revision that differs in the matching images and in nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from longshore_local import images
from tests.functional.stage import ACCOUNT, CLUSTER, ROLE, Stage, uri

SECRET = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/web/password"
CONTAINERS: list[dict[str, Any]] = [
    {
        "name": "app",
        "image": uri("web:1.4.2"),
        "cpu": 128,
        "memory": 256,
        "essential": True,
        "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
        "environment": [{"name": "MODE", "value": "production"}],
        "secrets": [{"name": "PASSWORD", "valueFrom": SECRET}],
        "dependsOn": [{"containerName": "envoy", "condition": "HEALTHY"}],
        "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": False}],
        "linuxParameters": {"initProcessEnabled": True},
        "ulimits": [{"name": "nofile", "softLimit": 65536, "hardLimit": 65536}],
        "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 5, "timeout": 2, "retries": 3},
        "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "cloudwatch"}},
        "dockerLabels": {"team": "shop"},
        "stopTimeout": 60,
        "user": "1000",
    },
    {
        "name": "envoy",
        "image": uri("envoy:1.4.2"),
        "essential": True,
        "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 5, "timeout": 2, "retries": 3},
    },
    {
        "name": "log",
        "image": uri("router:stable"),
        "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
    },
]
MEMBERS: dict[str, Any] = {
    "containerDefinitions": CONTAINERS,
    "taskRoleArn": ROLE,
    "executionRoleArn": ROLE,
    "cpu": "1024",
    "memory": "2048",
    "pidMode": "task",
    "ephemeralStorage": {"sizeInGiB": 50},
    "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
    "volumes": [
        {
            "name": "data",
            "efsVolumeConfiguration": {
                "fileSystemId": "fs-12345678",
                "transitEncryption": "ENABLED",
                "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
            },
        }
    ],
    "proxyConfiguration": {
        "type": "APPMESH",
        "containerName": "envoy",
        "properties": [
            {"name": "AppPorts", "value": "8080"},
            {"name": "EgressIgnoredIPs", "value": "169.254.170.2,169.254.169.254"},
            {"name": "IgnoredUID", "value": "1337"},
            {"name": "ProxyEgressPort", "value": "15001"},
            {"name": "ProxyIngressPort", "value": "15000"},
        ],
    },
    "enableFaultInjection": True,
    "tags": [{"key": "team", "value": "shop"}, {"key": "cost:centre", "value": "42 & more"}],
}


def furnished(stage: Stage, policy: str = "profile:versions") -> None:
    """A service whose task definition uses most of what there is, beside two sidecars."""
    stage.push("1.4.2", "web 1.4.2")
    stage.push("1.4.2", "envoy", repository="envoy")
    stage.push("stable", "router", repository="router")
    definition = stage.register("web", "unused", **MEMBERS)
    stage.service(definition=definition, policy=policy, more_tags={"longshore:containers": "app"})


def plain(stage: Stage, policy: str, role: str | None = ROLE, tag: str = "1.4.2", **more_tags: str) -> str:
    """A service of one container; answers the digest that it runs."""
    digest = stage.push(tag, f"web {tag}")
    roles = {"executionRoleArn": role} if role else {}
    stage.service(definition=stage.register("web", uri(f"web:{tag}"), **roles), policy=policy, more_tags=more_tags)
    return digest


def image(stage: Stage) -> str:
    """The image that the only container declares."""
    (container,) = stage.definition()["containerDefinitions"]
    return str(container["image"])


def test_only_the_matching_image_changes_and_everything_else_is_carried_over(stage: Stage) -> None:
    furnished(stage)
    before, running = stage.definition(), stage.digests()
    assert set(MEMBERS) <= set(before)
    digest = stage.push("1.5.0", "web 1.5.0")
    stage.push("1.5.0", "envoy 1.5.0", repository="envoy")  # which `longshore:containers` leaves alone
    stage.run(minutes=30)
    after = stage.definition()
    assert after["containerDefinitions"][0]["image"] == uri("web:1.5.0")
    after["containerDefinitions"][0]["image"] = uri("web:1.4.2")
    assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)
    assert stage.digests() == {**running, "app": digest}
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]
    assert stage.events()[0]["action"] == "revise"


def test_the_update_names_the_new_revision_and_nothing_of_the_service(stage: Stage) -> None:
    plain(stage, "profile:versions")
    stage.push("1.5.0", "web 1.5.0")
    stage.run(minutes=30)
    (update,) = (call.params for call in stage.writes() if call.operation == "UpdateService")
    revision = stage.described()["taskDefinition"]
    assert update == {"cluster": CLUSTER, "service": "web", "forceNewDeployment": True, "taskDefinition": revision}


def test_the_revision_in_use_is_the_base_and_not_the_latest_of_its_family(stage: Stage) -> None:
    plain(stage, "profile:versions")
    stage.register("web", uri("web:1.4.2"), cpu="4096", memory="8192", executionRoleArn=ROLE)  # an experiment
    stage.push("1.5.0", "web 1.5.0")
    stage.run(minutes=30)
    assert (image(stage), stage.definition()["cpu"]) == (uri("web:1.5.0"), "256")


def test_a_written_digest_keeps_its_human_tag_on_the_task_definition(stage: Stage) -> None:
    plain(stage, "profile:written")
    digest = stage.push("1.5.0", "web 1.5.0")
    stage.run(minutes=30)
    assert image(stage) == uri(f"web@{digest}")
    assert stage.definition()["tags"]["longshore:tag"] == "app=1.5.0"
    older, newer = stage.push("1.4.9", "web 1.4.9"), stage.push("1.6.0", "web 1.6.0")
    stage.run(minutes=30)
    assert (image(stage), stage.running()) == (uri(f"web@{newer}"), newer)
    assert stage.definition()["tags"]["longshore:tag"] == "app=1.6.0"
    assert older not in json.dumps(stage.events())


def test_a_written_digest_follows_its_tag(stage: Stage) -> None:
    plain(stage, "profile:written-digest", tag="prod")
    for version in ("two", "three"):
        digest = stage.push("prod", version)
        stage.run(minutes=20)
        assert (image(stage), stage.running()) == (uri(f"web@{digest}"), digest)
        assert stage.definition()["tags"]["longshore:tag"] == "app=prod"
    assert stage.deployments() == 3


@pytest.mark.parametrize(
    ("pushed", "reason"),
    [
        ("1.4.1", "downgrade"),
        ("2.0.0", "out-of-range"),
        ("1.5.0-rc.1", "prerelease"),
        ("1.5.0-alpine", "variant"),
        ("latest", "not-semver"),
    ],
)
def test_what_the_policy_leaves_out_is_not_deployed(stage: Stage, pushed: str, reason: str) -> None:
    before = plain(stage, "profile:versions")
    stage.push(pushed, f"web {pushed}")
    stage.run(minutes=150)
    assert stage.running() == before
    assert reason in [
        each["reason"] for outcome in stage.outcomes() for each in outcome["detail"].get("candidates", [])
    ]
    stage.untouched()


def test_a_version_pushed_again_with_other_content_is_held_and_told(stage: Stage) -> None:
    before = plain(stage, "profile:versions")
    stage.push("1.4.2", "web 1.4.2, not the same any more")
    stage.run(minutes=150)
    assert stage.running() == before
    assert [detail["reason"] for detail in stage.events("Deployment Held")] == ["immutable-retag"]
    assert stage.writes() == []


def test_several_containers_of_one_repository_change_in_one_revision(stage: Stage) -> None:
    stage.push("1.0.0", "one")
    both = {"app": uri("web:1.0.0"), "worker": uri("web:1.0.0")}
    stage.service(definition=stage.register("web", both), policy="profile:versions")
    digest = stage.push("1.1.0", "two")
    stage.run(minutes=30)
    assert stage.digests() == {"app": digest, "worker": digest}
    assert stage.deployments() == 2


@pytest.mark.parametrize("role", [f"arn:aws:iam::{ACCOUNT}:role/other", f"arn:aws:iam::{ACCOUNT}:role/workloads"])
def test_a_role_that_may_not_be_passed_holds_a_new_revision(stage: Stage, role: str) -> None:
    before = plain(stage, "profile:versions", role)
    stage.push("1.5.0", "web 1.5.0")
    stage.run(minutes=150)
    (detail,) = stage.events()
    assert stage.told() == ["Deployment Held"]
    assert (detail["reason"], detail["roles"]) == ("pass-role-not-granted", [role])
    assert (stage.running(), stage.writes()) == (before, [])


def test_a_role_that_may_not_be_passed_does_not_hold_a_refresh(stage: Stage) -> None:
    plain(stage, "profile:steady", f"arn:aws:iam::{ACCOUNT}:role/other", tag="prod")
    digest = stage.push("prod", "two")
    stage.run(minutes=30)
    assert stage.running() == digest


def test_a_task_without_roles_needs_none_to_be_passed(stage: Stage) -> None:
    plain(stage, "profile:versions", None)
    digest = stage.push("1.5.0", "web 1.5.0")
    stage.run(minutes=30)
    assert stage.running() == digest


def test_an_image_without_a_tag_follows_latest(stage: Stage) -> None:
    stage.push("latest", "one")
    stage.service(definition=stage.register("web", uri("web")))
    digest = stage.push("latest", "two")
    stage.run(minutes=30)
    assert (stage.running(), image(stage)) == (digest, uri("web"))


def test_an_image_on_docker_hub_beside_it_stays(stage: Stage) -> None:
    stage.bundle.ecs.add_image("nginx:1.27", images.single("nginx").digest)
    stage.push("1.0.0", "one")
    stage.service(
        definition=stage.register("web", {"app": uri("web:1.0.0"), "proxy": "nginx:1.27"}), policy="profile:versions"
    )
    digest = stage.push("1.0.1", "two")
    stage.run(minutes=30)
    assert stage.digests() == {"app": digest, "proxy": images.single("nginx").digest}
