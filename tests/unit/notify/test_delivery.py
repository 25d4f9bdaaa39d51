"""Delivery: complete, in order, one message for each incident; what a channel refuses is told elsewhere, and said."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from longshore.errors import (
    AccessDeniedError,
    AmbiguousError,
    ConfigurationError,
    DeliveryError,
    MessageGoneError,
    ThrottledError,
    UpstreamError,
)
from longshore.events import Kind
from longshore.notices import Phase
from longshore.notify.kinds import MEANINGS
from longshore.notify.messages import Due
from tests.boundaries import Crash
from tests.notify_world import HOOK, OPS, NotifyWorld, Said


def lived(world: NotifyWorld, *, correlation: str = "push-1", name: str = "ops") -> None:
    """A deployment that fails and is rolled back, a minute between its steps."""
    for kind in ("Deployment Started", "Deployment Failed", "Deployment Rolled Back"):
        world.publish(kind, correlation=correlation, log_tail="KeyError: 'DB_URL'" if "Failed" in kind else None)
        world.run(60)
    world.run()


def only(world: NotifyWorld, name: str = "ops") -> Said:
    (message,) = world[name].messages.values()
    return message


def answered(message: Said) -> list[str]:
    return [key for key, _ in message.replies]


WHOLE = ["event-00001/reply", "event-00002/reply", "event-00002/file", "event-00003/reply"]


def test_an_incident_is_one_message_edited_over_its_life_with_the_details_in_its_thread() -> None:
    world = NotifyWorld()
    lived(world)
    message = only(world)
    assert "rolled back" in message.rendered.text
    assert answered(message) == WHOLE
    assert (world.threads.left, world.queue.messages, world.failures) == ([], [], [])


def test_good_news_that_follows_at_once_is_one_message_without_an_edit() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started")
    world.run(2)
    world.publish("Deployment Succeeded", reason="steady")
    world.run()
    assert "live" in only(world).rendered.text
    assert [method for _, method in world["ops"].calls] == ["post", "post", "post"]


def test_a_duplicate_of_every_message_changes_nothing() -> None:
    world = NotifyWorld()
    world.duplicates = True
    lived(world)
    assert answered(only(world)) == WHOLE


def test_an_event_that_comes_again_days_later_is_told_once() -> None:
    world = NotifyWorld()
    event = world.publish("Deployment Started")
    world.run(3 * 86_400)
    world.queue.postpone(event, world.clock.now())
    world.run()
    assert answered(only(world)) == ["event-00001/reply"]


def test_a_late_event_does_not_turn_the_message_back() -> None:
    world = NotifyWorld()
    started, live = world.event("Deployment Started"), world.event("Deployment Succeeded", reason="steady")
    for event in (live, started):
        world.queue.postpone(event, world.clock.now())
        world.run()
    assert "live" in only(world).rendered.text
    assert answered(only(world)) == ["event-00002/reply", "event-00001/reply"]


def test_an_incident_that_begins_again_is_a_new_message() -> None:
    world = NotifyWorld()
    for kind in ("Crash Loop Opened", "Crash Loop Resolved", "Crash Loop Opened"):
        world.publish(kind)
        world.run(600)
    first, second = world["ops"].messages.values()
    assert (len(first.replies), len(second.replies)) == (2, 1)
    assert first.key != second.key


OPENINGS = [kind for kind, meaning in MEANINGS.items() if meaning.phase is Phase.OPENED]
NAMED = {
    "destination": "pager",
    "key": "routes",
    "problem": "is no list",
    "repository": "shop/web",
    "digest": "sha256:1",
}


@pytest.mark.parametrize("kind", OPENINGS)
@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
def test_what_opens_again_hours_later_is_a_new_message(kind: Kind, channel: dict[str, str]) -> None:
    """Not every opening has an end, and not every end is heard of."""
    world = NotifyWorld({"to": channel})
    for seconds in (1800, 5 * 3600, 3600, 60):
        world.publish(kind.value, **NAMED)
        world.run(seconds)
    assert len(world["to"].messages) == 2
    assert world.threads.left == []


def test_what_waited_for_hours_is_told_apart_too() -> None:
    world = NotifyWorld({"teams": HOOK})
    first = world.event("Hold Set", why="three images failed")
    world.clock.advance_to(world.clock.now() + timedelta(hours=7))
    for event in (first, world.event("Hold Set", why="three images failed")):
        world.queue.postpone(event, world.clock.now())
    world.run()
    assert len(world["teams"].messages) == 2


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("Hold Set", {"why": "three images failed"}, {"why": "rolled back outside Longshore"}),
        ("Channel Failed", {"reason": "invalid_auth"}, {"reason": "is_archived"}),
        ("Configuration Rejected", {"problem": "names a"}, {"problem": "names b"}),
    ],
)
@pytest.mark.parametrize("pause", [0, 60])
@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
def test_another_problem_is_news_at_once(
    kind: str, first: dict[str, str], second: dict[str, str], pause: float, channel: dict[str, str]
) -> None:
    world = NotifyWorld({"to": channel})
    for members in (first, second, second):
        world.publish(kind, **{**NAMED, **members})
        world.run(pause)
    world.run()
    assert len(world["to"].messages) == 2
    assert world.threads.left == []


def test_a_deployment_that_is_held_again_stays_one_message() -> None:
    world = NotifyWorld()
    for reason in ("gate-failed", "held"):
        world.publish("Deployment Held", reason=reason)
        world.run(60)
    assert len(world["ops"].messages) == 1


def test_the_same_news_an_hour_later_is_a_new_message_and_sooner_an_edit() -> None:
    world = NotifyWorld()
    for seconds in (600, 4000, 1):
        world.publish("Events Missed", workload=None, repository="123456789012/eu-west-1/web", count=2)
        world.run(seconds)
    world.run()
    assert [len(each.replies) for each in world["ops"].messages.values()] == [2, 1]


def soaking(world: NotifyWorld, until: str) -> None:
    world.publish("Deployment Started", stage="soaking", soaks_until=f"2026-11-23T{until}:00+00:00")


def headline(said: Said) -> str:
    return said.rendered.text.splitlines()[0]


def test_a_message_goes_through_the_stages_of_a_deployment() -> None:
    world = NotifyWorld()
    shown = []
    world.publish("Deployment Started", stage="rolling")
    world.run()
    message = world["ops"].messages["1"]
    shown.append(headline(message))
    soaking(world, "10:05")
    world.run()
    shown.append(headline(message))
    world.publish("Deployment Succeeded", reason="verified")
    world.run()
    shown.append(headline(message))
    assert [each.split()[0] for each in shown] == ["🚀", "👀", "✅"]
    assert "2026-11-23 10:05 UTC" in shown[1] and "10:05" not in message.rendered.text
    assert len(world["ops"].messages) == 1
    assert len(message.replies) == 3
    body = str(message.rendered.body)
    assert body.index("deployment started") < body.index("running, watched") < body.index("deployment succeeded")


def test_a_stage_that_is_told_again_corrects_the_message_and_is_no_news_in_the_thread() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started", stage="rolling")
    world.run()
    for until in ("10:05", "10:06"):
        soaking(world, until)
        world.run(60)
    message = world["ops"].messages["1"]
    assert "10:06 UTC" in headline(message)
    assert len(message.replies) == 2
    assert str(message.rendered.body).count("running, watched") == 1
    assert world.threads.left == []


def test_a_stage_that_is_told_again_at_once_is_one_too() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started", stage="rolling")
    soaking(world, "10:05")
    soaking(world, "10:06")
    world.run()
    message = world["ops"].messages["1"]
    assert (len(message.replies), world.threads.left) == (2, [])
    assert str(message.rendered.body).count("running, watched") == 1


def test_a_stage_of_the_way_back_is_news() -> None:
    world = NotifyWorld()
    world.publish("Deployment Started", stage="rolling")
    soaking(world, "10:05")
    world.publish("Deployment Failed", reason="alarms")
    world.publish("Deployment Started", stage="rolling", reason="rollback", rollback=True)
    world.publish("Deployment Started", stage="soaking", rollback=True, soaks_until="2026-11-23T10:30:00Z")
    world.run()
    message = world["ops"].messages["1"]
    assert (len(world["ops"].messages), len(message.replies)) == (1, 5)
    assert "10:30 UTC" in headline(message)


# -- channels that cannot edit ------------------------------------------------------------------------------------


def test_a_webhook_gets_the_first_and_the_last() -> None:
    world = NotifyWorld({"teams": HOOK})
    for kind in ("Deployment Held", "Deployment Started", "Deployment Started", "Deployment Succeeded"):
        world.publish(kind, reason="held")
        world.run(60)
    assert len(world["teams"].messages) == 2
    assert world.threads.left == []


@pytest.mark.parametrize("pause", [0, 60])
@pytest.mark.parametrize("kind", ["teams", "pagerduty", "webhook", "slack-webhook", "sns"])
def test_a_stage_is_told_only_where_messages_are_edited(kind: str, pause: float) -> None:
    world = NotifyWorld({"hook": {**HOOK, "type": kind}})
    world.publish("Deployment Started", stage="rolling")
    world.run(pause)
    soaking(world, "10:05")
    world.run(60)
    told = [each.rendered for each in world["hook"].messages.values()]
    assert len(told) == 1
    assert "10:05" not in f"{told[0].body}{told[0].text}"
    world.publish("Deployment Succeeded", reason="verified")
    world.run(60)
    assert len(world["hook"].messages) == 2
    assert world.threads.left == []


def test_a_stage_alone_is_nothing_for_a_webhook() -> None:
    world = NotifyWorld({"teams": HOOK})
    soaking(world, "10:05")
    world.run(60)
    assert (world["teams"].messages, world.threads.left) == ({}, [])
    world.publish("Deployment Succeeded", reason="verified")
    world.run(60)
    assert len(world["teams"].messages) == 1


def test_a_webhook_gets_what_is_graver_than_before() -> None:
    world = NotifyWorld({"teams": HOOK})
    for priority in ("P3", "P3", "P1"):
        world.publish("Findings Reported", repository="r", digest="sha256:1", priority=priority)
        world.run(60)
    assert len(world["teams"].messages) == 2


def test_a_webhook_that_was_throttled_meanwhile_gets_the_end_alone() -> None:
    world = NotifyWorld({"teams": HOOK})
    world["teams"].script = [ThrottledError(retry_after=60)]
    world.publish("Deployment Started")
    world.run(8)
    world.publish("Deployment Succeeded", reason="steady")
    world.run()
    assert ["live" in str(each.rendered.body) for each in world["teams"].messages.values()] == [True]


def test_a_webhook_that_may_have_taken_a_notice_gets_the_same_one_again() -> None:
    """A receiver that knows repetitions by their id must not see another text under it."""
    world = NotifyWorld({"teams": HOOK})
    world["teams"].script = [accepted(AmbiguousError("reset"))]
    world.publish("Deployment Started")
    world.run(6)
    world.publish("Deployment Succeeded", reason="steady")
    world.run()
    first, again, last = world["teams"].messages.values()
    assert (first.key, first.rendered) == (again.key, again.rendered)
    assert last.key != first.key


@pytest.mark.parametrize("kind", ["teams", "webhook", "pagerduty", "sns"])
def test_an_end_that_is_published_twice_is_told_once(kind: str) -> None:
    """The watch may die between telling and recording: the second event has another id, and other times."""
    world = NotifyWorld({"hook": {**HOOK, "type": kind}})
    for minute in (5, 6):
        ended = f"2026-11-23T09:0{minute}:00Z"
        world.publish("Deployment Succeeded", reason="verified", began="2026-11-23T09:00:00Z", ended=ended)
        world.run(60)
    assert len(world["hook"].messages) == 1
    world.publish("Deployment Failed", reason="alarms")
    world.run()
    assert len(world["hook"].messages) == 2


# -- bad days -----------------------------------------------------------------------------------------------------


def accepted(error: Exception) -> Exception:
    error.accepted = True  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize(
    "error",
    [
        ThrottledError(retry_after=7),
        UpstreamError("503"),
        accepted(UpstreamError("503 though it was done")),
        AmbiguousError("time-out"),
        accepted(AmbiguousError("reset")),
        ValueError("an answer that makes no sense"),
    ],
    ids=["429", "5xx", "5xx-done", "timeout", "reset-done", "nonsense"],
)
def test_whatever_passes_costs_no_receive_and_nothing_is_lost_or_told_twice(place: int, error: Exception) -> None:
    world = NotifyWorld()
    world["ops"].script = [None] * place + [error]
    lived(world)
    assert "rolled back" in only(world).rendered.text
    assert answered(only(world)) == WHOLE
    assert world.dead_letters.letters == []
    assert (world.failures, world.queue.dead, world.threads.left) == ([], [], [])


def test_a_throttled_channel_is_left_alone_for_as_long_as_it_asked() -> None:
    world = NotifyWorld()
    world["ops"].script = [ThrottledError(retry_after=90)]
    world.publish("Deployment Failed")
    world.publish("Deployment Failed", correlation="push-2")
    world.run()
    first, second = world["ops"].calls[0][0], world["ops"].calls[1][0]
    assert second - first >= timedelta(seconds=90)
    assert len(world["ops"].messages) == 2


@pytest.mark.parametrize("place", [1, 2])
def test_a_message_that_is_gone_is_posted_anew(place: int) -> None:
    world = NotifyWorld()
    world["ops"].script = [None] * place + [MessageGoneError("message_not_found")]
    world.publish("Deployment Started")
    world.run(60)
    world.publish("Deployment Succeeded", reason="steady")
    world.run()
    first, second = world["ops"].messages.values()
    assert "live" in second.rendered.text
    assert first.key != second.key
    assert len(first.replies) + len(second.replies) == 2


def test_messages_that_go_on_vanishing_are_given_up() -> None:
    world = NotifyWorld()
    world["ops"].script = [None, *[MessageGoneError("gone"), None] * 20]
    world.publish("Deployment Failed")
    world.run()
    assert len(world["ops"].messages) <= 6
    assert [attributes["reason"] for _, attributes in world.dead_letters.letters] == ["unreachable"]


REFUSALS = [
    (DeliveryError("invalid_auth"), "invalid_auth"),
    (DeliveryError("channel_not_found"), "channel_not_found"),
    (ConfigurationError("secret", "is not there"), "configuration"),
    (AccessDeniedError("kms"), "access-denied"),
]


@pytest.mark.parametrize(("error", "reason"), REFUSALS, ids=[reason for _, reason in REFUSALS])
def test_a_refusal_is_a_dead_letter_a_fallback_and_an_announcement(error: Exception, reason: str) -> None:
    world = NotifyWorld({"ops": OPS, "teams": HOOK})
    world["ops"].broken = error
    lived(world)
    letters = [(attributes["destination"], attributes["reason"]) for _, attributes in world.dead_letters.letters]
    assert set(letters) == {("ops", reason)}
    assert len(letters) == 3
    assert len(world["fallback"].messages) >= 2
    announced = world.publisher.of(Kind.CHANNEL_FAILED)
    assert [(each.detail["destination"], each.detail["reason"]) for each in announced] == [("ops", reason)]
    assert len(world["teams"].messages) >= 2, "the others go on"
    assert (world.threads.left, world.failures) == ([], [])


def test_a_failure_is_announced_again_when_it_still_holds_an_hour_later() -> None:
    world = NotifyWorld()
    world["ops"].broken = DeliveryError("invalid_auth")
    for _ in range(3):
        world.publish("Deployment Failed", correlation=str(world.events))
        world.run(2400)
    assert len(world.publisher.of(Kind.CHANNEL_FAILED)) == 2


def test_a_channel_that_cannot_be_reached_for_long_is_given_up_with_all_that_waits() -> None:
    world = NotifyWorld()
    world["ops"].broken = AmbiguousError("time-out")
    lived(world)
    assert [attributes["reason"] for _, attributes in world.dead_letters.letters] == ["unreachable"] * 3
    assert len(world["fallback"].messages) >= 1
    assert world.threads.left == []


def test_a_notice_that_was_put_off_for_hours_is_told_by_the_fallback() -> None:
    world = NotifyWorld()
    world["ops"].broken = ThrottledError(retry_after=3600)
    world.publish("Deployment Failed")
    world.run()
    assert [attributes["reason"] for _, attributes in world.dead_letters.letters] == ["overdue"]
    assert len(world["fallback"].messages) >= 1


def test_a_dead_letter_that_is_put_back_is_told_where_it_belongs() -> None:
    world = NotifyWorld({"ops": OPS, "teams": HOOK})
    world["ops"].script = [DeliveryError("is_archived")]
    world.publish("Deployment Failed")
    world.run()
    ((letter, _),) = world.dead_letters.letters
    told = len(world["teams"].messages)
    world.queue.postpone(letter, world.clock.now())
    world.run()
    assert "failed" in [each.rendered.text for each in world["ops"].messages.values()][-1]
    assert len(world["teams"].messages) == told


def test_a_dead_letter_that_is_put_back_is_posted_though_a_later_notice_was_told() -> None:
    world = NotifyWorld({"teams": HOOK})
    world.publish("Deployment Started")
    world.run()
    world["teams"].script = [DeliveryError("http-413")]
    for kind, members in (("Deployment Failed", {"reason": "alarms"}), ("Deployment Succeeded", {"rollback": True})):
        world.publish(kind, **members)
        world.run(60)
    ((letter, _),) = world.dead_letters.letters
    told = len(world["teams"].messages)
    for _ in range(2):  # put back twice by mistake
        world.queue.postpone(letter, world.clock.now())
        world.run()
    assert len(world["teams"].messages) == told + 1
    assert "failed" in list(world["teams"].messages.values())[-1].rendered.text
    assert world.threads.left == []


def test_a_channel_that_the_configuration_no_longer_has_is_not_silent() -> None:
    world = NotifyWorld()
    world.publish("Deployment Failed")
    world.queue.postpone(Due("gone", "t").body(world.clock.now()), world.clock.now())
    world.run(0)
    world.routing = NotifyWorld({}).routing
    world.run()
    assert [attributes["reason"] for _, attributes in world.dead_letters.letters] == ["unknown-channel"]
    assert len(world["fallback"].messages) >= 1


def test_a_fallback_that_fails_has_only_its_dead_letters() -> None:
    world = NotifyWorld({})
    world["fallback"].broken = DeliveryError("topic-not-found")
    world.publish("Deployment Failed")
    world.run()
    assert {attributes["destination"] for _, attributes in world.dead_letters.letters} == {"fallback"}
    assert len(world.publisher.of(Kind.CHANNEL_FAILED)) == 1
    assert world.queue.messages == []


def test_a_fallback_that_nobody_hears_says_so_once_and_counts_every_notice() -> None:
    world = NotifyWorld({})
    world.subscribers = 0
    for correlation in "abc":
        world.publish("Deployment Failed", correlation=correlation)
    world.run()
    announced = world.publisher.of(Kind.CHANNEL_FAILED)
    assert [each.detail["reason"] for each in announced] == ["fallback-without-subscriber"]
    assert [each.metric for each in world.outcomes].count("FallbackUnheard") >= 3


def test_a_fallback_that_somebody_hears_says_nothing() -> None:
    world = NotifyWorld({})
    world.publish("Deployment Failed")
    world.run()
    assert world.publisher.published == []
    assert len(world["fallback"].messages) == 1


def test_observe_tells_nobody_and_writes_nothing() -> None:
    world = NotifyWorld(observe=True)
    world.publish("Deployment Failed")
    world.run()
    assert (world["ops"].messages, world.threads.outbox, world.publisher.published) == ({}, {}, [])
    (outcome,) = world.outcomes
    assert outcome.detail["would"] == ["ops"]
    assert "web" in outcome.detail["said"]


def test_observe_still_tells_what_an_outbox_held_before() -> None:
    world = NotifyWorld()
    world.publish("Deployment Failed")
    world.run(0)
    assert len(world.threads.left) <= 1
    world.publish("Deployment Started", correlation="push-2")
    world.run(1)
    left = len(world.threads.left)
    world._observe = True
    world.run()
    assert (left, world.threads.left) == (1, [])
    assert len(world["ops"].messages) == 2


# -- sudden ends --------------------------------------------------------------------------------------------------


def boundaries() -> int:
    world = NotifyWorld()
    lived(world)
    return world.boundaries


@pytest.mark.parametrize("boundary", range(1, boundaries() + 1))
def test_the_process_may_end_at_any_port_call(boundary: int) -> None:
    world = NotifyWorld()
    world.crash_at = boundary
    lived(world)
    world.run()
    assert world.crashes == 1
    message = only(world)
    assert "rolled back" in message.rendered.text
    assert sorted(answered(message)) == sorted(WHOLE)
    assert (world.threads.left, world.queue.dead, world.dead_letters.letters) == ([], [], [])


def test_who_meets_a_dead_claim_does_not_ask_every_moment_whether_it_is_over() -> None:
    world = NotifyWorld()
    sent = []
    postpone = world.queue.postpone

    def counted(body: Mapping[str, Any], until: datetime) -> None:
        sent.append(body["detail-type"])
        postpone(body, until)

    world.queue.postpone = counted  # type: ignore[method-assign]
    world["ops"].script = [Crash()]  # type: ignore[list-item]
    for number in range(20):
        world.publish("Deployment Held", reason=str(number))
        world.publish("Deployment Failed")
    world.run(95)
    assert world.crashes == 1
    assert sent.count("Notice Due") <= 40 * 7, "each a handful of times, not once for every few seconds"
    world.run()
    assert world.threads.left == []


def restated(crash_at: int | None, channel: dict[str, str]) -> NotifyWorld:
    world = NotifyWorld({"to": channel})
    for why in ("three images failed", "rolled back outside Longshore"):
        world.publish("Hold Set", why=why)
    world.run(0)
    before = world.boundaries
    world.crash_at = before + crash_at if crash_at else None
    world.run()
    world.boundaries -= before
    return world


@pytest.mark.parametrize("channel", [OPS, HOOK], ids=["slack", "teams"])
@pytest.mark.parametrize("boundary", range(1, restated(None, OPS).boundaries + 1))
def test_a_new_chapter_survives_the_end_of_the_process(boundary: int, channel: dict[str, str]) -> None:
    world = restated(boundary, channel)
    told = list(world["to"].messages.values())
    keys = {each.key for each in told}
    assert len(keys) == 2
    assert len(told) == 2 or channel is HOOK, "one root each"
    assert len({reply for each in told for reply, _ in each.replies}) == sum(len(each.replies) for each in told)
    assert (world.threads.left, world.queue.dead, world.dead_letters.letters) == ([], [], [])


def refused(crash_at: int | None) -> NotifyWorld:
    world = NotifyWorld()
    world["ops"].broken = DeliveryError("invalid_auth")
    world.crash_at = crash_at
    world.publish("Deployment Failed")
    world.run()
    return world


@pytest.mark.parametrize("boundary", range(1, refused(None).boundaries + 1))
def test_a_refused_notice_is_told_by_the_fallback_wherever_the_process_ends(boundary: int) -> None:
    world = refused(boundary)
    assert world.crashes == 1
    assert len(world.dead_letters.letters) >= 1
    assert len(world["fallback"].messages) >= 1
    assert 1 <= len(world.publisher.of(Kind.CHANNEL_FAILED)) <= 2
    assert world.threads.left == []


def test_an_answer_that_may_have_arrived_is_settled_before_one_that_comes_late() -> None:
    world = NotifyWorld()
    late = world.event("Deployment Held", reason="held")
    world["ops"].script = [None, accepted(AmbiguousError("reset"))]
    world.publish("Deployment Started")
    world.run(8)
    world.queue.postpone(late, world.clock.now())
    world.run()
    assert answered(only(world)) == ["event-00002/reply", "event-00001/reply"]


def test_an_edit_that_is_throttled_does_not_forget_an_answer_that_may_have_arrived() -> None:
    world = NotifyWorld()
    world["ops"].script = [None, accepted(AmbiguousError("reset")), ThrottledError(retry_after=9)]
    world.publish("Deployment Started")
    world.run(8)
    world.publish("Deployment Failed")
    world.run()
    assert answered(only(world)) == ["event-00001/reply", "event-00002/reply"]
