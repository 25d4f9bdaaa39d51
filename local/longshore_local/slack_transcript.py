"""A workspace's messages as plain text, the way people read them."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from longshore_local.slack_store import Message

_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")
_SPECIAL = re.compile(r"<[!@#]([^|>^]+)(?:\^[^|>]*)?(?:\|([^>]*))?>")
_BOLD = re.compile(r"(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])")
_ITALIC = re.compile(r"(?<![\w_])_(\S(?:[^_\n]*\S)?)_(?![\w_])")
_CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
_RULE = "─" * 24


def transcript(title: str, messages: list[Message]) -> str:
    """A channel with its threads; what was edited says how often."""
    lines = [f"#{title}"]
    for message in messages:
        lines += _told(message, "  ")
        for reply in message.replies:
            lines += _told(reply, "    │ ")
    return "\n".join(lines)


def plain(mrkdwn: str) -> str:
    """Slack's mark-up as it reads: links by their label, mentions by name, no stars; code stays as it is."""
    parts = _CODE.split(mrkdwn)
    return "".join(unescape(part if index % 2 else _plain(part)) for index, part in enumerate(parts))


def shown(message: Message) -> list[str]:
    """The lines of a message: its blocks, or its text when it has none."""
    lines = [line for block in message.blocks for line in _block(block)] or plain(message.text).splitlines()
    for file in message.files:
        content = (file.content or b"").decode("utf-8", "replace")
        lines.append(f"📎 {file.title or file.name} ({len(content.splitlines())} lines)")
    return lines


def _told(message: Message, margin: str) -> list[str]:
    time = f"{message.at:%H:%M:%S} "
    indent = " " * len(time)
    lines = shown(message) or [""]
    if message.edits:
        lines[-1] += f"  (edited {len(message.edits)}x)"
    if message.broadcast:
        lines[-1] += "  (also sent to the channel)"
    return [f"{margin}{indent if index else time}{line}".rstrip() for index, line in enumerate(lines)]


def _plain(text: str) -> str:
    text = _DATE.sub(r"\1", text)
    text = _LINK.sub(lambda link: link[2] or link[1], text)
    text = _SPECIAL.sub(lambda special: "@" + (special[2] or special[1]).lstrip("@"), text)
    return _ITALIC.sub(r"\1", _BOLD.sub(r"\1", text))


def _block(block: Mapping[str, Any]) -> list[str]:
    match block.get("type"):
        case "divider":
            return [_RULE]
        case "actions":
            return [" ".join(f"[{_text(element.get('text'))}]" for element in block["elements"])]
        case "context":
            return " ".join(_text(element) for element in block["elements"]).splitlines()
        case "section":
            return _section(block)
        case "markdown":
            return str(block.get("text", "")).splitlines()
        case _:
            return _text(block.get("text")).splitlines()


def _section(block: Mapping[str, Any]) -> list[str]:
    lines = _text(block.get("text")).splitlines()
    fields = [_text(field).replace("\n", " ") for field in block.get("fields") or []]
    lines += ["   ".join(fields[index : index + 2]) for index in range(0, len(fields), 2)]
    if accessory := block.get("accessory"):
        lines.append(f"[{_text(accessory.get('text'))}]")
    return lines


def _text(text: Any) -> str:
    if not isinstance(text, Mapping):
        return ""
    said = str(text.get("text", ""))
    return plain(said) if text.get("type") == "mrkdwn" else said
