"""The decision about a container instance in trouble: pure, from what AWS says of it now (recover 2.4, 5 O4)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from longshore.recover.blast_radius import limits
from longshore.recover.hosts import Cluster, ContainerInstance, Drains, HostState, opted
from longshore.recover.upkeep import Measure, Ruling, UpkeepPolicy, Why
from longshore.settings import Mode

RUNTIME = "CONTAINER_RUNTIME"


class Trouble(StrEnum):
    """What befell an instance."""

    AGENT = "agent"
    HEALTH = "health"
    SUSPECT = "suspect"
    INTERRUPTION = "interruption"
    REBALANCE = "rebalance"

    @property
    def ending(self) -> bool:
        """Whether the instance goes away whatever is done, so that to drain it costs the cluster nothing."""
        return self in (Trouble.INTERRUPTION, Trouble.REBALANCE)


class Facts(NamedTuple):
    """All that a decision rests on, but the policy, the mode and the time. `repaired`: AWS replaces it by itself."""

    trouble: Trouble
    instance: ContainerInstance | None
    cluster: Cluster
    host: HostState = HostState.UNKNOWN
    repaired: bool = False
    drains: Drains = Drains("")
    paused: bool = False


def decide(facts: Facts, policy: UpkeepPolicy, mode: Mode, now: datetime) -> Ruling:
    """What is done about an instance."""
    instance = facts.instance
    if instance is None:
        return Ruling(Why.GONE)
    if instance.status != "ACTIVE":
        return Ruling(Why.DRAINING)
    if opted(instance.tags, facts.cluster.tags) == "off":
        return Ruling(Why.SILENCED)
    why = _trouble(facts, instance, policy)
    return _allowed(facts, instance, why, policy, mode, now) if why.measure is Measure.DRAIN else Ruling(why)


def _trouble(facts: Facts, instance: ContainerInstance, policy: UpkeepPolicy) -> Why:
    """What the trouble would lead to, if it may."""
    match facts.trouble:
        case Trouble.AGENT:
            return _agent(facts, instance)
        case Trouble.HEALTH:
            return _health(facts, instance)
        case Trouble.SUSPECT:
            return Why.AWS_REPAIRS if facts.repaired else Why.SUSPECT_INSTANCE
        case Trouble.REBALANCE if not policy.rebalance_drains:
            return Why.MAY_END
    return Why.INSTANCE_ENDS


def _agent(facts: Facts, instance: ContainerInstance) -> Why:
    if instance.connected:
        return Why.RECONNECTED
    if instance.on_premises:
        return Why.ON_PREMISES
    if facts.repaired:
        return Why.AWS_REPAIRS
    return Why.AGENT_LOST if facts.host.dead else Why.HOST_WELL


def _health(facts: Facts, instance: ContainerInstance) -> Why:
    """Of the checks only that of the container runtime says that nothing can run there (recover 2.4 E3)."""
    if not instance.failing:
        return Why.RECOVERED
    if facts.repaired:
        return Why.AWS_REPAIRS
    return Why.IMPAIRED_INSTANCE if RUNTIME in instance.failing else Why.NOT_MENDED


def _allowed(
    facts: Facts, instance: ContainerInstance, why: Why, policy: UpkeepPolicy, mode: Mode, now: datetime
) -> Ruling:
    """What should be drained is, where that is wanted, and as far as the rest of the cluster can bear it."""
    if opted(instance.tags) != "auto":  # what IAM asks for too: it does not see the cluster's tags
        return Ruling(Why.NOT_OPTED_IN, why)
    bounded = None if facts.trouble.ending else limits(facts.cluster, instance.arn, facts.drains, policy, now)
    should = bounded or (Why.PAUSED if facts.paused else why)
    return Ruling(should) if mode is Mode.AUTO else Ruling(Why.OBSERVE_ONLY, should)
