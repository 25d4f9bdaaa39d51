"""Secrets by ARN, out of Secrets Manager and SSM, kept for five minutes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from longshore.aws.errors import aws_errors
from longshore.errors import ConfigurationError, LongshoreError

if TYPE_CHECKING:
    from longshore.ports import Clock

_KEEP: Final = timedelta(minutes=5)
_FIX: Final = "the ARN of a secret or of an SSM parameter"
_ARN_FIELDS: Final = 7
_ABSENT: Final = frozenset(
    {
        "ResourceNotFoundException",  # secretsmanager: never was
        "InvalidRequestException",  # secretsmanager: scheduled for deletion
        "InvalidParameterException",
        "DecryptionFailure",
        "ParameterNotFound",
        "InvalidKeyId",
        "ValidationException",
    }
)


class SecretStore:
    """Reads `arn:...:secretsmanager:...:secret:NAME[:json-key]` and `arn:...:ssm:...:parameter/NAME`.

    The JSON key is written as Amazon ECS writes it in `valueFrom`. Values appear in no error text.
    """

    def __init__(self, client: Callable[[str, str], Any], clock: Clock) -> None:
        """`client` answers a boto3 client of a service in a Region."""
        self._client = client
        self._clock = clock
        self._kept: dict[str, tuple[datetime, str]] = {}

    def get(self, arn: str) -> str:
        """The value. Raises ConfigurationError when there is none, AccessDeniedError when it may not be read."""
        now = self._clock.now()
        until, value = self._kept.get(arn, (now, ""))
        if until <= now:
            value = self._read(arn)
            self._kept[arn] = (now + _KEEP, value)
        return value

    def forget(self, arn: str) -> None:
        """Has the next `get` read it anew."""
        self._kept.pop(arn, None)

    def _read(self, arn: str) -> str:
        fields = arn.split(":")
        service = fields[2] if len(fields) > 5 and fields[0] == "arn" else ""  # noqa: PLR2004
        try:
            with aws_errors():
                if service == "ssm":
                    return self._parameter(arn, fields[3]).strip()
                if service == "secretsmanager" and len(fields) >= _ARN_FIELDS:
                    return self._secret(fields).strip()
        except LongshoreError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in _ABSENT:
                raise ConfigurationError(arn, f"cannot be read: {cause.response['Error']['Code']}", _FIX) from None
            raise
        raise ConfigurationError(arn, "is not the ARN of a secret", _FIX)

    def _parameter(self, arn: str, region: str) -> str:
        answer = self._client("ssm", region).get_parameter(Name=arn, WithDecryption=True)
        return str(answer["Parameter"]["Value"])

    def _secret(self, fields: list[str]) -> str:
        arn, key = ":".join(fields[:_ARN_FIELDS]), "".join(fields[_ARN_FIELDS : _ARN_FIELDS + 1])
        value = self._client("secretsmanager", fields[3]).get_secret_value(SecretId=arn).get("SecretString")
        if value is None:
            raise ConfigurationError(arn, "is binary", "a text secret")
        return _member(arn, value, key) if key else str(value)


def _member(arn: str, value: str, key: str) -> str:
    try:
        member = json.loads(value)[key]
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(arn, f"has no JSON key {key!r}", _FIX) from None
    if not isinstance(member, str | int) or isinstance(member, bool):
        raise ConfigurationError(arn, f"has no text under the JSON key {key!r}", _FIX)
    return str(member)
