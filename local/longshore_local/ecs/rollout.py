"""Service deployments: from the request through stages, hooks and traffic to success, stop or rollback (aws B3)."""

from functools import partial
from math import ceil

from longshore_local.ecs import events, identifiers
from longshore_local.ecs.breaker import breaker_of, failure_threshold
from longshore_local.ecs.deployments import REVISION_MEMBERS, Deployment, ServiceDeployment, ServiceRevision
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.hooks import Hooks
from longshore_local.ecs.scheduling import Scheduler
from longshore_local.ecs.services import Service
from longshore_local.ecs.traffic import alarms_in_alarm, stages_of, traffic_steps

NO_CANDIDATE = "Service deployment rollback failed. No rollback candidate was found to run the rollback."


class Rollouts:
    """Moves service deployments along; the scheduler does the counting of tasks."""

    def __init__(self, engine: Engine, scheduler: Scheduler) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self.hooks = Hooks(engine, self)
        scheduler.follow(self)

    def begin(self, service: Service, revision: ServiceRevision) -> ServiceDeployment:
        """A new service deployment, PENDING; the one under way is stopped."""
        if service.ongoing is not None:
            self._supersede(service.ongoing)
        target = self._make_primary(service, revision)
        sources = [entry for entry in service.deployments if entry is not target and entry.tasks]
        deployment = self._record(service, target, sources)
        self._engine.after(self._engine.durations.queueing, partial(self._start, deployment))
        return deployment

    def settled(self, service: Service, revision: ServiceRevision) -> Deployment:
        """A service deployment that has been successful since before anyone looked; its tasks are the caller's."""
        entry = self._make_primary(service, revision)
        now = self._engine.now()
        entry.rollout_state, entry.launching = "COMPLETED", True
        entry.rollout_reason = f"ECS deployment {entry.id} completed."
        deployment = self._record(service, entry, [])
        deployment.status, deployment.weight, deployment.breaker_status = "SUCCESSFUL", 100.0, "MONITORING_COMPLETE"
        deployment.moments |= {"startedAt": now, "finishedAt": now, "updatedAt": now}
        service.last_completed, service.steady = revision, True
        return entry

    def stop(self, deployment: ServiceDeployment, stop_type: str) -> None:
        """StopServiceDeployment: roll back, or (ABORT) leave things as they are."""
        if deployment.rolling_back:
            return
        if stop_type == "ROLLBACK":
            deployment.breaker_status = "MONITORING_COMPLETE"
            self.roll_back(deployment, "Service deployment rolled back because of a user request.", breaker=False)
            return
        self._halt(deployment)
        deployment.status, deployment.status_reason = "STOP_REQUESTED", "Service deployment stopped by a user request."
        deployment.target.launching = False
        self._engine.after(self._engine.durations.queueing, partial(self._aborted, deployment))

    def roll_back(self, deployment: ServiceDeployment, reason: str, *, breaker: bool) -> None:
        """Goes back to the revision that was completed last; without one the deployment stalls."""
        service = deployment.service
        if service.last_completed is None:
            self._stall(deployment, "ROLLBACK_FAILED", NO_CANDIDATE, breaker=breaker)
            return
        self._halt(deployment)
        now = self._engine.now()
        failed = deployment.target
        back = self._make_primary(service, service.last_completed)
        _adopt(service, back)
        deployment.rolled_back_to = back
        deployment.status, deployment.status_reason = "ROLLBACK_REQUESTED", reason
        deployment.moments["updatedAt"] = now
        deployment.rollback = {"reason": reason, "startedAt": now, "serviceRevisionArn": back.revision.arn}
        deployment.weight, deployment.failures = 0.0, deployment.failures if breaker else 0
        what = "circuit breaker" if breaker else "rollback"
        self._fail_entry(
            service, failed, f"ECS deployment {what}: rolling back to deploymentId {back.id}.", tell=breaker
        )
        self._scheduler.stop_pending(service, failed)
        self._restore(service, back.revision)
        self._engine.after(self._engine.durations.queueing, partial(self._start_rollback, deployment))

    def task_failed(self, service: Service, entry: Deployment) -> None:
        """Counts a failure and trips the breaker when it is one too many."""
        deployment = service.ongoing
        if deployment is None or entry is not service.primary:
            return
        deployment.failures += 1
        settings = breaker_of(deployment.configuration)
        rolled = 0 if deployment.rolled_back_to is None else entry.failed
        count = rolled or deployment.failures
        if not settings or count < failure_threshold(settings, service.desired_count):
            return
        deployment.breaker_status = "TRIGGERED"
        text = "Service deployment rolled back because the circuit breaker threshold was exceeded."
        if deployment.rolling_back:
            self._stall(deployment, "ROLLBACK_FAILED", "Service deployment rollback failed.", breaker=True)
        elif settings.get("rollback"):
            self.roll_back(deployment, text, breaker=True)
        else:
            stopped = "Service deployment stopped because the circuit breaker threshold was exceeded."
            self._stall(deployment, "STOPPED", stopped, breaker=True)

    def task_passed(self, service: Service, entry: Deployment) -> None:
        """Forgives earlier failures, where the breaker is told to."""
        deployment = service.ongoing
        if deployment is None or entry is not service.primary:
            return
        settings = breaker_of(deployment.configuration)
        if settings.get("resetOnHealthyTask", True):
            deployment.failures = 0

    def counts_changed(self, service: Service) -> None:
        """Ends the stage that waits for tasks, when they are there."""
        deployment = service.ongoing
        if deployment is None:
            self._tell_steady(service)
        elif deployment.rolling_back:
            if deployment.status == "ROLLBACK_IN_PROGRESS" and _reached(service) and not _leftovers(service):
                self._finish(deployment, "ROLLBACK_SUCCESSFUL")
        elif deployment.stage == "SCALE_UP":
            if _reached(service, early=True):
                self.next_stage(deployment)
        elif deployment.stage == "CLEAN_UP" and (_deferred(deployment) or not _leftovers(service)):
            self._finish(deployment, "SUCCESSFUL")

    def next_stage(self, deployment: ServiceDeployment) -> None:
        """Enters the next stage, whose hooks come first."""
        deployment.stage = deployment.stages.pop(0)
        deployment.moments["updatedAt"] = self._engine.now()
        if not self.hooks.reach(deployment):
            self.run_stage(deployment)

    def run_stage(self, deployment: ServiceDeployment) -> None:
        """Does what the stage is there for, its hooks being over."""
        stage = deployment.stage
        if stage in ("SCALE_UP", "CLEAN_UP"):
            deployment.target.launching = True
            self._scheduler.reconcile(deployment.service)
        elif stage == "PRODUCTION_TRAFFIC_SHIFT":
            self._shift(deployment, traffic_steps(deployment.configuration))
        elif stage == "BAKE_TIME":
            minutes = deployment.configuration.get("bakeTimeInMinutes") or 0
            deployment.timer = self._engine.after(minutes * 60, partial(self.next_stage, deployment))
        else:
            if stage == "TEST_TRAFFIC_SHIFT":
                deployment.test_weight = 100.0
            self.next_stage(deployment)

    def _shift(self, deployment: ServiceDeployment, steps: list[tuple[float, float]]) -> None:
        (weight, minutes), rest = steps[0], steps[1:]
        deployment.weight = weight
        deployment.moments["updatedAt"] = self._engine.now()
        following = partial(self._shift, deployment, rest) if rest else partial(self.next_stage, deployment)
        deployment.timer = self._engine.after(minutes * 60, following)

    def _start(self, deployment: ServiceDeployment) -> None:
        if deployment.status != "PENDING" or deployment.service.status != "ACTIVE":
            return
        deployment.status = "IN_PROGRESS"
        deployment.moments["startedAt"] = self._engine.now()
        deployment.stages = stages_of(deployment)
        self._tell(deployment.service, deployment.target, "IN_PROGRESS")
        if (deployment.configuration.get("alarms") or {}).get("enable"):
            self._watch_alarms(deployment)
        self.next_stage(deployment)

    def _start_rollback(self, deployment: ServiceDeployment) -> None:
        back = deployment.rolled_back_to
        if deployment.status != "ROLLBACK_REQUESTED" or back is None:
            return
        deployment.status = "ROLLBACK_IN_PROGRESS"
        back.launching = True
        self._tell(deployment.service, back, "IN_PROGRESS")
        self._scheduler.reconcile(deployment.service)

    def _watch_alarms(self, deployment: ServiceDeployment) -> None:
        if deployment.status != "IN_PROGRESS":
            return
        alarms = deployment.configuration["alarms"]
        service = deployment.service
        raised = alarms_in_alarm(service.account, service.region, alarms.get("alarmNames", []))
        if not raised:
            self._engine.after(self._engine.durations.alarm_check, partial(self._watch_alarms, deployment))
            return
        deployment.triggered_alarms = raised
        service.tell(
            f"(deployment {deployment.target.id}) deployment failed: alarm detected.",
            self._engine.now(),
            identifiers.uuid(),
        )
        if alarms.get("rollback"):
            reason = f"Service deployment rolled back because of alarms: {', '.join(raised)}."
            self.roll_back(deployment, reason, breaker=False)
        else:
            self._stall(
                deployment, "STOPPED", "Service deployment stopped because an alarm was detected.", breaker=False
            )

    def _supersede(self, deployment: ServiceDeployment) -> None:
        self._halt(deployment)
        deployment.status = "STOP_REQUESTED"
        deployment.status_reason = "Service deployment stopped because a new service deployment was started."
        for entry in (deployment.target, deployment.rolled_back_to):
            if entry is not None:
                entry.launching = False
                self._scheduler.stop_pending(deployment.service, entry)
        self._engine.after(self._engine.durations.queueing, partial(self._close, deployment, "STOPPED"))

    def _aborted(self, deployment: ServiceDeployment) -> None:
        self._fail_entry(deployment.service, deployment.target, "ECS deployment aborted.", tell=False)
        self._close(deployment, "STOPPED")

    def _stall(self, deployment: ServiceDeployment, status: str, reason: str, *, breaker: bool) -> None:
        """The end without a way back: nothing new is launched until someone updates the service."""
        self._halt(deployment)
        deployment.status_reason = reason
        entry = deployment.rolled_back_to or deployment.target
        entry.launching = False
        self._close(deployment, status)
        text = "ECS deployment circuit breaker: task failed to start." if breaker else reason
        self._fail_entry(deployment.service, entry, text, tell=breaker)
        self._scheduler.stop_pending(deployment.service, entry)

    def _finish(self, deployment: ServiceDeployment, status: str) -> None:
        service = deployment.service
        entry = deployment.rolled_back_to or deployment.target
        now = self._engine.now()
        entry.rollout_state = "COMPLETED"
        if status == "SUCCESSFUL":
            deployment.weight = 100.0
            deployment.breaker_status = "MONITORING_COMPLETE"
        service.last_completed = entry.revision
        self._close(deployment, status)
        self._tell(service, entry, "COMPLETED")
        service.tell(f"(deployment {entry.id}) deployment completed.", now, identifiers.uuid())
        self._tell_steady(service)

    def _close(self, deployment: ServiceDeployment, status: str) -> None:
        now = self._engine.now()
        self._halt(deployment)
        deployment.status = status
        deployment.moments |= {"finishedAt": now, "updatedAt": now}
        if status == "STOPPED":
            deployment.moments["stoppedAt"] = now

    def _halt(self, deployment: ServiceDeployment) -> None:
        if deployment.timer is not None:
            deployment.timer.cancel()
            deployment.timer = None
        self.hooks.drop(deployment)

    def _record(self, service: Service, target: Deployment, sources: list[Deployment]) -> ServiceDeployment:
        path = f"service-deployment/{service.cluster_name}/{service.name}/{identifiers.token()}"
        deployment = ServiceDeployment(
            arn=identifiers.arn(service.region, service.account, path),
            service=service,
            target=target,
            sources=sources,
            configuration=dict(service.settings["deploymentConfiguration"]),
            created_at=self._engine.now(),
        )
        service.history.append(deployment)
        return deployment

    def _make_primary(self, service: Service, revision: ServiceRevision) -> Deployment:
        now = self._engine.now()
        for entry in service.deployments:
            entry.status = "ACTIVE"
            entry.launching = False
        identifier = f"ecs-svc/{identifiers.number()}"
        entry = Deployment(identifier, revision, now, now, desired=service.desired_count)
        entry.rollout_reason = f"ECS deployment {identifier} in progress."
        service.deployments.insert(0, entry)
        service.steady = False
        return entry

    def _fail_entry(self, service: Service, entry: Deployment, reason: str, *, tell: bool) -> None:
        now = self._engine.now()
        entry.rollout_state, entry.rollout_reason, entry.updated_at = "FAILED", reason, now
        if tell:
            name = "SERVICE_DEPLOYMENT_FAILED"
            self._engine.send(events.deployment_state_change(service.arn, entry.id, name, reason, now))
            text = f"(deployment {entry.id}) deployment failed: tasks failed to start."
            service.tell(text, now, identifiers.uuid())

    def _tell(self, service: Service, entry: Deployment, what: str) -> None:
        now = self._engine.now()
        reason = f"ECS deployment {entry.id} {what.lower().replace('_', ' ')}."
        entry.rollout_reason, entry.updated_at = reason, now
        name = f"SERVICE_DEPLOYMENT_{what}"
        self._engine.send(events.deployment_state_change(service.arn, entry.id, name, reason, now))
        self._engine.send(events.service_action(service.arn, service.cluster_arn, name, now, reason=reason))

    def _tell_steady(self, service: Service) -> None:
        primary = service.primary
        if service.steady or primary is None or primary.rollout_state != "COMPLETED":
            return
        if _reached(service) and not _leftovers(service):
            now = self._engine.now()
            service.steady = True
            service.tell("has reached a steady state.", now, identifiers.uuid())
            self._engine.send(events.service_action(service.arn, service.cluster_arn, "SERVICE_STEADY_STATE", now))

    @staticmethod
    def _restore(service: Service, revision: ServiceRevision) -> None:
        service.task_definition = revision.definition.arn
        for name in REVISION_MEMBERS:
            service.settings.pop(name, None)
        service.settings.update(revision.settings)


def _adopt(service: Service, back: Deployment) -> None:
    """Tasks that still run the revision gone back to are kept, not started again."""
    for entry in service.deployments:
        if entry is back or entry.revision is not back.revision:
            continue
        for task in entry.tasks:
            task.deployment = back
        back.tasks += entry.tasks
        entry.tasks = []


def _reached(service: Service, *, early: bool = False) -> bool:
    primary = service.primary
    if primary is None:
        return False
    needed = service.desired_count
    criteria = service.settings["deploymentConfiguration"].get("earlySuccessCriteria") or {}
    if early and criteria.get("enable"):
        needed = ceil(needed * criteria.get("healthyPercent", 100) / 100)
    return primary.healthy >= needed and (early or len(primary.tasks) == needed)


def _deferred(deployment: ServiceDeployment) -> bool:
    criteria = deployment.configuration.get("earlySuccessCriteria") or {}
    return bool(criteria.get("enable")) and criteria.get("sourceServiceRevisionCleanup") == "DEFERRED"


def _leftovers(service: Service) -> bool:
    return any(entry.tasks for entry in service.deployments if entry.status != "PRIMARY")
