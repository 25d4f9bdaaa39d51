"""Deployment groups of CodeDeploy: which of them deploys an ECS service, and how its last deployment stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.aws.errors import aws_errors
from longshore.decisions import Reason
from longshore.errors import GoneError
from longshore.workloads import Refusal

if TYPE_CHECKING:
    from longshore.places import Place
    from longshore.ports import Clock

_SEARCH_AGAIN = timedelta(minutes=5)
_NAMED_AT_ONCE = 100  # BatchGetDeploymentGroups
_UNDER_WAY = frozenset({"Created", "Queued", "InProgress", "Baking", "Ready"})
_REMEMBERED = 512
NO_DEPLOYMENT = ("DeploymentDoesNotExistException", "InvalidDeploymentIdException")
NO_GROUP = (
    "ApplicationDoesNotExistException",
    "DeploymentGroupDoesNotExistException",
    "InvalidApplicationNameException",  # an event may be forged
    "InvalidDeploymentGroupNameException",
)


class Served(NamedTuple):
    """An ECS service, as a deployment group names it."""

    cluster: str
    service: str


class CodeDeployGroups:
    """See `redeploy.ports.Groups`."""

    def __init__(self, client: Callable[[Place], Any]) -> None:
        """`client` answers CodeDeploy's client in a place."""
        self._client = client

    def workloads(self, place: Place, application: str, group: str) -> Sequence[str]:
        """BatchGetDeploymentGroups."""
        client = self._client(place)
        services = [served for found in _describe(client, application, [group]) for served in _served(found)]
        prefix = f"arn:{client.meta.partition}:ecs:{place.region}:{place.account}:service"
        return [f"{prefix}/{each.cluster}/{each.service}" for each in services]


class Group(NamedTuple):
    """A deployment group as it is now; `latest` is its last deployment, running or over."""

    application: str
    name: str
    rollback_events: tuple[str, ...] = ()
    latest: str | None = None
    under_way: bool = False


class Made(NamedTuple):
    """What never changes of a deployment: whose it was, and where its AppSpec is."""

    application: str
    group: str
    revision: Mapping[str, Any]


class DeploymentGroups:
    """Finds the deployment group of a service; it is asked for anew each time, and searched for once."""

    def __init__(self, code_deploy: Any, clock: Clock) -> None:
        self._code_deploy = code_deploy
        self._clock = clock
        self._known: dict[Served, Group] = {}
        self._made = lru_cache(maxsize=_REMEMBERED)(self._asked)
        self._listed: dict[Served, list[tuple[str, str]]] = {}
        self._searched: datetime | None = None

    def of(self, served: Served, last: str) -> Group | Refusal:
        """The one group that deploys a service.

        `last` is the deployment that made its task set: whose group that was needs no search of the whole account,
        which large ones throttle (ecspresso issue 403).
        """
        known = self._known.get(served) or self._group_of(last)
        if known and (found := self._described(served, known.application, known.name)):
            return found
        names = self._search().get(served, [])
        if len(names) > 1:
            listed = ", ".join(f"{application}/{name}" for application, name in sorted(names))
            return Refusal(Reason.CONTROLLER_CODE_DEPLOY, f"more than one deployment group names it: {listed}")
        found = self._described(served, *names[0]) if names else None
        return found or Refusal(Reason.CONTROLLER_CODE_DEPLOY, "no deployment group of CodeDeploy names this service")

    def known(self, served: Served) -> Group | None:
        """The group of a service as it was found last."""
        return self._known.get(served)

    def made(self, deployment: str) -> Made:
        """A deployment by its id, read once. Raises GoneError when CodeDeploy knows none."""
        return self._made(deployment)

    def _described(self, served: Served, application: str, name: str) -> Group | None:
        self._known.pop(served, None)
        for group in _describe(self._code_deploy, application, [name]):
            if served in _served(group):
                self._known[served] = _group(group)
                return self._known[served]
        return None

    def _group_of(self, deployment: str) -> Group | None:
        try:
            made = self.made(deployment) if deployment else None
        except GoneError:
            return None
        return Group(made.application, made.group) if made else None

    def _asked(self, deployment: str) -> Made:
        with aws_errors(gone=NO_DEPLOYMENT):
            info = self._code_deploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
        return Made(info["applicationName"], info["deploymentGroupName"], info.get("revision") or {})

    def _search(self) -> Mapping[Served, list[tuple[str, str]]]:
        """Every deployment group of the account and Region, at most once in five minutes."""
        now = self._clock.now()
        if self._searched is None or now - self._searched >= _SEARCH_AGAIN:
            listed: dict[Served, list[tuple[str, str]]] = {}
            for application in self._pages("list_applications", "applications"):
                names = list(self._pages("list_deployment_groups", "deploymentGroups", applicationName=application))
                for start in range(0, len(names), _NAMED_AT_ONCE):
                    for group in _describe(self._code_deploy, application, names[start : start + _NAMED_AT_ONCE]):
                        for served in _served(group):
                            listed.setdefault(served, []).append((application, group["deploymentGroupName"]))
            self._listed, self._searched = listed, now
        return self._listed

    def _pages(self, operation: str, member: str, **request: Any) -> Iterable[str]:
        with aws_errors():
            for page in self._code_deploy.get_paginator(operation).paginate(**request):
                yield from page.get(member, [])


def _describe(client: Any, application: str, names: list[str]) -> Sequence[Mapping[str, Any]]:
    """Those groups of an application that exist."""
    try:
        with aws_errors(gone=NO_GROUP):
            answer = client.batch_get_deployment_groups(applicationName=application, deploymentGroupNames=names)
    except GoneError:
        return []
    found: Sequence[Mapping[str, Any]] = answer.get("deploymentGroupsInfo", [])
    return found


def _served(group: Mapping[str, Any]) -> list[Served]:
    return [Served(each["clusterName"], each["serviceName"]) for each in group.get("ecsServices") or []]


def _group(group: Mapping[str, Any]) -> Group:
    latest = group.get("lastAttemptedDeployment") or {}
    return Group(
        group["applicationName"],
        group["deploymentGroupName"],
        tuple((group.get("autoRollbackConfiguration") or {}).get("events") or ()),
        latest.get("deploymentId"),
        latest.get("status") in _UNDER_WAY,
    )
