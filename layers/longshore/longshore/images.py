"""Image references, digests, manifests and the repositories of ECR."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_LENGTHS = range(1, 257)
_NAME_LENGTHS = range(2, 257)
_ECR_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)\.(?:"
    r"amazonaws\.(?:com(?:\.cn)?|eu)|on\.aws|on\.amazonwebservices\.(?:com\.cn|eu)|"
    r"c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)",
    re.ASCII,
)
PUBLIC_HOST = "public.ecr.aws"
"""Where ECR Public serves images."""
_PUBLIC_REGION = "us-east-1"
_PUBLIC_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*/[^/].*", re.ASCII)
_ARTIFACT_TAG = re.compile(r"sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?|.*\.(?:sig|att|sbom)")
DOCKER_HUB_API = "registry-1.docker.io"
"""The host that serves what references call docker.io."""
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry.hub.docker.com", DOCKER_HUB_API})
_KEEP_PREFIX = "longshore-keep-"
_IMAGE_CONFIGS = frozenset(
    {"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"}
)
_INDEXES = frozenset(
    {"application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"}
)
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""Every media type of a manifest, in the order in which they are asked for: ECR converts what is not asked for."""

Digest = str
"""``sha256:`` and 64 lower-case hexadecimal digits; `is_digest` checks one."""


def is_index(media_type: str | None) -> bool:
    """Whether a media type is that of an index: a manifest that only lists others."""
    return media_type in _INDEXES


def is_digest(text: str) -> bool:
    """Whether `text` is a digest of the only algorithm that ECR stores."""
    return _DIGEST.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether `text` is a tag by the OCI distribution specification (at most 128 characters)."""
    return _TAG.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether `text` can name a repository in any registry (distribution specification)."""
    return len(text) in _LENGTHS and _NAME.fullmatch(text) is not None


def is_repository_name(text: str) -> bool:
    """Whether `text` can name an ECR repository (2 to 256 characters)."""
    return len(text) in _NAME_LENGTHS and is_name(text)


def is_artifact_tag(tag: str) -> bool:
    """Whether a tag belongs to a signature, an attestation or an SBOM, or to Longshore itself (redeploy 8.3)."""
    return tag.startswith(_KEEP_PREFIX) or _ARTIFACT_TAG.fullmatch(tag) is not None


class Endpoint(NamedTuple):
    """Where the distribution API serves an image: the host to connect to, and the repository's full name there."""

    host: str
    name: str

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"


