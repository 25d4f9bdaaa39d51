"""AWS's error codes as Longshore's errors: what may be tried again, what may not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from longshore.errors import (
    AccessDeniedError,
    ConflictError,
    GoneError,
    LongshoreError,
    ThrottledError,
    UnsupportedError,
    UpstreamError,
)

_KINDS: dict[str, type[LongshoreError]] = {
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "AuthorizationError",
            "NotAuthorized",
            "UnrecognizedClientException",
        ),
        AccessDeniedError,
    ),
    **dict.fromkeys(
        (
            "ClusterNotFoundException",
            "ServiceNotFoundException",
            "DaemonNotFoundException",
            "DaemonNotActiveException",
            "ServiceNotActiveException",
            "ServiceDeploymentNotFoundException",
            "RepositoryNotFoundException",
            "ImageNotFoundException",
        ),
        GoneError,
    ),
    **dict.fromkeys(
        (
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "ProvisionedThroughputExceededException",
            "LimitExceededException",
            "SlowDown",
        ),
        ThrottledError,
    ),
    **dict.fromkeys(
        (
            "ConditionalCheckFailedException",
            "TransactionConflictException",
            "ConflictException",
            "ResourceConflict",
            "ResourceConflictException",
            "PreconditionFailedException",
            "DeploymentLimitExceededException",
            "DeploymentAlreadyCompletedException",
        ),
        ConflictError,
    ),
    **dict.fromkeys(
        (
            "UnsupportedFeatureException",
            "InvalidParameterException",
            "InvalidParameterValueException",
            "ClientException",
            "ValidationException",
            "PlatformTaskDefinitionIncompatibilityException",
            "PlatformUnknownException",
            "BlockedException",
            "InvalidRevisionException",
            "InvalidAutoRollbackConfigException",
            "DeploymentConfigDoesNotExistException",
            "UnsupportedActionForDeploymentTypeException",
        ),
        UnsupportedError,
    ),
}

_NOTHING_ELSE: Mapping[str, type[LongshoreError]] = {}


def translated(error: ClientError | BotoCoreError) -> LongshoreError:
    """The error of Longshore's tree that an AWS error amounts to. An unknown code may be tried again."""
    if not isinstance(error, ClientError):
        return UpstreamError(str(error))
    code = str(error.response.get("Error", {}).get("Code", ""))
    text = f"{error.operation_name}: {code}: {error.response.get('Error', {}).get('Message', '')}"[:1000]
    if code == "TransactionCanceledException":
        reasons = {str(r.get("Code")) for r in error.response.get("CancellationReasons", [])}
        return (
            ConflictError(text) if reasons & {"ConditionalCheckFailed", "TransactionConflict"} else UpstreamError(text)
        )
    return _KINDS.get(code, UpstreamError)(text)


@contextmanager
def aws_errors(
    *, gone: Collection[str] = (), kinds: Mapping[str, type[LongshoreError]] = _NOTHING_ELSE
) -> Iterator[None]:
    """Raises what happens inside as Longshore's errors; `gone` are codes that here mean that a thing does not exist.

    `kinds` says what other codes mean here.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raised = translated(error)
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        if kind := GoneError if code in gone else kinds.get(code):
            raised = kind(str(raised))
        raise raised from error
