"""What leads to each of scan's announcements: worlds in which it was told (docs/events.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from longshore.gates import GateReason, GateTerms
from longshore.scan.findings import Fix, ScanState
from longshore.scan.ports import Runner
from longshore.scan.rules import read_scan_policy
from longshore.scan.suppressions import Origin, Suppression
from tests.scan_world import CRITICAL, HIGH, MINOR, ONE, SHOP, THREE, TWO, WEB, ScanWorld, running_world

LISTED = replace(CRITICAL, kev=True, kev_due=date(2026, 12, 5), epss=0.9, score=9.8, title="a title", url="https://a")


def accepting(world: ScanWorld, days: int) -> ScanWorld:
    """Somebody accepted the critical finding."""
    ends = world.clock.now() + timedelta(days=days)
    world.acceptances.put(Suppression("a", Origin.SWITCH, CRITICAL.vulnerability, expires=ends, owner="shop"))
    return world


def looked(world: ScanWorld, digest: str = ONE) -> ScanWorld:
    """A scan event."""
    world.send(world.scanned(digest))
    world.run()
    return world


def findings_of_two_teams() -> ScanWorld:
    """News, more than are named; with what Inspector saw besides."""
    world = ScanWorld()
    world.runners.seen = [Runner("batch", cluster="batch")]
    world.push(ONE, LISTED, *(replace(HIGH, package=f"p{n}", fix=Fix.NO, fixed_in="") for n in range(20)), tag="prod")
    world.deploy(ONE, SHOP, Runner("api", team="data"))
    return looked(world)


def worsened() -> ScanWorld:
    """A finding that came to CISA's list, with a newer image that lacks it."""
    world = running_world(CRITICAL)
    world.clock.advance(60)
    world.push(TWO, MINOR, tag="v2")
    world.find(ONE, LISTED)
    return looked(world)


def mended_upstream() -> ScanWorld:
    """A newer image lacks what was told of the one that runs."""
    world = running_world(CRITICAL)
    world.clock.advance(60)
    world.push(TWO, MINOR, tag="v2")
    return looked(world)


def accepted_and_reopened() -> ScanWorld:
    """Accepted, and found again once that ended."""
    world = looked(accepting(running_world(CRITICAL), 30))
    world.clock.advance(30 * 86400)
    return looked(world)


def mended() -> ScanWorld:
    """Another scan does not find it."""
    world = running_world(CRITICAL)
    world.find(ONE)
    return looked(world)


def replaced() -> ScanWorld:
    """A clean image is deployed."""
    world = running_world(CRITICAL)
    world.push(TWO, tag="prod")
    world.deploy(TWO)
    world.send(world.succeeded())
    world.run(5)
    return world


def removed() -> ScanWorld:
    """An image that was told of before anything ran it is deleted."""
    world = ScanWorld()
    world.push(ONE, CRITICAL, tag="next")
    looked(world)
    del world.scans.assessments[WEB, ONE]
    return looked(world)


def ending() -> ScanWorld:
    """An acceptance that ends within the week."""
    world = accepting(running_world(), 5)
    world.sweep()
    world.run(5)
    return world


def digests() -> ScanWorld:
    """A team's digests, of two weeks."""
    world = accepting(running_world(HIGH, policy=read_scan_policy({"digest": {"on": ["mon"]}})), 10)
    world.push(TWO, tag="batch", state=ScanState.UNSUPPORTED, why="the system is not supported")
    world.runners.running[WEB] = {ONE: [SHOP], TWO: [SHOP._replace(name="batch", team="")]}
    world.clock.advance(60)
    world.push(THREE, tag="v3")
    for _ in range(15):
        world.sweep()
        world.run(60)
        world.send(world.own("Digest Due", {}))
        world.run(23 * 60)
    return world


def gate_closed_and_opened() -> ScanWorld:
    """A gate that closes, and opens when the findings are gone."""
    world = running_world()
    world.push(TWO, LISTED, tag="prod")
    world.ask(TWO, ONE)
    world.run()
    world.find(TWO)
    return looked(world, TWO)


def gate_without_a_result() -> ScanWorld:
    """The scanner cannot read the image; one workload's terms admit that."""
    world = running_world()
    world.push(TWO, tag="prod", state=ScanState.UNSUPPORTED)
    world.ask(TWO, ONE)
    terms = GateTerms(no_result=frozenset({GateReason.UNSUPPORTED}))
    world.ask(TWO, ONE, terms=terms, workload=f"{SHOP.arn}2")
    world.run()
    return world


STORIES: tuple[Callable[[], ScanWorld], ...] = (
    findings_of_two_teams,
    worsened,
    mended_upstream,
    accepted_and_reopened,
    mended,
    replaced,
    removed,
    ending,
    digests,
    gate_closed_and_opened,
    gate_without_a_result,
)
