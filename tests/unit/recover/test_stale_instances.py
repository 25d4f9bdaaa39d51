"""Stale instances of Cloud Map: taken out after a second look, and never the last one (recover 5 O6)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import AccessDeniedError, GoneError, UpstreamError
from longshore.recover.hosts import Registration, Registry, Service
from longshore.recover.reading import Message
from longshore.recover.stale_instances import Facts, decide, turn
from longshore.recover.upkeep import Measure, UpkeepPolicy, Why
from longshore.settings import Mode
from tests.fake_tasks import ARN, CLUSTER
from tests.fakes import START
from tests.platform_world import PlatformWorld

if TYPE_CHECKING:
    from collections.abc import Sequence

GHOST = "f" * 32
SERVICE_ARN = "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1"


def stale_world(
    mode: Mode = Mode.AUTO, live: int = 1, ghosts: Sequence[str] = (GHOST,), **service: Any
) -> tuple[PlatformWorld, list[str]]:
    world = PlatformWorld(mode=mode)
    world.service("web", **{"registries": (SERVICE_ARN,), **service})
    definition = world.tasks.define("web")
    arns = [world.tasks.run(definition, group="service:web") for _ in range(live)]
    ids = [each.rpartition("/")[2] for each in arns]
    world.registries.add("srv-1", *(Registration(each, CLUSTER, "web") for each in (*ids, *ghosts)))
    world.run(0)
    return world, ids


def sweep(world: PlatformWorld) -> list[str]:
    message = Message.parse(world.envelope("Sweep Due", {}))
    found = world.platform.stale_instances.sweep(message)
    world.outcomes += found
    return [each.reason for each in found]


def test_a_stale_instance_is_taken_out_after_the_second_sweep() -> None:
    world, live = stale_world()
    assert sweep(world) == ["young"]
    assert world.registries.ids("srv-1") == [*live, GHOST]
    world.clock.advance(299)
    assert sweep(world) == ["young"]
    world.clock.advance(1)
    assert sweep(world) == ["stale-instance"]
    assert world.registries.ids("srv-1") == live
    assert world.told == []


def test_the_last_instance_is_never_taken_out() -> None:
    world, _ = stale_world(live=0, ghosts=("e" * 32, GHOST))
    sweep(world)
    world.clock.advance(600)
    assert sweep(world) == ["last-one", "last-one"]
    assert len(world.registries.ids("srv-1")) == 2


def test_a_task_that_stopped_is_as_good_as_gone() -> None:
    world, live = stale_world(live=2, ghosts=())
    world.tasks.end(f"{ARN}:task/shop/{live[0]}")
    sweep(world)
    world.clock.advance(300)
    sweep(world)
    assert world.registries.ids("srv-1") == [live[1]]


@pytest.mark.parametrize(
    ("service", "mode", "reason"),
    [
        ({"tags": {}}, Mode.AUTO, "not-opted-in"),
        ({"registries": ()}, Mode.AUTO, "not-opted-in"),
        ({"active": False}, Mode.AUTO, "not-opted-in"),
        ({}, Mode.OBSERVE, "observe-only"),
    ],
)
def test_what_is_only_told_is_told_once(service: dict[str, Any], mode: Mode, reason: str) -> None:
    world, live = stale_world(mode, ghosts=("e" * 32, GHOST), **service)
    for _ in range(5):
        sweep(world)
        world.clock.advance(300)
    assert world.registries.ids("srv-1") == [*live, "e" * 32, GHOST]
    assert world.told == ["Task Failed"]
    told = world.detail()
    assert (told["class"], told["reason"], told["would"]) == ("N4", reason, "stale-instance")
    assert told["instances"] == ["e" * 32, GHOST]
    assert told["root_task"] == SERVICE_ARN


def test_off_silences() -> None:
    world, live = stale_world(tags={"longshore:recover": "off"})
    sweep(world)
    world.clock.advance(300)
    assert sweep(world) == ["silenced"]
    assert world.told == []
    assert world.registries.ids("srv-1") == [*live, GHOST]


def test_a_refusal_by_iam_is_told() -> None:
    world, _ = stale_world()
    world.registries.denied = AccessDeniedError("DeregisterInstance")
    sweep(world)
    world.clock.advance(300)
    sweep(world)
    sweep(world)
    assert world.told == ["Task Failed"]
    assert world.detail()["reason"] == "not-permitted"


def test_a_service_that_fails_keeps_none_of_the_others() -> None:
    world, live = stale_world()
    world.registries.add("srv-0", Registration("a" * 32, CLUSTER, "x"), Registration("b" * 32, CLUSTER, "x"))
    world.registries.failing["srv-0"] = UpstreamError("no answer")
    for _ in range(2):
        with pytest.raises(UpstreamError):
            sweep(world)
        world.clock.advance(300)
    assert world.registries.ids("srv-1") == live
    world.registries.failing["srv-0"] = GoneError("deleted")
    assert sweep(world) == []


def test_who_denies_cloud_map_to_longshore_has_sweeps_all_the_same() -> None:
    world, _ = stale_world()
    world.registries.failing["srv-1"] = AccessDeniedError("ListInstances")
    assert sweep(world) == ["not-permitted"]
    world.registries.closed = AccessDeniedError("ListServices")
    assert sweep(world) == ["not-permitted"]


def test_a_service_of_one_instance_is_not_asked_for() -> None:
    world, _ = stale_world(live=0)
    sweep(world)
    assert world.registries.asked == []


@given(count=st.integers(0, 400), start=st.integers(0, 10_000))
def test_every_service_has_its_turn_and_no_sweep_asks_for_more_than_twenty(count: int, start: int) -> None:
    registries = [Registry(f"srv-{n:03d}", "arn", "n", 2) for n in range(count)]
    seen: set[str] = set()
    for number in range(count // 20 + 2):
        mine = turn(registries, START + _minutes(5 * (start + number)))
        assert len(mine) == len({each.id for each in mine}) == min(count, 20)
        seen |= {each.id for each in mine}
    if count <= 20 or count % 20 == 0:
        assert len(seen) == count


def _minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


@given(
    seen=st.none() | st.integers(0, 2000),
    live=st.integers(0, 3),
    tag=st.sampled_from(["auto", "off", ""]),
    refers=st.booleans(),
    active=st.booleans(),
    mode=st.sampled_from([Mode.AUTO, Mode.OBSERVE]),
)
def test_what_is_taken_out_was_stale_twice_is_not_the_last_and_was_opted_in(
    seen: int | None, live: int, tag: str, refers: bool, active: bool, mode: Mode
) -> None:
    tags = {"longshore:recover": tag} if tag else {}
    service = Service("arn", active=active, tags=tags, registries=("cm",) if refers else ())
    at = None if seen is None else START - timedelta(seconds=seen)
    ruling = decide(Facts(at, live, service, "cm"), UpkeepPolicy(), mode, START)
    wanted = seen is not None and seen >= 300 and live >= 1 and tag == "auto" and refers and active
    assert (ruling.measure is Measure.DEREGISTER) == (wanted and mode is Mode.AUTO)
    if wanted and mode is Mode.OBSERVE:
        assert (ruling.why, ruling.would) == (Why.OBSERVE_ONLY, Why.STALE_INSTANCE)
