"""Functions as redeploy's platform: the adapter over the bundle's Lambda (redeploy 8.8, aws G)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from longshore.aws.lambda_functions import LambdaFunctions
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.workloads import FUNCTION, Action, Change, Plan, RolloutStatus
from longshore_local import moto_lambda
from longshore_local.moto_lambda import Pulled
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import client, mocked
from tests.fake_platform import HOST, WEB, digest, image

ONE, TWO, THREE, INDEX = digest("one"), digest("two"), digest("three"), digest("index")
PROD = image(WEB, "prod")
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:resize"
NOBODY = "arn:aws:lambda:eu-west-1:123456789012:function:nobody"
TRUST = {"Version": "2012-10-17", "Statement": []}


def pinned(found: str) -> str:
    return f"{HOST}/{WEB.name}@{found}"


class Account:
    """Functions, what a tag names, and time."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.tags: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        self.simulator = moto_lambda.install(self.timeline, self.events.append, self._pull)
        self.client = client("lambda")
        role = client("iam").create_role(RoleName="run", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.role = role["Role"]["Arn"]
        self.functions = LambdaFunctions(self.client, lambda: client("resourcegroupstaggingapi"))

    def _pull(self, declared: str, account: str, region: str) -> Pulled | None:
        found = declared.partition("@")[2] or self.tags.get(declared.rpartition(":")[2])
        return Pulled(found, found == INDEX) if found else None

    def create(self, name: str = "resize", **members: Any) -> str:
        given: dict[str, Any] = {
            "PackageType": "Image",
            "Code": {"ImageUri": PROD},
            "Architectures": ["arm64"],
            "Tags": {"longshore:policy": "digest"},
            **members,
        }
        return str(self.client.create_function(FunctionName=name, Role=self.role, **given)["FunctionArn"])

    def alias(self, name: str = "resize", **members: Any) -> None:
        """A version, the alias `live` that names it, and the tag that says so."""
        version = self.client.publish_version(FunctionName=name)["Version"]
        self.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version, **members)
        self.client.tag_resource(Resource=ARN, Tags={"longshore:alias": "live"})

    def serves(self) -> str:
        """The version that the alias names."""
        return str(self.client.get_alias(FunctionName="resize", Name="live")["FunctionVersion"])

    def update(self, declared: str, **members: Any) -> None:
        """Somebody else updates the function."""
        self.client.update_function_code(FunctionName="resize", ImageUri=declared, **members)

    def wait(self) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(minutes=1))

    def begin(self, plan: Plan) -> str:
        """Applies a plan to what is observed now."""
        id = self.functions.apply(self.functions.observe(ARN), plan)
        assert id
        return id

    def deploy(self, plan: Plan) -> str:
        """Applies a plan and lets the update end."""
        id = self.begin(plan)
        self.wait()
        return id


@pytest.fixture
def account() -> Iterator[Account]:
    with mocked():
        made = Account()
        made.tags["prod"] = ONE
        try:
            yield made
        finally:
            made.simulator.close()


@pytest.fixture
def arn(account: Account) -> str:
    return account.create()


def plan(declared: str, pushed: str, tag: str | None = "prod", *, child: str = "", rollback: bool = False) -> Plan:
    action = Action.REFRESH if declared == PROD and not child else Action.REVISE
    change = Change(FUNCTION, declared, pushed, tag, (child,) if child else (), None, PROD)
    return Plan(ARN, action, (change,), "moved", "event-1", rollback=rollback)


def test_a_function_is_observed(account: Account, arn: str) -> None:
    seen = account.functions.observe(arn)
    assert (seen.workload.arn, seen.workload.cluster, seen.workload.name) == (ARN, "", "resize")
    assert (seen.workload.policy, dict(seen.workload.images)) == ("digest", {FUNCTION: PROD})
    assert (dict(seen.running), set(seen.platforms), seen.roles) == ({FUNCTION: ONE}, {"linux/arm64"}, ())
    assert (seen.desired, seen.steady, seen.rollout_active, seen.active, seen.refusal) == (1, True, False, True, None)
    assert (seen.rollout, bool(seen.revision)) == (None, True)


def test_a_function_that_does_not_exist_is_gone(account: Account, arn: str) -> None:
    with pytest.raises(GoneError):
        account.functions.observe(NOBODY)


