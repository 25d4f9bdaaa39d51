"""What an image reference stands for at the moment of a pull."""

import re
from collections.abc import Callable
from typing import NamedTuple

from moto.ecr.models import ecr_backends

ImageResolver = Callable[[str, str, str], str | None]
"""(image, account, region) -> manifest digest, None when the image cannot be pulled."""

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def repository_of(image: str) -> str:
    """The reference without tag and digest."""
    bare = image.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    return head + slash + last.partition(":")[0]


class ImagePlace(NamedTuple):
    """Where a private registry keeps an image."""

    account: str
    region: str
    repository: str


def image_place(image: str) -> ImagePlace | None:
    """The place that a reference names; None for another registry than private ECR."""
    match = _ECR.fullmatch(image)
    return ImagePlace(match["account"], match["region"], match["repository"]) if match else None


def resolve_in_ecr(image: str, account: str, region: str) -> str | None:
    """The digest of an image in a private registry of moto's; other registries are not known here."""
    match = _ECR.fullmatch(image)
    if match is None:
        return None
    registries = ecr_backends[match["account"]]
    if match["region"] not in registries.regions:
        return None
    repository = registries[match["region"]].repositories.get(match["repository"])
    if repository is None:
        return None
    for held in repository.images:
        if match["digest"]:
            if held.image_digest == match["digest"]:
                return held.image_digest
        elif (match["tag"] or "latest") in held.image_tags:
            return held.image_digest
    return None


class Images:
    """The images that tasks can pull."""

    def __init__(self, resolver: ImageResolver) -> None:
        self._resolver = resolver
        self._known: dict[str, str] = {}

    def add(self, image: str, digest: str) -> None:
        """Makes `image`, and the same repository at `digest`, pullable; for registries beside ECR."""
        self._known[image] = digest
        self._known[f"{repository_of(image)}@{digest}"] = digest

    def resolve(self, image: str, account: str, region: str) -> str | None:
        """The digest that a pull of `image` yields now."""
        return self._known.get(image) or self._resolver(image, account, region)
