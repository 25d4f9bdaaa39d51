"""The trail: CloudTrail's records of RunTask, minutes late, complete what is known of how tasks were launched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.recover.launch import missing
from longshore.recover.owner import owner_of
from longshore.recover.recovery import RecoveryState

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.facts import TaskLaunched
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.recipe import LaunchRecipe
    from longshore.recover.recording import Recorder
    from longshore.recover.recovery import Recovery
    from longshore.recover.replacing import Replacer
    from longshore.tasks import Task


class Trail:
    """Takes what CloudTrail tells of launches that started something."""

    def __init__(self, ports: Ports, recorder: Recorder, replacer: Replacer) -> None:
        self._tasks = ports.tasks
        self._recoveries = ports.recoveries
        self._recorder = recorder
        self._replacer = replacer

    def follow(self, message: Message, launched: TaskLaunched) -> list[Outcome]:
        """Records how tasks were asked for that nobody but Longshore would start again.

        One whose replacement was refused because just that was not known is replaced after all.
        """
        outcomes: list[Outcome] = []
        for task in self._tasks.survey(launched.cluster, launched.tasks):
            if not owner_of(task).nobody or self._recoveries.root_of(task.arn) is not None:
                continue
            if (whole := self._recorder.requested(task, launched.recipe)) is not None:
                outcomes += self._recorded(message, task, whole)
        return outcomes

    def _recorded(self, message: Message, task: Task, whole: LaunchRecipe) -> list[Outcome]:
        """Opened again before the request is recorded: after a crash the sweep finds what is open."""
        refused = self._refused_for_want_of_it(task, whole)
        if refused is not None:
            self._recoveries.save(replace(refused, state=RecoveryState.OPEN))
        self._recorder.keep(task, whole)
        if refused is None:
            return []
        return self._replacer.handle(self._replacer.incidents.of(message, task))

    def _refused_for_want_of_it(self, task: Task, whole: LaunchRecipe) -> Recovery | None:
        """The recovery that was refused because of what is known now; what else it was refused for is asked again."""
        recovery, known = self._recoveries.get(task.arn), self._recorder.kept(task.arn)
        if recovery is None or recovery.state is not RecoveryState.REFUSED or recovery.attempts or known is None:
            return None
        try:
            definition, _ = self._tasks.definition(task.definition)
        except GoneError:
            return None
        wanted = missing(task, known, definition) and not missing(task, whole, definition)
        return recovery if wanted else None
