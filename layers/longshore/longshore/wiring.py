"""The composition root: the only module that builds clients and adapters, each once per process and when needed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from longshore.aws.bus import Bus
from longshore.aws.clock import SystemClock
from longshore.aws.ecr import EcrRegistry
from longshore.aws.ecs import EcsServices, TaskDefinitions
from longshore.aws.ledger import LedgerHeads, LedgerIndex, LedgerRecords, LedgerSwitches
from longshore.aws.queue import QueuePostponer
from longshore.aws.session import client, forget_clients
from longshore.aws.table import Table
from longshore.intake import Handle, Intake
from longshore.settings import Mode, Settings, load_config

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics

    from longshore.ports import Clock
    from longshore.redeploy.ports import Ports
    from longshore.redeploy.service import Redeployer
    from longshore.redeploy.watch import Watcher

_clock: Clock = SystemClock()


def use_clock(clock: Clock) -> None:
    """Has everything that is built from now on, clients too, belong to another world: the local bundle's."""
    global _clock  # noqa: PLW0603 - the one thing that outlives `reset`
    _clock = clock
    forget_clients()
    reset()


def reset() -> None:
    """Forgets what was built, so that the next call reads the environment again."""
    for built in (settings, table, ecs_services, registry, bus, ports, redeployer, watcher):
        built.cache_clear()


@cache
def settings() -> Settings:
    """The settings of this function."""
    return Settings.from_env()


@cache
def table() -> Table:
    """The ledger's table."""
    return Table(client("dynamodb"), settings().table)


@cache
def ecs_services() -> EcsServices:
    """The platform and discovery of ECS services."""
    ecs = client("ecs")
    return EcsServices(ecs, lambda: client("resourcegroupstaggingapi"), TaskDefinitions(ecs))


@cache
def registry() -> EcrRegistry:
    """The private registry of this account."""

    return EcrRegistry(client("ecr"))


@cache
def bus() -> Bus:
    """Longshore's own bus."""
    return Bus(client("events"), settings().bus, _clock)


def intake(handle: Handle, logger: Logger, metrics: Metrics) -> Intake:
    """What takes batches from this function's queue."""
    stack = settings()
    return Intake(handle, _postponer(stack.queue_url, stack.queue_arn), _clock, logger, metrics)


def _postponer(url: str, arn: str) -> QueuePostponer:
    stack = settings()
    return QueuePostponer(
        client("sqs"),
        lambda: client("scheduler"),
        _clock,
        queue_url=url,
        queue_arn=arn,
        group=stack.schedule_group,
        role_arn=stack.scheduler_role_arn,
    )


@cache
def ports() -> Ports:
    """Everything that redeploy needs, on the environment's own queues."""
    from longshore.redeploy.ports import Ports

    stack = settings()
    return Ports(
        platform=ecs_services(),
        registry=registry(),
        discovery=ecs_services(),
        heads=LedgerHeads(table()),
        index=LedgerIndex(table()),
        records=LedgerRecords(table(), _clock),
        switches=LedgerSwitches(table(), stack.account, stack.region),
        postponer=_postponer(stack.queue_url, stack.queue_arn),
        reminder=_postponer(stack.watch_queue_url, stack.watch_queue_arn),
        publisher=bus(),
        clock=_clock,
    )


@cache
def redeployer() -> Redeployer:
    """The use case of `functions/redeploy.py`."""
    from longshore.redeploy.profiles import read_profiles
    from longshore.redeploy.service import Redeployer, Rules

    stack = settings()
    profiles = read_profiles(load_config(stack.config).get("profiles") or {})
    return Redeployer(ports(), Rules(profiles, stack.passable_role_arns, stack.mode is Mode.OBSERVE))


@cache
def watcher() -> Watcher:
    """The use case of `functions/watch.py`."""
    from longshore.redeploy.watch import Watcher

    stack = settings()
    return Watcher(
        platform=ecs_services(),
        index=LedgerIndex(table()),
        records=LedgerRecords(table(), _clock),
        reminder=_postponer(stack.queue_url, stack.queue_arn),
        publisher=bus(),
        clock=_clock,
    )
