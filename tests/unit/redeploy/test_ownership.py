"""What is done to a workload that somebody else declares: drift, the stack's parameter, or nothing (redeploy 8.14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.decisions import Reason
from longshore.errors import AccessDeniedError, UpstreamError
from longshore.owners import LOGICAL_ID, STACK_ID, STACK_NAME, Drift, OwnerKind
from longshore.ports import Record
from longshore.redeploy.ownership import (
    OnRevert,
    Owned,
    Ownership,
    Stack,
    as_owned,
    put_in_line,
    read_ownership,
    reapplying,
    truth,
)
from longshore.redeploy.policy import PolicyError
from longshore.redeploy.profiles import read_profiles
from longshore.workloads import Action, Change, Observation, Plan, PlatformKind, RolloutStatus, Workload
from tests.fake_platform import ACCOUNT, HOST, REGION
from tests.fakes import START
from tests.world import WEB, World, digest, image

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/shop-web/0c0f"
OWNED = {STACK_NAME: "shop-web", STACK_ID: STACK, LOGICAL_ID: "Service"}
PROPERTY = "TaskDefinition.ContainerDefinitions[app].Image"
QUICK = {"soak": "1m", "cooldown": "0s"}
PROFILES: dict[str, dict[str, Any]] = {
    "plain": {"policy": "semver:minor", **QUICK},
    "moved": {"policy": "digest", **QUICK},
    "again": {"policy": "semver:minor", "iac_revert": "reapply", **QUICK},
    "told": {"policy": "semver:minor", "owned": "notify", **QUICK},
    "terraform": {"policy": "semver:minor", "owner": "terraform", **QUICK},
    "stack": {"policy": "semver:minor", "owned": "stack-parameter", "image_parameters": {"app": "WebImage"}, **QUICK},
    "written": {"policy": "digest:prod", "write": "digest", **QUICK},
}
FIT = Stack("shop-web", "UPDATE_COMPLETE", frozenset({"WebImage", "Size"}), role=True)


def owned(profile: str, tag: str = "1.0.0", tags: dict[str, str] | None = None, **members: Any) -> tuple[World, str]:
    """A world in which `web` runs `team/web:<tag>`, and a stack declares it."""
    world = World(profiles=PROFILES, **members)
    world.stacks.stacks["shop-web"] = FIT
    world.registry.push(WEB, tag, ONE)
    world.clock.advance(3600)
    policy = f"profile:{profile}"
    arn = world.service(policy=policy, images={"app": image(WEB, tag)}, tags=OWNED if tags is None else tags)
    world.stacks.updated = lambda arn, given: stack_deploys(world, arn, given["WebImage"])
    return world, arn


def stack_deploys(world: World, arn: str, declared: str) -> None:
    """The owner's stack registers a revision with an image and has the service deploy it."""
    world.platform.deploy(arn, app=declared)


def push(world: World, arn: str, tag: str, pushed: str, *, minutes: float = 10) -> None:
    world.push(tag, pushed)
    world.run(1)
    if world.platform.observe(arn).rollout_active:
        world.platform.succeed(arn)
    world.run(minutes)


def drifts(world: World, arn: str) -> list[tuple[str, str, str]]:
    return [(each.property, each.was, each.now) for each in world.records.get(arn).drifts]


def details(world: World, kind: str) -> list[Any]:
    return [each.detail for each in world.publisher.published if each.kind.value == kind]


# -- in place -------------------------------------------------------------------------------------------------------


def test_a_tag_that_moved_is_refreshed_and_nothing_drifts() -> None:
    world, arn = owned("moved", "prod")
    push(world, arn, "prod", TWO)
    (ended,) = details(world, "Deployment Succeeded")
    assert (ended["action"], ended["owner"], ended["stack"], ended["drift"]) == (
        "refresh",
        "cloudformation",
        "shop-web",
        [],
    )
    assert drifts(world, arn) == []


