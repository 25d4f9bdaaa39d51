"""Deployed functions, run in this process from the repository's own modules."""

import importlib.util
import io
import json
import os
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from longshore import wiring
from longshore_local.recorder import Recorder
from longshore_local.timeline import Timeline

_HOST_PREFIXES = ("AWS_", "LONGSHORE_", "POWERTOOLS_", "LOG_LEVEL")


class UnknownFunctionError(LookupError):
    """No function of that name or ARN is deployed."""


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function of the stack; `name` is its logical id, `timeout` in seconds, `memory` in MB."""

    name: str
    function_name: str
    arn: str
    handler: str
    environment: Mapping[str, str]
    timeout: int
    memory: int


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a function: what went in, what came out, what it logged. `error` is what it raised."""

    function: str
    event: Any
    request_id: str
    result: Any = None
    error: Exception | None = None
    trace: str = ""
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The context object that Lambda hands to a function."""

    aws_request_id: str
    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    function_version: str
    log_group_name: str
    log_stream_name: str
    _deadline: float = field(repr=False)
    _timeline: Timeline = field(repr=False)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the timeout, on the bundle's clock."""
        return max(int((self._deadline - self._timeline.now().timestamp()) * 1000), 0)


class _Log(io.TextIOBase):
    """Standard output of functions. One for the process: loggers keep the stream they first saw."""

    def __init__(self) -> None:
        self._text = io.StringIO()

    def write(self, text: str) -> int:
        return self._text.write(text)

    def drain(self) -> tuple[str, ...]:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return tuple(line for line in text.split("\n") if line)  # str.splitlines splits at other characters too


_LOG = _Log()
_LOCK = threading.RLock()  # the environment and standard output belong to the process


class Functions:
    """Runs functions one at a time, each with the environment that its deployment gave it."""

    def __init__(self, timeline: Timeline, recorder: Recorder, region: str) -> None:
        self._timeline = timeline
        self._recorder = recorder
        self._region = region
        self._deployed: dict[str, DeployedFunction] = {}
        self._directories: dict[str, Path] = {}
        self._modules: dict[str, ModuleType] = {}
        self._current: DeployedFunction | None = None
        self.invocations: list[Invocation] = []
        wiring.use_clock(timeline)

    def deploy(self, function: DeployedFunction, directory: Path) -> None:
        """Makes a function, whose module is in `directory`, known under its name, its ARN and its logical id."""
        for key in (function.name, function.function_name, function.arn):
            self._deployed[key] = function
        self._directories[function.name] = directory
        self._modules.pop(function.name, None)

    def find(self, name_or_arn: str) -> DeployedFunction:
        """The deployed function of this name or ARN (a qualifier is ignored); raises UnknownFunctionError."""
        unqualified = ":".join(name_or_arn.split(":")[:7])
        function = self._deployed.get(unqualified)
        if function is None:
            raise UnknownFunctionError(f"no function {name_or_arn} is deployed")
        return function

    def invoke(self, name_or_arn: str, event: Any) -> Invocation:
        """Runs a function to its end; what it raises is in the answer, not raised."""
        function = self.find(name_or_arn)
        with _LOCK, self._inside(function):
            invocation = self._run(function, event)
        self.invocations.append(invocation)
        return invocation

    def call(self, name_or_arn: str, event: Any) -> Any:
        """Runs a function and answers its result; raises what it raises."""
        invocation = self.invoke(name_or_arn, event)
        if invocation.error is not None:
            raise invocation.error
        return invocation.result

    def _run(self, function: DeployedFunction, event: Any) -> Invocation:
        context = self._context(function)
        _LOG.drain()
        try:
            with redirect_stdout(_LOG), self._recorder.inside(function.name):
                handle = self._handler(function)
                result = _through_json(handle(_through_json(event), context))
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            return Invocation(function.name, event, context.aws_request_id, None, error, trace, _LOG.drain())
        return Invocation(function.name, event, context.aws_request_id, result, log=_LOG.drain())

    def _handler(self, function: DeployedFunction) -> Any:
        module_name, _, attribute = function.handler.rpartition(".")
        if function.name not in self._modules:
            self._modules[function.name] = _load(self._directories[function.name], module_name)
        return getattr(self._modules[function.name], attribute)

    def _context(self, function: DeployedFunction) -> LambdaContext:
        now = self._timeline.now()
        return LambdaContext(
            aws_request_id=str(uuid4()),
            function_name=function.function_name,
            invoked_function_arn=function.arn,
            memory_limit_in_mb=function.memory,
            function_version="$LATEST",
            log_group_name=f"/aws/lambda/{function.function_name}",
            log_stream_name=f"{now:%Y/%m/%d}/[$LATEST]local",
            _deadline=now.timestamp() + function.timeout,
            _timeline=self._timeline,
        )

    @contextmanager
    def _inside(self, function: DeployedFunction) -> Iterator[None]:
        saved, outer = dict(os.environ), self._current
        self._switch_to(function)
        os.environ.clear()
        os.environ.update({key: value for key, value in saved.items() if not key.startswith(_HOST_PREFIXES)})
        os.environ.update(self._runtime_environment(function) | dict(function.environment))
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(saved)
            if outer is not None:
                self._switch_to(outer)

    def _switch_to(self, function: DeployedFunction) -> None:
        """Every function has a composition of its own, as every Lambda has a process of its own."""
        if self._current != function:
            wiring.reset()
        self._current = function

    def forget(self) -> None:
        """The next call starts in a new process: what one remembered of an account that is emptied now is wrong."""
        self._current = None

    def _runtime_environment(self, function: DeployedFunction) -> dict[str, str]:
        return {
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "_HANDLER": function.handler,
        }


def _load(directory: Path, name: str) -> ModuleType:
    path = directory / f"{name.replace('.', '/')}.py"
    spec = importlib.util.spec_from_file_location(f"longshore_local_function_{name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UnknownFunctionError(f"no module {path.name} in {directory}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _through_json(value: Any) -> Any:
    """What Lambda's JSON boundary leaves of a value; raises TypeError for what is not JSON."""
    return json.loads(json.dumps(value))
