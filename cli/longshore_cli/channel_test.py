"""One test message to a channel of longshore.yaml, and who hears the fallback."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from longshore import wiring
from longshore.aws.clock import SystemClock
from longshore.aws.secrets import SecretStore
from longshore.aws.session import client
from longshore.channels.http import Http
from longshore.envelopes import SOURCE
from longshore.errors import ConfigurationError
from longshore.events import Kind
from longshore.notices import Notice, Phase, Severity, Text
from longshore.notify.failing import reason_of, why_of
from longshore.notify.render.dispatch import render
from longshore.notify.routes import FALLBACK, Destination, Routing
from longshore_cli.output import WrongError

if TYPE_CHECKING:
    from longshore.notify.ports import Channel

_TOPIC = "NoticesTopicArn"
_UNHEARD = (
    "nobody has confirmed a subscription to the fallback topic {arn}: what no channel takes is heard by nobody; "
    "subscribe somebody, or set AlertEmail and confirm the mail that AWS sends"
)


@runtime_checkable
class Limited(Protocol):
    """A channel that can say what it may not do besides posting."""

    def shortcomings(self) -> list[str]:
        """Each with what follows from it, and the fix."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """How it went; `reason` and `why` say it when the channel did not take the message."""

    channel: str
    type: str
    sent: bool
    message: str | None = None
    reason: str = ""
    why: str = ""
    fallback: str | None = None
    subscribers: int | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """The answer for people."""
        where = f"{self.channel} ({self.type})"
        if self.sent:
            return f"{where}: took the message" + (f" as {self.message}" if self.message else "")
        said = self.why if self.reason in self.why else f"{self.why} [{self.reason}]"
        return f"{where}: did not take the message: {said}"

    def to_json(self) -> dict[str, Any]:
        """The members that `longshore notify test --json` tells."""
        fallback = {"topic": self.fallback, "subscribers": self.subscribers}
        said = {"channel": self.channel, "type": self.type, "sent": self.sent, "message": self.message}
        return {**said, "reason": self.reason or None, "why": self.why or None, "fallback": fallback}


def send(routing: Routing, name: str, language: str | None, stack: str, slack_url: str) -> Result:
    """Sends a test message. Raises WrongError for a channel or a secret that is not there."""
    topic, subscribers, warnings = _fallback(stack)
    destination = _destination(routing, name, topic, stack)
    if language:
        destination = destination._replace(language=language)
    result = Result(name, destination.type, False, None, "", "", topic, subscribers, tuple(warnings))
    clock = SystemClock()
    try:
        http = Http(clock, loopback=bool(slack_url))
        channel = wiring.channel_of(destination, SecretStore(client, clock), http, slack_url)
        sent = replace(result, sent=True, message=_post(channel, destination, clock.now()))
    except ConfigurationError as error:
        raise WrongError(f"channel {name}: {error}") from None
    except Exception as error:  # not even a defect of ours may show the secret, as a traceback might
        return replace(result, reason=reason_of(error), why=why_of(error))
    return replace(sent, warnings=(*warnings, *_shortcomings(name, channel)))


def _shortcomings(name: str, channel: Channel) -> list[str]:
    """What a channel that takes messages still lacks."""
    if not isinstance(channel, Limited):
        return []
    try:
        return [f"channel {name}: {each}" for each in channel.shortcomings()]
    except Exception as error:
        return [f"channel {name}: what else the app may do cannot be seen: {why_of(error)}"]


def _post(channel: Channel, destination: Destination, now: datetime) -> str | None:
    rendered = render(_notice(destination.name, now), destination.type, destination.language)
    return channel.post(rendered, idempotency=f"test/{uuid4()}")


def _notice(name: str, now: datetime) -> Notice:
    """Good news that ends a thread of its own: it alarms nobody, and leaves nothing open."""
    id = str(uuid4())
    event = {
        "version": "0",
        "id": id,
        "detail-type": Kind.MIRROR_REPORTED.value,
        "source": SOURCE,
        "time": now.astimezone(UTC).isoformat(),
        "resources": [],
        "detail": {"test": True, "workload": "", "verdict": "skip", "reason": "test", "correlation": id},
    }
    return Notice(
        id=id,
        kind=Kind.MIRROR_REPORTED,
        severity=Severity.OK,
        phase=Phase.RESOLVED,
        thread=f"test/{id}",
        order=(now.isoformat(), 0),
        occurred_at=now,
        account="",
        region="",
        subject=name,
        team=None,
        channel=None,
        environment=None,
        headline=Text("headline.test", {"subject": name}),
        facts=(),
        details=(),
        links=(),
        log_tail=None,
        correlation=id,
        event=event,
    )


def _destination(routing: Routing, name: str, topic: str | None, stack: str) -> Destination:
    if name not in routing.destinations:
        there = ", ".join(routing.destinations)
        raise WrongError(f"there is no channel {name}; there are {there}; --config names another file")
    if name != FALLBACK:
        return routing.destinations[name]
    if topic is None:
        raise WrongError(f"the stack {stack} cannot be seen, and fallback is its topic; name another with --stack")
    return Destination(FALLBACK, "sns", topic)


def _fallback(stack: str) -> tuple[str | None, int | None, list[str]]:
    """The stack's topic, how many have confirmed that they hear it, and what is to be said of that."""
    try:
        (described,) = client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
        arn = outputs.get(_TOPIC)
        if arn is None:
            return None, None, [f"the stack {stack} has no output {_TOPIC}: who hears the fallback is unknown"]
        attributes = client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return None, None, [f"who hears the fallback of the stack {stack} cannot be seen ({code})"]
    except BotoCoreError as error:
        return None, None, [f"who hears the fallback of the stack {stack} cannot be seen ({error})"]
    subscribers = int(attributes.get("SubscriptionsConfirmed", 0))
    return arn, subscribers, [] if subscribers else [_UNHEARD.format(arn=arn)]
