"""`longshore send`: an event to the default bus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import click

from longshore_cli.output import FailedError, WrongError, json_option, note, write_json

_REQUIRED = {"source": str, "detail-type": str, "detail": dict}
_REPLAY = "longshore.replay"
_PATH = "/longshore/events"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts on which the local bundle answers."""


@click.command(short_help="Delivers an event to the default bus.")
@click.argument("event", type=click.File("r", encoding="utf-8"))
@json_option
def send(event: Any, as_json: bool) -> None:
    """Delivers EVENT, a file with one EventBridge event as JSON or - for standard input, to the default bus.

    The local bundle (`longshore local`, found by AWS_ENDPOINT_URL) takes it as it is, as if AWS had raised it. Real AWS
    refuses events of AWS's own sources, so there it is sent with the source longshore.replay, which the stack follows
    when its parameter AllowReplay is true.
    """
    parsed = read_event(event)
    document = _send(parsed)
    if as_json:
        write_json(document)
    else:
        click.echo(f"{parsed['detail-type']}: delivered as {document['id']} from {document['source']}")


def read_event(file: Any) -> dict[str, Any]:
    """The event of an open file. Raises WrongError with the first thing that is wrong."""
    name = getattr(file, "name", "-")
    try:
        event = json.load(file)
    except (ValueError, RecursionError) as error:
        raise WrongError(f"{name} is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise WrongError(f"{name} must hold one event, an object, not {type(event).__name__}")
    for field, kind in _REQUIRED.items():
        if not isinstance(event.get(field), kind) or not event[field]:
            what = "an object" if kind is dict else "text"
            raise WrongError(f"{name}: {field} is missing or not {what}; events/ has complete ones")
    return event


def _send(event: Mapping[str, Any]) -> dict[str, Any]:
    import boto3
    from botocore.config import Config

    events = boto3.session.Session().client("events", config=Config(retries={"total_max_attempts": 2}))
    endpoint = urlsplit(events.meta.endpoint_url)
    if endpoint.hostname in LOOPBACK:
        answer = _deliver_locally(f"{endpoint.scheme}://{endpoint.netloc}{_PATH}", event)
        if answer is not None:
            return answer
    return _replay(events, event)


def _deliver_locally(url: str, event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Hands the event to the bundle; None when something else answers there."""
    import urllib3

    try:
        answer = urllib3.request("POST", url, json=event, retries=False, timeout=10)
    except urllib3.exceptions.HTTPError as error:
        raise FailedError(f"{url} does not answer ({error}); is `longshore local` up?") from error
    if "X-Longshore" not in answer.headers:
        return None
    body = answer.json()
    if answer.status != 200:  # noqa: PLR2004
        raise WrongError(body["problem"])
    if body.get("note"):
        note(body["note"])
    return {"delivered": True, "id": body["id"], "source": event["source"], "bus": "default", "replay": False}


def _replay(events: Any, event: Mapping[str, Any]) -> dict[str, Any]:
    source = _REPLAY if str(event["source"]).startswith("aws.") else str(event["source"])
    if source == _REPLAY:
        note(f"Sent as {_REPLAY}: the stack follows it when its parameter AllowReplay is true.")
    entry = {
        "Source": source,
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": [str(resource) for resource in event.get("resources", [])],
    }
    answer = events.put_events(Entries=[entry])
    (result,) = answer["Entries"]
    if answer["FailedEntryCount"]:
        raise FailedError(f"EventBridge refused the event: {result['ErrorCode']}: {result['ErrorMessage']}")
    return {
        "delivered": True,
        "id": result["EventId"],
        "source": source,
        "bus": "default",
        "replay": source == _REPLAY,
    }
