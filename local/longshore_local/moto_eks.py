"""EKS of moto with clusters that answer: each has a Kubernetes API server on 127.0.0.1, and is found by its tags."""

import base64
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.core.resource_tagging import TaggedResource, make_tag_matcher, match_resource_type
from moto.eks.models import EKSBackend, eks_backends
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend

from longshore_local.certificates import Certificate, make_certificate
from longshore_local.ecs.patches import Patches
from longshore_local.kubernetes.cluster import KubernetesCluster
from longshore_local.timeline import Timeline

Resolver = Callable[[str, str, str], str | None]
"""(image, account, region) -> digest, None for an image that cannot be pulled."""


class EksSimulator:
    """The clusters by ARN. Made by `install`; `close` ends their servers and leaves moto as it was."""

    def __init__(self, timeline: Timeline, resolve: Resolver, wall: Callable[[], datetime] | None) -> None:
        self._timeline = timeline
        self._resolve = resolve
        self._wall = wall
        self._directory = tempfile.TemporaryDirectory(prefix="longshore-eks-")
        self._certificate: Certificate | None = None
        self._patches = Patches()
        self.clusters: dict[str, KubernetesCluster] = {}

    def close(self) -> None:
        """Harmless when it was done before."""
        self._patches.undo()
        self.clear()
        self._directory.cleanup()

    def clear(self) -> None:
        """Ends every cluster."""
        while self.clusters:
            self.clusters.popitem()[1].close()

    def patch(self) -> None:
        """Takes the place of what moto does with clusters."""
        create, delete = EKSBackend.create_cluster, EKSBackend.delete_cluster
        list_resources = ResourceGroupsTaggingAPIBackend._get_resources_generator

        def create_cluster(backend: EKSBackend, *positional: Any, **named: Any) -> Any:
            made: Any = create(backend, *positional, **named)
            self._start(made, backend.account_id, backend.region_name)
            return made

        def delete_cluster(backend: EKSBackend, name: str) -> Any:
            gone: Any = delete(backend, name)
            if server := self.clusters.pop(gone.arn, None):
                server.close()
            return gone

        def resources(backend: ResourceGroupsTaggingAPIBackend, *positional: Any, **named: Any) -> Any:
            yield from list_resources(backend, *positional, **named)
            yield from _tagged(backend.account_id, backend.region_name, *positional, **named)

        self._patches.put(EKSBackend, "create_cluster", create_cluster)
        self._patches.put(EKSBackend, "delete_cluster", delete_cluster)
        self._patches.put(ResourceGroupsTaggingAPIBackend, "_get_resources_generator", resources)

    def _start(self, made: Any, account: str, region: str) -> None:
        if self._certificate is None:
            self._certificate = make_certificate(Path(self._directory.name))
        server = KubernetesCluster(
            made.name,
            self._timeline,
            lambda image: self._resolve(image, account, region),
            certificate=self._certificate,
            wall=self._wall,
        )
        self.clusters[made.arn] = server.start()
        made.endpoint = server.url
        made.certificate_authority = {"data": base64.b64encode(self._certificate.ca.read_bytes()).decode()}


def install(timeline: Timeline, resolve: Resolver, wall: Callable[[], datetime] | None = None) -> EksSimulator:
    """Puts it into moto. `wall` is the clock by which tokens are dated: that of whoever signs them."""
    simulator = EksSimulator(timeline, resolve, wall)
    simulator.patch()
    return simulator


def _tagged(
    account: str,
    region: str,
    tag_filters: list[dict[str, Any]] | None = None,
    resource_type_filters: list[str] | None = None,
    resource_arn_list: list[str] | None = None,
) -> Iterator[TaggedResource]:
    matches = make_tag_matcher(tag_filters)
    for cluster in list(eks_backends[account][region].clusters.values()):
        wanted = not resource_arn_list or cluster.arn in resource_arn_list
        if (
            cluster.tags
            and wanted
            and matches(cluster.tags)
            and match_resource_type("eks:cluster", resource_type_filters)
        ):
            yield TaggedResource(cluster.arn, cluster.tags, "eks:cluster")
