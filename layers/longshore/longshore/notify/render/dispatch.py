"""Rendering: a notice in the form that a type of channel takes. Pure; nothing that a notice holds can make it fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from longshore.notify.escape import Plain
from longshore.notify.life import Life
from longshore.notify.render import amazonq, pagerduty, slack, teams, text, webhook
from longshore.notify.render.story import Story

if TYPE_CHECKING:
    from longshore.notices import Notice
    from longshore.notify.ports import Rendered

_RENDERERS: Mapping[str, Callable[[Story, str], Rendered]] = {
    "slack": slack.render,
    "slack-webhook": slack.render_inline,
    "teams": lambda story, _: teams.render(story),
    "sns": lambda story, _: amazonq.render(story),
    "amazonq": lambda story, _: amazonq.render(story),
    "email": lambda story, _: text.render(story),
    "pagerduty": lambda story, _: pagerduty.render(story),
    "webhook": lambda story, _: webhook.render(story),
}
CHANNELS = tuple(_RENDERERS)
"""The types of channels that can be rendered for; `email` is the text alone."""


def render(
    notice: Notice, channel: str, language: str = "en", *, mention: str = "", life: Life | None = None
) -> Rendered:
    """A notice for a type of channel.

    `life` is what its thread told before: a message that is edited tells it all. `mention` comes from the operator's
    configuration and concerns Slack alone. An unknown language is English; an unknown type is a KeyError.
    """
    return _RENDERERS[channel](Story(notice, language, Plain(), life or Life()), mention)
