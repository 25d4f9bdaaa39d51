"""A thousand notices, and a Slack that has every kind of bad day: nothing is lost, doubled, out of order or too fast."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.channels.http import Http
from longshore.channels.slack import SlackChannel
from longshore_local.slack import Fault, Message, SlackStandIn
from tests.notify_world import NotifyWorld
from tests.unit.channels.channel_world import FakeSecrets

if TYPE_CHECKING:
    from longshore.notify.routes import Destination

CHANNEL, TOKEN = "C0123456789", "arn:aws:ssm:eu-west-1:123456789012:parameter/slack"
OPS = {"type": "slack", "channel": CHANNEL, "secret": TOKEN}
TOPIC = {"type": "sns", "topic": "arn:aws:sns:eu-west-1:123456789012:mail"}
THREADS, NOTICES = 20, 50

PASSING = [
    Fault.throttle(5),
    Fault.throttle(),
    Fault.server_error(503),
    Fault.server_error(500, accepted=True),
    Fault.hang(accepted=True),
    Fault.hang(),
    Fault.reset(),
    Fault.reset(accepted=False),
    *(Fault.refuse(code) for code in ("internal_error", "fatal_error", "service_unavailable", "ratelimited")),
]
REFUSED = ("invalid_auth", "channel_not_found", "is_archived", "not_in_channel", "missing_scope", "invalid_blocks")


@pytest.fixture
def world() -> Iterator[NotifyWorld]:
    """Notify in memory, with the real Slack channel in front of a Slack on this machine."""
    world = NotifyWorld({"ops": OPS, "mail": TOPIC}, [{"to": ["ops"]}])
    with SlackStandIn(now=world.clock.now) as slack:
        secrets = FakeSecrets({TOKEN: slack.token})
        http = Http(world.clock, timeout=0.2, loopback=True)
        real = SlackChannel(CHANNEL, secrets, TOKEN, http, base_url=slack.api_url)

        def make(destination: Destination) -> object:
            return real if destination.type == "slack" else world.channel(destination)

        world._make = make  # type: ignore[assignment]
        world.slack = slack  # type: ignore[attr-defined]
        yield world


@pytest.fixture
def slack(world: NotifyWorld) -> SlackStandIn:
    """The Slack behind it."""
    found: SlackStandIn = world.slack  # type: ignore[attr-defined]
    return found


def told(message: Message) -> list[int]:
    """The numbers of the notices that a thread tells, in order."""
    return [int(number) for reply in message.replies for number in re.findall(r"notice-(\d+)", str(reply.blocks))]


def publish(world: NotifyWorld, thread: int, number: int) -> None:
    last = number == NOTICES - 1
    kind = "Deployment Failed" if last else "Deployment Started"
    world.publish(kind, correlation=f"push-{thread}", why=f"notice-{number}", decision="moved")


def test_a_thousand_notices_on_slacks_worst_day(world: NotifyWorld, slack: SlackStandIn) -> None:
    chance = random.Random(20261123)
    slack.script([chance.choice(PASSING) if chance.random() < 0.08 else None for _ in range(1500)])
    for number in range(NOTICES):
        for thread in range(THREADS):
            publish(world, thread, number)
        world.run(3)
    world.run()
    messages = slack.messages(CHANNEL)
    assert len(messages) == THREADS, "one message for each incident"
    assert [told(message) for message in messages] == [list(range(NOTICES))] * THREADS
    assert all("failed" in message.text for message in messages)
    assert slack.busiest("chat.postMessage", timedelta(seconds=1), CHANNEL) == 1
    assert slack.busiest("chat.update", timedelta(minutes=1)) <= 50
    assert (world.dead_letters.letters, world.queue.dead, world.failures) == ([], [], [])
    assert (world.threads.left, world.publisher.published) == ([], [])
    assert slack.faults_left < 500, "most of the script was played"


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault.kind}-{fault.code}-{fault.accepted}")
@pytest.mark.parametrize("place", range(4))
def test_each_passing_fault_at_each_call(world: NotifyWorld, slack: SlackStandIn, fault: Fault, place: int) -> None:
    slack.script([None] * place + [fault])
    publish(world, 0, 0)
    world.run(60)
    publish(world, 0, NOTICES - 1)
    world.run()
    (message,) = slack.messages(CHANNEL)
    assert told(message) == [0, NOTICES - 1]
    assert "failed" in message.text
    assert (world.dead_letters.letters, world.threads.left, world.failures) == ([], [], [])


@pytest.mark.parametrize("code", REFUSED)
def test_each_refusal_is_a_dead_letter_with_its_reason_and_told_elsewhere(
    world: NotifyWorld, slack: SlackStandIn, code: str
) -> None:
    slack.script([Fault.refuse(code, "chat.postMessage")])
    publish(world, 0, NOTICES - 1)
    world.run()
    ((_, attributes),) = world.dead_letters.letters
    assert attributes["reason"] == code
    assert any("failed" in each.rendered.text for each in world["fallback"].messages.values())
    assert [each.detail["reason"] for each in world.publisher.published] == [code]


def test_a_message_that_a_person_deletes_is_posted_anew(world: NotifyWorld, slack: SlackStandIn) -> None:
    publish(world, 0, 0)
    world.run(60)
    (message,) = slack.messages(CHANNEL)
    slack.delete(CHANNEL, message.ts)
    publish(world, 0, NOTICES - 1)
    world.run()
    (again,) = slack.messages(CHANNEL)
    assert "failed" in again.text
    assert told(again) == [NOTICES - 1]


def test_an_edit_that_may_no_longer_be_made_is_a_new_message(world: NotifyWorld, slack: SlackStandIn) -> None:
    publish(world, 0, 0)
    world.run(60)
    slack.script([Fault.refuse("cant_update_message", "chat.update")])
    publish(world, 0, NOTICES - 1)
    world.run()
    assert [told(each) for each in slack.messages(CHANNEL)] == [[0], [NOTICES - 1]]


def test_a_log_goes_to_the_thread_as_a_file(world: NotifyWorld, slack: SlackStandIn) -> None:
    world.publish("Deployment Failed", log_tail=["one", "two"])
    world.run()
    (message,) = slack.messages(CHANNEL)
    assert Counter(file.title for reply in message.replies for file in reply.files) == {"log-tail.txt": 1}
