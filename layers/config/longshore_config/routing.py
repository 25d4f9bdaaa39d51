"""What a schema cannot say of routes: that they name kinds and channels which are there, and can be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from longshore_config.document import Problem, dotted

if TYPE_CHECKING:
    from longshore_config.document import Document, KeyPath

BY_TAG = "tag:longshore:channel"
ALWAYS_THERE = ("fallback", BY_TAG)
"""Names of a route's `to` that are no channels: the stack's own topic, and whatever the workload's tag names."""


def routing_problems(document: Document) -> list[Problem]:
    """The problems of a document that its schema accepts."""
    data = document.data or {}
    channels, routes = data.get("channels") or {}, data.get("routes") or []
    return [
        *_unknown(document, channels, routes),
        *_kindless(document, routes),
        *_mentionless(document, channels, routes),
        *_unreachable(document, routes),
        *_unused(document, channels, routes),
    ]


def _unknown(document: Document, channels: dict[str, Any], routes: list[Any]) -> Iterator[Problem]:
    known = [*channels, *ALWAYS_THERE]
    for index, route in enumerate(routes):
        for place, name in enumerate(route.get("to") or []):
            if name not in known:
                close = get_close_matches(name, known, n=1)
                fix = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
                path = ("routes", index, "to", place)
                yield _problem(document, path, f"there is no channel {name!r}", fix)


def _kindless(document: Document, routes: list[Any]) -> Iterator[Problem]:
    """Kinds are a closed list, the product's own: a pattern that none of them matches is misspelt."""
    if find_spec("longshore") is None:
        return
    kinds = import_module("longshore.notify.kinds")
    told = [kinds.slug(kind) for kind in kinds.MEANINGS]
    families = dict.fromkeys(f"{kind.partition('-')[0]}-*" for kind in told)
    for index, route in enumerate(routes):
        for path, pattern in _patterns(("routes", index, "match", "kind"), (route.get("match") or {}).get("kind")):
            folded = pattern.lower().replace(" ", "-")
            if not any(fnmatchcase(kind, folded) for kind in told):
                close = get_close_matches(folded, [*families, *told], n=1)
                fix = f"did you mean {close[0]}?" if close else f"there are: {', '.join(told)}"
                yield _problem(document, path, f"no kind of notice matches {pattern!r}", fix)


def _patterns(path: KeyPath, written: str | list[str] | None) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(written, str):
        yield path, written
    for place, pattern in enumerate(written if isinstance(written, list) else ()):
        yield (*path, place), pattern


def _mentionless(document: Document, channels: Mapping[str, Any], routes: list[Any]) -> Iterator[Problem]:
    """Slack alone can mention somebody; which channel a tag names is not known here."""
    for index, route in enumerate(routes):
        names = route.get("to") or []
        slack = any(str(channels.get(name, {}).get("type")).startswith("slack") for name in names)
        if route.get("mention") and not slack and BY_TAG not in names:
            fix = "add a Slack channel to this route, or remove mention"
            yield _problem(document, ("routes", index, "mention"), "no channel of this route can mention anybody", fix)


def _unreachable(document: Document, routes: list[Any]) -> Iterator[Problem]:
    """A route that takes everything hides those below it."""
    for index, route in enumerate(routes[:-1]):
        if not route.get("match") and not route.get("continue"):
            yield _problem(
                document,
                ("routes", index + 1),
                f"no notice ever gets here: routes[{index}] takes everything",
                "move it down, give it a match, or let it say continue: true",
            )
            return


def _unused(document: Document, channels: dict[str, Any], routes: list[Any]) -> Iterator[Problem]:
    """Where there are routes, a channel that none of them names is told nothing, unless tags may name it."""
    named = {name for route in routes for name in route.get("to") or []}
    if not routes or BY_TAG in named:
        return
    for name in channels:
        if name not in named:
            yield _problem(document, ("channels", name), "no route leads here", "name it in a route, or remove it")


def _problem(document: Document, path: KeyPath, message: str, fix: str) -> Problem:
    return Problem(*document.place(path), dotted(path), message, fix)