def test_many_are_observed_without_those_that_do_not_exist(account: Account, arn: str) -> None:
    other = account.create("other")
    seen = account.functions.survey([arn, NOBODY, other])
    assert [each.workload.arn for each in seen] == [arn, other]


def test_who_opted_in_is_found_and_nobody_else(account: Account, arn: str) -> None:
    account.create("other", Tags={"team": "web"})
    assert list(account.functions.arns()) == [arn]


def test_a_zip_archive_is_refused(account: Account) -> None:
    code = {"ZipFile": b"PK\x05\x06" + b"\0" * 18}
    arn = account.create(PackageType="Zip", Code=code, Runtime="python3.13", Handler="app.handler")
    seen = account.functions.observe(arn)
    assert seen.refusal and seen.refusal.reason is Reason.UNSUPPORTED_PLATFORM
    assert (dict(seen.workload.images), dict(seen.running)) == ({}, {})


def test_a_refresh_resolves_the_declared_tag_again(account: Account, arn: str) -> None:
    before = account.functions.observe(arn)
    account.tags["prod"] = TWO
    id = account.begin(plan(PROD, TWO))
    assert id == "1"
    during = account.functions.observe(arn)
    assert (during.rollout_active, during.steady) == (True, False)
    assert account.functions.rollout(arn, id).status is RolloutStatus.RUNNING
    account.wait()
    after = account.functions.observe(arn)
    assert (after.steady, dict(after.running)) == (True, {FUNCTION: TWO})
    assert after.workload.images == before.workload.images
    rollout = account.functions.rollout(arn, id)
    assert (rollout.status, dict(rollout.digests)) == (RolloutStatus.SUCCEEDED, {FUNCTION: TWO})


def test_of_an_index_the_image_for_the_functions_architecture_is_written(account: Account, arn: str) -> None:
    account.deploy(plan(PROD, INDEX, child=TWO))
    seen = account.functions.observe(arn)
    assert (dict(seen.running), dict(seen.workload.images)) == ({FUNCTION: TWO}, {FUNCTION: pinned(TWO)})
    assert dict(seen.human_tags) == {FUNCTION: "prod"}


def test_an_index_itself_is_refused_before_anything_changes(account: Account, arn: str) -> None:
    before = account.functions.observe(arn)
    with pytest.raises(UnsupportedError, match="not supported"):
        account.functions.apply(before, plan(pinned(INDEX), INDEX, "1.0.0"))
    assert account.functions.observe(arn) == before


def test_an_image_of_another_region_is_refused_before_anything_changes(account: Account, arn: str) -> None:
    before = account.functions.observe(arn)
    with pytest.raises(UnsupportedError, match="eu-west-1"):
        account.functions.apply(before, plan(pinned(TWO).replace("eu-west-1", "us-east-1"), TWO, "1.0.0"))
    assert account.functions.observe(arn) == before


def test_the_tag_that_people_know_goes_with_its_digest(account: Account, arn: str) -> None:
    account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    assert dict(account.functions.observe(arn).human_tags) == {FUNCTION: "1.1.0"}
    account.deploy(plan(pinned(THREE), THREE, "1.2.0"))
    assert dict(account.functions.observe(arn).human_tags) == {FUNCTION: "1.2.0"}
    account.update(pinned(TWO))
    assert dict(account.functions.observe(arn).human_tags) == {FUNCTION: "1.1.0"}
    account.wait()
    account.update(pinned(ONE))
    assert dict(account.functions.observe(arn).human_tags) == {}


def test_two_long_tags_do_not_fit_and_the_newest_is_kept(account: Account, arn: str) -> None:
    for found, tag in ((TWO, "a" * 120), (THREE, "b" * 120)):
        account.deploy(plan(pinned(found), found, tag))
        assert dict(account.functions.observe(arn).human_tags) == {FUNCTION: tag}


def test_what_changed_since_it_was_observed_is_not_overwritten(account: Account, arn: str) -> None:
    before = account.functions.observe(arn)
    account.client.update_function_configuration(FunctionName="resize", MemorySize=512)
    account.tags["prod"] = TWO
    with pytest.raises(ConflictError):
        account.functions.apply(before, plan(PROD, TWO))
    assert dict(account.functions.observe(arn).running) == {FUNCTION: ONE}


def test_while_somebody_else_updates_nothing_begins(account: Account, arn: str) -> None:
    account.update(pinned(THREE))
    seen = account.functions.observe(arn)
    assert seen.rollout_active
    with pytest.raises(ConflictError):
        account.functions.apply(seen, plan(pinned(TWO), TWO))


