"""Microsoft Teams: the message of a Workflows webhook with an Adaptive Card 1.4, which cannot be edited."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from longshore.notices import Severity
from longshore.notify.escape import CardMarkdown, Plain, cut
from longshore.notify.ports import Rendered
from longshore.notify.render import limits

if TYPE_CHECKING:
    from longshore.notify.render.story import Story

_COLOURS = {
    Severity.CRITICAL: "Attention",
    Severity.ERROR: "Attention",
    Severity.WARNING: "Warning",
    Severity.INFO: "Default",
    Severity.OK: "Good",
}
_SIZES = ((20, 400), (10, 150), (5, 60), (2, 40))
"""How many facts and lines, and how long each value: the first size that fits the limit is taken."""


def render(story: Story) -> Rendered:
    """The largest card that Teams takes."""
    text = story.in_style(Plain(200)).headline()
    cards = (_message(story.in_style(CardMarkdown(length)), most, text) for most, length in _SIZES)
    body = next((card for card in cards if weight(card) <= limits.TEAMS), None)
    return Rendered(body or _message(story.in_style(CardMarkdown(20)), 0, text), text)


def weight(body: object) -> int:
    """Bytes of a body as it is sent."""
    return len(json.dumps(body, ensure_ascii=False).encode())


def _message(story: Story, most: int, text: str) -> dict[str, object]:
    facts = story.facts()
    long = [story.fact(fact) for fact in [fact for fact in facts if not fact.short][:most]]
    fields = [fact for fact in facts if fact.short][:most]
    short = [{"title": story.label(fact.label) or "?", "value": story.value(fact)} for fact in fields]
    lines = story.details(most)
    left = len(facts) - len(long) - len(short) + max(0, len(story.notice.details) - most)
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": story.headline() or "?",
            "size": "Medium",
            "weight": "Bolder",
            "wrap": True,
            "color": _COLOURS[story.notice.severity],
        },
        *(_line(line) for line in long),
        *([{"type": "FactSet", "facts": short}] if short else []),
        *(_line(line) for line in lines),
        *([_line(story.more(left, threaded=False))] if left else []),
        _line(" → ".join(f"{moment(step.at)} {story.step(step)}" for step in _shown(story)), subtle=True),
        _line(story.place() or "-", subtle=True),
    ]
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "fallbackText": cut(text, 300) or "?",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": label, "url": url} for label, url in story.links()],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def moment(at: datetime) -> str:
    """A time that the card shows in the reader's zone."""
    written = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
    return f"{{{{DATE({written},COMPACT)}}}} {{{{TIME({written})}}}}"


def _shown(story: Story) -> tuple[Any, ...]:
    steps = story.steps()
    return steps if len(steps) <= 6 else (steps[0], *steps[-5:])  # noqa: PLR2004


def _line(text: str, *, subtle: bool = False) -> dict[str, Any]:
    line = {"type": "TextBlock", "text": text, "wrap": True, "spacing": "Small"}
    return {**line, "isSubtle": True, "size": "Small"} if subtle else line
