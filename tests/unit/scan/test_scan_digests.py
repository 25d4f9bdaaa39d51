"""What many share: digests of many teams, many acceptances that end, and an EPSS that comes and goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from longshore.events import Kind
from longshore.scan.findings import Finding, Fix, ScanState, Severity
from longshore.scan.rules import read_scan_policy
from longshore.scan.suppressions import Origin, Suppression
from tests.scan_world import CRITICAL, HIGH, ONE, SERVICE, SHOP, THREE, TWO, WEB, ScanWorld, running_world

DAY = timedelta(days=1)
FOUR = "sha256:" + "4" * 64
DAILY = read_scan_policy({"digest": {"at": "10:00", "on": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}})


def reports(world: ScanWorld, report: str) -> list[dict[str, object]]:
    return [dict(each) for each in world.details(Kind.FINDINGS_REPORTED) if each["report"] == report]


def until_the_digest(world: ScanWorld) -> None:
    for _ in range(25):
        world.send(world.own("Digest Due", {}))
        world.run(60)


def ending(identity: str, world: ScanWorld, *repositories: str) -> Suppression:
    ends = world.clock.now() + 5 * DAY
    return Suppression(
        identity, Origin.SWITCH, f"CVE-2026-{identity}", repositories=repositories, expires=ends, owner="jo"
    )


def test_every_team_of_an_image_that_many_run_has_its_digest() -> None:
    world = ScanWorld(DAILY)
    world.push(ONE, CRITICAL, tag="prod")
    teams = [f"team-{number:02}" for number in range(30)]
    world.runners.running[WEB] = {ONE: [SHOP._replace(name=team, team=team, arn=f"{SERVICE}-{team}") for team in teams]}
    world.sweep()
    until_the_digest(world)
    assert sorted(str(each["team"]) for each in reports(world, "digest")) == teams


def test_what_is_accepted_everywhere_concerns_everybody_who_runs_something() -> None:
    world = ScanWorld(DAILY)
    world.push(ONE, CRITICAL, tag="prod")
    world.deploy(ONE)
    world.acceptances.put(ending("1", world))
    world.acceptances.put(ending("2", world, "another"))
    world.sweep()
    until_the_digest(world)
    (digest,) = reports(world, "digest")
    assert digest["acceptances_count"] == 1


def test_what_waits_for_its_scan_for_ever_is_in_the_digest() -> None:
    world = ScanWorld(DAILY)
    world.push(ONE, tag="prod", state=ScanState.PENDING)
    world.deploy(ONE)
    world.sweep()
    until_the_digest(world)
    (digest,) = reports(world, "digest")
    assert digest["unscanned_count"] == 1


def test_every_acceptance_that_ends_is_named() -> None:
    world = running_world()
    for number in range(45):
        world.acceptances.put(ending(str(number), world))
    world.sweep()
    world.run(5)
    world.sweep()
    world.run(5)
    named = [each["id"] for told in reports(world, "expiring") for each in told["acceptances"]]  # type: ignore[attr-defined]
    assert sorted(named) == sorted(str(number) for number in range(45))


def test_what_was_only_observed_to_end_is_told_once_people_are() -> None:
    world = ScanWorld(observe=True)
    world.acceptances.put(ending("1", world))
    world.sweep()
    world.run(5)
    assert reports(world, "expiring") == []
    world.observe = False
    world.sweep()
    world.run(5)
    assert len(reports(world, "expiring")) == 1


def test_an_epss_around_the_bound_is_told_once() -> None:
    likely = Finding("CVE-2026-9", "curl", "8", severity=Severity.HIGH, fix=Fix.YES, fixed_in="9", epss=0.101)
    world = running_world(likely)
    for epss in (0.099, 0.101, 0.099, 0.101):
        world.find(ONE, replace(likely, epss=epss))
        world.send(world.finding(ONE))
        world.run(10)
    assert len(reports(world, "scan")) == 1
    world.find(ONE, replace(likely, epss=0.099, exploit=True))
    world.send(world.finding(ONE))
    world.run(10)
    assert len(reports(world, "scan")) == 2, "an exploit is news"


def test_what_a_newer_image_mends_is_told_once_and_again_when_another_mends_more() -> None:
    world = running_world(CRITICAL, HIGH)
    for digest, left in ((TWO, [HIGH]), (THREE, [HIGH]), (FOUR, [])):
        world.clock.advance(60)
        world.push(digest, *left, tag=digest[7:12])
        for _ in range(2):
            world.send(world.scanned(ONE))
            world.run()
    told = [each for each in reports(world, "scan") if each["reason"] == "mended-upstream"]
    assert [(each["cure"]["fixed"], each["cure"]["of"], each["new"]) for each in told] == [(1, 2, 0), (2, 2, 0)]  # type: ignore[index]
