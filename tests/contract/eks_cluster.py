"""An EKS cluster for the contract tests: the adapter on the stand-in, over TLS, with the shipped RBAC, and the handles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import yaml

from longshore.aws.eks import EksWorkloads
from longshore.aws.eks_access import Clusters, Tokens
from longshore.aws.eks_connections import Connections
from longshore.workloads import WorkloadId
from longshore_local import moto_eks
from longshore_local.kubernetes.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    STATEFUL_SET,
    Kind,
)
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, digest, image

if TYPE_CHECKING:
    from longshore_local.kubernetes.cluster import KubernetesCluster

ROLE = "arn:aws:iam::123456789012:role/longshore-redeploy"
SIDECAR = "public.ecr.aws/envoy/envoy:v1"
KINDS = {"deployment": DEPLOYMENT, "statefulset": STATEFUL_SET, "daemonset": DAEMON_SET, "cronjob": CRON_JOB}
MANIFEST = Path(__file__).parents[2] / "docs/eks-rbac.yaml"


class EksDriver:
    """The adapter and what happens beside Longshore; everything it creates is of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.timeline = VirtualTimeline()
        self.tags: dict[str, str] = {}
        self.simulator = moto_eks.install(self.timeline, self._resolve, wall=lambda: datetime.now(UTC))
        tags = {"longshore:policy": "annotations"}
        vpc = {"subnetIds": ["subnet-1"]}
        made = client("eks").create_cluster(
            name="shop", roleArn="arn:aws:iam::123456789012:role/eks", resourcesVpcConfig=vpc, tags=tags
        )["cluster"]
        self.cluster_arn = str(made["arn"])
        self.cluster: KubernetesCluster = self.simulator.clusters[self.cluster_arn]
        for name in ("one", "two"):
            self.cluster.add_node(name, "arm64")
        for document in yaml.safe_load_all(MANIFEST.read_text()):
            kinds = {"ClusterRole": CLUSTER_ROLE, "ClusterRoleBinding": CLUSTER_ROLE_BINDING}
            self.cluster.create(kinds[document["kind"]], "", document)
        self.credentials: Any = boto3.Session().get_credentials()
        self.admit()
        self.connections = Connections(
            Clusters(lambda: client("eks"), self.timeline), Tokens(lambda: self.credentials, self.timeline)
        )
        self.platform = EksWorkloads(self.connections, lambda: client("resourcegroupstaggingapi"), self.timeline)
        self.discovery = self.platform

    def admit(self) -> None:
        """The role's credentials of now are those that the cluster takes."""
        self.cluster.access.principals.clear()
        self.cluster.admit(self.credentials.access_key, self.credentials.secret_key, ROLE, "longshore")

    def close(self) -> None:
        """Ends without a trace."""
        self.connections.close()
        self.simulator.close()

    def _resolve(self, declared: str, account: str, region: str) -> str | None:
        if declared == SIDECAR:
            return digest(SIDECAR)
        _, _, pinned = declared.partition("@")
        return pinned or self.tags.get(declared.removeprefix(f"{HOST}/{WEB.name}:"))

    def now(self) -> datetime:
        """The present."""
        return self.timeline.now()

    def run(self, seconds: float) -> None:
        """Time passes."""
        self.timeline.advance_to(self.timeline.now() + timedelta(seconds=seconds))

    def push(self, tag: str, pushed: str) -> None:
        """A tag names another image."""
        self.tags[tag] = pushed

    def arn(self, name: str) -> str:
        """The id of a workload."""
        return f"{self.cluster_arn}/default/{self.kind}/{name}"

    def create(self, name: str, *, pull: str = "Always", **annotations: str) -> str:
        """A steady workload of two pods."""
        containers = [
            {"name": "app", "image": image(WEB, "prod"), "imagePullPolicy": pull},
            {"name": "envoy", "image": SIDECAR, "env": [{"name": "LEVEL", "value": "info"}]},
        ]
        labels = {"app": name}
        template: dict[str, Any] = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
        if self.kind == "cronjob":
            spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}
        elif self.kind != "daemonset":
            spec["replicas"] = 2
        noted = {f"longshore.dev/{key}": value for key, value in annotations.items()}
        document = {"metadata": {"name": name, "annotations": noted}, "spec": spec}
        self.cluster.create(self.of_kind, "default", document)
        self.run(60)
        if self.kind == "cronjob":
            self.cluster.controllers.run("default", name)
        return self.arn(name)

    @property
    def of_kind(self) -> Kind:
        """The kind as the stand-in has it."""
        return KINDS[self.kind]

    def finish(self, arn: str) -> None:
        """The rollout comes to its end; what is a CronJob runs once."""
        self.run(1200)
        if self.kind == "cronjob":
            self.cluster.controllers.run("default", WorkloadId.parse(arn).name)

    def object(self, arn: str) -> dict[str, Any]:
        """The workload as the cluster has it."""
        return self.cluster.store.get(self.of_kind, "default", WorkloadId.parse(arn).name)

    def edit(self, arn: str, by: str = "kubectl", **members: Any) -> None:
        """Somebody else changes `metadata` members, or the image of the container app."""

        def change(found: dict[str, Any]) -> dict[str, Any]:
            if "image" in members:
                spec = found["spec"]["jobTemplate"]["spec"] if self.kind == "cronjob" else found["spec"]
                spec["template"]["spec"]["containers"][0]["image"] = members["image"]
            for name in ("annotations", "labels"):
                found["metadata"][name] = {**found["metadata"].get(name, {}), **members.get(name, {})}
            found["spec"].update(members.get("spec", {}))
            return found

        self.cluster.edit(self.of_kind, "default", WorkloadId.parse(arn).name, change, by)


@contextmanager
def eks(kind: str = "deployment") -> Iterator[EksDriver]:
    """A cluster in an account of its own."""
    with mocked():
        driver = EksDriver(kind)
        try:
            yield driver
        finally:
            driver.close()
