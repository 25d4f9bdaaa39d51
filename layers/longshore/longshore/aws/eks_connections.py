"""Connections to the API servers of EKS clusters, made when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from longshore.aws.kubernetes import Kubernetes, NotConnectedError, UnauthorizedError, UntrustedError
from longshore.errors import EndpointPrivateError, UpstreamError

if TYPE_CHECKING:
    from longshore.aws.eks_access import Cluster, Clusters, Tokens

T = TypeVar("T")


class Connections:
    """One connection for each cluster, by its name."""

    def __init__(
        self,
        clusters: Clusters,
        tokens: Tokens,
        connect: Callable[[str, str, Callable[[], str]], Kubernetes] = Kubernetes,
    ) -> None:
        """`connect` is asked with the endpoint, the authority and what answers the token."""
        self._clusters = clusters
        self._tokens = tokens
        self._connect = connect
        self._connected: dict[Cluster, Kubernetes] = {}

    def close(self) -> None:
        """Closes every connection."""
        while self._connected:
            self._connected.popitem()[1].close()

    def ask(self, name: str, question: Callable[[Kubernetes], T]) -> T:
        """Asks a cluster's API server; once more with a new token when it did not know the one that was kept."""
        cluster = self._clusters.get(name)
        try:
            try:
                return question(self._api(cluster))
            except UnauthorizedError:
                self._tokens.forget(cluster)
                return question(self._api(cluster))
        except NotConnectedError as error:
            self._forget(cluster)
            if cluster.is_private:
                raise EndpointPrivateError(
                    f"{cluster.arn} does not answer here, and its endpoint is not open to all: give the stack subnets "
                    "and security groups that reach it (SubnetIds, SecurityGroupIds)"
                ) from error
            raise UpstreamError(str(error)) from error
        except UntrustedError:
            self._forget(cluster)  # a cluster of the same name may have been made anew
            raise

    def _forget(self, cluster: Cluster) -> None:
        self._clusters.forget(cluster.name)
        if api := self._connected.pop(cluster, None):
            api.close()

    def _api(self, cluster: Cluster) -> Kubernetes:
        if cluster not in self._connected:
            token = lambda: self._tokens.get(cluster)  # noqa: E731
            self._connected[cluster] = self._connect(cluster.endpoint, cluster.authority, token)
        return self._connected[cluster]
