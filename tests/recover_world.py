"""Recover on fakes, with its queue and the rule of ECS's events before it: an event in, the end state out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import TransientError
from longshore.recover.ports import Ports
from longshore.recover.reading import Message
from longshore.recover.retry import RetryPolicy
from longshore.recover.service import Recoverer, Rules
from longshore.settings import Mode
from tests.boundaries import Bounded, Crash
from tests.fake_tasks import (
    CLUSTER,
    FakeBreakers,
    FakeLaunchers,
    FakeLogs,
    FakeRecipes,
    FakeRecoveries,
    FakeTasks,
)
from tests.fakes import FakePostponer, FakePublisher, FakeSwitches

if TYPE_CHECKING:
    from longshore.outcomes import Outcome

VISIBILITY = timedelta(seconds=360)
AUTO = {"longshore:recover": "auto"}
IDEMPOTENT = {**AUTO, "longshore:retry": "idempotent"}


class RecoverWorld(Bounded):
    """One account and Region with cluster `shop`. Every change of a task is an event in recover's queue."""

    def __init__(
        self,
        *,
        mode: Mode = Mode.AUTO,
        policy: RetryPolicy | None = None,
        passable: tuple[str, ...] | None = None,
        chance: float = 0.5,
    ) -> None:
        super().__init__()
        self.tasks = FakeTasks(self.clock)
        self.tasks.changed = self.task_changed
        self.launchers, self.logs = FakeLaunchers(), FakeLogs()
        self.recipes, self.recoveries, self.breakers = FakeRecipes(), FakeRecoveries(), FakeBreakers()
        self.switches, self.publisher, self.queue = FakeSwitches(), FakePublisher(), FakePostponer()
        self.outcomes: list[Outcome] = []
        self.failures: list[BaseException] = []
        self.sending = True
        self.rules = Rules(policy or RetryPolicy(), mode, passable)
        self.ports = Ports(
            tasks=self._port(self.tasks),
            network=self._port(self.tasks.network),
            launchers=self._port(self.launchers),
            logs=self._port(self.logs),
            recipes=self._port(self.recipes),
            recoveries=self._port(self.recoveries),
            breakers=self._port(self.breakers),
            switches=self._port(self.switches),
            postponer=self._port(self.queue),
            publisher=self._port(self.publisher),
            clock=self.clock,
            chance=lambda: chance,
        )
        self.recoverer = Recoverer(self.ports, self.rules)

    # -- events -----------------------------------------------------------------------------------------------------

    def task_changed(self, arn: str) -> None:
        """The rule from ECS's task events to recover's queue."""
        if self.sending:
            self.queue.postpone(self.event(arn), self.clock.now())

    def event(self, arn: str, **detail: Any) -> dict[str, Any]:
        """ECS's event of a task as it is now, with `detail` in place of what is so."""
        told = {**self.tasks.described(arn), **detail}
        return self.envelope("ECS Task State Change", json.loads(json.dumps(told, default=_text)))

    def send(self, body: Mapping[str, Any]) -> None:
        """A message comes to the queue."""
        self.queue.postpone(body, self.clock.now())

    def sweep(self) -> None:
        """The schedule of the sweep fires."""
        self.send(self.envelope("Sweep Due", {}))

    def deliver(self, body: Mapping[str, Any]) -> list[Outcome]:
        """One message to recover."""
        found = self.recoverer.handle(Message.parse(json.loads(json.dumps(body))))
        self.outcomes += found
        return found

    def run(self, minutes: float = 0) -> None:
        """Delivers everything that becomes due within a time, in order; failed messages come back."""
        end = self.clock.now() + timedelta(minutes=minutes)
        while (due := self.queue.next_due()) is not None and due <= end:
            self.clock.advance_to(due)
            body = self.queue.receive(self.clock.now())
            assert body is not None
            try:
                self.deliver(body)
            except (TransientError, Crash) as error:
                self.failures.append(error)
                self.crash_at = None
                self.queue.postpone(body, self.clock.now() + VISIBILITY)
        self.clock.advance_to(end)

    # -- what came of it --------------------------------------------------------------------------------------------

    @property
    def told(self) -> list[str]:
        """The detail-types that were published."""
        return self.publisher.kinds

    def detail(self, number: int = -1) -> Mapping[str, Any]:
        """The detail of one published event, the last unless told."""
        return self.publisher.published[number].detail

    @property
    def reasons(self) -> list[str]:
        """The reasons of every outcome."""
        return [each.reason for each in self.outcomes]

    @property
    def replacements(self) -> list[str]:
        """The tasks that Longshore started."""
        return self.tasks.launched


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def running(tags: Mapping[str, str] | None = None, **members: Any) -> tuple[RecoverWorld, str]:
    """A world with one standalone task of a family with these tags, which runs and was seen to."""
    options = {name: members.pop(name) for name in ("mode", "policy", "passable", "chance") if name in members}
    definition = members.pop("definition", {})
    world = RecoverWorld(**options)
    arn = world.tasks.run(world.tasks.define(tags=AUTO if tags is None else tags, **definition), **members)
    world.run(1)
    world.outcomes.clear()
    return world, arn


def log(world: RecoverWorld, arn: str, *lines: str, container: str = "app", family: str = "etl") -> None:
    """What a container wrote."""
    world.logs.lines[f"/ecs/{family}", f"ecs/{container}/{arn.rpartition('/')[2]}"] = list(lines)


__all__ = ["AUTO", "CLUSTER", "IDEMPOTENT", "Crash", "RecoverWorld", "log", "running"]
