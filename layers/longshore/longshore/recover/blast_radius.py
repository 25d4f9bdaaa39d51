"""How many instances of a cluster may be drained: pure (recover 2.4 E1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from longshore.recover.upkeep import UpkeepPolicy, Why

if TYPE_CHECKING:
    from longshore.recover.hosts import Cluster, Drains


def allowance(cluster: Cluster, policy: UpkeepPolicy) -> int:
    """How many instances may be drained within the window: one, or their share of a large cluster."""
    return max(1, cluster.instances * policy.drained_share // 100)


def recent(drains: Drains, policy: UpkeepPolicy, now: datetime) -> Drains:
    """Those within the window."""
    begin = now - timedelta(seconds=policy.drained_within)
    return drains._replace(at={each: at for each, at in drains.at.items() if at > begin})


def limits(cluster: Cluster, instance: str, drains: Drains, policy: UpkeepPolicy, now: datetime) -> Why | None:
    """Why one more may not be drained now, or None. One that was claimed before needs no other claim."""
    if cluster.disconnected * 100 > cluster.instances * policy.widespread_share:
        return Why.WIDESPREAD
    lately = recent(drains, policy, now).at
    if instance not in lately and len(lately) >= allowance(cluster, policy):
        return Why.BLAST_RADIUS
    return None


def claimed(instance: str, drains: Drains, policy: UpkeepPolicy, now: datetime) -> Drains:
    """With one more instance; one that was claimed within the window keeps its time."""
    lately = recent(drains, policy, now)
    return lately._replace(at={instance: now, **lately.at})
