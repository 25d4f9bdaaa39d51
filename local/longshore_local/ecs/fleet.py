"""The container instances of an account: registered, cut off, drained, impaired, gone, with AWS's events."""

from collections.abc import Callable
from functools import partial
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ecs.models import ecs_backends

from longshore_local.ecs import errors, events, identifiers
from longshore_local.ecs.endings import ENDINGS
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.instances import EXTERNAL_PREFIX, Instance
from longshore_local.ecs.placement import instances_of
from longshore_local.ecs.stopping import Stopper
from longshore_local.ecs.tasks import Task

DEREGISTERED = "Container instance deregistration forced by user"
CHECKS = ("CONTAINER_RUNTIME", "ACCELERATED_COMPUTE", "DAEMON", "AGENT_CONNECTIVITY")
"""The health checks of ECS (its model's InstanceHealthCheckType)."""


class Fleet:
    """What happens to container instances, and through them to tasks."""

    def __init__(self, engine: Engine, stopper: Stopper) -> None:
        self._engine = engine
        self._stopper = stopper
        self.on_register: Callable[[Instance], None] = lambda instance: None

    def register(self, account: str, region: str, cluster: str, ec2_instance_id: str, **members: Any) -> Instance:
        """A new instance in a cluster; `members` are those of `Instance` that differ from what is usual."""
        backend = ecs_backends[account][region]
        held = backend.clusters.get(cluster)
        if held is None:
            raise errors.cluster_not_found()
        zone = members.pop("zone", None) or f"{region}a"
        external = ec2_instance_id.startswith(EXTERNAL_PREFIX)
        attributes = {"ecs.os-type": "linux", "ecs.cpu-architecture": "x86_64", "ecs.capability.ecr-auth": None}
        attributes |= {"ecs.capability.external": None} if external else {"ecs.availability-zone": zone}
        attributes |= members.pop("attributes", {})
        instance = Instance(
            id=identifiers.hexadecimal(),
            account=account,
            region=region,
            cluster_name=cluster,
            cluster_arn=held.arn,
            ec2_instance_id=ec2_instance_id,
            zone=zone,
            cpu=members.pop("cpu", 4096),
            memory=members.pop("memory", 7482),
            registered_at=self._engine.now(),
            attributes=attributes,
            **members,
        )
        instances: Any = backend.container_instances
        instances.setdefault(cluster, {})[instance.id] = instance
        held.registered_container_instances_count += 1
        self.tell(instance)
        self.on_register(instance)
        return instance

    def connect(self, instance: Instance, *, connected: bool) -> None:
        """The agent is heard of again, or no longer; what was asked of cut-off tasks happens when it is back."""
        if instance.agent_connected == connected:
            return
        instance.agent_connected = connected
        for task in instance.tasks:
            task.cut_off = not connected
            if connected and task.stopping:
                self._stopper.wind_down(task)
        self.tell(instance)

    def drain(self, instance: Instance, status: str) -> None:
        """ACTIVE or DRAINING: draining moves the tasks of services and lets the others be (recover O4)."""
        if instance.status == status:
            return
        instance.status = status
        self.tell(instance)
        for task in instance.tasks:
            self.release(task)

    def release(self, task: Task) -> None:
        """Stops a service's task that is not protected (any more) where its instance drains."""
        host = task.container_instance_arn
        if host is None or task.service is None or task.protected_until is not None:
            return
        if self.find(task.account, task.region, host).status == "DRAINING":
            reason = f"Scaling activity initiated by (deployment {task.started_by})"
            self._stopper.stop(task, "ServiceSchedulerInitiated", reason)

    def deregister(self, instance: Instance, *, force: bool) -> None:
        """Takes it out of the cluster; raises InvalidParameterException for one with tasks, unless forced."""
        if instance.tasks and not force:
            raise errors.invalid_parameter("Found running tasks on the instance.")
        tasks = instance.tasks
        self._remove(instance)
        for task in tasks:
            task.cut_off = False
            self._stopper.stop(task, "UserInitiated", DEREGISTERED)

    def lose(self, instance: Instance, mode: str = "host-terminated") -> None:
        """The host is gone: the agent is cut off, then the tasks stop without an exit code (recover I1)."""
        if not instance.external:
            self._terminate_host(instance)
        tasks = instance.tasks
        instance.agent_connected = False
        self.tell(instance)
        for task in tasks:
            task.cut_off = True
        self._engine.after(self._engine.durations.stopping, partial(self._lost, instance, mode))

    def _lost(self, instance: Instance, mode: str) -> None:
        for task in instance.tasks:
            task.cut_off = False
            if task.stopping:
                self._stopper.wind_down(task)
            else:
                self._stopper.end(task, ENDINGS[mode])
        self._remove(instance)

    def check(self, instance: Instance, kind: str, status: str, reason: str = "") -> None:
        """Sets one health check, OK, IMPAIRED or INSUFFICIENT_DATA, and tells it."""
        if kind not in CHECKS:
            raise ValueError(f"the kind of a health check must be one of {', '.join(CHECKS)}, got {kind!r}")
        now = self._engine.now()
        check: dict[str, Any] = {"type": kind, "status": status, "lastUpdated": now, "lastStatusChange": now}
        instance.health[kind] = check | ({"statusReason": reason} if reason else {})
        instance.version += 1
        self._engine.send(events.instance_health_change(instance, now))

    def tell(self, instance: Instance) -> None:
        """Sends the instance's state, one version on."""
        instance.version += 1
        self.repeat(instance)

    def repeat(self, instance: Instance) -> None:
        """Sends the instance's state as it was sent last."""
        self._engine.send(events.instance_state_change(instance, self._engine.now()))

    def find(self, account: str, region: str, name: str) -> Instance:
        """An instance by ARN, id or EC2 instance id; KeyError for none."""
        for cluster in list(ecs_backends[account][region].container_instances):
            for instance in instances_of(account, region, cluster):
                if name.rpartition("/")[2] in (instance.id, instance.ec2_instance_id):
                    return instance
        raise KeyError(f"there is no container instance {name!r} in {account}/{region}")

    def _remove(self, instance: Instance) -> None:
        backend = ecs_backends[instance.account][instance.region]
        if backend.container_instances.get(instance.cluster_name, {}).pop(instance.id, None) is None:
            return
        backend.clusters[instance.cluster_name].registered_container_instances_count -= 1
        instance.status, instance.agent_connected = "INACTIVE", False
        self.tell(instance)

    @staticmethod
    def _terminate_host(instance: Instance) -> None:
        backends = ec2_backends[instance.account]
        if dict.__contains__(backends, instance.region):
            hosts = backends[instance.region].all_instances()
            if any(host.id == instance.ec2_instance_id for host in hosts):
                backends[instance.region].terminate_instances([instance.ec2_instance_id])
