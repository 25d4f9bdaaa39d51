"""Launching what was planned, once: who comes second, after a crash or beside the first, finds the same task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.errors import AccessDeniedError, GoneError, NotReadyError, UnsupportedError
from longshore.recover.launch import Lineage, run_task_request
from longshore.recover.notices import by_hope
from longshore.recover.ports import Launch, LaunchFailure
from longshore.recover.reasons import Reason
from longshore.recover.recovery import AttemptState
from longshore.recover.telling import replaced
from longshore.tasks import ATTEMPT_TAG, PARENT_TAG, ROOT_TAG, Task

if TYPE_CHECKING:
    from longshore.outcomes import Outcome
    from longshore.recover.ports import Ports
    from longshore.recover.recipe import LaunchRecipe
    from longshore.recover.recording import Recorder
    from longshore.recover.recovery import Attempt, Recovery
    from longshore.recover.telling import Incident, Teller


class Launcher:
    """Calls RunTask for planned attempts."""

    def __init__(self, ports: Ports, recorder: Recorder, teller: Teller) -> None:
        self._tasks = ports.tasks
        self._recoveries = ports.recoveries
        self._recorder = recorder
        self._teller = teller

    def child(self, recovery: Recovery, attempt: Attempt) -> Task | None:
        """The task that was launched for an attempt already, known by its tags: RunTask's answer may have been lost."""
        for each in self._tasks.of_family(recovery.cluster, recovery.family):
            tags = each.tags or {}
            if (tags.get(ROOT_TAG), tags.get(PARENT_TAG), tags.get(ATTEMPT_TAG)) == (
                recovery.root,
                attempt.parent,
                str(attempt.number),
            ):
                return each
        return None

    def launch(self, recovery: Recovery, attempt: Attempt, task: Task, recipe: LaunchRecipe) -> Launch | Reason:
        """The replacement, the failures, or why it is never going to be launched. Raises TransientError.

        `task` is what is replaced, as DescribeTasks tells it now: its overrides are in no other place.
        """
        lineage = Lineage(recovery.root, attempt.parent, attempt.number, attempt.failure.cls)
        request = run_task_request(task, recipe, attempt.changes, attempt.token, lineage)
        try:
            return self._tasks.launch(request)
        except AccessDeniedError:
            return Reason.LAUNCH_FORBIDDEN
        except GoneError:
            return Reason.CLUSTER_GONE
        except UnsupportedError as error:  # quotas and want of capacity come as errors too, told apart by their text
            return Launch(failures=(LaunchFailure(str(error).removeprefix("RunTask: ")),), rejected=True)

    def settle(self, incident: Incident, attempt: Attempt, child: str) -> tuple[Recovery, list[Outcome]]:
        """Tells a replacement, then records it with what is known of how to launch it again."""
        recovery = incident.recovery
        if recovery is None:
            raise NotReadyError(f"{attempt.parent} has no recovery to launch from")
        if (recipe := self._recorder.kept(attempt.parent)) is not None:
            self._recorder.inherit(child, recipe)
        outcomes = self._teller.tell(replaced(incident, attempt, child))
        launched = attempt._replace(state=AttemptState.LAUNCHED, task=child)
        return self._recoveries.save(recovery.with_attempt(launched)), outcomes


def reasons_of(launched: Launch) -> Sequence[str]:
    """Why RunTask started nothing, the most hopeful reason first."""
    texts = (" ".join(filter(None, (each.reason, each.detail)))[:1000] for each in launched.failures)
    return by_hope(texts) or ("RunTask started nothing and gave no reason",)


def refused(task: Task, reasons: Sequence[str]) -> Task:
    """The replacement that was not: a task that failed to start for what RunTask answered."""
    return replace(
        task,
        last_status="STOPPED",
        desired_status="STOPPED",
        stop_code="TaskFailedToStart",
        stopped_reason=f"TaskFailedToStart: {'; '.join(reasons)[:1000]}",
        started=None,
        stopping=None,
        execution_stopped=None,
        containers=(),
        attachments=(),
    )
