"""App Runner services as redeploy's platform: the adapter over the bundle's App Runner (redeploy 8.8, aws H)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest

from longshore.aws.app_runner import AppRunnerServices
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.workloads import APPLICATION, Action, Change, Plan, RolloutStatus
from longshore_local import moto_app_runner
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, digest, image

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
PROD = image(WEB, "prod")
ROLE = "arn:aws:iam::123456789012:role/pull"
NOBODY = "arn:aws:apprunner:eu-west-1:123456789012:service/nobody/8fe1e10304f84fd2b0df550fe98a71fa"
CODE = {
    "CodeRepository": {
        "RepositoryUrl": "https://example.com/shop",
        "SourceCodeVersion": {"Type": "BRANCH", "Value": "main"},
    }
}


def pinned(found: str) -> str:
    return f"{HOST}/{WEB.name}@{found}"


class Account:
    """Services, what a tag names, and time."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.tags = {"prod": ONE}
        self.events: list[dict[str, Any]] = []
        self.simulator = moto_app_runner.install(self.timeline, self.events.append, self._pull)
        self.client = client("apprunner")
        self.tagging = client("resourcegroupstaggingapi")
        self.services = AppRunnerServices(lambda: self.client, lambda: self.tagging)

    def _pull(self, declared: str, account: str, region: str) -> str | None:
        return declared.partition("@")[2] or self.tags.get(declared.rpartition(":")[2])

    def create(
        self, name: str = "shop", source: dict[str, Any] | None = None, *, policy: str = "digest", wait: bool = True
    ) -> str:
        given = source or {
            "ImageRepository": {
                "ImageIdentifier": PROD,
                "ImageRepositoryType": "ECR",
                "ImageConfiguration": {"Port": "8080", "RuntimeEnvironmentSecrets": {"KEY": "arn:aws:ssm:a:b:c"}},
            },
            "AuthenticationConfiguration": {"AccessRoleArn": ROLE},
            "AutoDeploymentsEnabled": False,
        }
        tags = [{"Key": "longshore:policy", "Value": policy}] if policy else []
        made = self.client.create_service(ServiceName=name, SourceConfiguration=given, Tags=tags)
        if wait:
            self.wait()
        return str(made["Service"]["ServiceArn"])

    def source(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_service(ServiceArn=arn)["Service"]["SourceConfiguration"]
        return found

    def running(self, arn: str) -> str | None:
        return self.simulator.of(arn).running

    def wait(self, minutes: float = 10) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(minutes=minutes))

    def begin(self, plan: Plan) -> str:
        """Applies a plan to what is observed now."""
        id = self.services.apply(self.services.observe(plan.workload), plan)
        assert id
        return id


@pytest.fixture
def account() -> Iterator[Account]:
    with mocked():
        made = Account()
        try:
            yield made
        finally:
            made.simulator.close()


@pytest.fixture
def arn(account: Account) -> str:
    return account.create()


def plan(arn: str, declared: str, pushed: str, tag: str | None = "prod") -> Plan:
    action = Action.REFRESH if declared == PROD else Action.REVISE
    return Plan(arn, action, (Change(APPLICATION, declared, pushed, tag, (), None, PROD),), "moved", "event-1")


def test_a_service_is_observed(account: Account, arn: str) -> None:
    seen = account.services.observe(arn)
    assert (seen.workload.arn, seen.workload.cluster, seen.workload.name) == (arn, "", "shop")
    assert (seen.workload.policy, dict(seen.workload.images)) == ("digest", {APPLICATION: PROD})
    assert (dict(seen.running), set(seen.platforms), seen.roles) == ({}, {"linux/amd64"}, (ROLE,))
    assert (seen.desired, seen.steady, seen.rollout_active, seen.active, seen.refusal) == (1, True, False, True, None)
    assert (seen.rollout is not None, seen.since) == (True, account.timeline.now() - timedelta(minutes=10))


def test_only_a_written_digest_is_known_to_run(account: Account, arn: str) -> None:
    account.begin(plan(arn, pinned(TWO), TWO, "1.1.0"))
    assert dict(account.services.observe(arn).running) == {}, "not while it is deployed"
    account.wait()
    seen = account.services.observe(arn)
    assert (dict(seen.running), dict(seen.human_tags)) == ({APPLICATION: TWO}, {APPLICATION: "1.1.0"})


def test_what_the_ledger_recalls_is_added(account: Account, arn: str) -> None:
    def recall(seen: Any) -> Any:
        return type(seen)(seen.workload, running={APPLICATION: THREE})

    services = AppRunnerServices(lambda: account.client, lambda: account.tagging, recall)
    assert dict(services.observe(arn).running) == {APPLICATION: THREE}


