"""Regular expressions that always finish: part of Python's syntax, matched in time linear in pattern and tag.

Profiles carry patterns (redeploy 8.4), and whoever may push chooses the tags. Python's own matcher tries every way to
split a tag between repeats; this one visits each (place in pattern, place in tag) once, and finds the same match.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_TAG = 128
"""Characters; the OCI distribution specification allows no longer tag."""
_LONGEST_PATTERN = 256
_LONGEST_PROGRAM = 1000

_ASCII = frozenset(map(chr, range(128)))  # a tag holds nothing else
_DIGITS = frozenset("0123456789")
_SPACES = frozenset(" \t\n\r\f\v")
_WORDS = frozenset(c for c in _ASCII if c.isalnum() or c == "_")
_CATEGORIES = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": _ASCII - _DIGITS,
    "CATEGORY_SPACE": _SPACES,
    "CATEGORY_NOT_SPACE": _ASCII - _SPACES,
    "CATEGORY_WORD": _WORDS,
    "CATEGORY_NOT_WORD": _ASCII - _WORDS,
}


class PatternError(ValueError):
    """A pattern is malformed, or outside the part of the syntax that is surely fast."""


class _Op(Enum):
    CHARACTER = auto()  # one character of `characters`
    EITHER = auto()  # go on at `first`, and if that fails at `second`
    BEGIN_KEY = auto()
    END_KEY = auto()
    AT_START = auto()
    AT_END = auto()
    MATCH = auto()


_State = tuple[int, int, int, int]
"""Place in the pattern, place in the tag, and where the key began and ended (-1: not yet)."""


@dataclass(slots=True)
class _Step:
    op: _Op
    characters: frozenset[str] = frozenset()
    first: int = 0
    second: int = 0

    def successors(self, tag: str, place: int, at: int, begin: int, end: int) -> tuple[_State, ...]:
        """Where this step leads from one state, the preferred way last."""
        passes = True
        match self.op:
            case _Op.EITHER:
                return (self.second, at, begin, end), (self.first, at, begin, end)
            case _Op.CHARACTER:
                passes = at < len(tag) and tag[at] in self.characters
                at += 1
            case _Op.BEGIN_KEY:
                begin = at
            case _Op.END_KEY:
                end = at
            case _Op.AT_START | _Op.AT_END:
                passes = at == (0 if self.op is _Op.AT_START else len(tag))
            case _Op.MATCH:
                passes = False
        return ((place + 1, at, begin, end),) if passes else ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern; `search` lets it match any part of a tag instead of the whole."""

    text: str
    search: bool = False
    _steps: tuple[_Step, ...] = field(default=(), repr=False, compare=False)

    @property
    def has_key(self) -> bool:
        """Whether it has the named group ``(?P<key>...)``."""
        return any(step.op is _Op.BEGIN_KEY for step in self._steps)

    def matches(self, tag: str) -> bool:
        """Whether `tag` matches. What cannot be a tag, for its length or its characters, never does."""
        return self._run(tag) is not None

    def key(self, tag: str) -> str | None:
        """What the group `key` takes of `tag`, or None where nothing matches."""
        span = self._run(tag)
        return tag[span[0] : span[1]] if span and span[0] >= 0 else None

    def _run(self, tag: str) -> tuple[int, int] | None:
        if len(tag) > LONGEST_TAG or not tag.isascii():
            return None
        starts = range(len(tag), -1, -1) if self.search else (0,)
        todo = [(0, start, -1, -1) for start in starts]  # taken from the end: the leftmost start, the preferred way
        seen: set[tuple[int, int]] = set()
        while todo:
            place, at, begin, end = todo.pop()
            if (place, at) in seen:
                continue
            seen.add((place, at))
            step = self._steps[place]
            if step.op is _Op.MATCH and (self.search or at == len(tag)):
                return begin, end
            todo += step.successors(tag, place, at, begin, end)
        return None


@lru_cache(maxsize=256)
def compile_pattern(text: str, search: bool = False) -> Pattern:
    """Compiles a pattern that is anchored at both ends, or that says `search`.

    Raises PatternError for what is malformed, unanchored, too large, or not in the syntax: lookaround, back references,
    conditionals, flags, atomic groups, possessive repeats, ``\\b``, and an unbounded repeat within another.
    """
    if len(text) > _LONGEST_PATTERN:
        raise PatternError(f"is longer than {_LONGEST_PATTERN} characters")
    tree = _parse(text)
    if tree.state.flags & ~re.UNICODE:
        raise PatternError("has flags; write both cases instead, as in [Aa]")
    if not search and not _anchored(list(tree)):
        raise PatternError("is not anchored; begin it with ^ and end it with $")
    compiler = _Compiler(tree.state.groupdict.get("key"))
    compiler.sequence(tree, within_repeat=False)
    compiler.emit(_Op.MATCH)
    return Pattern(text, search, tuple(compiler.steps))


