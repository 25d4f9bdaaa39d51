"""Checks `longshore.yaml` against its schema, and names line, column, key and fix of whatever is wrong."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker

from longshore_config.document import Document, KeyPath, Problem, dotted, is_confidential, read_document
from longshore_config.mirroring import mirror_problems
from longshore_config.retries import retry_problems
from longshore_config.routing import routing_problems
from longshore_config.scanning import scan_problems

if TYPE_CHECKING:
    from jsonschema import ValidationError

SCHEMA_PATH = Path(__file__).resolve().parent.parent / "schema.json"
_TYPES = {
    "object": "keys with values",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def check(path: Path) -> list[Problem]:
    """Every problem of a configuration file, in the order of its lines; an empty list means that it may be built."""
    return read(path)[1]


def read(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The file's content as plain data, without empty sections, and its problems. Raises OSError for no such file."""
    document = read_document(path.read_bytes())
    for rules in (_schema_problems, _policy_problems, mirror_problems, routing_problems, retry_problems):
        if not document.problems:
            document.problems += rules(document)
    if not document.problems:
        document.problems += scan_problems(document, path.parent, schema_problems)
    if document.problems:
        return {}, sorted(set(document.problems))
    return {key: value for key, value in (document.data or {}).items() if value is not None}, []


def _schema_problems(document: Document) -> list[Problem]:
    return schema_problems(document)


def schema_problems(document: Document, part: str = "") -> list[Problem]:
    """What the schema says of a document, or `part` of the schema of another file's."""
    data = {} if document.data is None else document.data
    return [problem for error in _validator(part).iter_errors(data) for problem in _problems(error, document)]


def _policy_problems(document: Document) -> list[Problem]:
    """What a schema cannot express: ranges, calendar patterns and the regular expressions that are surely fast.

    The product's own parser judges them. It is there in the repository, on the command line and in the build; an editor
    has the schema alone.
    """
    if find_spec("longshore") is None:
        return []
    problems = []
    for name, profile in ((document.data or {}).get("profiles") or {}).items():
        try:
            import_module("longshore.redeploy.profiles").read_profiles({name: profile})
        except import_module("longshore.errors").ConfigurationError as error:
            key = error.key.removeprefix(f"profiles.{name}").removeprefix(".")
            path = ("profiles", name, *(key.split(".") if key else []))
            problems.append(_problem(document, path, error.problem, error.fix))
    return problems


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema that serves editors, the command and the build alike."""
    loaded: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return loaded


@cache
def _validator(part: str) -> Draft202012Validator:
    wanted = {**schema()["$defs"][part], "$defs": schema()["$defs"]} if part else schema()
    return Draft202012Validator(wanted, format_checker=FormatChecker(["regex"]))


def _problems(error: ValidationError, document: Document) -> Iterator[Problem]:
    path: KeyPath = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        name = str(error.instance)
        yield _problem(document, (*path, name), f"{name!r} is not a valid name", _rule(error).get("description", ""))
    elif error.validator == "additionalProperties":
        known = list(_rule(error)["properties"])
        for key in sorted(set(_instance(error)) - set(known)):
            yield _problem(document, (*path, key), "unknown key", _suggestion(key, known))
    elif error.validator == "required":
        for key in sorted(set(_rule(error)["required"]) - set(_instance(error))):
            fix = _rule(error).get("properties", {}).get(key, {}).get("description", "")
            yield _problem(document, path, f"the key {key} is missing", fix)
    else:
        fix = _rule(error).get("description", "")
        yield _problem(document, path, _message(error, _shown(document, path)), fix)


def _shown(document: Document, path: KeyPath) -> str | None:
    """How a value was written; None for what may be a secret in the wrong place, which no log of a build may keep."""
    return None if is_confidential(path) else document.written.get(path)


def _rule(error: ValidationError) -> Mapping[str, Any]:
    """The part of the schema that failed; its description says what to write."""
    return error.schema if isinstance(error.schema, Mapping) else {}


def _instance(error: ValidationError) -> Mapping[str, Any]:
    return error.instance if isinstance(error.instance, Mapping) else {}


def _problem(document: Document, path: KeyPath, message: str, fix: str) -> Problem:
    return Problem(*document.place(path), dotted(path), message, fix)


_MESSAGES: dict[str, Callable[[Any, str], str]] = {
    "enum": lambda allowed, written: f"{written} is not one of {', '.join(allowed)}",
    "not": lambda _, written: f"{written} is not allowed here",
    "minimum": lambda limit, written: f"{written} is less than {limit}",
    "maximum": lambda limit, written: f"{written} is more than {limit}",
    "minLength": lambda _, __: "it is empty",
    "maxLength": lambda limit, _: f"it has more than {limit} characters",
    "minItems": lambda _, __: "the list is empty",
    "maxItems": lambda limit, _: f"the list has more than {limit} entries",
    "minProperties": lambda _, __: "nothing is written below it",
    "format": lambda kind, written: f"{written} is not a valid {kind}",
}


def _message(error: ValidationError, written: str | None) -> str:
    text = "it" if written is None else f"'{written}'" if isinstance(error.instance, str) else written
    value = _rule(error).get(str(error.validator))
    if error.validator == "type":
        wanted = [value] if isinstance(value, str) else value or []
        expected = " or ".join(_TYPES[name] for name in wanted if name in _TYPES)
        return f"{_kind(error.instance)} where {expected} is expected"
    describe = _MESSAGES.get(str(error.validator))
    return describe(value, text) if describe else f"{text} is not valid"


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    for kind, name in (
        (dict, "object"),
        (list, "array"),
        (str, "string"),
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
    ):
        if isinstance(value, kind):
            return _TYPES[name]
    return type(value).__name__


def _suggestion(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
