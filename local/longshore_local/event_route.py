"""An HTTP way onto the default bus for events that AWS would raise itself, which PutEvents refuses (design 4)."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from longshore_local.bundle import Bundle

PATH = "/longshore/events"
HEADER = "X-Longshore"
"""By this response header a caller knows that it talks to the bundle and not to another local AWS."""

_LONGEST = 1024 * 1024  # bytes; PutEvents takes no more
_REQUIRED: Mapping[str, type] = {"source": str, "detail-type": str, "detail": dict}

Application = Any
"""A WSGI application; its standard types clash with those that werkzeug declares."""
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class EventRefusedError(ValueError):
    """What was posted is no event; the text says what is wrong with it."""


class EventRoute:
    """A WSGI application in front of AWS's API: POST /longshore/events takes one event, all else passes through."""

    def __init__(self, application: Application, bundle: Bundle) -> None:
        self._application = application
        self._bundle = bundle

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            passed: Iterable[bytes] = self._application(environ, start_response)
            return passed
        status, answer = "200 OK", {}
        if environ["REQUEST_METHOD"] != "POST":
            status, answer = "405 Method Not Allowed", {"problem": f"POST an event to {PATH}"}
        else:
            try:
                answer = self._deliver(_body(environ))
            except EventRefusedError as error:
                status, answer = "400 Bad Request", {"problem": str(error)}
        content = json.dumps(answer).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), (HEADER, "local")]
        start_response(status, headers)
        return [content]

    def _deliver(self, body: bytes) -> dict[str, Any]:
        event = self._completed(_event(body))
        try:
            self._bundle.emit(event)
        except KeyError as error:
            raise EventRefusedError(f"there is no Region {event['region']!r}") from error
        return {"id": event["id"], "note": self._note(event)}

    def _completed(self, event: dict[str, Any]) -> dict[str, Any]:
        """What a caller may leave out, as EventBridge fills it in."""
        defaults = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "account": self._bundle.account,
            "time": self._bundle.timeline.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._bundle.region,
            "resources": [],
        }
        return defaults | event

    def _note(self, event: Mapping[str, Any]) -> str | None:
        where, here = (event["account"], event["region"]), (self._bundle.account, self._bundle.region)
        if where == here:
            return None
        return f"The event is of {'/'.join(where)}, but the stack is in {'/'.join(here)}: its rules do not see it."


def _body(environ: Mapping[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if not length.isdecimal() or int(length) > _LONGEST:
        raise EventRefusedError(f"send one event with its Content-Length, at most {_LONGEST} bytes")
    return bytes(environ["wsgi.input"].read(int(length)))


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventRefusedError(f"this is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise EventRefusedError("an event is an object")
    for name, kind in _REQUIRED.items():
        if not isinstance(event.get(name), kind) or not event[name]:
            raise EventRefusedError(f"{name} is missing or not {'an object' if kind is dict else 'text'}")
    for name in ("account", "region", "id", "time"):
        if not isinstance(event.get(name, ""), str):
            raise EventRefusedError(f"{name} is not text")
    return event
