"""Private ECR as a downstream: what it holds in bulk, repositories from a template, tags deleted, logins (mirror 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError, LongshoreError

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.rules import Template

_BATCH = 100  # BatchCheckLayerAvailability, BatchDeleteImage and DescribeImages take at most a hundred
_PAGE = 1000


class Token(NamedTuple):
    """`authorizationToken` of GetAuthorizationToken, and when it ends."""

    value: str
    expires: datetime


class EcrHoldings:
    """See `mirror.ports.Holdings`, for one registry; the same calls serve ECR and ECR Public."""

    def __init__(self, client: Any, registry: str | None) -> None:
        """`registry` is the account, None for one's own (ECR Public)."""
        self._client = client
        self._of = {"registryId": registry} if registry else {}

    def tagged(self, repository: str) -> Mapping[str, Digest] | None:
        """One call for a thousand images; it is no pull, and no repository has no tags."""
        pages = self._client.get_paginator("describe_images").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": _PAGE}, **self._of
        )
        found = {}
        try:
            with aws_errors():
                for page in pages:
                    for image in page["imageDetails"]:
                        found.update(dict.fromkeys(image.get("imageTags", []), image["imageDigest"]))
        except GoneError:
            return {}
        return found

    def blobs(self, repository: str, digests: Collection[Digest]) -> Collection[Digest] | None:
        """One call for a hundred layers."""
        wanted = sorted(set(digests))
        found: set[Digest] = set()
        for start in range(0, len(wanted), _BATCH):
            try:
                with aws_errors():
                    answer = self._client.batch_check_layer_availability(
                        repositoryName=repository, layerDigests=wanted[start : start + _BATCH], **self._of
                    )
            except GoneError:
                return frozenset()
            found.update(
                layer["layerDigest"] for layer in answer.get("layers", []) if layer["layerAvailability"] == "AVAILABLE"
            )
        return found


class EcrRepositories:
    """Repositories and tags of one private registry."""

    def __init__(self, ecr: Any, registry: str) -> None:
        self._ecr = ecr
        self._registry = registry

    def create(self, repository: str, template: Template) -> bool:
        """Creates a repository; answers False when it is there.

        A lifecycle policy is set when it is made, and again while it is empty: the first time may have failed.
        """
        try:
            with aws_errors():
                self._ecr.create_repository(**_creation(self._registry, repository, template))
        except LongshoreError as error:
            if code_of(error) != "RepositoryAlreadyExistsException":
                raise
            if template.lifecycle and not EcrHoldings(self._ecr, self._registry).tagged(repository):
                self._set_lifecycle(repository, template.lifecycle)
            return False
        if template.lifecycle:
            self._set_lifecycle(repository, template.lifecycle)
        return True

    def _set_lifecycle(self, repository: str, policy: str) -> None:
        with aws_errors():
            self._ecr.put_lifecycle_policy(
                registryId=self._registry, repositoryName=repository, lifecyclePolicyText=policy
            )

    def delete(self, repository: str, tags: Mapping[str, Digest]) -> Sequence[str]:
        """Deletes tags; answers which. A tag that names another image by now is left."""
        return delete_tags(self._ecr, self._registry, repository, tags)

    def token(self) -> Token:
        """A login for the registry's distribution API."""
        with aws_errors():
            answer = self._ecr.get_authorization_token()
        (data,) = answer["authorizationData"][:1]
        return Token(data["authorizationToken"], data["expiresAt"])


def _creation(registry: str, repository: str, template: Template) -> dict[str, Any]:
    request: dict[str, Any] = {
        "registryId": registry,
        "repositoryName": repository,
        "imageTagMutability": template.immutability,
        "imageScanningConfiguration": {"scanOnPush": template.scan_on_push},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    if template.kms_key:
        own = template.kms_key != "alias/aws/ecr"
        key = {"kmsKey": template.kms_key} if own else {}
        request["encryptionConfiguration"] = {"encryptionType": "KMS", **key}
    if template.mutable_tags:
        request["imageTagMutabilityExclusionFilters"] = [
            {"filterType": "WILDCARD", "filter": text} for text in template.mutable_tags
        ]
    if template.tags:
        request["tags"] = [{"Key": key, "Value": value} for key, value in sorted(template.tags.items())]
    return request


def delete_tags(client: Any, registry: str | None, repository: str, tags: Mapping[str, Digest]) -> list[str]:
    """Deletes tags that still name these digests, by tag: an image goes with its last one, never before."""
    now = EcrHoldings(client, registry).tagged(repository) or {}
    wanted = [{"imageTag": tag} for tag, digest in sorted(tags.items()) if now.get(tag) == digest]
    of = {"registryId": registry} if registry else {}
    deleted: list[str] = []
    for start in range(0, len(wanted), _BATCH):
        with aws_errors():
            answer = client.batch_delete_image(repositoryName=repository, imageIds=wanted[start : start + _BATCH], **of)
        deleted += [each["imageTag"] for each in answer.get("imageIds", []) if "imageTag" in each]
    return deleted


def code_of(error: LongshoreError) -> str:
    """AWS's own code of what was translated."""
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
