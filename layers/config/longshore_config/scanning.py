"""The section `scan`, and the files that it names: suppressions as Trivy has them, and OpenVEX documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from longshore_config.document import MAX_BYTES, Document, KeyPath, Problem, dotted, read_document
from longshore_config.durations import seconds

IGNORED = ("misconfigurations", "secrets", "licenses")
"""Sections of `.trivyignore.yaml` that are Trivy's own affair."""
_RENAMED = {"id": "vulnerability", "purls": "packages", "expired_at": "expires", "statement": "reason"}
"""Trivy's words and Longshore's."""
_LARGEST_VEX = 1024 * 1024
_PART = re.compile(r"[^.\[\]]+")
_SchemaProblems = Callable[[Document, str], list[Problem]]


def scan_problems(document: Document, folder: Path, judged: _SchemaProblems) -> list[Problem]:
    """The problems of a section that its schema accepts, and of the files that it names, which lie in `folder`."""
    section = (document.data or {}).get("scan") or {}
    problems = [
        problem
        for key, check in (("suppressions", _ignore_file_problems), ("vex", _vex_problems))
        for index, name in enumerate(section.get(key) or [])
        for problem in _file_problems(document, ("scan", key, index), folder / name, check, judged)
    ]
    return problems or _policy_problems(document, section, folder)


def _file_problems(
    document: Document,
    path: KeyPath,
    file: Path,
    check: Callable[[bytes, str, _SchemaProblems], list[Problem]],
    judged: _SchemaProblems,
) -> list[Problem]:
    name = document.written[path]
    try:
        return [replace(problem, file=name) for problem in check(file.read_bytes(), name, judged)]
    except OSError as error:
        fix = "files lie beside longshore.yaml, or in a folder there"
        return [_problem(document, path, f"{name} cannot be read: {error.strerror or error}", fix)]


def _ignore_file_problems(content: bytes, name: str, judged: _SchemaProblems) -> list[Problem]:
    document = read_document(content, dates=True)
    if not document.problems:
        document.problems += judged(document, "ignoreFile")
    if not document.problems:
        document.problems += _entry_problems(document)
    return document.problems


def _entry_problems(document: Document) -> Iterator[Problem]:
    """Package URLs, patterns and dates, judged by the product's own reader, where it is there."""
    if find_spec("longshore") is None:
        return
    read = import_module("longshore.scan.acceptance").read_suppression
    for index, entry in enumerate((document.data or {}).get("vulnerabilities") or []):
        try:
            read(_compiled(entry), "")
        except import_module("longshore.errors").ConfigurationError as error:
            first, *rest = _path(error.key)
            words = {ours: theirs for theirs, ours in _RENAMED.items()}
            path = ("vulnerabilities", index, words.get(str(first), first), *rest)
            yield _problem(document, path, error.problem, error.fix)


def _vex_problems(content: bytes, name: str, judged: _SchemaProblems) -> list[Problem]:
    if len(content) > _LARGEST_VEX:
        return [Problem(1, 1, "", f"the file has {len(content)} bytes", f"at most {_LARGEST_VEX} are read")]
    try:
        raw = json.loads(content)
    except json.JSONDecodeError as error:
        return [Problem(error.lineno, error.colno, "", f"not JSON: {error.msg}", "OpenVEX documents are JSON")]
    except (UnicodeDecodeError, RecursionError) as error:
        return [Problem(1, 1, "", f"not JSON: {error}", "OpenVEX documents are JSON")]
    if find_spec("longshore") is None:
        return []
    try:
        import_module("longshore.scan.openvex").read_openvex(raw)
    except import_module("longshore.errors").ConfigurationError as error:
        # JSON says nothing of places; where the file is YAML too, as most are, they are known.
        places = read_document(content) if len(content) <= MAX_BYTES else Document()
        return [Problem(*places.place(_path(error.key)), error.key, error.problem, error.fix)]
    return []


def _policy_problems(document: Document, section: dict[str, Any], folder: Path) -> list[Problem]:
    if not section or find_spec("longshore") is None:
        return []
    try:
        import_module("longshore.scan.rules").read_scan_policy(compiled_scan(section, folder))
    except import_module("longshore.errors").ConfigurationError as error:
        if error.key.endswith(".zone") and not available_timezones():
            return []  # this machine knows no zones; the layer brings them along
        return [_problem(document, _path(error.key), error.problem, error.fix)]
    return []


def compiled_scan(section: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The section with durations in seconds and the files' content in the place of their names."""
    compiled = dict(section)
    if section.get("sla"):
        compiled["sla"] = {priority: seconds(each) for priority, each in section["sla"].items()}
    if "suppressions" in section:
        compiled["suppressions"] = [
            _compiled(entry) for name in section["suppressions"] or [] for entry in _entries(folder / name)
        ]
    if "vex" in section:
        compiled["vex"] = [json.loads((folder / name).read_bytes()) for name in section["vex"] or []]
    return compiled


def _entries(file: Path) -> list[dict[str, Any]]:
    return (read_document(file.read_bytes(), dates=True).data or {}).get("vulnerabilities") or []


def _compiled(entry: dict[str, Any]) -> dict[str, Any]:
    named = {_RENAMED.get(key, key): value for key, value in entry.items() if value is not None}
    return {"origin": "file", **named}


def scan_notes(path: Path) -> list[str]:
    """What is worth knowing of good files: parts that Longshore leaves to others, and what it can never match."""
    section = (read_document(path.read_bytes()).data or {}).get("scan") or {}
    return [note for name in section.get("suppressions") or [] for note in _notes(name, path.parent / name)]


def _notes(name: str, file: Path) -> Iterator[str]:
    document = read_document(file.read_bytes(), dates=True)
    for key in IGNORED:
        if (document.data or {}).get(key):
            yield f"{name}:{document.place((key,))[0]} {key}: not read, this is about vulnerabilities"
    if find_spec("longshore") is None:
        return
    read = import_module("longshore.scan.purls").read_purl
    for index, entry in enumerate((document.data or {}).get("vulnerabilities") or []):
        for place, purl in enumerate(entry.get("purls") or []):
            if not read(purl).comparable:
                path = ("vulnerabilities", index, "purls", place)
                text = "matches nothing: AWS's scanners tell neither qualifiers nor subpaths"
                yield f"{name}:{document.place(path)[0]} {dotted(path)}: {text}"


def _path(key: str) -> KeyPath:
    return tuple(int(part) if part.isdecimal() else part for part in _PART.findall(key))


def _problem(document: Document, path: KeyPath, message: str, fix: str) -> Problem:
    return Problem(*document.place(path), dotted(path), message, fix)
