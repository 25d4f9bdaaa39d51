"""What is told of a failed channel: never the secret that a library or a service may quote."""

from __future__ import annotations

import pytest

from longshore.errors import ConfigurationError, DeliveryError, UpstreamError
from longshore.notify.claim import ChannelCallError
from longshore.notify.failing import why_of
from tests.notify_world import NotifyWorld

TOKEN = "xoxb-" + "123456789012-abcdefABCDEF"
QUOTING = [
    ValueError(f"Invalid header value b'Bearer {TOKEN}\\n'"),
    KeyError("a word without a shape: hunter2"),
    RuntimeError("hunter2"),
    DeliveryError("invalid-event", f"routing_key={TOKEN} is wrong, password: hunter2"),
    UpstreamError(f"Bearer {TOKEN} was not understood"),
]


@pytest.mark.parametrize("error", QUOTING, ids=lambda error: type(error).__name__)
def test_a_secret_in_an_error_reaches_neither_log_nor_bus_nor_people(error: Exception) -> None:
    world = NotifyWorld()
    world["ops"].broken = error
    world.publish("Deployment Failed", reason="alarms", why="x")
    world.run()
    (published,) = [each for each in world.publisher.published if each.detail["destination"] == "ops"]
    told = [str(each.to_log()) for each in world.outcomes]
    told += [str(each.detail) for each in world.publisher.published]
    told += [str(attributes) for _, attributes in world.dead_letters.letters]
    told += [str(each.rendered) for channel in world.channels.values() for each in channel.messages.values()]
    assert not [each for each in told if TOKEN in each or "hunter2" in each]
    assert published.detail["why"]


def test_what_a_defect_of_ours_says_stays_in_the_process() -> None:
    assert why_of(ValueError(TOKEN)) == "ValueError"
    assert str(ChannelCallError(ValueError(TOKEN))) == "ValueError"


def test_a_wrong_configuration_is_told_in_full() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
    assert why_of(ConfigurationError(arn, "is empty", "store the token")) == f"{arn}: is empty (store the token)"


def test_a_name_that_looks_like_a_secret_is_not_told() -> None:
    world = NotifyWorld(routes=[{"to": [TOKEN]}])
    world.publish("Deployment Failed", reason="alarms", why="x")
    world.run()
    (rejected,) = [each for each in world.publisher.published if "problem" in each.detail]
    assert "names the channel" in rejected.detail["problem"] and TOKEN not in str(rejected.detail)
