"""What recover's queue holds: every sample is read, every field checked, and nothing else than a BadEventError comes."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.envelopes import DEFERRAL
from longshore.errors import BadEventError
from longshore.recover.facts import (
    AgentCheckDue,
    DaemonActed,
    DrainCheckDue,
    InstanceChanged,
    InstanceHealthChanged,
    InstanceInterrupted,
    Irrelevant,
    LaunchRefused,
    PodTerminating,
    ReplacementDue,
    RetirementDue,
    RetirementPlanned,
    ServiceActed,
    SweepDue,
    TaskChanged,
)
from longshore.recover.reading import (
    AGENT_CHECK_DUE,
    DRAIN_CHECK_DUE,
    REPLACEMENT_DUE,
    RETIREMENT_DUE,
    SWEEP_DUE,
    Message,
)
from tests.conftest import EVENTS, LoadEvent

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HERE = "arn:aws:ecs:eu-west-1:123456789012"
TASK, CLUSTER = f"{HERE}:task/shop/{'0' * 32}", f"{HERE}:cluster/shop"
INSTANCE = f"{HERE}:container-instance/shop/{'1' * 32}"

READ = {
    "ECS Task State Change": TaskChanged,
    "ECS Service Action": ServiceActed,
    "ECS Container Instance State Change": InstanceChanged,
    "ECS Container Instance Health Change": InstanceHealthChanged,
    "EC2 Spot Instance Interruption Warning": InstanceInterrupted,
    "EC2 Instance Rebalance Recommendation": InstanceInterrupted,
    "EKS Fargate Pod Scheduled Termination": PodTerminating,
}
BY_NAME = {
    "ecs/cloudtrail-run-task-refused": LaunchRefused,
    "health/ecs-task-retirement-service": RetirementPlanned,
    "health/ecs-task-retirement-standalone": RetirementPlanned,
    "health/lambda-planned-lifecycle": Irrelevant,
    "ecr/cloudtrail-put-image": Irrelevant,
    "ecr-public/cloudtrail-put-image": Irrelevant,
}


def envelope(kind: str, detail: Any, *resources: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "event-1",
        "detail-type": kind,
        "source": "aws.ecs",
        "account": "123456789012",
        "region": "eu-west-1",
        "time": "2026-11-23T09:00:00Z",
        "resources": list(resources),
        "detail": detail,
    }


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*/*.json")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sample_is_read_or_refused_by_its_kind(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    name = f"{path.parent.name}/{path.stem}"
    wanted = BY_NAME.get(name, READ.get(body.get("detail-type", "")))
    if wanted is None:
        with pytest.raises(BadEventError) as refused:
            Message.parse(body)
        assert refused.value.field in ("detail-type", "id")
        return
    message = Message.parse(body)
    assert type(message.fact) is wanted
    assert message.correlation == body["id"]


def test_a_task_event_is_a_hint(load_event: LoadEvent) -> None:
    fact = Message.parse(load_event("ecs/task-stopped-oom")).fact
    assert isinstance(fact, TaskChanged)
    assert (fact.stopped, fact.ending, fact.of_service, fact.version) == (True, False, True, 6)


def test_the_notice_of_spot_is_an_ending(load_event: LoadEvent) -> None:
    fact = Message.parse(load_event("ecs/task-spot-interruption-warning")).fact
    assert isinstance(fact, TaskChanged)
    assert (fact.stopped, fact.ending) == (False, True)


def test_a_running_task_is_neither(load_event: LoadEvent) -> None:
    fact = Message.parse(load_event("ecs/task-fargate-running")).fact
    assert isinstance(fact, TaskChanged)
    assert (fact.stopped, fact.ending, fact.of_service) == (False, False, False)


def test_a_service_action_names_its_service(load_event: LoadEvent) -> None:
    fact = Message.parse(load_event("ecs/service-action-placement-failure-fargate-spot")).fact
    assert fact == ServiceActed(
        service="arn:aws:ecs:us-west-2:123456789012:service/default/servicetest",
        cluster="arn:aws:ecs:us-west-2:123456789012:cluster/default",
        event="SERVICE_TASK_PLACEMENT_FAILURE",
        severity="ERROR",
        reason="RESOURCE:FARGATE",
        capacity_providers=("arn:aws:ecs:us-west-2:123456789012:capacity-provider/FARGATE_SPOT",),
    )


def test_a_container_instance_tells_of_its_agent(load_event: LoadEvent) -> None:
    fact = Message.parse(load_event("ecs/container-instance-draining")).fact
    assert isinstance(fact, InstanceChanged)
    assert (fact.status, fact.connected, fact.ec2_instance) == ("DRAINING", True, "i-f3a8506b")


@pytest.mark.parametrize("nested", [True, False])
def test_the_health_of_an_instance(nested: bool) -> None:
    health = {
        "overallStatus": "IMPAIRED",
        "details": [
            {"type": "CONTAINER_RUNTIME", "status": "IMPAIRED"},
            {"type": "AGENT_CONNECTIVITY", "status": "OK"},
        ],
    }
    named = {"containerInstanceArn": INSTANCE, "clusterArn": CLUSTER}
    detail = {**named, "healthStatus": health} if nested else {**named, **health}
    fact = Message.parse(envelope("ECS Container Instance Health Change", detail)).fact
    assert fact == InstanceHealthChanged(INSTANCE, CLUSTER, "IMPAIRED", ("CONTAINER_RUNTIME",))


def test_the_retirement_of_tasks_and_of_services(load_event: LoadEvent) -> None:
    service = Message.parse(load_event("health/ecs-task-retirement-service")).fact
    assert isinstance(service, RetirementPlanned)
    assert service.things == ("test_cluster1 | service1", "test_cluster2 | service2")
    assert service.starts == datetime(2026, 8, 23, 23, 18, 51, tzinfo=UTC)
    standalone = Message.parse(load_event("health/ecs-task-retirement-standalone")).fact
    assert isinstance(standalone, RetirementPlanned)
    assert all(thing.startswith("arn:aws:ecs:") for thing in standalone.things)


def test_an_instance_that_may_be_taken_is_not_one_that_is(load_event: LoadEvent) -> None:
    certain = Message.parse(load_event("ec2/spot-interruption-warning")).fact
    assert certain == InstanceInterrupted("i-1234567890abcdef0", "terminate", certain=True)
    body = envelope("EC2 Instance Rebalance Recommendation", {"instance-id": "i-1234567890abcdef0"})
    assert Message.parse(body).fact == InstanceInterrupted("i-1234567890abcdef0", "", certain=False)


def test_a_pod_that_is_going_to_end(load_event: LoadEvent) -> None:
    fact = Message.parse(load_event("eks/fargate-pod-scheduled-termination")).fact
    assert isinstance(fact, PodTerminating)
    assert (fact.cluster, fact.namespace, fact.pod) == ("my-cluster", "default", "my-pod-name")
    assert fact.at == datetime(2021, 6, 30, 12, 52, 44, 832000, tzinfo=UTC)


def test_a_daemon() -> None:
    detail = {"eventName": "DAEMON_TASK_START_IMPAIRED", "eventType": "WARN", "failureType": "TASK_FAILED_TO_RUN"}
    fact = Message.parse(envelope("ECS Daemon Service Action", detail, f"{HERE}:daemon/shop/agent")).fact
    assert isinstance(fact, DaemonActed)
    assert (fact.event, fact.failure) == ("DAEMON_TASK_START_IMPAIRED", "TASK_FAILED_TO_RUN")


REQUEST = {
    "cluster": "shop",
    "taskDefinition": "etl:7",
    "startedBy": "chronos-schedule/nightly",
    "overrides": {"containerOverrides": [{"environment": [{"name": "TOKEN", "value": "s3cr3t-value"}]}]},
}
RUN_TASK = {"eventSource": "ecs.amazonaws.com", "eventName": "RunTask", "requestParameters": REQUEST}


@pytest.mark.parametrize(
    ("answer", "failures"),
    [
        ({"responseElements": {"tasks": [], "failures": [{"reason": "RESOURCE:MEMORY"}]}}, ("RESOURCE:MEMORY",)),
        ({"errorCode": "ClientException", "errorMessage": "too many"}, ("ClientException: too many",)),
    ],
)
def test_a_refused_launch_is_seen_without_its_secrets(answer: dict[str, Any], failures: tuple[str, ...]) -> None:
    fact = Message.parse(envelope("AWS API Call via CloudTrail", {**RUN_TASK, **answer})).fact
    assert isinstance(fact, LaunchRefused)
    assert (fact.definition, fact.started_by, fact.failures) == ("etl:7", "chronos-schedule/nightly", failures)
    assert "s3cr3t-value" not in str(fact)


@pytest.mark.parametrize(
    "answer", [{}, {"responseElements": None}, {"responseElements": {"tasks": [{}], "failures": []}}]
)
def test_a_launch_that_was_not_refused_is_nothing(answer: dict[str, Any]) -> None:
    assert isinstance(Message.parse(envelope("AWS API Call via CloudTrail", {**RUN_TASK, **answer})).fact, Irrelevant)


SINCE = {"containerInstanceArn": INSTANCE, "clusterArn": CLUSTER, "since": NOW.isoformat()}
OWN: dict[str, tuple[dict[str, Any], object]] = {
    REPLACEMENT_DUE: ({"root_task": TASK, "attempt": 2}, ReplacementDue(TASK, 2)),
    SWEEP_DUE: ({"clusters": [CLUSTER]}, SweepDue((CLUSTER,))),
    AGENT_CHECK_DUE: (SINCE, AgentCheckDue(INSTANCE, CLUSTER, NOW)),
    DRAIN_CHECK_DUE: (SINCE, DrainCheckDue(INSTANCE, CLUSTER, NOW)),
    RETIREMENT_DUE: ({"thing": TASK, "at": NOW.isoformat()}, RetirementDue(TASK, NOW)),
}


@pytest.mark.parametrize("kind", OWN)
def test_its_own_messages_carry_the_first_id(kind: str) -> None:
    detail, fact = OWN[kind]
    first = Message.parse(envelope(SWEEP_DUE, {}))
    message = Message.parse(json.loads(json.dumps(first.message(kind, detail, NOW))))
    assert (message.fact, message.correlation) == (fact, "event-1")


def test_a_message_may_wait() -> None:
    first = Message.parse(envelope(SWEEP_DUE, {}))
    later = Message.parse(json.loads(json.dumps(first.deferred(NOW, "log", NOW))))
    assert later.deferral is not None
    assert (later.deferral.not_before, later.deferral.deferrals) == (NOW, 1)
    assert later.waited("log") is not None
    assert later.waited("confirm") is None


STOPPED = {"taskArn": TASK, "clusterArn": CLUSTER, "lastStatus": "STOPPED", "version": 5}
WRONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("no task", "ECS Task State Change", {**STOPPED, "taskArn": ""}, "detail.taskArn"),
    ("another thing", "ECS Task State Change", {**STOPPED, "taskArn": CLUSTER}, "detail.taskArn"),
    ("no cluster", "ECS Task State Change", {**STOPPED, "clusterArn": "shop"}, "detail.clusterArn"),
    ("no status", "ECS Task State Change", {**STOPPED, "lastStatus": "Stopped!"}, "detail.lastStatus"),
    ("a version of text", "ECS Task State Change", {**STOPPED, "version": "5"}, "detail.version"),
    ("a negative version", "ECS Task State Change", {**STOPPED, "version": -1}, "detail.version"),
    ("no service", "ECS Service Action", {"clusterArn": CLUSTER, "eventName": "X", "eventType": "INFO"}, "resources"),
    (
        "an agent of text",
        "ECS Container Instance State Change",
        {**SINCE, "agentConnected": "no"},
        "detail.agentConnected",
    ),
    ("no instance", "EC2 Spot Instance Interruption Warning", {"instance-id": "web-1"}, "detail.instance-id"),
    ("no root", REPLACEMENT_DUE, {"root_task": "x", "attempt": 1}, "detail.root_task"),
    ("half an attempt", REPLACEMENT_DUE, {"root_task": TASK, "attempt": 1.5}, "detail.attempt"),
    ("clusters of text", SWEEP_DUE, {"clusters": "shop"}, "detail.clusters"),
    ("other clusters", SWEEP_DUE, {"clusters": ["shop"]}, "detail.clusters"),
    ("no time", AGENT_CHECK_DUE, {**SINCE, "since": "yesterday"}, "detail.since"),
    ("nothing to retire", "AWS Health Event", {"eventTypeCode": "AWS_ECS_TASK_PATCHING_RETIREMENT"}, "resources"),
    (
        "no parameters",
        "AWS API Call via CloudTrail",
        {**RUN_TASK, "requestParameters": None},
        "detail.requestParameters",
    ),
]


@pytest.mark.parametrize(("kind", "detail", "field"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_named(kind: str, detail: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEventError) as refused:
        Message.parse(envelope(kind, detail))
    assert refused.value.field == field


def test_unknown_members_are_tolerated(load_event: LoadEvent) -> None:
    body = load_event("ecs/task-stopped-oom")
    more = copy.deepcopy(body)
    more["detail"]["quantumState"] = {"entangled": [True, None]}
    more["detail"]["stopCode"] = "SomethingNew"
    assert isinstance(Message.parse(more).fact, TaskChanged)


KINDS = sorted({*READ, *OWN, "AWS Health Event", "AWS API Call via CloudTrail", "ECS Container Instance Health Change"})
MEMBERS = sorted(
    {
        *STOPPED, *SINCE, *RUN_TASK, "responseElements", "root_task", "attempt", "clusters", "thing", "at", "eventType",
        "instance-id", "eventTypeCode", "affectedEntities", "startTime", "scheduledTerminationTime", "healthStatus",
        "details", "agentConnected", "eventArn", "clusterName", "podName", "podNamespace", "capacityProviderArns",
    }
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([TASK, CLUSTER, INSTANCE, "AWS_ECS_TASK_PATCHING_RETIREMENT", "RunTask", "ecs.amazonaws.com"])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def survives(body: object) -> None:
    try:
        message = Message.parse(body)
    except BadEventError as error:
        assert error.field
        str(error).encode()
        return
    message.correlation.encode()
    json.dumps(message.deferred(NOW, "log", NOW))


@given(JSON)
def test_any_json_is_a_message_or_a_bad_event(body: object) -> None:
    survives(body)


@given(
    kind=st.sampled_from(KINDS),
    detail=st.dictionaries(st.sampled_from(MEMBERS), JSON),
    resources=st.lists(st.sampled_from([TASK, CLUSTER, f"{HERE}:service/shop/web", "default/pod"]) | st.text()),
    deferral=st.none() | JSON,
)
def test_any_detail_is_a_message_or_a_bad_event(
    kind: str, detail: dict[str, Any], resources: list[str], deferral: object
) -> None:
    survives({**envelope(kind, detail, *resources), **({DEFERRAL: deferral} if deferral else {})})
