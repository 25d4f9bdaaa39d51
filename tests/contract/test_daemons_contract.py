"""ECS daemons as redeploy's platform: the adapter over the bundle's ECS (redeploy 8.8, aws B4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from longshore.aws.ecs_daemon_definitions import DaemonDefinitions
from longshore.aws.ecs_daemons import EcsDaemons
from longshore.errors import ConflictError, GoneError
from longshore.workloads import Action, Change, Plan, RolloutStatus
from longshore_local import moto_ecs
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, digest, image

ACCOUNT, REGION = "123456789012", "eu-west-1"
ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
PROD = image(WEB, "prod")
SIDECAR = "public.ecr.aws/envoy/envoy:v1"
ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:daemon/shop/agent"
PROVIDERS = [f"arn:aws:ecs:{REGION}:{ACCOUNT}:capacity-provider/{name}" for name in ("machines", "gpus")]
TASK, EXECUTION = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("task", "execution"))
PACE = {"drainPercent": 50.0, "bakeTimeInMinutes": 2}


def pinned(found: str) -> str:
    return f"{HOST}/{WEB.name}@{found}"


class Account:
    """A cluster of three instances, one daemon, what a tag names, and time."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.tags = {"prod": ONE}
        self.events: list[dict[str, Any]] = []
        self.simulator = moto_ecs.install(self.timeline, self.events.append, image_resolver=self._resolve)
        self.ecs = client("ecs")
        self.ecs.create_cluster(clusterName="shop")
        self.definitions = DaemonDefinitions(self.ecs)
        self.daemons = EcsDaemons(self.ecs, self.definitions, self.timeline)

    def _resolve(self, declared: str, account: str, region: str) -> str | None:
        if declared.startswith("public.ecr.aws/envoy/envoy"):
            return digest(SIDECAR)
        return declared.partition("@")[2] or self.tags.get(declared.rpartition(":")[2])

    def machine(self, provider: str = "machines") -> str:
        return self.simulator.hosts.add(ACCOUNT, REGION, "shop", capacity_provider_name=provider)

    def register(self, **members: Any) -> str:
        containers = [{"name": "app", "image": PROD, "memory": 128}, {"name": "envoy", "image": SIDECAR}]
        answer = self.ecs.register_daemon_task_definition(
            family="agent",
            containerDefinitions=containers,
            taskRoleArn=TASK,
            executionRoleArn=EXECUTION,
            cpu="256",
            memory="512",
            volumes=[{"name": "logs", "host": {"sourcePath": "/var/log"}}],
            pidMode="shared",
            tags=[{"key": "team", "value": "platform"}],
            **members,
        )
        return str(answer["daemonTaskDefinitionArn"])

    def create(self, name: str = "agent", policy: str | None = "digest", **members: Any) -> str:
        tags = [{"key": "longshore:policy", "value": policy}] if policy else []
        made = self.ecs.create_daemon(
            daemonName=name,
            clusterArn="shop",
            daemonTaskDefinitionArn=self.register(),
            capacityProviderArns=PROVIDERS,
            deploymentConfiguration=PACE,
            propagateTags="DAEMON",
            enableECSManagedTags=True,
            critical=False,
            tags=tags,
            **members,
        )
        self.wait()
        return str(made["daemonArn"])

    def wait(self, minutes: float = 10) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(minutes=minutes))

    def deploy(self, plan: Plan) -> str:
        """Applies a plan to what is observed now, and lets it end."""
        id = self.daemons.apply(self.daemons.observe(ARN), plan)
        assert id
        self.wait()
        return id

    def running(self) -> set[str]:
        """The digests that the daemon's tasks run."""
        arns = self.ecs.list_tasks(cluster="shop", desiredStatus="RUNNING")["taskArns"]
        tasks = self.ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"] if arns else []
        return {each["imageDigest"] for task in tasks for each in task["containers"] if each["name"] == "app"}

    def names(self) -> list[str]:
        """The events of daemon deployments."""
        kind = "ECS Daemon Deployment State Change"
        return [each["detail"]["eventName"] for each in self.events if each["detail-type"] == kind]


@pytest.fixture
def account() -> Iterator[Account]:
    with mocked():
        made = Account()
        try:
            for provider in ("machines", "machines", "gpus"):
                made.machine(provider)
            yield made
        finally:
            made.simulator.uninstall()


def plan(declared: str, pushed: str, tag: str | None = "prod") -> Plan:
    return Plan(
        ARN, Action.REVISE, (Change("app", declared, pushed, tag, previous=ONE, declared=PROD),), "moved", "event-1"
    )


def test_a_daemon_is_observed(account: Account) -> None:
    assert account.create() == ARN
    seen = account.daemons.observe(ARN)
    assert (seen.workload.cluster, seen.workload.name, seen.workload.policy) == ("shop", "agent", "digest")
    assert dict(seen.workload.images) == {"app": PROD, "envoy": SIDECAR}
    assert dict(seen.running) == {"app": ONE, "envoy": digest(SIDECAR)}
    assert (seen.roles, set(seen.platforms), seen.refreshes) == ((TASK, EXECUTION), {"linux/amd64"}, False)
    assert (seen.desired, seen.steady, seen.rollout_active, seen.active, seen.refusal) == (3, True, False, True, None)
    assert seen.rollout


