"""Services under CodeDeploy as redeploy's platform: the adapter over the bundle's CodeDeploy (redeploy 8.8, aws B)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from moto.codedeploy.models import codedeploy_backends

from longshore.aws.code_deploy_groups import CodeDeployGroups
from longshore.aws.platforms import ecs_adapter
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.places import Place
from longshore.workloads import Action, Change, Controller, Observation, Plan, RolloutStatus
from longshore_local import moto_code_deploy, moto_ecs
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, digest, image

ONE, TWO = digest("one"), digest("two")
PROD = image(WEB, "prod")
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/shop/web"
ROLE = "arn:aws:iam::123456789012:role/codedeploy"
BLUE = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/blue/0123456789abcdef"
YAML = "version: 0.0\nResources: []\nHooks:\n  - AfterInstall: smoke\n"


def pinned(found: str) -> str:
    return f"{HOST}/{WEB.name}@{found}"


class Account:
    """A steady service with its deployment group, and time."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.prod = ONE
        self.events: list[dict[str, Any]] = []
        self.ecs_simulator = moto_ecs.install(self.timeline, self.events.append, image_resolver=self._resolve)
        self.simulator = moto_code_deploy.install(
            self.timeline, self.events.append, lambda: self.ecs_simulator.task_sets
        )
        self.ecs, self.client = client("ecs"), client("codedeploy")
        self.ecs.create_cluster(clusterName="shop")
        clients = {"ecs": self.ecs, "codedeploy": self.client, "resourcegroupstaggingapi": None}
        self.services = ecs_adapter(clients.__getitem__, self.timeline)
        self.client.create_application(applicationName="shop", computePlatform="ECS")

    def _resolve(self, declared: str, account: str, region: str) -> str | None:
        return declared.partition("@")[2] or self.prod

    def create(self, **members: Any) -> str:
        """The service; two tasks are steady."""
        self.ecs.register_task_definition(
            family="web",
            containerDefinitions=[{"name": "app", "image": PROD}, {"name": "proxy", "image": "envoy:1"}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
        request: dict[str, Any] = {
            "taskDefinition": "web",
            "desiredCount": 2,
            "launchType": "FARGATE",
            "platformVersion": "1.4.0",
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": ["subnet-1"],
                    "securityGroups": ["sg-1"],
                    "assignPublicIp": "DISABLED",
                }
            },
            "deploymentController": {"type": "CODE_DEPLOY"},
            "loadBalancers": [{"targetGroupArn": BLUE, "containerName": "app", "containerPort": 8080}],
            "tags": [{"key": "longshore:policy", "value": "digest"}],
            **members,
        }
        given = {key: value for key, value in request.items() if value is not None}
        made = self.ecs.create_service(cluster="shop", serviceName="web", **given)
        self.wait()
        return str(made["service"]["serviceArn"])

    def group(self, name: str = "web", **members: Any) -> None:
        named = {"clusterName": "shop", "serviceName": "web"}
        self.client.create_deployment_group(
            applicationName="shop",
            deploymentGroupName=name,
            serviceRoleArn=ROLE,
            **{"ecsServices": [named], "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce", **members},
        )

    def deploy(self, content: str | None = None, **members: Any) -> str:
        """Somebody else deploys what is declared."""
        properties = {"TaskDefinition": "web:1", "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}
        resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
        spec = content or json.dumps({"version": 0.0, "Resources": [resource], **members})
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": spec}}
        answer = self.client.create_deployment(
            applicationName="shop", deploymentGroupName="web", revision=revision, description="by hand"
        )
        return str(answer["deploymentId"])

    def wait(self, seconds: float = 300) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(seconds=seconds))

    def observe(self) -> Observation:
        return self.services.observe(ARN)

    def begin(self, plan: Plan) -> str:
        """Applies a plan to what is observed now."""
        id = self.services.apply(self.observe(), plan)
        assert id is not None
        return id

    def properties(self, id: str) -> dict[str, Any]:
        """What the AppSpec of a deployment says of the service."""
        return dict(self.spec(id)["Resources"][0]["TargetService"]["Properties"])

    def spec(self, id: str) -> dict[str, Any]:
        revision = self.client.get_deployment(deploymentId=id)["deploymentInfo"]["revision"]
        assert "content" not in revision["appSpecContent"], "GetDeployment never tells it"
        found = self.client.get_application_revision(applicationName="shop", revision=revision)
        return dict(json.loads(found["revision"]["appSpecContent"]["content"]))


@pytest.fixture
def account() -> Iterator[Account]:
    with mocked():
        made = Account()
        made.create()
        made.group()
        yield made
        made.simulator.close()
        made.ecs_simulator.uninstall()


