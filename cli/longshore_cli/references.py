"""Images as people name them on the command line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore_cli.output import WrongError

if TYPE_CHECKING:
    from longshore.images import ImageReference
    from longshore_cli.account import Account


def ecr_reference(text: str, account: Account) -> ImageReference:
    """A reference into ECR or ECR Public; REPOSITORY:TAG alone is one in this account and Region. Raises WrongError."""
    from longshore.images import ImageReference

    try:
        reference = ImageReference.parse(text)
    except ValueError as error:
        raise WrongError(str(error)) from error
    if reference.origin is not None:
        return reference
    if reference.host != "docker.io" or text.startswith("docker.io/"):
        raise WrongError(f"{text} is not in ECR: no event of {reference.host} reaches Longshore")
    suffix = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
    return replace(reference, host=f"{account.id}.dkr.ecr.{account.region}.{suffix}")
