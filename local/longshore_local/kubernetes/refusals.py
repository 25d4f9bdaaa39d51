"""Refusals of the Kubernetes API: each an error here and a Status object on the wire."""

from collections.abc import Sequence
from typing import Any

from longshore_local.kubernetes.kinds import Kind

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class StatusError(Exception):
    """A request that the API refuses, with its HTTP status."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str = "",
        kind: Kind | None = None,
        name: str = "",
        causes: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self._reason = reason or _REASONS.get(code, "Unknown")
        self._kind = kind
        self._name = name
        self._causes = causes

    def status(self) -> dict[str, Any]:
        """The Status object of API machinery."""
        details: dict[str, Any] = {}
        if self._name:
            details["name"] = self._name
        if self._kind:
            details |= {"group": self._kind.group, "kind": self._kind.plural}
        if self._causes:
            details["causes"] = [{"reason": "FieldValueInvalid", "field": f, "message": m} for f, m in self._causes]
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self._reason,
            **({"details": details} if details else {}),
            "code": self.code,
        }


def not_found(kind: Kind, name: str) -> StatusError:
    """404 for an object."""
    return StatusError(404, f'{kind.resource} "{name}" not found', kind=kind, name=name)


def already_exists(kind: Kind, name: str) -> StatusError:
    """409 for a name that is taken."""
    text = f'{kind.resource} "{name}" already exists'
    return StatusError(409, text, reason="AlreadyExists", kind=kind, name=name)


def conflict(kind: Kind, name: str) -> StatusError:
    """409 for a resourceVersion that is no longer the object's."""
    text = (
        f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return StatusError(409, text, kind=kind, name=name)


def invalid(kind: Kind, name: str, field: str, problem: str) -> StatusError:
    """422 for an object that fails validation."""
    text = f'{kind.name}.{kind.group} "{name}" is invalid: {field}: {problem}'
    return StatusError(422, text, kind=kind, name=name, causes=[(field, problem)])
