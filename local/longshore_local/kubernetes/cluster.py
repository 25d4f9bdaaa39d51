"""A Kubernetes cluster on 127.0.0.1, as EKS offers one: the API server, its controllers, and handles for a test."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from longshore_local.certificates import Certificate
from longshore_local.kubernetes.access import Access, Entry
from longshore_local.kubernetes.api import Api
from longshore_local.kubernetes.controllers import Controllers
from longshore_local.kubernetes.http import ApiServer
from longshore_local.kubernetes.kinds import NAMESPACE, NODE, Kind
from longshore_local.kubernetes.pods import Kubelet, Resolve
from longshore_local.kubernetes.store import Object, Store
from longshore_local.timeline import Timeline

_STEP = 2.0


class KubernetesCluster:
    """Between `start` and `close` it answers on `url`; a context manager.

    With a certificate the server speaks TLS. `resolve` tells the digest of a declared image. `step` is how many seconds
    of the timeline a rollout takes for one pod.
    """

    def __init__(
        self,
        name: str,
        timeline: Timeline,
        resolve: Resolve,
        *,
        certificate: Certificate | None = None,
        secured: bool = True,
        step: float = _STEP,
        wall: Callable[[], datetime] | None = None,
    ) -> None:
        """`secured`: callers show tokens and need access entries; `wall` is the clock that tokens are dated by."""
        self.name = name
        self.store = Store(timeline.now)
        self.kubelet = Kubelet(self.store, resolve, timeline.now)
        self.controllers = Controllers(self.store, self.kubelet, timeline, step)
        self.access = Access(name, wall or timeline.now)
        self.api = Api(self.store, self.access if secured else None)
        self.server = ApiServer(self.api, certificate)
        self.create(NAMESPACE, "", {"metadata": {"name": "default"}})

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.server.url

    def start(self) -> Self:
        """Binds the port."""
        self.server.start()
        return self

    def close(self) -> None:
        """Ends without a trace."""
        self.server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def admit(self, key: str, secret: str, arn: str, *groups: str) -> None:
        """An IAM principal with an access entry."""
        self.access.principals[key] = (secret, arn)
        self.access.entries[arn] = Entry(arn, groups)

    def create(self, kind: Kind, namespace: str, document: Mapping[str, Any], manager: str = "kubectl") -> Object:
        """Somebody creates an object."""
        return self.store.create(kind, namespace, document, manager)

    def add_node(self, name: str, architecture: str = "amd64", system: str = "linux", **labels: str) -> None:
        """A machine joins."""
        known = {"kubernetes.io/arch": architecture, "kubernetes.io/os": system, "kubernetes.io/hostname": name}
        named = {key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}
        info = {"architecture": architecture, "operatingSystem": system}
        meta = {"name": name, "labels": {**known, **named}}
        self.create(NODE, "", {"metadata": meta, "spec": {}, "status": {"nodeInfo": info}}, "kubelet")

    def edit(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Object], Object], by: str = "kubectl"
    ) -> None:
        """Somebody else changes an object."""
        self.store.change(kind, namespace, name, change, by)
