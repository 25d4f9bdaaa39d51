"""The storm guard: what floods a channel becomes one message that sums it up, and nothing of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from longshore.notify import storm
from tests.notify_world import HOOK, OPS, NotifyWorld


def flood(world: NotifyWorld, count: int, kind: str = "Deployment Held") -> None:
    for number in range(count):
        world.publish(kind, correlation=f"push-{number}", reason="gate-failed")


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
    assert "warning 30" in str([each.rendered.body for each in world["ops"].messages.values() if "/storm/" in each.key])
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
    world.publish("Deployment Held", correlation="later")
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
        world.publish("Deployment Held", correlation=f"later-{number}")
    world.run(120)
    assert len(storms(world, "teams")) == 1
    world.run()
    assert len(storms(world, "teams")) == 2
    assert "warning 20" in str([each.rendered.body for each in world["teams"].messages.values()][-1])
    assert world.threads.left == []


def service(name: str) -> dict[str, str]:
    return {"workload": f"arn:aws:ecs:eu-west-1:123456789012:service/prod/{name}", "workload_name": name}


@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
def test_a_failure_is_never_summed_up(channel: dict[str, str]) -> None:
    world = NotifyWorld({"to": channel})
    flood(world, storm.LIMIT + 5)
    world.run(60)
    world.publish("Deployment Failed", correlation="db", **service("payments"))
    world.run(5)
    assert "payments" in [each.rendered.text for each in world["to"].messages.values()][-1]
    world.run()
    assert "error" not in str([each.rendered.body for each in world["to"].messages.values() if "/storm/" in each.key])


def test_failures_alone_are_told_one_by_one() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT + 5, "Deployment Failed")
    world.run()
    assert (len(world["ops"].messages), storms(world)) == (storm.LIMIT + 5, [])


def test_the_failure_of_what_began_in_a_storm_has_a_message() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT + 5, "Deployment Started")
    world.run(60)
    for number in range(storm.LIMIT, storm.LIMIT + 5):
        world.publish("Deployment Failed", correlation=f"push-{number}")
    world.run()
    assert sum("failed" in each.rendered.text for each in world["ops"].messages.values()) == 5


def test_a_failure_keeps_what_came_after_it_in_its_thread_out_of_the_summary() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT + 1)
    world.run(60)
    world.publish("Deployment Failed", correlation="db")
    world.publish("Deployment Started", correlation="db", rollback=True)
    world.run()
    (message,) = [each for each in world["ops"].messages.values() if "/db/" in each.key]
    assert len(message.replies) == 2
    assert "warning 1" in str([each.rendered.body for each in world["ops"].messages.values() if "/storm/" in each.key])


def test_a_summary_names_everything_in_its_thread() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT + 50)
    world.run()
    (summary,) = [each for each in world["ops"].messages.values() if "/storm/" in each.key]
    roots = {each.key.split("/")[-2] for each in world["ops"].messages.values()}
    lines = str([reply.reply for _, reply in summary.replies])
    summed = {f"push-{number}" for number in range(storm.LIMIT + 50)} - roots
    assert len(summed) == 50
    assert [lines.count(f"`{name}`") for name in summed] == [1] * 50
    assert len(summary.replies) <= 5, "a storm must not use up the channel's pace"


def test_a_storm_that_trickles_does_not_use_up_the_channels_pace() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT)
    world.run(60)
    before = len(world["ops"].calls)
    for number in range(30):
        world.publish("Deployment Held", correlation=f"later-{number}")
        world.run(2)
    world.run()
    assert len(world["ops"].calls) - before <= 2 * (60 / 15 + 2)
    assert world.threads.left == []


def test_a_webhooks_last_word_of_a_storm_names_more_than_ten() -> None:
    world = NotifyWorld({"teams": HOOK})
    for number in range(storm.LIMIT + 15):
        world.publish("Deployment Held", correlation=str(number), **service(f"shop-{number:02}"))
    world.run()
    said = str([each.rendered.body for each in world["teams"].messages.values()])
    assert all(f"shop-{number:02}" in said for number in range(storm.LIMIT + 15))


def test_a_summary_shows_the_gravest_before_the_newest() -> None:
    world = NotifyWorld()
    flood(world, storm.LIMIT)
    world.run(60)
    world.publish("Deployment Held", correlation="held", reason="gate-failed", **service("payments"))
    for number in range(15):
        world.publish("Deployment Started", correlation=f"start-{number}", **service(f"s{number}"))
    world.run(200)
    (summary,) = [each.rendered for each in world["ops"].messages.values() if "/storm/" in each.key]
    latest = [line for line in summary.text.splitlines() if "Latest" in line]
    assert [name in line for line, name in zip(latest, ("payments", "s14"), strict=False)] == [True, True]
    assert len(latest) == 10


def test_a_summary_is_an_incident_of_its_own_that_nothing_ends() -> None:
    world = NotifyWorld({"hook": {**HOOK, "type": "webhook"}})
    flood(world, storm.LIMIT, "Deployment Started")
    world.publish("Deployment Succeeded", correlation="last", reason="verified")
    world.run()
    (body,) = [each.rendered.body for each in world["hook"].messages.values() if "/storm/" in each.key]
    assert isinstance(body, dict)
    assert (body["data"]["thread"].partition("/")[0], body["data"]["phase"]) == ("storm", "opened")


def test_an_alert_is_never_summed_up() -> None:
    world = NotifyWorld({"pager": {"type": "pagerduty", "secret": "s"}})
    flood(world, storm.LIMIT + 5, "Deployment Started")
    world.run(60)
    world.publish("Deployment Succeeded", correlation="push-24", reason="verified")
    world.run()
    assert storms(world, "pager") == []
    assert len(world["pager"].messages) == storm.LIMIT + 6


def crashed(boundary: int | None, channel: dict[str, str] = OPS) -> NotifyWorld:
    world = NotifyWorld({"ops": channel})
    flood(world, storm.LIMIT)
    world.run()
    before = world.boundaries
    world.crash_at = before + boundary if boundary else None
    for correlation in ("more", "and-more"):
        world.publish("Deployment Held", correlation=correlation)
        world.run(8)
    world.run()
    world.boundaries -= before
    return world


@pytest.mark.parametrize("boundary", range(1, crashed(None).boundaries + 1))
def test_a_storm_survives_the_end_of_the_process(boundary: int) -> None:
    world = crashed(boundary)
    assert world.crashes == 1
    told = list(world["ops"].messages.values())
    summaries = [each for each in told if "/storm/" in each.key]
    lines = [str(reply.reply) for each in summaries for _, reply in each.replies]
    for name in ("more", "and-more"):  # what waited until the window was over has a message instead
        assert sum(f"`{name}`" in line for line in lines) + sum(f"/{name}/" in each.key for each in told) == 1
    for each in summaries:
        named = sum(str(reply.reply).count("more`") for _, reply in each.replies)
        assert f"*{named}* notices" in str(each.rendered.body)
    assert world.threads.left == []


@pytest.mark.parametrize("boundary", range(1, crashed(None, HOOK).boundaries + 1))
def test_what_is_posted_again_after_a_crash_says_the_same(boundary: int) -> None:
    """A receiver knows repetitions by their key: what else stood under it would be lost."""
    world = crashed(boundary, HOOK)
    assert world.crashes == 1
    told: dict[str, set[str]] = {}
    for each in world["ops"].messages.values():
        told.setdefault(each.key, set()).add(each.rendered.digest)
    assert [len(said) for said in told.values()] == [1] * len(told)
    summed = [str(each.rendered.body) for key, each in world["ops"].messages.items() if "/storm/" in each.key]
    last = summed[-1] if summed else ""
    own = len(told) - storm.LIMIT - len({each.key for each in world["ops"].messages.values() if "/storm/" in each.key})
    assert own + (2 if "*2*" in last or "**2**" in last else bool(last)) == 2
    assert world.threads.left == []


def test_a_window_begins_on_the_ten_minutes_and_knows_its_end() -> None:
    name = storm.window(datetime(2026, 11, 23, 9, 19, 59, tzinfo=UTC))
    assert name == "2026-11-23T09:10Z"
    assert storm.ends(f"storm/{name}") == datetime(2026, 11, 23, 9, 20, tzinfo=UTC)
    assert storm.ends(f"storm/{name}") - timedelta(minutes=10) == datetime(2026, 11, 23, 9, 10, tzinfo=UTC)
