"""Real kubectl on the Kubernetes stand-in, and beside the adapter."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from longshore.aws.eks import EksWorkloads
from longshore.aws.eks_access import Cluster, presigned_token
from longshore.aws.eks_connections import Connections
from longshore.workloads import Action, Change, Plan, RolloutStatus
from longshore_local.certificates import Certificate, make_certificate
from longshore_local.kubernetes.access import MASTERS
from longshore_local.kubernetes.cluster import KubernetesCluster
from longshore_local.timeline import WallTimeline

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl (Debian: kubernetes-client) is not installed")
ROOT = Path(__file__).parents[3]
PERSON = "arn:aws:iam::123456789012:role/person"
LONGSHORE = "arn:aws:iam::123456789012:role/longshore"
ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/shop"
HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations: {{longshore.dev/policy: digest}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
        - {{name: app, image: "{HOST}/team/web:1", imagePullPolicy: Always}}
        - {{name: envoy, image: "{HOST}/team/envoy:1"}}
"""


class Known:
    """Clusters and tokens for Connections: one cluster, no AWS."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def get(self, named: object) -> object:
        if isinstance(named, str):
            return self._cluster
        return presigned_token(Credentials("AKIALONGSHORE", "secret"), "shop", "eu-west-1", "aws")

    def forget(self, named: object) -> None:
        """Nothing is kept."""


class Shop:
    """The stand-in on real time, with kubectl as a person of the team `system:masters`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificate: Certificate = make_certificate(directory)
        self.timeline = WallTimeline()
        self.cluster = KubernetesCluster(
            "shop",
            self.timeline,
            lambda image: TWO if image.endswith(":2") else ONE,
            certificate=self.certificate,
            step=0.05,
        )
        self.cluster.add_node("one")
        self.cluster.admit("AKIAPERSON", "secret", PERSON, MASTERS)
        self.cluster.admit("AKIALONGSHORE", "secret", LONGSHORE, "longshore")
        self.cluster.start()
        self._over = threading.Event()
        self._driver = threading.Thread(target=self._drive)
        self._driver.start()
        known = Known(Cluster(ARN, "shop", "eu-west-1", self.cluster.url, self.certificate.ca.read_text(), False))
        self.connections = Connections(known, known)  # type: ignore[arg-type]
        self.adapter = EksWorkloads(self.connections, lambda: None, self.timeline)

    def _drive(self) -> None:
        while not self._over.wait(0.01):
            self.timeline.run_due()

    def close(self) -> None:
        self.connections.close()
        self._over.set()
        self._driver.join()
        self.cluster.close()

    def kubectl(self, *arguments: str, given: str = "", ok: bool = True) -> str:
        token = presigned_token(Credentials("AKIAPERSON", "secret"), "shop", "eu-west-1", "aws")
        assert KUBECTL
        ended = subprocess.run(
            [
                KUBECTL,
                f"--server={self.cluster.url}",
                f"--certificate-authority={self.certificate.ca}",
                f"--token={token}",
                f"--cache-dir={self.directory}/cache",
                *arguments,
            ],
            input=given,
            env={"HOME": str(self.directory), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode == 0) is ok, ended.stderr
        return ended.stdout + ("" if ok else ended.stderr)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_kubectl_applies_changes_restarts_and_waits(shop: Shop) -> None:
    assert "created" in shop.kubectl("apply", "-f", "-", given=MANIFEST)
    assert "successfully rolled out" in shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "unchanged" in shop.kubectl("apply", "-f", "-", given=MANIFEST)
    assert "configured" in shop.kubectl("apply", "-f", "-", given=MANIFEST.replace("web:1", "web:2"))
    shop.kubectl("set", "image", "deployment/web", f"app={HOST}/team/web:1")
    shop.kubectl("rollout", "restart", "deployment/web")
    assert "successfully rolled out" in shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    pods = json.loads(shop.kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    assert len(pods) == 2
    assert "deleted" in shop.kubectl("delete", "deployment", "web")
    assert "NotFound" in shop.kubectl("get", "deployment", "web", ok=False)


def test_the_shipped_rbac_is_taken_and_enough(shop: Shop) -> None:
    shop.kubectl("apply", "-f", "-", given=MANIFEST)
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    arn = f"{ARN}/default/deployment/web"
    with pytest.raises(Exception, match="forbidden"):
        shop.adapter.observe(arn)
    dry = shop.kubectl("apply", "--dry-run=server", "-f", str(ROOT / "docs/eks-rbac.yaml"))
    assert dry.count("created (server dry run)") == 4
    assert shop.kubectl("apply", "-f", str(ROOT / "docs/eks-rbac.yaml")).count("created") == 4
    seen = shop.adapter.observe(arn)
    assert (seen.workload.policy, seen.running["app"], seen.steady) == ("digest", ONE, True)


def test_kubectl_follows_what_longshore_begins_and_longshore_what_kubectl_does(shop: Shop) -> None:
    shop.kubectl("apply", "-f", str(ROOT / "docs/eks-rbac.yaml"))
    shop.kubectl("apply", "-f", "-", given=MANIFEST)
    shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    arn = f"{ARN}/default/deployment/web"
    seen, since = shop.adapter.observe(arn), datetime.now(UTC)
    change = Change("app", f"{HOST}/team/web:2", TWO, "2", (), ONE, f"{HOST}/team/web:1")
    id = shop.adapter.apply(seen, Plan(arn, Action.REVISE, (change,), "newer", "event-1"))
    assert id == shop.adapter.find(arn, since, seen.rollout)
    assert "successfully rolled out" in shop.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    rollout = shop.adapter.rollout(arn, str(id))
    assert (rollout.status, rollout.digests["app"]) == (RolloutStatus.SUCCEEDED, TWO)
    found = json.loads(shop.kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields"))
    assert [c["image"].rpartition("/")[2] for c in found["spec"]["template"]["spec"]["containers"]] == [
        "web:2",
        "envoy:1",
    ]
    assert "longshore" in [each["manager"] for each in found["metadata"]["managedFields"]]
    shop.kubectl("set", "image", "deployment/web", f"app={HOST}/team/web:1")
    assert shop.adapter.rollout(arn, str(id)).status is RolloutStatus.STOPPED
