"""What leads to each event of recover: one world for each story, in which it has been told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from longshore.recover.breaker import BreakerLimits
from longshore.recover.hosts import HostState
from longshore.recover.retry import RetryPolicy
from longshore.settings import Mode
from tests.fake_tasks import ARN
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO, IDEMPOTENT, RecoverWorld, log, running
from tests.service_world import NEW, ServiceWorld

if TYPE_CHECKING:
    from collections.abc import Callable

PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): i/o timeout"
OOM = "OutOfMemoryError: Container killed due to memory usage"
POD = {
    "clusterName": "apps",
    "fargateProfileName": "default",
    "podName": "web-1",
    "podNamespace": "shop",
    "evictErrorMessage": "Cannot evict pod as it would violate the pod's disruption budget",
    "scheduledTerminationTime": "2026-11-30T12:52:44.832Z[UTC]",
}


def unpulled(world: RecoverWorld, arn: str) -> None:
    """Its image could not be pulled, for a moment."""
    world.tasks.end(arn, code="TaskFailedToStart", reason=PULL, exit_code=None, started=False)


def out_of_memory(world: RecoverWorld, arn: str) -> None:
    """Its memory ran out."""
    log(world, arn, "reading 4 GB", "DB_PASSWORD=hunter2hunter2", "Killed")
    world.tasks.end(arn, container_reason=OOM, exit_code=137)


def _fails_on(world: RecoverWorld, arn: str, end: Callable[[RecoverWorld, str], None]) -> None:
    """It fails, and so does every replacement."""
    for _ in range(10):
        end(world, arn)
        world.run(60)
        alive = [each for each in world.replacements if "stoppedAt" not in world.tasks.described(each)]
        if not alive:
            return
        arn = alive[0]


def given_up() -> RecoverWorld:
    """Memory runs out, again and again."""
    world, arn = running(IDEMPOTENT)
    _fails_on(world, arn, out_of_memory)
    return world


def left_alone() -> RecoverWorld:
    """It ran, and may not be run again."""
    world, arn = running()
    out_of_memory(world, arn)
    world.run(5)
    return world


def not_opted_in() -> RecoverWorld:
    """Nobody asked for its recovery."""
    world, arn = running({"longshore:team": "data", "longshore:channel": "ops"})
    unpulled(world, arn)
    world.run(5)
    return world


def observed() -> RecoverWorld:
    """All is decided, and nothing is done."""
    world, arn = running(IDEMPOTENT, mode=Mode.OBSERVE)
    out_of_memory(world, arn)
    world.run(5)
    return world


def unpassable() -> RecoverWorld:
    """A role of the task may not be passed."""
    members = {"definition": {"taskRoleArn": "arn:aws:iam::123456789012:role/etl"}}
    world, arn = running(passable=("arn:aws:iam::*:role/web",), **members)
    unpulled(world, arn)
    world.run(60)
    return world


def waiting() -> RecoverWorld:
    """The family has had its replacements of this hour."""
    world, arn = running(policy=RetryPolicy(family_per_hour=0))
    unpulled(world, arn)
    world.run(5)
    return world


def stopped_and_well() -> RecoverWorld:
    """Replacements of a family are stopped, until one of its tasks ends well."""
    world, arn = running(policy=RetryPolicy(breaker=BreakerLimits(failures=2)))
    definition = world.tasks.described(arn)["taskDefinitionArn"]
    _fails_on(world, arn, unpulled)
    world.tasks.end(world.tasks.run(definition), exit_code=0)
    world.run(5)
    return world


def stuck() -> RecoverWorld:
    """A task of nobody's does not get on."""
    world = ServiceWorld()
    arn = world.tasks.run(world.tasks.define(tags={}))
    world.run(1)
    containers = [{"name": "app", "lastStatus": "PENDING"}]
    world.tasks.become(arn, lastStatus="PROVISIONING", startedAt=None, containers=containers)
    world.sweeps(45)
    return world


