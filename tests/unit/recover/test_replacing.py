"""Failed tasks end as recover 2 and 3 say: replaced identically, later, elsewhere, or left alone with a reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longshore.errors import AccessDeniedError, GoneError, ThrottledError, UnsupportedError
from longshore.events import Kind
from longshore.recover.breaker import BreakerLimits
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.facts import SweepDue
from longshore.recover.ports import Launch, LaunchFailure
from longshore.recover.reading import Message
from longshore.recover.recipe import LaunchRecipe, Network
from longshore.recover.recovery import AttemptState, RecoveryState
from longshore.recover.retry import RetryPolicy
from longshore.settings import Mode
from tests.fake_tasks import CLUSTER, refusal
from tests.recover_world import AUTO, IDEMPOTENT, RecoverWorld, log, running

PULL = "CannotPullContainerError: pull image manifest has been retried 5 times: i/o timeout"
OOM = "OutOfMemoryError: Container killed due to memory usage"
LINEAGE = {"longshore:root-task", "longshore:parent-task", "longshore:attempt", "longshore:class"}


def unpulled(world: RecoverWorld, arn: str, reason: str = PULL) -> None:
    world.tasks.end(arn, code="TaskFailedToStart", reason=reason, exit_code=None, started=False)


def alive(world: RecoverWorld) -> list[str]:
    return [arn for arn in world.replacements if "stoppedAt" not in world.tasks.described(arn)]


def state(world: RecoverWorld, root: str) -> RecoveryState | None:
    recovery = world.recoveries.get(root)
    return recovery.state if recovery else None


# -- what is preserved ----------------------------------------------------------------------------------------------

LAUNCHED: dict[str, Any] = {
    "group": "nightly",
    "startedBy": "batch-owner",
    "platformVersion": "1.4.0",
    "enableExecuteCommand": True,
    "overrides": {
        "containerOverrides": [
            {"name": "app", "command": ["load"], "environment": [{"name": "TOKEN", "value": "s3cr3t-value"}]}
        ],
        "cpu": "512",
        "taskRoleArn": "arn:aws:iam::123456789012:role/etl",
    },
}


def test_everything_is_as_it_was_but_the_lineage() -> None:
    world, arn = running(tags=AUTO, **LAUNCHED)
    unpulled(world, arn)
    world.run(5)
    (request,) = world.tasks.requests
    lineage = {each["key"] for each in request.pop("tags")}
    assert lineage == LINEAGE
    assert request.pop("clientToken").startswith("ls-")
    assert request == {
        "cluster": CLUSTER,
        "taskDefinition": world.tasks.described(arn)["taskDefinitionArn"],
        "count": 1,
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-a"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }
        },
        **LAUNCHED,
    }


def test_overrides_are_in_no_event_and_in_no_ledger() -> None:
    world, arn = running(tags=AUTO, **LAUNCHED)
    unpulled(world, arn)
    world.run(5)
    kept = [*world.recipes.kept.values(), *(text for text, _ in world.recoveries.kept.values())]
    told = [str(each.detail) for each in world.publisher.published]
    logged = [str(each.to_log()) for each in world.outcomes]
    assert world.replacements
    assert not any("s3cr3t-value" in text for text in [*kept, *told, *logged])


def test_what_the_runtime_or_ecs_quotes_of_the_overrides_is_in_no_event_and_in_no_ledger() -> None:
    world, arn = running(tags=AUTO, **LAUNCHED)
    world.tasks.refusals = [UnsupportedError("RunTask: ClientException: s3cr3t-value is too many vCPU limit")]
    quoted = 'CannotStartContainerError: exec: "load s3cr3t-value": no such file'
    ended: dict[str, Any] = {"code": "TaskFailedToStart", "reason": "Task failed to start", "exit_code": None}
    world.tasks.end(arn, **ended, started=False, container_reason=quoted)
    world.run(30)
    kept = [text for text, _ in world.recoveries.kept.values()]
    told = [str(each.detail) for each in world.publisher.published]
    assert (world.told, len(kept)) == (["Task Failed", "Task Failed", "Task Replaced"], 1)
    assert not any("s3cr3t-value" in text for text in [*kept, *told])
    assert all("[redacted]" in text for text in [*kept, *told])


def test_the_tags_of_the_task_go_with_it() -> None:
    world = RecoverWorld()
    arn = world.tasks.run(world.tasks.define(tags=AUTO), tags={"team": "data", "aws:ecs:clusterName": "shop"})
    world.run(1)
    unpulled(world, arn)
    world.run(5)
    tags = world.tasks.tags(world.replacements[0])
    assert tags.pop("team") == "data"
    assert tags.keys() == LINEAGE


def test_each_attempt_has_a_token_of_its_own_and_keeps_it() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    unpulled(world, world.replacements[0])
    world.run(20)
    tokens = [each["clientToken"] for each in world.tasks.requests]
    assert len(set(tokens)) == len(tokens) == 2
    again, other = running()
    unpulled(again, other)
    again.run(5)
    assert again.tasks.requests[0]["clientToken"] == tokens[0]


# -- what is done ---------------------------------------------------------------------------------------------------


def test_what_never_started_is_replaced_at_once() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(0)
    assert world.told == ["Task Failed", "Task Replaced"]
    assert len(world.replacements) == 1
    detail = world.detail()
    assert (detail["task"], detail["root_task"]) == (arn, arn)
    assert detail["replacement"] == world.replacements[0]


def test_out_of_memory_is_run_again_with_more() -> None:
    world, arn = running(IDEMPOTENT)
    world.tasks.end(arn, exit_code=137, container_reason=OOM)
    world.run(10)
    assert world.tasks.requests[0]["overrides"]["memory"] == "2048"
    assert world.detail(0)["next"]["changes"] == ["overrides.memory"]
    assert world.detail(0)["class"] == "M1"


def test_a_second_stop_of_spot_goes_on_demand() -> None:
    world, arn = running(IDEMPOTENT, capacityProviderName="FARGATE_SPOT")
    for failing in (arn, None):
        task = failing or alive(world)[0]
        world.tasks.end(task, code="SpotInterruption", reason="Your Spot Task was interrupted.", exit_code=137)
        world.run(10)
    first, second = world.tasks.requests
    assert first["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT"}]
    assert second["launchType"] == "FARGATE"
    assert "capacityProviderStrategy" not in second


def test_what_ran_and_is_not_idempotent_is_told_and_left_alone() -> None:
    world, arn = running()
    log(world, arn, "starting", "no such table: orders")
    world.tasks.end(arn, exit_code=1)
    world.run(30)
    assert world.told == ["Task Failed"]
    assert world.detail()["log"]["lines"] == ["starting", "no such table: orders"]
    assert world.replacements == []
    assert state(world, arn) is RecoveryState.ABANDONED


@pytest.mark.parametrize("tags", [{}, {"longshore:recover": "yes"}, {"longshore:retry": "idempotent"}])
def test_what_did_not_opt_in_is_told_and_not_touched(tags: dict[str, str]) -> None:
    world, arn = running(tags=tags)
    unpulled(world, arn)
    world.run(30)
    assert (world.told, world.reasons) == (["Task Failed"], ["not-opted-in"])
    assert world.tasks.requests == []


def test_a_silenced_family_is_silent() -> None:
    world, arn = running(tags={"longshore:recover": "off"})
    unpulled(world, arn)
    world.run(30)
    assert (world.told, world.tasks.requests) == ([], [])


def test_observing_decides_the_same_and_does_nothing() -> None:
    world, arn = running(IDEMPOTENT, mode=Mode.OBSERVE)
    world.tasks.end(arn, exit_code=137, container_reason=OOM)
    world.run(60)
    detail = world.detail()
    assert world.told == ["Task Failed"]
    assert (detail["verdict"], detail["reason"], detail["would"]) == ("notify", "observe-only", "idempotent")
    assert detail["next"]["what"] == "replace"
    assert detail["next"]["changes"] == ["overrides.memory"]
    assert (world.tasks.requests, list(world.recoveries.open())) == ([], [])


# -- what provokes nothing ------------------------------------------------------------------------------------------

QUIET: dict[str, dict[str, Any]] = {
    "a user's stop": {"code": "UserInitiated", "reason": "Task stopped by user", "exit_code": 143},
    "exit 0": {"exit_code": 0},
    "our own stop": {"code": "UserInitiated", "reason": "longshore: W2 stuck", "exit_code": 137},
}


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_done_about(name: str) -> None:
    world, arn = running(IDEMPOTENT)
    world.tasks.end(arn, **QUIET[name])
    world.run(60)
    assert (world.told, world.tasks.requests, world.recoveries.kept) == ([], [], {})
    assert world.recipes.kept == {}, "the recipe is of no more use"


CHURN = {
    "a scale-in": "Scaling activity initiated by (deployment ecs-svc/1234567890)",
    "a deployment's churn": "Scaling activity initiated by deployment ecs-svc/1234567890",
}


@pytest.mark.parametrize("name", CHURN)
def test_nothing_is_done_about_a_service_in(name: str) -> None:
    world, arn = running(IDEMPOTENT, group="service:web", startedBy="ecs-svc/1234567890")
    world.tasks.end(arn, code="ServiceSchedulerInitiated", reason=CHURN[name], exit_code=143)
    world.run(60)
    assert (world.told, world.tasks.requests, world.recoveries.kept) == ([], [], {})


def test_a_failed_task_of_a_service_is_never_run_again() -> None:
    world, arn = running(IDEMPOTENT, group="service:web", startedBy="ecs-svc/1234567890")
    unpulled(world, arn)
    world.run(60)
    assert world.tasks.requests == []


@pytest.mark.parametrize("started_by", ["AWS Step Functions", "0b7e6c1e-1111-4222-8333-123456789abc"])
def test_what_others_start_again_is_theirs(started_by: str) -> None:
    world, arn = running(IDEMPOTENT, startedBy=started_by)
    unpulled(world, arn)
    world.run(60)
    assert (world.told, world.tasks.requests) == ([], [])


# -- refused launches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "cls"),
    [
        (refusal("RESOURCE:MEMORY"), "C2"),
        (refusal("RESOURCE:CPU"), "C2"),
        (refusal("EMPTY CAPACITY PROVIDER"), "C2"),
        (refusal("AGENT"), "C4"),
        (refusal("Capacity is unavailable at this time. Please try again later"), "C1"),
        (UnsupportedError("RunTask: ClientException: Capacity is unavailable at this time."), "C1"),
        (UnsupportedError("RunTask: ClientException: You've reached the limit on the number of tasks"), "C5"),
    ],
)
def test_a_launch_that_may_succeed_later_is_tried_later(failure: Launch | Exception, cls: str) -> None:
    world, arn = running()
    world.tasks.refusals = [failure]
    unpulled(world, arn)
    world.run(0)
    assert world.replacements == []
    assert world.detail()["class"] == cls
    world.run(60)
    assert world.told == ["Task Failed", "Task Failed", "Task Replaced"]
    assert len(world.replacements) == 1
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert [each.state for each in recovery.attempts] == [AttemptState.REFUSED, AttemptState.LAUNCHED]
    assert [row["class"] for row in world.detail()["attempts"]] == ["P1", cls]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (refusal("ATTRIBUTE", "missing ecs.capability.efs"), "not-mended"),
        (UnsupportedError("RunTask: InvalidParameterException: No Fargate configuration exists"), "launch-rejected"),
        (
            AccessDeniedError("RunTask: AccessDeniedException: not authorized to perform iam:PassRole"),
            "launch-forbidden",
        ),
        (GoneError("RunTask: ClusterNotFoundException: Cluster not found."), "cluster-gone"),
    ],
)
def test_a_launch_that_will_never_succeed_is_refused_once(failure: Launch | Exception, reason: str) -> None:
    world, arn = running()
    world.tasks.refusals = [failure]
    unpulled(world, arn)
    world.run(60)
    world.sweep()
    world.run(60)
    assert world.told == ["Task Failed", "Task Failed", "Task Replacement Refused"]
    assert world.detail()["reason"] == reason
    assert (world.replacements, state(world, arn)) == ([], RecoveryState.REFUSED)


def test_a_throttled_launch_comes_back() -> None:
    world, arn = running()
    world.tasks.refusals = [ThrottledError("Rate exceeded")]
    unpulled(world, arn)
    world.run(60)
    assert len(world.failures) == 1
    assert len(world.replacements) == 1


def test_a_conflict_means_that_it_was_launched_before() -> None:
    """Same token, other parameters: ECS names the task that is there already (recover 3.2)."""
    world, arn = running()
    world.interrupt = lambda step: world.crash_after(0) if step == "FakeTasks.launch after" else None
    unpulled(world, arn)
    world.run(0)
    world.interrupt = lambda step: None
    (child,) = world.replacements
    world.tasks.lose_tags(child)
    world.recipes.put(arn, LaunchRecipe(source="task", launch_type="FARGATE", network=Network(("subnet-b",))))
    world.run(60)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.tasks == (arn, child)
    assert world.told == ["Task Failed", "Task Replaced"]


def test_nothing_is_launched_that_cannot_be_launched_as_it_was() -> None:
    world = RecoverWorld()
    world.sending = False
    arn = world.tasks.run(world.tasks.define(tags=AUTO))
    world.sending = True
    unpulled(world, arn)
    world.run(60)
    assert world.told == ["Task Failed", "Task Replacement Refused"]
    assert world.detail()["reason"] == "network-unknown"
    assert state(world, arn) is RecoveryState.REFUSED


def test_roles_that_may_not_be_passed_are_named_before_ecs_does() -> None:
    members = {"definition": {"taskRoleArn": "arn:aws:iam::123456789012:role/etl"}}
    world, arn = running(passable=("arn:aws:iam::*:role/web",), **members)
    unpulled(world, arn)
    world.run(60)
    assert (world.detail()["reason"], world.tasks.requests) == ("pass-role-not-granted", [])


# -- budgets, the breaker, and giving up ----------------------------------------------------------------------------


def fail_on(world: RecoverWorld, arn: str, times: int = 10) -> None:
    """It fails, and so does every replacement."""
    failing = arn
    for _ in range(times):
        unpulled(world, failing)
        world.run(60)
        if not alive(world):
            return
        failing = alive(world)[0]


def test_what_always_fails_is_given_up_once() -> None:
    world, arn = running()
    fail_on(world, arn)
    world.sweep()
    for each in world.tasks.arns:
        world.send(world.event(each))
    world.run(60)
    assert world.told.count("Task Given Up") == 1
    assert len(world.replacements) == 3
    assert state(world, arn) is RecoveryState.GIVEN_UP
    given_up = world.publisher.of(Kind.TASK_GIVEN_UP)[0].detail
    assert given_up["reason"] == "attempts-spent"
    assert [row["task"] for row in given_up["attempts"]] == world.tasks.arns
    assert world.tasks.arns[0] == given_up["root_task"]


def test_the_budget_of_a_family_makes_it_wait_for_the_next_hour() -> None:
    world, arn = running(policy=RetryPolicy(family_per_hour=1))
    other = world.tasks.run(world.tasks.described(arn)["taskDefinitionArn"])
    world.run(1)
    unpulled(world, arn)
    unpulled(world, other)
    world.run(5)
    assert len(world.replacements) == 1
    assert world.reasons[-1] == "family-budget"
    world.run(60)
    assert len(world.replacements) == 2
    assert world.told.count("Task Failed") == 2


def test_the_budget_of_a_cluster_counts_every_family() -> None:
    world, arn = running(policy=RetryPolicy(cluster_per_hour=1))
    other = world.tasks.run(world.tasks.define("report", AUTO))
    world.run(1)
    unpulled(world, arn)
    unpulled(world, other)
    world.run(5)
    assert (len(world.replacements), world.reasons[-1]) == (1, "cluster-budget")
    world.run(60)
    assert len(world.replacements) == 2


def test_a_duplicate_while_it_waits_is_neither_told_nor_kept_in_mind_again() -> None:
    world, arn = running()
    world.switches.reason = "incident"
    unpulled(world, arn)
    world.run(1)
    for _ in range(3):
        world.send(world.event(arn))
    world.run(1)
    waiting = [each for _, each in world.queue.waiting if each["detail-type"] == "Replacement Due"]
    assert (world.told, len(waiting)) == (["Task Failed"], 1)
    world.switches.reason = None
    world.run(60)
    assert world.told == ["Task Failed", "Task Replaced"]


def test_a_pause_is_waited_for() -> None:
    world, arn = running()
    world.switches.reason = "incident"
    unpulled(world, arn)
    world.run(30)
    assert (world.replacements, world.told) == ([], ["Task Failed"])
    world.switches.reason = None
    world.run(30)
    assert len(world.replacements) == 1


def test_a_pause_between_plan_and_launch_is_heard() -> None:
    world, arn = running(IDEMPOTENT)
    world.tasks.end(arn, exit_code=137, container_reason=OOM)
    world.clock.advance(20)
    world.run(0)
    assert world.recoveries.get(arn) is not None
    world.switches.reason = "incident"
    world.run(30)
    assert world.replacements == []
    world.switches.reason = None
    world.run(30)
    assert len(world.replacements) == 1


def test_a_family_whose_replacements_fail_in_a_row_is_stopped_and_told_once() -> None:
    world, arn = running(policy=RetryPolicy(breaker=BreakerLimits(failures=2, half_open_after=3600 * 5)))
    definition = world.tasks.described(arn)["taskDefinitionArn"]
    fail_on(world, arn)
    assert world.told.count("Crash Loop Opened") == 1
    launched = len(world.replacements)
    told = len(world.told)
    for _ in range(3):
        another = world.tasks.run(definition)
        world.run(1)
        unpulled(world, another)
        world.run(5)
    assert len(world.replacements) == launched
    assert len(world.told) == told
    assert world.reasons[-1] == "breaker-open"


def test_what_was_told_of_gets_a_last_word_where_the_family_is_stopped() -> None:
    world, arn = running(policy=RetryPolicy(breaker=BreakerLimits(failures=2, half_open_after=3600 * 5)))
    other = world.tasks.run(world.tasks.described(arn)["taskDefinitionArn"])
    world.run(1)
    unpulled(world, other)
    world.run(5)
    fail_on(world, arn)
    ends = world.publisher.of(Kind.TASK_GIVEN_UP)
    assert sorted(each.detail["root_task"] for each in ends) == sorted([arn, other])
    assert {each.detail["reason"] for each in ends} == {"breaker-open"}
    assert world.told.count("Crash Loop Opened") == 1


def test_what_ecs_is_throttled_for_is_asked_again_later() -> None:
    world, arn = running()
    text = "Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)"
    world.tasks.refusals = [UnsupportedError(f"RunTask: InvalidParameterException: {text}")]
    unpulled(world, arn)
    world.run(0)
    assert world.replacements == []
    world.run(60)
    assert world.told == ["Task Failed", "Task Failed", "Task Replaced"]
    assert world.detail(1)["class"] == "C5"


def test_a_launch_that_one_instance_may_take_later_is_made_again() -> None:
    world, arn = running()
    failures = (LaunchFailure("ATTRIBUTE"), LaunchFailure("AGENT"), LaunchFailure("RESOURCE:MEMORY"))
    world.tasks.refusals = [Launch(failures=failures)]
    unpulled(world, arn)
    world.run(60)
    assert len(world.replacements) == 1
    assert world.detail(1)["class"] in ("C4", "C2")


def test_a_launch_that_ecs_refuses_is_no_failure_of_the_family() -> None:
    """Want of capacity says nothing about the application."""
    world, arn = running(policy=RetryPolicy(breaker=BreakerLimits(failures=2)))
    unpulled(world, arn)
    world.run(5)
    world.tasks.refusals = [refusal("RESOURCE:MEMORY"), refusal("RESOURCE:MEMORY")]
    unpulled(world, world.replacements[0])
    world.run(60)
    assert len(world.replacements) == 2
    assert "Crash Loop Opened" not in world.told


def test_a_family_that_is_well_again_is_told() -> None:
    tags = {**AUTO, "longshore:team": "data", "longshore:channel": "ops"}
    world, arn = running(tags, policy=RetryPolicy(breaker=BreakerLimits(failures=2)))
    definition = world.tasks.described(arn)["taskDefinitionArn"]
    fail_on(world, arn)
    world.tasks.end(world.tasks.run(definition), exit_code=0)
    world.run(5)
    assert world.told[-1] == "Crash Loop Resolved"
    opened = world.publisher.of(Kind.CRASH_LOOP_OPENED)[0].detail
    members = ("family", "cluster", "team", "channel")
    assert [world.detail()[name] for name in members] == [opened[name] for name in members]
    assert [world.detail()[name] for name in members] == ["etl", "shop", "data", "ops"]


# -- order, duplicates, forgery -------------------------------------------------------------------------------------


def test_duplicates_and_old_events_change_nothing() -> None:
    world, arn = running()
    running_event = world.event(arn)
    unpulled(world, arn)
    world.run(5)
    for _ in range(3):
        world.send(world.event(arn))
        world.send(running_event)
        world.send(world.event(arn, version=1))
    world.run(60)
    assert len(world.replacements) == 1
    assert world.told == ["Task Failed", "Task Replaced"]


def test_an_old_event_of_a_task_that_has_stopped_does_nothing() -> None:
    world, arn = running()
    old = world.event(arn)
    world.sending = False
    unpulled(world, arn)
    world.send(old)
    world.run(5)
    assert (world.outcomes, world.tasks.requests, world.recoveries.kept) == ([], [], {})


def test_a_forged_stop_does_nothing() -> None:
    world, arn = running()
    forged = world.event(arn, lastStatus="STOPPED", desiredStatus="STOPPED", stopCode="TaskFailedToStart", version=99)
    forged["detail"].pop("startedAt")
    world.send(forged)
    world.run(60)
    assert (world.told, world.reasons, world.tasks.requests) == ([], ["not-final"], [])


def test_a_forged_task_does_nothing() -> None:
    world, arn = running()
    unpulled(world, arn)
    forged = world.event(arn, taskArn=arn[:-4] + "beef")
    world.sending = False
    world.send(forged)
    world.run(0)
    assert world.reasons.count("task-gone") == 1
    assert world.told == ["Task Failed", "Task Replaced"]


def test_forged_overrides_and_groups_are_not_believed() -> None:
    world, arn = running()
    world.sending = False
    unpulled(world, arn)
    world.send(world.event(arn, overrides={"containerOverrides": [{"name": "app", "command": ["evil"]}]}, group="evil"))
    world.run(5)
    (request,) = world.tasks.requests
    assert "evil" not in str(request)


def test_tags_that_name_a_root_are_not_believed_without_the_ledger() -> None:
    """Whoever copies a replacement's tags to a task of their own gets a recovery of its own."""
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    copied = world.tasks.run(
        world.tasks.described(arn)["taskDefinitionArn"], tags=world.tasks.tags(world.replacements[0])
    )
    world.run(1)
    unpulled(world, copied)
    world.run(5)
    first, own = world.recoveries.get(arn), world.recoveries.get(copied)
    assert first is not None
    assert own is not None
    assert copied not in first.tasks


