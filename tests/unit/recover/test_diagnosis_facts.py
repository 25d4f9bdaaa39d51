"""What only an API knows changes a diagnosis; without it the weaker class follows (recover 2.2, 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from longshore.recover.diagnose import diagnose
from longshore.recover.observations import diagnose_event
from longshore.tasks import Task
from tests.unit.recover.diagnosis_cases import (
    DIGEST,
    EXITED,
    IMAGE,
    PULL,
    SCHEDULER,
    container,
    ended,
    event,
    of_service,
    task,
)

if TYPE_CHECKING:
    from longshore.recover.diagnosis import Diagnosis

ROUTER = {
    "containerDefinitions": [
        {"name": "app", "essential": True},
        {"name": "log", "essential": True, "firelensConfiguration": {"type": "fluentbit"}},
    ]
}
MESH = {
    "containerDefinitions": [{"name": "app"}, {"name": "envoy"}],
    "proxyConfiguration": {"type": "APPMESH", "containerName": "envoy"},
}
SIDECAR = {"containerDefinitions": [{"name": "app"}, {"name": "worker"}, {"name": "side", "essential": False}]}
IDEMPOTENT = {"longshore:retry": "idempotent"}


def classed(detail: Mapping[str, Any], **facts: Any) -> str:
    return diagnose_event(event(detail), **facts).cls


def asked(detail: Mapping[str, Any], **facts: Any) -> Diagnosis:
    return diagnose(Task.read(detail), **facts)


# -- the task definition --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("containers", "weaker", "stronger"),
    [
        ([container("app", 143), container("log", 139)], "G1", "X1"),
        ([container("app", 137), container("log", 139)], "G1", "X1"),
        ([container("app", 143), container("log", 137)], "G2", "X1"),
        ([container("app", 1), container("log", 137)], "G4", "G4"),
        ([container("app", 0), container("log", 143)], "", ""),
        ([container("app", 143), container("log", 137, "OutOfMemoryError: x")], "M1", "M1"),
    ],
)
def test_a_log_router_is_known_by_the_definition_alone(
    containers: list[dict[str, Any]], weaker: str, stronger: str
) -> None:
    detail = ended(*containers)
    assert (classed(detail), classed(detail, definition=ROUTER)) == (weaker, stronger)


def test_a_log_router_is_blamed_by_name_and_not_the_application() -> None:
    found = diagnose_event(event(of_service(ended(container("app", 143), container("log", 139)))), ROUTER)
    assert (found.cls, found.remedy.value, found.culprit) == ("X1", "notify", "log")
    assert "taskDefinition: log has firelensConfiguration" in found.evidence


def test_a_mesh_proxy_is_known_by_the_definition_alone() -> None:
    detail = ended(container("app", 143), container("envoy", 1))
    assert (classed(detail), classed(detail, definition=MESH)) == ("G4", "X2")


def test_a_mesh_proxy_that_fails_its_health_check_is_blamed_before_the_health_check() -> None:
    detail = task(SCHEDULER, "Task failed container health checks", [container("envoy", healthStatus="UNHEALTHY")])
    assert (classed(detail), classed(detail, definition=MESH)) == ("H1", "X2")


def test_a_proxy_of_another_kind_is_no_mesh_proxy() -> None:
    detail = ended(container("app", 143), container("envoy", 1))
    assert classed(detail, definition={**MESH, "proxyConfiguration": {"type": "OTHER"}}) == "G4"


@pytest.mark.parametrize(("fargate", "remedy"), [(False, "drain"), (True, "notify")])
def test_service_connect_is_known_by_name_and_an_instance_is_suspected(fargate: bool, remedy: str) -> None:
    detail = of_service(ended(container("app", 143), container("ecs-service-connect-aB3", 1), fargate=fargate))
    found = diagnose_event(event(detail))
    assert (found.cls, found.remedy.value) == ("X3", remedy)


def test_an_unhealthy_relay_of_a_running_task_is_no_class_yet() -> None:
    relay = container("ecs-service-connect-aB3", healthStatus="UNHEALTHY")
    assert classed(task("", "", [relay], lastStatus="RUNNING", desiredStatus="RUNNING")) == ""


def test_an_unhealthy_relay_is_blamed_before_the_health_check() -> None:
    relay = container("ecs-service-connect-aB3", healthStatus="UNHEALTHY")
    assert classed(task(SCHEDULER, "Task failed container health checks", [container(), relay])) == "X3"


@pytest.mark.parametrize(
    ("containers", "weaker", "stronger"),
    [
        ([container("app", 0), container("side", 1)], "G4", ""),
        ([container("app", 0), container("side", 137)], "G2", ""),
        ([container("app", 0), container("side")], "G5", ""),
        ([container("worker", 3), container("side", 139)], "G1", "G4"),
        ([container("app", 3), container("side", 137, "OutOfMemoryError: x")], "M1", "G4"),
        ([container("app"), container("side", 1)], "G4", "G5"),
    ],
)
def test_only_essential_containers_end_a_task(containers: list[dict[str, Any]], weaker: str, stronger: str) -> None:
    detail = ended(*containers)
    assert (classed(detail), classed(detail, definition=SIDECAR)) == (weaker, stronger)


def test_stop_timeout_tells_whether_sigkill_came_from_ecs() -> None:
    detail = ended(container("a", 0), container("b", 137), executionStoppedAt="2026-11-01T13:00:12Z")
    short = {"containerDefinitions": [{"name": "a"}, {"name": "b", "stopTimeout": 10}]}
    assert (classed(detail), classed(detail, definition=short)) == ("G2", "")


def test_a_digest_that_the_definition_names_cannot_be_resolved_again() -> None:
    image = f"{IMAGE.rpartition(':')[0]}@{DIGEST}"
    text = f"{PULL}failed to resolve ref {image}: not found"
    pinned = of_service(task(reason=text, containers=[container(image=image)]))
    by_tag = of_service(task(reason=text))
    assert diagnose_event(event(pinned)).remedy.value == "rollback"
    assert diagnose_event(event(by_tag)).remedy.value == "redeploy"
    forbidden = of_service(
        task(reason=f"{PULL}failed to resolve ref {image}: 403 Forbidden", containers=[container(image=image)])
    )
    assert classed(forbidden) == "P3"


# -- the service ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "owner"),
    [
        (None, "service"),
        ({}, "service"),
        ({"schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"}}, "service"),
        ({"schedulingStrategy": "DAEMON"}, "daemon"),
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "controller"),
        ({"deploymentController": {"type": "EXTERNAL"}}, "controller"),
        ({"taskSets": [{"id": "ecs-svc/1"}]}, "controller"),
        ({"taskSets": [], "deploymentController": "odd"}, "service"),
    ],
)
def test_what_describe_services_says_of_the_owner(service: dict[str, Any] | None, owner: str) -> None:
    assert diagnose_event(event(of_service(ended(container(code=1)))), service=service).owner.value == owner


def test_a_controller_is_told_and_its_service_left_alone() -> None:
    detail = of_service(task(reason=f"{PULL}manifest unknown"))
    found = diagnose_event(event(detail), service={"deploymentController": {"type": "CODE_DEPLOY"}})
    assert (found.cls, found.remedy.value, found.reason) == ("P2", "notify", "owned-elsewhere")


@pytest.mark.parametrize(("state", "remedy"), [("IN_PROGRESS", "rollback"), ("COMPLETED", "notify")])
def test_a_revision_that_ran_before_is_not_rolled_back(state: str, remedy: str) -> None:
    detail = of_service(ended(container(code=127)))
    service = {"deployments": [{"id": detail["startedBy"], "rolloutState": state}]}
    assert diagnose_event(event(detail), service=service).remedy.value == remedy


# -- tags -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "tags", "owner"),
    [
        ({}, {}, "standalone"),
        ({"group": "batch-jobs"}, {}, "standalone"),
        ({"group": ""}, {}, "standalone"),
        ({"startedBy": "nightly"}, {}, "standalone"),
        ({"launchType": "EXTERNAL"}, {}, "standalone"),
        ({"startedBy": "events-rule/nightly"}, {}, "scheduled"),
        ({"startedBy": "chronos-schedule/nightly"}, {}, "scheduled"),
        ({"startedBy": "AWS Step Functions"}, {}, "step-functions"),
        ({"startedBy": "not AWS Step Functions"}, {}, "standalone"),
        ({"startedBy": "airflow"}, {}, "orchestrator"),
        ({"startedBy": "8d4e5f60-1111-5222-8333-444455556666"}, {}, "orchestrator"),
        ({}, {"dagster/run_id": "1"}, "orchestrator"),
        ({}, {"prefect.io/flow-run-id": "1"}, "orchestrator"),
        ({}, {"prefect": "1"}, "standalone"),
        ({}, {"longshore:root-task": "arn"}, "longshore"),
        ({"startedBy": "events-rule/nightly"}, {"longshore:root-task": "arn"}, "longshore"),
        ({}, {"longshore:root-task": ""}, "standalone"),
        ({"group": "service:web"}, {"longshore:root-task": "arn"}, "service"),
        ({"startedBy": "ecs-svc/1"}, {}, "service"),
        ({"group": "service:web"}, {"dagster/run_id": "1"}, "service"),
        ({"startedBy": "AWS Step Functions"}, {"longshore:root-task": "arn"}, "step-functions"),
        ({"clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/AWSBatch-ce-1-2"}, {}, "batch"),
        (
            {"taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:daemon-task-definition/agent:1"},
            {"longshore:root-task": "arn"},
            "daemon",
        ),
        ({"clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/my-AWSBatch-ce"}, {}, "standalone"),
    ],
)
def test_owners(members: dict[str, Any], tags: dict[str, str], owner: str) -> None:
    detail = {**ended(container(code=1)), **members}
    assert diagnose_event(event(detail), tags=tags).owner.value == owner
    told = [{"key": key, "value": value} for key, value in tags.items()]
    assert diagnose_event(event({**detail, "tags": told})).owner.value == owner
    assert asked({**detail, "tags": told}).owner.value == owner


def test_our_own_replacement_is_replaced_again_like_what_it_replaced() -> None:
    found = diagnose_event(event(task(reason=f"{PULL}i/o timeout")), tags={"longshore:root-task": "arn"})
    assert (found.owner.value, found.cls, found.remedy.value) == ("longshore", "P1", "replace")


@pytest.mark.parametrize("value", ["", "true", "Idempotent", "always"])
def test_only_the_exact_word_gives_the_right_to_retry(value: str) -> None:
    found = diagnose_event(event(ended(container(code=139))), definition_tags={"longshore:retry": value})
    assert (found.remedy.value, found.reason) == ("notify", "not-idempotent")


def test_the_definitions_tags_decide_where_they_are_known() -> None:
    detail = ended(container(code=139))
    assert asked(detail, tags=IDEMPOTENT).remedy.value == "replace"
    assert asked(detail, tags=IDEMPOTENT, definition_tags={}).remedy.value == "notify"
    assert asked(detail, tags={}, definition_tags=IDEMPOTENT).remedy.value == "replace"


# -- grounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detail", "ground"),
    [
        (task(reason=f"{PULL}i/o timeout"), "never-started"),
        (task("SpotInterruption"), "not-idempotent"),
        (ended(container(code=1)), "not-mended"),
        (ended(container(code=0)), "completed"),
        (of_service(ended(container(code=0))), "clean-exit"),
        (of_service(ended(container(code=1))), "ecs-replaces"),
        (task("UserInitiated", "longshore: stuck"), "own-stop"),
        (task("UserInitiated", "not longshore: x"), "human-stop"),
        (task("UserInitiated", ""), "human-stop"),
        (task(SCHEDULER, "Scaling activity initiated by (deployment x)"), "scale-in"),
        (task(EXITED, lastStatus="RUNNING", desiredStatus="RUNNING"), "not-final"),
        (ended(container(code=143)), "unknown"),
        ({**ended(container(code=1)), "startedBy": "AWS Step Functions"}, "owned-elsewhere"),
        (of_service(ended(container(code=137, reason="OutOfMemoryError: x"))), "needs-help"),
    ],
)
def test_the_ground_of_a_remedy(detail: dict[str, Any], ground: str) -> None:
    assert diagnose_event(event(detail)).reason == ground


@pytest.mark.parametrize(
    "members",
    [
        {"startedAt": "2026-11-01T12:00:00Z"},
        {"containers": [container(runtimeId="1")]},
        {"containers": [container("a"), container("b", 0)]},
    ],
)
def test_any_sign_of_a_start_makes_a_retry_unsafe(members: dict[str, Any]) -> None:
    found = diagnose_event(event({**task(reason=f"{PULL}i/o timeout"), **members}))
    assert (found.cls, found.remedy.value, found.reason) == ("P1", "notify", "not-idempotent")
