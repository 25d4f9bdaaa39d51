"""Services that AWS has ended, one test for each row of design 13. App Runner's is in the tests of its adapter."""

from __future__ import annotations

import json
from typing import Any

import pytest

import build_layer
from longshore.owners import OwnerKind, recognise
from longshore.recover.observations import diagnose_event
from tests.functional.stage import Stage, uri
from tests.template.iam import roles
from tests.template.rendered import Rendered

COPILOT = {"copilot-application": "shop", "copilot-environment": "prod", "copilot-service": "web"}
STACK = {
    "aws:cloudformation:stack-name": "shop-prod-web",
    "aws:cloudformation:stack-id": "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop-prod-web/0c0f",
    "aws:cloudformation:logical-id": "Service",
}
PROTON = {"aws:proton:service": "arn:aws:proton:eu-west-1:123456789012:service/shop"}
OPTED = {"longshore:containers": "app"}
MESH: dict[str, Any] = {
    "proxyConfiguration": {
        "type": "APPMESH",
        "containerName": "envoy",
        "properties": [{"name": "ProxyIngressPort", "value": "15000"}, {"name": "IgnoredUID", "value": "1337"}],
    },
    "containerDefinitions": [
        {
            "name": "app",
            "image": uri("web:1.0.0"),
            "dependsOn": [{"containerName": "envoy", "condition": "HEALTHY"}],
            "portMappings": [{"containerPort": 8080, "protocol": "tcp", "name": "http"}],
            "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "cloudwatch_logs"}},
        },
        {
            "name": "envoy",
            "image": uri("envoy:stable"),
            "essential": True,
            "user": "1337",
            "environment": [{"name": "APPMESH_RESOURCE_ARN", "value": "mesh/shop/virtualNode/web"}],
            "healthCheck": {"command": ["CMD-SHELL", "curl -s localhost:9901/server_info"]},
        },
        {
            "name": "log",
            "image": uri("router:stable"),
            "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
        },
    ],
}
CONNECT = {
    "enabled": True,
    "namespace": "shop",
    "services": [{"portName": "http", "clientAliases": [{"port": 80, "dnsName": "web"}]}],
}


def redeployed(stage: Stage, tag: str = "1.1.0") -> str:
    """A new version is pushed, and deployed."""
    digest = stage.push(tag, f"web {tag}")
    stage.run(minutes=30)
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]
    return digest


def meshed(stage: Stage, **members: Any) -> None:
    for repository, tag in (("web", "1.0.0"), ("envoy", "stable"), ("router", "stable")):
        stage.push(tag, repository, repository=repository)
    definition = stage.register("web", "unused", **MESH)
    stage.service(definition=definition, policy="profile:versions", more_tags=OPTED, **members)


# -- App Mesh, and what takes its place -----------------------------------------------------------------------------


def test_app_mesh_and_firelens_are_kept_intact_by_a_redeployment(stage: Stage) -> None:
    meshed(stage)
    before = stage.definition()
    digest = redeployed(stage)
    after = stage.definition()
    assert after["containerDefinitions"][0]["image"] == uri("web:1.1.0")
    after["containerDefinitions"][0]["image"] = uri("web:1.0.0")
    assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)
    assert after["proxyConfiguration"]["type"] == "APPMESH"
    assert stage.digests()["app"] == digest


def test_service_connect_and_ecs_exec_are_kept_intact_by_a_redeployment(stage: Stage) -> None:
    meshed(stage, enableExecuteCommand=True, serviceConnectConfiguration=CONNECT)
    redeployed(stage)
    assert stage.described()["enableExecuteCommand"] is True
    (call,) = [each for each in stage.writes() if each.operation == "UpdateService"]
    assert set(call.params) == {"cluster", "service", "taskDefinition", "forceNewDeployment"}
    primary = next(each for each in stage.described()["deployments"] if each["status"] == "PRIMARY")
    assert primary.get("serviceConnectConfiguration", CONNECT) == CONNECT


def test_an_envoy_that_dies_is_diagnosed_as_app_mesh() -> None:
    container = {"name": "envoy", "exitCode": 1, "lastStatus": "STOPPED"}
    task = {
        "taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/shop/0123",
        "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/shop",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:1",
        "group": "family:web",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "startedAt": "2026-11-23T09:00:00Z",
        "containers": [container, {"name": "app", "exitCode": 0, "lastStatus": "STOPPED"}],
    }
    event = {
        "id": "e-1",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-11-23T10:00:00Z",
        "region": "eu-west-1",
        "resources": [task["taskArn"]],
        "detail": task,
    }
    found = diagnose_event(event, MESH, None, None, None)
    assert (found.cls, found.name, found.remedy.value) == ("X2", "App Mesh proxy died", "notify")
    assert "Service Connect" in found.hint


# -- Copilot, Proton ------------------------------------------------------------------------------------------------


def test_a_copilot_service_is_redeployed_without_drift_and_named_as_such(stage: Stage) -> None:
    stage.push("prod", "web 1")
    stage.service(policy="profile:steady", more_tags={**COPILOT, **STACK})
    before = stage.described()["taskDefinition"]
    stage.push("prod", "web 2")
    stage.run(minutes=30)
    (ended,) = stage.events("Deployment Succeeded")
    assert (ended["owner"], ended["stack"], ended["drift"]) == ("copilot", "shop-prod-web", [])
    assert stage.described()["taskDefinition"] == before


def test_what_proton_made_is_recognised_by_its_tags_and_no_proton_api_is_called(stage: Stage) -> None:
    stage.push("prod", "web 1")
    stage.service(policy="profile:steady", more_tags={**PROTON, **STACK})
    stage.push("prod", "web 2")
    stage.run(minutes=30)
    (ended,) = stage.events("Deployment Succeeded")
    assert (ended["owner"], ended["stack"]) == ("proton", "shop-prod-web")
    assert {call.service for call in stage.bundle.recorder.calls}.isdisjoint({"proton", "appmesh", "inspector"})
    owner = recognise({**PROTON, **STACK})
    assert owner is not None
    assert (owner.kind, owner.name) == (OwnerKind.PROTON, "shop")


# -- what is never called -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["proton:", "appmesh:", "inspector:", "copilot:"])
def test_no_role_grants_an_ended_api(prefix: str) -> None:
    """Inspector Classic is `inspector`, the living one `inspector2`."""
    every = {"PassableRoleArns": "*", "UpdatableStackArns": "*", "FollowCloudTrail": "true"}
    granted = {action for role in roles(Rendered(every)).values() for _, action in role.grants()}
    assert not [action for action in granted if action.startswith(prefix)]


def test_no_model_of_an_ended_api_is_shipped() -> None:
    assert build_layer.services().keys().isdisjoint({"proton", "appmesh", "inspector"})


def test_clair_is_not_asked_for() -> None:
    """ECR's first basic scanner was Clair; what is asked of ECR names no scanner, and changes no setting."""
    granted = {action for role in roles(Rendered({})).values() for _, action in role.grants()}
    assert granted.isdisjoint({"ecr:PutAccountSetting", "ecr:PutRegistryScanningConfiguration", "ecr:StartImageScan"})
