"""The stage of a scenario: an account with a registry and a cluster, what a team does there, and what it expects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from longshore_local import images
from longshore_local.bundle import Bundle
from longshore_local.demo.sentences import short
from longshore_local.demo.story import Narrator
from longshore_local.ecr_public_registry import HOST as GALLERY
from longshore_local.ecr_public_registry import REGION as GALLERY_REGION
from longshore_local.ecr_public_registry import alias_of
from longshore_local.ecs.endings import FailureMode
from longshore_local.image_shapes import place
from longshore_local.images import SyntheticImage
from longshore_local.registry import Registry
from longshore_local.registry_memory import MemoryStore
from longshore_local.spokes import Spoke

CLUSTER = "shop"
UPSTREAM = "ghcr.io"
UPSTREAM_REPOSITORY = "acme/proxy"
"""What the demo's configuration mirrors; ghcr.io is a registry on this machine here."""
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
_PATIENCE = timedelta(hours=2)  # of virtual time


class UnexpectedEndError(AssertionError):
    """A scenario did not end as it should."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on. Everything goes through AWS's own APIs and the registry's HTTP front."""

    bundle: Bundle
    narrator: Narrator
    registry: Registry
    upstream: MemoryStore
    spokes: tuple[Spoke, ...] = ()
    _clients: dict[str, Any] = field(default_factory=dict)

    def repository(self, name: str) -> str:
        """Makes a repository; the registry part of its images' references."""
        self.client("ecr").create_repository(repositoryName=name)
        return f"{self.bundle.account}.dkr.ecr.{self.bundle.region}.amazonaws.com/{name}"

    def stock(self, repository: str, tag: str, image: SyntheticImage) -> None:
        """Pushes an image before the story begins."""
        images.push(self.registry, repository, tag, image)

    def push(self, who: str, repository: str, tag: str | None, image: SyntheticImage, note: str = "") -> None:
        """Pushes an image over HTTP as `docker push` does, and tells it."""
        named = f"{repository}:{tag}" if tag else f"a manifest without a tag to {repository}"
        self.narrator.say(who, f"pushes {named} = {short(image.digest)}" + (f" ({note})" if note else ""))
        images.push(self.registry, repository, tag, image)

    def offer(self, repository: str, tag: str, image: SyntheticImage) -> None:
        """Puts an image into somebody else's registry before the story begins."""
        place(self.upstream, repository, tag, image)

    def release(self, who: str, repository: str, tag: str, image: SyntheticImage, note: str = "") -> None:
        """Somebody else pushes an image to a registry of their own, and it is told."""
        told = f" ({note})" if note else ""
        self.narrator.say(who, f"releases {UPSTREAM}/{repository}:{tag} = {short(image.digest)}{told}")
        place(self.upstream, repository, tag, image)

    def public(self, name: str) -> str:
        """The registry part of an image's reference in the account's public registry."""
        return f"{GALLERY}/{alias_of(self.bundle.account)}/{name}"

    def published(self, name: str) -> dict[str, str]:
        """The digests in a repository of ECR Public by tag, as its API describes them."""
        images = (
            self.bundle.session().client("ecr-public", region_name=GALLERY_REGION).describe_images(repositoryName=name)
        )
        return {tag: each["imageDigest"] for each in images["imageDetails"] for tag in each.get("imageTags", [])}

    def service(
        self, containers: Mapping[str, str], policy: str, *, name: str = "web", breaker: bool = True, **tags: str
    ) -> None:
        """Creates a tagged Fargate service of two tasks, waits until it is steady, and opens the story with it."""
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName=CLUSTER)
        definition = ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": key, "image": image} for key, image in containers.items()],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )["taskDefinition"]["taskDefinitionArn"]
        given = {"longshore:policy": policy, **{f"longshore:{key}": value for key, value in tags.items()}}
        ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
            tags=[{"key": key, "value": value} for key, value in given.items()],
            **({"deploymentConfiguration": BREAKER} if breaker else {}),
        )
        self.wait(minutes=2)
        self.narrator.speak()
        written = " ".join(f"{key} = {value}" for key, value in given.items())
        self.narrator.say("You", f"run the ECS service {CLUSTER}/{name}, tagged {written}: {self.describe(name)}")

    def network(self) -> dict[str, Any]:
        """A subnet and a security group of their own, as tasks without a service need them to be run again."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]
        return {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}

    def job(self, family: str, image: str, network: Mapping[str, Any], **tags: str) -> str:
        """Runs one Fargate task of a new, tagged task definition, as people and schedules do, and tells it."""
        ecs = self.client("ecs")
        ecs.create_cluster(clusterName=CLUSTER)
        given = {f"longshore:{key}": value for key, value in tags.items()}
        definition = ecs.register_task_definition(
            family=family,
            containerDefinitions=[{"name": family, "image": image}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            tags=[{"key": key, "value": value} for key, value in given.items()],
        )["taskDefinition"]["taskDefinitionArn"]
        self.narrator.speak()
        written = " ".join(f"{key} = {value}" for key, value in given.items())
        self.narrator.say("You", f"run a task of {family} with 512 MiB, its task definition tagged {written}")
        answer = ecs.run_task(
            cluster=CLUSTER, taskDefinition=definition, launchType="FARGATE", networkConfiguration=dict(network)
        )
        return str(answer["tasks"][0]["taskArn"])

    def tasks(self, family: str) -> list[dict[str, Any]]:
        """The tasks of a family that run, with their tags."""
        ecs = self.client("ecs")
        arns = ecs.list_tasks(cluster=CLUSTER, family=family, desiredStatus="RUNNING")["taskArns"]
        found = ecs.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"] if arns else []
        return [{**each, "tags": {tag["key"]: tag["value"] for tag in each["tags"]}} for each in found]

    def conclude_job(self, family: str) -> None:
        """Tells what runs of a family in the end."""
        tasks = self.tasks(family)
        sizes = ", ".join(f"{each['memory']} MiB" for each in tasks)
        self.narrator.say("Now", running(len(tasks), family) + (f", with {sizes}" if sizes else ""))

    def fail(self, image: SyntheticImage, mode: FailureMode) -> None:
        """Makes an image a bad one: its tasks fail in this way."""
        self.bundle.ecs.fail(image.digest, mode)

    def wait(self, **duration: float) -> None:
        """Lets this much time pass."""
        self.bundle.run(self._listening(lambda: False), timedelta(**duration))
        self.narrator.catch_up()

    def until(self, goal: Callable[[], bool], what: str) -> None:
        """Lets time pass until `goal`; UnexpectedEndError when it does not come."""
        reached = self.bundle.run(self._listening(goal), _PATIENCE)
        self.narrator.catch_up()
        if not reached:
            raise UnexpectedEndError(f"it was expected that {what}")

    def announced(self, kind: str) -> Callable[[], bool]:
        """Whether Longshore has published one more event of this detail-type than before."""
        before = self.told(kind)
        return lambda: self.told(kind) > before

    def verify(self, held: bool, what: str) -> None:
        """UnexpectedEndError unless what should be so is so."""
        if not held:
            raise UnexpectedEndError(f"it was expected that {what}")

    def reasons(self) -> list[str]:
        """The reason of every decision that the story has told so far."""
        told = (line.text.rpartition("[")[2].partition("]")[0] for line in self.narrator.lines if "[" in line.text)
        return list(told)

    def digests(self, name: str = "web") -> dict[str, str]:
        """What runs now, by container, as DescribeServiceRevisions says of the revision with most tasks."""
        current = max(self._described(name)["currentServiceRevisions"], key=lambda r: int(r["runningTaskCount"]))
        (revision,) = self.client("ecs").describe_service_revisions(serviceRevisionArns=[current["arn"]])[
            "serviceRevisions"
        ]
        return {image["containerName"]: image["imageDigest"] for image in revision["containerImages"]}

    def declared(self, name: str = "web") -> dict[str, str]:
        """The images that the service's task definition declares, by container."""
        definition = self.client("ecs").describe_task_definition(taskDefinition=self.definition(name))
        return {c["name"]: c["image"] for c in definition["taskDefinition"]["containerDefinitions"]}

    def definition(self, name: str = "web") -> str:
        """The ARN of the service's task definition."""
        return str(self._described(name)["taskDefinition"])

    def deployments(self, name: str = "web") -> int:
        """How many service deployments there were."""
        listed = self.client("ecs").list_service_deployments(cluster=CLUSTER, service=name)
        return len(listed["serviceDeployments"])

    def describe(self, name: str = "web") -> str:
        """What the service runs, in words."""
        service, digests = self._described(name), self.digests(name)
        runs = ", ".join(
            f"{image.partition('/')[2]} = {short(digests[key])}" for key, image in sorted(self.declared(name).items())
        )
        revision = service["taskDefinition"].rpartition("/")[2]
        return f"{running(service['runningCount'], revision)} {runs}"

    def conclude(self, name: str = "web") -> None:
        """Tells where the service ended."""
        self.narrator.say("Now", f"{CLUSTER}/{name}: {self.describe(name)}")

    def _described(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("ecs").describe_services(cluster=CLUSTER, services=[name])["services"][0]
        return found

    def told(self, kind: str) -> int:
        """How many events of this detail-type Longshore has published so far."""
        return sum(event["detail-type"] == kind for event in self.bundle.events)

    def _listening(self, goal: Callable[[], bool]) -> Callable[[], bool]:
        def listen() -> bool:
            self.narrator.catch_up()
            return goal()

        return listen

    def client(self, service: str) -> Any:
        """A client of whoever plays the team, made once."""
        if service not in self._clients:
            self._clients[service] = self.bundle.client(service)
        return self._clients[service]


def running(count: int, of: str) -> str:
    """How many tasks of something run, in words."""
    return f"{count} task of {of} runs" if count == 1 else f"{count} tasks of {of} run"
