"""Mirrors from other tools' files: regsync.yml (regclient) and the YAML of `skopeo sync`."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from longshore.errors import ConfigurationError
from longshore.mirror.reading import check_mirrors
from longshore_cli.import_found import Found, UnreadableError
from longshore_cli.import_regsync import read_regsync
from longshore_cli.import_skopeo import read_skopeo

_LONGEST_NAME: Final = 64
_NULL, _MERGE, _TEXT = (f"tag:yaml.org,2002:{name}" for name in ("null", "merge", "str"))


class _Texts(yaml.SafeLoader):
    """Scalars as they are written: both tools take a tag for text, and 1.30 is not 1.3."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        letter: [(tag, expression) for tag, expression in resolvers if tag in (_NULL, _MERGE)]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _kind in ("int", "float", "bool", "timestamp", "binary"):  # as in !!float 1.30
    _Texts.add_constructor(f"tag:yaml.org,2002:{_kind}", _Texts.yaml_constructors[_TEXT])


def imported(content: bytes, prefix: str | None) -> tuple[str, list[str]]:
    """The text of a `mirrors` section, empty when there is nothing in it, and what was left out.

    Raises UnreadableError for a file that is neither tool's.
    """
    try:
        document = yaml.load(content.decode("utf-8-sig"), _Texts)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UnreadableError(f"is no YAML: {str(error)[:300]}") from error
    if not isinstance(document, dict) or not document or not all(isinstance(key, str) for key in document):
        raise UnreadableError("is neither regsync.yml nor the YAML of skopeo sync")
    found = Found(prefix.rstrip("/") if prefix else None)
    if "sync" in document:
        read_regsync(document, found)
    else:
        read_skopeo(document, found)
    mirrors = _named(found)
    if not mirrors:
        return "", found.left
    return yaml.safe_dump({"mirrors": mirrors}, sort_keys=False, allow_unicode=True, width=120), found.left


def _named(found: Found) -> dict[str, Any]:
    """Mirrors with names; those that `longshore config check` would refuse are left out with its reason."""
    named: dict[str, Any] = {}
    for entry in found.mirrors.values():
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", entry["from"].rpartition("/")[2])[: _LONGEST_NAME - 4] or "mirror"
        name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, 1000))) if n not in named)
        try:
            check_mirrors({**named, name: entry})
        except ConfigurationError as error:
            found.skip(f"{entry['from']} -> {entry['to']}", str(error))
            continue
        named[name] = entry
    return named