def test_a_service_that_does_not_exist_is_gone(account: Account) -> None:
    with pytest.raises(GoneError):
        account.services.observe(NOBODY)


def test_many_are_observed_without_those_that_do_not_exist(account: Account, arn: str) -> None:
    other = account.create("other")
    assert [seen.workload.arn for seen in account.services.survey([arn, NOBODY, other])] == [arn, other]


def test_those_that_opted_in_are_found(account: Account, arn: str) -> None:
    account.create("stranger", policy="")
    gone = account.create("gone")
    account.client.delete_service(ServiceArn=gone)
    account.wait()
    assert list(account.services.arns()) == [arn]
    assert account.services.unseen(arn) == ""


def test_there_is_none_in_another_partition(account: Account) -> None:
    def abroad() -> Any:
        return boto3.client("resourcegroupstaggingapi", region_name="cn-north-1")

    assert list(AppRunnerServices(lambda: account.client, abroad).arns()) == []


def test_the_same_identifier_is_deployed_anew(account: Account, arn: str) -> None:
    before = account.source(arn)
    account.tags["prod"] = TWO
    id = account.begin(plan(arn, PROD, TWO))
    assert account.services.rollout(arn, id).status is RolloutStatus.RUNNING
    assert account.services.observe(arn).rollout_active
    account.wait()
    assert account.services.rollout(arn, id).status is RolloutStatus.SUCCEEDED
    assert (account.running(arn), account.source(arn), account.services.observe(arn).rollout) == (TWO, before, id)


@pytest.mark.parametrize("declared", [pinned(TWO), image(WEB, "1.1.0")])
def test_another_identifier_is_all_that_changes(account: Account, arn: str, declared: str) -> None:
    account.tags["1.1.0"] = TWO
    before = account.source(arn)
    id = account.begin(plan(arn, declared, TWO, "1.1.0"))
    account.wait()
    before["ImageRepository"]["ImageIdentifier"] = declared
    assert (account.source(arn), account.running(arn)) == (before, TWO)
    assert account.services.rollout(arn, id).status is RolloutStatus.SUCCEEDED


def test_what_changes_no_image_is_deployed_anew(account: Account, arn: str) -> None:
    account.begin(Plan(arn, Action.REFRESH, (), "heal", "event-1"))
    account.wait()
    assert account.simulator.of(arn).operations[0].type == "START_DEPLOYMENT"


def test_while_another_operation_goes_on_nothing_begins(account: Account, arn: str) -> None:
    before = account.services.observe(arn)
    account.client.start_deployment(ServiceArn=arn)
    assert account.services.observe(arn).rollout_active
    for declared in (PROD, pinned(TWO)):
        with pytest.raises(ConflictError):
            account.services.apply(before, plan(arn, declared, TWO))
    assert len(account.simulator.of(arn).operations) == 2


class Late:
    """A client of a service that somebody gets hold of between the last look and the call."""

    def __init__(self, account: Account, arn: str) -> None:
        self._account, self._arn, self._looks = account, arn, 0

    def __getattr__(self, name: str) -> Any:
        if name in ("start_deployment", "update_service"):
            self._account.client.start_deployment(ServiceArn=self._arn)
        return getattr(self._account.client, name)


@pytest.mark.parametrize("declared", [PROD, pinned(TWO)])
def test_whoever_comes_between_is_not_overtaken(account: Account, arn: str, declared: str) -> None:
    services = AppRunnerServices(lambda: Late(account, arn), lambda: account.tagging)
    with pytest.raises(ConflictError):
        services.apply(services.observe(arn), plan(arn, declared, TWO))


def test_what_somebody_else_changed_since_is_not_overwritten(account: Account, arn: str) -> None:
    before = account.services.observe(arn)
    source = account.source(arn)
    source["ImageRepository"]["ImageIdentifier"] = pinned(THREE)
    account.client.update_service(ServiceArn=arn, SourceConfiguration=source)
    account.wait()
    with pytest.raises(ConflictError):
        account.services.apply(before, plan(arn, pinned(TWO), TWO))
    assert account.running(arn) == THREE


def test_what_app_runner_refuses_is_told(account: Account, arn: str) -> None:
    with pytest.raises(UnsupportedError):
        account.begin(plan(arn, "public.ecr.aws/a1b2c3d4/web:1", TWO))


