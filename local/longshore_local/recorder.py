"""Every AWS call that a function makes, recorded; and faults, injected into them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from longshore_local.overriding import override

When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Call:
    """One AWS API call by a function: service and operation as botocore names them (`ecs`, `UpdateService`)."""

    function: str
    service: str
    operation: str
    params: dict[str, Any]
    region: str
    status: int
    error: str | None = None


@dataclass(slots=True)
class Fault:
    """A failure to come. `before`: the call has no effect; `after`: it has, only the answer is lost."""

    service: str
    operation: str
    error: str
    count: int | None
    probability: float
    when: When
    function: str | None
    passes: int = 0
    struck: int = 0

    def concerns(self, function: str, service: str, operation: str) -> bool:
        """Whether this fault may still strike such a call."""
        exhausted = self.count is not None and self.struck >= self.count
        same_function = self.function in (None, function)
        return not exhausted and same_function and (self.service, self.operation) == (service, operation)


@dataclass(slots=True)
class Faults:
    """The faults to inject; chance is seeded, so that a run can be repeated."""

    seed: int = 0
    _faults: list[Fault] = field(default_factory=list)
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def add(
        self,
        service: str,
        operation: str,
        error: str,
        *,
        count: int | None = 1,
        probability: float = 1.0,
        when: When = "before",
        function: str | None = None,
        passes: int = 0,
    ) -> Fault:
        """Lets the next `count` calls (None: all) fail with an error code, each with a probability, after `passes`."""
        fault = Fault(service, operation, error, count, probability, when, function, passes)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Removes every fault and starts the chance anew."""
        self._faults.clear()
        self._random = Random(self.seed)

    def strike(self, function: str, service: str, operation: str) -> Fault | None:
        """The fault that strikes this call, if any."""
        for fault in self._faults:
            if not fault.concerns(function, service, operation):
                continue
            if fault.passes:
                fault.passes -= 1
            elif self._random.random() < fault.probability:
                fault.struck += 1
                return fault
        return None


class Recorder:
    """Sees every botocore call of the process; records those made inside an invocation."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self._functions: list[str] = []

    def count(self, service: str, operation: str | None = None) -> int:
        """How many recorded calls went to a service, or to one of its operations."""
        return sum(call.service == service and operation in (None, call.operation) for call in self.calls)

    def clear(self) -> None:
        """Forgets calls and faults."""
        self.calls.clear()
        self.faults.clear()

    @contextmanager
    def inside(self, function: str) -> Iterator[None]:
        """Calls made while open belong to this function, from whichever thread."""
        self._functions.append(function)
        try:
            yield
        finally:
            self._functions.pop()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While open, every client of the process goes through this recorder."""
        make_call = BaseClient._make_api_call

        def make_recorded_call(client: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
            if not self._functions:
                return make_call(client, operation_name, api_params)
            return self._record(self._functions[-1], client, operation_name, api_params, make_call)

        with override(BaseClient, "_make_api_call", make_recorded_call):
            yield

    def _record(
        self, function: str, client: Any, operation: str, params: dict[str, Any], make_call: Callable[..., Any]
    ) -> Any:
        service = str(client.meta.service_model.service_name)
        status: int = 0
        error: str | None = "NoAnswer"
        try:
            fault = self.faults.strike(function, service, operation)
            if fault and fault.when == "before":
                raise _client_error(fault)
            answer = make_call(client, operation, params)
            if fault:
                raise _client_error(fault)
            status, error = int(answer["ResponseMetadata"]["HTTPStatusCode"]), None
        except ClientError as failure:
            status = int(failure.response["ResponseMetadata"]["HTTPStatusCode"])
            error = str(failure.response["Error"]["Code"])
            raise
        else:
            return answer
        finally:
            region = str(client.meta.region_name)
            self.calls.append(Call(function, service, operation, params, region, status, error))


def _client_error(fault: Fault) -> ClientError:
    server_side = fault.error.startswith(("Internal", "Server", "ServiceUnavailable"))
    answer = {
        "Error": {"Code": fault.error, "Message": f"injected into {fault.operation}"},
        "ResponseMetadata": {"HTTPStatusCode": 500 if server_side else 400, "RetryAttempts": 0},
    }
    return ClientError(answer, fault.operation)
