"""Lost agents and impaired instances: patience, the blast radius, and what is only told (recover 2.4 E1-E3)."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import AccessDeniedError
from longshore.recover.hosts import HostState
from longshore.settings import Mode
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO

FLEET = 10


def world_with(count: int = FLEET, mode: Mode = Mode.AUTO, **members: Any) -> PlatformWorld:
    world = PlatformWorld(mode=mode)
    world.fleet(count, **members)
    return world


def first(world: PlatformWorld) -> Any:
    return next(iter(world.instances.known.values()))


def test_a_dead_instance_is_drained_after_five_minutes() -> None:
    world = world_with()
    world.lose(first(world))
    world.run(4.9)
    assert world.instances.drained == []
    assert world.told == []
    world.run(1)
    assert world.instances.drained == [first(world).arn]
    assert world.told == ["Task Failed"]
    told = world.detail()
    assert (told["class"], told["verdict"], told["reason"]) == ("E1", "drain", "agent-lost")
    assert told["root_task"] == first(world).arn
    assert told["workload_name"] == f"{first(world).id} (shop)"
    assert "deregister it by force" in told["hint"]


def test_an_agent_that_comes_back_provokes_nothing() -> None:
    world = world_with()
    world.lose(first(world))
    world.run(3)
    world.instances.become(first(world).arn, connected=True)
    world.run(60)
    assert world.told == []
    assert world.instances.drained == []
    assert world.reasons == ["reconnected"]
    assert world.watches.kept == {}


def test_an_agent_that_comes_and_goes_has_its_five_minutes_each_time() -> None:
    world = world_with()
    world.lose(first(world))
    world.run(4)
    world.connect(first(world), connected=True)
    world.run(0.5)
    world.connect(first(world), connected=False)
    world.run(1)
    assert world.reasons == ["outdated"]
    assert world.told == []
    world.run(4)
    assert world.instances.drained == [first(world).arn]


def test_an_older_event_does_not_set_the_clock_back() -> None:
    world = world_with()
    world.lose(first(world))
    late = world.instance_event(first(world).arn)
    late["time"] = "2026-11-23T08:00:00+00:00"
    world.run(1)
    world.send(late)
    world.run(0)
    assert world.reasons == ["outdated"]
    world.run(4)
    assert len(world.instances.drained) == 1


def test_an_event_of_the_future_is_of_now() -> None:
    world = world_with()
    forged = world.instance_event(first(world).arn, agentConnected=False)
    forged["time"] = "2099-01-01T00:00:00+00:00"
    world.send(forged)
    world.run(1)
    world.lose(first(world))
    world.run(4.5)
    assert world.instances.drained == []
    world.run(1)
    assert world.instances.drained == [first(world).arn]


def test_duplicates_are_told_and_drained_once() -> None:
    world = world_with()
    world.lose(first(world))
    event = world.instance_event(first(world).arn)
    event["time"] = "2026-11-23T09:00:00+00:00"
    for _ in range(3):
        world.send(event)
    world.run(20)
    assert world.told == ["Task Failed"]
    assert len(world.instances.drained) == 1


@pytest.mark.parametrize("state", [HostState.WELL, HostState.UNKNOWN])
def test_a_machine_that_is_well_is_told_once_and_looked_at_again(state: HostState) -> None:
    world = world_with()
    world.lose(first(world), state)
    world.run(60)
    assert world.told == ["Task Failed"]
    assert (world.detail()["verdict"], world.detail()["reason"]) == ("notify", "host-well")
    world.hosts.states[first(world).id] = HostState.STOPPED
    world.run(20)
    assert world.instances.drained == [first(world).arn]


def test_it_is_not_looked_at_for_ever() -> None:
    world = world_with()
    world.lose(first(world), HostState.WELL)
    world.run(60 * 7)
    assert world.queue.waiting == []


@pytest.mark.parametrize(
    ("tags", "reason", "would"),
    [({}, "not-opted-in", "agent-lost"), ({"longshore:recover": "yes"}, "not-opted-in", "agent-lost")],
)
def test_what_is_not_opted_in_is_told_and_left(tags: dict[str, str], reason: str, would: str) -> None:
    world = world_with(tags=tags)
    world.lose(first(world))
    world.run(30)
    assert world.instances.drained == []
    assert world.told == ["Task Failed"]
    assert (world.detail()["reason"], world.detail()["would"]) == (reason, would)


@pytest.mark.parametrize(("own", "cluster"), [("off", "auto"), ("auto", "off")])
def test_an_instance_or_its_cluster_may_be_silenced(own: str, cluster: str) -> None:
    world = world_with(tags={"longshore:recover": own})
    world.instances.tags[first(world).cluster] = {"longshore:recover": cluster}
    world.lose(first(world))
    world.run(10)
    assert (world.told, world.instances.drained) == ([], [])


def test_a_cluster_does_not_opt_its_instances_in() -> None:
    """IAM's condition sees the tags of the instance alone, so the code goes by no others."""
    world = world_with(tags={})
    world.instances.tags[first(world).cluster] = AUTO
    world.lose(first(world))
    world.run(10)
    assert world.instances.drained == []
    assert (world.detail()["reason"], world.detail()["would"]) == ("not-opted-in", "agent-lost")


