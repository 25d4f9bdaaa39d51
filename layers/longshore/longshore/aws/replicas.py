"""Replication in private ECR: how far an image is on its way to other places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore.places import Place
from longshore.redeploy.ports import Replica, ReplicaStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from longshore.images import Digest, Repository


class EcrReplicas:
    """See `redeploy.ports.Replicas`."""

    def __init__(self, ecr: Callable[[Place], Any]) -> None:
        """`ecr` answers the client of a place."""
        self._ecr = ecr

    def of(self, repository: Repository, digest: Digest) -> Mapping[Place, Replica]:
        """One call, to the registry that the image was pushed to."""
        try:
            with aws_errors():
                answer = self._ecr(Place(repository.account, repository.region)).describe_image_replication_status(
                    registryId=repository.account, repositoryName=repository.name, imageId={"imageDigest": digest}
                )
        except GoneError:
            return {}
        return {
            Place(each["registryId"], each["region"]): Replica(
                ReplicaStatus(each["status"]), each.get("failureCode", "")
            )
            for each in answer.get("replicationStatuses", [])
        }
