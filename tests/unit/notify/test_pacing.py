"""Pacing: never more than a channel allows, however many want it, and as much as it allows when they do."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from longshore.notify.messages import Due
from longshore.notify.pacing import EDITS, SECOND, Gate, backoff, gate
from longshore.notify.routes import Destination
from longshore.notify.steps import Act
from tests.fakes import START
from tests.notify_world import OPS, WEB, NotifyWorld

OPS_CHANNEL = Destination("ops", "slack", "C0123456789", "arn:token")


def test_posts_answers_and_files_share_the_turn_of_a_slack_channel_whoever_posts_there() -> None:
    names = {gate(OPS_CHANNEL, act) for act in (Act.POST, Act.REPLY, Act.FILE)}
    assert names == {gate(Destination("other-name", "slack", "C0123456789", "arn:token"), Act.POST)}
    assert names != {gate(Destination("ops", "slack", "C9999999999", "arn:token"), Act.POST)}


def test_edits_are_limited_for_a_whole_workspace() -> None:
    elsewhere = Destination("dev", "slack", "C9999999999", "arn:token")
    assert gate(OPS_CHANNEL, Act.EDIT) == gate(elsewhere, Act.EDIT)
    assert gate(OPS_CHANNEL, Act.EDIT)[1] * 50 >= timedelta(minutes=1)


def test_topics_need_no_turn() -> None:
    assert not gate(Destination("t", "sns", "arn:topic"), Act.POST)[1]


def test_no_gate_tells_a_secret_or_an_address() -> None:
    name, _ = gate(Destination("w", "webhook", "https://example.com/hook", "arn:secret"), Act.POST)
    assert "example" not in name
    assert "secret" not in name


@given(st.lists(st.tuples(st.floats(0, 3, allow_nan=False), st.booleans()), min_size=1, max_size=60))
def test_two_turns_are_never_closer_than_the_gate_demands(wants: list[tuple[float, bool]]) -> None:
    known, now = Gate(), START
    passed: list[datetime] = []
    for wait, waited in wants:
        now += timedelta(seconds=wait)
        until, known = known.turn(SECOND, now, waited=waited)
        if until is None:
            passed.append(now)
        else:
            assert until >= now
    assert all(later - earlier >= SECOND for earlier, later in itertools.pairwise(passed))


@given(st.integers(1, 300))
def test_nobody_passes_a_gate_that_is_shut(seconds: int) -> None:
    until = START + timedelta(seconds=seconds)
    come_back, _ = Gate().shut(until).turn(SECOND, START, waited=True)
    assert come_back is not None
    assert come_back >= min(until, START + 2 * SECOND)


def test_who_comes_new_stands_behind_those_who_wait() -> None:
    _, busy = Gate().turn(SECOND, START, waited=False)
    first, busy = busy.turn(SECOND, START, waited=False)
    second, busy = busy.turn(SECOND, START, waited=False)
    assert first is not None
    assert second is not None
    assert first < second
    newcomer, _ = busy.turn(SECOND, first, waited=False)
    assert newcomer is not None
    assert newcomer > second
    assert busy.turn(SECOND, first, waited=True)[0] is None


def test_a_gate_that_is_open_again_keeps_nobody() -> None:
    _, used = Gate().turn(SECOND, START, waited=False)
    assert used.turn(SECOND, START + SECOND, waited=False)[0] is None


def test_the_longest_wait_after_failures_ends() -> None:
    waits = [wait.total_seconds() for failures in range(1, 6) if (wait := backoff(failures))]
    assert len(waits) == 5
    assert waits == sorted(waits)
    assert backoff(6) is None


def test_two_names_of_one_slack_channel_do_not_double_its_pace() -> None:
    world = NotifyWorld({"one": OPS, "two": OPS})
    for number in range(10):
        world.publish("Deployment Failed", correlation=str(number))
    world.run()
    posts = sorted(at for name in ("one", "two") for at, method in world[name].calls if method == "post")
    assert len(posts) == 40
    assert all(later - earlier >= SECOND for earlier, later in itertools.pairwise(posts))


def test_a_crowd_of_threads_is_paced_without_wasting_most_of_the_time_or_of_the_messages() -> None:
    world = NotifyWorld()
    world.switches.count = lambda *_: True  # type: ignore[method-assign]
    for number in range(60):
        world.publish("Deployment Started", correlation=str(number))
        world.publish("Deployment Failed", correlation=str(number))
    began = world.clock.now()
    handled = 0

    def counting() -> None:
        nonlocal handled
        handled += 1

    world.on_message = counting
    world.run()
    posts = [at for at, method in world["ops"].calls if method == "post"]
    assert len(posts) == 180
    assert all(later - earlier >= SECOND for earlier, later in itertools.pairwise(posts))
    assert world.clock.now() - began < timedelta(seconds=2 * 180)
    assert handled < 6 * 180
    edits = [at for at, method in world["ops"].calls if method == "edit"]
    assert all(later - earlier >= EDITS for earlier, later in itertools.pairwise(edits))


def test_a_copy_that_comes_early_waits_for_its_time() -> None:
    """Lambda's clock and the queue's are not the same clock."""
    world = NotifyWorld()
    world.publish("Deployment Failed")
    world.run(0)
    state = world.threads.load("ops", f"deployment/{WEB}/push-1").state
    assert state.wake is not None
    early = Due("ops", f"deployment/{WEB}/push-1", "", state.wake)
    world.queue.messages.clear()
    world.queue.postpone(early.body(world.clock.now()), world.clock.now())
    world.run()
    assert len(world["ops"].messages["1"].replies) == 1
    assert world.threads.left == []
