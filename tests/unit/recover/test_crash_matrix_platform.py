"""The process may end at any call, before it or after it: what lies under tasks ends as if it had not (recover 3.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from longshore.recover.hosts import HostState, Registration
from longshore.recover.reading import Message
from tests.fake_tasks import CLUSTER
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO, IDEMPOTENT, Crash
from tests.unit.recover.test_pods import SAMPLE

if TYPE_CHECKING:
    from longshore.recover.recovery import RecoveryState

Scenario = Callable[[int | None], PlatformWorld]
DAY = 24 * 60
GHOST = "f" * 32


def begin(world: PlatformWorld, step: int | None) -> None:
    world.steps.clear()
    if step is not None:
        world.crash_after(step)


def agent(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    fleet = world.fleet(10)
    world.hosts.states[fleet[0].id] = HostState.IMPAIRED
    world.instances.become(fleet[0].arn, connected=False)
    begin(world, step)
    world.send(world.instance_event(fleet[0].arn))
    world.run(70)
    return world


def runtime(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    fleet = world.fleet(10)
    world.instances.become(fleet[0].arn, failing=("CONTAINER_RUNTIME",))
    begin(world, step)
    world.send(world.health_event(fleet[0].arn))
    world.run(70)
    return world


def spot(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    instance = world.fleet(2)[0]
    definition = world.tasks.define(tags=IDEMPOTENT, networkMode="bridge")
    for _ in range(2):
        world.tasks.run(definition, launchType="EC2", containerInstanceArn=instance.arn, attachments=[])
    world.run(0)
    begin(world, step)
    world.send(world.spot_event(instance))
    world.run(45)
    return world


def stuck(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    instance = world.fleet(2, status="DRAINING", tasks=1)[0]
    world.tasks.run(world.tasks.define(), containerInstanceArn=instance.arn, group="service:web")
    world.run(0)
    begin(world, step)
    world.send(world.instance_event(instance.arn))
    world.run(90)
    return world


def service(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    world.service()
    begin(world, step)
    world.send(world.health_notice("shop | web", days=2))
    world.run(3 * DAY)
    return world


def task(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    old = world.tasks.run(world.tasks.define(tags=IDEMPOTENT))
    world.run(1)
    begin(world, step)
    world.send(world.health_notice(old, days=2))
    world.run(3 * DAY)
    return world


def refused(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    definition = world.tasks.define(tags=AUTO)
    started_by = world.schedule(definition, parameters={"TaskCount": 2})
    begin(world, step)
    world.send(world.trail_event(definition, started_by, "RESOURCE:MEMORY"))
    world.run(90)
    return world


def pod(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    begin(world, step)
    world.send(world.envelope("EKS Fargate Pod Scheduled Termination", SAMPLE))
    world.run(60)
    return world


SCENARIOS: dict[str, Scenario] = {
    "agent": agent,
    "runtime": runtime,
    "spot": spot,
    "stuck": stuck,
    "service": service,
    "task": task,
    "refused": refused,
    "pod": pod,
}
UNDISTURBED = {name: scenario(None) for name, scenario in SCENARIOS.items()}
CASES = [(name, step) for name, world in UNDISTURBED.items() for step in range(1, len(world.steps) + 1)]
TWICE = 2
"""An event is published before it is recorded: the one that was interrupted may be told again."""


@pytest.mark.parametrize(("name", "step"), CASES)
def test_the_end_is_the_same_wherever_it_dies(name: str, step: int) -> None:
    undisturbed, world = UNDISTURBED[name], SCENARIOS[name](step)
    assert len(world.failures) == 1, "the process did not end"
    assert set(world.told) == set(undisturbed.told) != set()
    expected = Counter(undisturbed.told)
    assert all(count <= TWICE * expected[kind] for kind, count in Counter(world.told).items())
    assert sum(Counter(world.told).values()) <= sum(expected.values()) + TWICE
    assert set(world.instances.drained) == set(undisturbed.instances.drained)
    assert len(world.replacements) == len(undisturbed.replacements)
    assert ended(world) == ended(undisturbed)
    assert states(world) == states(undisturbed)
    assert world.queue.waiting == []


def ended(world: PlatformWorld) -> list[tuple[str, str]]:
    """How each task stands, whatever its name."""
    found = (world.tasks.described(each) for each in world.tasks.arns)
    return sorted((each["lastStatus"], each.get("stoppedReason", "")) for each in found)


def states(world: PlatformWorld) -> Counter[RecoveryState]:
    roots = world.recoveries.kept
    return Counter(found.state for each in roots if (found := world.recoveries.get(each)) is not None)


def test_the_scenarios_do_what_they_are_for() -> None:
    done: dict[str, Any] = {
        name: (len(world.instances.drained), len(world.replacements), sorted(set(world.told)))
        for name, world in UNDISTURBED.items()
    }
    assert done == {
        "agent": (1, 0, ["Task Failed"]),
        "runtime": (1, 0, ["Task Failed"]),
        "spot": (1, 2, ["Retirement Announced", "Task Failed", "Task Replaced"]),
        "stuck": (0, 0, ["Task Given Up"]),
        "service": (0, 0, ["Redeploy Requested", "Retirement Announced"]),
        "task": (0, 1, ["Retirement Announced", "Task Failed", "Task Replaced"]),
        "refused": (0, 2, ["Task Failed", "Task Replaced"]),
        "pod": (0, 0, ["Retirement Announced"]),
    }


def stale(step: int | None) -> PlatformWorld:
    world = PlatformWorld()
    arn = "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1"
    world.service("web", registries=(arn,))
    live = world.tasks.run(world.tasks.define("web"), group="service:web")
    named = (live.rpartition("/")[2], GHOST)
    world.registries.add("srv-1", *(Registration(each, CLUSTER, "web") for each in named))
    begin(world, step)
    for _ in range(4):
        message = Message.parse(world.envelope("Sweep Due", {}))
        try:
            world.platform.stale_instances.sweep(message)
        except Crash as error:
            world.failures.append(error)
            world.crash_at = None
        world.clock.advance(360)
    return world


@pytest.mark.parametrize("step", range(1, len(stale(None).steps) + 1))
def test_a_stale_instance_is_taken_out_wherever_a_sweep_dies(step: int) -> None:
    world = stale(step)
    assert len(world.registries.ids("srv-1")) == 1
    assert GHOST not in world.registries.ids("srv-1")