def test_an_update_that_fails_says_why(account: Account, arn: str) -> None:
    account.simulator.fail(TWO, "InvalidImage", "no entry point")
    id = account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    rollout = account.functions.rollout(arn, id)
    assert (rollout.status, rollout.reason) == (RolloutStatus.FAILED, "InvalidImage: no entry point")
    assert not account.functions.observe(arn).steady


def test_what_was_begun_is_found_again_and_what_was_before_is_not(account: Account, arn: str) -> None:
    account.client.publish_version(FunctionName="resize")
    account.wait()
    since = account.timeline.now()
    assert account.functions.find(arn, since, None) is None
    account.tags["prod"] = TWO
    id = account.begin(plan(PROD, TWO))
    assert account.functions.find(arn, since, None) == id == "2"
    assert account.functions.find(arn, since, id) is None
    account.wait()
    assert account.functions.find(arn, account.timeline.now(), None) is None


def test_an_update_cannot_be_stopped(account: Account, arn: str) -> None:
    id = account.deploy(plan(PROD, ONE))
    with pytest.raises(ConflictError):
        account.functions.stop(arn, id)


def test_a_version_that_does_not_exist_is_gone(account: Account, arn: str) -> None:
    assert account.functions.rollout(arn, "7").status is RolloutStatus.GONE
    with pytest.raises(GoneError):
        account.functions.stop(arn, "7")


def test_what_changes_no_image_is_refused(account: Account, arn: str) -> None:
    with pytest.raises(UnsupportedError):
        account.functions.apply(account.functions.observe(arn), Plan(ARN, Action.REFRESH, (), "heal", "event-1"))


# -- with an alias ----------------------------------------------------------------------------------------------------


def test_what_runs_is_what_the_alias_names(account: Account, arn: str) -> None:
    account.alias()
    account.update(pinned(TWO))
    account.wait()
    seen = account.functions.observe(arn)
    assert (dict(seen.running), dict(seen.workload.images)) == ({FUNCTION: ONE}, {FUNCTION: PROD})
    assert (seen.steady, seen.refusal) == (True, None)


def test_the_alias_is_moved_once_the_version_is_ready(account: Account, arn: str) -> None:
    account.alias()
    account.tags["prod"] = TWO
    id = account.begin(plan(PROD, TWO))
    assert (id.startswith("2/live/"), account.serves()) == (True, "1")
    assert account.functions.rollout(arn, id).status is RolloutStatus.RUNNING
    account.wait()
    assert account.functions.rollout(arn, id).status is RolloutStatus.READY
    assert dict(account.functions.observe(arn).running) == {FUNCTION: ONE}
    for _ in range(2):  # again changes nothing
        account.functions.complete(arn, id)
        assert (account.serves(), account.functions.rollout(arn, id).status) == ("2", RolloutStatus.SUCCEEDED)
    assert dict(account.functions.observe(arn).running) == {FUNCTION: TWO}
    found = account.functions.find(arn, account.timeline.now() - timedelta(minutes=2), None)
    assert found and account.functions.rollout(arn, found).status is RolloutStatus.SUCCEEDED


def test_a_move_of_the_alias_by_somebody_else_is_respected(account: Account, arn: str) -> None:
    account.alias()
    account.client.publish_version(FunctionName="resize")
    id = account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    account.client.update_alias(FunctionName="resize", Name="live", FunctionVersion="$LATEST")
    rollout = account.functions.rollout(arn, id)
    assert (rollout.status, rollout.reason) == (RolloutStatus.REPLACED, "somebody else moved the alias live")
    with pytest.raises(ConflictError):
        account.functions.complete(arn, id)
    assert account.serves() == "$LATEST"


def test_a_way_back_of_the_alias_by_somebody_else_is_respected(account: Account, arn: str) -> None:
    account.alias()
    id = account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    account.functions.complete(arn, id)
    account.client.update_alias(FunctionName="resize", Name="live", FunctionVersion="1")
    assert account.functions.rollout(arn, id).status is RolloutStatus.REPLACED
    with pytest.raises(ConflictError):
        account.functions.complete(arn, id)


