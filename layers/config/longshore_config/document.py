"""A YAML document read strictly: plain data, the place of every key, and what YAML 1.1 would silently reinterpret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

KeyPath = tuple[str | int, ...]

MAX_BYTES = 256 * 1024
# Aliases multiply: ten lines can mean a billion nodes. A real file has a few hundred.
MAX_NODES = 20_000
_WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_REINTERPRETED = {
    "bool": "true or false",
    "int": "another number",
    "float": "a fraction, and drops its last zeros",
    "timestamp": "a date",
}
_PREFIX = "tag:yaml.org,2002:"
_FRACTION = re.compile(r"[0-9]{0,3}\.[0-9]{1,9}")
_FRACTIONS = frozenset({("scan", "epss")})
"""Where a fraction is meant."""
_ON = ("scan", "digest")
"""Below it the key `on` is what it says, not YAML 1.1's true."""
_PLAIN = frozenset({"type", "lang", "region"})
"""Of a channel: what is one of a few words."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a configuration file, where it is (counted from 1), and what to write instead.

    `file` names the file where that is not the configuration itself.
    """

    line: int
    column: int
    key_path: str
    message: str
    fix: str = ""
    file: str = ""

    def located(self, name: str) -> str:
        """The problem as compilers print it: ``longshore.yaml:12:5 profiles.web.write: ...``.

        `name` is that of the configuration; another file beside it may have the problem.
        """
        where = f"{self.file or name}:{self.line}:{self.column} {self.key_path}".rstrip()
        return f"{where}: {self.message}" + (f"; {self.fix}" if self.fix else "")


@dataclass(slots=True)
class Document:
    """What a file says (`data`), where each key is, how each value was written, and what could not be read."""

    data: Any = None
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    written: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of a key, or of the nearest one around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def report(self, path: KeyPath, message: str, fix: str = "") -> None:
        """Records a problem at a key."""
        self.problems.append(Problem(*self.place(path), dotted(path), message, fix))


class _TooManyNodesError(Exception):
    pass


def is_confidential(path: KeyPath) -> bool:
    """Whether a value may be a token or a signed address that belongs into a secret: then it is shown to nobody."""
    return path[:1] == ("channels",) and path[-1] not in _PLAIN


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``profiles.web.allow[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def read_document(content: bytes, *, dates: bool = False) -> Document:
    """Reads a file's content. Never raises: whatever is wrong is among the problems. `dates` are text where allowed."""
    document = Document()
    if len(content) > MAX_BYTES:
        document.report((), f"the file has {len(content)} bytes", f"at most {MAX_BYTES} are read")
        return document
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        document.data = _Reader(document, dates).value(node, ()) if node else None
    except UnicodeDecodeError as error:
        document.report((), f"not UTF-8 text (byte {error.start})", "save the file as UTF-8")
    except yaml.YAMLError as error:
        document.problems.append(_syntax_problem(error))
    except (RecursionError, _TooManyNodesError):
        document.report((), "nested or multiplied by aliases beyond measure", "write the values out")
    return document


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(line, column, "", f"not valid YAML: {text}", "check indentation, quotes and colons")


class _Reader:
    """Turns nodes into data."""

    def __init__(self, document: Document, dates: bool) -> None:
        self._document = document
        self._dates = dates
        self._nodes = 0
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooManyNodesError
        if any(node is outer for outer in self._open):
            self._document.report(path, "an alias that contains itself", "write the values out")
            return None
        self._document.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        self._open.append(node)
        value = self._container_or_scalar(node, path)
        self._open.pop()
        return value

    def _container_or_scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == _PREFIX + "map":
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode) and node.tag == _PREFIX + "seq":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            self._document.written[path] = node.value
            return self._scalar(node, path)
        return self._refuse(path, f"the YAML tag {node.tag} is not understood", "remove it")

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key, value in node.value:
            place = (key.start_mark.line + 1, key.start_mark.column + 1)
            name = self._key(key, place, path)
            if name is None:
                continue
            if name in seen:
                text = f"the key is there twice, first in line {seen[name]}"
                self._document.problems.append(Problem(*place, dotted((*path, name)), text, "keep one of them"))
                continue
            seen[name] = place[0]
            self._document.places[(*path, name)] = place
            yield name, self.value(value, (*path, name))

    def _key(self, key: yaml.Node, place: tuple[int, int], path: KeyPath) -> str | None:
        if key.tag == _PREFIX + "str" and isinstance(key, yaml.ScalarNode):
            return str(key.value)
        if path[:2] == _ON and key.value == "on":
            return "on"
        if key.tag == _PREFIX + "merge":
            problem = Problem(
                *place, dotted(path), "merge keys (<<) are not supported", "repeat the keys, or alias whole values"
            )
        elif isinstance(key, yaml.ScalarNode):
            kind = key.tag.removeprefix(_PREFIX)
            problem = Problem(
                *place, dotted(path), f"YAML reads the key {key.value} as {kind}, not text", f"quote it: '{key.value}'"
            )
        else:
            problem = Problem(*place, dotted(path), "a key must be text", "quote it if it is meant to be one")
        self._document.problems.append(problem)
        return None

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(_PREFIX)
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case "int" if _WHOLE_NUMBER.fullmatch(text):
                return int(text)
            case "float" if path in _FRACTIONS and _FRACTION.fullmatch(text):
                return float(text)
        return text if kind == "timestamp" and self._dates else self._reinterpreted(node, path)

    def _reinterpreted(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text, kind = node.value, node.tag.removeprefix(_PREFIX)
        if kind in _REINTERPRETED and is_confidential(path):
            return self._refuse(path, f"YAML reads it as {_REINTERPRETED[kind]}", "quote it")
        if kind in _REINTERPRETED:
            return self._refuse(path, f"YAML reads {text} as {_REINTERPRETED[kind]}", f"quote it: '{text}'")
        return self._refuse(path, f"the YAML tag {node.tag} is not understood", "remove it, or quote the text")

    def _refuse(self, path: KeyPath, message: str, fix: str = "") -> None:
        self._document.report(path, message, fix)
