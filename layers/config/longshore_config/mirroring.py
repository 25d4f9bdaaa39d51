"""What a schema cannot say of mirrors: ranges, fast expressions, places that exist, one writer for each, no circles."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from longshore_config.document import Problem, dotted

if TYPE_CHECKING:
    from longshore_config.document import Document, KeyPath

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def mirror_problems(document: Document) -> list[Problem]:
    """The first problem of the mirrors, judged by the product's own reader; none where the product is not there."""
    raw = (document.data or {}).get("mirrors")
    if not raw or find_spec("longshore") is None:
        return []
    try:
        import_module("longshore.mirror.reading").check_mirrors(raw)
    except import_module("longshore.errors").ConfigurationError as error:
        path = _path(error.key, raw)
        return [Problem(*document.place(path), dotted(path), error.problem, error.fix)]
    return []


def _path(key: str, mirrors: dict[str, object]) -> KeyPath:
    """A dotted key as a path; the name of a mirror may have dots itself."""
    rest = key.removeprefix("mirrors.")
    name = max((name for name in mirrors if rest == name or rest.startswith(f"{name}.")), key=len, default="")
    parts = _PART.findall(rest.removeprefix(name)) if name else []
    return ("mirrors", *([name] if name else []), *(int(index) if index else text for text, index in parts))
