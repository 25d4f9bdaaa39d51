"""What a push costs in AWS calls, at any size of the account (design 11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from longshore.aws.ledger import LedgerIndex
from longshore.aws.table import SCHEMA, Item, Table, encoded
from longshore.workloads import PlatformKind, Workload
from longshore_local import images
from longshore_local.bundle import ACCOUNT, REGION, Bundle

CLUSTER = "prod"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
WORKLOAD_SERVICES = ("ecs", "codedeploy", "ecr", "resourcegroupstaggingapi", "lambda", "eks", "kubernetes")


@dataclass(frozen=True, slots=True)
class Push:
    """What one push made a function call. Redeploy acts on the push; the watch follows each deployment to its end."""

    workloads: int
    matches: int
    function: str
    calls: Counter[tuple[str, str]]

    @property
    def platform(self) -> int:
        """Calls to workload services and ECR."""
        return sum(n for (service, _), n in self.calls.items() if service in WORKLOAD_SERVICES)

    @property
    def beside(self) -> int:
        """Calls to DynamoDB, SQS, EventBridge and its Scheduler."""
        return self.calls.total() - self.platform


class _Batched(Table):
    """Writes twenty-five items at a time: ten thousand transactions take moto hours."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        super().__init__(dynamodb, name)
        self._requests: list[dict[str, Any]] = []
        self._client, self._table = dynamodb, name

    def get(self, pk: str, sk: str) -> None:
        """Nothing is there yet."""

    def transact(self, puts: Sequence[Item], deletes: Sequence[tuple[str, str]]) -> None:
        """Keeps the items for `flush`."""
        self._requests += [{"PutRequest": {"Item": encoded({**item, "schema": SCHEMA})}} for item in puts]

    def flush(self) -> None:
        """Writes what was kept."""
        for start in range(0, len(self._requests), 25):
            self._client.batch_write_item(RequestItems={self._table: self._requests[start : start + 25]})


def measure(workloads: int, matches: int) -> dict[str, Push]:
    """Pushes to a repository that `matches` of so many workloads follow; answers the calls by function."""
    with Bundle.start(parameters={"NotifyMode": "off", "RecoverMode": "off"}) as bundle:
        clients = {name: bundle.client(name) for name in ("ecs", "ecr", "dynamodb")}
        clients["ecr"].create_repository(repositoryName="shop")
        first = images.push(clients["ecr"], "shop", "prod", images.single("one"))
        clients["ecs"].create_cluster(clusterName=CLUSTER)
        names = [_service(bundle, clients["ecs"], f"shop-{number}", first) for number in range(matches)]
        bundle.run(limit=timedelta(minutes=30))  # the new stack's first sweep finds what is tagged
        others(bundle, clients["dynamodb"], workloads - matches)
        bundle.recorder.clear()
        second = images.push(clients["ecr"], "shop", "prod", images.single("two"))
        if not bundle.run(lambda: _verified(bundle) == matches, limit=timedelta(minutes=20)):
            raise RuntimeError(f"not every deployment was verified: {[i.log for i in bundle.invocations[-5:]]}")
        calls = list(bundle.recorder.calls)
        wrong = [name for name in names if _running(clients["ecs"], name) != second]
        if wrong:
            raise RuntimeError(f"{wrong} do not run what was pushed")
    found = {}
    for function in ("RedeployFunction", "WatchFunction"):
        counted = Counter((call.service, call.operation) for call in calls if call.function == function)
        found[function] = Push(workloads, matches, function, counted)
    return found


def _service(bundle: Bundle, ecs: Any, name: str, digest: str) -> str:
    ecs.register_task_definition(
        family=name,
        containerDefinitions=[{"name": "app", "image": f"{REGISTRY}/shop:prod", "memory": 128}],
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        networkMode="awsvpc",
    )
    bundle.ecs.add_steady_service(
        ACCOUNT,
        REGION,
        {"app": digest},
        cluster=CLUSTER,
        serviceName=name,
        taskDefinition=name,
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        tags=[{"key": "longshore:policy", "value": "digest"}],
    )
    return name


def others(bundle: Bundle, dynamodb: Any, count: int) -> None:
    """Workloads of other repositories, in the ledger's index as the sweep writes them."""
    table = _Batched(dynamodb, str(bundle.stack.outputs["LedgerName"]))
    index = LedgerIndex(table)
    for number in range(count):
        name = f"other-{number}"
        index.put(
            Workload(
                arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/{name}",
                platform=PlatformKind.ECS_SERVICE,
                account=ACCOUNT,
                region=REGION,
                cluster=CLUSTER,
                name=name,
                tags={"longshore:policy": "digest"},
                images={"app": f"{REGISTRY}/other-{number % 500}:prod"},
            )
        )
    table.flush()


def _verified(bundle: Bundle) -> int:
    return sum(event["detail-type"] == "Deployment Succeeded" for event in bundle.events)


def _running(ecs: Any, name: str) -> str:
    service = ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
    arns = [service["currentServiceRevisions"][0]["arn"]]
    revision = ecs.describe_service_revisions(serviceRevisionArns=arns)["serviceRevisions"][0]
    return str(revision["containerImages"][0]["imageDigest"])