class Repository(NamedTuple):
    """A repository of ECR, or of ECR Public: then `account` is its host, and `name` begins with a registry's alias."""

    account: str
    region: str
    name: str

    def __str__(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Reads what `str` wrote. Raises ValueError for anything else."""
        account, region, name = text.split("/", 2)
        return cls(account, region, name)

    @classmethod
    def public(cls, name: str) -> Repository:
        """``alias/name`` of ECR Public, which is in one Region for the whole world. Raises ValueError."""
        if _PUBLIC_NAME.fullmatch(name) is None or not is_name(name):
            raise ValueError(f"{name[:64]!r} is not ALIAS/NAME of a repository in ECR Public")
        return cls(PUBLIC_HOST, _PUBLIC_REGION, name)

    @property
    def is_public(self) -> bool:
        """Whether it is in ECR Public, which sends no events."""
        return self.account == PUBLIC_HOST


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``host/name[:tag][@digest]`` as a workload declares it."""

    host: str
    name: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Reads a reference as container engines do (no host means Docker Hub). Raises ValueError."""
        rest, _, digest = text.partition("@")
        if digest and not is_digest(digest):
            raise ValueError(f"{text[:200]!r} has a malformed digest")
        first, slash, after = rest.partition("/")
        hosted = bool(slash) and ("." in first or ":" in first or first == "localhost")
        host, path = (first, after) if hosted else ("docker.io", rest)
        name, _, tag = path.partition(":")
        if tag and not is_tag(tag):
            raise ValueError(f"{text[:200]!r} has a malformed tag")
        if not name or _NAME.fullmatch(name) is None:
            raise ValueError(f"{text[:200]!r} has a malformed repository name")
        return cls(host, name, tag or None, digest or None)

    @property
    def effective_tag(self) -> str | None:
        """The tag that a pull follows: ``latest`` when neither tag nor digest is given."""
        return self.tag or (None if self.digest else "latest")

    @property
    def repository(self) -> Repository | None:
        """The private ECR repository, or None for an image that lives elsewhere."""
        match = _ECR_HOST.fullmatch(self.host)
        return Repository(match["account"], match["region"], self.name) if match else None

    @property
    def origin(self) -> Repository | None:
        """The repository whose images a workload can follow: in ECR, or in ECR Public; None for any other registry."""
        if self.host != PUBLIC_HOST:
            return self.repository
        try:
            return Repository.public(self.name)
        except ValueError:
            return None  # without an alias there is no such repository

    @property
    def endpoint(self) -> Endpoint:
        """Host and repository to ask: Docker Hub's API has a host of its own and keeps official images in library/."""
        if self.host not in _DOCKER_HUB:
            return Endpoint(self.host, self.name)
        return Endpoint(DOCKER_HUB_API, self.name if "/" in self.name else f"library/{self.name}")

    def with_tag(self, tag: str) -> ImageReference:
        """The same repository at a tag."""
        return ImageReference(self.host, self.name, tag=tag)

    def with_digest(self, digest: Digest) -> ImageReference:
        """The same repository at a digest, without a tag: ECS documents one or the other (redeploy 8.5)."""
        return ImageReference(self.host, self.name, digest=digest)

    def __str__(self) -> str:
        host = "" if self.host == "docker.io" else f"{self.host}/"
        tag = f":{self.tag}" if self.tag else ""
        return f"{host}{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as ECR holds it: its digest, and what an index or its config says.

    `children` maps a platform (``linux/arm64``, ``linux/arm/v7``) to the digest of its manifest. Children of unknown
    platform are attestations and are left out; `references` has every digest an index names, those too.
    """

    digest: Digest
    media_type: str
    artifact_type: str | None = None
    children: Mapping[str, Digest] = field(default_factory=dict)
    references: tuple[Digest, ...] = ()

    @property
    def is_index(self) -> bool:
        """Whether this manifest only lists others."""
        return is_index(self.media_type)

    @property
    def is_image(self) -> bool:
        """Whether a platform could run it: an index, or a manifest whose config is an image's (redeploy 8.3)."""
        return self.is_index or self.artifact_type is None or self.artifact_type in _IMAGE_CONFIGS

    @classmethod
    def parse(cls, text: str, media_type: str | None = None) -> Manifest:
        """Reads the exact text of a manifest. Raises ValueError when it is not one."""
        try:
            document = json.loads(text)
        except RecursionError:
            raise ValueError("a manifest is not nested that deep") from None
        if not isinstance(document, dict):
            raise ValueError("a manifest must be an object")
        kind = media_type or str(document.get("mediaType") or _guess(document))
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        if is_index(kind):
            children = _children(document.get("manifests") or [])
            return cls(
                digest,
                kind,
                children={name: str(child["digest"]) for child in children if (name := platform_name(child))},
                references=tuple(str(child["digest"]) for child in children),
            )
        config = document.get("config")
        config_type = config.get("mediaType") if isinstance(config, dict) else None
        artifact = document.get("artifactType") or config_type
        return cls(digest, kind, artifact_type=str(artifact) if artifact else None)


def _children(entries: object) -> list[Mapping[str, Any]]:
    if not isinstance(entries, list) or not all(isinstance(each, dict) and "digest" in each for each in entries):
        raise ValueError("an index must list its manifests, each with its digest")
    return entries


def _guess(document: Mapping[str, Any]) -> str:
    return MANIFESTS[0] if "manifests" in document else MANIFESTS[2]


def platform_name(child: Mapping[str, Any]) -> str | None:
    """``linux/arm64`` for an entry of an index; None for one of no or unknown platform, as attestations have."""
    platform = child.get("platform")
    if not isinstance(platform, dict):
        return None
    system, architecture = platform.get("os"), platform.get("architecture")
    if not system or not architecture or "unknown" in (system, architecture):
        return None
    variant = platform.get("variant")
    # arm64 has one variant in use, and runtimes say linux/arm64 without it.
    suffix = f"/{variant}" if variant and architecture != "arm64" else ""
    return f"{system}/{architecture}{suffix}"