def _parse(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return import_module("re._parser").parse(text)
    except (re.error, Warning, OverflowError, RecursionError, ValueError) as error:
        raise PatternError(f"is not a regular expression: {error}") from error


def _anchored(items: list[tuple[Any, Any]]) -> bool:
    anchors = [str(argument) if str(op) == "AT" else "" for op, argument in items] or [""]
    return anchors[0].startswith("AT_BEGINNING") and anchors[-1].startswith("AT_END")


class _Compiler:
    """Writes the steps of one parsed pattern."""

    def __init__(self, key_group: int | None) -> None:
        self.steps: list[_Step] = []
        self._key_group = key_group

    def emit(self, op: _Op, characters: Iterable[str] = ()) -> _Step:
        if len(self.steps) >= _LONGEST_PROGRAM:
            raise PatternError("is too large; repeat less")
        step = _Step(op, frozenset(characters))
        self.steps.append(step)
        return step

    def sequence(self, items: Iterable[tuple[Any, Any]], within_repeat: bool) -> None:
        for op, argument in items:
            name = str(op)
            if name in _CHARACTERS:
                self.emit(_Op.CHARACTER, _CHARACTERS[name](argument))
            elif name == "AT":
                self._anchor(str(argument))
            elif name == "SUBPATTERN":
                self._group(argument, within_repeat)
            elif name == "BRANCH":
                self._branch(argument[1], within_repeat)
            elif name in ("MAX_REPEAT", "MIN_REPEAT"):
                self._repeat(argument, within_repeat, greedy=name == "MAX_REPEAT")
            else:
                raise PatternError(f"uses {name.lower().replace('_', ' ')}, which is not supported")

    def _anchor(self, where: str) -> None:
        if where.startswith("AT_BEGINNING"):
            self.emit(_Op.AT_START)
        elif where.startswith("AT_END"):
            self.emit(_Op.AT_END)
        else:
            raise PatternError("uses a word boundary, which is not supported")

    def _group(self, argument: Any, within_repeat: bool) -> None:
        number, added, removed, items = argument
        if added or removed:
            raise PatternError("has flags; write both cases instead, as in [Aa]")
        is_key = number is not None and number == self._key_group
        if is_key:
            self.emit(_Op.BEGIN_KEY)
        self.sequence(items, within_repeat)
        if is_key:
            self.emit(_Op.END_KEY)

    def _branch(self, arms: list[Any], within_repeat: bool) -> None:
        exits = []
        for arm in arms[:-1]:
            fork = self._fork()
            self.sequence(arm, within_repeat)
            exits.append(self.emit(_Op.EITHER))
            fork.second = len(self.steps)
        self.sequence(arms[-1], within_repeat)
        for leave in exits:
            leave.first = leave.second = len(self.steps)

    def _repeat(self, argument: Any, within_repeat: bool, greedy: bool) -> None:
        least, most, items = argument
        unbounded = most > LONGEST_TAG
        if unbounded and within_repeat:
            raise PatternError("has an unbounded repeat within another")
        for _ in range(least):
            self._fork()  # counted, so that repeats of nothing run into the limit as well
            self.sequence(items, within_repeat or unbounded)
        if unbounded:
            again = len(self.steps)
            fork = self._fork()
            self.sequence(items, within_repeat=True)
            back = self.emit(_Op.EITHER)
            back.first = back.second = again
            self._leave([fork], greedy)
        else:
            forks = []
            for _ in range(most - least):
                forks.append(self._fork())
                self.sequence(items, within_repeat)
            self._leave(forks, greedy)

    def _fork(self) -> _Step:
        step = self.emit(_Op.EITHER)
        step.first = step.second = len(self.steps)
        return step

    def _leave(self, forks: list[_Step], greedy: bool) -> None:
        for fork in forks:
            inside, outside = fork.first, len(self.steps)
            fork.first, fork.second = (inside, outside) if greedy else (outside, inside)


def _member(op: str, argument: Any) -> frozenset[str]:
    if op == "LITERAL":
        return frozenset(chr(argument))
    if op == "RANGE":
        return frozenset(c for c in _ASCII if argument[0] <= ord(c) <= argument[1])
    return _CATEGORIES[str(argument)]


def _class(items: list[tuple[Any, Any]]) -> frozenset[str]:
    members = [_member(str(op), argument) for op, argument in items if str(op) != "NEGATE"]
    union = frozenset[str]().union(*members)
    return _ASCII - union if str(items[0][0]) == "NEGATE" else union


_CHARACTERS: dict[str, Callable[[Any], frozenset[str]]] = {
    "LITERAL": lambda code: frozenset(chr(code)),
    "NOT_LITERAL": lambda code: _ASCII - {chr(code)},
    "ANY": lambda _: _ASCII - {"\n"},
    "IN": _class,
}