def crash_loop() -> RecoverWorld:
    """A service crashes, is taken back, and is quiet."""
    world = ServiceWorld()
    world.crash(4)
    world.sweeps(30)
    return world


def crash_loop_observed() -> RecoverWorld:
    """The same, and nothing is done."""
    world = ServiceWorld(mode=Mode.OBSERVE)
    world.crash(4)
    return world


def crash_loop_of_a_daemon() -> RecoverWorld:
    """A daemon crashes on one of its instances."""
    world = ServiceWorld()
    world.describe(schedulingStrategy="DAEMON", desiredCount=3)
    host = f"{ARN}:container-instance/shop/{1:032x}"
    world.tasks.hosts[host] = f"i-{1:017x}"
    world.crash(4, containerInstanceArn=host)
    return world


def healed() -> RecoverWorld:
    """The digest that a service runs is gone, its tag is not."""
    world = ServiceWorld()
    world.images.tags["shop/web", "prod"] = NEW
    world.unpullable()
    world.run(60)
    world.steady()
    return world


def unplaceable() -> RecoverWorld:
    """ECS cannot place the tasks of a service."""
    world = ServiceWorld()
    world.acts("SERVICE_TASK_PLACEMENT_FAILURE", "ERROR", "RESOURCE:MEMORY")
    world.run(10)
    world.steady()
    return world


def retired_service() -> RecoverWorld:
    """AWS retires what runs a service."""
    world = PlatformWorld()
    world.service()
    world.send(world.health_notice("shop | web"))
    world.run(7 * 24 * 60)
    return world


def retired_task() -> RecoverWorld:
    """AWS retires what runs a task of nobody's."""
    world = PlatformWorld()
    task = world.tasks.run(world.tasks.define(tags=AUTO))
    world.run(1)
    world.send(world.health_notice(task))
    world.run(1)
    return world


def interrupted() -> RecoverWorld:
    """EC2 takes a Spot instance, and draining it gets stuck."""
    world = PlatformWorld()
    instance = world.fleet(2)[0]
    definition = world.tasks.define(tags=AUTO, networkMode="bridge")
    world.tasks.run(definition, launchType="EC2", containerInstanceArn=instance.arn, attachments=[])
    world.send(world.spot_event(instance))
    world.run(10)
    world.instances.become(instance.arn, tasks=1)
    world.run(90)
    return world


def pod() -> RecoverWorld:
    """EKS ends a pod on Fargate."""
    world = PlatformWorld()
    world.send(world.envelope("EKS Fargate Pod Scheduled Termination", POD, "shop/web-1"))
    world.run(1)
    return world


def agent_lost() -> RecoverWorld:
    """The agent of an instance stays away."""
    world = PlatformWorld()
    world.lose(world.fleet(20)[0])
    world.run(10)
    return world


def agent_lost_well() -> RecoverWorld:
    """The same, and its machine is well."""
    world = PlatformWorld()
    world.lose(world.fleet(20)[0], HostState.WELL)
    world.run(10)
    return world


def refused_launch() -> RecoverWorld:
    """ECS refuses what a schedule starts, and nobody knows what that was."""
    world = PlatformWorld()
    definition = world.tasks.define(tags=AUTO)
    world.send(world.trail_event(definition, "chronos-schedule/nightly", "RESOURCE:MEMORY"))
    world.run(60)
    return world


STORIES: tuple[Callable[[], Any], ...] = (
    given_up,
    left_alone,
    not_opted_in,
    observed,
    unpassable,
    waiting,
    stopped_and_well,
    stuck,
    crash_loop,
    crash_loop_observed,
    crash_loop_of_a_daemon,
    healed,
    unplaceable,
    retired_service,
    retired_task,
    interrupted,
    pod,
    agent_lost,
    agent_lost_well,
    refused_launch,
)
"""All of them."""

__all__ = ["STORIES"]
