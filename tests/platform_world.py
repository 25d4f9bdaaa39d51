"""What lies under tasks, on fakes: instances, retirements, registrations, refused launches, with recover above them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from longshore.recover.hosts import ContainerInstance, HostPorts, HostState, Service
from longshore.recover.platform import Platform
from longshore.recover.refused_tasks import with_refused
from longshore.recover.service import Recoverer
from longshore.recover.upkeep import UpkeepPolicy
from longshore.settings import Mode
from tests.fake_hosts import (
    FakeDrains,
    FakeHosts,
    FakeInstances,
    FakeRefused,
    FakeRegistries,
    FakeServices,
    FakeWatches,
)
from tests.fake_tasks import ACCOUNT, ARN, CLUSTER, REGION
from tests.recover_world import AUTO, RecoverWorld


class PlatformWorld(RecoverWorld):
    """Cluster `shop` with container instances. Every change of an instance is an event in recover's queue."""

    def __init__(self, *, mode: Mode = Mode.AUTO, upkeep: UpkeepPolicy | None = None, **options: Any) -> None:
        super().__init__(mode=mode, **options)
        self.instances, self.hosts, self.services = FakeInstances(), FakeHosts(), FakeServices()
        self.instances.on = self._on
        self.registries, self.watches = FakeRegistries(), FakeWatches()
        self.drains, self.refused = FakeDrains(), FakeRefused()
        under = HostPorts(
            instances=self._port(self.instances),
            hosts=self._port(self.hosts),
            services=self._port(self.services),
            registries=self._port(self.registries),
            watches=self._port(self.watches),
            drains=self._port(self.drains),
        )
        refused = self._port(self.refused)
        self.ports = with_refused(self.ports, refused)
        self.platform = Platform(self.ports, under, refused, self.rules, upkeep or UpkeepPolicy())
        self.recoverer = Recoverer(self.ports, self.rules, self.platform.handlers)

    def _on(self, arn: str) -> list[str]:
        described = ((each, self.tasks.described(each)) for each in self.tasks.arns)
        return [
            each
            for each, task in described
            if task.get("containerInstanceArn") == arn and task["lastStatus"] != "STOPPED"
        ]

    # -- instances --------------------------------------------------------------------------------------------------

    def instance(self, number: int = 1, **members: Any) -> ContainerInstance:
        """An instance of cluster `shop`."""
        arn = f"{ARN}:container-instance/shop/{number:032x}"
        return self.instances.add(arn, CLUSTER, f"i-{number:017x}", **members)

    def fleet(self, count: int, **members: Any) -> list[ContainerInstance]:
        """Several, opted in unless told."""
        return [self.instance(number, **{"tags": AUTO, **members}) for number in range(1, count + 1)]

    def lose(self, instance: ContainerInstance, state: HostState = HostState.IMPAIRED) -> None:
        """Its agent goes away."""
        self.hosts.states[instance.id] = state
        self.connect(instance, connected=False)

    def connect(self, instance: ContainerInstance, *, connected: bool) -> None:
        """Its agent comes or goes."""
        self.instances.become(instance.arn, connected=connected)
        self.send(self.instance_event(instance.arn))

    def instance_event(self, arn: str, **detail: Any) -> dict[str, Any]:
        """ECS's event of an instance as it is now."""
        found = self.instances.known[arn]
        told = {
            "containerInstanceArn": arn,
            "clusterArn": found.cluster,
            "ec2InstanceId": found.id,
            "agentConnected": found.connected,
            "status": found.status,
            "version": 1,
            **detail,
        }
        return self.envelope("ECS Container Instance State Change", told, arn)

    def health_event(self, arn: str) -> dict[str, Any]:
        """ECS's event of an instance's health as it is now."""
        found = self.instances.known[arn]
        checks = [{"type": each, "status": "IMPAIRED"} for each in found.failing]
        health = {"overallStatus": "IMPAIRED" if checks else "OK", "details": checks}
        told = {"containerInstanceArn": arn, "clusterArn": found.cluster, "healthStatus": health}
        return self.envelope("ECS Container Instance Health Change", told, arn)

    def spot_event(self, instance: ContainerInstance, *, certain: bool = True) -> dict[str, Any]:
        """EC2's notice."""
        if certain:
            told = {"instance-id": instance.id, "instance-action": "terminate"}
            return self.envelope("EC2 Spot Instance Interruption Warning", told)
        return self.envelope("EC2 Instance Rebalance Recommendation", {"instance-id": instance.id})

    # -- retirements ------------------------------------------------------------------------------------------------

    def service(self, name: str = "web", **members: Any) -> Service:
        """A service of cluster `shop`."""
        members = {"definition": self.tasks.define(name), "tags": AUTO, **members}
        found = Service(f"{ARN}:service/shop/{name}", **members)
        self.services.known[CLUSTER, name] = found
        return found

    def health_notice(self, *things: str, days: float = 7, **detail: Any) -> dict[str, Any]:
        """AWS Health's notice of a retirement."""
        starts = self.clock.now() + timedelta(days=days)
        told = {
            "eventArn": "arn:aws:health:eu-west-1::event/ECS/AWS_ECS_TASK_PATCHING_RETIREMENT/one",
            "service": "ECS",
            "eventTypeCode": "AWS_ECS_TASK_PATCHING_RETIREMENT",
            "statusCode": "upcoming",
            "eventRegion": REGION,
            "startTime": starts.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "endTime": (starts + timedelta(days=2)).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "affectedEntities": [{"entityValue": each, "status": "PENDING"} for each in things],
            **detail,
        }
        return self.envelope("AWS Health Event", told, *things)

    # -- refused launches -------------------------------------------------------------------------------------------

    def schedule(self, definition: str, *, name: str = "nightly", **target: Any) -> str:
        """A schedule that starts a task; answers the startedBy of its tasks."""
        parameters = {
            "TaskDefinitionArn": definition,
            "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a", "subnet-b"]}},
            **target.pop("parameters", {}),
        }
        self.launchers.of_schedules[name] = [{"Arn": CLUSTER, "EcsParameters": parameters, **target}]
        return f"chronos-schedule/{name}"

    def trail_event(
        self, definition: str, started_by: str, *reasons: str, id: str = "e-1", tasks: int = 0, **detail: Any
    ) -> dict[str, Any]:
        """CloudTrail's record of a RunTask."""
        asked = {"cluster": CLUSTER, "taskDefinition": definition, "startedBy": started_by, **detail.pop("asked", {})}
        started = [{"taskArn": f"{ARN}:task/shop/{number:032x}"} for number in range(tasks)]
        told = {
            "eventSource": "ecs.amazonaws.com",
            "eventName": "RunTask",
            "eventID": id,
            "requestParameters": asked,
            "responseElements": {"failures": [{"reason": each} for each in reasons], "tasks": started},
            "recipientAccountId": ACCOUNT,
            **detail,
        }
        return self.envelope("AWS API Call via CloudTrail", told)
