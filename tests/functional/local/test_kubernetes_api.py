"""The Kubernetes stand-in over HTTP: what clients of the API rely on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.credentials import Credentials

from longshore.aws.eks_access import presigned_token
from longshore_local.certificates import make_certificate
from longshore_local.kubernetes.cluster import KubernetesCluster
from longshore_local.kubernetes.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DEPLOYMENT, NAMESPACE, POD
from longshore_local.timeline import VirtualTimeline

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
GOOD, BAD = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def deployment(name: str = "web", image: str = "web:1", **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "app", "image": image}, {"name": "envoy", "image": "envoy:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    whole = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": whole}


class Api:
    """A cluster without access control, and a client."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.cluster = KubernetesCluster(
            "shop", self.timeline, lambda image: BAD if image == "web:bad" else GOOD, secured=False
        ).start()
        self.cluster.kubelet.failing.add(BAD)
        self._http = urllib3.PoolManager()

    def close(self) -> None:
        self._http.clear()
        self.cluster.close()

    def ask(self, method: str, path: str, body: Any = None, media: str = "application/json", **headers: str) -> Any:
        encoded = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": media, "User-Agent": "kubectl/v1", **headers}
        answer = self._http.request(method, self.cluster.url + path, body=encoded, headers=sent, retries=False)
        return answer.status, answer.json()

    def stream(self, path: str) -> urllib3.BaseHTTPResponse:
        return self._http.request("GET", self.cluster.url + path, preload_content=False, retries=False)

    def pass_time(self, seconds: float) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(seconds=seconds))


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    try:
        yield made
    finally:
        made.close()


def test_an_object_is_created_read_listed_and_deleted(api: Api) -> None:
    status, made = api.ask("POST", DEPLOYMENTS, deployment())
    assert (status, made["metadata"]["generation"]) == (201, 1)
    assert made["spec"]["strategy"]["type"] == "RollingUpdate"
    assert made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert api.ask("GET", f"{DEPLOYMENTS}/web") == (200, made)
    status, listed = api.ask("GET", "/apis/apps/v1/deployments")
    assert (status, listed["kind"], len(listed["items"])) == (200, "DeploymentList", 1)
    assert api.ask("DELETE", f"{DEPLOYMENTS}/web")[1]["status"] == "Success"
    assert api.ask("GET", f"{DEPLOYMENTS}/web")[0] == 404


def test_lists_come_in_pages_and_by_label(api: Api) -> None:
    for name in ("a", "b", "c"):
        api.ask("POST", DEPLOYMENTS, {**deployment(name), "metadata": {"name": name, "labels": {"tier": name}}})
    _, first = api.ask("GET", f"{DEPLOYMENTS}?limit=2")
    token = first["metadata"]["continue"]
    _, second = api.ask("GET", f"{DEPLOYMENTS}?limit=2&continue={token}")
    assert [d["metadata"]["name"] for d in first["items"] + second["items"]] == ["a", "b", "c"]
    assert "continue" not in second["metadata"]
    for selector, names in (("tier=a", ["a"]), ("tier!=a", ["b", "c"]), ("tier in (a,c)", ["a", "c"]), ("!tier", [])):
        _, found = api.ask("GET", f"{DEPLOYMENTS}?labelSelector={selector.replace(' ', '%20')}")
        assert [d["metadata"]["name"] for d in found["items"]] == names
    only = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, slim = api.ask("GET", DEPLOYMENTS, Accept=only)
    assert (slim["kind"], set(slim["items"][0])) == ("PartialObjectMetadataList", {"metadata"})


@pytest.mark.parametrize(
    ("method", "path", "body", "media", "code", "reason"),
    [
        ("GET", f"{DEPLOYMENTS}/nobody", None, STRATEGIC, 404, "NotFound"),
        ("GET", "/apis/apps/v1/namespaces/default/gadgets", None, STRATEGIC, 404, "NotFound"),
        ("POST", DEPLOYMENTS, deployment(), "application/json", 409, "AlreadyExists"),
        ("POST", DEPLOYMENTS, deployment("x", selector={"matchLabels": {"app": "y"}}), MERGE, 422, "Invalid"),
        ("POST", DEPLOYMENTS, deployment("Upper"), MERGE, 422, "Invalid"),
        ("POST", DEPLOYMENTS, [], MERGE, 400, "BadRequest"),
        ("PATCH", f"{DEPLOYMENTS}/web", {}, "application/apply-patch+yaml", 415, "UnsupportedMediaType"),
        ("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"resourceVersion": "1"}}, STRATEGIC, 409, "Conflict"),
        ("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"selector": {"matchLabels": {"b": "c"}}}}, MERGE, 422, "Invalid"),
        ("PATCH", f"{DEPLOYMENTS}/web?dryRun=Some", {}, MERGE, 400, "BadRequest"),
        ("PUT", DEPLOYMENTS, {}, "application/json", 405, "MethodNotAllowed"),
    ],
)
def test_what_is_refused_is_a_status(
    api: Api, method: str, path: str, body: Any, media: str, code: int, reason: str
) -> None:
    api.ask("POST", DEPLOYMENTS, deployment())
    status, told = api.ask(method, path, body, media)
    assert (status, told["kind"], told["code"], told["reason"]) == (code, "Status", code, reason)
    assert told["message"]


def test_a_patch_merges_containers_or_replaces_them(api: Api) -> None:
    api.ask("POST", DEPLOYMENTS, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "web:2"}]}}}}
    _, merged = api.ask("PATCH", f"{DEPLOYMENTS}/web", patch, STRATEGIC)
    containers = merged["spec"]["template"]["spec"]["containers"]
    assert [c["image"] for c in containers] == ["web:2", "envoy:1"]
    _, replaced = api.ask("PATCH", f"{DEPLOYMENTS}/web", patch, MERGE)
    assert len(replaced["spec"]["template"]["spec"]["containers"]) == 1
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "web:3"}]
    _, edited = api.ask("PATCH", f"{DEPLOYMENTS}/web", image, "application/json-patch+json")
    assert edited["spec"]["template"]["spec"]["containers"][0]["image"] == "web:3"