def test_another_tag_is_deployed_in_place_and_the_drift_is_kept_and_told() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    told = [{"container": "app", "property": PROPERTY, "was": image(WEB, "1.0.0"), "now": image(WEB, "1.1.0")}]
    for kind in ("Deployment Started", "Deployment Succeeded"):
        assert details(world, kind)[-1]["drift"] == told
        assert details(world, kind)[-1]["stack"] == "shop-web"
    assert drifts(world, arn) == [(PROPERTY, image(WEB, "1.0.0"), image(WEB, "1.1.0"))]
    (drift,) = world.records.get(arn).drifts
    assert (drift.owner, drift.stack, drift.revision) == ("cloudformation", "shop-web", "web:2")


def test_what_nobody_owns_drifts_from_nothing() -> None:
    world, arn = owned("plain", tags={})
    push(world, arn, "1.1.0", TWO)
    (ended,) = details(world, "Deployment Succeeded")
    assert (ended["owner"], ended["stack"], ended["drift"]) == (None, None, [])
    assert drifts(world, arn) == []


def test_terraform_is_an_owner_where_the_profile_declares_it() -> None:
    world, arn = owned("terraform", tags={})
    push(world, arn, "1.1.0", TWO)
    (ended,) = details(world, "Deployment Succeeded")
    assert (ended["owner"], ended["stack"], len(ended["drift"])) == ("terraform", None, 1)


def test_a_second_deployment_still_knows_what_the_owner_declares() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    push(world, arn, "1.2.0", THREE)
    assert drifts(world, arn) == [(PROPERTY, image(WEB, "1.0.0"), image(WEB, "1.2.0"))]


def test_a_deployment_that_was_rolled_back_drifts_no_further() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    world.push("1.2.0", THREE)
    world.run(1)
    world.platform.roll_back(arn)
    world.run(10)
    assert world.platform.running(arn) == TWO
    assert drifts(world, arn) == [(PROPERTY, image(WEB, "1.0.0"), image(WEB, "1.1.0"))]


def test_the_way_back_from_a_failure_drifts_from_the_owner_and_not_from_what_failed() -> None:
    world, arn = owned("plain")
    world.push("1.1.0", TWO)
    world.run(1)
    world.platform.end(arn, RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(2)
    (plan,) = [each for each in world.platform.applied if each.rollback]
    assert [(each.was, each.now) for each in plan.drifts] == [(image(WEB, "1.0.0"), f"{HOST}/{WEB.name}@{ONE}")]


def test_a_stack_that_takes_up_what_runs_ends_the_drift() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    stack_deploys(world, arn, image(WEB, "1.1.0"))
    world.platform.succeed(arn)
    world.run(5)
    assert drifts(world, arn) == []
    assert world.records.get(arn).hold is None


def test_a_stack_that_deploys_something_newer_ends_the_drift() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    world.registry.push(WEB, "1.2.0", THREE)
    stack_deploys(world, arn, image(WEB, "1.2.0"))
    world.platform.succeed(arn)
    world.run(5)
    assert drifts(world, arn) == []
    assert world.records.get(arn).hold is None


def test_what_events_did_not_tell_is_noticed_at_the_next_push() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    world.platform.changed = lambda *_: None  # events are best effort
    stack_deploys(world, arn, image(WEB, "1.0.0"))
    world.platform.succeed(arn)
    world.run(1)
    assert world.platform.running(arn) == ONE
    world.push("1.2.0", THREE)
    world.run(5)
    assert [each["reason"] for each in details(world, "Hold Set")] == ["iac-revert"]
    assert world.platform.running(arn) == ONE


# -- an owner's deployment that brings back an older image ----------------------------------------------------------


def test_an_owner_that_brings_back_an_older_image_is_recognised_and_held() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    stack_deploys(world, arn, image(WEB, "1.0.0"))
    world.platform.succeed(arn)
    world.run(5)
    (held,) = details(world, "Hold Set")
    assert (held["reason"], held["by"], held["owner"], held["stack"], held["to"]) == (
        "iac-revert",
        "cloudformation",
        "cloudformation",
        "shop-web",
        {"app": ONE},
    )
    push(world, arn, "1.2.0", THREE)
    assert world.platform.running(arn) == ONE
    assert drifts(world, arn) == []


def test_a_human_who_goes_back_to_another_image_is_no_owner() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO)
    push(world, arn, "1.2.0", THREE)
    stack_deploys(world, arn, image(WEB, "1.1.0"))
    world.platform.succeed(arn)
    world.run(5)
    assert [each["reason"] for each in details(world, "Hold Set")] == ["held"]