# -- lineage --------------------------------------------------------------------------------------------------------


def test_a_replacement_that_fails_goes_on_with_the_recovery() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    unpulled(world, world.replacements[0])
    world.run(20)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.tasks == (arn, *world.replacements)
    assert len(world.replacements) == 2
    assert {each.detail["root_task"] for each in world.publisher.published} == {arn}
    assert world.tasks.tags(world.replacements[1])["longshore:parent-task"] == world.replacements[0]


def test_the_lineage_needs_no_tags() -> None:
    """Accounts with short ARNs cannot tag tasks: the ledger knows (recover 3.2)."""
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    (child,) = world.replacements
    world.tasks.lose_tags(child)
    unpulled(world, child)
    world.run(20)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert len(recovery.attempts) == 2


def lost_answer() -> tuple[RecoverWorld, str]:
    """The process ended before it recorded what RunTask answered."""
    world, arn = running()
    world.interrupt = lambda step: world.crash_after(0) if step == "FakeTasks.launch after" else None
    unpulled(world, arn)
    world.run(0)
    world.interrupt = lambda step: None
    assert len(world.failures) == len(world.replacements) == 1
    return world, arn


def test_a_replacement_that_fails_before_its_launch_was_recorded_is_known_by_its_tags() -> None:
    world, arn = lost_answer()
    unpulled(world, world.replacements[0])
    world.run(5)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert recovery.tasks[:2] == (arn, world.replacements[0])
    assert [each.parent for each in recovery.attempts] == [arn, world.replacements[0]]
    world.run(60)
    assert len(world.replacements) == 2
    assert world.recoveries.get(world.replacements[0]) is None


