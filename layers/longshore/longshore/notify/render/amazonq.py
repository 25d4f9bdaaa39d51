"""Amazon Q Developer in chat applications: the custom notification, which is text for mail in the same publish.

The schema is that of its administrator guide, "Custom notifications": version 1.0, source custom, client-markdown.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.notify.escape import ClientMarkdown, cut
from longshore.notify.kinds import slug
from longshore.notify.render import limits
from longshore.notify.render.story import Story, pack
from longshore.notify.render.text import render as render_text

if TYPE_CHECKING:
    from longshore.notify.ports import Rendered

_NAME = re.compile(r"[A-Za-z0-9_.:/@#-]{1,255}", re.ASCII)
_WORD = 100
_RESOURCES = 10
_ARN = re.compile(r"arn:[A-Za-z0-9_.:/@#+=*-]{1,500}", re.ASCII)


def render(story: Story) -> Rendered:
    """The notification, and the text for the topic's other subscribers."""
    words = story.in_style(ClientMarkdown(120))
    notice = story.notice
    title = cut(_bare(words.headline()), limits.Q_TITLE) or "Longshore"
    body: dict[str, object] = {
        "version": "1.0",
        "source": "custom",
        "id": thread(notice.id),
        "content": {
            "textType": "client-markdown",
            "title": title,
            "description": _description(story.in_style(ClientMarkdown(300))),
            "nextSteps": [f"{words.style.text(label)}: {url}" for label, url in words.links()],
            "keywords": _keywords(story),
        },
        "metadata": {
            "threadId": thread(notice.thread),
            "summary": title,
            "eventType": slug(notice.kind),
            "relatedResources": _resources(story),
            "additionalContext": _context(story),
            "enableCustomActions": False,
        },
    }
    return replace(render_text(story), body=body, digest="")


def thread(name: str) -> str:
    """A name as an identifier; its hash where it is long or holds anything unusual."""
    if _NAME.fullmatch(name):
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _description(story: Story) -> str:
    steps = " → ".join(f"{step.at:%H:%M:%S} {story.step(step)}" for step in story.steps()[-5:])
    lines = [*map(story.fact, story.facts()), *story.details(), f"{steps} (UTC)", story.place()]
    lines = [line for line in lines if line]
    chunks, left = pack(lines, limits.Q_DESCRIPTION - 100, limits.Q_DESCRIPTION - 100, 1)
    return "\n".join([*chunks, story.more(left, threaded=False)] if left else chunks)


def _keywords(story: Story) -> list[str]:
    notice = story.notice
    words = ("longshore", slug(notice.kind), notice.severity.value, notice.subject, notice.environment, notice.team)
    return [word for each in words if each and (word := ClientMarkdown(_WORD).text(each).strip())]


def _resources(story: Story) -> list[str]:
    resources = story.notice.event.get("resources")
    listed = resources if isinstance(resources, list | tuple) else ()
    return [each for each in listed[:_RESOURCES] if isinstance(each, str) and _ARN.fullmatch(each)]


def _context(story: Story) -> dict[str, str]:
    notice = story.notice
    members = {
        "severity": notice.severity.value,
        "phase": notice.phase.value,
        "correlation": notice.correlation,
        "account": notice.account,
        "region": notice.region,
    }
    return {name: text for name, raw in members.items() if (text := ClientMarkdown(_WORD).text(raw).strip())}


def _bare(title: str) -> str:
    """Without markup: a cut could leave half of it."""
    return title.replace("`", "").replace("*", "")
