"""Mirror's registries are waited for no longer than the invocation allows, each invocation anew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from longshore import wiring
from longshore.registries.timelimit import RESERVE_SECONDS, TimeLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def test_every_invocation_sets_it_for_every_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    left: Iterator[int] = iter((60_000, 900_000, 3_000))
    context = cast("Any", SimpleNamespace(get_remaining_time_in_millis=lambda: next(left)))
    monkeypatch.setattr(wiring, "_own_queue", object)
    monkeypatch.setattr(wiring, "settings", lambda: SimpleNamespace(loopback=False, registries={}))
    monkeypatch.setattr(wiring, "_connections", [])
    client = wiring._connected_in_time("registry.example", "source", None)
    for seconds in (60.0, 900.0):
        wiring.mirroring(cast("Any", None), cast("Any", None), context)
        for limit in (client._patience.limit, client._transport._connections.limit):
            assert seconds - RESERVE_SECONDS - 5 < limit.left <= seconds - RESERVE_SECONDS
    wiring.mirroring(cast("Any", None), cast("Any", None), context)
    assert client._patience.limit.left == 0


def test_without_one_there_is_for_ever() -> None:
    assert TimeLimit().left == float("inf")


def test_it_moves_with_the_clock() -> None:
    now = [100.0]
    limit = TimeLimit(lambda: now[0])
    limit.begin(10)
    now[0] = 104
    assert limit.left == 6
    now[0] = 200
    assert limit.left == 0
