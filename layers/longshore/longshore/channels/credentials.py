"""Secrets that rotate: one that is refused is read anew, once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from longshore.errors import DeliveryError

if TYPE_CHECKING:
    from longshore.notify.ports import Secrets

Answered = TypeVar("Answered")


def with_secret(secrets: Secrets, arn: str, use: Callable[[str], Answered], refusals: Collection[str]) -> Answered:
    """Uses a secret; when that fails for a reason in `refusals` and the secret has changed, uses the new one."""
    secret = secrets.get(arn)
    try:
        return use(secret)
    except DeliveryError as error:
        if error.reason not in refusals:
            raise
        secrets.forget(arn)
        renewed = secrets.get(arn)
        if renewed == secret:
            raise
    return use(renewed)
