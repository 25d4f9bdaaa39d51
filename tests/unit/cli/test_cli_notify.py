"""`longshore notify`: the body that a channel gets, what people read, and a test message that arrives or says why not."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from moto.core.config import DefaultConfig

from longshore import wiring
from longshore.aws.clock import SystemClock
from longshore.notify.reading import read
from longshore.notify.render.dispatch import render
from longshore_cli.main import main
from longshore_local.moto_sns import counted
from longshore_local.slack import Fault, SlackStandIn
from tests.conftest import EVENTS

MOTO: DefaultConfig = {"core": {"reset_boto3_session": False}}
OURS = EVENTS / "longshore"
STARTED, FAILED = OURS / "deployment-started.json", OURS / "deployment-failed.json"
CHANNELS = ["slack", "slack-webhook", "sns", "teams", "amazonq", "pagerduty", "webhook"]
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack"
CONFIG = f"""
channels:
  ops: {{type: slack, channel: C0123456789, secret: "{SECRET}", lang: ja}}
  slack: {{type: sns, topic: "arn:aws:sns:eu-west-1:123456789012:notices"}}
  hook: {{type: webhook, url: "https://127.0.0.1/hook", secret: "{SECRET}-key"}}
routes:
  - {{match: {{severity: ">=error"}}, to: [ops, hook], mention: "@here"}}
  - {{to: [slack]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "longshore.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return str(file)


def notify(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["notify", *map(str, arguments)])


def body(*arguments: object) -> dict[str, object]:
    result = notify("preview", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    parsed: dict[str, object] = json.loads(result.stdout)
    return parsed


# -- preview ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("channel", [channel for channel in CHANNELS if channel != "sns"])
def test_the_body_is_the_one_that_delivery_renders(channel: str, language: str) -> None:
    notice = read(json.loads(FAILED.read_text(encoding="utf-8")))
    assert notice is not None
    assert body(FAILED, "--channel", channel, "--lang", language) == render(notice, channel, language).body


def test_a_topic_gets_text_for_mail_and_a_card_for_amazon_q() -> None:
    published = body(FAILED, "--channel", "sns")
    messages = published["Message"]
    assert isinstance(messages, dict) and set(messages) == {"default", "email", "https"}
    assert json.loads(messages["https"]) == body(FAILED, "--channel", "amazonq")
    assert str(published["Subject"]).startswith("[ERROR] web")


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("file", sorted(OURS.glob("*.json")), ids=lambda file: file.stem)
def test_every_event_of_our_own_can_be_shown_in_every_channel(file: Path, channel: str) -> None:
    result = notify("preview", file, "--channel", channel)
    nobody = file.stem == "redeploy-requested"
    assert result.exit_code == (1 if nobody else 0), result.stderr
    assert bool(result.stdout) is not nobody
    assert ("nobody is told of Redeploy Requested" in result.stderr) is nobody


def test_as_text_it_is_what_people_read_with_the_thread() -> None:
    lines = notify("preview", FAILED, "--channel", "slack").stdout.splitlines()
    assert lines[0] == "🔴 web · prod: `prod` failed after 5m00s"
    assert "in its thread:" in lines
    assert any(line.startswith("  │ Correlation") for line in lines)


@pytest.mark.parametrize("files", [(STARTED, FAILED), (FAILED, STARTED)])
def test_several_events_of_a_thread_are_the_message_as_it_stands_after_them(files: tuple[Path, Path]) -> None:
    text = notify("preview", *files, "--channel", "slack").stdout
    assert text.startswith("🔴 web · prod: `prod` failed")
    assert "deployment started → " in text


def test_events_of_several_threads_are_exit_2() -> None:
    result = notify("preview", STARTED, OURS / "hold-set.json", "--channel", "slack")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "several messages" in result.stderr


def test_a_channel_of_the_configuration_has_its_type_its_language_and_its_mention(config: str) -> None:
    text = notify("preview", FAILED, "--channel", "ops", "--config", config).stdout
    assert text.startswith("@here\n🔴 web (prod) への")
    assert "デプロイ" not in notify("preview", FAILED, "--channel", "ops", "--config", config, "--lang", "en").stdout


def test_a_name_of_the_configuration_wins_over_a_type(config: str) -> None:
    assert "Subject" in body(FAILED, "--channel", "slack", "--config", config)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            [FAILED, "--channel", "opps", "--config", "CONFIG"],
            "there is no channel opps; there are ops, slack, hook, fallback",
        ),
        ([FAILED], "--channel"),
        (["--channel", "slack"], "EVENT.json"),
        ([EVENTS / "ecr" / "image-push-index.json", "--channel", "slack"], "is no event of Longshore's own"),
        ([FAILED, "--channel", "slack", "--lang", "de"], "'de' is not one of"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[object], told: str, config: str) -> None:
    result = notify("preview", *[config if each == "CONFIG" else each for each in arguments], "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_what_is_not_json_is_exit_2(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text("{", encoding="utf-8")
    assert notify("preview", file, "--channel", "slack").exit_code == 2


def test_a_wrong_configuration_is_exit_2_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text("channels:\n  ops: {type: slak}\n", encoding="utf-8")
    result = notify("preview", FAILED, "--channel", "ops", "--config", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "longshore.yaml:2" in result.stderr


# -- test ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackStandIn]:
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws(config=MOTO), counted(), SlackStandIn() as standin:
        wiring.use_clock(SystemClock())  # clients made before belong to another world
        monkeypatch.setenv("LONGSHORE_SLACK_URL", standin.api_url)
        store("slack", standin.token)
        yield standin
    wiring.use_clock(SystemClock())


def store(name: str, value: str) -> None:
    boto3.client("secretsmanager", "eu-west-1").create_secret(Name=name, SecretString=value)


def deploy(*subscribers: str) -> str:
    """A stack with the one resource and the one output that count here."""
    template = {
        "Resources": {"Notices": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"NoticesTopicArn": {"Value": {"Ref": "Notices"}}},
    }
    cloudformation = boto3.client("cloudformation", "eu-west-1")
    cloudformation.create_stack(StackName="longshore", TemplateBody=json.dumps(template))
    (stack,) = cloudformation.describe_stacks(StackName="longshore")["Stacks"]
    arn = str(stack["Outputs"][0]["OutputValue"])
    for each in subscribers:
        boto3.client("sns", "eu-west-1").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=each)
    return arn


def test_a_message_arrives_and_says_what_it_is(slack: SlackStandIn, config: str) -> None:
    result = notify("test", "ops", "--config", config, "--lang", "en", "--json")
    (message,) = slack.messages("C0123456789")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert set(answer) == {"channel", "type", "sent", "message", "reason", "why", "fallback"}
    assert (answer["sent"], answer["message"]) == (True, f"C0123456789/{message.ts}")
    assert "ops*: a test message from Longshore" in message.text


def test_it_speaks_the_channels_language(slack: SlackStandIn, config: str) -> None:
    assert notify("test", "ops", "--config", config).stdout.startswith("ops (slack): took the message")
    assert "テスト" in slack.messages("C0123456789")[0].text


@pytest.mark.parametrize("code", ["invalid_auth", "not_in_channel", "channel_not_found"])
def test_a_channel_that_refuses_is_exit_1_with_the_reason(slack: SlackStandIn, config: str, code: str) -> None:
    slack.script([Fault.refuse(code), Fault.refuse(code)])
    result = notify("test", "ops", "--config", config, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["sent"], answer["reason"]) == (False, code)
    assert answer["why"]


def test_as_text_a_refusal_is_told_on_standard_error(slack: SlackStandIn, config: str) -> None:
    slack.script([Fault.throttle(7)])
    result = notify("test", "ops", "--config", config)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "ops (slack): did not take the message" in result.stderr


@pytest.mark.usefixtures("slack")
def test_a_secret_that_is_not_there_is_exit_2(config: str) -> None:
    result = notify("test", "hook", "--config", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{SECRET}-key" in result.stderr


@pytest.mark.usefixtures("slack")
def test_a_secret_is_never_shown(config: str) -> None:
    store("slack-key", "whsec_not-base64")
    result = notify("test", "hook", "--config", config, "--json")
    assert result.exit_code == 2
    assert "not-base64" not in result.stderr


USELESS = '{\n  "token": "hunter2"\n}'


@pytest.mark.usefixtures("slack")
def test_a_secret_that_no_channel_could_use_is_exit_2_and_not_shown(config: str) -> None:
    boto3.client("secretsmanager", "eu-west-1").put_secret_value(SecretId="slack", SecretString=USELESS)
    result = notify("test", "ops", "--config", config, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{SECRET}: is JSON" in result.stderr and "hunter2" not in result.stderr


@pytest.mark.parametrize("error", [ValueError("Bearer hunter2"), KeyError("hunter2"), RuntimeError("hunter2")])
def test_not_even_a_defect_of_ours_shows_the_secret(
    slack: SlackStandIn, config: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("longshore.channels.slack.SlackChannel.post", fail)
    result = notify("test", "ops", "--config", config, "--json")
    assert (result.exit_code, json.loads(result.stdout)["why"]) == (1, type(error).__name__)
    assert "hunter2" not in result.output and slack.calls == []
    assert isinstance(result.exception, SystemExit)


def test_an_app_that_may_not_read_back_works_and_is_warned_of(slack: SlackStandIn, config: str) -> None:
    slack.script([Fault.refuse("not_in_channel", "conversations.history")])
    result = notify("test", "ops", "--config", config)
    assert (result.exit_code, len(slack.messages("C0123456789"))) == (0, 1)
    assert "channel ops: what was posted cannot be read back" in result.stderr
    assert "not as a file" not in result.stderr


def test_an_app_that_may_not_upload_works_and_is_warned_of(slack: SlackStandIn, config: str) -> None:
    slack.script([Fault.refuse("missing_scope", "files.getUploadURLExternal")])
    result = notify("test", "ops", "--config", config)
    assert result.exit_code == 0
    assert "files:write" in result.stderr


def test_what_else_the_app_may_do_may_stay_unknown(slack: SlackStandIn, config: str) -> None:
    slack.script([Fault.server_error(503, "conversations.history")])
    result = notify("test", "ops", "--config", config)
    assert result.exit_code == 0
    assert "what else the app may do cannot be seen" in result.stderr


@pytest.mark.usefixtures("slack")
def test_a_channel_that_is_not_there_is_exit_2_with_those_there_are(config: str) -> None:
    result = notify("test", "opps", "--config", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there are ops, slack, hook, fallback" in result.stderr


@pytest.mark.usefixtures("slack")
def test_a_fallback_that_nobody_hears_is_told_and_its_test_is_sent(config: str) -> None:
    arn = deploy()
    result = notify("test", "fallback", "--config", config, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["fallback"] == {"topic": arn, "subscribers": 0}
    assert "nobody has confirmed a subscription" in result.stderr


@pytest.mark.usefixtures("slack")
def test_a_fallback_that_is_heard_needs_no_word(config: str) -> None:
    deploy("arn:aws:sqs:eu-west-1:123456789012:somebody")
    result = notify("test", "ops", "--config", config, "--json")
    assert json.loads(result.stdout)["fallback"]["subscribers"] == 1
    assert result.stderr == ""


@pytest.mark.usefixtures("slack")
def test_the_fallback_of_a_stack_that_is_not_there_is_exit_2(config: str) -> None:
    result = notify("test", "fallback", "--config", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--stack" in result.stderr