@pytest.mark.parametrize("tag", ["longshore:attempt", "longshore:parent-task"])
def test_tags_that_do_not_fit_what_was_planned_are_somebody_elses(tag: str) -> None:
    world, arn = lost_answer()
    tags = {**world.tasks.tags(world.replacements[0]), tag: "9"}
    copied = world.tasks.run(world.tasks.described(arn)["taskDefinitionArn"], tags=tags)
    world.run(1)
    unpulled(world, copied)
    world.run(1)
    recovery = world.recoveries.get(arn)
    assert recovery is not None
    assert copied not in recovery.tasks


def test_a_replacement_that_ends_well_ends_the_recovery() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    world.tasks.end(world.replacements[0], exit_code=0)
    world.run(5)
    assert state(world, arn) is RecoveryState.SUCCEEDED
    assert world.told == ["Task Failed", "Task Replaced"]


def test_a_replacement_that_somebody_stops_is_left_alone() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    world.tasks.end(world.replacements[0], code="UserInitiated", reason="enough", exit_code=143)
    world.run(60)
    assert state(world, arn) is RecoveryState.ABANDONED
    assert len(world.replacements) == 1


def test_a_replacement_that_runs_for_long_ends_the_recovery_until_it_fails() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(15)
    world.sweep()
    world.run(1)
    assert state(world, arn) is RecoveryState.SUCCEEDED
    (child,) = world.replacements
    unpulled(world, child)
    world.run(5)
    assert state(world, child) is None
    assert state(world, arn) is RecoveryState.OPEN
    assert len(world.replacements) == 2


