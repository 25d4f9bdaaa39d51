"""Lambda's Invoke API, synchronous and asynchronous, over functions that run in this process."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from moto.awslambda_simple.models import LambdaSimpleBackend

from longshore_local.deliveries import DeliveryError
from longshore_local.functions import Functions, Invocation, UnknownFunctionError
from longshore_local.overriding import override
from longshore_local.timeline import Timeline

_RETRIES = (timedelta(minutes=1), timedelta(minutes=2))  # Lambda's two retries of an asynchronous invocation


class Invoking:
    """Calls that others (the bus, topics, clients of the Lambda API) make of functions."""

    def __init__(self, timeline: Timeline, functions: Functions) -> None:
        self._timeline = timeline
        self._functions = functions

    def deliver(self, arn: str, text: str) -> None:
        """Takes an event for a function; raises DeliveryError when there is no such function."""
        try:
            self._functions.find(arn)
        except UnknownFunctionError as error:
            raise DeliveryError("NO_RESOURCE", str(error)) from error
        self.start(arn, json.loads(text))

    def start(self, arn: str, event: Any, retries: int = 0) -> None:
        """Runs a function as soon as time goes on, again after a failure."""
        wait = _RETRIES[retries - 1] if retries else timedelta()
        self._timeline.at(self._timeline.now() + wait, lambda: self._run(arn, event, retries))

    def _run(self, arn: str, event: Any, retries: int) -> None:
        failed = self._functions.invoke(arn, event).error is not None
        if failed and retries < len(_RETRIES):
            self.start(arn, event, retries + 1)

    def answer(self, arn: str, body: Any, headers: Mapping[str, str], answer_headers: dict[str, str]) -> bytes:
        """Serves one call of the Invoke API."""
        event = json.loads(body or "{}")
        match headers.get("X-Amz-Invocation-Type", "RequestResponse"):
            case "DryRun":
                return b""
            case "Event":
                self.start(arn, event)
                return b""
        invocation = self._functions.invoke(arn, event)
        if invocation.error is None:
            return json.dumps(invocation.result).encode()
        answer_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps(_failure(invocation)).encode()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While open, moto's Lambda runs functions of the bundle; it still echoes for others."""
        echo = LambdaSimpleBackend.invoke

        def invoke(
            backend: LambdaSimpleBackend, name: str, qualifier: str | None, body: Any, headers: Any, answer_headers: Any
        ) -> Any:
            try:
                arn = self._functions.find(name).arn
            except UnknownFunctionError:
                return echo(backend, name, qualifier, body, headers, answer_headers)
            return self.answer(arn, body, headers, answer_headers)

        def send_sns_message(
            _backend: Any, name: str, message: str, subject: str | None = None, _qualifier: object = None
        ) -> None:
            notification: dict[str, Any] = {
                "Type": "Notification",
                "Message": message,
                "Subject": subject,
                "MessageAttributes": {},
            }
            record = {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": notification}
            self.deliver(self._functions.find(name).arn, json.dumps({"Records": [record]}))

        with ExitStack() as stack:
            stack.enter_context(override(LambdaSimpleBackend, "invoke", invoke))
            stack.enter_context(override(LambdaSimpleBackend, "send_sns_message", send_sns_message))
            yield


def _failure(invocation: Invocation) -> dict[str, Any]:
    error = invocation.error
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": invocation.request_id,
        "stackTrace": invocation.trace.splitlines(),
    }
