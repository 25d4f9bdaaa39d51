"""SSM parameters that tell which image a workload runs, for Terraform and CloudFormation to read (design 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import AccessDeniedError, UnsupportedError

_REFUSED = {
    "InvalidKeyId": UnsupportedError,
    "ParameterMaxVersionLimitExceeded": UnsupportedError,
    "ParameterLimitExceeded": UnsupportedError,
    "HierarchyLevelLimitExceededException": UnsupportedError,
    "HierarchyTypeMismatchException": UnsupportedError,
    "ParameterPatternMismatchException": UnsupportedError,
    "PoliciesLimitExceededException": UnsupportedError,
    "AccessDeniedException": AccessDeniedError,
}


class Parameters:
    """See `redeploy.ports.Truths`."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        """`client` answers the SSM client of the account and Region where an ARN is."""
        self._client = client

    def publish(self, arn: str, name: str, image: str) -> None:
        """PutParameter, whatever was there before."""
        described = f"The image that Longshore verified for {arn}"[:1024]
        with aws_errors(kinds=_REFUSED):
            self._client(arn).put_parameter(
                Name=name, Value=image, Type="String", Overwrite=True, Description=described
            )
