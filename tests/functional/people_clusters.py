"""A Kubernetes cluster on a stage: who applies manifests there, and what its pods run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from longshore_local.kubernetes.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    POD,
    STATEFUL_SET,
    Kind,
)
from longshore_local.kubernetes.pods import is_ready
from tests.functional.stage import ACCOUNT, Stage, uri

if TYPE_CHECKING:
    from longshore_local.kubernetes.store import Object

KINDS = {"deployment": DEPLOYMENT, "statefulset": STATEFUL_SET, "daemonset": DAEMON_SET, "cronjob": CRON_JOB}
RBAC = Path(__file__).parents[2] / "docs/eks-rbac.yaml"
NAME = "kube"


class People:
    """What people do in a cluster beside Longshore."""

    def __init__(self, stage: Stage, policy: str | None = "annotations") -> None:
        self._stage = stage
        tags = {"longshore:policy": policy} if policy is not None else {}
        role = f"arn:aws:iam::{ACCOUNT}:role/cluster"
        vpc = {"subnetIds": ["subnet-1"]}
        made = stage.client("eks").create_cluster(name=NAME, roleArn=role, resourcesVpcConfig=vpc, tags=tags)
        self.arn = str(made["cluster"]["arn"])
        self.cluster = stage.bundle.eks.clusters[self.arn]
        self.cluster.add_node("one")
        self.cluster.admit("local", "local", f"arn:aws:iam::{ACCOUNT}:role/functions", "longshore")
        for document in yaml.safe_load_all(RBAC.read_text()):
            kind = {"ClusterRole": CLUSTER_ROLE, "ClusterRoleBinding": CLUSTER_ROLE_BINDING}[document["kind"]]
            self.cluster.create(kind, "", document)

    def apply(
        self,
        name: str = "web",
        image: str = "web:prod",
        policy: str | None = "profile:steady",
        kind: str = "deployment",
        *,
        settle: bool = True,
    ) -> str:
        """A steady workload of two pods, found by the next sweep; what led there is forgotten. Answers its id."""
        labels = {"app": name}
        containers = [{"name": "app", "image": uri(image), "imagePullPolicy": "Always"}]
        template: dict[str, Any] = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
        if kind != "daemonset":
            spec["replicas"] = 2
        if kind == "cronjob":
            spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}
        meta = {"name": name, "annotations": {"longshore.dev/policy": policy} if policy is not None else {}}
        self.cluster.create(KINDS[kind], "default", {"metadata": meta, "spec": spec})
        if kind == "cronjob":
            self.cluster.controllers.run("default", name)
        if settle:
            self._stage.run(minutes=70)  # a sweep: EKS sends no events of workloads
            self._stage.forget()
            self.cluster.server.requests.clear()
        return f"{self.arn}/default/{kind}/{name}"

    def edit(self, by: str = "kubectl", name: str = "web", kind: str = "deployment", **members: Any) -> None:
        """A person changes the image, or labels."""

        def change(found: Object) -> Object:
            if "image" in members:
                found["spec"]["template"]["spec"]["containers"][0]["image"] = uri(members["image"])
            found["metadata"]["labels"] = {**found["metadata"].get("labels", {}), **members.get("labels", {})}
            return found

        self.cluster.edit(KINDS[kind], "default", name, change, by)

    def object(self, name: str = "web", kind: str = "deployment") -> Object:
        """The workload."""
        return self.cluster.store.get(self._kind(kind), "default", name)

    def _kind(self, kind: str) -> Kind:
        return KINDS[kind]

    def declared(self, name: str = "web", kind: str = "deployment") -> str:
        """The image that the workload declares."""
        spec = self.object(name, kind)["spec"]
        template = spec["jobTemplate"]["spec"]["template"] if kind == "cronjob" else spec["template"]
        return str(template["spec"]["containers"][0]["image"])

    def running(self, name: str = "web") -> str:
        """The digest that every ready pod of an app runs."""
        pods = [p for p in self.cluster.store.all(POD) if p["metadata"]["labels"].get("app") == name and is_ready(p)]
        (digest,) = {p["status"]["containerStatuses"][0]["imageID"].partition("@")[2] for p in pods}
        return str(digest)

    def writes(self) -> list[str]:
        """The requests by which functions of the stack changed something."""
        return [
            f"{method} {path.partition('?')[0]}" for method, path in self.cluster.server.requests if method != "GET"
        ]
