"""An account for the checks of `longshore doctor`: what AWS answers and what is known, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from longshore.ports import Record
from longshore.workloads import Observation, PlatformKind, Workload
from longshore_cli.account import Stack
from longshore_cli.checks.sight import Resource, Sight
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.redeploy.policy import Profile

ACCOUNT, REGION = "123456789012", "eu-west-1"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/web"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:resize"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web:prod"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/web"
CLUSTER = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/kube"

Answer = Mapping[str, Any] | Exception | Callable[[Mapping[str, Any]], Mapping[str, Any]]
Answers = Mapping[str, Answer]


def denied(operation: str, code: str = "AccessDeniedException", message: str = "no") -> ClientError:
    """What a client raises when AWS refuses."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class FakeClient:
    """Answers operations from a table; what is not in it is not there to be asked."""

    def __init__(self, service: str, answers: Answers, asked: list[str]) -> None:
        self._service = service
        self._answers = answers
        self._asked = asked

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def ask(**params: Any) -> Any:
            key = f"{self._service}.{operation}"
            self._asked.append(key)
            answer = self._answers[key]
            if isinstance(answer, Exception):
                raise answer
            return answer(params) if callable(answer) else answer

        return ask

    def get_paginator(self, operation: str) -> Any:
        """A paginator of one page."""

        def paginate(**params: Any) -> Iterator[Any]:
            params.pop("PaginationConfig", None)
            yield getattr(self, operation)(**params)

        return SimpleNamespace(paginate=paginate)


class FakeAccount:
    """The account of a sight; `asked` are the calls that were made."""

    region, id, partition = REGION, ACCOUNT, "aws"

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked: list[str] = []

    def client(self, service: str, region: str | None = None) -> FakeClient:
        """The same answers in every Region."""
        return FakeClient(service, self._answers, self.asked)

    def action(self, operation: str) -> str:
        """As of one service."""
        return f"ecs:{operation}"


def observation(
    tags: Mapping[str, str] | None = None,
    *,
    arn: str = SERVICE,
    images: Mapping[str, str] | None = None,
    running: Mapping[str, str] | None = None,
    **members: Any,
) -> Observation:
    """A steady workload on `digest`, which runs one image of this registry unless told."""
    kind = PlatformKind.LAMBDA_FUNCTION if ":lambda:" in arn else PlatformKind.ECS_SERVICE
    workload = Workload(
        arn=arn,
        platform=kind,
        account=ACCOUNT,
        region=REGION,
        cluster="shop",
        name="web",
        tags={"longshore:policy": "digest", **(tags or {})},
        images={"app": IMAGE} if images is None else images,
    )
    return Observation(
        workload, running={"app": DIGEST} if running is None else running, **{"desired": 2, "steady": True, **members}
    )


def service(**members: Any) -> dict[str, Any]:
    """An ECS service as DescribeServices answers it, with a breaker."""
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    base = {
        "serviceArn": SERVICE,
        "serviceName": "web",
        "clusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop",
        "status": "ACTIVE",
        "taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/web:1",
        "deploymentConfiguration": breaker,
    }
    return {**base, **members}


def definition(*images: str, **members: Any) -> Answers:
    """The answer to DescribeTaskDefinition."""
    containers = [{"name": f"c{place}", "image": image} for place, image in enumerate(images)]
    return {"ecs.describe_task_definition": {"taskDefinition": {"containerDefinitions": containers, **members}}}


def sight(
    *observations: Observation,
    answers: Answers | None = None,
    services: Sequence[Mapping[str, Any]] = (),
    records: Sequence[Record] = (),
    resources: Sequence[Resource] = (),
    parameters: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    profiles: Mapping[str, Profile] | None = None,
    passable: tuple[str, ...] = (),
    tagged: Mapping[str, str] | None = None,
    paused: str | None = None,
    status: str = "UPDATE_COMPLETE",
    evaluate: Callable[[Observation], Any] | None = None,
    unseen: Sequence[Any] = (),
) -> Sight:
    """A sight of all that; it asks AWS for nothing but what `answers` has."""
    looking = SimpleNamespace(profiles=profiles or {}, evaluate=evaluate, platform=SimpleNamespace(kinds=[]))
    account: Any = FakeAccount(answers or {})
    made = Sight(account, "longshore", clock=FakeClock(NOW))
    given = [{"ParameterKey": k, "ParameterValue": v} for k, v in (parameters or {}).items()]
    told = [{"OutputKey": k, "OutputValue": v} for k, v in {"LedgerName": "ledger", **(outputs or {})}.items()]
    known: dict[str, Any] = {
        "looking": looking,
        "_discovered": (sorted(o.workload.arn for o in observations), list(unseen)),
        "_surveyed": (list(observations), []),
        "_listed": (list(services), False),
        "resources": list(resources),
        "stack": Stack("longshore", "ledger", passable, "auto"),
        "description": {"StackStatus": status, "Parameters": given, "Outputs": told},
        "paused": paused,
    }
    if config is not None:
        known["configuration"] = config
    if tagged is not None:
        known["tagged"] = tagged
    for name, value in known.items():
        vars(made)[f"_once_{name}"] = value, None
    kept = {o.workload.arn: Record(o.workload.arn) for o in observations}
    vars(made)["_records"] = kept | {record.arn: record for record in records}
    return made


def ago(**length: float) -> datetime:
    """So long before now."""
    return NOW - timedelta(**length)
