"""A Kubernetes cluster in a scenario: what a team runs in EKS, and what its pods run."""

from collections.abc import Mapping
from typing import Any

import yaml

from longshore_local.bundle import ACCOUNT, ROOT
from longshore_local.demo.sentences import short
from longshore_local.demo.stage import Stage
from longshore_local.images import SyntheticImage
from longshore_local.kubernetes.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DEPLOYMENT, POD
from longshore_local.kubernetes.pods import is_ready

_GRANTS = {"ClusterRole": CLUSTER_ROLE, "ClusterRoleBinding": CLUSTER_ROLE_BINDING}


class Cluster:
    """A tagged EKS cluster on a scenario's stage, in which Longshore may do what its RBAC manifest says."""

    def __init__(self, stage: Stage, name: str = "kube") -> None:
        self._stage = stage
        made = stage.client("eks").create_cluster(
            name=name,
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/cluster",
            resourcesVpcConfig={"subnetIds": ["subnet-1"]},
            tags={"longshore:policy": "annotations"},
        )
        self._name = name
        self._cluster = stage.bundle.eks.clusters[made["cluster"]["arn"]]
        self._cluster.add_node("node-1")
        self._cluster.admit("local", "local", f"arn:aws:iam::{ACCOUNT}:role/longshore", "longshore")
        for document in yaml.safe_load_all((ROOT / "docs" / "eks-rbac.yaml").read_text()):
            self._cluster.create(_GRANTS[document["kind"]], "", document)

    def apply(self, name: str, images: Mapping[str, str], policy: str) -> None:
        """Creates an annotated Deployment of two pods, which the next sweep finds, and tells it."""
        containers = [{"name": key, "image": image, "imagePullPolicy": "Always"} for key, image in images.items()]
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        spec: dict[str, Any] = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        meta = {"name": name, "annotations": {"longshore.dev/policy": policy}}
        self._cluster.create(DEPLOYMENT, "default", {"metadata": meta, "spec": spec})
        self._stage.wait(minutes=70)
        self._stage.narrator.speak()
        told = f"have the Deployment {name} in {self._name}, annotated longshore.dev/policy: {policy}"
        self._stage.narrator.say("You", f"{told}: {self.describe(name)}")

    def fail(self, image: SyntheticImage) -> None:
        """Makes an image a bad one: its containers crash."""
        self._cluster.kubelet.failing.add(image.digest)

    def running(self, name: str) -> dict[str, str]:
        """The digests of the ready pods by container, where they agree."""
        pods = [p for p in self._cluster.store.all(POD) if p["metadata"]["labels"].get("app") == name and is_ready(p)]
        found: dict[str, set[str]] = {}
        for each in (status for pod in pods for status in pod["status"]["containerStatuses"]):
            found.setdefault(each["name"], set()).add(each["imageID"].partition("@")[2])
        return {container: digest for container, (digest, *others) in found.items() if not others}

    def describe(self, name: str) -> str:
        """What the pods run, in words."""
        return "its pods run " + ", ".join(f"{key} = {short(digest)}" for key, digest in self.running(name).items())

    def conclude(self, name: str) -> None:
        """Tells where the Deployment ended."""
        self._stage.narrator.say("Now", f"{name}: {self.describe(name)}")
