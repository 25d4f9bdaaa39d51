"""Text: mail and every other subscriber of a topic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from longshore.notify import catalogue
from longshore.notify.escape import Plain, block, clean, size
from longshore.notify.ports import Rendered
from longshore.notify.render import limits
from longshore.notify.render.story import Story, pack

if TYPE_CHECKING:
    from longshore.notices import Notice

_LINES = 4000
_LOG = 1500
_NOT_ASCII = re.compile(r"[^ -~]+")


def render(story: Story) -> Rendered:
    """The whole story as text, with a subject for mail and what subscriptions filter by."""
    inner = story.in_style(Plain(300))
    chunks, left = pack([*map(inner.fact, story.facts()), "", *inner.details()], _LINES, _LINES, 1)
    steps = [f"{step.at:%Y-%m-%d %H:%M:%S} UTC  {inner.step(step)}" for step in story.steps()]
    links = [f"{label}: {url}" for label, url in inner.links()]
    parts = [
        inner.headline(),
        "\n".join([*chunks, inner.more(left, threaded=False)] if left else chunks).strip("\n"),
        "\n".join(steps),
        "\n".join(links),
        block(story.notice.log_tail or "", _LOG).strip("\n"),
        inner.place(),
    ]
    text = "\n\n".join(part for part in parts if part)
    return Rendered("", text, title=subject(story), attributes=attributes(story.notice))


def subject(story: Story) -> str:
    """A mail's subject: English whatever the language, for SNS takes ASCII only."""
    words = catalogue.say(story.notice.headline, catalogue.DEFAULT, Plain(60))
    plain = " ".join(_NOT_ASCII.sub(" ", words).replace(" : ", ": ").split()).strip()
    title = f"[{story.notice.severity.value.upper()}] {plain}"
    return title if len(title) <= limits.MAIL_SUBJECT else title[: limits.MAIL_SUBJECT - 3].rstrip() + "..."


def attributes(notice: Notice) -> dict[str, str]:
    """What subscriptions can filter by."""
    members = {
        "severity": notice.severity.value,
        "kind": notice.kind.value,
        "phase": notice.phase.value,
        "team": notice.team,
        "environment": notice.environment,
        "subject": notice.subject,
    }
    return {name: text for name, raw in members.items() if raw and (text := clean(raw, 256).strip()) and size(text)}