@pytest.mark.parametrize(
    ("rolls_back", "during", "after", "runs"),
    [
        (True, RolloutStatus.ROLLING_BACK, RolloutStatus.ROLLED_BACK, ONE),
        (False, RolloutStatus.ROLLING_BACK, RolloutStatus.ROLLBACK_FAILED, TWO),
    ],
)
def test_what_fails_is_rolled_back_by_app_runner(
    account: Account, arn: str, *, rolls_back: bool, during: RolloutStatus, after: RolloutStatus, runs: str
) -> None:
    account.simulator.fail(TWO, rolls_back=rolls_back)
    id = account.begin(plan(arn, pinned(TWO), TWO, "1.1.0"))
    account.wait(4)
    assert account.services.rollout(arn, id).status is during
    account.wait()
    rollout = account.services.rollout(arn, id)
    assert (rollout.status, account.running(arn)) == (after, runs)
    assert "/aws/apprunner/shop/" in rollout.reason
    seen = account.services.observe(arn)
    assert (seen.steady, seen.rollout, dict(seen.running)) == (False, id, {})
    assert seen.since == account.simulator.of(arn).operations[-1].started, "what ran before was deployed then"


def test_a_service_that_never_ran_is_not_active(account: Account) -> None:
    account.simulator.fail(ONE)
    arn = account.create()
    assert not account.services.observe(arn).active


def test_what_was_begun_is_found_again_and_what_was_before_is_not(account: Account, arn: str) -> None:
    since = account.timeline.now()
    assert account.services.find(arn, since, None) is None
    id = account.begin(plan(arn, PROD, TWO))
    assert account.services.find(arn, since, None) == id
    assert account.services.find(arn, since, id) is None
    account.wait()
    account.client.pause_service(ServiceArn=arn)
    assert account.services.find(arn, since, None) == id, "whoever pauses deploys nothing"


def test_many_operations_are_read_page_by_page(account: Account, arn: str) -> None:
    since, first = account.services.observe(arn).since, account.services.observe(arn).rollout
    for _ in range(12):
        account.client.pause_service(ServiceArn=arn)
        account.wait()
        account.client.resume_service(ServiceArn=arn)
        account.wait()
    assert (account.services.observe(arn).since, account.services.observe(arn).rollout) == (since, first)
    assert first and account.services.rollout(arn, first).status is RolloutStatus.SUCCEEDED


def test_an_operation_cannot_be_stopped(account: Account, arn: str) -> None:
    id = account.begin(plan(arn, PROD, ONE))
    account.services.complete(arn, id)
    with pytest.raises(ConflictError):
        account.services.stop(arn, id)
    assert account.services.rollout(arn, id).status is RolloutStatus.RUNNING


def test_an_operation_that_does_not_exist_is_gone(account: Account, arn: str) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert account.services.rollout(arn, unknown).status is RolloutStatus.GONE
    with pytest.raises(GoneError):
        account.services.stop(arn, unknown)


def test_a_paused_service_is_refused(account: Account, arn: str) -> None:
    account.client.pause_service(ServiceArn=arn)
    account.wait()
    seen = account.services.observe(arn)
    assert seen.refusal and seen.refusal.reason is Reason.SERVICE_PAUSED
    assert (seen.active, seen.steady, seen.desired, seen.rollout_active) == (True, False, 0, False)


def test_automatic_deployments_are_left_to_app_runner(account: Account) -> None:
    repository = {"ImageIdentifier": PROD, "ImageRepositoryType": "ECR"}
    source = {"ImageRepository": repository, "AuthenticationConfiguration": {"AccessRoleArn": ROLE}}
    arn = account.create(source=source)  # the default
    refusal = account.services.observe(arn).refusal
    assert refusal and refusal.reason is Reason.DEPLOYS_ITSELF


def test_a_service_that_is_built_from_code_is_refused(account: Account) -> None:
    seen = account.services.observe(account.create(source=CODE))
    assert seen.refusal and (seen.refusal.reason, dict(seen.workload.images)) == (Reason.UNSUPPORTED_PLATFORM, {})


def test_its_events_are_those_of_app_runner(account: Account, arn: str) -> None:
    account.events.clear()
    account.client.start_deployment(ServiceArn=arn)
    account.wait()
    told = [
        event["detail"].get("operationStatus") or event["detail"]["currentServiceStatus"] for event in account.events
    ]
    assert told == ["OPERATION_IN_PROGRESS", "DeploymentStarted", "RUNNING", "DeploymentCompletedSuccessfully"]
    assert {(event["source"], event["resources"][0]) for event in account.events} == {("aws.apprunner", arn)}


def test_every_change_of_tags_is_told(account: Account, arn: str) -> None:
    account.events.clear()
    account.client.tag_resource(ResourceArn=arn, Tags=[{"Key": "longshore:policy", "Value": "pin"}])
    account.client.untag_resource(ResourceArn=arn, TagKeys=["longshore:policy"])
    assert [event["detail"]["tags"] for event in account.events] == [{"longshore:policy": "pin"}, {}]
    assert account.client.list_services()["ServiceSummaryList"][0]["ServiceName"] == "shop"