def test_it_runs_once_on_each_instance_also_on_one_that_comes_later(account: Account) -> None:
    account.create()
    account.machine()
    account.simulator.hosts.add(ACCOUNT, REGION, "shop", capacity_provider_name="others")
    account.wait()
    assert account.daemons.observe(ARN).desired == 4
    assert len(account.ecs.list_tasks(cluster="shop")["taskArns"]) == 4


def test_an_image_must_offer_the_platform_of_every_instance(account: Account) -> None:
    account.simulator.hosts.add(
        ACCOUNT, REGION, "shop", capacity_provider_name="gpus", attributes={"ecs.cpu-architecture": "arm64"}
    )
    account.create()
    assert account.daemons.observe(ARN).platforms == {"linux/amd64", "linux/arm64"}


def test_without_instances_nothing_runs(account: Account) -> None:
    made = account.create()
    for arn in account.ecs.list_container_instances(cluster="shop")["containerInstanceArns"]:
        account.simulator.hosts.terminate(arn)
    account.wait()
    assert account.daemons.observe(made).desired == 0


def test_one_that_does_not_exist_is_gone(account: Account) -> None:
    with pytest.raises(GoneError):
        account.daemons.observe(ARN)
    account.create()
    assert [each.workload.arn for each in account.daemons.survey([ARN, f"{ARN}-2"])] == [ARN]


def test_who_opted_in_is_found_in_every_cluster(account: Account) -> None:
    account.ecs.create_cluster(clusterName="empty")
    account.create()
    account.create("other", policy=None)
    assert (list(account.daemons.arns()), account.daemons.unseen(ARN)) == ([ARN], "")


def test_the_same_tag_anew_is_a_new_revision_of_the_same_definition(account: Account) -> None:
    account.create()
    before = account.daemons.observe(ARN)
    account.tags["prod"] = TWO
    id = account.deploy(plan(PROD, TWO))
    rollout = account.daemons.rollout(ARN, id)
    assert (rollout.status, rollout.digests["app"]) == (RolloutStatus.SUCCEEDED, TWO)
    after = account.daemons.observe(ARN)
    assert (dict(after.workload.images), after.running["app"]) == (dict(before.workload.images), TWO)
    assert after.workload.task_definition != before.workload.task_definition
    assert account.running() == {TWO}


def test_nothing_but_the_image_changes(account: Account) -> None:
    account.create()
    before = account.daemons.observe(ARN)
    account.deploy(plan(pinned(TWO), TWO))
    after = account.daemons.observe(ARN)
    assert after.settings == before.settings
    assert after.settings == {
        "capacityProviderArns": PROVIDERS,
        "deploymentConfiguration": PACE,
        "propagateTags": "DAEMON",
        "enableECSManagedTags": True,
        "enableExecuteCommand": False,
        "critical": False,
    }
    old, new = (account.definitions.get(each.workload.task_definition) for each in (before, after))
    fresh = ("daemonTaskDefinitionArn", "revision", "registeredAt", "containerDefinitions")
    assert {k: v for k, v in new[0].items() if k not in fresh} == {k: v for k, v in old[0].items() if k not in fresh}
    first, second = old[0]["containerDefinitions"]
    assert new[0]["containerDefinitions"] == [{**first, "image": pinned(TWO)}, second]
    assert new[1] == {"team": "platform", "longshore:tag": "app=prod"}
    assert after.human_tags == {"app": "prod"}


def test_a_deployment_goes_instance_by_instance(account: Account) -> None:
    account.create()
    account.tags["prod"] = TWO
    id = account.daemons.apply(account.daemons.observe(ARN), plan(PROD, TWO))
    assert id
    account.wait(0.25)
    during = account.daemons.observe(ARN)
    assert (during.rollout, during.rollout_active, during.steady) == (id, True, False)
    assert account.daemons.rollout(ARN, id).status is RolloutStatus.RUNNING
    assert account.running() == {ONE, TWO}


def test_a_failing_image_is_rolled_back_by_the_circuit_breaker(account: Account) -> None:
    account.create()
    account.events.clear()
    account.simulator.fail(TWO, "exit-1")
    id = account.deploy(plan(pinned(TWO), TWO))
    rollout = account.daemons.rollout(ARN, id)
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert "circuit breaker" in rollout.reason
    assert rollout.evidence == ("4 daemon tasks failed, the circuit breaker trips at 3",)
    seen = account.daemons.observe(ARN)
    assert (dict(seen.workload.images)["app"], seen.running["app"], seen.steady) == (PROD, ONE, True)
    assert account.running() == {ONE}
    steps = ["PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"]
    assert account.names() == [f"DAEMON_DEPLOYMENT_{step}" for step in steps]