def test_a_dry_run_writes_nothing(api: Api) -> None:
    api.ask("POST", DEPLOYMENTS, deployment())
    _, before = api.ask("GET", f"{DEPLOYMENTS}/web")
    _, would = api.ask("PATCH", f"{DEPLOYMENTS}/web?dryRun=All", {"spec": {"replicas": 5}}, MERGE)
    assert would["spec"]["replicas"] == 5
    assert api.ask("POST", f"{DEPLOYMENTS}?dryRun=All", deployment("other"))[0] == 201
    assert api.ask("DELETE", f"{DEPLOYMENTS}/web?dryRun=All")[0] == 200
    assert api.ask("GET", f"{DEPLOYMENTS}/web") == (200, before)
    assert api.ask("GET", f"{DEPLOYMENTS}/other")[0] == 404


def test_generations_count_specs_and_versions_count_writes(api: Api) -> None:
    _, made = api.ask("POST", DEPLOYMENTS, deployment())
    _, same = api.ask("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 2}}, MERGE)
    assert same == made  # nothing changed, nothing was written
    _, labelled = api.ask("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}}, MERGE)
    assert labelled["metadata"]["generation"] == 1
    assert labelled["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    _, scaled = api.ask("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, MERGE)
    assert scaled["metadata"]["generation"] == 2


def test_fields_have_owners(api: Api) -> None:
    api.ask("POST", f"{DEPLOYMENTS}?fieldManager=kubectl-create", deployment())
    api.pass_time(60)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "web:2"}]}}}}
    _, found = api.ask("PATCH", f"{DEPLOYMENTS}/web?fieldManager=longshore", patch, STRATEGIC)
    first, second = found["metadata"]["managedFields"]
    assert (first["manager"], second["manager"]) == ("kubectl-create", "longshore")
    assert first["time"] < second["time"]
    containers = second["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert containers == {'k:{"name":"app"}': {"f:image": {}}}
    theirs = first["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}']
    assert "f:image" not in theirs


def test_a_rollout_goes_pod_by_pod_and_ends(api: Api) -> None:
    api.ask("POST", DEPLOYMENTS, deployment())
    api.pass_time(30)
    _, found = api.ask("GET", f"{DEPLOYMENTS}/web")
    assert found["status"]["observedGeneration"] == 1
    assert (found["status"]["updatedReplicas"], found["status"]["availableReplicas"]) == (2, 2)
    assert {c["type"]: c["reason"] for c in found["status"]["conditions"]}["Progressing"] == "NewReplicaSetAvailable"
    pod = api.cluster.store.all(POD)[0]
    assert pod["status"]["containerStatuses"][0]["imageID"] == f"web@{GOOD}"


def test_a_rollout_that_makes_no_progress_is_given_up(api: Api) -> None:
    api.ask("POST", DEPLOYMENTS, deployment(progressDeadlineSeconds=120))
    api.pass_time(30)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "web:bad"}]}}}}
    api.ask("PATCH", f"{DEPLOYMENTS}/web", patch, STRATEGIC)
    api.pass_time(60)
    _, found = api.ask("GET", f"{DEPLOYMENTS}/web")
    assert found["status"]["conditions"][1]["reason"] == "ReplicaSetUpdated"
    api.pass_time(120)
    _, found = api.ask("GET", f"{DEPLOYMENTS}/web")
    assert found["status"]["conditions"][1]["reason"] == "ProgressDeadlineExceeded"
    assert found["status"]["availableReplicas"] == 2  # the old pods serve on


