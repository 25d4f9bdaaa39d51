"""A burst of push events: duplicates, any order, failing APIs; nothing is lost and nothing deployed twice."""

from __future__ import annotations

import copy
import random
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle

if TYPE_CHECKING:
    from longshore_local.recorder import Fault, When

CLUSTER = "prod"
EACH = 2  # workloads that follow one repository
FAULTS = 0.10
_FAILING = (
    ("ecs", "DescribeServices", "ThrottlingException"),
    ("ecs", "DescribeServiceRevisions", "ThrottlingException"),
    ("ecs", "DescribeServiceDeployments", "ThrottlingException"),
    ("ecs", "DescribeTaskDefinition", "ThrottlingException"),
    ("ecs", "UpdateService", "ServerException"),
    ("ecr", "BatchGetImage", "ServerException"),
    ("dynamodb", "GetItem", "InternalServerError"),
    ("dynamodb", "Query", "InternalServerError"),
    ("dynamodb", "PutItem", "InternalServerError"),
    ("dynamodb", "UpdateItem", "InternalServerError"),
    ("dynamodb", "TransactWriteItems", "InternalServerError"),
    ("sqs", "SendMessage", "ServiceUnavailable"),
    ("scheduler", "CreateSchedule", "InternalServerException"),
    ("events", "PutEvents", "InternalFailure"),
)
"""Every operation fails at times, half of them after it had its effect."""


@dataclass(frozen=True, slots=True)
class Burst:
    """What came of it. `pairs` are the distinct (workload, digest) that could be deployed."""

    events: int
    pairs: int
    struck: int
    calls: int
    updates: Counter[tuple[str, str]]
    dead_letters: int
    wrong: tuple[str, ...]

    @property
    def twice(self) -> tuple[str, ...]:
        """Workloads that were deployed more than once for one digest."""
        return tuple(sorted(workload for (workload, _), n in self.updates.items() if n > 1))


def run(events: int, *, repositories: int = 25, seed: int = 7) -> Burst:
    """Two images per repository, and as many events of both as asked for, shuffled; then time until all is quiet."""
    with Bundle.start(parameters={"NotifyMode": "off", "RecoverMode": "off"}) as bundle:
        ecs, ecr = bundle.client("ecs"), bundle.client("ecr")
        ecs.create_cluster(clusterName=CLUSTER)
        names = [f"shop-{number}" for number in range(repositories)]
        for repository in names:
            ecr.create_repository(repositoryName=repository)
            images.push(ecr, repository, "prod", images.single(f"{repository} 0"))
        digests = _services(bundle, ecs, ecr, names)
        bundle.run(limit=timedelta(minutes=30))
        bundle.recorder.clear()
        faults = _fail(bundle, seed)
        heard: list[dict[str, Any]] = []
        bundle.bus.subscribe(lambda bus, event: heard.append(event) if bus == "default" else None)
        for version in (1, 2):
            for repository in names:
                digests[repository] = images.push(ecr, repository, "prod", images.single(f"{repository} {version}"))
        _repeat(bundle, [e for e in heard if e["detail-type"] == "ECR Image Action"], events, random.Random(seed))
        wanted = {f"{r}-{n}": digests[r] for r in names for n in range(EACH)}
        _wait(bundle, ecs, wanted)
        calls = bundle.recorder.calls
        return Burst(
            events=events,
            pairs=len(wanted) * 2,
            struck=sum(fault.struck for fault in faults),
            calls=sum(call.service == "ecs" for call in calls),
            updates=_updates(ecs, wanted),
            dead_letters=_dead_letters(bundle),
            wrong=tuple(sorted(name for name, digest in wanted.items() if _running(ecs, name) != digest)),
        )


def _services(bundle: Bundle, ecs: Any, ecr: Any, repositories: list[str]) -> dict[str, str]:
    digests = {}
    for repository in repositories:
        image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}:prod"
        shown = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": "prod"}])
        digests[repository] = str(shown["imageDetails"][0]["imageDigest"])
        ecs.register_task_definition(
            family=repository,
            containerDefinitions=[{"name": "app", "image": image, "memory": 128}],
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            networkMode="awsvpc",
        )
        for number in range(EACH):
            bundle.ecs.add_steady_service(
                ACCOUNT,
                REGION,
                {"app": digests[repository]},
                cluster=CLUSTER,
                serviceName=f"{repository}-{number}",
                taskDefinition=repository,
                desiredCount=1,
                launchType="FARGATE",
                networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
                deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
                tags=[{"key": "longshore:policy", "value": "digest"}],
            )
    return digests


def _fail(bundle: Bundle, seed: int) -> list[Fault]:
    bundle.recorder.faults.seed = seed
    bundle.recorder.faults.clear()
    moments: tuple[When, When] = ("before", "after")
    return [
        bundle.recorder.faults.add(service, operation, error, count=None, probability=FAULTS / 2, when=when)
        for service, operation, error in _FAILING
        for when in moments
    ]


def _wait(bundle: Bundle, ecs: Any, wanted: dict[str, str]) -> None:
    """Until every workload is where it belongs, faults going on; then another hour without, with its sweep."""
    for _ in range(12):
        bundle.run(limit=timedelta(minutes=15))
        if all(_running(ecs, name) == digest for name, digest in wanted.items()):
            break
    bundle.recorder.faults.clear()
    bundle.run(limit=timedelta(hours=1))


def _repeat(bundle: Bundle, pushes: list[dict[str, Any]], events: int, chance: random.Random) -> None:
    """Sends copies of the pushes' events in any order, some seconds apart, until there are enough."""
    for number in range(events - len(pushes)):
        bundle.emit(copy.deepcopy(chance.choice(pushes)))
        if number % 100 == 99:
            bundle.run(limit=timedelta(seconds=chance.randint(0, 3)))


def _updates(ecs: Any, workloads: dict[str, str]) -> Counter[tuple[str, str]]:
    """How often each workload was deployed with each digest, by ECS's own account of it."""
    found: Counter[tuple[str, str]] = Counter()
    for name in workloads:
        answer = ecs.list_service_deployments(cluster=CLUSTER, service=name)["serviceDeployments"]
        revisions = [d["targetServiceRevisionArn"] for d in answer]
        for start in range(0, len(revisions), 20):
            shown = ecs.describe_service_revisions(serviceRevisionArns=revisions[start : start + 20])
            for revision in shown["serviceRevisions"]:
                found[name, str(revision["containerImages"][0].get("imageDigest"))] += 1
    return found


def _dead_letters(bundle: Bundle) -> int:
    sqs = bundle.client("sqs")
    urls = [url for url in sqs.list_queues()["QueueUrls"] if "DeadLetters" in url or "Undelivered" in url]
    names = ["ApproximateNumberOfMessages"]
    return sum(
        int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]]) for url in urls
    )


def _running(ecs: Any, name: str) -> str:
    service = ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
    arns = [service["currentServiceRevisions"][0]["arn"]]
    revision = ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"][0]
    return str(revision["containerImages"][0]["imageDigest"])
