"""What a schema cannot say of channels and routes: that routes name channels which are there, and can be reached."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from longshore_config.document import Problem, dotted

if TYPE_CHECKING:
    from longshore_config.document import Document, KeyPath

ALWAYS_THERE = ("fallback", "tag:longshore:channel")
"""Names of a route's `to` that are no channels: the stack's own topic, and whatever the workload's tag names."""


def routing_problems(document: Document) -> list[Problem]:
    """The problems of a document that its schema accepts."""
    data = document.data or {}
    channels, routes = data.get("channels") or {}, data.get("routes") or []
    return [
        *_unknown(document, channels, routes),
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
    if not routes or "tag:longshore:channel" in named:
        return
    for name in channels:
        if name not in named:
            yield _problem(document, ("channels", name), "no route leads here", "name it in a route, or remove it")


def _problem(document: Document, path: KeyPath, message: str, fix: str) -> Problem:
    return Problem(*document.place(path), dotted(path), message, fix)