def plan(found: str = TWO, action: Action = Action.REVISE) -> Plan:
    change = Change("app", pinned(found), found, "prod", declared=PROD)
    return Plan(ARN, action, (change,) if action is Action.REVISE else (), "moved", "event-1")


def test_it_is_observed_as_its_task_sets_and_tasks_say(account: Account) -> None:
    seen = account.observe()
    assert (seen.controller, seen.running["app"], seen.steady) == (Controller.CODE_DEPLOY, ONE, True)
    assert (seen.rollout, seen.rollout_active, seen.refusal, seen.desired) == (None, False, None, 2)
    assert seen.workload.task_definition.endswith(":task-definition/web:1")
    assert seen.is_silent


def test_the_app_spec_keeps_everything_but_the_task_definition(account: Account) -> None:
    first = account.deploy(Hooks=[{"BeforeAllowTraffic": "smoke"}])
    account.wait()
    id = account.begin(plan())
    assert account.properties(id) == {
        "TaskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:2",
        "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
        "PlatformVersion": "1.4.0",
        "NetworkConfiguration": {
            "AwsvpcConfiguration": {
                "Subnets": ["subnet-1"],
                "SecurityGroups": ["sg-1"],
                "AssignPublicIp": "DISABLED",
            }
        },
    }
    assert account.spec(id)["Hooks"] == account.spec(first)["Hooks"]
    told = account.ecs.describe_task_definition(taskDefinition="web:2")["taskDefinition"]["containerDefinitions"]
    assert [each["image"] for each in told] == [pinned(TWO), "envoy:1"]


def test_capacity_providers_are_kept() -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 2, "base": 1}]
    with mocked():
        account = Account()
        account.create(launchType=None, capacityProviderStrategy=strategy)
        account.group()
        kept = account.properties(account.begin(plan()))["CapacityProviderStrategy"]
        assert kept == [{"CapacityProvider": "FARGATE_SPOT", "Weight": 2, "Base": 1}]
        account.simulator.close()
        account.ecs_simulator.uninstall()


def test_a_deployment_is_followed_to_its_end(account: Account) -> None:
    id = account.begin(plan())
    assert account.services.rollout(ARN, id).status is RolloutStatus.RUNNING
    assert (account.observe().rollout, account.observe().rollout_active) == (id, True)
    account.wait()
    assert account.services.rollout(ARN, id).status is RolloutStatus.SUCCEEDED
    seen = account.observe()
    assert (seen.running["app"], seen.steady, seen.rollout, seen.rollout_active) == (TWO, True, id, False)
    assert seen.human_tags == {"app": "prod"}


def test_the_same_revision_is_deployed_again(account: Account) -> None:
    account.prod = TWO
    id = account.begin(plan(action=Action.REFRESH))
    assert account.properties(id)["TaskDefinition"].endswith("task-definition/web:1")
    account.wait()
    assert account.observe().running["app"] == TWO


def test_while_the_replaced_tasks_are_kept_it_has_succeeded_and_takes_no_other(account: Account) -> None:
    keep = {"action": "TERMINATE", "terminationWaitTimeInMinutes": 60}
    settings: Any = codedeploy_backends["123456789012"]["eu-west-1"].deployment_groups["shop"]["web"]
    settings.blue_green_deployment_configuration = {"terminateBlueInstancesOnDeploymentSuccess": keep}
    id = account.begin(plan())
    account.wait()
    assert account.services.rollout(ARN, id).status is RolloutStatus.SUCCEEDED
    seen = account.observe()
    assert (seen.running["app"], seen.steady, seen.rollout_active) == (TWO, True, True)
    with pytest.raises(ConflictError):
        account.services.apply(seen, plan(ONE))


def test_a_failure_is_the_rollbacks_way_back(account: Account) -> None:
    account.simulator.fail(TWO)
    id = account.begin(plan())
    statuses = []
    for _ in range(60):
        account.wait(2)
        status = account.services.rollout(ARN, id).status
        if status not in statuses:
            statuses.append(status)
    assert statuses == [RolloutStatus.RUNNING, RolloutStatus.ROLLING_BACK, RolloutStatus.ROLLED_BACK]
    assert account.services.rollout(ARN, id).evidence == ("HOOK_EXECUTION_FAILURE",)
    assert account.observe().running["app"] == ONE


