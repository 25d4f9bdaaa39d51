"""What the replacements of a family and of a cluster may use up: budgets of the hour, and a breaker (recover 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from longshore.errors import ConflictError
from longshore.recover.decide import Budget

if TYPE_CHECKING:
    from longshore.recover.breaker import Breaker
    from longshore.recover.ports import Ports
    from longshore.recover.retry import RetryPolicy
    from longshore.tasks import Task

_TRIES = 5


class Families:
    """Budgets and breakers."""

    def __init__(self, ports: Ports, policy: RetryPolicy) -> None:
        self._switches = ports.switches
        self._breakers = ports.breakers
        self._clock = ports.clock
        self._policy = policy

    def paused(self) -> bool:
        """Whether everything is paused."""
        return self._switches.paused() is not None

    def budget(self, task: Task) -> Budget:
        """Takes one replacement from the hour's budgets, and answers which of them had one left."""
        now, policy = self._clock.now(), self._policy
        cluster = f"replace#{task.cluster_name}"
        if not self._switches.count(f"{cluster}/{task.family}", now, policy.family_per_hour):
            return Budget(family=0)
        return Budget(cluster=int(self._switches.count(cluster, now, policy.cluster_per_hour)))

    def breaker(self, task: Task) -> Breaker:
        """The breaker as it stands."""
        return self._breakers.get(task.cluster, task.family)

    def tried(self, task: Task) -> None:
        """A replacement was let through: half-open, the breaker is open for all others until that one has ended."""
        self._change(task, lambda breaker: breaker.tried(self._policy.breaker, self._clock.now()))

    def failed(self, task: Task, opens: Callable[[Breaker], object]) -> None:
        """A replacement failed; `opens` is called before it is recorded that this opened the breaker."""

        def change(before: Breaker) -> Breaker:
            after = before.failed(self._policy.breaker, self._clock.now())
            if after.opened is not None and before.opened is None:
                opens(after)
            return after

        self._change(task, change)

    def well(self, task: Task, closes: Callable[[], object]) -> None:
        """A task of the family ended well; `closes` is called before it is recorded that this closed the breaker."""

        def change(before: Breaker) -> Breaker:
            if before.opened is not None:
                closes()
            return before.succeeded()

        self._change(task, change)

    def _change(self, task: Task, change: Callable[[Breaker], Breaker]) -> None:
        """Writes what follows from the breaker as it is. Raises ConflictError when others keep writing."""
        for left in reversed(range(_TRIES)):
            before = self.breaker(task)
            after = change(before)
            if after == before:
                return
            try:
                self._breakers.save(task.cluster, task.family, after)
                return
            except ConflictError:
                if not left:
                    raise
