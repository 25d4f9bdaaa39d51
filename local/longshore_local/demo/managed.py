"""What ECS manages in a scenario: Express Mode services and daemons."""

from longshore_local.demo.sentences import short
from longshore_local.demo.stage import CLUSTER, Stage


class Managed:
    """Express services and daemons on a scenario's stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ecs = stage.client("ecs")
        self._ecs.create_cluster(clusterName=CLUSTER)
        self._home = (stage.bundle.account, stage.bundle.region)

    def express(self, name: str, image: str, policy: str) -> None:
        """Creates a tagged Express service, waits until it is steady, and tells it."""
        account, _ = self._home
        roles = f"arn:aws:iam::{account}:role/"
        self._ecs.create_express_gateway_service(
            serviceName=name,
            cluster=CLUSTER,
            infrastructureRoleArn=f"{roles}infrastructure",
            executionRoleArn=f"{roles}workloads/execution",
            primaryContainer={"image": image, "environment": [{"name": "COLOUR", "value": "blue"}]},
            tags=[{"key": "longshore:policy", "value": policy}],
        )
        self._stage.wait(minutes=10)
        self._stage.narrator.speak()
        runs = f"{image.partition('/')[2]} = {short(self._stage.digests(name)['Main'])}"
        told = f"run the Express service {CLUSTER}/{name}, tagged longshore:policy = {policy}: {runs}"
        self._stage.narrator.say("You", told)

    def colour(self, name: str) -> str:
        """The environment variable COLOUR that the service declares."""
        account, region = self._home
        arn = f"arn:aws:ecs:{region}:{account}:service/{CLUSTER}/{name}"
        found = self._ecs.describe_express_gateway_service(serviceArn=arn)["service"]
        ((entry,),) = [each["primaryContainer"]["environment"] for each in found["activeConfigurations"]]
        return str(entry["value"])

    def daemon(self, name: str, image: str, policy: str, machines: int) -> None:
        """Creates a tagged daemon on so many instances, waits until it runs, and tells it."""
        account, region = self._home
        for _ in range(machines):
            self._stage.bundle.ecs.hosts.add(account, region, CLUSTER, capacity_provider_name="machines")
        definition = self._ecs.register_daemon_task_definition(
            family=name, containerDefinitions=[{"name": name, "image": image, "memory": 128}]
        )["daemonTaskDefinitionArn"]
        self._ecs.create_daemon(
            daemonName=name,
            clusterArn=CLUSTER,
            daemonTaskDefinitionArn=definition,
            capacityProviderArns=[f"arn:aws:ecs:{region}:{account}:capacity-provider/machines"],
            deploymentConfiguration={"drainPercent": 34.0},
            tags=[{"key": "longshore:policy", "value": policy}],
        )
        self._stage.wait(minutes=5)
        self._stage.narrator.speak()
        runs = ", ".join(map(short, sorted(set(self.running(name)))))
        told = f"run the daemon {CLUSTER}/{name} on {machines} instances, tagged longshore:policy = {policy}: {runs}"
        self._stage.narrator.say("You", told)

    def running(self, name: str) -> list[str]:
        """The digest that each task of a daemon runs."""
        arns = self._ecs.list_tasks(cluster=CLUSTER, desiredStatus="RUNNING")["taskArns"]
        tasks = self._ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        ours = [each for each in tasks if each["group"] == f"daemon:{name}"]
        return [container["imageDigest"] for task in ours for container in task["containers"]]
