"""The adapter on a real kube-apiserver, and the stand-in held against it; without controllers, so nothing rolls.

KUBEBUILDER_ASSETS names the directory of kube-apiserver and etcd, as `setup-envtest use -p path` prints it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from longshore.aws.eks import EksWorkloads
from longshore.aws.eks_access import Cluster
from longshore.aws.eks_connections import Connections
from longshore.aws.kubernetes import Kubernetes
from longshore.errors import ConflictError, GoneError, LongshoreError, UnsupportedError
from longshore.workloads import Action, Change, Plan
from longshore_local.certificates import Certificate, make_certificate
from longshore_local.kubernetes.cluster import KubernetesCluster
from longshore_local.timeline import WallTimeline

ASSETS = os.environ.get("KUBEBUILDER_ASSETS", "")
TOKEN = "a-token-of-this-test"
ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/shop"
WEB = f"{ARN}/default/deployment/web"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WAIT = threading.Event()


class Known:
    """Clusters and tokens for Connections: one cluster, no AWS."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def get(self, named: object) -> object:
        return self._cluster if isinstance(named, str) else TOKEN

    def forget(self, named: object) -> None:
        """Nothing is kept."""


class Api:
    """A server, its raw client and the adapter; `post` is what the adapter never does."""

    def __init__(self, url: str, certificate: Certificate) -> None:
        authority = certificate.ca.read_text()
        self.raw = Kubernetes(url, authority, lambda: TOKEN)
        known = Known(Cluster(ARN, "shop", "eu-west-1", url, authority, False))
        self.connections = Connections(known, known)  # type: ignore[arg-type]
        self.adapter = EksWorkloads(self.connections, lambda: None, WallTimeline())

    def post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        return self.raw._ask("POST", path, {}, document, "application/json")

    def close(self) -> None:
        self.raw.close()
        self.connections.close()


@contextmanager
def stand_in(directory: Path) -> Iterator[Api]:
    certificate = make_certificate(directory)
    cluster = KubernetesCluster("shop", WallTimeline(), lambda image: None, certificate=certificate, secured=False)
    with cluster:
        api = Api(cluster.url, certificate)
        yield api
        api.close()


@contextmanager
def real(directory: Path) -> Iterator[Api]:
    certificate = make_certificate(directory)
    (directory / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    store, peers, port = (_free_port() for _ in range(3))
    etcd = [
        "etcd",
        f"--data-dir={directory}/etcd",
        f"--listen-client-urls=http://127.0.0.1:{store}",
        f"--advertise-client-urls=http://127.0.0.1:{store}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
        "--unsafe-no-fsync",
    ]
    server = [
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{store}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={directory}/apiserver",
        f"--tls-cert-file={certificate.certificate}",
        f"--tls-private-key-file={certificate.key}",
        f"--token-auth-file={directory}/tokens.csv",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://localhost",
        f"--service-account-key-file={certificate.key}",
        f"--service-account-signing-key-file={certificate.key}",
        "--disable-admission-plugins=ServiceAccount",
    ]
    with ExitStack() as running:
        for command in (etcd, server):
            running.enter_context(_process([f"{ASSETS}/{command[0]}", *command[1:]], directory))
        api = Api(f"https://127.0.0.1:{port}", certificate)
        running.callback(api.close)
        _until(lambda: bool(api.raw.get("/api/v1/namespaces/default")))
        yield api


@contextmanager
def _process(command: list[str], directory: Path) -> Iterator[None]:
    with (directory / "log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        try:
            if holds():
                return
        except LongshoreError:
            pass
        WAIT.wait(0.2)
    raise TimeoutError("kube-apiserver does not come up")


SERVERS = [
    pytest.param(stand_in, id="stand-in"),
    pytest.param(
        real,
        id="real",
        marks=pytest.mark.skipif(not ASSETS, reason="KUBEBUILDER_ASSETS does not name kube-apiserver and etcd"),
    ),
]


@pytest.fixture(params=SERVERS)
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    with request.param(tmp_path) as made:
        yield made


def deployment(**noted: str) -> dict[str, Any]:
    labels = {"app": "web"}
    containers = [
        {"name": "app", "image": "repo/web:1", "env": [{"name": "LEVEL", "value": "info"}]},
        {"name": "envoy", "image": "repo/envoy:1"},
    ]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    meta = {"name": "web", "annotations": {"longshore.dev/policy": "digest", **noted}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def plan(image: str) -> Plan:
    change = Change("app", image, "sha256:" + "1" * 64, "2", (), None, "repo/web:1")
    return Plan(WEB, Action.REVISE, (change,), "newer", "event-1")


def test_the_adapter_changes_one_image_and_finds_its_own_rollout(api: Api) -> None:
    api.post(DEPLOYMENTS, deployment())
    before = api.raw.get(f"{DEPLOYMENTS}/web")
    seen, since = api.adapter.observe(WEB), datetime.now(UTC)
    assert (seen.workload.policy, dict(seen.running), seen.desired) == ("digest", {}, 2)
    id = api.adapter.apply(seen, plan("repo/web:2"))
    after = api.raw.get(f"{DEPLOYMENTS}/web")
    before["spec"]["template"]["spec"]["containers"][0]["image"] = "repo/web:2"
    assert after["spec"] == before["spec"]
    assert (id, api.adapter.observe(WEB).rollout) == (api.adapter.find(WEB, since, seen.rollout), id)
    owners = [e["manager"] for e in after["metadata"]["managedFields"]]
    assert "longshore" in owners
    with pytest.raises(ConflictError):
        api.adapter.apply(seen, plan("repo/web:3"))


def test_reading_is_stable(api: Api) -> None:
    api.post(DEPLOYMENTS, deployment())
    first = api.adapter.observe(WEB).rollout
    api.raw.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}})
    assert api.adapter.observe(WEB).rollout == first
    assert [f["metadata"]["name"] for f in api.raw.list("/apis/apps/v1/deployments", metadata=True)] == ["web"]


def test_defaults_are_those_of_the_api(api: Api) -> None:
    """What the stand-in fills in, the real one does too, with the same values."""
    made = api.post(DEPLOYMENTS, deployment())
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert made["spec"]["progressDeadlineSeconds"] == 600
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert made["metadata"]["generation"] == 1
    patched = api.raw.patch(f"{DEPLOYMENTS}/web", {"metadata": {"annotations": {"a": "b"}}})
    assert patched["metadata"]["generation"] == 2  # of Deployments alone


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        ({"metadata": {"resourceVersion": "1"}}, ConflictError),
        ({"spec": {"selector": {"matchLabels": {"app": "other"}}}}, UnsupportedError),
        ({"spec": {"template": {"spec": {"containers": [{"image": "no-name"}]}}}}, LongshoreError),
    ],
)
def test_refusals_are_the_same(api: Api, patch: dict[str, Any], error: type[LongshoreError]) -> None:
    api.post(DEPLOYMENTS, deployment())
    with pytest.raises(error):
        api.raw.patch(f"{DEPLOYMENTS}/web", patch)
    with pytest.raises(GoneError):
        api.raw.get(f"{DEPLOYMENTS}/nobody")
    with pytest.raises(ConflictError):
        api.post(DEPLOYMENTS, deployment())