def test_a_replacement_whose_end_was_missed_is_found_by_the_sweep() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    world.sending = False
    unpulled(world, world.replacements[0])
    world.sending = True
    world.sweep()
    world.run(30)
    assert len(world.replacements) == 2


def test_a_replacement_that_ecs_forgot_is_given_up() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(5)
    world.sending = False
    (child,) = world.replacements
    world.tasks.forget(child)
    world.sweep()
    world.run(5)
    assert world.told[-2:] == ["Task Failed", "Task Given Up"]
    assert world.detail()["reason"] == "task-gone"
    assert list(world.recoveries.open()) == []


def test_a_task_that_ecs_forgot_before_its_launch_is_refused() -> None:
    world, arn = running()
    world.switches.reason = "incident"
    unpulled(world, arn)
    world.run(3)
    world.tasks.forget(arn)
    world.switches.reason = None
    world.run(30)
    assert world.told[-1] == "Task Replacement Refused"
    assert world.detail()["reason"] == "task-gone"


def test_one_recovery_that_fails_keeps_none_of_the_others_from_the_sweep() -> None:
    world, arn = running()
    other = world.tasks.run(world.tasks.described(arn)["taskDefinitionArn"])
    world.run(1)
    for each in (arn, other):
        unpulled(world, each)
    world.tasks.refusals = [ThrottledError("slow down"), ThrottledError("slow down"), ThrottledError("slow down")]
    world.run(0)
    world.sweep()
    world.run(0)
    assert len(world.replacements) == 1
    world.run(60)
    assert len(world.replacements) == 2


