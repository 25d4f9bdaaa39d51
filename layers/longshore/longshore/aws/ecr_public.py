"""The account's public registry: its API is in us-east-1 whatever the stack's Region (mirror 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.ecr_downstream import Token, code_of, delete_tags
from longshore.aws.errors import aws_errors
from longshore.errors import ConfigurationError, GoneError, LongshoreError

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.rules import Catalog, Template

REGION: Final = "us-east-1"
_PAGE: Final = 1000
PUTS_PER_SECOND: Final = 10.0
"""CompleteLayerUpload, in ECR Public, and PutImage in both (service quotas)."""


class PublicRepositories:
    """Repositories, catalog data and tags of the account's public registry. A name here has no alias before it."""

    def __init__(self, ecr_public: Any) -> None:
        self._client = ecr_public
        self._aliases: frozenset[str] | None = None

    def owns(self, alias: str) -> bool:
        """Whether an alias is this account's."""
        return alias in self._known()

    def own(self, alias: str) -> None:
        """Raises ConfigurationError when an alias is not this account's: nothing can be created or listed there."""
        if alias not in self._known():
            known = ", ".join(sorted(self._known())) or "none"
            raise ConfigurationError(
                f"public.ecr.aws/{alias}", "is not this account's registry", f"its aliases: {known}"
            )

    def _known(self) -> frozenset[str]:
        if self._aliases is None:
            with aws_errors():
                pages = list(self._client.get_paginator("describe_registries").paginate())
            self._aliases = frozenset(
                each["name"] for page in pages for found in page["registries"] for each in found.get("aliases", [])
            )
        return self._aliases

    def tags(self, repository: str) -> Iterator[tuple[str, Digest, datetime]]:
        """Every tag with its digest and the time its image was pushed; nothing for a repository that is gone."""
        pages = self._client.get_paginator("describe_images").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": _PAGE}
        )
        try:
            with aws_errors():
                for page in pages:
                    for image in page["imageDetails"]:
                        for tag in image.get("imageTags", []):
                            yield tag, image["imageDigest"], image["imagePushedAt"]
        except GoneError:
            return

    def create(self, repository: str, template: Template, catalog: Catalog | None) -> bool:
        """Creates a repository with its catalog data; answers False when it is there."""
        request: dict[str, Any] = {"repositoryName": repository}
        if catalog and catalog.request():
            request["catalogData"] = catalog.request()
        if template.tags:
            request["tags"] = [{"Key": key, "Value": value} for key, value in sorted(template.tags.items())]
        try:
            with aws_errors():
                self._client.create_repository(**request)
        except LongshoreError as error:
            if code_of(error) == "RepositoryAlreadyExistsException":
                return False
            raise
        return True

    def describe(self, repository: str, catalog: Catalog) -> bool:
        """Puts catalog data where it differs; answers whether it did. What the catalog leaves out stays."""
        current = self._catalog(repository)
        wanted = catalog.request()
        if all(current.get(name) == value for name, value in wanted.items()):
            return False
        kept = {name: current[name] for name in current if name in _PUTTABLE}
        with aws_errors():
            self._client.put_repository_catalog_data(repositoryName=repository, catalogData={**kept, **wanted})
        return True

    def _catalog(self, repository: str) -> Mapping[str, Any]:
        try:
            with aws_errors():
                answer = self._client.get_repository_catalog_data(repositoryName=repository)
        except LongshoreError as error:
            if code_of(error) == "RepositoryCatalogDataNotFoundException":
                return {}
            raise
        found: Mapping[str, Any] = answer["catalogData"]
        return found

    def delete(self, repository: str, tags: Mapping[str, Digest]) -> Sequence[str]:
        """Deletes tags; answers which. A tag that names another image by now is left."""
        return delete_tags(self._client, None, repository, tags)

    def token(self) -> Token:
        """A login for public.ecr.aws. The role needs sts:GetServiceBearerToken as well."""
        with aws_errors():
            data = self._client.get_authorization_token()["authorizationData"]
        return Token(data["authorizationToken"], data["expiresAt"])


_PUTTABLE: Final = ("description", "architectures", "operatingSystems", "aboutText", "usageText")
"""The logo is put as bytes and read as a URL; it is kept when it is left out."""
