"""Webhook: `{type, timestamp, data}` of Standard Webhooks, in which data is the public event and what people read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from longshore.notify.escape import Plain, clean, encodable
from longshore.notify.ports import Rendered
from longshore.notify.render import limits
from longshore.notify.render.teams import weight
from longshore.redaction import redact_all

if TYPE_CHECKING:
    from longshore.events import Kind
    from longshore.notify.render.story import Story

_ENVELOPE = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")
"""The members of a public event; what Longshore adds for itself on its queues stays inside."""
_HEAD = tuple(name for name in _ENVELOPE if name not in ("resources", "detail"))
_SIZES = ((20, 300), (10, 100), (3, 40))
_DEPTH = 32


def render(story: Story) -> Rendered:
    """The whole event where it fits, else its head; then fewer and shorter facts."""
    text = story.in_style(Plain(200)).headline()
    event = _event(story.notice.event)
    bodies = (
        _body(story.in_style(Plain(length)), part, most) for most, length in _SIZES for part in (event, _head(event))
    )
    body = next((each for each in bodies if weight(each) <= limits.WEBHOOK), None)
    return Rendered(body or _body(story.in_style(Plain(40)), {}, 0), text)


def event_type(kind: Kind) -> str:
    """A kind in the dotted form of Standard Webhooks: ``deployment.rolled_back``, ``crash_loop.opened``."""
    words = kind.value.lower().split()
    nouns = 2 if words[0] == "crash" else 1
    return ".".join("_".join(part) for part in (words[:nouns], words[nouns:]) if part)


def _body(story: Story, event: Mapping[str, Any], most: int) -> dict[str, Any]:
    notice = story.notice
    facts, details = story.facts(), story.details(most)
    left = max(0, len(facts) - most) + max(0, len(notice.details) - most)
    told = {
        "headline": story.headline(),
        "facts": [
            {"name": clean(fact.label, 80), "label": story.label(fact.label), "value": story.value(fact)}
            for fact in facts[:most]
        ],
        "details": [*details, *([story.more(left, threaded=False)] if left else [])],
        "links": [{"label": label, "url": url} for label, url in story.links()],
    }
    members = {
        "id": notice.id,
        "severity": notice.severity.value,
        "phase": notice.phase.value,
        "thread": notice.thread,
        "subject": notice.subject,
        "environment": notice.environment,
        "team": notice.team,
        "account": notice.account,
        "region": notice.region,
        "correlation": notice.correlation,
    }
    said = {name: clean(raw, 255) if raw else raw for name, raw in members.items()}
    data = {**said, "language": story.language, "text": told, "event": dict(event)}
    at = notice.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds")
    return {"type": event_type(notice.kind), "timestamp": at, "data": data}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The public event, or its head where it has no room: it is weighed before secrets are looked for."""
    sound = _sound({name: event[name] for name in _ENVELOPE if name in event}, _DEPTH)
    if weight(sound) > limits.WEBHOOK:
        return _head(event)
    shown = redact_all(sound, _DEPTH + 1)
    return shown if isinstance(shown, dict) else {}


def _head(event: Mapping[str, Any]) -> dict[str, Any]:
    head = {name: clean(value, 255) for name in _HEAD if isinstance(value := event.get(name), str)}
    return {**head, "truncated": True}


def _sound(value: object, depth: int) -> object:
    """A JSON value that every parser takes: no lone surrogate, no infinite number, nothing endless."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    if depth > 0 and isinstance(value, Mapping):
        return {encodable(str(key)): _sound(member, depth - 1) for key, member in value.items()}
    if depth > 0 and isinstance(value, list | tuple):
        return [_sound(member, depth - 1) for member in value]
    return encodable(str(value))[:255]