def test_opting_out_between_plan_and_launch_is_heard() -> None:
    world, arn = running(IDEMPOTENT)
    world.tasks.end(arn, exit_code=137, container_reason=OOM)
    world.clock.advance(20)
    world.run(0)
    world.tasks.retag(world.tasks.described(arn)["taskDefinitionArn"], {"longshore:recover": "off"})
    world.run(60)
    assert (world.replacements, state(world, arn)) == ([], RecoveryState.ABANDONED)


def test_observing_between_plan_and_launch_is_heard() -> None:
    world, arn = running(IDEMPOTENT)
    world.tasks.end(arn, exit_code=137, container_reason=OOM)
    world.clock.advance(20)
    world.run(0)
    object.__setattr__(world.rules, "mode", Mode.OBSERVE)
    world.run(60)
    assert world.replacements == []
    assert list(world.recoveries.open()) == []


# -- while it lives -------------------------------------------------------------------------------------------------

STUCK = Diagnosis(Owner.STANDALONE, "W6", "unhealthy", Remedy.STOP, "stuck")
RETIRED = Diagnosis(Owner.STANDALONE, "I2", "Fargate maintenance", Remedy.REPLACE, "retirement")


def sweeping(world: RecoverWorld) -> Message:
    message = Message.parse(world.envelope("Sweep Due", {}))
    assert isinstance(message.fact, SweepDue)
    return message


