"""CloudTrail's records of RunTask: how tasks were asked for, and what alone tells of refusals (recover 0.1, 3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from longshore.envelopes import Envelope, json_object, text
from longshore.errors import BadEventError
from longshore.recover.checks import CLUSTER, TASK, free_text, named
from longshore.recover.facts import Fact, Irrelevant, LaunchRefused, TaskLaunched
from longshore.recover.sources import recipe_from_request
from longshore.tasks import ROOT_TAG

if TYPE_CHECKING:
    from longshore.recover.recipe import LaunchRecipe

_ASKED = "detail.requestParameters"
_MOST = 10  # tasks that one RunTask starts
_OUR_TOKEN = re.compile(r"ls-[0-9a-f]{40}", re.ASCII)
_STEP_FUNCTIONS = "AWS Step Functions"
_OBJECTS = {
    "capacityProviderStrategy": "capacityProvider",
    "tags": "key",
    "placementConstraints": "type",
    "placementStrategy": "type",
    "volumeConfigurations": "name",
}
"""Lists of objects, by the member that each object must have."""
_TEXTS = ("launchType", "platformVersion", "group", "startedBy", "propagateTags")


def api_call(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    """What a record tells; Irrelevant for any other call."""
    if (detail.get("eventSource"), detail.get("eventName")) != ("ecs.amazonaws.com", "RunTask"):
        return Irrelevant("not a RunTask")
    asked = json_object(detail.get("requestParameters"), _ASKED)
    answer = detail.get("responseElements")
    answered: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    failures = _objects(answered, "failures", "detail.responseElements")
    reasons = [free_text(each, "reason", 300) for each in failures]
    if error := free_text(detail, "errorCode", 128):
        reasons.append(": ".join(filter(None, (error, free_text(detail, "errorMessage", 500)))))
    launched = _launched(asked, answered)
    if not any(reasons):
        return launched or Irrelevant("the RunTask of another owner, or of Longshore")
    return LaunchRefused(
        cluster=free_text(asked, "cluster", 600) or "default",
        definition=text(asked, "taskDefinition", where=_ASKED),
        started_by=free_text(asked, "startedBy", 300),
        group=free_text(asked, "group", 300),
        failures=tuple(filter(None, reasons)),
        request=free_text(detail, "eventID", 64),
        launched=launched,
    )


def _launched(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> TaskLaunched | None:
    """What a RunTask started that nobody else looks after. Longshore keeps the recipes of its own launches itself."""
    answered = _objects(answer, "tasks", "detail.responseElements", _MOST)
    tasks = [each for each in answered if each.get("taskArn") and each.get("clusterArn")]  # a record may be cut short
    if not tasks or asked.get("startedBy") == _STEP_FUNCTIONS or _ours(asked):
        return None
    where = [f"detail.responseElements.tasks[{place}]" for place in range(len(tasks))]
    arns = [named(each, "taskArn", TASK, "the ARN of an ECS task", at) for each, at in zip(tasks, where, strict=True)]
    cluster = named(tasks[0], "clusterArn", CLUSTER, "the ARN of an ECS cluster", where[0])
    return TaskLaunched(tuple(arns), cluster, _recipe(asked))


def _ours(asked: Mapping[str, Any]) -> bool:
    keys = {each.get("key") for each in _objects(asked, "tags", _ASKED)}
    return ROOT_TAG in keys or _OUR_TOKEN.fullmatch(str(asked.get("clientToken", ""))) is not None


def _recipe(asked: Mapping[str, Any]) -> LaunchRecipe:
    """A recipe of parameters that are of the types that RunTask takes. Raises BadEventError."""
    for key in _TEXTS:
        if not isinstance(asked.get(key), str | None):
            raise BadEventError(f"{_ASKED}.{key}", "must be a string")
    for key, member in _OBJECTS.items():
        for place, each in enumerate(_objects(asked, key, _ASKED)):
            text(each, member, where=f"{_ASKED}.{key}[{place}]")
    for each in _objects(asked, "capacityProviderStrategy", _ASKED):
        if not all(isinstance(each.get(key), int | None) for key in ("weight", "base")):
            raise BadEventError(f"{_ASKED}.capacityProviderStrategy", "must have whole numbers for weight and base")
    for each in _objects(asked, "tags", _ASKED):
        if not isinstance(each.get("value"), str | None):
            raise BadEventError(f"{_ASKED}.tags", "must have strings for values")
    _check_network(asked)
    return recipe_from_request(asked)


def _check_network(asked: Mapping[str, Any]) -> None:
    found, where = asked, _ASKED
    for key in ("networkConfiguration", "awsvpcConfiguration"):
        if found.get(key) is None:
            return
        where = f"{where}.{key}"
        found = json_object(found[key], where)
    for key in ("subnets", "securityGroups"):
        ids = found.get(key) or []
        if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
            raise BadEventError(f"{where}.{key}", "must be a list of strings")


def _objects(holder: Mapping[str, Any], key: str, where: str, most: int = 200) -> list[Mapping[str, Any]]:
    """A list of objects, or nothing. Raises BadEventError."""
    found = holder.get(key) or []
    if not isinstance(found, list) or len(found) > most or not all(isinstance(each, dict) for each in found):
        raise BadEventError(f"{where}.{key}", f"must be a list of at most {most} objects")
    return found
