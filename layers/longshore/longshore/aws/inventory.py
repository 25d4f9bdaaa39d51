"""ECS services, clusters and tasks as recover looks at them, and whether images are still in ECR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError, UnsupportedError
from longshore.images import is_digest
from longshore.recover.service_ports import Page
from longshore.recover.services import Service, cluster_of

if TYPE_CHECKING:
    from longshore.images import Digest, Repository

_SERVICES = 10  # DescribeServices takes at most ten
_LISTED = 100  # the largest page of ListClusters and ListTasks


class EcsServiceStates:
    """Services of an account and Region."""

    def __init__(self, ecs: Any) -> None:
        self._ecs = ecs

    def get(self, arn: str) -> Service | None:
        """One service, or None."""
        return self.survey([arn]).get(arn)

    def survey(self, arns: Sequence[str]) -> Mapping[str, Service]:
        """DescribeServices for ten of a cluster at a time, with tags."""
        clusters: dict[str, list[str]] = {}
        for arn in arns:
            clusters.setdefault(cluster_of(arn), []).append(arn)
        found: dict[str, Service] = {}
        for cluster, named in clusters.items():
            for start in range(0, len(named), _SERVICES):
                found |= self._described(cluster, named[start : start + _SERVICES])
        return found

    def _described(self, cluster: str, arns: Sequence[str]) -> dict[str, Service]:
        try:
            with aws_errors():
                answer = self._ecs.describe_services(cluster=cluster, services=list(arns), include=["TAGS"])
        except GoneError:
            return {}  # without its cluster
        return {str(each["serviceArn"]): Service.read(each) for each in answer.get("services", [])}


class EcsInventory:
    """Clusters and tasks, page by page."""

    def __init__(self, ecs: Any) -> None:
        self._ecs = ecs

    def clusters(self, after: str) -> Page:
        """ListClusters."""
        with aws_errors():
            answer = self._ecs.list_clusters(maxResults=_LISTED, **_next(after))
        return Page(tuple(answer.get("clusterArns", [])), answer.get("nextToken") or "")

    def tasks(self, cluster: str, desired: str, after: str) -> Page:
        """ListTasks. A page whose token ECS does not take any more is the last one."""
        try:
            with aws_errors():
                answer = self._ecs.list_tasks(
                    cluster=cluster, desiredStatus=desired, maxResults=_LISTED, **_next(after)
                )
        except GoneError:
            return Page(())
        except UnsupportedError:
            if not after:
                raise
            return Page(())
        return Page(tuple(answer.get("taskArns", [])), answer.get("nextToken") or "")


class EcrImages:
    """Images of private repositories in this Region."""

    def __init__(self, ecr: Callable[[], Any]) -> None:
        """`ecr` answers the boto3 client, which is made with the first image that is looked for."""
        self._ecr = ecr

    def digest(self, repository: Repository, reference: str) -> Digest | None:
        """DescribeImages of one image."""
        member = "imageDigest" if is_digest(reference) else "imageTag"
        try:
            with aws_errors():
                answer = self._ecr().describe_images(
                    registryId=repository.account, repositoryName=repository.name, imageIds=[{member: reference}]
                )
        except GoneError:
            return None
        return next((str(each["imageDigest"]) for each in answer.get("imageDetails", [])), None)


def _next(after: str) -> dict[str, str]:
    return {"nextToken": after} if after else {}