def replace(world: RecoverWorld, arn: str, diagnosis: Diagnosis) -> None:
    task = world.tasks.get(CLUSTER, arn)
    assert task is not None
    world.recoverer.replacer.replace(sweeping(world), task, diagnosis)


def test_a_stuck_task_is_stopped_and_then_replaced() -> None:
    world, arn = running(IDEMPOTENT)
    replace(world, arn, STUCK)
    assert world.tasks.described(arn)["stoppedReason"].startswith("longshore: W6")
    assert world.tasks.requests == []
    world.run(10)
    assert len(world.replacements) == 1
    assert world.told == ["Task Failed", "Task Replaced"]


def test_a_stuck_task_is_stopped_and_replaced_whatever_is_repeated() -> None:
    world, arn = running(IDEMPOTENT)
    replace(world, arn, STUCK)
    replace(world, arn, STUCK)
    world.sweep()
    world.run(10)
    world.sweep()
    world.run(10)
    assert len(world.replacements) == 1


def test_a_pause_is_heard_after_our_own_stop() -> None:
    world, arn = running(IDEMPOTENT)
    replace(world, arn, STUCK)
    world.switches.reason = "incident"
    world.run(10)
    assert world.replacements == []
    world.switches.reason = None
    world.run(10)
    assert len(world.replacements) == 1


