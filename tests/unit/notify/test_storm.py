"""The storm guard: what floods a channel becomes one message that sums it up, and nothing of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from longshore.notify import storm
from tests.notify_world import HOOK, NotifyWorld


def flood(world: NotifyWorld, count: int, kind: str = "Deployment Failed") -> None:
    for number in range(count):
        world.publish(kind, correlation=f"push-{number}")


def storms(world: NotifyWorld, name: str = "ops") -> list[str]:
    return [each.rendered.text for each in world[name].messages.values() if "/storm/" in each.key]


def test_as_many_messages_as_allowed_are_no_storm() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT)
    world.run()
    assert len(world["ops"].messages) == storm.LIMIT
    assert storms(world) == []


def test_what_is_more_is_one_message_that_counts_all_of_it() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT + 30)
    world.run(500)
    assert len(world["ops"].messages) == storm.LIMIT + 1
    (summary,) = storms(world)
    assert "error 30" in str([each.rendered.body for each in world["ops"].messages.values() if "/storm/" in each.key])
    assert "30" in summary
    assert (world.threads.left, world.dead_letters.letters, world.failures) == ([], [], [])


def test_a_thread_that_has_its_message_goes_on_in_the_storm() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started", correlation="before")
    world.run(6)
    flood(world, storm.LIMIT + 5)
    world.publish("Deployment Succeeded", correlation="before", reason="steady")
    world.run(400)
    assert any("live" in each.rendered.text for each in world["ops"].messages.values())
    assert sum("/storm/" in each.key for each in world["ops"].messages.values()) == 1


def test_the_next_window_is_free_again() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT + 1)
    world.run(700)
    world.publish("Deployment Failed", correlation="later")
    world.run()
    assert [each.key for each in world["ops"].messages.values()][-1] == (
        "ops/deployment/arn:aws:ecs:eu-west-1:123456789012:service/prod/web/later/0"
    )


def test_each_destination_has_a_storm_of_its_own() -> None:
    routes: list[dict[str, object]] = [
        {"match": {"team": "quiet"}, "to": ["teams"]},
        {"to": ["ops"]},
    ]
    world = NotifyWorld({"ops": {"type": "slack", "channel": "C0123456789", "secret": "s"}, "teams": HOOK}, routes)
    flood(world, storm.LIMIT + 5)
    world.publish("Deployment Failed", team="quiet", correlation="quiet")
    world.run(200)
    assert len(world["teams"].messages) == 1


def test_a_webhook_gets_the_storm_at_its_beginning_and_at_its_end() -> None:
    world = NotifyWorld({"teams": HOOK})
    flood(world, storm.LIMIT + 10)
    world.run(60)
    assert len(storms(world, "teams")) == 1
    for number in range(10):
        world.publish("Deployment Failed", correlation=f"later-{number}")
    world.run(120)
    assert len(storms(world, "teams")) == 1
    world.run()
    assert len(storms(world, "teams")) == 2
    assert "error 20" in str([each.rendered.body for each in world["teams"].messages.values()][-1])
    assert world.threads.left == []


def crashed(boundary: int | None) -> NotifyWorld:
    world = NotifyWorld()
    flood(world, storm.LIMIT)
    world.run()
    before = world.boundaries
    world.crash_at = before + boundary if boundary else None
    world.publish("Deployment Failed", correlation="more")
    world.run()
    world.boundaries -= before
    return world


@pytest.mark.parametrize("boundary", range(1, crashed(None).boundaries + 1))
def test_a_storm_survives_the_end_of_the_process(boundary: int) -> None:
    world = crashed(boundary)
    assert world.crashes == 1
    told = [each for each in world["ops"].messages.values() if "/storm/" in each.key or "/more/" in each.key]
    assert len(told) == 1
    assert world.threads.left == []


def test_a_window_begins_on_the_ten_minutes_and_knows_its_end() -> None:
    name = storm.window(datetime(2026, 11, 23, 9, 19, 59, tzinfo=UTC))
    assert name == "2026-11-23T09:10Z"
    assert storm.ends(f"storm/{name}") == datetime(2026, 11, 23, 9, 20, tzinfo=UTC)
    assert storm.ends(f"storm/{name}") - timedelta(minutes=10) == datetime(2026, 11, 23, 9, 10, tzinfo=UTC)