def test_an_alarm_takes_a_deployment_back(account: Account) -> None:
    account.create()
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors", MetricName="Errors", Namespace="Agent", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    seen = account.daemons.observe(ARN)
    account.ecs.update_daemon(
        daemonArn=ARN,
        daemonTaskDefinitionArn=seen.workload.task_definition,
        **{**seen.settings, "deploymentConfiguration": {**PACE, "alarms": {"alarmNames": ["errors"], "enable": True}}},
    )
    account.wait()
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    id = account.deploy(plan(pinned(TWO), TWO))
    rollout = account.daemons.rollout(ARN, id)
    assert (rollout.status, rollout.alarms) == (RolloutStatus.ROLLED_BACK, ("errors",))


def test_a_deployment_cannot_be_stopped_and_is_replaced(account: Account) -> None:
    account.create()
    first = account.daemons.apply(account.daemons.observe(ARN), plan(pinned(TWO), TWO))
    assert first
    with pytest.raises(ConflictError):
        account.daemons.stop(ARN, first)
    second = account.deploy(plan(pinned(THREE), THREE))
    assert account.daemons.rollout(ARN, first).status is RolloutStatus.STOPPED
    assert account.daemons.rollout(ARN, second).status is RolloutStatus.SUCCEEDED


def test_the_deployment_of_a_crashed_beginner_is_found(account: Account) -> None:
    account.create()
    before = account.daemons.observe(ARN)
    since = account.timeline.now()
    assert account.daemons.find(ARN, since, before.rollout) is None
    id = account.daemons.apply(before, plan(PROD, ONE))
    assert account.daemons.find(ARN, since, before.rollout) == id


def test_a_revision_that_was_registered_is_used(account: Account) -> None:
    account.create()
    before = account.daemons.observe(ARN)
    account.definitions.revised(before, plan(PROD, TWO), resumed=False)
    account.daemons.apply(before, plan(PROD, TWO), resumed=True)
    assert account.daemons.observe(ARN).workload.task_definition.endswith("agent:2")


def test_a_capacity_provider_that_ecs_took_back_is_not_brought_again(account: Account) -> None:
    """Somebody added one together with a bad image, and ECS rolled back both."""
    account.create()
    before = account.daemons.observe(ARN)
    account.simulator.fail(TWO, "exit-1")
    account.tags["prod"] = TWO
    added = PROVIDERS[0].replace("machines", "others")
    account.ecs.update_daemon(
        daemonArn=ARN,
        daemonTaskDefinitionArn=account.register(),
        **{**before.settings, "capacityProviderArns": [*PROVIDERS, added]},
    )
    account.wait()
    after = account.daemons.observe(ARN)
    assert (after.running["app"], after.settings["capacityProviderArns"]) == (ONE, PROVIDERS)


def test_a_capacity_provider_that_somebody_gave_up_stays_away(account: Account) -> None:
    account.create()
    before = account.daemons.observe(ARN)
    account.ecs.update_daemon(
        daemonArn=ARN,
        daemonTaskDefinitionArn=before.workload.task_definition,
        **{**before.settings, "capacityProviderArns": PROVIDERS[:1]},
    )
    during = account.daemons.observe(ARN)
    account.wait()
    assert [each.settings["capacityProviderArns"] for each in (during, account.daemons.observe(ARN))] == [
        PROVIDERS[:1],
        PROVIDERS[:1],
    ]


def test_instances_that_join_later_count_within_the_hour(account: Account) -> None:
    account.create()
    assert account.daemons.observe(ARN).platforms == {"linux/amd64"}
    account.simulator.hosts.add(
        ACCOUNT, REGION, "shop", capacity_provider_name="gpus", attributes={"ecs.cpu-architecture": "arm64"}
    )
    account.wait(70)
    assert account.daemons.observe(ARN).platforms == {"linux/amd64", "linux/arm64"}


def test_a_process_that_knows_a_daemon_asks_little_of_it(account: Account) -> None:
    """Design 11: five calls for each push."""
    account.create()
    account.daemons.observe(ARN)
    asked: list[str] = []
    account.ecs.meta.events.register("before-call", lambda model, **_: asked.append(model.name))
    account.daemons.apply(account.daemons.observe(ARN), plan(PROD, ONE))
    observing = ["DescribeDaemon", "ListTagsForResource", "DescribeDaemonDeployments"]
    assert asked == [*observing, "RegisterDaemonTaskDefinition", "UpdateDaemon"]


@pytest.mark.parametrize("code", ["UnsupportedFeatureException", "AccessDeniedException", "UnknownOperationException"])
def test_daemons_that_may_not_be_listed_are_said_to_be_unseen(account: Account, code: str) -> None:
    """An organization may forbid it, a spoke's role may be older than daemons: services are swept all the same."""
    account.create()

    def refuse(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ListDaemons")

    account.ecs.list_daemons = refuse
    assert list(account.daemons.arns()) == []
    assert code in account.daemons.unseen(ARN)


def test_what_the_platform_forgot_is_gone(account: Account) -> None:
    account.create()
    unknown = f"arn:aws:ecs:{REGION}:{ACCOUNT}:daemon-deployment/shop/agent/unknown"
    assert account.daemons.rollout(ARN, unknown).status is RolloutStatus.GONE