def test_a_profile_may_have_it_deployed_again() -> None:
    world, arn = owned("again")
    push(world, arn, "1.1.0", TWO)
    world.forget_telling()
    stack_deploys(world, arn, image(WEB, "1.0.0"))
    world.platform.succeed(arn)
    world.run(1)
    assert details(world, "Hold Set") == []
    (over,) = details(world, "Deployment Superseded")
    assert (over["reason"], over["stack"], over["running"]) == ("iac-revert", "shop-web", {"app": ONE})
    world.platform.succeed(arn)
    world.run(5)
    assert world.platform.running(arn) == TWO
    assert drifts(world, arn) == [(PROPERTY, image(WEB, "1.0.0"), image(WEB, "1.1.0"))]


# -- not at all -----------------------------------------------------------------------------------------------------


def test_a_profile_may_leave_it_to_its_owner() -> None:
    world, arn = owned("told")
    push(world, arn, "1.1.0", TWO)
    (held,) = details(world, "Deployment Held")
    assert (held["reason"], held["owner"], held["stack"]) == ("owned", "cloudformation", "shop-web")
    assert "shop-web" in held["fix"]
    assert world.platform.applied == []


def test_what_nobody_owns_is_deployed_whatever_the_profile_says_of_owners() -> None:
    for profile in ("told", "stack"):
        world, arn = owned(profile, tags={})
        push(world, arn, "1.1.0", TWO)
        assert world.platform.running(arn) == TWO


@pytest.mark.parametrize(
    "mark", ["argocd.argoproj.io/instance", "kustomize.toolkit.fluxcd.io/name", "field-manager:helm-controller"]
)
@pytest.mark.parametrize("profile", ["plain", "stack", "again"])
def test_what_gitops_owns_is_told_and_never_touched(mark: str, profile: str) -> None:
    world, arn = owned(profile, tags={mark: "shop"})
    push(world, arn, "1.1.0", TWO)
    world.request(arn, "heal")
    world.request(arn, "rollback")
    world.run(5)
    assert details(world, "Deployment Held")[0]["reason"] == "gitops-owned"
    assert world.platform.applied == []
    assert world.stacks.requests == set()


# -- by the stack's parameter ---------------------------------------------------------------------------------------


def test_the_stacks_parameter_is_set_and_the_platforms_deployment_followed() -> None:
    world, arn = owned("stack")
    push(world, arn, "1.1.0", TWO)
    assert world.stacks.values == {"shop-web": {"WebImage": image(WEB, "1.1.0")}}
    assert world.platform.applied == []
    (ended,) = details(world, "Deployment Succeeded")
    assert (ended["action"], ended["drift"]) == ("stack", [])
    assert world.platform.running(arn) == TWO
    assert drifts(world, arn) == []


def test_a_failure_is_taken_back_in_place_for_that_cannot_wait() -> None:
    world, arn = owned("stack")
    push(world, arn, "1.1.0", TWO)
    world.push("1.2.0", THREE)
    world.run(1)
    world.platform.end(arn, RolloutStatus.FAILED)
    world.deployment_changed(arn, "SERVICE_DEPLOYMENT_FAILED")
    world.run(2)
    assert [(plan.action, plan.rollback) for plan in world.platform.applied] == [(Action.REVISE, True)]
    assert world.platform.applied[0].drifts[0].was == image(WEB, "1.2.0")


@pytest.mark.parametrize(
    ("stack", "fix"),
    [
        (FIT._replace(parameters=frozenset({"Size"})), "add it to the stack's template"),
        (FIT._replace(role=False), "--role-arn"),
        (FIT._replace(nested=True), "root"),
        (FIT._replace(resolved=frozenset({"WebImage"})), "type String"),
        (FIT._replace(status="UPDATE_ROLLBACK_FAILED"), "repair"),
        (None, "repair"),
    ],
)
def test_a_stack_that_cannot_be_updated_holds_with_the_fix(stack: Stack | None, fix: str) -> None:
    world, arn = owned("stack")
    world.stacks.stacks = {"shop-web": stack} if stack else {}
    push(world, arn, "1.1.0", TWO)
    (held,) = details(world, "Deployment Held")
    assert held["reason"] == "stack-not-updatable"
    assert fix in held["fix"]
    assert world.stacks.requests == set()


