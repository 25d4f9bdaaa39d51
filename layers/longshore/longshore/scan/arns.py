"""ARNs of ECR's repositories and images, as Inspector writes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from longshore.errors import BadEventError
from longshore.images import Repository, is_repository_name

if TYPE_CHECKING:
    from longshore.images import Digest

_ECR: Final = re.compile(r"arn:aws[a-z-]*:ecr:", re.ASCII)
_IMAGE: Final = re.compile(
    r"arn:aws[a-z-]*:ecr:(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d{1,2}):(?P<account>\d{12}):repository/"
    r"(?P<name>[a-z0-9._/-]{2,256}?)(?:/(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_PARTITIONS: Final = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)


def is_ecr(arn: str) -> bool:
    """Whether an ARN is of something in private ECR."""
    return _ECR.match(arn) is not None


def read_image_arn(arn: str, where: str) -> tuple[Repository, Digest | None]:
    """The repository of an ARN, and the digest where it names an image. Raises BadEventError."""
    match = _IMAGE.fullmatch(arn)
    if match is None or not is_repository_name(match["name"]):
        raise BadEventError(where, f"{arn[:160]!r} is not the ARN of an ECR repository or image")
    return Repository(match["account"], match["region"], match["name"]), match["digest"]


def image_arn(repository: Repository, digest: Digest) -> str:
    """The ARN that Inspector knows an image by."""
    return f"arn:{partition_of(repository.region)}:ecr:{repository.region}:{repository.account}:repository/" + (
        f"{repository.name}/{digest}"
    )


def partition_of(region: str) -> str:
    """The partition of a Region (botocore's endpoints)."""
    return next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")
