"""The documented schemas of bodies, in our words: what the channels' own pages say, no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator


def problems(body: object, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with a body."""
    return [error.message for error in Draft202012Validator(schema).iter_errors(body)]


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def _text(most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}


def _list(items: Mapping[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "maxItems": most}


_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_HTTPS = {"type": "string", "pattern": "^https://", "maxLength": 2000}
_MILLISECONDS = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$"

AMAZON_Q = _object(
    {
        "version": {"const": "1.0"},
        "source": {"const": "custom"},
        "content": _object(
            {"textType": {"const": "client-markdown"}, "description": _text(3000, 1)},
            {"title": _text(250, 1), "nextSteps": _list(_text(2100, 1), 10), "keywords": _list(_text(100, 1), 10)},
        ),
    },
    {
        "id": {"type": "string"},
        "metadata": _object(
            {},
            {
                "threadId": _text(255, 1),
                "summary": _text(250, 1),
                "eventType": {"type": "string"},
                "relatedResources": _list({"type": "string", "pattern": "^arn:"}, 10),
                "additionalContext": _TEXTS,
                "enableCustomActions": {"type": "boolean"},
            },
        ),
    },
)
"""Amazon Q Developer in chat applications, administrator guide, "Custom notifications"; lengths are our budgets."""

_LINKS = _list(_object({"href": _HTTPS}, {"text": {"type": "string"}}), 10)
_PAYLOAD = {
    "summary": _text(1024, 1),
    "source": _text(255, 1),
    "timestamp": {"type": "string", "pattern": _MILLISECONDS},
    "custom_details": _TEXTS,
}
_TRIGGER = _object(
    {
        "event_action": {"const": "trigger"},
        "dedup_key": _text(255, 1),
        "payload": _object(
            {**_PAYLOAD, "severity": {"enum": ["critical", "error", "warning", "info"]}},
            {"component": _text(255, 1), "group": _text(255, 1), "class": _text(255, 1)},
        ),
    },
    {"client": {"type": "string"}, "client_url": _HTTPS, "links": _LINKS},
)
PAGERDUTY_ALERT = {
    "oneOf": [_TRIGGER, _object({"event_action": {"const": "resolve"}, "dedup_key": _text(255, 1)})],
}
"""PagerDuty, Events API v2, "Send an alert event"; the channel adds routing_key."""

PAGERDUTY_CHANGE = _object({"payload": _object(_PAYLOAD)}, {"links": _LINKS})
"""PagerDuty, Events API v2, "Send a change event"; the channel adds routing_key."""

WEBHOOK = _object(
    {
        "type": {"type": "string", "pattern": r"^[a-z_]+\.[a-z_]+$"},
        "timestamp": {"type": "string", "pattern": _MILLISECONDS},
        "data": {"type": "object", "required": ["id", "severity", "thread", "text", "event"]},
    }
)
"""Standard Webhooks 1.0, "Payload structure"."""
