"""Channels and routes of `longshore.yaml`: each mistake at its key, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from longshore.notify.routes import FALLBACK, Destination, read_routing
from longshore_config.check import check, read

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
GOOD = f"""
channels:
  ops: {{type: slack, channel: C0123456789, secret: "{SECRET}", lang: ja}}
  member: {{type: slack, channel: G0123456789, secret: "{SECRET}:token::"}}
  hook: {{type: slack-webhook, secret: "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/chat/hook"}}
  mail: {{type: sns, topic: "arn:aws:sns:eu-west-1:123456789012:mail"}}
  q: {{type: amazonq, topic: "arn:aws-us-gov:sns:us-gov-west-1:123456789012:q"}}
  teams: {{type: teams, secret: "{SECRET}"}}
  pager: {{type: pagerduty, secret: "{SECRET}", region: eu}}
  events: {{type: webhook, url: "https://hooks.example.com/in?x=1", secret: "{SECRET}"}}
routes:
  - {{match: {{severity: ">=error", environment: prod}}, to: [pager, ops], mention: "@here", continue: true}}
  - {{match: {{kind: [mirror-*, "Hold Set"], team: shop, workload: web-*, repository: shop/*}}, to: ["tag:longshore:channel", hook]}}
  - {{match: {{kind: events-missed}}, mute: true}}
  - {{to: [ops, member, mail, q, teams, events, fallback]}}
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "longshore.yaml"
    file.write_text(text, encoding="utf-8")
    return [problem.located(file.name) for problem in check(file)]


def test_a_good_configuration_is_good_and_is_read_whole(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []
    config, _ = read(tmp_path / "longshore.yaml")
    routing = read_routing(config, Destination(FALLBACK, "sns", "arn"))
    assert routing.problems == ()
    assert set(routing.destinations) == {*config["channels"], FALLBACK}
    assert routing.destinations["ops"] == Destination("ops", "slack", "C0123456789", SECRET, "ja")
    assert routing.destinations["pager"].region == "eu"
    assert len(routing.routes) == 4
    assert routing.routes[0].goes_on
    assert routing.routes[2].mute


@pytest.mark.parametrize("text", ["channels:\nroutes:\n", "channels: {}\nroutes: []\n"])
def test_neither_is_needed(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


def channel(settings: str) -> str:
    return f"channels:\n  ops: {{{settings}}}\n"


OPS = channel(f'type: slack, channel: C0123456789, secret: "{SECRET}"')
WRONG = [
    (channel("type: pigeon"), "channels.ops.type", "not one of slack"),
    (channel('type: slack, channel: "#ops", secret: "x"'), "channels.ops.channel", "C0123456789"),
    (channel("type: slack, channel: C0123456789"), "channels.ops", "the key secret is missing"),
    (
        channel('type: slack, channel: C0123456789, secret: "xoxb-1-2"'),
        "channels.ops.secret",
        "never the secret itself",
    ),
    (
        channel(f'type: teams, secret: "{SECRET}", url: "https://x.example.com"'),
        "channels.ops.url",
        "type: webhook only",
    ),
    (channel(f'type: webhook, secret: "{SECRET}", url: "http://x.example.com"'), "channels.ops.url", "https"),
    (
        channel(f'type: webhook, secret: "{SECRET}", url: "https://me:pw@x.example.com"'),
        "channels.ops.url",
        "without a secret",
    ),
    (channel('type: sns, topic: "mail"'), "channels.ops.topic", "ARN of an SNS topic"),
    (
        channel(f'type: sns, topic: "arn:aws:sns:eu-west-1:123456789012:t", secret: "{SECRET}"'),
        "channels.ops.secret",
        "need none",
    ),
    (channel(f'type: teams, secret: "{SECRET}", region: eu'), "channels.ops.region", "pagerduty only"),
    (channel(f'type: teams, secret: "{SECRET}", lang: fr'), "channels.ops.lang", "en, ja"),
    (channel(f'type: teams, secret: "{SECRET}", colour: red'), "channels.ops.colour", "unknown key"),
    (OPS.replace("ops", "fallback"), "channels.fallback", "not a valid name"),
    (OPS + OPS.partition("\n")[2], "channels.ops", "twice"),
    (OPS + "routes: [{to: [opps]}, ]", "routes[0].to[0]", "did you mean ops?"),
    (OPS + "routes: [{to: [ops, ops]}]", "routes[0].to", ""),
    (OPS + "routes: [{match: {}}]", "routes[0]", "the key to is missing"),
    (OPS + "routes: [{to: []}]", "routes[0].to", "empty"),
    (OPS + "routes: [{mute: true, to: [ops]}]", "routes[0].to", "it is not allowed here; this route says mute: true"),
    (OPS + "routes: [{match: {kind: deploiment-*}, to: [ops]}]", "routes[0].match.kind", "did you mean deployment-*?"),
    (OPS + "routes: [{match: {kind: [hold-set, xyz]}, to: [ops]}]", "routes[0].match.kind[1]", "there are: deploym"),
    (OPS + "routes: [{match: {kind: Redeploy Requested}, to: [ops]}]", "routes[0].match.kind", "no kind of notice"),
    (
        OPS + 'routes: [{match: {team: a}, to: [fallback], mention: "@here"}, {to: [ops]}]',
        "routes[0].mention",
        "add a Slack channel",
    ),
    (OPS + 'routes: [{match: {severity: ">=bad"}, to: [ops]}]', "routes[0].match.severity", ">=error"),
    (OPS + "routes: [{match: {colour: red}, to: [ops]}]", "routes[0].match.colour", "unknown key"),
    (OPS + "routes: [{to: [ops]}, {match: {team: a}, to: [ops]}]", "routes[1]", "takes everything"),
    (OPS + "routes: [{match: {team: a}, to: [fallback]}]", "channels.ops", "no route leads here"),
]


@pytest.mark.parametrize(("text", "key", "says"), WRONG, ids=[f"{key}-{says[:20]}" for _, key, says in WRONG])
def test_each_mistake_is_found_at_its_key(tmp_path: Path, text: str, key: str, says: str) -> None:
    found = problems(tmp_path, text)
    assert any(f" {key}: " in each and says in each for each in found), found


TOKEN = "xoxb-" + "123456789012-abcdefABCDEF"
PASTED = [
    f"type: slack, channel: C0123456789, secret: {TOKEN}",
    f"type: slack, channel: {TOKEN}, secret: {TOKEN}",
    f"type: slack, channel: C0123456789, secret: [{TOKEN}]",
    "type: pagerduty, secret: 01234567890123456789012345678901",
    "type: pagerduty, secret: 0x1234567890123456789012345678901",
    f'type: webhook, secret: "{SECRET}", url: "http://me:{TOKEN}@hooks.example.com/"',
    f'type: teams, secret: "{SECRET}", url: "https://hooks.example.com/?sig={TOKEN}"',
    f"type: sns, topic: {TOKEN}",
    f"type: sns, topic: {TOKEN}, secret: {TOKEN}",
]


@pytest.mark.parametrize("settings", PASTED)
def test_a_secret_that_was_pasted_into_the_file_is_not_repeated(tmp_path: Path, settings: str) -> None:
    found = problems(tmp_path, channel(settings))
    assert found
    assert not any(each in line for line in found for each in (TOKEN, "4567890", "me:"))


@pytest.mark.parametrize("kind", ["*", "Hold Set", "hold-*", "*-failed", "[dt]*"])
def test_kinds_may_be_written_as_they_are_matched(tmp_path: Path, kind: str) -> None:
    assert problems(tmp_path, OPS + f'routes: [{{match: {{kind: "{kind}"}}, to: [ops]}}]') == []


def test_a_tag_may_lead_to_somebody_who_can_be_mentioned(tmp_path: Path) -> None:
    assert problems(tmp_path, OPS + 'routes: [{to: ["tag:longshore:channel"], mention: "@here"}]') == []


def test_a_route_below_one_that_goes_on_is_reached(tmp_path: Path) -> None:
    assert problems(tmp_path, OPS + "routes: [{to: [ops], continue: true}, {to: [fallback]}]") == []


def test_tags_may_name_a_channel_that_no_route_names(tmp_path: Path) -> None:
    assert problems(tmp_path, OPS + 'routes: [{to: ["tag:longshore:channel"]}]') == []
