"""The rules of template.yaml against the documented events: each matches what is meant for it, and nothing else."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from longshore.events import Kind
from longshore.notify.kinds import MEANINGS
from longshore_local.patterns import compile_pattern
from tests.template.rendered import ROOT, Rendered

EVENTS = ROOT / "events"
SAMPLES = sorted(path.relative_to(EVENTS).with_suffix("").as_posix() for path in EVENTS.glob("*/*.json"))
MEANT = {
    "ecr/image-push": "ImageMoved UpstreamPushed",
    "ecr/image-push-index": "ImageMoved UpstreamPushed",
    "ecr/image-push-media-types": "ImageMoved UpstreamPushed",
    "ecr/image-scan-clean": "ImageScanned",
    "ecr/image-scan-complete": "ImageScanned",
    "ecr/scan-resource-change": "ScanningChanged",
    "inspector2/coverage-ecr": "ImageScanned",
    "inspector2/finding-ecr": "ImageScanned",
    "inspector2/finding-ecr-closed": "ImageScanned",
    "inspector2/scan-ecr": "ImageScanned",
    "ecr/image-restore": "ImageMoved",
    "ecr/pull-through-cache-success": "ImageMoved",
    "ecr/replication-complete": "ImageMoved",
    "ecs/daemon-deployment-rollback-successful": "DeploymentChanged",
    "ecs/daemon-deployment-successful": "DeploymentChanged",
    "codedeploy/deployment-state-change": "GroupDeployed",
    "ecs/deployment-completed": "DeploymentChanged",
    "ecs/deployment-failed": "DeploymentChanged",
    "apprunner/operation-deployment-failed": "OperationEnded",
    "apprunner/operation-update-completed": "OperationEnded",
    "tag/tag-change-on-app-runner-service": "WorkloadTagged",
    "tag/tag-change-on-service": "WorkloadTagged",
    "tag/tag-change-on-function": "WorkloadTagged",
    "tag/tag-change-on-rule": "WorkloadTagged",
    "tag/tag-change-on-schedule-group": "WorkloadTagged",
    "cloudformation/stack-status-change": "ScanDeployed StackDeployed",
    "ec2/rebalance-recommendation": "CapacityInterrupted",
    "ec2/spot-interruption-warning": "CapacityInterrupted",
    "ecs/container-instance-agent-lost": "InstanceChanged",
    "ecs/container-instance-draining": "InstanceChanged",
    "ecs/container-instance-health-change": "InstanceChanged",
    "ecs/service-action-placement-failure-fargate-spot": "ServiceActed",
    "ecs/service-action-steady-state": "ServiceActed",
    "ecs/service-action-task-start-impaired": "ServiceActed",
    "ecs/task-ec2-running": "TaskBegan",
    "ecs/task-fargate-running": "TaskBegan",
    "ecs/task-spot-interruption-warning": "TaskEnded",
    "ecs/task-stopped-cannot-pull": "TaskEnded",
    "ecs/task-stopped-essential-exited": "TaskEnded",
    "ecs/task-stopped-oom": "TaskEnded",
    "ecs/task-stopped-resource-init": "TaskEnded",
    "ecs/task-stopped-scheduler": "TaskEnded",
    "ecs/task-stopped-user": "TaskEnded",
    "eks/fargate-pod-scheduled-termination": "PodTerminates",
    "health/ecs-task-retirement-service": "RetirementAnnounced",
    "health/ecs-task-retirement-standalone": "RetirementAnnounced",
    "longshore/channel-failed": "NoticeDue",
    "longshore/configuration-rejected": "NoticeDue",
    "longshore/deployment-failed": "NoticeDue",
    "longshore/deployment-held": "NoticeDue",
    "longshore/deployment-planned": "NoticeDue",
    "longshore/deployment-rolled-back": "NoticeDue RunningChanged",
    "longshore/deployment-started": "NoticeDue",
    "longshore/deployment-succeeded": "NoticeDue RunningChanged",
    "longshore/deployment-superseded": "NoticeDue",
    "longshore/events-missed": "NoticeDue",
    "longshore/hold-set": "NoticeDue",
    "longshore/image-mirrored": "NoticeDue RunningChanged",
    "longshore/mirror-failed": "NoticeDue",
    "longshore/mirror-reported": "NoticeDue",
    "longshore/findings-reported": "MirroredAccused NoticeDue",
    "longshore/findings-reported-digest": "NoticeDue",
    "longshore/findings-reported-expiring": "NoticeDue",
    "longshore/findings-resolved": "NoticeDue",
    "longshore/gate-closed": "GateDecided NoticeDue",
    "longshore/gate-opened": "GateDecided NoticeDue",
    "longshore/crash-loop-opened": "NoticeDue",
    "longshore/crash-loop-opened-family": "NoticeDue",
    "longshore/crash-loop-resolved": "NoticeDue",
    "longshore/deployment-started-soaking": "NoticeDue",
    "longshore/retirement-announced": "NoticeDue",
    "longshore/task-failed": "NoticeDue",
    "longshore/task-failed-left-alone": "NoticeDue",
    "longshore/task-failed-observed": "NoticeDue",
    "longshore/task-given-up": "NoticeDue",
    "longshore/task-replaced": "NoticeDue",
    "longshore/task-replacement-refused": "NoticeDue",
    "longshore/redeploy-requested": "RedeployRequested",
}
"""The rules that a sample is meant for. Every sample that is not named here is meant for none of this stack."""

PATTERN_LIMIT = 2048  # characters, of EventBridge


def sample(name: str) -> dict[str, Any]:
    """An event of the samples, or of those which only differ from one in a member."""
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def matching(event: dict[str, Any], *, replay: bool = False, bus: str = "default", trail: bool = False) -> list[str]:
    """The rules that an event on a bus matches."""
    parameters = {"AllowReplay": str(replay).lower(), "FollowCloudTrail": str(trail).lower()}
    rules = Rendered(parameters).of_type("AWS::Events::Rule")
    on_bus = {name: rule for name, rule in rules.items() if rule.get("EventBusName", "default") == bus}
    return sorted(name for name, rule in on_bus.items() if compile_pattern(rule["EventPattern"]).matches(event))


def changed(event: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with one member different."""
    result = copy.deepcopy(event)
    *parents, last = path.split(".")
    node: Any = result
    for parent in parents:
        node = node[parent]
    node[last] = value
    return result


