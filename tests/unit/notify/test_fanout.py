"""Fan-out: each destination on its own, doing it again changes nothing, and children go where their cause is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from longshore.errors import BadEventError, DeliveryError
from longshore.events import Kind
from longshore.notify.messages import Due, Message
from tests.notify_world import HOOK, OPS, WEB, NotifyWorld

BOTH = {"ops": OPS, "teams": HOOK}

SOAKING = {"stage": "soaking", "soaks_until": "2026-11-23T10:05:00Z"}


def test_every_destination_gets_a_message_of_its_own() -> None:
    world = NotifyWorld(BOTH)
    world.publish("Deployment Failed")
    world.run()
    assert (len(world["ops"].messages), len(world["teams"].messages)) == (1, 1)


def test_a_broken_destination_stops_no_other() -> None:
    world = NotifyWorld(BOTH)

    def make(destination: object) -> object:
        if getattr(destination, "name", "") == "ops":
            raise ImportError("slack_sdk")
        return world.channel(destination)  # type: ignore[arg-type]

    world._make = make  # type: ignore[assignment]
    world.publish("Deployment Failed")
    world.run()
    assert len(world["teams"].messages) >= 1
    assert {attributes["destination"] for _, attributes in world.dead_letters.letters} == {"ops"}


@pytest.mark.parametrize("kind", ["Redeploy Requested", "Something Else"])
def test_what_concerns_nobody_is_told_to_nobody(kind: str) -> None:
    world = NotifyWorld()
    world.publish(kind)
    world.run()
    assert (world.threads.outbox, [each.reason for each in world.outcomes]) == ({}, ["concerns-nobody"])


def test_a_child_of_a_running_deployment_is_told_in_its_thread() -> None:
    world = NotifyWorld(BOTH)
    world.publish("Deployment Started")
    world.run(10)
    world.publish("Task Failed", correlation="task-1", task="t1", family="web", cause="exit 1")
    world.run(10)
    (message,) = world["ops"].messages.values()
    assert "deploying" in message.rendered.text
    assert len(message.replies) == 2
    assert "exit 1" in str(message.replies[1][1].reply)
    assert len(world["teams"].messages) == 1, "silent where there is no thread"


def test_after_the_deployment_a_child_speaks_for_itself() -> None:
    world = NotifyWorld()
    for kind, reason in (("Deployment Started", "moved"), ("Deployment Succeeded", "steady")):
        world.publish(kind, reason=reason)
        world.run(10)
    world.publish("Task Failed", correlation="task-1", task="t1", family="web")
    world.run()
    assert len(world["ops"].messages) == 2


def test_a_stage_that_comes_after_the_end_covers_nothing() -> None:
    world = NotifyWorld()
    for kind, more in (("Deployment Started", {}), ("Deployment Succeeded", {}), ("Deployment Started", SOAKING)):
        world.publish(kind, **more)
        world.run()
    assert world.threads.opened(WEB, world.clock.now()) == {}


def test_a_deployment_whose_end_is_never_told_does_not_silence_its_workload_for_ever() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started")
    world.run(7 * 3600)
    world.publish("Task Failed", correlation="task-1", task="t1", family="web")
    world.run()
    assert len(world["ops"].messages) == 2


def test_a_child_is_not_silent_where_its_deployment_is_not_told() -> None:
    routes: list[dict[str, object]] = [{"match": {"kind": "deployment-*"}, "to": ["ops"]}, {"to": ["teams"]}]
    world = NotifyWorld(BOTH, routes)
    world.publish("Deployment Started")
    world.run(10)
    world.publish("Task Failed", correlation="task-1", task="t1", family="web")
    world.run()
    assert (len(world["ops"].messages), len(world["teams"].messages)) == (1, 1)


def test_the_end_of_an_older_deployment_does_not_uncover_a_newer_one() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started", correlation="one")
    world.publish("Deployment Started", correlation="two")
    world.publish("Deployment Superseded", correlation="one")
    world.run(30)
    assert world.threads.opened(WEB, world.clock.now()) == {"ops": f"deployment/{WEB}/two"}


def test_a_route_to_what_is_not_there_goes_to_the_fallback_and_is_said_once() -> None:
    world = NotifyWorld(BOTH, [{"to": ["opps", "teams"]}])
    for correlation in "ab":
        world.publish("Deployment Succeeded", correlation=correlation, reason="steady")
    world.run()
    assert len(world["teams"].messages) >= 2
    assert len(world["fallback"].messages) >= 2
    (said,) = world.publisher.of(Kind.CONFIGURATION_REJECTED)
    assert "opps" in said.detail["problem"]


def test_a_channel_is_not_asked_to_tell_that_it_failed() -> None:
    world = NotifyWorld()
    world["ops"].broken = DeliveryError("invalid_auth")
    world.publish("Deployment Failed")
    world.run()
    assert len(world.dead_letters.letters) == 1
    assert any(
        "Channel Failed" in str(each.rendered.body) or "channel failed" in each.rendered.text
        for each in world["fallback"].messages.values()
    )


# -- messages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "event"),
        ({"source": "aws.ecs"}, "source"),
        ({"source": "longshore"}, "detail-type"),
        ({"source": "longshore", "detail-type": "Hold Set"}, "detail"),
        ({"source": "longshore", "detail-type": "Hold Set", "detail": {}}, "id"),
        ({"source": "longshore", "detail-type": "Notice Due", "detail": {"thread": "t"}}, "detail.destination"),
        (
            {"source": "longshore", "detail-type": "Notice Due", "detail": {"destination": "d", "thread": 3}},
            "detail.thread",
        ),
        (
            {
                "source": "longshore",
                "detail-type": "Notice Due",
                "detail": {"destination": "d", "thread": "t", "wake": "soon"},
            },
            "detail.wake",
        ),
    ],
)
def test_a_message_that_names_nothing_usable_is_refused_by_field(body: object, field: str) -> None:
    with pytest.raises(BadEventError) as caught:
        Message.parse(body)
    assert caught.value.field == field


def test_what_is_due_survives_its_message() -> None:
    world = NotifyWorld()
    due = Due("ops", "thread/1", "c-1", world.clock.now() + timedelta(seconds=3))
    assert Message.parse(due.body(world.clock.now(), "pace")).due == due
