"""The bundle's Slack: configured channels reach it through their own secrets, whatever their form."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from longshore_local.bundle import CHANNELS, Bundle, Sources
from tests.conftest import EVENTS

SECRETS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
CONFIG = f"""
channels:
  plain: {{type: slack, channel: C000000001, secret: "{SECRETS}:plain"}}
  member: {{type: slack, channel: C000000002, secret: "{SECRETS}:both:token::"}}
  hook: {{type: slack-webhook, secret: "{SECRETS}:both:address::"}}
  parameter: {{type: slack, channel: C000000003, secret: "arn:aws:ssm:eu-west-1:123456789012:parameter/slack/token"}}
"""


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Bundle]:
    config = tmp_path / "longshore.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    with Bundle.start(sources=Sources(config=config, channels=CHANNELS)) as bundle:
        yield bundle


def announce(bundle: Bundle, name: str = "deployment-failed") -> None:
    """Puts an event of Longshore's own on its bus, and lets it be told."""
    event = json.loads((EVENTS / "longshore" / f"{name}.json").read_text(encoding="utf-8"))
    entry = {"Source": "longshore", "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
    answer = bundle.client("events").put_events(Entries=[{**entry, "EventBusName": "longshore"}])
    assert answer["FailedEntryCount"] == 0
    bundle.run(limit=timedelta(minutes=1))


def first_lines(bundle: Bundle) -> dict[str, list[str]]:
    slack = bundle.slack
    return {slack.name(each): [m.text.splitlines()[0] for m in slack.messages(each)] for each in slack.channels}


def test_every_form_of_secret_leads_to_its_channel_also_after_clear(configured: Bundle) -> None:
    for _ in range(2):
        configured.clear()
        assert (configured.slack.channels, configured.slack.calls) == ([], [])
        announce(configured)
        told = first_lines(configured)
        assert told.keys() == {"plain", "member", "hook", "parameter"}
        assert {line for lines in told.values() for line in lines} == {"🔴 *web* · prod: `prod` failed after 5m00s"}
        assert [len(lines) for lines in told.values()] == [1, 1, 1, 1]


def test_without_channels_of_its_own_the_bundles_channel_hears_everything(tmp_path: Path) -> None:
    config = tmp_path / "longshore.yaml"
    config.write_text("profiles: {}\n", encoding="utf-8")
    with Bundle.start(sources=Sources(config=config, channels=CHANNELS)) as bundle:
        announce(bundle, "deployment-succeeded")
        assert first_lines(bundle).keys() == {"deployments"}


def test_a_stack_that_does_not_notify_has_no_slack() -> None:
    with Bundle.start(parameters={"NotifyMode": "off"}) as bundle:
        assert not bundle.notifies
        with pytest.raises(RuntimeError, match="no function that notifies"):
            assert bundle.slack
