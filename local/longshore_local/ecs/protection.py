"""Task scale-in protection: tasks of services that neither a scale-in, a deployment nor a draining instance stops."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from longshore_local.ecs import errors
from longshore_local.ecs.calls import Call
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.task_actions import tasks_of
from longshore_local.ecs.tasks import Task

_MOST_UPDATED, _MOST_READ = 10, 100
_DEFAULT, _LONGEST = 120, 2880  # minutes
_NOT_OF_A_SERVICE = "TASK_NOT_VALID"


class ProtectionActions:
    """GetTaskProtection and UpdateTaskProtection; `release` is called with a task that is protected no more."""

    def __init__(self, engine: Engine, release: Callable[[Task], None]) -> None:
        self._engine = engine
        self._release = release

    def get_task_protection(self, call: Call) -> dict[str, Any]:
        """Of up to a hundred tasks; of those not named, of all the tasks of services."""
        if not call.params.get("tasks"):
            return self._answer([task for task in tasks_of(call) if task.service is not None], [])
        return self._answer(*_named(call, _MOST_READ))

    def update_task_protection(self, call: Call) -> dict[str, Any]:
        """Protects up to ten tasks for some minutes, two hours unless told, or takes it back."""
        minutes = int(call.params.get("expiresInMinutes") or _DEFAULT)
        if not 1 <= minutes <= _LONGEST:
            raise errors.invalid_parameter(f"expiresInMinutes must be between 1 and {_LONGEST}, got {minutes}.")
        found, failures = _named(call, _MOST_UPDATED)
        for task in found:
            if call.params["protectionEnabled"]:
                until = self._engine.now() + timedelta(minutes=minutes)
                task.protected_until = until
                self._engine.after(minutes * 60, partial(self._expire, task, until))
            elif task.protected_until is not None:
                task.protected_until = None
                self._release(task)
        return self._answer(found, failures)

    def _expire(self, task: Task, until: object) -> None:
        if task.protected_until == until:
            task.protected_until = None
            self._release(task)

    @staticmethod
    def _answer(found: list[Task], failures: list[dict[str, str]]) -> dict[str, Any]:
        return {"protectedTasks": [_view(task) for task in found], "failures": failures}


def _named(call: Call, most: int) -> tuple[list[Task], list[dict[str, str]]]:
    """The tasks that a call names, and why the others have no protection."""
    names = [str(name) for name in call.params.get("tasks") or []]
    if not 1 <= len(names) <= most:
        raise errors.invalid_parameter(f"Between 1 and {most} tasks, got {len(names)}.")
    held = {task.id: task for task in tasks_of(call)}
    found, failures = [], []
    for name in names:
        task = held.get(name.rpartition("/")[2])
        if task is None:
            failures.append({"arn": name, "reason": "MISSING"})
        elif task.service is None:
            failures.append({"arn": task.task_arn, "reason": _NOT_OF_A_SERVICE})
        else:
            found.append(task)
    return found, failures


def _view(task: Task) -> dict[str, Any]:
    until = task.protected_until
    return {"taskArn": task.task_arn, "protectionEnabled": until is not None} | (
        {"expirationDate": until} if until is not None else {}
    )