def test_the_meant_samples_exist() -> None:
    assert set(MEANT) <= set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_matches_its_rules_alone(name: str) -> None:
    event = sample(name)
    bus = "longshore" if event.get("source") == "longshore" else "default"
    assert matching(event, bus=bus) == MEANT.get(name, "").split()


@pytest.mark.parametrize("name", [name for name in MEANT if name.split("/")[0] not in ("longshore", "cloudformation")])
def test_a_replayed_event_is_followed_only_where_that_is_allowed(name: str) -> None:
    replayed = changed(sample(name), "source", "longshore.replay")
    assert matching(replayed) == []
    assert matching(replayed, replay=True) == MEANT[name].split()
    assert matching(sample(name), replay=True) == MEANT[name].split(), "replay must not replace the source itself"


TRAIL = "ecs/cloudtrail-run-task-refused"


def test_what_cloudtrail_tells_of_launches_is_followed_only_where_that_is_wanted() -> None:
    refused = sample(TRAIL)
    assert matching(refused) == []
    assert matching(refused, trail=True) == ["TaskLaunched"]
    replayed = changed(refused, "source", "longshore.replay")
    assert matching(replayed, trail=True) == []
    assert matching(replayed, trail=True, replay=True) == ["TaskLaunched"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("detail.requestParameters.startedBy", "AWS Step Functions"),
        ("detail.eventName", "StopTask"),
        ("detail.eventSource", "batch.amazonaws.com"),
        ("source", "aws.ecr"),
    ],
)
def test_other_calls_that_cloudtrail_tells_are_not(path: str, value: str) -> None:
    assert matching(changed(sample(TRAIL), path, value), trail=True) == []


def test_our_own_request_is_followed_on_our_bus_only() -> None:
    event = {
        **sample("ecs/deployment-completed"),
        "source": "longshore",
        "detail-type": "Redeploy Requested",
        "detail": {"workload": "arn:aws:ecs:eu-west-1:123456789012:service/c/s", "reason": "rollback"},
    }
    assert matching(event, bus="longshore") == ["RedeployRequested"]
    assert matching(event) == []
    assert matching(changed(event, "source", "somebody"), bus="longshore") == []


@pytest.mark.parametrize("kind", sorted(Kind))
def test_whatever_has_a_meaning_for_people_is_told(kind: Kind) -> None:
    """And nothing else: what only Longshore reads never reaches the queue of notify."""
    event = {**sample("longshore/hold-set"), "detail-type": kind.value}
    assert ("NoticeDue" in matching(event, bus="longshore")) is (kind in MEANINGS)
    assert matching(event) == [], "our own bus only"
    assert matching(changed(event, "source", "somebody"), bus="longshore") == []


