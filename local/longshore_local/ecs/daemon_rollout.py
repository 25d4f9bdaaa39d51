"""Daemon deployments: instance by instance to the new revision, back where too many tasks fail or an alarm goes off."""

from functools import partial
from math import ceil

from moto.ecs.models import ecs_backends

from longshore_local.ecs import events, identifiers
from longshore_local.ecs.daemons import Daemon, DaemonDeployment, DaemonRevision, daemons_of
from longshore_local.ecs.deployments import Deployment
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.instances import Instance
from longshore_local.ecs.launching import Launcher
from longshore_local.ecs.orders import LaunchOrder
from longshore_local.ecs.placement import LaunchRefusedError
from longshore_local.ecs.traffic import alarms_in_alarm

SETTLING = 20  # seconds after which a daemon task that still runs counts as well
DRAIN_PERCENT = 25.0


class DaemonRollouts:
    """Moves daemon deployments along. ECS replaces the instances; here their daemon tasks alone are replaced."""

    def __init__(self, engine: Engine, launcher: Launcher) -> None:
        self._engine = engine
        self._launcher = launcher

    def begin(self, daemon: Daemon, revision: DaemonRevision, configuration: dict[str, object]) -> DaemonDeployment:
        """A new deployment, PENDING; the one under way is stopped."""
        if earlier := daemon.ongoing:
            earlier.reason = "The deployment was replaced by a new one."
            self._tell(earlier, "STOP_REQUESTED")
            self._tell(earlier, "STOPPED")
        path = f"daemon-deployment/{daemon.cluster_name}/{daemon.name}/{identifiers.token()}"
        arn = identifiers.arn(daemon.region, daemon.account, path)
        now = self._engine.now()
        deployment = DaemonDeployment(arn, daemon, revision, daemon.completed, configuration, now)
        daemon.revisions[revision.arn] = daemon.kept = revision
        daemon.history.append(deployment)
        self._tell(deployment, "PENDING")
        self._engine.after(self._engine.durations.queueing, partial(self._start, deployment))
        return deployment

    def join(self, instance: Instance) -> None:
        """An instance registers: the daemons of its capacity provider start on it, before anything else."""
        for daemon in list(daemons_of(ecs_backends[instance.account][instance.region]).values()):
            here = instance.cluster_name == daemon.cluster_name and instance in daemon.instances
            if here and daemon.status == "ACTIVE" and daemon.kept:
                self._launch(daemon, daemon.kept, instance)

    def drain(self, daemon: Daemon) -> None:
        """Stops every task of a daemon that is deleted."""
        for task in daemon.tasks.values():
            self._launcher.stop(task, "ServiceSchedulerInitiated", f"Daemon {daemon.name} is deleted.")

    def _start(self, deployment: DaemonDeployment) -> None:
        if deployment.status == "PENDING":
            self._tell(deployment, "IN_PROGRESS")
            self._wave(deployment)

    def _wave(self, deployment: DaemonDeployment) -> None:
        daemon = deployment.daemon
        left = [each for each in daemon.instances if not daemon.runs(each, deployment.target)]
        if not left:
            minutes = float(deployment.configuration.get("bakeTimeInMinutes") or 0)
            self._engine.after(minutes * 60, partial(self._finish, deployment))
            return
        share = float(deployment.configuration.get("drainPercent") or DRAIN_PERCENT)
        wave = left[: max(1, ceil(len(daemon.instances) * share / 100))]
        for instance in wave:
            self._launch(daemon, deployment.target, instance)
        self._engine.after(SETTLING, partial(self._look, deployment, wave))

    def _look(self, deployment: DaemonDeployment, wave: list[Instance]) -> None:
        if deployment.status != "IN_PROGRESS" or self._alarmed(deployment):
            return
        daemon = deployment.daemon
        deployment.failures += sum(
            not daemon.runs(each, deployment.target) for each in wave if each in daemon.instances
        )
        if deployment.failures >= deployment.threshold:
            deployment.breaker = "TRIGGERED"
            self._roll_back(deployment, "Daemon deployment rolled back because the circuit breaker was triggered.")
            return
        self._wave(deployment)

    def _finish(self, deployment: DaemonDeployment) -> None:
        if deployment.status == "IN_PROGRESS" and not self._alarmed(deployment):
            deployment.daemon.completed = deployment.target
            deployment.breaker = "MONITORING_COMPLETE"
            self._tell(deployment, "SUCCESSFUL")

    def _alarmed(self, deployment: DaemonDeployment) -> bool:
        alarms = deployment.configuration.get("alarms") or {}
        daemon = deployment.daemon
        if alarms.get("enable"):
            deployment.alarms = alarms_in_alarm(daemon.account, daemon.region, alarms.get("alarmNames", []))
        if deployment.alarms:
            self._roll_back(deployment, f"Daemon deployment rolled back: alarms {', '.join(deployment.alarms)}.")
        return bool(deployment.alarms)

    def _roll_back(self, deployment: DaemonDeployment, reason: str) -> None:
        deployment.reason = reason
        self._tell(deployment, "STOP_REQUESTED")
        back = deployment.source
        if back is None:
            self._tell(deployment, "STOPPED")
            return
        deployment.daemon.kept = back
        deployment.rollback = {
            "reason": reason,
            "startedAt": self._engine.now(),
            "rollbackTargetDaemonRevisionArn": back.arn,
            "rollbackCapacityProviders": back.providers,
        }
        self._engine.after(self._engine.durations.queueing, partial(self._go_back, deployment, back))

    def _go_back(self, deployment: DaemonDeployment, back: DaemonRevision) -> None:
        if deployment.status != "STOP_REQUESTED":
            return
        self._tell(deployment, "ROLLBACK_IN_PROGRESS")
        for instance in deployment.daemon.instances:
            if not deployment.daemon.runs(instance, back):
                self._launch(deployment.daemon, back, instance)
        self._engine.after(SETTLING, partial(self._went_back, deployment, back))

    def _went_back(self, deployment: DaemonDeployment, back: DaemonRevision) -> None:
        if deployment.status == "ROLLBACK_IN_PROGRESS":
            well = all(deployment.daemon.runs(each, back) for each in deployment.daemon.instances)
            self._tell(deployment, "ROLLBACK_SUCCESSFUL" if well else "ROLLBACK_FAILED")

    def _launch(self, daemon: Daemon, revision: DaemonRevision, instance: Instance) -> None:
        earlier = daemon.tasks.get(instance.container_instance_arn)
        if earlier is not None:
            self._launcher.stop(earlier, "ServiceSchedulerInitiated", f"Daemon {daemon.name} is being deployed.")
        now = self._engine.now()
        order = LaunchOrder(
            account=daemon.account,
            region=daemon.region,
            cluster_name=daemon.cluster_name,
            cluster_arn=daemon.cluster_arn,
            definition=revision.held.definition,
            group=f"daemon:{daemon.name}",
            launch_type="MANAGED_INSTANCES",
            settings={"enableExecuteCommand": revision.held.settings.get("enableExecuteCommand")},
            started_by=f"ecs-daemon/{identifiers.number()}",
            tags=list(daemon.tags) if revision.held.settings.get("propagateTags") == "DAEMON" else [],
            container_instance_arn=instance.container_instance_arn,
            capacity_provider=instance.capacity_provider_name,
            deployment=Deployment(f"ecs-daemon/{identifiers.number()}", revision.held, now, now),
        )
        try:
            daemon.tasks[instance.container_instance_arn] = self._launcher.launch(order)
        except LaunchRefusedError:
            daemon.tasks.pop(instance.container_instance_arn, None)

    def _tell(self, deployment: DaemonDeployment, status: str) -> None:
        now = self._engine.now()
        deployment.status = status
        if status == "IN_PROGRESS":
            deployment.moments["startedAt"] = now
        if not deployment.ongoing:
            deployment.moments["stoppedAt" if status == "STOPPED" else "finishedAt"] = now
        daemon = deployment.daemon
        where = (daemon.arn, daemon.cluster_arn, deployment.arn, deployment.target.arn)
        self._engine.send(events.daemon_deployment_change(*where, status, now))
