"""What Slack refuses in a message: the limits of Block Kit (docs.slack.dev, Block Kit reference; notify 3.1).

slack_sdk's own validation misses buttons inside a block, fields of a section and every total, so it is not used.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

MAX_BLOCKS = 50
MAX_BLOCKS_TEXT = 13_200  # undocumented: the sum over all blocks at which Slack answers msg_blocks_too_long
MAX_TEXT = 40_000

Object = Mapping[str, Any]
Problems = Iterator[str]

_ALWAYS = {"type", "block_id"}
_MEMBERS = {
    "section": {"text", "fields", "accessory", "expand"},
    "header": {"text", "level"},
    "context": {"elements"},
    "actions": {"elements"},
    "divider": set[str](),
    "markdown": {"text"},
    "image": {"image_url", "alt_text", "title", "slack_file"},
}
_BUTTON = {"type", "text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}


def refusal(message: Object) -> tuple[str, list[str]] | None:
    """The error code with which Slack refuses a message, and what it says is wrong; None for a good one."""
    blocks = message.get("blocks") or []
    text = message.get("text") or ""
    if not blocks and not text and not message.get("attachments"):
        return "no_text", []
    if len(text) > MAX_TEXT:
        return "msg_too_long", []
    if not isinstance(blocks, list):
        return "invalid_blocks_format", []
    if problems := list(_blocks(blocks)):
        return "invalid_blocks", problems
    if sum(_weight(block) for block in blocks) > MAX_BLOCKS_TEXT:
        return "msg_blocks_too_long", []
    return None


def _blocks(blocks: list[Any]) -> Problems:
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    named = [block.get("block_id") for block in blocks if isinstance(block, Mapping) and block.get("block_id")]
    if len(named) != len(set(named)):
        yield "`block_id` already exists [json-pointer:/blocks]"
    for index, block in enumerate(blocks):
        for problem in _block(block):
            yield f"{problem} [json-pointer:/blocks/{index}]"


def _block(block: Any) -> Problems:
    if not isinstance(block, Mapping) or block.get("type") not in _MEMBERS:
        yield f"unsupported type: {block.get('type') if isinstance(block, Mapping) else block}"
        return
    kind = str(block["type"])
    for member in sorted(set(block) - _ALWAYS - _MEMBERS[kind]):
        yield f"additional property `{member}` is not allowed"
    yield from _length("block_id", block.get("block_id", "-"), 255)
    yield from _CHECKS.get(kind, _nothing)(block)


def _section(block: Object) -> Problems:
    fields = block.get("fields")
    if block.get("text") is None and not fields:
        yield "missing required field: text"
    if block.get("text") is not None:
        yield from _text("text", block["text"], 3000)
    if fields is not None and not 1 <= len(fields) <= 10:
        yield "fields: between 1 and 10 items"
    for field in fields or []:
        yield from _text("fields", field, 2000)
    if accessory := block.get("accessory"):
        yield from _element(accessory)


def _header(block: Object) -> Problems:
    yield from _text("text", block.get("text"), 150, plain=True)


def _context(block: Object) -> Problems:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 10:
        yield "elements: between 1 and 10 items"
    for element in elements:
        if element.get("type") != "image":
            yield from _text("elements", element, 3000)


def _actions(block: Object) -> Problems:
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= 25:
        yield "elements: between 1 and 25 items"
    named = [element.get("action_id") for element in elements if element.get("action_id")]
    if len(named) != len(set(named)):
        yield "elements: `action_id` already exists"
    for element in elements:
        yield from _element(element)


def _element(element: Object) -> Problems:
    if element.get("type") != "button":
        yield f"elements: unsupported type: {element.get('type')}"
        return
    for member in sorted(set(element) - _BUTTON):
        yield f"button: additional property `{member}` is not allowed"
    yield from _text("button text", element.get("text"), 75, plain=True)
    yield from _length("value", element.get("value", "-"), 2000)
    yield from _length("action_id", element.get("action_id", "-"), 255)
    yield from _length("url", element.get("url", "-"), 3000)
    if not str(element.get("url", "https://")).startswith(("https://", "http://", "mailto:")):
        yield "url: invalid"
    if element.get("style", "primary") not in ("primary", "danger"):
        yield "style: invalid"
    if confirm := element.get("confirm"):
        for name, limit in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            yield from _text(f"confirm {name}", confirm.get(name), limit)


def _markdown(block: Object) -> Problems:
    yield from _length("text", block.get("text"), 12_000)


def _image(block: Object) -> Problems:
    yield from _length("image_url", block.get("image_url"), 3000)
    yield from _length("alt_text", block.get("alt_text"), 2000)


def _nothing(block: Object) -> Problems:
    yield from ()


_CHECKS: Mapping[str, Callable[[Object], Problems]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "markdown": _markdown,
    "image": _image,
}


def _text(where: str, text: Any, limit: int, *, plain: bool = False) -> Problems:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(text, Mapping) or text.get("type") not in kinds:
        yield f"{where}: a text object of type {' or '.join(kinds)} is needed"
        return
    if unknown := sorted(set(text) - {"type", "text", "emoji", "verbatim"}):
        yield f"{where}: additional property `{unknown[0]}` is not allowed"
    yield from _length(where, text.get("text"), limit)


def _length(where: str, value: Any, limit: int) -> Problems:
    if not isinstance(value, str) or not value:
        yield f"{where}: must be more than 0 characters"
    elif len(value) > limit:
        yield f"{where}: must be less than {limit + 1} characters"


def _weight(value: Any) -> int:
    """The characters of every text in a block."""
    if isinstance(value, Mapping):
        return sum(
            len(each) if name == "text" and isinstance(each, str) else _weight(each) for name, each in value.items()
        )
    return sum(map(_weight, value)) if isinstance(value, list) else 0
