"""One call to the ECR API: what was asked, of which registry, and who is to be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from longshore_local.ecr_images import EcrError, EcrImage, EcrRegistry, Removal
from longshore_local.manifests import Manifest
from longshore_local.registry import Registry

Answer = dict[str, Any]


class Listener(Protocol):
    """Who is told that images came or went."""

    def pushed(self, registry: EcrRegistry, image: EcrImage, tag: str | None) -> None:
        """An image was pushed, or a tag moved to it."""
        ...

    def deleted(self, registry: EcrRegistry, repository: str, removal: Removal, manifest: Manifest) -> None:
        """An image or a tag was deleted."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what was asked of which registry. `front` is its HTTP front, None when none runs."""

    request: Mapping[str, Any]
    registry: EcrRegistry
    listener: Listener
    front: Registry | None
    now: datetime

    @property
    def repository(self) -> str:
        """The repositoryName of the request."""
        return str(self.request["repositoryName"])

    def place(self) -> Answer:
        """The members that most answers repeat."""
        return {"registryId": self.registry.account_id, "repositoryName": self.repository}


def invalid_parameter(parameter: str, constraint: str) -> EcrError:
    """InvalidParameterException, in ECR's words."""
    text = f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{constraint}'"
    return EcrError("InvalidParameterException", text)
