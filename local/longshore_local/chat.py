"""Where a bundle's notices go: the Slack stand-in, and the secrets by which configured Slack channels reach it."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import boto3
from botocore.exceptions import ClientError

from longshore_local.slack import SlackStandIn

_SLACK = ("slack", "slack-webhook")
_THERE_ALREADY = ("ResourceExistsException", "ParameterAlreadyExists")


class Chat:
    """A stand-in that knows the Slack channels of a compiled configuration; every channel, when it has none.

    An incoming webhook leads to a channel that is called as `longshore.yaml` calls the webhook.
    """

    def __init__(self, config: Mapping[str, Any], now: Callable[[], datetime]) -> None:
        channels: Mapping[str, Mapping[str, str]] = config.get("channels") or {}
        self._channels = {name: each for name, each in channels.items() if each["type"] in _SLACK}
        names = {each.get("channel", name): name for name, each in self._channels.items()}
        self.slack = SlackStandIn(now=now, channels=names or None)

    @property
    def environment(self) -> Mapping[str, str]:
        """What has the functions talk to the stand-in."""
        return {"LONGSHORE_SLACK_URL": self.slack.api_url, "LONGSHORE_LOOPBACK": "true"}

    def provide(self, session: boto3.Session) -> None:
        """Puts the stand-in's token and addresses where the configuration says; leaves what is there already."""
        plain: dict[str, str] = {}
        members: dict[str, dict[str, str]] = {}
        for name, each in self._channels.items():
            value = self.slack.token if each["type"] == "slack" else self.slack.webhook_url(name)
            arn, key = _split(each["secret"])
            if key:
                members.setdefault(arn, {})[key] = value
            else:
                plain[arn] = value
        for arn, value in {**plain, **{arn: json.dumps(each) for arn, each in members.items()}}.items():
            _put(session, arn, value)


def _split(arn: str) -> tuple[str, str]:
    """The secret, and the member of it that is meant, as Amazon ECS writes it: `ARN:KEY::`."""
    fields = arn.split(":")
    return ":".join(fields[:7]), "".join(fields[7:8])


def _put(session: boto3.Session, arn: str, value: str) -> None:
    _, _, service, region, _, *name = arn.split(":")
    try:
        if service == "ssm":
            client = session.client("ssm", region_name=region)
            client.put_parameter(Name=name[0].removeprefix("parameter"), Value=value, Type="SecureString")
        else:
            session.client("secretsmanager", region_name=region).create_secret(Name=name[1], SecretString=value)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _THERE_ALREADY:
            raise
