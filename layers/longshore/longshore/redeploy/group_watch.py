"""Deployment groups of CodeDeploy: their events name no workload, so what they deploy is asked first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.events import DeploymentChanged, GroupDeployed
from longshore.places import Place

if TYPE_CHECKING:
    from longshore.events import Event
    from longshore.outcomes import Outcome
    from longshore.redeploy.ports import Groups
    from longshore.redeploy.watch import Watcher


class GroupWatcher:
    """Hands what happened to a group on to the watcher, once for each of its workloads; all else as it is."""

    def __init__(self, watcher: Watcher, groups: Groups) -> None:
        self._watcher = watcher
        self._groups = groups

    def handle(self, event: Event) -> list[Outcome]:
        """See `Watcher.handle`."""
        fact = event.fact
        if not isinstance(fact, GroupDeployed):
            return self._watcher.handle(event)
        arns = self._groups.workloads(Place(event.account, event.region), fact.application, fact.group)
        return [each for arn in arns for each in self._watcher.look(event, DeploymentChanged(arn, fact.state))]
