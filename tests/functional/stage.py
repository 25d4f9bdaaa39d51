"""What the tests of redeploy say: who pushes and deploys what, and what then runs and was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle, Sources
from longshore_local.bus import envelope

if TYPE_CHECKING:
    from longshore_local.ecs.endings import FailureMode
    from longshore_local.images import SyntheticImage
    from longshore_local.recorder import Call

__all__ = ["ACCOUNT", "BREAKER", "CLUSTER", "PASSABLE", "REGION", "ROLE", "Sources", "Stage", "breaker", "uri"]

CLUSTER = "shop"
PASSABLE = f"arn:aws:iam::{ACCOUNT}:role/workloads/*"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/workloads/web"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
DEPLOYS = ("UpdateService", "RegisterTaskDefinition", "StopServiceDeployment")
ENDS = ("Deployment Succeeded", "Deployment Failed", "Deployment Rolled Back", "Deployment Superseded")


def uri(image: str, region: str = REGION) -> str:
    """The reference of `repository:tag` in the account's private registry."""
    return f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{image}"


def breaker(*, rollback: bool) -> dict[str, Any]:
    """A deployment configuration with the circuit breaker on."""
    return {"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}}


BREAKER = breaker(rollback=True)


class Stage:
    """An account with the stack, one cluster, and whoever pushes and deploys there."""

    def __init__(self, bundle: Bundle, clients: dict[str, Any]) -> None:
        self.bundle = bundle
        self._clients = clients
        self.ecs, self.ecr, self.sqs = (self.client(name) for name in ("ecs", "ecr", "sqs"))
        self.faults = bundle.recorder.faults
        self._repositories: set[str] = set()
        self.ecs.create_cluster(clusterName=CLUSTER)

    def client(self, service: str) -> Any:
        """A client of the user's session; made once for all the tests of a module, for it takes its time."""
        if service not in self._clients:
            self._clients[service] = self.bundle.client(service)
        return self._clients[service]

    # -- what people do ---------------------------------------------------------------------------------------------

    def push(self, tag: str | None, image: str | SyntheticImage, repository: str = "web") -> str:
        """Pushes an image, of one platform when it is only named; makes its repository. Answers the digest."""
        if repository not in self._repositories:
            self.ecr.create_repository(repositoryName=repository)
            self._repositories.add(repository)
        pushed = images.single(image) if isinstance(image, str) else image
        return images.push(self.ecr, repository, tag, pushed)

    def push_bad(self, tag: str, image: str, mode: FailureMode = "exit-1", repository: str = "web") -> str:
        """Pushes an image whose tasks fail in this way."""
        digest = images.single(image).digest
        self.bundle.ecs.fail(digest, mode)
        return self.push(tag, image, repository)

    def register(self, family: str, containers: Mapping[str, str] | str, **members: Any) -> str:
        """A task definition with these images by container; answers its ARN."""
        named = {"app": containers} if isinstance(containers, str) else containers
        request: dict[str, Any] = {
            "containerDefinitions": [{"name": key, "image": image} for key, image in named.items()],
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            **members,
        }
        answer = self.ecs.register_task_definition(family=family, **request)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def service(
        self,
        name: str = "web",
        image: str = "web:prod",
        policy: str | None = "profile:steady",
        *,
        definition: str | None = None,
        cluster: str = CLUSTER,
        settle: bool = True,
        **members: Any,
    ) -> str:
        """A steady service of two tasks, tagged with a policy unless it is None; what led there is forgotten."""
        tags = {"longshore:policy": policy, **members.pop("more_tags", {})}
        request: dict[str, Any] = {
            "taskDefinition": definition or self.register(name, uri(image)),
            "desiredCount": 2,
            "launchType": "FARGATE",
            "networkConfiguration": NETWORK,
            "deploymentConfiguration": BREAKER,
            "tags": [{"key": key, "value": value} for key, value in tags.items() if value is not None],
            **members,
        }
        given = {key: value for key, value in request.items() if value is not None}
        created = self.ecs.create_service(cluster=cluster, serviceName=name, **given)
        if settle:
            self.run(minutes=15, until=lambda: self.steady(name, cluster))
            self.run(minutes=2)
            self.forget()
        return str(created["service"]["serviceArn"])

    def update(self, name: str = "web", **members: Any) -> None:
        """A person updates a service."""
        self.ecs.update_service(cluster=CLUSTER, service=name, **members)

    def roll_back_by_hand(self, name: str = "web") -> None:
        """A person stops the service deployment under way and has it rolled back."""
        newest = self.ecs.list_service_deployments(cluster=CLUSTER, service=name)["serviceDeployments"][0]
        self.ecs.stop_service_deployment(serviceDeploymentArn=newest["serviceDeploymentArn"], stopType="ROLLBACK")

    def emit(self, source: str, kind: str, detail: Mapping[str, Any], *resources: str, **place: str) -> None:
        """An AWS service sends an event, from this account and Region unless told."""
        where = {"account": ACCOUNT, "region": REGION, **place}
        now = self.bundle.timeline.now()
        event = envelope(
            source,
            kind,
            detail,
            account=where["account"],
            region=where["region"],
            moment=now,
            resources=list(resources),
        )
        self.bundle.bus.put(event, account=ACCOUNT, region=REGION)

    def moved(self, digest: str, tag: str | None = None, **members: str) -> dict[str, Any]:
        """The detail of a PUSH event of the repository `web`; `members` replaces what differs."""
        detail = {"result": "SUCCESS", "repository-name": "web", "action-type": "PUSH", "image-digest": digest}
        named = {"image-tag": tag} if tag else {}
        return {**detail, **named, **{key.replace("_", "-"): value for key, value in members.items()}}

    def send(self, queue: str, body: object) -> None:
        """Puts a message on a queue of the stack, text as it is and anything else as JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.sqs.send_message(QueueUrl=self.bundle.stack.physical_ids[queue], MessageBody=text)

    # -- time -------------------------------------------------------------------------------------------------------

    def run(self, *, minutes: float = 0, until: Callable[[], bool] | None = None) -> bool:
        """Lets so much time pass, or less when `until` holds."""
        return self.bundle.run(until, timedelta(minutes=minutes))

    def until_told(self, kind: str, minutes: float = 60) -> None:
        """Lets time pass until Longshore tells this once more."""
        before = len(self.events(kind))
        assert self.run(minutes=minutes, until=lambda: len(self.events(kind)) > before), (kind, self.told())

    def forget(self) -> None:
        """What was told, logged and called so far does not count."""
        self.bundle.events.clear()
        self.bundle.invocations.clear()
        self.bundle.recorder.calls.clear()

    # -- what came of it --------------------------------------------------------------------------------------------

    def running(self, name: str = "web", cluster: str = CLUSTER) -> str:
        """The digest that the service's only container runs."""
        (digest,) = self.digests(name, cluster).values()
        return digest

    def digests(self, name: str = "web", cluster: str = CLUSTER) -> dict[str, str]:
        """What runs by container, as DescribeServiceRevisions says; there must be one revision."""
        (current,) = self.described(name, cluster)["currentServiceRevisions"]
        answer = self.ecs.describe_service_revisions(serviceRevisionArns=[current["arn"]])
        return {each["containerName"]: each["imageDigest"] for each in answer["serviceRevisions"][0]["containerImages"]}

    def steady(self, name: str = "web", cluster: str = CLUSTER) -> bool:
        """Whether ECS has nothing left to do for the service."""
        service = self.described(name, cluster)
        states = [each["rolloutState"] for each in service["deployments"]]
        return states in ([], ["COMPLETED"]) and service["runningCount"] == service["desiredCount"]

    def described(self, name: str = "web", cluster: str = CLUSTER) -> dict[str, Any]:
        """The service as DescribeServices answers it."""
        answer = self.ecs.describe_services(cluster=cluster, services=[name], include=["TAGS"])
        found: dict[str, Any] = answer["services"][0]
        return found

    def definition(self, name: str = "web") -> dict[str, Any]:
        """The service's task definition with its tags, without what ECS gives each revision anew."""
        arn = self.described(name)["taskDefinition"]
        answer = self.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
        fresh = ("taskDefinitionArn", "revision", "registeredAt", "registeredBy", "status")
        kept = {key: value for key, value in answer["taskDefinition"].items() if key not in fresh}
        return {**kept, "tags": {tag["key"]: tag["value"] for tag in answer.get("tags", [])}}

    def deployments(self, name: str = "web", cluster: str = CLUSTER) -> int:
        """How many service deployments there were, the first included."""
        return len(self.ecs.list_service_deployments(cluster=cluster, service=name)["serviceDeployments"])

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The details of what Longshore told, in order, the progress of deployments left out."""
        told = [event for event in self.bundle.events if event["detail"].get("stage") != "soaking"]
        return [event["detail"] for event in told if kind in (None, event["detail-type"])]

    def told(self) -> list[str]:
        """The detail-types of what Longshore told, what it asks of itself and the progress of deployments left out."""
        told = [event for event in self.bundle.events if event["detail"].get("stage") != "soaking"]
        return [str(event["detail-type"]) for event in told if event["detail-type"] != "Redeploy Requested"]

    def stages(self) -> list[str]:
        """The stages of deployments that were told, in order."""
        return [str(event["detail"]["stage"]) for event in self.bundle.events if "stage" in event["detail"]]

    def log(self) -> list[dict[str, Any]]:
        """The functions' log lines that are JSON objects."""
        lines = [line for invocation in self.bundle.invocations for line in invocation.log]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def outcomes(self) -> list[dict[str, Any]]:
        """Every outcome that was logged, in order."""
        return [line["outcome"] for line in self.log() if "outcome" in line]

    def reasons(self, workload: str = "") -> list[str]:
        """The reasons of all logged outcomes, of the workloads whose ARN ends like this."""
        return [outcome["reason"] for outcome in self.outcomes() if outcome["workload"].endswith(workload)]

    def metric(self, name: str) -> int:
        """The sum of a metric in the functions' embedded metrics."""
        return int(sum(sum(line[name]) for line in self.log() if "_aws" in line and name in line))

    def writes(self) -> list[Call]:
        """The calls by which functions changed workloads."""
        return [call for call in self.bundle.recorder.calls if call.operation in DEPLOYS]

    def dead_letters(self) -> int:
        """The messages in all dead-letter queues together."""
        names = [name for name in self.bundle.stack.physical_ids if name.endswith(("DeadLetters", "Undelivered"))]
        whose = {name.removesuffix("DeadLetters").removesuffix("Undelivered") for name in names}
        assert len(names) == 2 * len(whose) >= 10, names
        return sum(self.depth(name) for name in names)

    def depth(self, queue: str) -> int:
        """The messages in a queue, those in flight and delayed too."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        url = self.bundle.stack.physical_ids[queue]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())

    def failures(self) -> list[str]:
        """What functions raised or gave back to the queue."""
        crashed = [str(each.error) for each in self.bundle.invocations if each.error]
        given_back = [line["message"] for line in self.log() if "message_id" in line]
        return crashed + given_back

    def untouched(self) -> None:
        """Asserts that nothing was deployed, nothing failed, and nothing was told."""
        assert (self.writes(), self.told(), self.failures(), self.dead_letters()) == ([], [], [], 0)