def test_a_failure_without_a_rollback_is_a_failure(account: Account) -> None:
    account.simulator.fail(TWO, "AfterAllowTraffic")
    account.simulator.broken_rollbacks = True
    id = account.begin(plan())
    account.wait(60)
    assert account.services.rollout(ARN, id).status is RolloutStatus.ROLLING_BACK, "it may still begin"
    account.wait(150)
    failed = account.services.rollout(ARN, id)
    assert (failed.status, "AfterAllowTraffic" in failed.reason) == (RolloutStatus.FAILED, True)
    assert (account.observe().rollout, account.observe().running["app"]) == (id, TWO)


def test_stopping_rolls_back_and_is_for_longshores_own_alone(account: Account) -> None:
    id = account.begin(plan())
    account.wait(3)
    account.services.stop(ARN, id)
    account.wait(60)
    assert account.services.rollout(ARN, id).status is RolloutStatus.ROLLED_BACK
    with pytest.raises(ConflictError):
        account.services.stop(ARN, id)
    other = account.deploy()
    account.wait(3)
    for action in (account.services.stop, account.services.complete):
        with pytest.raises(ConflictError, match="not a deployment of Longshore"):
            action(ARN, other)
    account.wait()
    assert account.client.get_deployment(deploymentId=other)["deploymentInfo"]["status"] == "Succeeded"
    with pytest.raises(GoneError):
        account.services.stop(ARN, "d-NOBODY000")
    assert account.services.rollout(ARN, "d-NOBODY000").status is RolloutStatus.GONE


def test_traffic_is_moved_once_it_may(account: Account) -> None:
    id = account.begin(plan())
    account.services.complete(ARN, id)  # it waits for nothing
    account.wait()
    account.services.complete(ARN, id)  # it is over
    assert account.services.rollout(ARN, id).status is RolloutStatus.SUCCEEDED


def test_the_deployment_of_one_who_died_is_found(account: Account) -> None:
    before = account.deploy()
    account.wait()
    began = account.timeline.now()
    observed = account.observe()
    assert account.services.find(ARN, began, before) is None
    id = account.services.apply(observed, plan())
    account.wait()
    account.deploy()
    fresh = ecs_adapter({"ecs": account.ecs, "codedeploy": account.client}.__getitem__, account.timeline)
    assert [found.find(ARN, began, before) for found in (account.services, fresh)] == [id, id]
    assert account.services.find(ARN, began, id) is None


def test_who_died_after_registering_finds_the_revision_again(account: Account) -> None:
    observed = account.observe()
    account.services.apply(observed, plan())
    account.wait()
    account.deploy()
    account.wait()
    account.services.apply(account.observe(), plan(), resumed=True)
    families = account.ecs.list_task_definitions(familyPrefix="web")["taskDefinitionArns"]
    assert len(families) == 2


def test_whoever_opted_out_is_not_touched(account: Account) -> None:
    """No condition of IAM can refuse it (design 6.1)."""
    observed = account.observe()
    account.ecs.untag_resource(resourceArn=ARN, tagKeys=["longshore:policy"])
    with pytest.raises(UnsupportedError, match="longshore:policy"):
        account.services.apply(observed, plan())
    assert account.client.list_deployments(applicationName="shop", deploymentGroupName="web")["deployments"] == []


def test_whoever_deployed_since_is_respected(account: Account) -> None:
    observed = account.observe()
    account.begin(plan())
    account.wait()
    with pytest.raises(ConflictError, match="by now"):
        account.services.apply(observed, plan())


def test_without_a_group_it_is_refused_until_there_is_one(account: Account) -> None:
    account.client.create_application(applicationName="empty", computePlatform="ECS")
    account.group("again")
    refusal = account.observe().refusal
    assert refusal is not None
    assert refusal.reason is Reason.CONTROLLER_CODE_DEPLOY
    assert "shop/again, shop/web" in refusal.why
    with pytest.raises(UnsupportedError, match="more than one"):
        account.services.apply(account.observe(), plan())


@pytest.mark.parametrize(
    ("revision", "why"),
    [
        ({"revisionType": "S3", "s3Location": {"bucket": "b", "key": "k"}}, "lies in S3"),
        ({"revisionType": "AppSpecContent", "appSpecContent": {"sha256": "yaml"}}, "YAML and has hooks"),
    ],
)
def test_hooks_that_cannot_be_read_are_not_dropped(account: Account, revision: dict[str, Any], why: str) -> None:
    account.deploy()
    account.wait()
    observed = account.observe()
    account.simulator.revisions["shop", "yaml"] = YAML
    fresh = client("codedeploy")
    services = ecs_adapter({"ecs": account.ecs, "codedeploy": fresh}.__getitem__, account.timeline)
    real = fresh.get_deployment

    def get_deployment(**request: Any) -> Any:
        answer = real(**request)
        answer["deploymentInfo"]["revision"] = revision
        return answer

    fresh.get_deployment = get_deployment
    refusal = services.observe(ARN).refusal
    assert refusal is not None
    assert (refusal.reason, why in refusal.why) == (Reason.CONTROLLER_CODE_DEPLOY, True)
    with pytest.raises(UnsupportedError, match=why):
        services.apply(replace(observed, refusal=None), plan())


