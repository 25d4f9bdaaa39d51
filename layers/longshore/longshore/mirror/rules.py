"""The `mirrors` of the configuration, read: what is copied from where to where, and on what terms (mirror 7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.images import Endpoint, ImageReference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.mirror.orders import Referrers
    from longshore.patterns import Pattern
    from longshore.versions import Range

ECR_PUBLIC = "public.ecr.aws"


class Per(StrEnum):
    """Of what the newest are kept; variants (`-alpine`) are always counted apart."""

    ALL = "all"
    MAJOR = "major"
    MINOR = "minor"


class By(StrEnum):
    """What makes a tag newer than another one: its version, or when Longshore first saw its image."""

    VERSION = "version"
    TIME = "time"


class OnMove(StrEnum):
    """What becomes of a tag that names another image upstream than downstream."""

    COPY = "copy"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class TagRules:
    """Which tags are copied. A tag is chosen when one of `include`, `regex` and `semver` chooses it, or when there is
    none of them; and `exclude` and `exclude_regex` do not leave it out. Of versions only the newest `latest` stay."""

    include: tuple[Pattern, ...] = ()
    names: tuple[str, ...] = ()
    """Those of `include` that are no globs: with nothing else to choose by, no list of tags is asked for."""
    regex: tuple[Pattern, ...] = ()
    semver: Range | None = None
    exclude: tuple[Pattern, ...] = ()
    prerelease: bool = False
    variants: tuple[str, ...] = ("",)
    latest: int | None = None
    per: Per = Per.ALL
    by: By = By.VERSION
    min_age: timedelta = timedelta()
    immutable: tuple[Pattern, ...] = ()
    """Tags that upstream never moves: one that was copied is not asked for again."""

    @property
    def listed(self) -> bool:
        """Whether upstream's list of tags is needed."""
        return not self.names or len(self.names) != len(self.include) or bool(self.regex) or self.semver is not None


class Downstream(NamedTuple):
    """Where copies go. `secret` is the ARN of a login for a registry that is not ECR."""

    endpoint: Endpoint
    secret: str = ""

    @property
    def is_public(self) -> bool:
        """Whether it is in ECR Public."""
        return self.endpoint.host == ECR_PUBLIC

    @property
    def is_ecr(self) -> bool:
        """Whether it is a private ECR repository."""
        return ImageReference(self.endpoint.host, self.endpoint.name).repository is not None

    @property
    def creatable(self) -> bool:
        """Whether Longshore can create it, list it at once and delete from it."""
        return self.is_public or self.is_ecr


@dataclass(frozen=True, slots=True)
class Template:
    """How a downstream repository is created, where it is missing (`create`)."""

    create: bool = True
    immutability: str = "MUTABLE"
    mutable_tags: tuple[str, ...] = ()
    """Wildcards of tags that move although the repository is IMMUTABLE_WITH_EXCLUSION."""
    scan_on_push: bool = True
    kms_key: str = ""
    """Encrypts with this KMS key, or with AWS's own for `aws/ecr`; AES256 without one."""
    lifecycle: str = ""
    """The lifecycle policy, as JSON."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What ECR Public's gallery shows of a repository."""

    description: str = ""
    about: str = ""
    usage: str = ""
    architectures: tuple[str, ...] = ()
    operating_systems: tuple[str, ...] = ()

    def request(self) -> dict[str, Any]:
        """As ECR Public takes it."""
        members: dict[str, Any] = {
            "description": self.description,
            "aboutText": self.about,
            "usageText": self.usage,
            "architectures": list(self.architectures),
            "operatingSystems": list(self.operating_systems),
        }
        return {name: value for name, value in members.items() if value}


class Prune(NamedTuple):
    """When a tag that upstream removed is deleted downstream: after so long, and only while at most this percentage
    of the mirrored tags would go at once."""

    after: timedelta
    most: int = 20


@dataclass(frozen=True, slots=True)
class Mirror:
    """One entry of `mirrors`."""

    name: str
    upstream: Endpoint
    downstreams: tuple[Downstream, ...]
    tags: TagRules = field(default_factory=TagRules)
    platforms: tuple[str, ...] = ()
    """``linux/arm64``; every platform when empty."""
    referrers: Referrers = "all"
    demanded: bool = False
    """Whether the configuration asks for `referrers` by name: then it is a failure that they cannot be listed."""
    every: timedelta = timedelta(days=1)
    on_move: OnMove = OnMove.COPY
    template: Template = field(default_factory=Template)
    catalog: Catalog | None = None
    prune: Prune | None = None
    keep_pulls: int = 10
    """So many pulls of upstream's budget are left to others."""
    secret: str = ""
    """The ARN of a login for upstream."""

    @property
    def terms(self) -> str:
        """What a copy depends on beside the image: another text makes it due again."""
        return f"{','.join(sorted(self.platforms))}|{self.referrers}"
