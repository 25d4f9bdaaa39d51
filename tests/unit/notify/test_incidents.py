"""Incidents: a trouble of a service has its own thread, who heard of one hears of its end, no alert outlives its cause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from longshore.errors import UpstreamError
from longshore.notify.messages import DESTINATION
from tests.notify_world import HOOK, OPS, SECRET, WEB, NotifyWorld

PAGER = {"type": "pagerduty", "secret": f"{SECRET}-pd"}
CHANNELS = {"ops": OPS, "teams": HOOK, "pager": PAGER}
PAGED: list[dict[str, Any]] = [{"match": {"severity": ">=error"}, "to": ["pager"], "continue": True}, {"to": ["ops"]}]
LOOP = {"verdict": "notify", "reason": "notify-only", "class": "G4", "name": "crash loop", "count": 3}
WELL = {**LOOP, "verdict": "none", "reason": "steady"}
TASK = "arn:aws:ecs:eu-west-1:123456789012:task/prod/aaa"
FAILURE: dict[str, Any] = {"workload": None, "task": TASK, "root_task": TASK, "family": "etl", "verdict": "replace"}


def alerts(world: NotifyWorld) -> list[str]:
    bodies = [message.rendered.body for message in world["pager"].messages.values()]
    found = [body.get("alert") for body in bodies if isinstance(body, dict)]
    return [str(each["event_action"]) for each in found if isinstance(each, dict)]


def headlines(world: NotifyWorld, name: str) -> list[str]:
    return [message.rendered.text.splitlines()[0] for message in world[name].messages.values()]


def later(world: NotifyWorld, **span: float) -> None:
    world.clock.advance_to(world.clock.now() + timedelta(**span))


# -- troubles of services -------------------------------------------------------------------------------------------


def test_the_end_of_a_crash_loop_is_told_in_its_own_thread_whatever_is_deployed() -> None:
    world = NotifyWorld(CHANNELS)
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.run()
    later(world, minutes=20)
    world.publish("Deployment Started")
    world.run()
    world.publish("Crash Loop Resolved", correlation="loop-1", **WELL)
    world.run()
    assert headlines(world, "ops")[0].startswith("✅")
    assert alerts(world) == ["trigger", "resolve"]
    later(world, hours=3)
    before = {name: len(world[name].messages) for name in CHANNELS}
    world.publish("Crash Loop Opened", correlation="loop-2", **LOOP)
    world.run()
    assert {name: len(world[name].messages) - before[name] for name in CHANNELS} == dict.fromkeys(CHANNELS, 1)


def test_a_crash_loop_during_a_deployment_is_told_everywhere() -> None:
    world = NotifyWorld(CHANNELS)
    world.publish("Deployment Started")
    world.run()
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.run()
    assert {name: len(world[name].messages) for name in CHANNELS} == dict.fromkeys(CHANNELS, 2)
    assert alerts(world) == ["trigger"]


# -- who heard of it ------------------------------------------------------------------------------------------------


def test_a_recovery_goes_where_its_alert_went_though_the_route_asks_for_errors() -> None:
    world = NotifyWorld(CHANNELS, PAGED)
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.publish("Crash Loop Resolved", correlation="loop-1", **WELL)
    world.run()
    assert alerts(world)[-1] == "resolve"


def test_the_next_good_push_resolves_what_the_one_before_left_open_and_the_one_after_says_nothing() -> None:
    world = NotifyWorld(CHANNELS, PAGED)
    world.publish("Deployment Failed", reason="alarms")
    world.run()
    for push in ("push-2", "push-3"):
        later(world, minutes=9)
        world.publish("Deployment Started", correlation=push)
        world.publish("Deployment Succeeded", correlation=push)
        world.run()
    assert alerts(world) == ["trigger", "resolve"]
    assert world.threads.opened(f"deployment/{WEB}", world.clock.now()) == {}


def test_a_completed_rollback_resolves_the_alert_of_what_failed() -> None:
    world = NotifyWorld(CHANNELS, PAGED)
    world.publish("Deployment Failed", reason="alarms")
    world.run()
    for kind in ("Deployment Started", "Deployment Succeeded"):
        world.publish(kind, rollback=True)
        world.run()
    assert alerts(world) == ["trigger", "resolve"]


def test_what_is_superseded_resolves_nothing() -> None:
    world = NotifyWorld(CHANNELS, PAGED)
    world.publish("Deployment Failed", reason="alarms")
    world.publish("Deployment Superseded", correlation="push-2")
    world.run()
    assert alerts(world) == ["trigger"]


def test_a_message_of_a_channel_for_errors_is_edited_when_all_is_well() -> None:
    routes: list[dict[str, Any]] = [{"match": {"severity": ">=error"}, "to": ["ops"]}, {"to": ["teams"]}]
    world = NotifyWorld(CHANNELS, routes)
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.run()
    world.publish("Crash Loop Resolved", correlation="loop-1", **WELL)
    world.run()
    (headline,) = headlines(world, "ops")
    assert headline.startswith("✅")
    assert world["ops"].messages["1"].rendered.text
    world.publish("Deployment Succeeded")
    world.run()
    assert len(world["ops"].messages) == 1, "it heard of no trouble of this deployment"


def test_who_muted_good_news_gets_none() -> None:
    routes: list[dict[str, Any]] = [{"match": {"kind": "crash-loop-resolved"}, "mute": True}, *PAGED]
    world = NotifyWorld(CHANNELS, routes)
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.publish("Crash Loop Resolved", correlation="loop-1", **WELL)
    world.run()
    assert alerts(world) == ["trigger"]


def test_without_channels_the_fallback_hears_of_the_end_as_well() -> None:
    world = NotifyWorld({})
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.run()
    world.publish("Crash Loop Resolved", correlation="loop-1", **WELL)
    world.publish("Deployment Succeeded")
    world.run()
    assert [each.split()[0] for each in headlines(world, "fallback")] == ["🔴", "✅"]


def test_observed_it_is_said_who_would_hear() -> None:
    world = NotifyWorld(CHANNELS, PAGED)
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.run()
    world._observe = True
    world.publish("Crash Loop Resolved", correlation="loop-1", **WELL)
    world.run()
    assert world.outcomes[-1].detail["would"] == ["ops", "pager"]


@pytest.mark.parametrize("routes", [[], [{"match": {"environment": "dev"}, "to": ["teams"]}, {"to": ["ops"]}]])
def test_where_routes_part_no_trouble_from_its_end_nothing_is_remembered(routes: list[dict[str, Any]]) -> None:
    world = NotifyWorld(CHANNELS, routes)
    world.publish("Crash Loop Opened", correlation="loop-1", **LOOP)
    world.run()
    assert world.threads.covers == {}


@pytest.mark.parametrize("crash", range(1, 30))
def test_whatever_dies_the_alert_is_resolved(crash: int) -> None:
    world = NotifyWorld(CHANNELS, PAGED)
    world.publish("Deployment Failed", reason="alarms")
    world.run()
    world.boundaries, world.crash_at = 0, crash
    world.publish("Deployment Succeeded", correlation="push-2")
    world.run()
    assert world.crashes == 1
    assert (alerts(world)[0], alerts(world)[-1], world.threads.left) == ("trigger", "resolve", [])


# -- what comes too late --------------------------------------------------------------------------------------------


def overtaken() -> tuple[NotifyWorld, dict[str, Any]]:
    """A failure that PagerDuty would not take until the next push was good."""
    world = NotifyWorld({"pager": PAGER})
    world.publish("Deployment Started")
    world.run()
    world["pager"].script = [UpstreamError("503")] * 4
    event = world.publish("Deployment Failed", reason="alarms")
    world.run(120)
    world["pager"].script = []
    world.publish("Deployment Started", correlation="push-2")
    world.run(30)
    world.publish("Deployment Succeeded", correlation="push-2")
    world.run()
    return world, event


def test_no_alert_is_opened_after_the_recovery_that_would_have_resolved_it() -> None:
    world, _ = overtaken()
    assert (alerts(world), world.threads.left) == (["resolve"], [])


def test_a_later_failure_is_an_alert_again() -> None:
    world, _ = overtaken()
    world.publish("Deployment Failed", reason="alarms", correlation="push-3")
    world.run()
    assert alerts(world) == ["resolve", "trigger"]


def test_what_a_person_puts_back_is_told_all_the_same() -> None:
    world, event = overtaken()
    world.threads.outbox.clear()
    world.queue.postpone({**event, DESTINATION: "pager"}, world.clock.now())
    world.run()
    assert alerts(world) == ["resolve", "trigger"]


# -- children and tasks ---------------------------------------------------------------------------------------------


def test_a_child_tells_its_own_facts_and_mentions_nobody() -> None:
    world = NotifyWorld({"ops": OPS}, [{"to": ["ops"], "mention": "@here"}])
    world.publish("Deployment Started", why="a new tag", platform="ecs-service")
    world.run()
    world.publish("Task Failed", correlation="task-1", task=TASK, family="web", verdict="notify", reason="not-mended")
    world.run()
    (message,) = world["ops"].messages.values()
    reply = str(message.replies[1][1].reply)
    assert "task failed" in reply
    assert "task-1" in reply
    assert "deployment started" not in reply
    assert "ECS service" not in reply
    assert "<!here>" not in reply


@pytest.mark.parametrize(("hours", "messages"), [(5, 1), (7, 2)])
@pytest.mark.parametrize("verdict", ["replace", "notify"])
def test_a_task_that_fails_again_much_later_is_a_message_of_its_own(hours: int, messages: int, verdict: str) -> None:
    world = NotifyWorld({"ops": OPS})
    world.publish("Task Failed", **FAILURE, attempts=[{"class": "M1"}])
    world.publish("Task Replaced", **FAILURE)
    world.run()
    later(world, hours=hours)
    world.publish("Task Failed", **{**FAILURE, "verdict": verdict}, attempts=[{"class": "M1"}] * 2, correlation="x2")
    world.run()
    assert len(world["ops"].messages) == messages
