"""The event bus: rules read from moto, matched and delivered as EventBridge does (local 1.2, 6)."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from moto.events import models as events_models
from moto.events.exceptions import InvalidEventPatternException, ValidationException
from moto.events.models import EventsBackend, Rule, events_backends
from moto.events.responses import EventsHandler

from longshore_local.bus_policies import allows_put
from longshore_local.deliveries import Deliveries, Delivery, DeliveryError
from longshore_local.event_input import InputError, target_input
from longshore_local.overriding import override
from longshore_local.patterns import InvalidPatternError, Pattern, compile_pattern
from longshore_local.timeline import Timeline

MAX_ENTRIES = 10
MAX_REQUEST_BYTES = 1024 * 1024  # all entries of one PutEvents together

Event = dict[str, Any]
Observer = Callable[[str, Event], None]


class LocalBus:
    """Every event bus of every account and Region of the bundle."""

    def __init__(self, timeline: Timeline, deliveries: Deliveries) -> None:
        self._timeline = timeline
        self._deliveries = deliveries
        self._observers: list[Observer] = []
        deliveries.destinations["events"] = self._to_bus

    def subscribe(self, observer: Observer) -> None:
        """Calls `observer` with (bus name, event) for every event, before it is delivered."""
        self._observers.append(observer)

    def put(
        self, event: Event, bus_name: str = "default", account: str | None = None, region: str | None = None
    ) -> None:
        """Delivers a complete event envelope to the targets of the rules that match; the bus must exist."""
        backend = events_backends[account or event["account"]][region or event["region"]]
        bus = backend.describe_event_bus(bus_name)
        for observer in self._observers:
            observer(bus.name, event)
        for rule in list(bus.rules.values()):
            raw = rule.event_pattern.dump()
            if rule.state != "DISABLED" and raw and _compiled(raw).matches(event):
                self.send(rule, event)

    def send(self, rule: Rule, event: Event) -> None:
        """Delivers an event to every target of a rule."""
        for target in list(rule.targets):
            self._deliver(rule, target, event)

    def _deliver(self, rule: Rule, target: Mapping[str, Any], event: Event) -> None:
        if ":event-bus/" in target["Arn"]:
            body = json.dumps(event)  # a bus passes events on as they are
        else:
            try:
                body = target_input(target, event, rule.arn, self._timeline.now())
            except InputError:
                return  # EventBridge counts a failed invocation and drops the event
        retry = target.get("RetryPolicy", {})
        self._deliveries.start(
            Delivery(
                sender=rule.arn,
                service="events.amazonaws.com",
                destination=target["Arn"],
                body=body,
                options=target,
                dead_letter_arn=target.get("DeadLetterConfig", {}).get("Arn"),
                attempts=int(retry.get("MaximumRetryAttempts", 185)),
                max_age=timedelta(seconds=int(retry.get("MaximumEventAgeInSeconds", 86400))),
            )
        )

    def _to_bus(self, delivery: Delivery) -> None:
        _, _, _, region, account, resource = delivery.destination.split(":", 5)
        name = resource.removeprefix("event-bus/")
        if name not in events_backends[account][region].event_buses:
            raise DeliveryError("NO_RESOURCE", f"the event bus {delivery.destination} does not exist")
        _refuse_foreign(delivery, account, events_backends[account][region].event_buses[name].policy)
        parameters = delivery.options.get("EventBridgeParameters")
        if parameters:  # a schedule: its input is the detail of a new event
            event = envelope(
                parameters["Source"],
                parameters["DetailType"],
                json.loads(delivery.body),
                account=account,
                region=region,
                moment=self._timeline.now(),
            )
        else:
            event = json.loads(delivery.body)
        self.put(event, name, account, region)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While open, PutEvents, PutRule and TestEventPattern of moto go by this bus and its patterns."""
        with ExitStack() as stack:

            def put_events(backend: EventsBackend, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
                return _put_events(self, self._timeline, backend, events)

            stack.enter_context(override(EventsBackend, "put_events", put_events))
            stack.enter_context(override(EventsHandler, "test_event_pattern", _test_event_pattern))
            parser = events_models.EventPatternParser
            stack.enter_context(override(parser, "_validate_event_pattern", _validate))
            yield


def _refuse_foreign(delivery: Delivery, account: str, policy: str | None) -> None:
    """A rule of another account puts events only where the bus's policy lets the role of its target."""
    if delivery.sender.split(":")[4] == account:
        return
    role, source = str(delivery.options.get("RoleArn", "")), json.loads(delivery.body)["source"]
    if not role or not allows_put(policy, role, source):
        raise DeliveryError("NO_PERMISSIONS", f"{role or delivery.sender} may not put events on {delivery.destination}")


def envelope(
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    *,
    account: str,
    region: str,
    moment: datetime,
    resources: list[str] | None = None,
) -> Event:
    """A complete EventBridge event with an id of its own."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": list(resources or []),
        "detail": dict(detail),
    }


def _put_events(
    bus: LocalBus, timeline: Timeline, backend: EventsBackend, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    if not 1 <= len(entries) <= MAX_ENTRIES:
        raise ValidationException(
            "1 validation error detected: Value '[PutEventsRequestEntry]' at 'entries' failed to satisfy constraint: "
            f"Member must have length between 1 and {MAX_ENTRIES}"
        )
    if sum(map(_entry_bytes, entries)) > MAX_REQUEST_BYTES:
        raise ValidationException("Total size of the entries in the request is over the limit.")
    return [_put_entry(bus, timeline, backend, entry) for entry in entries]


def _entry_bytes(entry: Mapping[str, Any]) -> int:
    """The size of an entry as EventBridge counts it: Time is 14 bytes, the rest UTF-8."""
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""), *entry.get("Resources", [])]
    return sum(len(text.encode()) for text in texts) + (14 if entry.get("Time") else 0)


def _put_entry(bus: LocalBus, timeline: Timeline, backend: EventsBackend, entry: dict[str, Any]) -> dict[str, Any]:
    refusal = _refusal(entry)
    if refusal:
        return dict(zip(("ErrorCode", "ErrorMessage"), refusal, strict=True))
    moment = datetime.fromtimestamp(entry["Time"], UTC) if entry.get("Time") else timeline.now()
    event = envelope(
        entry["Source"],
        entry["DetailType"],
        json.loads(entry["Detail"]),
        account=backend.account_id,
        region=backend.region_name,
        moment=moment,
        resources=entry.get("Resources"),
    )
    name = (entry.get("EventBusName") or "default").rpartition("event-bus/")[2]
    bus.put(event, name, backend.account_id, backend.region_name)
    return {"EventId": event["id"]}


def _refusal(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
    if str(entry["Source"]).startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


@lru_cache(maxsize=1024)
def _compiled(raw: str) -> Pattern:
    return compile_pattern(json.loads(raw))


def _validate(parser: events_models.EventPatternParser, pattern: Any) -> None:
    if parser.pattern:  # a rule with a schedule has none
        _check(pattern)


def _check(pattern: Any) -> None:
    try:
        compile_pattern(pattern)
    except (InvalidPatternError, AttributeError) as error:
        raise InvalidEventPatternException(str(error)) from error


def _test_event_pattern(response: EventsHandler) -> str:
    pattern, event = (json.loads(response._get_param(name)) for name in ("EventPattern", "Event"))
    _check(pattern)
    return json.dumps({"Result": compile_pattern(pattern).matches(event)})
