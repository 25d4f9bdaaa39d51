"""How tasks end and what recover makes of it in plain words, for the demo's stories."""

from collections.abc import Mapping
from typing import Any

from longshore.recover.reasons import Reason
from longshore.recover.service_reasons import CareReason, EndReason

Detail = Mapping[str, Any]

_MEANINGS = {reason.value: reason.meaning for reason in Reason}
_OF_SERVICES = {reason.value: reason.meaning for of in (CareReason, EndReason) for reason in of}
_CHANGES = {
    "networkConfiguration": "in another subnet",
    "capacityProviderStrategy": "on demand",
    "launchType": "on demand",
    "placementConstraints": "on another instance",
    "overrides.cpu": "with more CPU",
    "overrides.memory": "with more memory",
    "overrides.containerOverrides.memory": "with more memory",
    "overrides.ephemeralStorage": "with more storage",
}
"""What a member of RunTask means that a replacement changes."""
_WORTH_TELLING = ("EssentialContainerExited", "TaskFailedToStart", "SpotInterruption")


def task_ended(task: Detail) -> str | None:
    """What went wrong with a task; None for one that was meant to stop, or that did what it should."""
    codes = [f"{c['name']} exited with {c['exitCode']}" for c in task["containers"] if c.get("exitCode")]
    succeeded = task.get("stopCode") == "EssentialContainerExited" and not codes
    if task.get("stopCode") not in _WORTH_TELLING or succeeded:
        return None
    of_service = str(task.get("group", "")).startswith("service:")
    which = "a new task" if of_service else f"the task of {_family(task)}"
    words = [*codes, *(c["reason"].partition(":")[0] for c in task["containers"] if c.get("reason"))]
    return f"{which} died: {', '.join(words) or task.get('stoppedReason', 'no reason given')}"


def task_sentence(outcome: Detail) -> str | None:
    """What one outcome of recover means; None for what only a log needs."""
    detail, reason = outcome["detail"], outcome["reason"]
    if "workload_name" in detail:
        return _service_sentence(outcome)
    what = f"the task of {detail['family']} ({detail.get('name', '')})"
    why = f"{_MEANINGS.get(reason, reason)} [{reason}]"
    match outcome["verdict"], reason:
        case "replace", "launched":
            return f"runs {detail['family']} again, attempt {detail['attempt']}{_changed(detail['changes'])}"
        case "replace", _:
            following = detail.get("next", {})
            return f"will run {what} again at {_clock(following)}{_changed(following.get('changes', []))}: {why}"
        case "wait", _:
            return f"waits with {what}: {why}"
        case "give-up", _:
            return f"gives {what} up after {len(detail['attempts'])} failures: {why}"
        case "notify" | "refuse", _:
            return f"tells of {what} and leaves it alone: {why}"
    return None


def _service_sentence(outcome: Detail) -> str:
    detail, reason = outcome["detail"], outcome["reason"]
    what = f"the service {detail['workload_name']} ({detail.get('name', '')})"
    why = f"{_OF_SERVICES.get(reason, reason)} [{reason}]"
    match outcome["verdict"]:
        case "none":
            return f"tells that {what} is out of trouble: {why}"
        case "notify":
            return f"tells of {what} and leaves it alone: {why}"
        case verdict:
            return f"tells of {what} and asks for {verdict}: {why}"


def _changed(members: list[str]) -> str:
    named = dict.fromkeys(_CHANGES.get(each, f"another {each}") for each in members)
    return f", {' and '.join(named)}" if named else ", just as it was"


def _clock(following: Detail) -> str:
    return str(following.get("at", ""))[11:19] or "once"


def _family(task: Detail) -> str:
    return str(task["taskDefinitionArn"]).rpartition("/")[2].rpartition(":")[0]
