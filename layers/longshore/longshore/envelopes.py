"""Envelopes: what EventBridge puts around every event, checked, and the waiting that a message of ours may carry."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.errors import BadEventError

if TYPE_CHECKING:
    from longshore.places import Place

SOURCE = "longshore"
DEFERRAL = "longshore-deferral"
"""The member of a message that Longshore adds when it sends itself a later copy."""

_MOST_DEFERRALS = 1_000_000

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}", re.ASCII)


class Deferral(NamedTuple):
    """That a message is a later copy: since when it may be acted on, how often it was put off, and why."""

    not_before: datetime
    deferrals: int
    reason: str
    first: datetime


@dataclass(frozen=True, slots=True)
class Envelope:
    """An EventBridge envelope, checked. `id` correlates everything that follows; `kind` is the detail-type."""

    id: str
    account: str
    region: str
    time: datetime
    kind: str
    resources: tuple[str, ...]
    detail: Mapping[str, Any]
    deferral: Deferral | None
    body: Mapping[str, Any]

    @classmethod
    def read(cls, body: object, kinds: Container[str]) -> Envelope:
        """Reads an envelope of one of `kinds`. Raises BadEventError with the path of the first offending field."""
        envelope = json_object(body, "event")
        identity = text(envelope, "id", limit=256)
        account = _matching(envelope, "account", _ACCOUNT, "must be a 12-digit account id")
        region = _matching(envelope, "region", _REGION, "must be a Region name")
        time = parse_time(text(envelope, "time", limit=64), "time")
        kind = text(envelope, "detail-type", limit=128)
        if kind not in kinds:
            raise BadEventError("detail-type", f"{kind[:64]!r} is none that Longshore reads")
        detail = json_object(envelope.get("detail"), "detail")
        resources = _resources(envelope)
        return Envelope(identity, account, region, time, kind, resources, detail, _deferral(envelope), envelope)

    def members(self) -> dict[str, Any]:
        """Its members by name, for a class that adds what the event says."""
        return {each.name: getattr(self, each.name) for each in fields(Envelope)}

    @property
    def correlation(self) -> str:
        """The id that everything which follows carries: that of the first event."""
        return self.id

    def message(
        self, kind: str, detail: Mapping[str, Any], now: datetime, place: Place | None = None
    ) -> dict[str, Any]:
        """A message to Longshore itself, shaped as an event, with this event's correlation as its id.

        It is of this event's account and Region, or of another `place`.
        """
        account, region = place or (self.account, self.region)
        return {
            "version": "0",
            "id": self.correlation,
            "detail-type": kind,
            "source": SOURCE,
            "account": account,
            "region": region,
            "time": now.isoformat(),
            "resources": [],
            "detail": dict(detail),
        }

    def deferred(
        self, until: datetime, reason: str, now: datetime, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """The body of a later copy of this event, or of the message that takes its place."""
        before = self.waited(reason)
        return {
            **(self.body if body is None else body),
            DEFERRAL: {
                "not_before": until.isoformat(),
                "deferrals": before.deferrals + 1 if before else 1,
                "reason": reason,
                "first": (before.first if before else now).isoformat(),
            },
        }

    def waited(self, reason: str) -> Deferral | None:
        """The waiting for `reason` so far; what was waited for another one does not count."""
        return self.deferral if self.deferral and self.deferral.reason == reason else None


def parse_time(value: str, where: str) -> datetime:
    """An ISO 8601 time as an aware UTC datetime. Raises BadEventError."""
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadEventError(where, f"{value[:64]!r} is not an ISO 8601 time") from None


def json_object(value: object, where: str) -> Mapping[str, Any]:
    """An object of JSON. Raises BadEventError."""
    if not isinstance(value, dict):
        raise BadEventError(where, f"must be an object, not {type(value).__name__}")
    return value


def text(container: Mapping[str, Any], key: str, *, where: str = "", limit: int = 1024) -> str:
    """A printable string of 1 to `limit` characters; `where` is the path of `container`. Raises BadEventError."""
    value = container.get(key)
    path = f"{where}.{key}" if where else key
    if not isinstance(value, str) or not value:
        raise BadEventError(path, "must be a string that is not empty" if key in container else "is missing")
    if len(value) > limit:
        raise BadEventError(path, f"is longer than {limit} characters")
    if not value.isprintable():  # lone surrogates too, which no AWS API and no log takes
        raise BadEventError(path, "has characters that cannot be printed")
    return value


def optional_text(container: Mapping[str, Any], key: str, where: str) -> str | None:
    """A string as `text` takes it, or None where it is missing or null. Raises BadEventError."""
    return None if container.get(key) is None else text(container, key, where=where)


def _matching(container: Mapping[str, Any], key: str, pattern: re.Pattern[str], problem: str) -> str:
    value = text(container, key, limit=64)
    if pattern.fullmatch(value) is None:
        raise BadEventError(key, problem)
    return value


def _resources(envelope: Mapping[str, Any]) -> tuple[str, ...]:
    resources = envelope.get("resources", [])
    if not isinstance(resources, list) or not all(isinstance(item, str) for item in resources):
        raise BadEventError("resources", "must be a list of strings")
    return tuple(resources)


def _deferral(envelope: Mapping[str, Any]) -> Deferral | None:
    if DEFERRAL not in envelope:
        return None
    value = json_object(envelope[DEFERRAL], DEFERRAL)
    count = value.get("deferrals")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MOST_DEFERRALS:
        raise BadEventError(f"{DEFERRAL}.deferrals", "must be a number of times")
    return Deferral(
        parse_time(text(value, "not_before", where=DEFERRAL), f"{DEFERRAL}.not_before"),
        count,
        text(value, "reason", where=DEFERRAL),
        parse_time(text(value, "first", where=DEFERRAL), f"{DEFERRAL}.first"),
    )
