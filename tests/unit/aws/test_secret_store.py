"""Secrets by ARN: both services, JSON keys, five minutes, and what is said of one that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from longshore.aws.secrets import SecretStore
from longshore.errors import AccessDeniedError, ConfigurationError, ThrottledError, UpstreamError
from tests.unit.channels.channel_world import Clock


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> SecretStore:
    return SecretStore(lambda service, region: boto3.client(service, region_name=region), clock)


def secret(value: str, region: str = "eu-west-1") -> str:
    client = boto3.client("secretsmanager", region_name=region)
    return str(client.create_secret(Name="longshore/slack", SecretString=value)["ARN"])


def test_a_secret_is_read_in_the_region_of_its_arn(store: SecretStore) -> None:
    assert store.get(secret("xoxb-1\n", "us-east-2")) == "xoxb-1"


def test_a_member_of_a_json_secret_is_named_as_ecs_names_it(store: SecretStore) -> None:
    arn = secret('{"token": "xoxb-1", "port": 1}')
    assert store.get(f"{arn}:token::") == "xoxb-1"
    assert store.get(f"{arn}:port") == "1"
    with pytest.raises(ConfigurationError, match="no JSON key 'absent'") as caught:
        store.get(f"{arn}:absent")
    assert "xoxb" not in str(caught.value)


@pytest.mark.parametrize("member", ["null", "true", '{"a": "xoxb-1"}', '["xoxb-1"]'])
def test_a_member_that_is_no_text_is_refused(store: SecretStore, member: str) -> None:
    arn = secret(f'{{"token": {member}}}')
    with pytest.raises(ConfigurationError, match="no text under the JSON key 'token'") as caught:
        store.get(f"{arn}:token::")
    assert "xoxb" not in str(caught.value)


def test_a_parameter_is_decrypted(store: SecretStore) -> None:
    ssm = boto3.client("ssm", region_name="eu-west-1")
    ssm.put_parameter(Name="/longshore/teams", Value="https://x/?sig=1", Type="SecureString")
    arn = ssm.get_parameter(Name="/longshore/teams")["Parameter"]["ARN"]
    assert store.get(arn) == "https://x/?sig=1"


def test_a_value_is_kept_for_five_minutes_and_forgotten_when_told(store: SecretStore, clock: Clock) -> None:
    arn = secret("one")
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    store.get(arn)
    client.put_secret_value(SecretId=arn, SecretString="two")
    clock.advance(299)
    assert store.get(arn) == "one"
    clock.advance(1)
    assert store.get(arn) == "two"
    client.put_secret_value(SecretId=arn, SecretString="three")
    store.forget(arn)
    assert store.get(arn) == "three"
    store.forget("never read")


def test_binary_secrets_are_refused(store: SecretStore) -> None:
    client = boto3.client("secretsmanager", region_name="eu-west-1")
    arn = client.create_secret(Name="binary", SecretBinary=b"x")["ARN"]
    with pytest.raises(ConfigurationError, match="binary"):
        store.get(arn)


@pytest.mark.parametrize(
    "arn",
    [
        "xoxb-not-an-arn",
        "",
        "arn:aws:s3:::bucket",
        "arn:aws:secretsmanager:eu-west-1:123456789012",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:absent-AbCdEf",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/absent",
    ],
)
def test_what_is_not_there_is_a_wrong_configuration(store: SecretStore, arn: str) -> None:
    with pytest.raises(ConfigurationError):
        store.get(arn)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", AccessDeniedError),
        ("ThrottlingException", ThrottledError),
        ("InternalServiceError", UpstreamError),
        ("DecryptionFailure", ConfigurationError),
    ],
)
def test_failures_say_whether_trying_again_can_help(clock: Clock, code: str, kind: type[Exception]) -> None:
    class Failing:
        def get_secret_value(self, **arguments: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")

    store = SecretStore(lambda service, region: Failing(), clock)
    with pytest.raises(kind):
        store.get("arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf")
