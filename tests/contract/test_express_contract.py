"""ECS Express Mode services as redeploy's platform: the adapter over the bundle's ECS (redeploy 8.8, aws B4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto.ecs.models import ecs_backends

from longshore.aws.ecs import EcsServices
from longshore.aws.ecs_definitions import TaskDefinitions
from longshore.errors import GoneError
from longshore.workloads import Action, Change, Controller, Plan, RolloutStatus
from longshore_local import moto_ecs
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, digest, image

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
PROD = image(WEB, "prod")
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"
EXECUTION = "arn:aws:iam::123456789012:role/execution"
TASK = "arn:aws:iam::123456789012:role/task"
CONTAINER: dict[str, Any] = {
    "image": PROD,
    "containerPort": 8080,
    "awsLogsConfiguration": {"logGroup": "/web", "logStreamPrefix": "ecs"},
    "command": ["serve"],
    "environment": [{"name": "COLOUR", "value": "blue"}],
    "secrets": [{"name": "KEY", "valueFrom": "arn:aws:ssm:eu-west-1:123456789012:parameter/key"}],
}


def pinned(found: str) -> str:
    return f"{HOST}/{WEB.name}@{found}"


class Account:
    """One Express service, what a tag names, and time."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.tags = {"prod": ONE}
        self.simulator = moto_ecs.install(self.timeline, lambda event: None, image_resolver=self._resolve)
        self.ecs = client("ecs")
        self.ecs.create_cluster(clusterName="shop")
        client("logs").create_log_group(logGroupName="/web")
        self.definitions = TaskDefinitions(self.ecs)
        self.services = EcsServices(
            self.ecs, lambda: client("resourcegroupstaggingapi"), self.definitions, lambda: pytest.fail("no CodeDeploy")
        )

    def _resolve(self, declared: str, account: str, region: str) -> str | None:
        return declared.partition("@")[2] or self.tags.get(declared.rpartition(":")[2])

    def create(self, **members: Any) -> str:
        given = {"primaryContainer": CONTAINER, "executionRoleArn": EXECUTION, "taskRoleArn": TASK}
        return self._create(**{**given, **members})

    def create_from(self, definition: str) -> str:
        """A service of a task definition of the customer's own."""
        return self._create(taskDefinitionArn=definition)

    def _create(self, **members: Any) -> str:
        made = self.ecs.create_express_gateway_service(
            serviceName="web",
            cluster="shop",
            infrastructureRoleArn="arn:aws:iam::123456789012:role/infrastructure",
            tags=[{"key": "longshore:policy", "value": "digest"}],
            **members,
        )
        self.wait()
        return str(made["service"]["serviceArn"])

    def register(self, *sidecars: str) -> str:
        """A task definition of the customer's own."""
        main = {"name": "Main", "image": PROD, "portMappings": [{"containerPort": 8080, "name": "main"}]}
        answer = self.ecs.register_task_definition(
            family="own",
            containerDefinitions=[main, *({"name": name, "image": image(WEB, "prod")} for name in sidecars)],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            tags=[{"key": "team", "value": "shop"}],
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def wait(self, minutes: float = 20) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(minutes=minutes))

    def deploy(self, plan: Plan) -> str:
        """Applies a plan to what is observed now, and lets it end."""
        id = self.services.apply(self.services.observe(ARN), plan)
        assert id
        self.wait()
        return id

    def described(self) -> dict[str, Any]:
        """The only configuration in use."""
        answer = self.ecs.describe_express_gateway_service(serviceArn=ARN)
        (found,) = answer["service"]["activeConfigurations"]
        return dict(found)


@pytest.fixture
def account() -> Iterator[Account]:
    with mocked():
        made = Account()
        try:
            yield made
        finally:
            made.simulator.uninstall()


def plan(declared: str, pushed: str, tag: str | None = "prod") -> Plan:
    action = Action.REFRESH if declared == PROD else Action.REVISE
    return Plan(ARN, action, (Change("Main", declared, pushed, tag, declared=PROD),), "moved", "event-1")


def test_a_service_is_observed(account: Account) -> None:
    assert account.create() == ARN
    seen = account.services.observe(ARN)
    assert (seen.controller, seen.refusal, seen.workload.policy) == (Controller.EXPRESS, None, "digest")
    assert (dict(seen.workload.images), dict(seen.running)) == ({"Main": PROD}, {"Main": ONE})
    assert (set(seen.platforms), seen.roles) == ({"linux/amd64"}, (TASK, EXECUTION))
    assert (seen.steady, seen.rollout_active, seen.active, seen.desired) == (True, False, True, 1)
    assert seen.rollout


def test_it_is_found_by_its_tag(account: Account) -> None:
    account.create()
    assert list(account.services.arns()) == [ARN]


def test_the_same_tag_anew_changes_nothing_that_is_declared(account: Account) -> None:
    account.create()
    before = account.described()
    account.tags["prod"] = TWO
    id = account.deploy(plan(PROD, TWO))
    rollout = account.services.rollout(ARN, id)
    assert (rollout.status, dict(rollout.digests)) == (RolloutStatus.SUCCEEDED, {"Main": TWO})
    after = account.described()
    assert after["taskDefinitionArn"] == before["taskDefinitionArn"]
    assert account.services.observe(ARN).running == {"Main": TWO}


