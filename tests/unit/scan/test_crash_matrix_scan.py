"""The process may end at any call, before it or after it: nothing is lost, and nothing is told more than once again.

Each case kills one invocation at one boundary, has the queue deliver the message again, and looks at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from longshore.scan.findings import ScanState
from longshore.scan.rules import read_scan_policy
from longshore.scan.suppressions import Origin, Suppression
from tests.scan_world import CRITICAL, HIGH, ONE, TWO, WEB, ScanWorld, running_world

Scenario = Callable[[int | None], ScanWorld]


def begin(world: ScanWorld, step: int | None) -> None:
    if step is not None:
        world.crash_after(step)
    world.steps_before = len(world.steps)  # type: ignore[attr-defined]


def scanned(step: int | None) -> ScanWorld:
    """A scan with news."""
    world = running_world()
    world.find(ONE, CRITICAL, HIGH)
    begin(world, step)
    world.send(world.scanned(ONE))
    world.run(10)
    return world


def changed(step: int | None) -> ScanWorld:
    """Many events about one image, looked at later."""
    world = running_world()
    world.find(ONE, HIGH)
    begin(world, step)
    world.send(*(world.finding(ONE) for _ in range(3)))
    world.run(20)
    return world


def mended(step: int | None) -> ScanWorld:
    """Findings that were told of are gone."""
    world = running_world(CRITICAL)
    world.find(ONE)
    begin(world, step)
    world.send(world.scanned(ONE))
    world.run(10)
    return world


def deployed(step: int | None) -> ScanWorld:
    """A clean image takes the place of one that was told of."""
    world = running_world(CRITICAL)
    world.push(TWO, HIGH, tag="prod")
    world.deploy(TWO)
    begin(world, step)
    world.send(world.succeeded())
    world.run(10)
    return world


def asked(step: int | None) -> ScanWorld:
    """A gate that waits, closes, and opens."""
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    begin(world, step)
    world.ask(TWO, ONE)
    world.run(10)
    world.find(TWO, CRITICAL)
    world.send(world.scanned(TWO))
    world.run(10)
    world.find(TWO)
    world.send(world.scanned(TWO))
    world.run(10)
    return world


def lost(step: int | None) -> ScanWorld:
    """A gate whose scan event never comes."""
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.PENDING)
    begin(world, step)
    world.ask(TWO, ONE)
    world.run(40)
    return world


def swept(step: int | None) -> ScanWorld:
    """The daily look, with an acceptance that ends soon."""
    world = running_world()
    world.find(ONE, CRITICAL, HIGH)
    ends = world.clock.now() + timedelta(days=3)
    world.acceptances.put(Suppression("a", Origin.SWITCH, HIGH.vulnerability, expires=ends))
    begin(world, step)
    world.sweep()
    world.run(20)
    return world


def digests(step: int | None) -> ScanWorld:
    """A team's digest; the world begins at 09:00 UTC on a Monday."""
    world = running_world(CRITICAL, policy=read_scan_policy({"digest": {"at": "09:00", "on": ["mon"]}}))
    begin(world, step)
    for _ in range(3):
        world.send(world.own("Digest Due", {}))
        world.run(60)
    return world


SCENARIOS: dict[str, Scenario] = {
    each.__name__: each for each in (scanned, changed, mended, deployed, asked, lost, swept, digests)
}


def boundaries(scenario: Scenario) -> int:
    whole = scenario(None)
    return len(whole.steps) - int(whole.steps_before)  # type: ignore[attr-defined]


def remembered(world: ScanWorld) -> list[object]:
    """What the ledger knows in the end, without when and how often it was written."""
    reports = [
        (each.digest, each.fingerprint, each.open, each.summary["findings"], each.summary["runs"])
        for each in world.reports.of(WEB)
    ]
    verdicts = [each.verdict.reason if each.verdict else None for each in world.gates.of(WEB)]
    return [reports, verdicts]


CASES = [(name, step) for name in SCENARIOS for step in range(1, boundaries(SCENARIOS[name]) + 1)]


@pytest.mark.parametrize(("name", "step"), CASES)
def test_whatever_dies_all_is_told_and_known_in_the_end(name: str, step: int) -> None:
    undisturbed, world = SCENARIOS[name](None), SCENARIOS[name](step)
    assert len(world.failures) == 1, "the process did not end"
    usual, told = Counter(undisturbed.told), Counter(world.told)
    assert told.keys() == usual.keys()
    assert all(usual[kind] <= told[kind] <= usual[kind] + 1 for kind in usual)
    assert sum(told.values()) <= sum(usual.values()) + 1
    assert remembered(world) == remembered(undisturbed)
    assert world.queue.waiting == undisturbed.queue.waiting == []


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_has_something_to_tell(name: str) -> None:
    assert SCENARIOS[name](None).told
    assert boundaries(SCENARIOS[name]) > 10


def test_every_verdict_is_in_the_ledger_before_it_is_told() -> None:
    """Redeploy reads it there when it hears of it."""
    world = asked(None)
    publishes = [at for at, step in enumerate(world.steps) if step == "FakePublisher.publish before"]
    judged = [at for at, step in enumerate(world.steps) if step == "FakeGates.judge after"]
    gates = [at for at, kind in zip(publishes, world.told, strict=True) if kind.startswith("Gate")]
    assert len(gates) == 2
    waited = 1  # the verdict that it waits is recorded and not told
    for place, told in enumerate(gates, 1):
        assert sum(record < told for record in judged) == waited + place
