"""Settings come from the environment, and what is wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from longshore.errors import ConfigurationError
from longshore.settings import Mode, Settings, load_config

ENV = {
    "LONGSHORE_MODE": "auto",
    "LONGSHORE_TABLE": "ledger",
    "LONGSHORE_BUS": "longshore",
    "LONGSHORE_QUEUE_URL": "https://sqs/redeploy",
    "LONGSHORE_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:redeploy",
    "LONGSHORE_WATCH_QUEUE_URL": "https://sqs/watch",
    "LONGSHORE_WATCH_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:watch",
    "LONGSHORE_SCHEDULE_GROUP": "longshore",
    "LONGSHORE_SCHEDULER_ROLE_ARN": "arn:aws:iam::123456789012:role/scheduler",
    "LONGSHORE_PASSABLE_ROLE_ARNS": "arn:aws:iam::*:role/a,arn:aws:iam::*:role/b",
    "LONGSHORE_CONFIG": "/opt/config.json",
}
REQUIRED = sorted(set(ENV) - {"LONGSHORE_PASSABLE_ROLE_ARNS"} - {key for key in ENV if "WATCH" in key})


def test_the_environment_is_read() -> None:
    settings = Settings.from_env(ENV)
    assert (settings.account, settings.region, settings.mode) == ("123456789012", "eu-west-1", Mode.AUTO)
    assert settings.watch_queue_url == "https://sqs/watch"
    assert settings.passable_role_arns == ("arn:aws:iam::*:role/a", "arn:aws:iam::*:role/b")


@pytest.mark.parametrize("name", REQUIRED)
def test_what_is_missing_is_named(name: str) -> None:
    for env in ({key: value for key, value in ENV.items() if key != name}, {**ENV, name: ""}):
        with pytest.raises(ConfigurationError) as error:
            Settings.from_env(env)
        assert error.value.key == name


@pytest.mark.parametrize(("name", "value"), [("LONGSHORE_MODE", "on"), ("LONGSHORE_QUEUE_ARN", "redeploy")])
def test_what_is_wrong_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=value) as error:
        Settings.from_env({**ENV, name: value})
    assert error.value.key == name


def test_no_role_may_be_passed_by_default() -> None:
    assert Settings.from_env({**ENV, "LONGSHORE_PASSABLE_ROLE_ARNS": ""}).passable_role_arns == ()


def test_the_watch_uses_its_own_queue_as_its_own() -> None:
    settings = Settings.from_env({key: value for key, value in ENV.items() if "WATCH" not in key})
    assert (settings.watch_queue_url, settings.watch_queue_arn) == (settings.queue_url, settings.queue_arn)


def test_the_compiled_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"profiles": {}}')
    assert load_config(str(path)) == {"profiles": {}}


@pytest.mark.parametrize("text", [None, "", "{", "[]", "5", b"\xff"])
def test_a_configuration_that_cannot_be_read_is_told(tmp_path: Path, text: str | bytes | None) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as error:
        load_config(str(path))
    assert error.value.key == "LONGSHORE_CONFIG"
    assert error.value.fix
