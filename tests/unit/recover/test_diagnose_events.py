"""Every sample event, and every other event of ECS, Health, EC2 and EKS that tells of trouble (recover 2, 5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longshore.errors import BadEventError
from longshore.recover.diagnosis import Owner
from longshore.recover.notices import refused_launch
from longshore.recover.observations import KINDS, diagnose_event
from tests.unit.recover.diagnosis_cases import ACCOUNT, container, ended, event, task

EVENTS = Path(__file__).parents[3] / "events"
INSTANCE = f"{ACCOUNT}:container-instance/shop/b54a2a04"
SERVICE = f"{ACCOUNT}:service/shop/web"

SAMPLES = {
    "ec2/rebalance-recommendation": ("standalone", "S1", "drain"),
    "ecs/container-instance-agent-lost": ("standalone", "E1", "drain"),
    "ecs/container-instance-health-change": ("standalone", "E3", "drain"),
    "ecs/container-instance-draining": ("standalone", "", "none"),
    "ecs/container-instance-state-change": ("standalone", "", "none"),
    "ecs/daemon-deployment-pending": ("daemon", "", "none"),
    "ecs/daemon-deployment-rollback-successful": ("daemon", "", "none"),
    "ecs/daemon-deployment-successful": ("daemon", "", "none"),
    "ecs/deployment-completed": ("service", "", "none"),
    "ecs/deployment-failed": ("service", "Z", "notify"),
    "ecs/deployment-in-progress": ("service", "", "none"),
    "ecs/service-action-capacity-provider-steady-state": ("service", "", "none"),
    "ecs/service-action-placement-failure-fargate-spot": ("service", "C1", "notify"),
    "ecs/service-action-steady-state": ("service", "", "none"),
    "ecs/service-action-task-start-impaired": ("service", "Z", "notify"),
    "ecs/task-ec2-running": ("standalone", "", "none"),
    "ecs/task-fargate-running": ("standalone", "", "none"),
    "ecs/task-spot-interruption-warning": ("service", "S1", "none"),
    "ecs/task-stopped-cannot-pull": ("service", "P2", "redeploy"),
    "ecs/task-stopped-essential-exited": ("service", "G4", "none"),
    "ecs/task-stopped-oom": ("service", "M1", "notify"),
    "ecs/task-stopped-resource-init": ("service", "R1", "notify"),
    "ecs/task-stopped-scheduler": ("service", "A2", "none"),
    "ecs/task-stopped-user": ("service", "A1", "none"),
    "ec2/spot-interruption-warning": ("standalone", "S1", "drain"),
    "eks/fargate-pod-scheduled-termination": ("controller", "I2", "notify"),
    "health/ecs-task-retirement-service": ("service", "I2", "redeploy"),
    "health/ecs-task-retirement-standalone": ("standalone", "I2", "notify"),
}
REFUSED = {
    "ecs/cloudtrail-run-task-refused": "detail-type",
    "ecs/lifecycle-hook-post-test-traffic-shift": "detail-type",
    "ecs/lifecycle-hook-pre-scale-up": "detail-type",
    "ecs/lifecycle-hook-production-shift": "detail-type",
    "ecs/lifecycle-hook-rollback": "detail-type",
    "health/lambda-planned-lifecycle": "detail.service",
}


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def told(body: dict[str, Any], **facts: Any) -> tuple[str, str, str]:
    found = diagnose_event(body, **facts)
    return found.owner.value, found.cls, found.remedy.value


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    assert told(sample(name)) == SAMPLES[name]


@pytest.mark.parametrize("name", REFUSED)
def test_samples_that_are_none_of_ours(name: str) -> None:
    with pytest.raises(BadEventError) as raised:
        diagnose_event(sample(name))
    assert raised.value.field == REFUSED[name]


def test_no_sample_is_left_out() -> None:
    files = {
        f"{path.parent.name}/{path.stem}"
        for part in ("ecs", "ec2", "eks", "health")
        for path in (EVENTS / part).glob("*.json")
    }
    assert files == SAMPLES.keys() | REFUSED.keys()


# -- services -------------------------------------------------------------------------------------------------------


def action(name: str, severity: str = "ERROR", reason: str = "", **more: Any) -> dict[str, Any]:
    detail = {"eventType": severity, "eventName": name, "clusterArn": f"{ACCOUNT}:cluster/shop", **more}
    return event(detail | ({"reason": reason} if reason else {}), "ECS Service Action", resources=[SERVICE])


@pytest.mark.parametrize(
    ("body", "cls", "remedy"),
    [
        (action("SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:FARGATE"), "C1", "notify"),
        (action("SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:MEMORY"), "C2", "notify"),
        (action("SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:CPU"), "C2", "notify"),
        (action("SERVICE_TASK_PLACEMENT_FAILURE", reason="ATTRIBUTE"), "C3", "notify"),
        (action("SERVICE_TASK_PLACEMENT_FAILURE", reason="AGENT"), "C4", "notify"),
        (action("SERVICE_TASK_PLACEMENT_FAILURE", reason="something new"), "C2", "notify"),
        (action("SERVICE_TASK_PLACEMENT_FAILURE"), "C2", "notify"),
        (action("SERVICE_TASK_CONFIGURATION_FAILURE", reason="TAG"), "K1", "notify"),
        (action("SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED"), "C3", "notify"),
        (action("ECS_OPERATION_THROTTLED"), "C5", "notify"),
        (action("SERVICE_DISCOVERY_OPERATION_THROTTLED"), "C5", "notify"),
        (action("SERVICE_TASK_START_IMPAIRED", "WARN"), "Z", "notify"),
        (action("SERVICE_DISCOVERY_INSTANCE_UNHEALTHY", "WARN"), "H1", "none"),
        (action("VPC_LATTICE_TARGET_UNHEALTHY", "WARN"), "H2", "none"),
        (action("SERVICE_HEALTH_UNKNOWN"), "Z", "notify"),
        (action("SOMETHING_NEW", "WARN"), "Z", "notify"),
        (action("SOMETHING_NEW", "INFO"), "", "none"),
        (action("SERVICE_DESIRED_COUNT_UPDATED", "INFO"), "", "none"),
        (action("TASKS_STOPPED", "INFO"), "", "none"),
        (action("TASKSET_STEADY_STATE", "INFO"), "", "none"),
    ],
)
def test_service_actions(body: dict[str, Any], cls: str, remedy: str) -> None:
    owner = "daemon" if "DAEMON" in body["detail"]["eventName"] else "service"
    assert told(body) == (owner, cls, remedy)


@pytest.mark.parametrize("member", ["serviceName", "service"])
def test_the_service_is_found_in_either_field(member: str) -> None:
    body = {**action("SERVICE_TASK_START_IMPAIRED", "WARN", **{member: "web"}), "resources": []}
    assert f"{member}: web" in diagnose_event(body).evidence


def test_facts_of_the_service_name_its_owner() -> None:
    body = action("SERVICE_TASK_PLACEMENT_FAILURE", reason="RESOURCE:FARGATE")
    assert told(body, service={"deploymentController": {"type": "EXTERNAL"}}) == ("controller", "C1", "notify")


@pytest.mark.parametrize(
    ("kind", "detail", "owner", "cls", "remedy"),
    [
        ("ECS Deployment State Change", {"eventType": "ERROR", "eventName": "SERVICE_DEPLOYMENT_FAILED"}, "service", "Z", "notify"),
        ("ECS Deployment State Change", {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED"}, "service", "", "none"),
        ("ECS Hook State Change", {"eventType": "INFO", "eventName": "HOOK_AWAITING_ACTION"}, "service", "", "none"),
        ("ECS Hook State Change", {"eventType": "ERROR", "eventName": "HOOK_FAILED"}, "service", "Z", "notify"),
        ("ECS Hook State Change", {"eventType": "ERROR", "eventName": "HOOK_TIMED_OUT"}, "service", "Z", "notify"),
        ("ECS Hook State Change", {"eventType": "INFO", "eventName": "HOOK_SUCCEEDED"}, "service", "", "none"),
        ("ECS Daemon Service Action", {"eventType": "WARNING", "eventName": "DAEMON_TASK_START_IMPAIRED", "failureType": "TASK_FAILED_TO_RUN", "reason": "Task failed to reach RUNNING status: CannotPullContainerError: i/o timeout"}, "daemon", "P1", "notify"),
        ("ECS Daemon Service Action", {"eventType": "WARNING", "eventName": "DAEMON_TASK_START_IMPAIRED", "failureType": "TASK_CREATION_FAILED", "reason": "RESOURCE:CPU - Unable to place daemon task on container instance: insufficient CPU"}, "daemon", "C2", "notify"),
        ("ECS Daemon Service Action", {"eventType": "WARNING", "eventName": "DAEMON_TASK_START_IMPAIRED"}, "daemon", "Z", "notify"),
        ("ECS Daemon Deployment State Change", {"eventType": "INFO", "eventName": "DAEMON_DEPLOYMENT_PENDING"}, "daemon", "", "none"),
        ("ECS Daemon Deployment State Change", {"eventType": "INFO", "eventName": "DAEMON_DEPLOYMENT_ROLLBACK_IN_PROGRESS"}, "daemon", "Z", "notify"),
        ("ECS Daemon Deployment State Change", {"eventType": "ERROR", "eventName": "DAEMON_DEPLOYMENT_ROLLBACK_FAILED"}, "daemon", "Z", "notify"),
    ],
)  # fmt: skip
def test_deployments_hooks_and_daemons(kind: str, detail: dict[str, Any], owner: str, cls: str, remedy: str) -> None:
    assert told(event(detail, kind)) == (owner, cls, remedy)


# -- instances ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "cls", "remedy", "reason"),
    [
        ({}, "E1", "drain", "agent-lost"),
        ({"agentConnected": True}, "", "none", "informational"),
        ({"agentConnected": None}, "", "none", "informational"),
        ({"agentConnected": "false"}, "", "none", "informational"),
        ({"status": "DRAINING"}, "", "none", "informational"),
        ({"status": "INACTIVE"}, "", "none", "informational"),
        ({"ec2InstanceId": "mi-0123456789abcdef0"}, "E2", "notify", "on-premises"),
        ({"attributes": [{"name": "ecs.capability.external"}]}, "E2", "notify", "on-premises"),
        ({"attributes": "odd", "ec2InstanceId": None}, "E1", "drain", "agent-lost"),
    ],
)
def test_agents(members: dict[str, Any], cls: str, remedy: str, reason: str) -> None:
    detail = {"containerInstanceArn": INSTANCE, "agentConnected": False, "status": "ACTIVE", "ec2InstanceId": "i-1"}
    found = diagnose_event(event({**detail, **members}, "ECS Container Instance State Change"))
    assert (found.cls, found.remedy.value, found.reason) == (cls, remedy, reason)


@pytest.mark.parametrize(
    ("overall", "checks", "cls", "remedy", "reason"),
    [
        ("IMPAIRED", ["CONTAINER_RUNTIME"], "E3", "drain", "impaired-instance"),
        ("IMPAIRED", ["DAEMON", "CONTAINER_RUNTIME"], "E3", "drain", "impaired-instance"),
        ("IMPAIRED", ["ACCELERATED_COMPUTE"], "E3", "notify", "aws-repairs"),
        ("IMPAIRED", ["DAEMON"], "E3", "notify", "aws-repairs"),
        ("IMPAIRED", ["AGENT_CONNECTIVITY"], "E3", "notify", "agent-lost"),
        ("IMPAIRED", [], "E3", "notify", "impaired-instance"),
        ("OK", ["CONTAINER_RUNTIME"], "", "none", "informational"),
        ("INSUFFICIENT_DATA", [], "", "none", "informational"),
    ],
)
def test_instance_health(overall: str, checks: list[str], cls: str, remedy: str, reason: str) -> None:
    listed = [{"type": check, "status": "IMPAIRED", "statusReason": None} for check in checks]
    detail = {"containerInstanceArn": INSTANCE, "overallStatus": overall, "healthChecks": listed}
    found = diagnose_event(event(detail, "ECS Container Instance Health Change"))
    assert (found.cls, found.remedy.value, found.reason) == (cls, remedy, reason)


def test_a_check_that_is_well_is_not_what_impairs() -> None:
    checks = [{"type": "CONTAINER_RUNTIME", "status": "OK"}, {"type": "DAEMON", "status": "IMPAIRED"}]
    detail = {"containerInstanceArn": INSTANCE, "overallStatus": "IMPAIRED", "healthChecks": checks}
    assert told(event(detail, "ECS Container Instance Health Change")) == ("standalone", "E3", "notify")


# -- the platform ---------------------------------------------------------------------------------------------------


def test_a_rebalance_recommendation_moves_tasks_as_well() -> None:
    body = event({"instance-id": "i-1"}, "EC2 Instance Rebalance Recommendation", "aws.ec2")
    assert told(body) == ("standalone", "S1", "drain")


def test_a_retirement_of_tasks_that_may_run_twice_is_pre_empted() -> None:
    body = sample("health/ecs-task-retirement-standalone")
    assert told(body, definition_tags={"longshore:retry": "idempotent"}) == ("standalone", "I2", "replace")


def test_a_retirement_under_a_controller_is_told() -> None:
    service = {"deploymentController": {"type": "CODE_DEPLOY"}}
    assert told(sample("health/ecs-task-retirement-service"), service=service) == ("controller", "I2", "notify")


def test_a_retirement_that_is_over_is_nothing() -> None:
    body = sample("health/ecs-task-retirement-service")
    body["detail"]["statusCode"] = "closed"
    assert told(body) == ("service", "", "none")


def test_another_health_event_of_ecs_is_told() -> None:
    body = event({"service": "ECS", "eventTypeCode": "AWS_ECS_OPERATIONAL_ISSUE"}, "AWS Health Event", "aws.health")
    assert told(body) == ("service", "Z", "notify")


# -- what is no event of ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "event"),
        ([], "event"),
        ("text", "event"),
        ({}, "detail-type"),
        ({"detail-type": 1}, "detail-type"),
        ({"detail-type": "ECR Image Action", "detail": {}}, "detail-type"),
        ({"detail-type": "ECS Task State Change"}, "detail"),
        ({"detail-type": "ECS Task State Change", "detail": []}, "detail"),
        ({"detail-type": "ECS Task State Change", "detail": {}}, "detail.taskArn"),
        (event({**task(), "clusterArn": "shop"}), "detail.clusterArn"),
        (event({**task(), "taskDefinitionArn": 7}), "detail.taskDefinitionArn"),
        (event(task(), source="my.shop"), "source"),
        (event(task(), source="aws.ec2"), "source"),
        (event({}, "ECS Service Action"), "detail.eventName"),
        (event({"eventName": 4}, "ECS Deployment State Change"), "detail.eventName"),
        (event({}, "ECS Container Instance State Change"), "detail.containerInstanceArn"),
        (event({}, "ECS Container Instance Health Change"), "detail.containerInstanceArn"),
        (event({}, "AWS Health Event", "aws.health"), "detail.service"),
        (event({"service": "ECS"}, "AWS Health Event", "aws.health"), "detail.eventTypeCode"),
        (event({}, "EC2 Spot Instance Interruption Warning", "aws.ec2"), "detail.instance-id"),
        (event({}, "EKS Fargate Pod Scheduled Termination", "aws.eks"), "detail.podName"),
    ],
)
def test_anything_else_is_refused_by_the_field(body: Any, field: str) -> None:
    with pytest.raises(BadEventError) as raised:
        diagnose_event(body)
    assert raised.value.field == field


def test_a_replayed_event_is_read_like_the_first() -> None:
    assert told(event(task(), source="longshore.replay")) == told(event(task()))


def test_every_kind_of_ecs_event_is_read() -> None:
    assert len([kind for kind in KINDS if kind.startswith("ECS ")]) == 8


# -- refused launches -----------------------------------------------------------------------------------------------


EC2_THROTTLED = (
    "InvalidParameterException: Error retrieving security group information for [sg-1]: Request limit exceeded. "
    "(ErrorCode: RequestLimitExceeded)"
)


@pytest.mark.parametrize(
    ("reason", "cls", "remedy"),
    [
        ("RESOURCE:MEMORY", "C2", "replace"),
        ("AGENT", "C4", "replace"),
        ("ATTRIBUTE", "C3", "notify"),
        ("LOCATION", "C3", "notify"),
        ("MemberOf placement constraint unsatisfied.", "C3", "notify"),
        (
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
            "C1",
            "replace",
        ),
        ("You've reached the limit on the number of tasks you can run concurrently", "C5", "replace"),
        ("ECS was unable to assume the role 'x' that was provided for this task.", "K1", "notify"),
        ("No Container Instances were found in your cluster.", "C2", "replace"),
        (EC2_THROTTLED, "C5", "replace"),
        ("AccessDeniedException: not authorized to perform: ecs:RunTask", "Z", "notify"),
        ("MISSING", "Z", "notify"),
        ("", "Z", "notify"),
    ],
)
def test_refused_launches(reason: str, cls: str, remedy: str) -> None:
    found = refused_launch([reason])
    assert (found.cls, found.remedy.value) == (cls, remedy)


@pytest.mark.parametrize(
    ("reasons", "cls", "remedy"),
    [
        (("AGENT", "RESOURCE:MEMORY"), "C4", "replace"),
        (("ATTRIBUTE", "RESOURCE:MEMORY"), "C2", "replace"),
        (("LOCATION", "AGENT", "LOCATION"), "C4", "replace"),
        (("ATTRIBUTE", "ATTRIBUTE"), "C3", "notify"),
        ((), "Z", "notify"),
    ],
)
def test_of_several_failures_the_most_hopeful_one_counts(reasons: tuple[str, ...], cls: str, remedy: str) -> None:
    found = refused_launch(reasons)
    assert (found.cls, found.remedy.value) == (cls, remedy)
    assert len(found.evidence) == len(set(reasons))


def test_a_refusal_that_quotes_a_secret_is_told_without_it() -> None:
    found = refused_launch(["InvalidParameterException: hunter2-hunter2 is too long"], secrets=["hunter2-hunter2"])
    assert found.evidence == ("failures[].reason: InvalidParameterException: [redacted] is too long",)


def test_a_refused_launch_of_somebody_elses_is_left_to_them() -> None:
    found = refused_launch(["RESOURCE:MEMORY"], Owner.STEP_FUNCTIONS)
    assert (found.cls, found.remedy.value, found.reason) == ("C2", "none", "owned-elsewhere")


# -- states -----------------------------------------------------------------------------------------------------------


def test_an_event_may_tell_of_a_stuck_task() -> None:
    detail = task("", lastStatus="PROVISIONING", desiredStatus="RUNNING", containers=[])
    assert told(event(detail)) == ("standalone", "W1", "notify")
    assert told({**event(detail), "time": "2026-11-01T12:30:00Z"}) == ("standalone", "", "none")


def test_a_spot_notice_comes_before_a_stuck_state() -> None:
    detail = task("SpotInterruption", lastStatus="RUNNING", stoppingAt="2026-11-01T12:00:00Z")
    assert told(event(detail)) == ("standalone", "S1", "notify")


def test_older_versions_are_diagnosed_alike() -> None:
    first, second = ended(container(code=1), version=1), ended(container(code=1), version=9)
    assert diagnose_event(event(first)) == diagnose_event(event(second))