def test_a_stack_that_longshore_may_not_update_is_not_even_looked_at() -> None:
    world, arn = owned("stack", updatable=("arn:aws:cloudformation:*:*:stack/other/*",))
    world.stacks.get = None  # type: ignore[assignment, method-assign]
    push(world, arn, "1.1.0", TWO)
    assert "UpdatableStackArns" in details(world, "Deployment Held")[0]["why"]


def test_an_owner_without_a_stack_holds() -> None:
    world, arn = owned("stack", tags={"Terraform": "true"})
    push(world, arn, "1.1.0", TWO)
    assert "Terraform has no CloudFormation stack" in details(world, "Deployment Held")[0]["why"]


def test_a_stack_that_is_being_changed_is_waited_for() -> None:
    world, arn = owned("stack")
    world.stacks.stacks["shop-web"] = FIT._replace(status="UPDATE_IN_PROGRESS")
    push(world, arn, "1.1.0", TWO, minutes=5)
    assert Reason.STACK_BUSY.value in world.reasons
    assert world.told == []
    world.stacks.stacks["shop-web"] = FIT
    world.run(3)
    world.platform.succeed(arn)
    world.run(5)
    assert world.platform.running(arn) == TWO


def test_a_stack_that_became_busy_in_between_is_tried_again() -> None:
    world, arn = owned("stack")
    world.stacks.error = UpstreamError("UpdateStack: shop-web is in UPDATE_IN_PROGRESS state")
    world.push("1.1.0", TWO)
    world.run(1)
    world.stacks.error = None
    world.run(5)
    world.platform.succeed(arn)
    world.run(10)
    assert world.platform.running(arn) == TWO
    assert len(world.stacks.requests) == 1


# -- the truth ------------------------------------------------------------------------------------------------------

NAME = "/longshore/shop/web/image"


def test_what_runs_is_published_once_it_is_verified() -> None:
    world, arn = owned("plain")
    push(world, arn, "1.1.0", TWO, minutes=0.5)
    assert world.truths.values == {}
    world.run(10)
    assert world.truths.values == {NAME: image(WEB, "1.1.0")}
    assert world.records.get(arn).published == world.truths.values


def test_what_was_published_is_not_written_again() -> None:
    world, arn = owned("moved", "prod")
    push(world, arn, "prod", TWO)
    push(world, arn, "prod", THREE)
    assert (world.truths.values, world.truths.writes) == ({NAME: image(WEB, "prod")}, 1)


def test_what_cannot_be_published_now_is_tried_again_and_fails_no_deployment() -> None:
    world, arn = owned("plain")
    world.truths.error = UpstreamError("PutParameter: InternalServerError")
    push(world, arn, "1.1.0", TWO)
    assert world.told == ["Deployment Started", "Deployment Succeeded"]
    assert "parameter-not-written" in world.reasons
    world.truths.error = None
    world.run(15)
    assert world.truths.values == {NAME: image(WEB, "1.1.0")}
    assert world.watch_queue.waiting == []


def test_what_is_never_published_is_not_tried_for_ever() -> None:
    world, arn = owned("plain")
    world.truths.error = UpstreamError("PutParameter: InternalServerError")
    push(world, arn, "1.1.0", TWO)
    world.run(26 * 60)
    assert world.watch_queue.waiting == []


def test_what_may_not_be_published_is_told() -> None:
    world, arn = owned("plain")
    world.truths.error = AccessDeniedError("PutParameter: AccessDeniedException")
    push(world, arn, "1.1.0", TWO)
    assert world.told == ["Deployment Started", "Deployment Succeeded", "Configuration Rejected"]
    (rejected,) = details(world, "Configuration Rejected")
    assert rejected["key"] == NAME
    assert "ssm:PutParameter" in rejected["fix"]


