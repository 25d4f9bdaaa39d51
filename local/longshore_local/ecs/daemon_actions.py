"""The daemon operations of the ECS API."""

import copy
from typing import Any

from moto.ecs.models import TaskDefinition

from longshore_local.ecs import errors, events, identifiers
from longshore_local.ecs.calls import Call, page
from longshore_local.ecs.daemon_rollout import DaemonRollouts
from longshore_local.ecs.daemons import (
    OF_REVISION,
    Daemon,
    DaemonDefinition,
    DaemonDeployment,
    DaemonRevision,
    daemons_of,
    definitions_of,
)
from longshore_local.ecs.deployment_actions import within
from longshore_local.ecs.deployments import ServiceRevision
from longshore_local.ecs.engine import Engine

_DEFAULTS: dict[str, Any] = {
    "propagateTags": "NONE",
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
    "critical": True,
}


class DaemonActions:
    """Daemons, their deployments, revisions and task definitions."""

    def __init__(self, engine: Engine, rollouts: DaemonRollouts) -> None:
        self._engine = engine
        self._rollouts = rollouts

    def register_daemon_task_definition(self, call: Call) -> dict[str, Any]:
        """A new revision of a family."""
        containers = call.params.get("containerDefinitions") or []
        if not containers or not all(each.get("name") and each.get("image") for each in containers):
            raise errors.client("Container definitions need a name and an image.")
        family = str(call.params["family"])
        held = definitions_of(call.backend).setdefault(family, [])
        number = len(held) + 1
        arn = identifiers.arn(call.region, call.account, f"daemon-task-definition/{family}:{number}")
        kind: Any = TaskDefinition  # which moto instantiates too, abstract or not
        made = kind(
            family,
            number,
            copy.deepcopy(containers),
            call.account,
            call.region,
            cpu=call.params.get("cpu"),
            memory=call.params.get("memory"),
        )
        made.arn = arn
        tags = list(call.params.get("tags") or [])
        request = copy.deepcopy(call.params)
        held.append(DaemonDefinition(arn, family, number, request, self._engine.now(), made, tags))
        return {"daemonTaskDefinitionArn": arn}

    def describe_daemon_task_definition(self, call: Call) -> dict[str, Any]:
        """One by ARN or family:revision, or the newest of a family."""
        return {"daemonTaskDefinition": _definition(call, str(call.params["daemonTaskDefinition"])).view()}

    def create_daemon(self, call: Call) -> dict[str, Any]:
        """A daemon and its first deployment."""
        name = str(call.params["daemonName"])
        clusters = Call(call.account, call.region, {"cluster": call.params.get("clusterArn")})
        cluster = clusters.cluster()
        arn = identifiers.arn(call.region, call.account, f"daemon/{cluster.name}/{name}")
        if arn in daemons_of(call.backend):
            raise errors.invalid_parameter("Creation of daemon was not idempotent.")
        now = self._engine.now()
        tags = list(call.params.get("tags") or [])
        daemon = Daemon(arn, name, call.account, call.region, cluster.name, cluster.arn, now, tags)
        revision = self._revision(call, daemon)
        daemons_of(call.backend)[arn] = daemon
        if tags:
            named = {tag["key"]: tag.get("value", "") for tag in tags}
            self._engine.send(events.tag_change(arn, list(named), named, 1, now))
        deployment = self._rollouts.begin(daemon, revision, call.params.get("deploymentConfiguration") or {})
        return {**daemon.brief(), "deploymentArn": deployment.arn}

    def update_daemon(self, call: Call) -> dict[str, Any]:
        """A new revision and its deployment; what is left out falls back to its default."""
        daemon = _daemon(call)
        if daemon.status != "ACTIVE":
            raise errors.daemon_not_active()
        revision = self._revision(call, daemon)
        daemon.updated_at = self._engine.now()
        deployment = self._rollouts.begin(daemon, revision, call.params.get("deploymentConfiguration") or {})
        return {**daemon.brief(), "deploymentArn": deployment.arn}

    def describe_daemon(self, call: Call) -> dict[str, Any]:
        """One daemon with the revisions that run."""
        return {"daemon": _daemon(call).view()}

    def list_daemons(self, call: Call) -> dict[str, Any]:
        """The daemons of a cluster."""
        cluster = Call(call.account, call.region, {"cluster": call.params.get("clusterArn")}).cluster()
        found = [each.brief() for each in daemons_of(call.backend).values() if each.cluster_arn == cluster.arn]
        return page(call, found, default=100, key="daemonSummariesList")

    def delete_daemon(self, call: Call) -> dict[str, Any]:
        """Stops its tasks; it is gone at once."""
        daemon = _daemon(call)
        daemon.status = "DELETE_IN_PROGRESS"
        self._rollouts.drain(daemon)
        del daemons_of(call.backend)[daemon.arn]
        return {**daemon.brief(), "deploymentArn": daemon.history[-1].arn}

    def list_daemon_deployments(self, call: Call) -> dict[str, Any]:
        """The deployments of one daemon, newest first."""
        statuses = call.params.get("status") or []
        created = call.params.get("createdAt") or {}
        briefs = [
            each.brief()
            for each in reversed(_daemon(call).history)
            if (not statuses or each.status in statuses) and within(each.created_at, created)
        ]
        return page(call, briefs, default=20, key="daemonDeployments")

    def describe_daemon_deployments(self, call: Call) -> dict[str, Any]:
        """Up to twenty deployments by ARN."""
        known: dict[str, DaemonDeployment] = {}
        for daemon in daemons_of(call.backend).values():
            known |= {each.arn: each for each in daemon.history}
        return _found(call, "daemonDeploymentArns", "daemonDeployments", known)

    def describe_daemon_revisions(self, call: Call) -> dict[str, Any]:
        """Up to twenty revisions by ARN."""
        known: dict[str, DaemonRevision] = {}
        for daemon in daemons_of(call.backend).values():
            known |= daemon.revisions
        return _found(call, "daemonRevisionArns", "daemonRevisions", known)

    def _revision(self, call: Call, daemon: Daemon) -> DaemonRevision:
        definition = _definition(call, str(call.params["daemonTaskDefinitionArn"]))
        providers = [str(each) for each in call.params.get("capacityProviderArns") or []]
        if not providers or any(":capacity-provider/" not in each for each in providers):
            raise errors.invalid_parameter("capacityProviderArns must name capacity providers.")
        settings = {key: call.params.get(key, _DEFAULTS[key]) for key in OF_REVISION}
        path = f"daemon-revision/{daemon.cluster_name}/{daemon.name}/{identifiers.number()}"
        arn = identifiers.arn(daemon.region, daemon.account, path)
        now = self._engine.now()
        held = ServiceRevision(arn, daemon.arn, daemon.cluster_arn, definition.task_definition, settings, now)
        return DaemonRevision(held, providers)


def _daemon(call: Call) -> Daemon:
    daemon = daemons_of(call.backend).get(str(call.params["daemonArn"]))
    if daemon is None:
        raise errors.daemon_not_found()
    return daemon


def _definition(call: Call, name: str) -> DaemonDefinition:
    family, _, number = name.rpartition("/")[2].partition(":")
    active = [each for each in definitions_of(call.backend).get(family, []) if each.status == "ACTIVE"]
    found = [each for each in active if not number or str(each.revision) == number]
    if not found:
        raise errors.client("The daemon task definition was not found.")
    return found[-1]


def _found(call: Call, asked: str, key: str, known: dict[str, Any]) -> dict[str, Any]:
    arns = [str(each) for each in call.params.get(asked) or []]
    if not 1 <= len(arns) <= 20:
        raise errors.invalid_parameter(f"{asked} must have 1 to 20 members, got {len(arns)}.")
    return {
        key: [known[each].view() for each in arns if each in known],
        "failures": [{"arn": each, "reason": "MISSING"} for each in arns if each not in known],
    }
