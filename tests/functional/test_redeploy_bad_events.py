"""Malformed and forged events: one clear log line and a count each; nothing retried, touched or lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.functional.stage import ACCOUNT, CLUSTER, REGION, Stage

QUEUES = ("RedeployQueue", "WatchQueue")
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/web"
PUSH = {"result": "SUCCESS", "repository-name": "web", "action-type": "PUSH", "image-tag": "prod"}
DIGEST = "sha256:" + "a" * 64


def event(kind: str = "ECR Image Action", detail: Any = None, **members: Any) -> dict[str, Any]:
    """An event that is good but for the members given; `...` leaves one out."""
    body = {
        "version": "0",
        "id": "e-1",
        "detail-type": kind,
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-23T09:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {**PUSH, "image-digest": DIGEST} if detail is None else detail,
        **members,
    }
    return {key: value for key, value in body.items() if value is not ...}


def push(**members: Any) -> dict[str, Any]:
    detail = {**PUSH, "image-digest": DIGEST, **{key.replace("_", "-"): value for key, value in members.items()}}
    return event(detail={key: value for key, value in detail.items() if value is not ...})


BAD: dict[str, tuple[Any, str]] = {
    "no JSON": ("{", "body"),
    "nested too deeply": ("[" * 100_000, "body"),
    "a list": ([], "event"),
    "a text": ('"push"', "event"),
    "no id": (event(id=...), "id"),
    "a huge id": (event(id="x" * 10_000), "id"),
    "account of letters": (event(account="12345678901x"), "account"),
    "account with other digits": (event(account="１２３４５６７８９０１２"), "account"),
    "no Region": (event(region=...), "region"),
    "a hostile Region": (event(region="eu-west-1/../../x"), "region"),
    "a time that is none": (event(time="yesterday"), "time"),
    "an unknown kind": (event("Make Coffee"), "detail-type"),
    "detail is a text": (event(detail="push"), "detail"),
    "no repository": (push(repository_name=...), "detail.repository-name"),
    "a repository of another shape": (push(repository_name="../../etc/passwd"), "detail.repository-name"),
    "a repository with the ledger's separator": (push(repository_name="web#HEAD"), "detail.repository-name"),
    "a huge repository": (push(repository_name="a" * 100_000), "detail.repository-name"),
    "a tag that is a list": (push(image_tag=["prod"]), "detail.image-tag"),
    "a tag with a newline": (push(image_tag="prod\n"), "detail.image-tag"),
    "a digest of another kind": (push(image_digest="md5:abc"), "detail.image-digest"),
    "neither tag nor digest": (push(image_tag=..., image_digest=...), "detail.image-digest"),
    "no result": (push(result=...), "detail.result"),
    "no action": (push(action_type=...), "detail.action-type"),
    "resources of numbers": (event(resources=[1]), "resources"),
    "a service that is none": (
        event(
            "ECS Deployment State Change", {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"}, resources=["arn:aws:s3:::x"]
        ),
        "resources[0]",
    ),
    "no service": (event("ECS Deployment State Change", {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"}), "resources"),
    "no event name": (event("ECS Deployment State Change", {}, resources=[SERVICE]), "detail.eventName"),
    "a workload that is none": (event("Redeploy Requested", {"workload": "*", "reason": "heal"}), "detail.workload"),
    "a deferral of another shape": (
        event() | {"longshore-deferral": {"deferrals": -1}},
        "longshore-deferral.deferrals",
    ),
    "a sweep of everything but services": (event("Sweep Due", {"workloads": ["*"]}), "detail.workloads"),
}


def rejected(stage: Stage) -> list[str]:
    """The offending fields that were logged."""
    return [line["field"] for line in stage.log() if str(line.get("message", "")).startswith("BadEventError")]


@pytest.mark.parametrize("queue", QUEUES)
def test_every_bad_event_is_logged_with_its_field_and_counted_once(stage: Stage, queue: str) -> None:
    for body, _ in BAD.values():
        stage.send(queue, body)
    stage.run(minutes=50)
    found = dict(zip(BAD, rejected(stage), strict=True))
    assert found == {name: field for name, (_, field) in BAD.items()}
    assert stage.metric("BadEvents") == len(BAD)
    assert stage.depth(queue) == 0
    stage.untouched()


def test_good_messages_beside_bad_ones_are_handled(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    for _ in range(4):
        stage.send("RedeployQueue", "{")
    digest = stage.push("prod", "two")
    for _ in range(4):
        stage.send("RedeployQueue", event(id=...))
    stage.run(minutes=20)
    assert stage.running() == digest
    assert stage.metric("BadEvents") == 8
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


FORGED: dict[str, tuple[str, dict[str, Any]]] = {
    "a deployment of a service that is not there": (
        "WatchQueue",
        event("ECS Deployment State Change", {"eventName": "SERVICE_DEPLOYMENT_FAILED"}, resources=[SERVICE + "-x"]),
    ),
    "a deployment in a cluster that is not there": (
        "WatchQueue",
        event(
            "ECS Deployment State Change",
            {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"},
            resources=[f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/none/web"],
        ),
    ),
    "a deployment of another account's service": (
        "WatchQueue",
        event(
            "ECS Deployment State Change",
            {"eventName": "SERVICE_DEPLOYMENT_COMPLETED"},
            resources=[f"arn:aws:ecs:{REGION}:210987654321:service/{CLUSTER}/web"],
        ),
    ),
    "a tag change of a service that is not there": (
        "RedeployQueue",
        event(
            "Tag Change on Resource",
            {"service": "ecs", "resource-type": "service", "changed-tag-keys": ["longshore:policy"], "tags": {}},
            resources=[SERVICE + "-x"],
        ),
    ),
    "a heal of a service that did not opt in": (
        "RedeployQueue",
        event("Redeploy Requested", {"workload": SERVICE, "reason": "heal"}),
    ),
    "a rollback of a service that did not opt in": (
        "RedeployQueue",
        event("Redeploy Requested", {"workload": SERVICE, "reason": "rollback"}),
    ),
    "a stop of a service that did not opt in": (
        "RedeployQueue",
        event("Redeploy Requested", {"workload": SERVICE, "reason": "stop"}),
    ),
    "a sweep of a service that did not opt in": ("RedeployQueue", event("Sweep Due", {"workloads": [SERVICE]})),
    "a watch of a service that did not opt in": ("WatchQueue", event("Watch Due", {"workload": SERVICE})),
    "a failed deployment of a service that did not opt in": (
        "WatchQueue",
        event("ECS Deployment State Change", {"eventName": "SERVICE_DEPLOYMENT_FAILED"}, resources=[SERVICE]),
    ),
    "a deletion": ("RedeployQueue", push(action_type="DELETE")),
    "a failed push": ("RedeployQueue", push(result="FAILURE")),
    "a tag change of something else": (
        "RedeployQueue",
        event("Tag Change on Resource", {"service": "s3", "resource-type": "bucket"}, resources=["arn:aws:s3:::x"]),
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_event_touches_nothing(stage: Stage, name: str) -> None:
    stage.push("prod", "one")
    stage.service(policy=None)
    queue, body = FORGED[name]
    stage.send(queue, body)
    stage.run(minutes=150)
    assert stage.metric("BadEvents") == 0
    stage.untouched()


@pytest.mark.parametrize("eventname", ["SERVICE_DEPLOYMENT_COMPLETED", "SERVICE_DEPLOYMENT_FAILED"])
def test_a_forged_end_does_not_end_a_deployment(stage: Stage, eventname: str) -> None:
    stage.push("prod", "one")
    stage.service(deploymentConfiguration={"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 3})
    digest = stage.push("prod", "two")
    stage.until_told("Deployment Started")
    stage.send("WatchQueue", event("ECS Deployment State Change", {"eventName": eventname}, resources=[SERVICE]))
    stage.run(minutes=1)
    assert stage.told() == ["Deployment Started"]
    stage.run(minutes=20)
    assert (stage.running(), stage.told()) == (digest, ["Deployment Started", "Deployment Succeeded"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KINDS = st.sampled_from(
    [
        "ECR Image Action",
        "ECR Replication Action",
        "ECR Pull Through Cache Action",
        "Tag Change on Resource",
        "ECS Deployment State Change",
        "Redeploy Requested",
        "Watch Due",
    ]
)
FIELDS = ("id", "account", "region", "time", "detail-type", "detail", "resources", "longshore-deferral")
DETAILS = ("result", "repository-name", "action-type", "image-tag", "image-digest", "eventName", "workload", "reason")


@st.composite
def fuzzed(draw: st.DrawFn) -> tuple[str, str]:
    """A queue and a message that is an event of some known kind with a few members replaced by anything."""
    detail: dict[str, Any] = {
        **PUSH,
        "image-digest": DIGEST,
        "eventName": "SERVICE_DEPLOYMENT_FAILED",
        "workload": SERVICE,
        "reason": "stop",
        "sync-status": "SUCCESS",
        "service": "ecs",
        "resource-type": "service",
    }
    for name in draw(st.sets(st.sampled_from(DETAILS), max_size=2)):
        detail[name] = draw(JSON)
    body = event(draw(KINDS), detail, resources=[SERVICE])
    for name in draw(st.sets(st.sampled_from(FIELDS), max_size=1)):
        body[name] = draw(JSON)
    return draw(st.sampled_from(QUEUES)), json.dumps(body)


MESSAGES = st.lists(fuzzed() | st.tuples(st.sampled_from(QUEUES), st.text(max_size=40).filter(bool)), max_size=40)


def test_whatever_arrives_nothing_fails_and_nothing_is_touched(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy=None)

    @given(MESSAGES)
    @settings(max_examples=25)
    def arrives(messages: list[tuple[str, str]]) -> None:
        stage.forget()
        for queue, text in messages:
            stage.send(queue, text)
        stage.run(minutes=50)
        assert stage.metric("BadEvents") == len(rejected(stage)) <= len(messages)
        assert (stage.depth("RedeployQueue"), stage.depth("WatchQueue")) == (0, 0)
        stage.untouched()

    arrives()