def test_the_tags_that_a_stop_deletes_are_still_known() -> None:
    world = RecoverWorld()
    arn = world.tasks.run(world.tasks.define(tags=IDEMPOTENT), tags={"team": "data"})
    world.run(1)
    replace(world, arn, STUCK)
    assert world.tasks.tags(arn) == {}
    world.run(10)
    assert world.tasks.tags(world.replacements[0])["team"] == "data"


def test_a_task_that_is_to_be_retired_is_replaced_before() -> None:
    world, arn = running(IDEMPOTENT)
    replace(world, arn, RETIRED)
    assert len(world.replacements) == 1
    assert "stoppedAt" not in world.tasks.described(arn)
    world.tasks.end(arn, code="TerminationNotice", reason="performing maintenance on the underlying infrastructure")
    world.run(30)
    assert len(world.replacements) == 1


def test_spot_notice_replaces_only_what_may_run_twice() -> None:
    for tags, ahead in ((IDEMPOTENT, 1), (AUTO, 0)):
        world, arn = running(tags, capacityProviderName="FARGATE_SPOT")
        world.tasks.notice(arn)
        world.run(1)
        assert len(world.replacements) == ahead


# -- what is told ---------------------------------------------------------------------------------------------------


def test_the_last_lines_are_waited_for_once() -> None:
    world, arn = running()
    world.tasks.end(arn, exit_code=1)
    world.run(0)
    assert world.told == []
    log(world, arn, "password=hunter2hunter2", "boom")
    world.run(timedelta(seconds=9) / timedelta(minutes=1))
    assert world.told == ["Task Failed"]
    assert world.detail()["log"]["lines"][-1] == "boom"
    assert "hunter2hunter2" not in str(world.detail())