def test_what_deployed_it_last_tells_the_group_without_a_search(account: Account) -> None:
    account.deploy()
    account.wait()
    fresh = client("codedeploy")
    asked: list[str] = []
    fresh.meta.events.register("before-call.codedeploy", lambda model, **_: asked.append(model.name))
    services = ecs_adapter({"ecs": account.ecs, "codedeploy": fresh}.__getitem__, account.timeline)
    assert services.observe(ARN).refusal is None
    services.observe(ARN)
    assert sorted(set(asked)) == ["BatchGetDeploymentGroups", "GetApplicationRevision", "GetDeployment"]
    assert asked.count("BatchGetDeploymentGroups") == 2, "how its last deployment stands is asked each time"


def test_the_oldest_task_says_what_runs(account: Account) -> None:
    account.prod = TWO
    account.ecs.update_service(cluster="shop", service="web", desiredCount=3)
    account.wait()
    assert account.observe().running["app"] == ONE


def test_a_group_tells_its_services(account: Account) -> None:
    groups = CodeDeployGroups(lambda place: account.client)
    here = Place("123456789012", "eu-west-1")
    assert groups.workloads(here, "shop", "web") == [ARN]
    assert [groups.workloads(here, *each) for each in (("shop", "nobody"), ("nobody", "web"))] == [[], []]


def test_a_revision_that_is_no_app_spec_is_refused_for_good(account: Account) -> None:
    observed = account.observe()
    stub = Stubber(account.client)
    with pytest.raises(UnsupportedError, match="InvalidRevisionException"), stub:
        stub.add_client_error("create_deployment", "InvalidRevisionException", "no")
        account.services.apply(observed, plan())


def test_a_process_that_knows_a_service_asks_little_of_it(account: Account) -> None:
    """Design 11: five calls for each push, one more where a tag is declared."""
    account.deploy()
    account.wait()
    account.observe()
    asked: list[str] = []
    for each in (account.ecs, account.client):
        each.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
    account.begin(plan())
    observing = ["DescribeServices", "BatchGetDeploymentGroups"]
    deploying = ["DescribeServices", "RegisterTaskDefinition", "CreateDeployment"]
    assert sorted(asked) == sorted([*observing, "DescribeTasks", *deploying])
    account.wait()
    account.observe()  # of what was deployed meanwhile, as a sweep does
    asked.clear()
    account.begin(plan(ONE))
    assert sorted(asked) == sorted([*observing, *deploying]), "what is written by digest needs no witness"


def test_a_witness_that_ended_is_replaced(account: Account) -> None:
    assert account.observe().running["app"] == ONE
    account.prod = TWO
    for arn in account.ecs.list_tasks(cluster="shop", serviceName="web")["taskArns"]:
        account.ecs.stop_task(cluster="shop", task=arn)
    account.wait()
    assert account.observe().running["app"] == TWO


def test_what_the_app_spec_before_said_stays_as_it_was_said(account: Account) -> None:
    """A task set tells the version that LATEST was resolved to: written down, it would stay for good."""
    properties = {
        "TaskDefinition": "web:1",
        "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080},
        "PlatformVersion": "LATEST",
    }
    resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    account.deploy(json.dumps({"version": 0.0, "Resources": [resource]}))
    account.wait()
    found = account.properties(account.begin(plan()))
    assert (found["PlatformVersion"], found["TaskDefinition"][-6:]) == ("LATEST", "/web:2")


def test_nothing_is_found_in_a_group_that_is_gone(account: Account) -> None:
    account.observe()
    stub = Stubber(account.client)
    with stub:
        stub.add_client_error("list_deployments", "DeploymentGroupDoesNotExistException", "no")
        assert account.services.find(ARN, account.timeline.now(), None) is None


@pytest.mark.parametrize("code", ["InvalidApplicationNameException", "InvalidDeploymentGroupNameException"])
def test_a_forged_name_of_a_group_names_nothing(account: Account, code: str) -> None:
    groups = CodeDeployGroups(lambda place: account.client)
    with Stubber(account.client) as stub:
        stub.add_client_error("batch_get_deployment_groups", code, "no")
        assert groups.workloads(Place("123456789012", "eu-west-1"), "a b", "web") == []
