"""Secrets that rotate: one that is refused is read anew, once. What no channel could use is never sent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from longshore.errors import ConfigurationError, DeliveryError

if TYPE_CHECKING:
    from longshore.notify.ports import Secrets

Answered = TypeVar("Answered")


def with_secret(secrets: Secrets, arn: str, use: Callable[[str], Answered], refusals: Collection[str]) -> Answered:
    """Uses a secret; when that fails for a reason in `refusals` and the secret has changed, uses the new one.

    Raises ConfigurationError for what is no token, address or key: it names the ARN, never the value.
    """
    secret = _usable(secrets, arn)
    try:
        return use(secret)
    except DeliveryError as error:
        if error.reason not in refusals:
            raise
        secrets.forget(arn)
        renewed = _usable(secrets, arn)
        if renewed == secret:
            raise
    return use(renewed)


def _usable(secrets: Secrets, arn: str) -> str:
    """The secret, if it may stand in a header or an address: libraries quote others when they refuse them."""
    secret = secrets.get(arn)
    problem, fix = "", "store the bare token, address or key"
    if not secret:
        problem = "is empty"
    elif secret.startswith("{"):
        problem, fix = "is JSON where one value is needed", "name its member: ARN:KEY::"
    elif not (secret.isascii() and secret.isprintable()):
        problem = "is not one line of printable ASCII"
    if problem:
        secrets.forget(arn)  # whoever puts it right needs not wait
        raise ConfigurationError(arn, problem, fix)
    return secret