def test_a_way_back_does_not_undo_a_move_that_it_did_not_see(account: Account, arn: str) -> None:
    account.alias()
    account.functions.complete(arn, account.deploy(plan(pinned(TWO), TWO, "1.1.0")))
    seen = account.functions.observe(arn)
    account.client.update_alias(FunctionName="resize", Name="live", FunctionVersion="$LATEST")
    with pytest.raises(ConflictError):
        account.functions.apply(seen, plan(pinned(ONE), ONE, rollback=True))
    assert account.serves() == "$LATEST"


def test_a_deployment_of_an_earlier_release_is_completed(account: Account, arn: str) -> None:
    """Its id says nothing of the alias as it was."""
    account.alias()
    account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    assert account.functions.rollout(arn, "2/live").status is RolloutStatus.READY
    account.functions.complete(arn, "2/live")
    assert account.serves() == "2"


def test_a_version_that_failed_leaves_the_alias_alone(account: Account, arn: str) -> None:
    account.alias()
    account.simulator.fail(TWO)
    id = account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    assert account.functions.rollout(arn, id).status is RolloutStatus.FAILED
    seen = account.functions.observe(arn)
    assert (account.serves(), dict(seen.running), seen.steady) == ("1", {FUNCTION: ONE}, False)
    assert dict(seen.workload.images) == {FUNCTION: pinned(TWO)}  # what a way back has to take back


def test_a_way_back_moves_the_alias_at_once(account: Account, arn: str) -> None:
    account.alias()
    account.functions.complete(arn, account.deploy(plan(pinned(TWO), TWO, "1.1.0")))
    assert account.serves() == "2"
    id = account.begin(plan(pinned(ONE), ONE, rollback=True))
    assert (id.startswith("1/live/"), account.serves()) == (True, "1")
    account.wait()
    assert account.functions.rollout(arn, id).status is RolloutStatus.SUCCEEDED
    latest = account.client.get_function(FunctionName="resize")
    assert latest["Code"]["ResolvedImageUri"] == pinned(ONE)


def test_a_way_back_to_what_no_version_has_is_published(account: Account, arn: str) -> None:
    account.alias()
    id = account.deploy(plan(pinned(THREE), THREE, rollback=True))
    assert (id.startswith("2/live/"), account.functions.rollout(arn, id).status) == (True, RolloutStatus.READY)


def test_an_alias_between_two_versions_is_somebody_elses_deployment(account: Account, arn: str) -> None:
    account.alias()
    account.client.publish_version(FunctionName="resize")
    account.update(pinned(TWO), Publish=True)
    account.wait()
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    account.client.update_alias(FunctionName="resize", Name="live", RoutingConfig=weights)
    seen = account.functions.observe(arn)
    assert (seen.rollout_active, seen.steady) == (True, False)


def test_an_alias_that_the_function_lacks_is_refused(account: Account, arn: str) -> None:
    account.client.tag_resource(Resource=arn, Tags={"longshore:alias": "live"})
    refusal = account.functions.observe(arn).refusal
    assert refusal and (refusal.reason, "live" in refusal.why) == (Reason.ALIAS_MISSING, True)


def test_an_alias_that_was_deleted_meanwhile_cannot_be_completed(account: Account, arn: str) -> None:
    account.alias()
    id = account.deploy(plan(pinned(TWO), TWO, "1.1.0"))
    account.client.delete_alias(FunctionName="resize", Name="live")
    assert account.functions.rollout(arn, id).status is RolloutStatus.READY
    with pytest.raises(GoneError):
        account.functions.complete(arn, id)


def test_an_alias_of_the_unpublished_version_is_followed_too(account: Account, arn: str) -> None:
    account.client.create_alias(FunctionName="resize", Name="live", FunctionVersion="$LATEST")
    account.client.tag_resource(Resource=arn, Tags={"longshore:alias": "live"})
    seen = account.functions.observe(arn)
    assert (dict(seen.running), seen.steady) == ({FUNCTION: ONE}, True)


def test_every_change_of_tags_is_told(account: Account, arn: str) -> None:
    account.events.clear()
    account.client.tag_resource(Resource=arn, Tags={"longshore:policy": "pin"})
    account.client.untag_resource(Resource=arn, TagKeys=["longshore:policy"])
    told = [(event["resources"], event["detail"]["tags"]) for event in account.events]
    assert told == [([arn], {"longshore:policy": "pin"}), ([arn], {})]
    assert account.functions.observe(arn) == replace(account.functions.observe(arn), running={FUNCTION: ONE})
