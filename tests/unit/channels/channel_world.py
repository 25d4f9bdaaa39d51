"""Fakes that the tests of channels share: secrets, a clock, a resolver, a rendered notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from longshore.channels.http import Http
from longshore.errors import ConfigurationError
from longshore.notify.ports import Rendered

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TOKEN_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf"
TEXT = "orders-api: v1.8.3 is being deployed"


class Clock:
    """Time that moves when told."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class FakeSecrets:
    """Secrets in memory; `rotations` are the values that reading anew brings, in order."""

    def __init__(self, values: Mapping[str, str], rotations: Mapping[str, Sequence[str]] | None = None) -> None:
        self.values = dict(values)
        self.rotations = {arn: list(each) for arn, each in (rotations or {}).items()}
        self.forgotten: list[str] = []

    def get(self, arn: str) -> str:
        if arn not in self.values:
            raise ConfigurationError(arn, "is not there")
        return self.values[arn]

    def forget(self, arn: str) -> None:
        self.forgotten.append(arn)
        if self.rotations.get(arn):
            self.values[arn] = self.rotations[arn].pop(0)


def http(clock: Clock | None = None, timeout: float = 5.0, limit: int = 1_000_000) -> Http:
    """Posts that may go to this machine."""
    return Http(clock or Clock(), timeout=timeout, limit=limit, loopback=True)


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def rendered(text: str = TEXT, **members: object) -> Rendered:
    body: object = members.pop("body", {"blocks": [section(text)]})
    return Rendered(body=body, text=text, **members)  # type: ignore[arg-type]