def test_a_watch_tells_what_changes_and_ends_in_time(api: Api) -> None:
    api.ask("POST", DEPLOYMENTS, deployment())
    _, listed = api.ask("GET", DEPLOYMENTS)
    version = listed["metadata"]["resourceVersion"]
    watched = api.stream(f"{DEPLOYMENTS}?watch=1&resourceVersion={version}&timeoutSeconds=2")
    change = threading.Thread(
        target=lambda: [
            api.cluster.create(DEPLOYMENT, "default", deployment("other")),
            api.cluster.create(NAMESPACE, "", {"metadata": {"name": "quiet"}}),
            api.cluster.store.delete(DEPLOYMENT, "default", "web"),
        ]
    )
    change.start()
    told = [json.loads(line) for line in b"".join(watched.stream()).splitlines()]
    change.join()
    assert [(each["type"], each["object"]["metadata"]["name"]) for each in told] == [
        ("ADDED", "other"),
        ("DELETED", "web"),
    ]


def test_closing_ends_a_watch(api: Api) -> None:
    watched = api.stream(f"{DEPLOYMENTS}?watch=1&resourceVersion=1&timeoutSeconds=600")
    closing = threading.Thread(target=api.cluster.close)
    closing.start()
    b"".join(watched.stream())
    closing.join()


def test_the_server_describes_itself(api: Api) -> None:
    _, groups = api.ask("GET", "/apis")
    assert "apps" in [group["name"] for group in groups["groups"]]
    _, apps = api.ask("GET", "/apis/apps/v1")
    assert {"deployments", "statefulsets", "daemonsets"} <= {each["name"] for each in apps["resources"]}
    assert api.ask("GET", "/version")[1]["major"] == "1"
    assert api.ask("GET", "/apis/nothing/v1")[0] == 404


# -- access ----------------------------------------------------------------------------------------------------------

KEY = Credentials("AKIAEXAMPLE", "secret", "session")
ROLE = "arn:aws:iam::123456789012:role/longshore"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[KubernetesCluster, urllib3.PoolManager]]:
    certificate = make_certificate(tmp_path)
    timeline = VirtualTimeline(datetime.now(UTC))
    cluster = KubernetesCluster("shop", timeline, lambda image: GOOD, certificate=certificate)
    cluster.admit("AKIAEXAMPLE", "secret", ROLE, "longshore")
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]
    cluster.create(CLUSTER_ROLE, "", {"metadata": {"name": "reader"}, "rules": rules})
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "Group", "name": "longshore"}],
    }
    cluster.create(CLUSTER_ROLE_BINDING, "", binding)
    http = urllib3.PoolManager(ssl_context=certificate.client_context(), retries=False)
    with cluster:
        yield cluster, http
        http.clear()


def _asked(secured: tuple[KubernetesCluster, urllib3.PoolManager], token: str, path: str = DEPLOYMENTS) -> int:
    cluster, http = secured
    return http.request("GET", cluster.url + path, headers={"Authorization": f"Bearer {token}"}).status


def test_a_presigned_token_is_who_signed_it(secured: tuple[KubernetesCluster, urllib3.PoolManager]) -> None:
    token = presigned_token(KEY, "shop", "eu-west-1", "aws")
    assert token.startswith("k8s-aws-v1.")
    assert "=" not in token
    assert _asked(secured, token) == 200
    assert _asked(secured, token, "/api/v1/nodes") == 403
    assert _asked(secured, token, f"{DEPLOYMENTS}/web") == 403


@pytest.mark.parametrize(
    "token",
    [
        "",
        "k8s-aws-v1.",
        "k8s-aws-v1.####",
        "k8s-aws-v2." + presigned_token(KEY, "shop", "eu-west-1", "aws").partition(".")[2],
        presigned_token(KEY, "other", "eu-west-1", "aws"),
        presigned_token(Credentials("AKIAEXAMPLE", "guessed"), "shop", "eu-west-1", "aws"),
        presigned_token(Credentials("AKIASTRANGER", "secret"), "shop", "eu-west-1", "aws"),
        presigned_token(KEY, "shop", "eu-west-1", "aws") + "A" * 4096,
    ],
    ids=["none", "empty", "garbled", "version", "cluster", "secret", "stranger", "long"],
)
def test_other_tokens_are_refused(secured: tuple[KubernetesCluster, urllib3.PoolManager], token: str) -> None:
    assert _asked(secured, token) == 401


def test_a_token_is_good_for_a_quarter_of_an_hour(secured: tuple[KubernetesCluster, urllib3.PoolManager]) -> None:
    signed = datetime.now(UTC)  # botocore signs with the machine's clock
    token = presigned_token(KEY, "shop", "eu-west-1", "aws")
    cluster, _ = secured
    cluster.access.now = lambda: signed + timedelta(minutes=14)
    assert _asked(secured, token) == 200
    cluster.access.now = lambda: signed + timedelta(minutes=16)
    assert _asked(secured, token) == 401


def test_a_principal_without_an_access_entry_is_refused(
    secured: tuple[KubernetesCluster, urllib3.PoolManager],
) -> None:
    cluster, _ = secured
    cluster.access.entries.clear()
    assert _asked(secured, presigned_token(KEY, "shop", "eu-west-1", "aws")) == 401
