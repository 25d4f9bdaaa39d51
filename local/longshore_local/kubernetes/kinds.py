"""The kinds of object that the stand-in keeps, as the Kubernetes API names them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API: group and version, its name in paths, its kind, and whether it lives in a namespace."""

    group: str
    version: str
    plural: str
    name: str
    short: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """``apps/v1``; the core group has no name."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """``deployments.apps``, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def described(self) -> dict[str, Any]:
        """An APIResource of discovery."""
        return {
            "name": self.plural,
            "singularName": self.name.lower(),
            "namespaced": self.namespaced,
            "kind": self.name,
            "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            **({"shortNames": list(self.short)} if self.short else {}),
        }


_RBAC = "rbac.authorization.k8s.io"
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", ("deploy",))
STATEFUL_SET = Kind("apps", "v1", "statefulsets", "StatefulSet", ("sts",))
DAEMON_SET = Kind("apps", "v1", "daemonsets", "DaemonSet", ("ds",))
REPLICA_SET = Kind("apps", "v1", "replicasets", "ReplicaSet", ("rs",))
CRON_JOB = Kind("batch", "v1", "cronjobs", "CronJob", ("cj",))
JOB = Kind("batch", "v1", "jobs", "Job")
POD = Kind("", "v1", "pods", "Pod", ("po",))
NODE = Kind("", "v1", "nodes", "Node", ("no",), namespaced=False)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False)
CLUSTER_ROLE = Kind(_RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = Kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ROLE = Kind(_RBAC, "v1", "roles", "Role")
ROLE_BINDING = Kind(_RBAC, "v1", "rolebindings", "RoleBinding")
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", ("cm",))

KINDS = (
    NAMESPACE,
    NODE,
    POD,
    CONFIG_MAP,
    DEPLOYMENT,
    STATEFUL_SET,
    DAEMON_SET,
    REPLICA_SET,
    CRON_JOB,
    JOB,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
)


def find_kind(group: str, version: str, plural: str) -> Kind | None:
    """The kind that a path names."""
    return next((k for k in KINDS if (k.group, k.version, k.plural) == (group, version, plural)), None)
