"""What moto does not implement answers a clear error instead of a Python exception (local 1.1)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from longshore_local.overriding import override


@contextmanager
def explained() -> Iterator[None]:
    """While open, an unimplemented action is an UnsupportedOperation error (400, so that no client retries)."""
    call_action = BaseResponse.call_action

    def call(response: Any) -> Any:
        try:
            return call_action(response)
        except NotImplementedError as error:
            return _answer(response, error)

    with override(BaseResponse, "call_action", call):
        yield


def _answer(response: Any, error: NotImplementedError) -> tuple[int, Any, Any]:
    action = response._get_action()
    text = f"the local bundle does not implement {response.service_name}:{action} ({error})"
    # moto finds the service's model by the module of the exception
    kind = type("UnsupportedOperationError", (ServiceException,), {"__module__": type(response).__module__})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # no service's model has such an error
        status, headers, body = response.serialized(ActionResult(kind("UnsupportedOperation", text)))
    return int(status), {**headers, "status": str(status)}, body
