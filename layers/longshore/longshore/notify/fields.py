"""Reading members of an event that may be missing or of another type than agreed: nothing here ever fails."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from longshore.envelopes import parse_time
from longshore.errors import BadEventError
from longshore.redaction import redact

_TEXT = 600
_ITEMS = 10
_FOREVER = 1e9
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of text, and halves of characters."""

Detail = Mapping[str, object]


def mapping(value: object) -> Detail:
    """The object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> list[object]:
    """The list, or an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def clean(value: object, limit: int = _TEXT) -> str:
    """Any value as one stretch of text that may be told: redacted, printable, cut. Nothing for what says nothing."""
    text = _written(value)
    if not text:
        return ""
    printable = _CONTROL.sub(" ", redact(text[: 8 * limit]).text).strip()
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)[:100_000] if not isinstance(value, int) or abs(value) < 10**18 else ""
    if isinstance(value, list | tuple):
        shown = [text for item in value[:_ITEMS] if (text := _written(item))]
        return ", ".join(shown) + (f" (+{len(value) - _ITEMS})" if len(value) > _ITEMS else "")
    if isinstance(value, Mapping):
        pairs = [f"{key}: {text}" for key, item in list(value.items())[:_ITEMS] if (text := _written_flat(item))]
        return ", ".join(pairs)
    return ""


def _written_flat(value: object) -> str:
    return _written(value) if isinstance(value, str | int | float) else ""


def first(detail: Detail, names: Iterable[str], limit: int = _TEXT) -> str:
    """The first of several members that says anything."""
    return next((text for name in names if (text := clean(detail.get(name), limit))), "")


def optional(detail: Detail, name: str) -> str | None:
    """A string member, or None."""
    value = detail.get(name)
    return (clean(value, 256) or None) if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """A time in UTC, or None."""
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value[:64], "time")
    except BadEventError:
        return None


def shown_time(value: object) -> str:
    """A time as people read it."""
    at = moment(value)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else clean(value)


def duration(detail: Detail) -> str:
    """How long it took: `began` to `ended`, or a number of `seconds`; ``3m41s``."""
    began, ended = moment(detail.get("began")), moment(detail.get("ended"))
    if began and ended:
        return _spelled(ended - began)
    seconds = detail.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _FOREVER:
        return ""
    return _spelled(timedelta(seconds=float(seconds)))


def _spelled(span: timedelta) -> str:
    whole = int(span.total_seconds())
    if whole < 0:
        return ""
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def short_digest(value: object) -> str:
    """``sha256:`` and the first twelve digits: enough to find an image by."""
    text = clean(value, 80)
    algorithm, colon, digits = text.partition(":")
    return f"{algorithm}:{digits[:12]}" if colon else text[:19]