def test_only_what_ecr_does_not_tell_is_mirrored_on_by_our_own_word() -> None:
    event = sample("longshore/image-mirrored")
    public = changed(event, "detail.downstream", "public.ecr.aws/a1b2c3d4/nginx")
    assert matching(public, bus="longshore") == [
        "NoticeDue",
        "PublicImageMirrored",
        "RunningChanged",
        "UpstreamMirrored",
    ]
    assert "PublicImageMirrored" not in matching(event, bus="longshore")
    assert matching(public) == []


def test_what_notify_sends_itself_does_not_come_back_by_the_bus() -> None:
    event = {**sample("longshore/hold-set"), "detail-type": "Notice Due"}
    assert matching(event, bus="longshore") == []


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("ecr/image-push", "detail.result", "FAILURE"),
        ("ecr/image-push", "detail.action-type", "DELETE"),
        ("ecr/image-push", "source", "aws.ecr-public"),
        ("ecr/image-restore", "detail.target-storage-class", "ARCHIVE"),
        ("ecr/image-restore", "detail.result", "FAILURE"),
        ("ecr/replication-complete", "detail.result", "FAILED"),
        ("ecr/pull-through-cache-success", "detail.sync-status", "FAILURE"),
        ("tag/tag-change-on-service", "detail.changed-tag-keys", ["team", "mylongshore:policy"]),
        ("tag/tag-change-on-service", "detail.service", "ec2"),
        ("tag/tag-change-on-service", "detail.resource-type", "cluster"),
        ("tag/tag-change-on-service", "detail.resource-type", "function"),
        ("tag/tag-change-on-function", "detail.resource-type", "layer"),
        ("ecs/deployment-completed", "detail-type", "ECS Service Action"),
        ("apprunner/operation-deployment-failed", "detail.operationStatus", "PauseServiceCompletedSuccessfully"),
        ("tag/tag-change-on-app-runner-service", "detail.resource-type", "connection"),
        ("ecs/task-fargate-running", "detail.group", "service:webserver"),
        ("ecs/task-fargate-running", "detail.desiredStatus", "STOPPED"),
        ("ecs/task-fargate-running", "detail.lastStatus", "PROVISIONING"),
        ("ecs/task-spot-interruption-warning", "detail.stopCode", "UserInitiated"),
        ("ecs/container-instance-agent-lost", "detail.agentConnected", True),
        ("ecs/container-instance-health-change", "detail.healthStatus.overallStatus", "OK"),
        ("ecs/container-instance-draining", "detail.status", "ACTIVE"),
        ("ecs/service-action-steady-state", "detail.eventName", "CAPACITY_PROVIDER_STEADY_STATE"),
        ("health/ecs-task-retirement-service", "detail.eventTypeCode", "AWS_ECS_OPERATIONAL_ISSUE"),
        ("health/ecs-task-retirement-service", "detail.service", "EKS"),
        ("ec2/spot-interruption-warning", "detail-type", "EC2 Instance State-change Notification"),
        ("cloudformation/stack-status-change", "detail.stack-id", "arn:aws:cloudformation:eu-west-1:1:stack/other/1"),
        ("cloudformation/stack-status-change", "detail.status-details.status", "UPDATE_ROLLBACK_COMPLETE"),
    ],
)
def test_what_only_looks_alike_matches_nothing(name: str, path: str, value: object) -> None:
    assert matching(changed(sample(name), path, value)) == []
    assert matching(changed(sample(name), path, value), replay=True) == []


@pytest.mark.parametrize("replay", [False, True])
def test_patterns_are_small_and_name_their_sources(replay: bool) -> None:
    for name, rule in Rendered({"AllowReplay": str(replay).lower()}).of_type("AWS::Events::Rule").items():
        assert len(json.dumps(rule["EventPattern"])) <= PATTERN_LIMIT, name
        assert rule["EventPattern"]["source"], f"{name} would match every source"
        assert rule["EventPattern"]["detail-type"], f"{name} would match every detail-type"


def test_samples_are_complete_events() -> None:
    for path in map(Path, SAMPLES):
        if path.parts[0] == "ecs" and path.name.startswith("lifecycle-hook"):
            continue  # the payload of a direct invocation
        event = sample(path.as_posix())
        assert {"version", "id", "detail-type", "source", "account", "time", "region", "detail"} <= set(event), path
