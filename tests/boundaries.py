"""Where a process may end: at every call of a port, before it or after it; what worlds of fakes have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes import FakeClock

ACCOUNT, REGION = "123456789012", "eu-west-1"


class Crash(BaseException):
    """The process ends here: nothing may catch it."""


class Boundary:
    """A port whose calls are counted over all ports; the process ends at the one that is chosen."""

    def __init__(self, port: Any, step: Callable[[str, str], None]) -> None:
        self._port = port
        self._step = step

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            self._step(f"{type(self._port).__name__}.{name}", "before")
            answer = method(*args, **kwargs)
            self._step(f"{type(self._port).__name__}.{name}", "after")
            return answer

        return call


class Bounded:
    """A world whose ports are boundaries, and whose events have envelopes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.steps: list[str] = []
        self.crash_at: int | None = None
        self.interrupt: Callable[[str], None] = lambda step: None
        self._ids = 0

    def _port(self, port: Any) -> Any:
        return Boundary(port, self.step)

    def step(self, name: str, moment: str) -> None:
        """One boundary is reached."""
        self.steps.append(f"{name} {moment}")
        self.interrupt(self.steps[-1])
        if self.crash_at == len(self.steps):
            raise Crash(self.steps[-1])

    def crash_after(self, steps: int) -> None:
        """The process ends that many boundaries from now."""
        self.crash_at = len(self.steps) + steps

    def envelope(self, kind: str, detail: Mapping[str, Any], *resources: str) -> dict[str, Any]:
        """An EventBridge envelope."""
        self._ids += 1
        return {
            "version": "0",
            "id": f"event-{self._ids}",
            "detail-type": kind,
            "source": "test",
            "account": ACCOUNT,
            "region": REGION,
            "time": self.clock.now().isoformat(),
            "resources": list(resources),
            "detail": dict(detail),
        }
