"""An SNS topic: one publish that says something else to each kind of subscriber."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from longshore.aws.errors import aws_errors
from longshore.errors import DeliveryError, LongshoreError, ThrottledError

_REFUSALS: Final = {
    "NotFound": "topic-not-found",
    "NotFoundException": "topic-not-found",
    "InvalidParameter": "invalid-message",
    "InvalidParameterException": "invalid-message",
    "ParameterValueInvalid": "invalid-message",
    "InvalidParameterValue": "invalid-message",
    "AuthorizationError": "access-denied",
    "AuthorizationErrorException": "access-denied",
    "KMSAccessDenied": "kms-access-denied",
    "KMSDisabled": "kms-disabled",
    "KMSNotFound": "kms-not-found",
}
_THROTTLES: Final = frozenset({"Throttled", "KMSThrottling"})  # SNS has names of its own


class Topic:
    """Publishes to one topic."""

    def __init__(self, sns: Any, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, subject: str, messages: Mapping[str, str], attributes: Mapping[str, str]) -> str:
        """Publishes a text for each protocol (`default` for all others); answers the id of the message.

        Raises DeliveryError for a topic or a message that SNS refuses, TransientError for what may pass.
        """
        members = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value}
        try:
            with aws_errors():
                answer = self._sns.publish(
                    TopicArn=self._arn,
                    Subject=subject,
                    Message=json.dumps(messages, ensure_ascii=False),
                    MessageStructure="json",
                    MessageAttributes=members,
                )
        except LongshoreError as error:
            cause = error.__cause__
            code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
            if code in _REFUSALS:
                raise DeliveryError(_REFUSALS[code], str(error)) from error
            if code in _THROTTLES:
                raise ThrottledError(str(error)) from error
            raise
        return str(answer["MessageId"])
