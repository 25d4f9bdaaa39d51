"""What an image reference stands for at the moment of a pull, and which images are known to fail."""

import re
from collections.abc import Callable
from typing import Literal, get_args

from moto.ecr.models import ecr_backends

ImageResolver = Callable[[str, str, str], str | None]
"""(image, account, region) -> manifest digest, None when the image cannot be pulled."""

FailureMode = Literal["exit-1", "oom", "crash", "cannot-pull", "resource-init", "unhealthy", "hang"]
"""How tasks of a bad image end.

exit-1, oom: an essential container exits before the task is RUNNING; crash: it exits some seconds after;
cannot-pull, resource-init: the task fails to start; unhealthy: it runs and fails its health check;
hang: it never leaves PENDING and never fails.
"""

FAILURE_MODES: frozenset[str] = frozenset(get_args(FailureMode))

_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class UnknownFailureModeError(ValueError):
    """`fail` was asked for a mode that the simulator does not have."""


def repository_of(image: str) -> str:
    """The reference without tag and digest."""
    bare = image.partition("@")[0]
    head, slash, last = bare.rpartition("/")
    return head + slash + last.partition(":")[0]


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
    """The images that tasks can pull, and the ways in which some of them fail."""

    def __init__(self, resolver: ImageResolver) -> None:
        self._resolver = resolver
        self._known: dict[str, str] = {}
        self._failing: dict[str, FailureMode] = {}

    def add(self, image: str, digest: str) -> None:
        """Makes `image`, and the same repository at `digest`, pullable; for registries beside ECR."""
        self._known[image] = digest
        self._known[f"{repository_of(image)}@{digest}"] = digest

    def fail(self, image: str, mode: FailureMode) -> None:
        """Marks a digest or a reference as bad.

        Raises UnknownFailureModeError when the mode is not one of `FailureMode`.
        """
        if mode not in FAILURE_MODES:
            raise UnknownFailureModeError(f"mode must be one of {', '.join(sorted(FAILURE_MODES))}, got {mode!r}")
        self._failing[image] = mode

    def mend(self, image: str) -> None:
        """Takes the mark away; harmless when there is none."""
        self._failing.pop(image, None)

    def resolve(self, image: str, account: str, region: str) -> str | None:
        """The digest that a pull of `image` yields now."""
        return self._known.get(image) or self._resolver(image, account, region)

    def failure(self, image: str, digest: str | None) -> FailureMode | None:
        """The mark on this image, by digest, by reference, or by repository and digest."""
        for key in (digest, image, f"{repository_of(image)}@{digest}"):
            if key is not None and key in self._failing:
                return self._failing[key]
        return None
