"""Path patterns as `.trivyignore.yaml` has them: ``*`` in a folder, ``**`` across them, ``?``, ``[a-z]``, ``{a,b}``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

LONGEST = 512
"""Characters of a pattern."""
_ALTERNATIVES = 64
_LITERAL = {character: chr(0xE000 + ord(character)) for character in "{},"}
"""What stands for an escaped character until the braces are written out."""
_RESTORED = {ord(stand_in): f"[{character}]" for character, stand_in in _LITERAL.items()}


class GlobError(ValueError):
    """A pattern cannot be read; the text says why."""


def matches_path(pattern: str, path: str) -> bool:
    """Whether a path in an image matches; neither begins at a root, so that a slash in front does not matter.

    Raises GlobError.
    """
    parts = path.strip("/").split("/")
    return any(_walk(alternative, parts) for alternative in alternatives(pattern))


@lru_cache(maxsize=4096)
def alternatives(pattern: str) -> tuple[tuple[str, ...], ...]:
    """What a pattern stands for with its braces written out, each as its parts between slashes. Raises GlobError."""
    if not pattern.strip("/") or len(pattern) > LONGEST:
        raise GlobError(f"must have 1 to {LONGEST} characters")
    return tuple(tuple(each.strip("/").split("/")) for each in _expanded(pattern))


def _expanded(pattern: str) -> list[str]:
    """Braces written out, escapes as `fnmatch` has them."""
    done, waiting = [], [_escaped(pattern)]
    while waiting:
        text = waiting.pop()
        opening = text.find("{")
        if opening < 0:
            done.append(text.translate(_RESTORED))
            continue
        inner, closing = _choices(text, opening)
        waiting += [text[:opening] + choice + text[closing + 1 :] for choice in inner]
        if len(waiting) + len(done) > _ALTERNATIVES:
            raise GlobError(f"its braces stand for more than {_ALTERNATIVES} patterns")
    return done


def _escaped(pattern: str) -> str:
    """A backslash makes the next character stand for itself; ``[^...]`` is ``[!...]``."""
    out, rest = "", pattern
    while rest:
        if rest[0] == "\\":
            if len(rest) == 1:
                raise GlobError("ends with a backslash")
            out, rest = out + _LITERAL.get(rest[1], f"[{rest[1]}]"), rest[2:]
        elif rest.startswith("[^"):
            out, rest = f"{out}[!", rest[2:]
        else:
            out, rest = out + rest[0], rest[1:]
    return out


def _choices(text: str, opening: int) -> tuple[list[str], int]:
    depth, begin, found = 0, opening + 1, []
    for place in range(opening, len(text)):
        character = text[place]
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
        if (character == "," and depth == 1) or (character == "}" and depth == 0):
            found.append(text[begin:place])
            begin = place + 1
        if depth == 0:
            return found, place
    raise GlobError("a brace is not closed")


def _walk(pattern: tuple[str, ...], parts: list[str]) -> bool:
    """Which prefixes of the path the pattern's parts so far can stand for: time is the product of both lengths."""
    reached = {0}
    for each in pattern:
        if each == "**":
            reached = set(range(min(reached), len(parts) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], each)}
        if not reached:
            return False
    return len(parts) in reached
