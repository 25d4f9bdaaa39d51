"""The judge of Slack's blocks: what Slack would refuse, which slack_sdk checks only in part (notify 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from longshore.notify.escape import size
from longshore.notify.render.limits import (
    ACTIONS,
    ALL_BLOCKS,
    BLOCKS,
    BUTTON,
    CONTEXT,
    FIELD,
    FIELDS,
    HEADER,
    IDENTIFIER,
    SECTION,
    URL,
)

Problems = Iterator[str]
_Check = Callable[[Mapping[str, object], str], Problems]


def lint(blocks: object) -> list[str]:
    """What Slack would refuse in a message's blocks, or what exceeds our budgets; nothing when they are fine."""
    if not isinstance(blocks, list):
        return ["blocks: must be a list"]
    problems = [] if len(blocks) <= BLOCKS else [f"blocks: {len(blocks)} of them"]
    for place, block in enumerate(blocks):
        problems += _element(block, f"blocks[{place}]", _BLOCKS)
    if (total := sum(size(text) for text in _strings(blocks))) > ALL_BLOCKS:
        problems.append(f"blocks: {total} characters in all")
    return problems


def _element(element: object, where: str, kinds: Mapping[str, _Check]) -> Problems:
    if not isinstance(element, Mapping):
        yield f"{where}: must be an object"
        return
    check = kinds.get(str(element.get("type")))
    if check is None:
        yield f"{where}.type: {element.get('type')!r} does not belong here"
        return
    yield from check(element, where)


def _section(block: Mapping[str, object], where: str) -> Problems:
    yield from _members(block, where, {"text", "fields"})
    if "text" not in block and "fields" not in block:
        yield f"{where}: has neither text nor fields"
    if "text" in block:
        yield from _text(block["text"], f"{where}.text", SECTION)
    for place, field in _listed(block, "fields"):
        yield from _text(field, f"{where}.fields[{place}]", FIELD)
    yield from _count(block, where, "fields", FIELDS)


def _header(block: Mapping[str, object], where: str) -> Problems:
    yield from _members(block, where, {"text"})
    yield from _text(block.get("text"), f"{where}.text", HEADER, plain=True)


def _context(block: Mapping[str, object], where: str) -> Problems:
    yield from _members(block, where, {"elements"})
    yield from _count(block, where, "elements", CONTEXT)
    for place, element in _listed(block, "elements"):
        yield from _text(element, f"{where}.elements[{place}]", FIELD)


def _actions(block: Mapping[str, object], where: str) -> Problems:
    yield from _members(block, where, {"elements"})
    yield from _count(block, where, "elements", ACTIONS)
    names = [element.get("action_id") for _, element in _listed(block, "elements") if isinstance(element, Mapping)]
    if len(set(map(str, names))) != len(names):
        yield f"{where}.elements: two have the same action_id"
    for place, element in _listed(block, "elements"):
        yield from _element(element, f"{where}.elements[{place}]", _BUTTONS)


def _button(element: Mapping[str, object], where: str) -> Problems:
    yield from _members(element, where, {"text", "url", "action_id", "value", "style"})
    yield from _text(element.get("text"), f"{where}.text", BUTTON, plain=True)
    for name, limit in (("url", URL), ("action_id", IDENTIFIER), ("value", FIELD)):
        value = element.get(name, "-")
        if not isinstance(value, str) or not 0 < size(value) <= limit:
            yield f"{where}.{name}: must have 1 to {limit} characters"
    if element.get("style", "primary") not in ("primary", "danger"):
        yield f"{where}.style: must be primary or danger"


def _divider(block: Mapping[str, object], where: str) -> Problems:
    yield from _members(block, where, set())


def _text(text: object, where: str, limit: int, *, plain: bool = False) -> Problems:
    if not isinstance(text, Mapping):
        yield f"{where}: must be a text object"
        return
    kind = text.get("type")
    if kind not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
        yield f"{where}.type: {kind!r} does not belong here"
    yield from _members(text, where, {"text", "emoji"} if kind == "plain_text" else {"text", "verbatim"})
    value = text.get("text")
    if not isinstance(value, str) or not 0 < size(value) <= limit:
        yield f"{where}.text: must have 1 to {limit} characters"
    elif not value.strip():
        yield f"{where}.text: is blank"


def _members(element: Mapping[str, object], where: str, known: set[str]) -> Problems:
    for name in sorted(map(str, element.keys() - known - {"type"})):
        yield f"{where}.{name}: is not known"


def _count(block: Mapping[str, object], where: str, name: str, most: int) -> Problems:
    if name not in block and name == "fields":
        return
    value = block.get(name)
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        yield f"{where}.{name}: must be a list of 1 to {most}"


def _listed(block: Mapping[str, object], name: str) -> list[tuple[int, object]]:
    value = block.get(name)
    return list(enumerate(value)) if isinstance(value, list) else []


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from _strings(member)


_BLOCKS: Mapping[str, _Check] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
}
_BUTTONS: Mapping[str, _Check] = {"button": _button}
