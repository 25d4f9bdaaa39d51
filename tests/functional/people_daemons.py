"""ECS daemons on a stage: who makes and updates them, and what they run."""

from __future__ import annotations

from typing import Any

from tests.functional.stage import ACCOUNT, CLUSTER, REGION, ROLE, Stage, uri

PROVIDER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:capacity-provider/machines"


class Daemons:
    """What people do with daemons beside Longshore."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._arns: dict[str, str] = {}

    def machine(self) -> str:
        """One more instance of the capacity provider."""
        return self._stage.bundle.ecs.hosts.add(ACCOUNT, REGION, CLUSTER, capacity_provider_name="machines")

    def register(self, image: str, name: str = "agent") -> str:
        """A daemon task definition of one container; answers its ARN."""
        containers = [{"name": "app", "image": uri(image), "memory": 128}]
        answer = self._stage.ecs.register_daemon_task_definition(
            family=name, containerDefinitions=containers, taskRoleArn=ROLE, cpu="256", memory="512"
        )
        return str(answer["daemonTaskDefinitionArn"])

    def create(
        self,
        name: str = "agent",
        image: str = "web:prod",
        policy: str | None = "profile:steady",
        machines: int = 2,
        **members: Any,
    ) -> str:
        """A steady daemon on so many instances, tagged unless `policy` is None; what led there is forgotten."""
        for _ in range(machines):
            self.machine()
        tags = [{"key": "longshore:policy", "value": policy}] if policy is not None else []
        made = self._stage.ecs.create_daemon(
            daemonName=name,
            clusterArn=CLUSTER,
            daemonTaskDefinitionArn=self.register(image, name),
            capacityProviderArns=[PROVIDER],
            deploymentConfiguration={"drainPercent": 50.0},
            tags=tags,
            **members,
        )
        self._arns[name] = str(made["daemonArn"])
        self._stage.run(minutes=5)
        self._stage.forget()
        return self._arns[name]

    def update(self, image: str, name: str = "agent") -> None:
        """A person deploys an image."""
        self._stage.ecs.update_daemon(
            daemonArn=self._arns[name],
            daemonTaskDefinitionArn=self.register(image, name),
            capacityProviderArns=[PROVIDER],
            deploymentConfiguration={"drainPercent": 50.0},
        )

    def running(self, name: str = "agent") -> str:
        """The digest that the tasks of the daemon run; there must be one."""
        arns = self._stage.ecs.list_tasks(cluster=CLUSTER, desiredStatus="RUNNING")["taskArns"]
        tasks = self._stage.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
        ours = [task for task in tasks if task["group"] == f"daemon:{name}"]
        (digest,) = {container["imageDigest"] for task in ours for container in task["containers"]}
        return str(digest)

    def writes(self) -> list[dict[str, Any]]:
        """How functions of the stack updated daemons."""
        calls = self._stage.bundle.recorder.calls
        return [call.params for call in calls if call.operation == "UpdateDaemon" and not call.error]