@pytest.mark.parametrize(
    ("arn", "images", "names"),
    [
        (f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/web", ("app",), [NAME]),
        (f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/web", ("app", "log"), ["/longshore/shop/web/app/image", "/longshore/shop/web/log/image"]),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:resize", ("function",), ["/longshore/resize/image"]),
        (
            f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shop/default/deployment/web.v1",
            ("app",),
            ["/longshore/shop/default/deployment/web.v1/image"],
        ),
    ],
)  # fmt: skip
def test_parameters_have_names_that_ssm_takes(arn: str, images: tuple[str, ...], names: list[str]) -> None:
    from longshore.workloads import WorkloadId

    id = WorkloadId.parse(arn)
    declared = {name: image(WEB, "prod") for name in images}
    assert sorted(truth(Workload(arn, id.platform, ACCOUNT, REGION, id.cluster, id.label, {}, declared))) == names


def test_kinds_of_platform_share_no_name() -> None:
    declared = {"app": image(WEB, "prod")}
    kinds = [Workload("arn:aws:", kind, ACCOUNT, REGION, "a", "b", {}, declared) for kind in PlatformKind]
    named = [
        name for each in kinds if each.platform.value not in ("lambda-function", "eks-workload") for name in truth(each)
    ]
    assert len(set(named)) == len(named)


# -- what a profile says --------------------------------------------------------------------------------------------


def test_a_profile_says_how() -> None:
    assert read_ownership({}) == Ownership()
    raw = {
        "owned": "stack-parameter",
        "image_parameters": {"app": "Web"},
        "owner": "terraform",
        "iac_revert": "reapply",
    }
    expected = Ownership(Owned.STACK_PARAMETER, OwnerKind.TERRAFORM, {"app": "Web"}, OnRevert.REAPPLY)
    assert read_ownership(raw) == expected
    assert reapplying({"a": raw, "b": {}, "c": None}) == {"a"}
    assert reapplying(None) == frozenset()


@pytest.mark.parametrize(
    ("members", "key"),
    [
        ({"owned": "inplace"}, "owned"),
        ({"owned": 3}, "owned"),
        ({"owner": "argo-cd"}, "owner"),
        ({"iac_revert": "ignore"}, "iac_revert"),
        ({"owned": "stack-parameter"}, "image_parameters"),
        ({"image_parameters": ["Web"]}, "image_parameters"),
        ({"image_parameters": {"app": "Web-Image"}}, "image_parameters.app"),
    ],
)
def test_what_cannot_be_read_names_its_key(members: dict[str, Any], key: str) -> None:
    with pytest.raises(PolicyError, match=rf"profiles\.p\.{key}"):
        read_profiles({"p": {"policy": "digest", **members}})


# -- properties -----------------------------------------------------------------------------------------------------

WORKLOAD = Workload(
    f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/web", PlatformKind.ECS_SERVICE, ACCOUNT, REGION, "shop", "web", OWNED
)
TAGS = st.sampled_from(["1.0.0", "1.1.0", "1.2.0"])


@given(st.lists(st.tuples(st.sampled_from(["app", "log"]), TAGS), min_size=1, max_size=6))
def test_a_drift_always_says_what_the_owner_declared_first(steps: list[tuple[str, str]]) -> None:
    declared = {name: f"{HOST}/{name}:1.0.0" for name in ("app", "log")}
    record, now = Record(WORKLOAD.arn), START
    for container, tag in steps:
        change = Change(container, f"{HOST}/{container}:{tag}", TWO, tag, declared=declared[container])
        plan = Plan(WORKLOAD.arn, Action.REVISE, (change,), "newer", "e")
        now += timedelta(hours=1)
        record = replace(record, drifts=as_owned(plan, WORKLOAD, Ownership(), record, now).drifts)
        declared[container] = change.image
    expected = {
        (name, f"{HOST}/{name}:1.0.0", image) for name, image in declared.items() if not image.endswith(":1.0.0")
    }
    assert {(each.container, each.was, each.now) for each in record.drifts} == expected
    observation = Observation(replace(WORKLOAD, images=declared), steady=True)
    assert not put_in_line(record, observation)


def test_a_drift_is_over_when_its_container_is() -> None:
    drift = Drift("app", PROPERTY, "a", "b", "cloudformation")
    record = Record(WORKLOAD.arn, drifts=(drift,))
    assert put_in_line(record, Observation(WORKLOAD, steady=True))
    assert not put_in_line(record, Observation(WORKLOAD, steady=False))
