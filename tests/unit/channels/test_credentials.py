"""Secrets as channels get them: renewed once when refused, and refused when nothing could use them."""

from __future__ import annotations

import pytest

from longshore.channels.credentials import with_secret
from longshore.errors import ConfigurationError, DeliveryError
from tests.unit.channels.channel_world import TOKEN_ARN, FakeSecrets

USELESS = ["", '{"token": "hunter2"}', "hunter2\nhunter2", "hunter2\t", "hunter2\x00", "hunter2 失敗", "hunter2\u2028"]


def refuse(secret: str) -> str:
    raise DeliveryError("invalid_auth")


@pytest.mark.parametrize("value", USELESS)
def test_what_no_channel_could_use_is_refused_unseen(value: str) -> None:
    secrets, used = FakeSecrets({TOKEN_ARN: value}), list[str]()
    with pytest.raises(ConfigurationError) as caught:
        with_secret(secrets, TOKEN_ARN, used.append, ())
    assert (used, caught.value.key) == ([], TOKEN_ARN)
    assert caught.value.problem and caught.value.fix
    assert "hunter2" not in str(caught.value)
    assert secrets.forgotten == [TOKEN_ARN], "put right, it is read at once"


@pytest.mark.parametrize("value", USELESS)
def test_a_rotation_to_something_useless_is_refused_as_well(value: str) -> None:
    secrets = FakeSecrets({TOKEN_ARN: "old"}, {TOKEN_ARN: [value]})
    with pytest.raises(ConfigurationError) as caught:
        with_secret(secrets, TOKEN_ARN, refuse, {"invalid_auth"})
    assert "hunter2" not in str(caught.value)


def test_several_signing_keys_are_one_line() -> None:
    assert with_secret(FakeSecrets({TOKEN_ARN: "whsec_a whsec_b"}), TOKEN_ARN, str.split, ()) == ["whsec_a", "whsec_b"]


def test_a_json_secret_says_how_to_name_its_member() -> None:
    with pytest.raises(ConfigurationError, match="ARN:KEY::"):
        with_secret(FakeSecrets({TOKEN_ARN: "{}"}), TOKEN_ARN, str, ())
