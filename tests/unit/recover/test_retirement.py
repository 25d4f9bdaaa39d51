"""Fargate's retirement: announced once, requested in time, handed over from the old task to the new (recover 5 O5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longshore.recover.recovery import RecoveryState
from longshore.recover.retirement_decision import parse_thing
from longshore.recover.retry import RetryPolicy
from longshore.settings import Mode
from tests.fake_tasks import ACCOUNT, ARN, CLUSTER, REGION
from tests.platform_world import PlatformWorld
from tests.recover_world import AUTO, IDEMPOTENT

DAY = 24 * 60
CHECKED = [{"name": "app", "image": "shop/app:1", "essential": True, "healthCheck": {"command": ["CMD", "true"]}}]


def world_with_task(tags: dict[str, str] | None = None, **members: Any) -> tuple[PlatformWorld, str]:
    options = {name: members.pop(name) for name in ("mode", "policy") if name in members}
    definition = members.pop("definition", {})
    world = PlatformWorld(**options)
    arn = world.tasks.run(world.tasks.define(tags=IDEMPOTENT if tags is None else tags, **definition), **members)
    world.run(1)
    world.outcomes.clear()
    return world, arn


# -- what is named --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "arn"),
    [
        ("shop | web", f"{ARN}:service/shop/web"),
        ("shop/web", f"{ARN}:service/shop/web"),
        (" shop|web ", f"{ARN}:service/shop/web"),
        (f"{ARN}:service/shop/web", f"{ARN}:service/shop/web"),
        (f"{ARN}:task/shop/00805ce1d81940b5a37398e5a2c23333", f"{ARN}:task/shop/00805ce1d81940b5a37398e5a2c23333"),
    ],
)
def test_both_spellings_of_a_service_and_arns_are_read(text: str, arn: str) -> None:
    thing = parse_thing(text, ACCOUNT, REGION)
    assert thing is not None
    assert (thing.arn, thing.cluster) == (arn, CLUSTER)
    assert thing.is_task == (":task/" in arn)


@pytest.mark.parametrize(
    "text",
    [
        "web",
        "",
        "a | b | c",
        "a/b/c",
        "shop | we b",
        f"{ARN}:task/00805ce1d81940b5a37398e5a2c23333",
        f"{ARN}:cluster/shop",
        "arn:aws:ecs:us-east-1:123456789012:service/shop/web",
        "arn:aws:ecs:eu-west-1:210987654321:service/shop/web",
        "arn:aws:lambda:eu-west-1:123456789012:function:web",
    ],
)
def test_what_names_nothing_of_this_account_and_region_is_left(text: str) -> None:
    assert parse_thing(text, ACCOUNT, REGION) is None


def test_another_partition_is_taken_from_the_event() -> None:
    thing = parse_thing("shop | web", ACCOUNT, "cn-north-1", "aws-cn")
    assert thing is not None
    assert thing.arn == f"arn:aws-cn:ecs:cn-north-1:{ACCOUNT}:service/shop/web"


# -- services -------------------------------------------------------------------------------------------------------


def test_a_service_is_announced_at_once_and_requested_a_day_before() -> None:
    world = PlatformWorld()
    service = world.service()
    world.send(world.health_notice("shop | web"))
    world.run(5 * DAY)
    assert world.told == ["Retirement Announced"]
    told = world.publisher.published[0]
    assert told.resources == (service.arn,)
    assert (told.detail["class"], told.detail["verdict"]) == ("I2", "redeploy")
    assert told.detail["due"] == "2026-11-30T09:00:00+00:00"
    assert told.detail["next"] == {"at": "2026-11-29T09:00:00+00:00", "what": "redeploy"}
    world.run(2 * DAY)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]
    asked = world.publisher.published[1].detail
    assert (asked["workload"], asked["reason"]) == (service.arn, "retirement")
    assert asked["correlation"] == told.correlation


def test_repeated_notices_are_one_announcement_and_one_request() -> None:
    world = PlatformWorld()
    world.service()
    event = world.health_notice("shop | web")
    for _ in range(3):
        world.send(event)
    world.run(60)
    world.send({**event, "id": "another"})
    world.run(8 * DAY)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]


def test_two_reminders_are_one_request() -> None:
    world = PlatformWorld()
    service = world.service()
    for _ in range(3):
        world.send(world.envelope("Retirement Due", {"thing": service.arn, "at": "2026-11-24T09:00:00+00:00"}))
    world.run(1)
    assert world.told == ["Redeploy Requested"]


def test_another_date_is_news() -> None:
    world = PlatformWorld()
    world.service()
    world.send(world.health_notice("shop | web", days=7))
    world.send(world.health_notice("shop/web", days=9))
    world.run(1)
    assert world.told == ["Retirement Announced"] * 2


def test_a_retirement_that_is_near_is_acted_on_at_once() -> None:
    world = PlatformWorld()
    world.service()
    world.send(world.health_notice("shop | web", days=0.5))
    world.run(1)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]


def test_what_was_deployed_since_needs_nothing() -> None:
    world = PlatformWorld()
    service = world.service()
    world.send(world.health_notice("shop | web"))
    world.run(DAY)
    world.services.known[CLUSTER, "web"] = service._replace(deployed=world.clock.now())
    world.run(8 * DAY)
    assert world.told == ["Retirement Announced"]
    assert world.reasons[-1] == "moved-already"


def test_a_deployment_before_the_announcement_helps_nothing() -> None:
    world = PlatformWorld()
    world.service(deployed=world.clock.now() - timedelta(hours=1))
    world.send(world.health_notice("shop | web"))
    world.run(8 * DAY)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]


@pytest.mark.parametrize(
    ("members", "mode", "reason"),
    [
        ({"controller": "CODE_DEPLOY"}, Mode.AUTO, "owned-elsewhere"),
        ({"controller": "EXTERNAL"}, Mode.AUTO, "owned-elsewhere"),
        ({"tags": {}}, Mode.AUTO, "not-opted-in"),
        ({}, Mode.OBSERVE, "observe-only"),
    ],
)
def test_what_is_only_told(members: dict[str, Any], mode: Mode, reason: str) -> None:
    world = PlatformWorld(mode=mode)
    world.service(**members)
    world.send(world.health_notice("shop | web"))
    world.run(8 * DAY)
    assert world.told == ["Retirement Announced"]
    assert (world.detail()["verdict"], world.detail()["reason"]) == ("notify", reason)


def test_the_task_definition_opts_a_service_in_too_and_off_wins() -> None:
    world = PlatformWorld()
    service = world.service(tags={}, definition=world.tasks.define("api", AUTO))
    world.send(world.health_notice("shop | web"))
    world.run(7 * DAY)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]
    world.services.known[CLUSTER, "web"] = service._replace(tags={"longshore:recover": "off"})
    world.send(world.health_notice("shop | web", days=10))
    world.run(11 * DAY)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]


def test_who_opts_in_until_then_is_heard() -> None:
    world = PlatformWorld()
    service = world.service(tags={})
    world.send(world.health_notice("shop | web"))
    world.run(DAY)
    world.services.known[CLUSTER, "web"] = service._replace(tags=AUTO)
    world.run(7 * DAY)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]


def test_a_pause_puts_the_request_off() -> None:
    world = PlatformWorld()
    world.service()
    world.send(world.health_notice("shop | web"))
    world.switches.reason = "maintenance"
    world.run(6 * DAY + 60)
    assert world.told == ["Retirement Announced"]
    world.switches.reason = None
    world.run(60)
    assert world.told == ["Retirement Announced", "Redeploy Requested"]


@pytest.mark.parametrize(
    "detail", [{"statusCode": "closed"}, {"statusCode": "completed"}, {"eventRegion": "us-east-1"}]
)
def test_what_is_over_or_of_another_region_is_left(detail: dict[str, Any]) -> None:
    world = PlatformWorld()
    world.service()
    world.send(world.health_notice("shop | web", **detail))
    world.run(8 * DAY)
    assert world.told == []


def test_a_forged_notice_of_a_service_that_ecs_does_not_know_does_nothing() -> None:
    world = PlatformWorld()
    world.send(world.health_notice("shop | nothing", "no thing", f"{ARN}:task/shop/{'f' * 32}"))
    world.run(8 * DAY)
    assert world.told == []
    assert set(world.reasons) == {"gone"}


def test_one_thing_that_fails_keeps_none_of_the_others() -> None:
    world = PlatformWorld()
    world.service("web")
    world.service("api")
    world.crash_at = None
    calls: list[str] = []

    def fail_first(step: str) -> None:
        if step == "FakeServices.get before":
            calls.append(step)
            if len(calls) == 1:
                raise ValueError("first")

    world.interrupt = fail_first
    with pytest.raises(ValueError, match="first"):
        world.deliver(world.health_notice("shop | web", "shop | api"))
    assert [each.resources for each in world.publisher.published] == [(f"{ARN}:service/shop/api",)]


# -- tasks ----------------------------------------------------------------------------------------------------------


def test_a_task_is_handed_over_to_its_replacement() -> None:
    world, old = world_with_task()
    world.send(world.health_notice(old))
    world.run(5 * DAY)
    assert world.told == ["Retirement Announced"]
    assert (world.detail()["task"], world.detail()["verdict"]) == (old, "replace")
    world.run(DAY + 10)
    assert world.told == ["Retirement Announced", "Task Failed", "Task Replaced"]
    assert len(world.replacements) == 1
    stopped = world.tasks.described(old)
    assert (stopped["lastStatus"], stopped["stoppedReason"]) == ("STOPPED", "longshore: retirement")
    recovery = world.recoveries.get(old)
    assert recovery is not None
    assert recovery.state is RecoveryState.SUCCEEDED
    world.run(3 * DAY)
    assert len(world.replacements) == 1
    assert world.queue.waiting == []


def test_the_old_task_runs_until_the_new_one_does() -> None:
    world, old = world_with_task(definition={"containerDefinitions": CHECKED})
    world.send(world.health_notice(old, days=1))
    world.run(30)
    assert len(world.replacements) == 1
    assert world.tasks.described(old)["lastStatus"] == "RUNNING"
    world.tasks.become(world.replacements[0], healthStatus="UNHEALTHY")
    world.run(30)
    assert world.tasks.described(old)["lastStatus"] == "RUNNING"
    world.tasks.become(world.replacements[0], healthStatus="HEALTHY")
    world.run(2)
    assert world.tasks.described(old)["lastStatus"] == "STOPPED"


def test_a_replacement_that_fails_is_tried_again_before_the_old_one_is_stopped() -> None:
    world, old = world_with_task(definition={"containerDefinitions": CHECKED})
    world.send(world.health_notice(old, days=1))
    world.run(2)
    world.tasks.end(
        world.replacements[0],
        code="TaskFailedToStart",
        reason="Timeout waiting for network interface provisioning to complete.",
        exit_code=None,
        started=False,
    )
    world.run(30)
    assert len(world.replacements) == 2
    assert world.tasks.described(old)["lastStatus"] == "RUNNING"
    world.tasks.become(world.replacements[1], healthStatus="HEALTHY")
    world.run(2)
    assert world.tasks.described(old)["lastStatus"] == "STOPPED"
    world.run(60)
    assert len(world.replacements) == 2


def test_what_befalls_the_replacement_later_goes_on_with_its_attempts() -> None:
    world, old = world_with_task()
    world.send(world.health_notice(old, days=1))
    world.run(30)
    new = world.replacements[0]
    world.tasks.end(new, exit_code=137, container_reason="OutOfMemoryError: Container killed due to memory usage")
    world.run(60)
    assert len(world.replacements) == 2
    assert world.tasks.tags(world.replacements[1])["longshore:root-task"] == old
    assert world.tasks.tags(world.replacements[1])["longshore:attempt"] == "2"


@pytest.mark.parametrize("hours", [4, 10 * 24], ids=["lately", "long-ago"])
def test_what_replaced_a_task_before_is_retired_too(hours: int) -> None:
    world, old = world_with_task()
    world.tasks.end(old, code="SpotInterruption", reason="Your Spot Task was interrupted.", exit_code=137)
    world.run(60)
    world.sweep()
    world.run(hours * 60)
    (worker,) = world.replacements
    world.send(world.health_notice(worker, days=1))
    world.run(30)
    assert len(world.replacements) == 2
    assert world.tasks.described(worker)["stoppedReason"] == "longshore: retirement"
    world.run(2 * DAY)
    assert len(world.replacements) == 2
    assert world.queue.waiting == []


@pytest.mark.parametrize(
    ("tags", "members", "mode", "reason"),
    [
        (AUTO, {}, Mode.AUTO, "not-idempotent"),
        ({"longshore:retry": "idempotent"}, {}, Mode.AUTO, "not-opted-in"),
        (IDEMPOTENT, {"group": "service:web", "startedBy": "ecs-svc/1"}, Mode.AUTO, "owned-elsewhere"),
        (IDEMPOTENT, {"startedBy": "AWS Step Functions"}, Mode.AUTO, "owned-elsewhere"),
        (IDEMPOTENT, {}, Mode.OBSERVE, "observe-only"),
    ],
)
def test_tasks_that_are_only_told(tags: dict[str, str], members: dict[str, Any], mode: Mode, reason: str) -> None:
    world, old = world_with_task(tags, mode=mode, **members)
    world.send(world.health_notice(old))
    world.run(8 * DAY)
    assert world.told == ["Retirement Announced"]
    assert world.detail()["reason"] == reason
    assert world.replacements == []
    assert world.tasks.described(old)["lastStatus"] == "RUNNING"


def test_a_task_that_ended_by_itself_is_not_replaced() -> None:
    world, old = world_with_task()
    world.send(world.health_notice(old))
    world.run(DAY)
    world.tasks.end(old, exit_code=0)
    world.run(8 * DAY)
    assert world.told == ["Retirement Announced"]
    assert world.replacements == []


def test_two_reminders_hand_over_once() -> None:
    world, old = world_with_task()
    world.send(world.health_notice(old, days=1))
    detail = {"thing": old, "at": "2026-11-24T09:01:00+00:00"}
    for _ in range(3):
        world.send(world.envelope("Retirement Due", detail))
    world.run(30)
    assert len(world.replacements) == 1
    assert world.tasks.described(old)["stoppedReason"] == "longshore: retirement"
    world.run(2 * DAY)
    assert world.queue.waiting == []


def test_a_family_whose_budget_is_spent_is_replaced_in_the_next_hour() -> None:
    world, old = world_with_task(policy=RetryPolicy(family_per_hour=0))
    world.send(world.health_notice(old, days=1))
    world.run(90)
    assert world.replacements == []
    recovery = world.recoveries.get(old)
    assert recovery is not None
    assert recovery.state is RecoveryState.OPEN
    world.tasks.end(
        old, code="", reason="ECS is performing maintenance on the underlying infrastructure", exit_code=137
    )
    world.run(1)
    recovery = world.recoveries.get(old)
    assert recovery is not None
    assert recovery.state is RecoveryState.OPEN


def test_a_replacement_that_is_refused_ends_the_matter() -> None:
    world, old = world_with_task()
    world.send(world.health_notice(old, days=2))
    world.run(60)
    definition = world.tasks.described(old)["taskDefinitionArn"]
    world.tasks.definition(definition)[0]["status"] = "INACTIVE"  # type: ignore[index]
    world.run(3 * DAY)
    assert world.replacements == []
    assert world.told == ["Retirement Announced", "Task Failed", "Task Replacement Refused"]
    assert world.reasons.count("outdated") == 1
    assert world.queue.waiting == []