def test_observe_tells_and_does_nothing() -> None:
    world = world_with(mode=Mode.OBSERVE)
    world.lose(first(world))
    world.run(30)
    assert world.instances.drained == []
    assert world.drains.kept == {}
    assert (world.detail()["reason"], world.detail()["would"]) == ("observe-only", "agent-lost")


def test_a_pause_is_waited_for() -> None:
    world = world_with()
    world.switches.reason = "maintenance"
    world.lose(first(world))
    world.run(10)
    assert (world.detail()["verdict"], world.detail()["reason"]) == ("wait", "paused")
    world.switches.reason = None
    world.run(20)
    assert world.instances.drained == [first(world).arn]


def test_only_one_instance_of_a_small_cluster_is_drained_in_a_quarter_of_an_hour() -> None:
    world = world_with()
    for instance in list(world.instances.known.values())[:2]:
        world.lose(instance)
    world.run(10)
    assert len(world.instances.drained) == 1
    assert [each.detail["reason"] for each in world.publisher.published] == ["agent-lost", "blast-radius"]
    world.run(16)
    assert len(world.instances.drained) == 2


def test_nothing_is_drained_when_many_agents_are_away() -> None:
    world = world_with()
    for instance in list(world.instances.known.values())[:4]:
        world.lose(instance)
    world.run(10)
    assert world.instances.drained == []
    assert {each.detail["reason"] for each in world.publisher.published} == {"widespread"}
    for instance in list(world.instances.known.values())[1:4]:
        world.instances.become(instance.arn, connected=True)
    world.run(20)
    assert world.instances.drained == [first(world).arn]


def test_a_refusal_by_iam_is_told() -> None:
    world = world_with()
    world.instances.error = AccessDeniedError("UpdateContainerInstancesState")
    world.lose(first(world))
    world.run(10)
    assert [each.detail["reason"] for each in world.publisher.published] == ["agent-lost", "not-permitted"]


def test_an_instance_that_is_gone_is_no_trouble() -> None:
    world = world_with()
    world.lose(first(world))
    world.instances.known.pop(first(world).arn)
    world.run(10)
    assert world.told == []


def test_a_forged_check_of_an_unknown_instance_does_nothing() -> None:
    world = world_with()
    detail = {
        "containerInstanceArn": "arn:aws:ecs:eu-west-1:123456789012:container-instance/shop/ffff",
        "clusterArn": first(world).cluster,
        "since": "2026-11-23T08:00:00+00:00",
    }
    world.send(world.envelope("Agent Check Due", detail))
    world.run(1)
    assert (world.told, world.reasons) == ([], ["gone"])


def test_a_server_of_ecs_anywhere_is_only_told() -> None:
    world = world_with()
    world.instances.become(first(world).arn, id="mi-0123456789abcdef0", external=True)
    world.hosts.states["mi-0123456789abcdef0"] = HostState.SILENT
    world.connect(first(world), connected=False)
    world.run(30)
    assert world.instances.drained == []
    assert (world.detail()["class"], world.detail()["reason"]) == ("E2", "on-premises")
    assert "machine: silent" in world.detail()["evidence"]


def test_what_aws_repairs_is_only_told() -> None:
    world = world_with(provider="managed")
    world.instances.repairing.add("managed")
    world.lose(first(world))
    world.run(10)
    world.instances.become(first(world).arn, connected=True, failing=("CONTAINER_RUNTIME",))
    world.send(world.health_event(first(world).arn))
    world.run(10)
    assert world.instances.drained == []
    assert [each.detail["reason"] for each in world.publisher.published] == ["aws-repairs", "aws-repairs"]


def test_a_dead_container_runtime_is_drained_at_once() -> None:
    world = world_with()
    world.instances.become(first(world).arn, failing=("AGENT_CONNECTIVITY", "CONTAINER_RUNTIME"))
    world.send(world.health_event(first(world).arn))
    world.run(0)
    assert world.instances.drained == [first(world).arn]
    assert (world.detail()["class"], world.detail()["reason"]) == ("E3", "impaired-instance")


def test_other_impairments_are_told() -> None:
    world = world_with()
    world.instances.become(first(world).arn, failing=("ACCELERATED_COMPUTE",))
    for _ in range(2):
        world.send(world.health_event(first(world).arn))
    world.run(0)
    assert world.instances.drained == []
    assert world.told == ["Task Failed"]
    assert world.detail()["reason"] == "not-mended"


def test_a_health_event_that_ecs_does_not_confirm_does_nothing() -> None:
    world = world_with()
    forged = world.health_event(first(world).arn)
    forged["detail"]["healthStatus"] = {
        "overallStatus": "IMPAIRED",
        "details": [{"type": "CONTAINER_RUNTIME", "status": "IMPAIRED"}],
    }
    world.send(forged)
    world.run(0)
    assert (world.told, world.instances.drained, world.reasons) == ([], [], ["recovered"])


def test_health_that_must_wait_is_decided_again() -> None:
    world = world_with()
    for instance in list(world.instances.known.values())[:2]:
        world.instances.become(instance.arn, failing=("CONTAINER_RUNTIME",))
        world.send(world.health_event(instance.arn))
    world.run(1)
    assert len(world.instances.drained) == 1
    world.run(20)
    assert len(world.instances.drained) == 2
    assert world.failures == []
