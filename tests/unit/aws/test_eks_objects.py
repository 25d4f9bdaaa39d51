"""What Kubernetes objects say, read as the adapter reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from longshore.aws import eks_objects as objects
from longshore.aws import eks_pods as pods
from longshore.aws.eks_nodes import platforms
from longshore.owners import recognise

DIGEST, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def workload(spec: dict[str, Any], status: dict[str, Any], generation: int = 2, **meta: Any) -> dict[str, Any]:
    return {"metadata": {"generation": generation, **meta}, "spec": spec, "status": status}


def progress(reason: str) -> list[dict[str, str]]:
    return [{"type": "Progressing", "reason": reason, "message": "told"}]


DEPLOYMENT = {"replicas": 2}
STATEFUL = {"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "rolling", "complete", "failed"),
    [
        ("deployment", DEPLOYMENT, {"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}, True, False, False),
        ("deployment", DEPLOYMENT, {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2, "replicas": 3}, True, False, False),
        ("deployment", DEPLOYMENT, {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 3}, True, False, False),
        ("deployment", DEPLOYMENT, {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1, "replicas": 2}, False, False, False),
        ("deployment", DEPLOYMENT, {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}, False, True, False),
        # scaling up after the rollout: more pods are wanted than are there, and no template is on its way
        ("deployment", {"replicas": 4}, {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2, "conditions": progress("NewReplicaSetAvailable")}, False, False, False),
        ("deployment", DEPLOYMENT, {"observedGeneration": 2, "updatedReplicas": 1, "replicas": 3, "conditions": progress("ProgressDeadlineExceeded")}, False, False, True),
        # the deadline of the rollout before is not that of the one that is not observed yet
        ("deployment", DEPLOYMENT, {"observedGeneration": 1, "conditions": progress("ProgressDeadlineExceeded")}, True, False, False),
        ("deployment", {"replicas": 0}, {"observedGeneration": 2}, False, True, False),
        ("deployment", {"replicas": 2, "paused": True}, {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}, True, False, False),
        ("statefulset", STATEFUL, {"observedGeneration": 2, "updateRevision": "b", "currentRevision": "a", "readyReplicas": 2}, True, False, False),
        ("statefulset", STATEFUL, {"observedGeneration": 2, "updateRevision": "b", "currentRevision": "b", "readyReplicas": 1}, False, False, False),
        ("statefulset", STATEFUL, {"observedGeneration": 2, "updateRevision": "b", "currentRevision": "b", "readyReplicas": 2}, False, True, False),
        ("statefulset", {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}, {"observedGeneration": 2, "updateRevision": "b", "currentRevision": "a", "updatedReplicas": 1, "readyReplicas": 3}, False, True, False),
        ("daemonset", {}, {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberAvailable": 3}, True, False, False),
        ("daemonset", {}, {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2}, False, False, False),
        ("daemonset", {}, {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}, False, True, False),
        ("cronjob", {}, {}, False, True, False),
    ],
)  # fmt: skip
def test_how_a_rollout_stands(
    kind: str, spec: dict[str, Any], status: dict[str, Any], rolling: bool, complete: bool, failed: bool
) -> None:
    found = objects.standing(kind, workload(spec, status))
    assert (found.rolling, found.complete, bool(found.failed)) == (rolling, complete, failed)


def test_the_template_is_the_rollout_and_replicas_are_not() -> None:
    template = {"spec": {"containers": [{"name": "app", "image": "web:1"}]}}
    assert objects.fingerprint(template) == objects.fingerprint(dict(reversed(template.items())))
    assert objects.fingerprint(template) != objects.fingerprint({**template, "metadata": {}})


FIELDS: dict[str, Any] = {"f:spec": {"f:template": {"f:spec": {}}}}


@pytest.mark.parametrize(
    ("kind", "entries", "expected"),
    [
        ("deployment", [], datetime(2026, 1, 1, tzinfo=UTC)),
        ("deployment", [{"time": "2026-01-05T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}], datetime(2026, 1, 1, tzinfo=UTC)),
        ("deployment", [{"time": "2026-01-05T00:00:00Z", "fieldsV1": {"f:status": {}}}], datetime(2026, 1, 1, tzinfo=UTC)),
        ("deployment", [{"time": "2026-01-05T00:00:00Z", "fieldsV1": FIELDS}, {"time": "2026-01-04T00:00:00Z", "fieldsV1": FIELDS}], datetime(2026, 1, 5, tzinfo=UTC)),
        ("deployment", [{"fieldsV1": FIELDS}, {"time": "2026-01-05T00:00:00Z"}], datetime(2026, 1, 1, tzinfo=UTC)),
        ("cronjob", [{"time": "2026-01-05T00:00:00Z", "fieldsV1": FIELDS}], datetime(2026, 1, 1, tzinfo=UTC)),
        ("cronjob", [{"time": "2026-01-05T00:00:00Z", "fieldsV1": {"f:spec": {"f:jobTemplate": FIELDS}}}], datetime(2026, 1, 5, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_when_the_template_was_written(kind: str, entries: list[dict[str, Any]], expected: datetime) -> None:
    found = workload({}, {}, creationTimestamp="2026-01-01T00:00:00Z", managedFields=entries)
    assert objects.changed_at(kind, found) == expected


@pytest.mark.parametrize(
    ("meta", "owner"),
    [
        ({}, None),
        ({"labels": {"app.kubernetes.io/instance": "shop"}}, None),  # Helm and people write it too
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, None),
        ({"managedFields": [{"manager": "helm-controller", "fieldsV1": {"f:spec": {}}}]}, "Flux"),
        ({"managedFields": [{"manager": "argocd-controller", "fieldsV1": {"f:metadata": {}}}]}, None),
        ({"managedFields": [{"manager": "kubectl-client-side-apply", "fieldsV1": {"f:spec": {}}}]}, None),
    ],
)
def test_who_owns_a_workload(meta: dict[str, Any], owner: str | None) -> None:
    found = recognise(objects.tags_of({"metadata": meta}))
    assert (found.kind.label if found else None) == owner


def test_annotations_are_tags_by_other_names() -> None:
    noted = {
        "longshore.dev/policy": "semver:minor",
        "longshore.dev/team": "web",
        "longshore.dev/tag": "x",
        "other": "y",
    }
    assert objects.tags_of({"metadata": {"annotations": noted}}) == {
        "longshore:policy": "semver:minor",
        "longshore:team": "web",
    }


def test_human_tags_belong_to_written_digests() -> None:
    found = {"metadata": {"annotations": {"longshore.dev/tag": "app=1.2 envoy=v1 gone=3 broken"}}}
    images = {"app": f"web@{DIGEST}", "envoy": "envoy:v1"}
    assert objects.human_tags(found, images) == {"app": "1.2"}


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "expected"),
    [
        ("deployment", "", "", "/apis/apps/v1/deployments"),
        ("statefulset", "shop", "", "/apis/apps/v1/namespaces/shop/statefulsets"),
        ("cronjob", "shop", "nightly", "/apis/batch/v1/namespaces/shop/cronjobs/nightly"),
    ],
)
def test_paths(kind: str, namespace: str, name: str, expected: str) -> None:
    assert objects.path(kind, namespace, name) == expected


def test_selectors_become_queries() -> None:
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["x", "y"]},
            {"key": "old", "operator": "NotIn", "values": ["z"]},
            {"key": "c", "operator": "Exists"},
            {"key": "d", "operator": "DoesNotExist"},
        ],
    }
    found = {"spec": {"selector": selector}}
    assert pods.selector_of(found) == "a=1,b=2,tier in (x,y),old notin (z),c,!d"
    assert pods.selector_of({"spec": {}}) == ""


def pod(digest: str, *, ready: bool = True, **status: Any) -> dict[str, Any]:
    statuses = [{"name": "app", "imageID": f"repo/web@{digest}", **status}]
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"spec": {"nodeName": "one"}, "status": {"conditions": conditions, "containerStatuses": statuses}}


def test_what_most_ready_pods_run() -> None:
    found = [pod(DIGEST), pod(OTHER), pod(OTHER), pod(DIGEST, ready=False), pod(DIGEST, ready=False)]
    assert pods.running(found) == {"app": OTHER}
    assert pods.running(found, ended=True) == {"app": DIGEST}


def test_a_local_image_has_no_digest_that_a_registry_knows() -> None:
    local = pod(DIGEST)
    local["status"]["containerStatuses"][0]["imageID"] = DIGEST
    assert pods.running([local]) == {}
    assert pods.running([{"spec": {}, "status": {}}], ended=True) == {}


def test_complaints_are_told_once() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no"}}
    starting = {"waiting": {"reason": "ContainerCreating"}}
    found = [pod(DIGEST, state=waiting), pod(DIGEST, state=waiting), pod(DIGEST, state=starting), pod(DIGEST)]
    assert list(pods.complaints(found)) == ["app: ErrImagePull: no"]


def node(name: str, architecture: str, system: str = "linux", taints: Any = None, **labels: str) -> dict[str, Any]:
    known = {"kubernetes.io/arch": architecture, "kubernetes.io/os": system, **labels}
    info = {"architecture": architecture, "operatingSystem": system}
    return {"metadata": {"name": name, "labels": known}, "spec": {"taints": taints or []}, "status": {"nodeInfo": info}}


GPU = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
NODES = [node("one", "arm64"), node("two", "amd64", disk="ssd"), node("gpu", "amd64", taints=GPU, disk="gpu")]
FARGATE = node("fargate-1", "amd64", **{"eks.amazonaws.com/compute-type": "fargate"})
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def affinity(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}}}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"linux/arm64", "linux/amd64"}),
        ({"nodeSelector": {"disk": "ssd"}}, {"linux/amd64"}),
        ({"nodeSelector": {"kubernetes.io/arch": "arm64"}}, {"linux/arm64"}),
        ({"nodeSelector": {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "windows"}}, {"windows/amd64"}),
        (affinity({"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}), {"linux/arm64"}),
        (affinity({"key": "disk", "operator": "In", "values": ["ssd"]}), {"linux/amd64"}),
        ({"nodeSelector": {"disk": "gpu"}}, set()),  # tainted: nowhere, so nothing is known
        ({"nodeSelector": {"disk": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}, {"linux/amd64"}),
        ({"nodeSelector": {"disk": "gpu"}, "tolerations": [{"key": "gpu", "value": "yes"}]}, {"linux/amd64"}),
        ({"nodeSelector": {"disk": "gpu"}, "tolerations": [{"key": "gpu", "value": "no"}]}, set()),
        ({"nodeSelector": {"disk": "gpu"}, "tolerations": [{"operator": "Exists", "effect": "NoExecute"}]}, set()),
    ],
)
def test_where_pods_may_land(spec: dict[str, Any], expected: set[str]) -> None:
    assert platforms({"spec": spec}, NODES, ()) == expected


def test_pods_on_fargate_are_amd64() -> None:
    here = {"spec": {"nodeName": "fargate-1"}}
    assert platforms({"spec": {}}, [*NODES, FARGATE], [here]) == {"linux/amd64"}
    assert platforms({"spec": {}}, [], [here]) == set()


def test_a_node_that_is_not_ready_is_still_one_to_land_on() -> None:
    cordoned = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    assert platforms({"spec": {}}, [node("one", "arm64", taints=cordoned)], ()) == {"linux/arm64"}