def test_lines_that_never_come_are_not_waited_for_again() -> None:
    world, arn = running()
    world.tasks.end(arn, exit_code=1)
    world.run(timedelta(seconds=9) / timedelta(minutes=1))
    assert world.told == ["Task Failed"]
    assert world.detail()["log"]["note"].startswith("the log stream does not exist")


def test_what_never_ran_has_no_lines_to_wait_for() -> None:
    world, arn = running()
    unpulled(world, arn)
    world.run(0)
    assert world.told == ["Task Failed", "Task Replaced"]


def test_the_team_and_the_channel_of_the_definition_are_told() -> None:
    world, arn = running(tags={**AUTO, "longshore:team": "data", "longshore:channel": "data-ops"})
    unpulled(world, arn)
    world.run(1)
    for number in range(2):
        assert (world.detail(number)["team"], world.detail(number)["channel"]) == ("data", "data-ops")


SHARED = {
    "workload", "task", "root_task", "family", "cluster", "owner", "class", "name", "remedy", "verdict", "reason",
    "evidence", "hint", "container", "exit_code", "attempt", "attempts", "log", "team", "channel", "mode",
}  # fmt: skip


def test_every_event_of_a_task_has_the_shared_members() -> None:
    world, arn = running()
    fail_on(world, arn)
    assert {"Task Failed", "Task Replaced", "Task Given Up"} <= set(world.told)
    for each in world.publisher.published:
        assert SHARED - {"attempt", "attempts"} <= each.detail.keys(), each.kind
        assert each.correlation