def test_another_image_keeps_all_else(account: Account) -> None:
    account.create(cpu="512", memory="1024", healthCheckPath="/health", cpuArchitecture="ARM64")
    before = account.described()
    account.tags["1.5.0"] = TWO
    id = account.deploy(plan(image(WEB, "1.5.0"), TWO, "1.5.0"))
    assert account.services.rollout(ARN, id).status is RolloutStatus.SUCCEEDED
    after = account.described()
    fresh = ("serviceRevisionArn", "taskDefinitionArn", "createdAt", "primaryContainer")
    assert {k: v for k, v in after.items() if k not in fresh} == {k: v for k, v in before.items() if k not in fresh}
    assert after["primaryContainer"] == {**CONTAINER, "image": image(WEB, "1.5.0")}


def test_what_people_call_a_digest_is_kept_on_the_service(account: Account) -> None:
    account.create()
    account.deploy(plan(pinned(TWO), TWO))
    seen = account.services.observe(ARN)
    assert (dict(seen.workload.images), dict(seen.human_tags)) == ({"Main": pinned(TWO)}, {"Main": "prod"})
    assert seen.workload.tags["longshore:tag"] == f"prod@{TWO}"
    account.deploy(plan(pinned(THREE), THREE, "1.5.0"))
    assert account.services.observe(ARN).human_tags == {"Main": "1.5.0"}


@pytest.mark.parametrize("sidecars", [(), ("envoy",)])
def test_a_task_definition_of_the_customers_own_is_revised(account: Account, sidecars: tuple[str, ...]) -> None:
    own = account.register(*sidecars)
    account.create_from(own)
    account.deploy(plan(pinned(TWO), TWO))
    seen = account.services.observe(ARN)
    assert seen.workload.task_definition == own.removesuffix(":1") + ":2"
    assert dict(seen.workload.images) == {"Main": pinned(TWO), **dict.fromkeys(sidecars, PROD)}
    tags = account.definitions.get(seen.workload.task_definition)[1]
    assert tags == {"team": "shop", "longshore:tag": "Main=prod"}
    assert "longshore:tag" not in seen.workload.tags
    assert seen.human_tags == {"Main": "prod"}


def test_a_definition_that_says_more_than_express_can_is_never_given_up(account: Account) -> None:
    """Should ECS show a primary container of it, a sidecar would be lost by sending that."""
    own = account.register("envoy")
    account.create_from(own)
    for found in ecs_backends["123456789012"]["eu-west-1"].task_definitions["own"].values():
        vars(found)["asked"] = {"family": "own"}  # as if ECS had registered it
    assert account.described()["primaryContainer"]["image"] == PROD
    account.deploy(plan(pinned(TWO), TWO))
    assert set(account.services.observe(ARN).workload.images) == {"Main", "envoy"}


def test_a_failed_canary_is_rolled_back_by_ecs(account: Account) -> None:
    account.create()
    account.simulator.fail(TWO, "exit-1")
    id = account.deploy(plan(pinned(TWO), TWO))
    rollout = account.services.rollout(ARN, id)
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert rollout.evidence
    seen = account.services.observe(ARN)
    assert (dict(seen.workload.images), dict(seen.running)) == ({"Main": PROD}, {"Main": ONE})


def test_a_canary_is_stopped_and_rolled_back(account: Account) -> None:
    account.create()
    id = account.services.apply(account.services.observe(ARN), plan(pinned(TWO), TWO))
    assert id
    account.wait(1)
    assert account.services.rollout(ARN, id).status is RolloutStatus.RUNNING
    account.services.stop(ARN, id)
    account.wait()
    assert account.services.rollout(ARN, id).status is RolloutStatus.ROLLED_BACK


def test_the_deployment_of_a_crashed_beginner_is_found(account: Account) -> None:
    account.create()
    before = account.services.observe(ARN)
    since = account.timeline.now()
    assert account.services.find(ARN, since, before.rollout) is None
    id = account.services.apply(before, plan(pinned(TWO), TWO))
    assert account.services.find(ARN, since, before.rollout) == id


def test_an_update_that_changes_nothing_is_no_deployment(account: Account) -> None:
    """Asked again after a crash, ECS has nothing to do."""
    account.create()
    account.deploy(plan(pinned(TWO), TWO))
    seen = account.services.observe(ARN)
    assert account.services.apply(seen, plan(pinned(TWO), TWO), resumed=True) is None


def test_a_service_that_is_gone_is_told(account: Account) -> None:
    account.create()
    seen = account.services.observe(ARN)
    account.ecs.delete_express_gateway_service(serviceArn=ARN)
    account.wait()
    gone = replace(plan(pinned(TWO), TWO), workload=ARN.replace("web", "nobody"))
    with pytest.raises(GoneError):
        account.services.apply(seen, gone)


def test_the_canary_of_express_is_not_to_be_changed(account: Account) -> None:
    account.create()
    with pytest.raises(account.ecs.exceptions.InvalidParameterException):
        account.ecs.update_service(cluster="shop", service="web", deploymentConfiguration={"minimumHealthyPercent": 50})
