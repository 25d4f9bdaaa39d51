"""The last lines that a failed container wrote: where they lie, and what may be shown of them (recover O7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.errors import AccessDeniedError, GoneError, PermanentError
from longshore.recover.evidence import secrets_of, without
from longshore.redaction import tail

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from longshore.recover.ports import Logs
    from longshore.tasks import Container, Task

LINES = 20
_CLOUDWATCH_PLUGINS = ("cloudwatch_logs", "cloudwatch")
"""Fluent Bit's own output, and the older one of aws-for-fluent-bit."""


class Place(NamedTuple):
    """A log stream of CloudWatch Logs, or (without a group) a word about where the lines go instead."""

    group: str = ""
    stream: str = ""
    region: str = ""
    note: str = ""


class Tail(NamedTuple):
    """The last lines, redacted. `note` says why there are none, or whose they are.

    `empty` means that there may be some later; `read` that they were looked for at all.
    """

    place: Place = Place()
    lines: tuple[str, ...] = ()
    note: str = ""
    empty: bool = False
    read: bool = True

    def members(self) -> dict[str, Any]:
        """The member `log` of an event."""
        found = {"group": self.place.group, "stream": self.place.stream, "region": self.place.region}
        told = {name: text for name, text in found.items() if text}
        return told | ({"note": self.note} if self.note else {}) | {"lines": list(self.lines)}


UNREAD = Tail(read=False)
"""Before anybody looked."""


def last_lines(logs: Logs, task: Task, definition: Mapping[str, Any], name: str) -> Tail:
    """The last lines of a container; where they cannot be had, the tail says why. Raises TransientError."""
    declared = _containers(definition)
    container = declared.get(name)
    if container is None:
        return Tail(
            note="the task definition has no such container" if name else "no container is known to have failed"
        )
    place, secrets = place_of(task, container), secrets_of(task, definition)
    if place.group:
        return _read(logs, place, secrets)
    router = next((each for each in declared.values() if each.get("firelensConfiguration")), None)
    beside = place_of(task, router) if router is not None and _driver(container) == "awsfirelens" else Place()
    if not beside.group:
        return Tail(note=place.note)
    shown = _read(logs, beside, secrets)
    return shown._replace(
        note="; ".join(filter(None, (place.note, f"the log router {_name(router)} wrote", shown.note)))
    )


def place_of(task: Task, container: Mapping[str, Any]) -> Place:
    """Where a container's lines lie, by its definition."""
    options = _options(container)
    match _driver(container):
        case "awslogs":
            return _awslogs(task, container, options)
        case "awsfirelens":
            return _firelens(task, container, options)
        case "":
            return Place(note="it has no log configuration")
        case driver:
            return Place(note=f"its lines go to {driver}")


def shown_container(task: Task, definition: Mapping[str, Any], culprit: str) -> str:
    """The container whose lines tell most: the culprit, else an essential one that failed, else the first essential."""
    declared = _containers(definition)
    if culprit in declared:
        return culprit
    essential = [name for name, each in declared.items() if each.get("essential", True)]
    failed = [each.name for each in task.containers if each.exit_code and each.name in essential]
    return next(iter([*failed, *essential, *declared]), "")


def _awslogs(task: Task, container: Mapping[str, Any], options: Mapping[str, str]) -> Place:
    group, prefix = options.get("awslogs-group", ""), options.get("awslogs-stream-prefix", "")
    if not group:
        return Place(note="its log configuration names no group")
    region = options.get("awslogs-region") or task.region
    if prefix:
        return Place(group, f"{prefix}/{_name(container)}/{task.id}", region)
    runtime = _ran(task, _name(container))  # without a prefix, which only EC2 allows, Docker's id names the stream
    if runtime is None or not runtime.runtime_id:
        return Place(note=f"the container never ran, so that {group} has no stream of it")
    return Place(group, runtime.runtime_id, region)


def _firelens(task: Task, container: Mapping[str, Any], options: Mapping[str, str]) -> Place:
    plugin = options.get("Name", options.get("name", ""))
    if plugin not in _CLOUDWATCH_PLUGINS:
        return Place(note=f"FireLens sends its lines to {plugin}" if plugin else "FireLens sends its lines elsewhere")
    group = options.get("log_group_name", "")
    stream = options.get("log_stream_name", "")
    if not stream and "log_stream_prefix" in options:
        stream = f"{options['log_stream_prefix']}{_name(container)}-firelens-{task.id}"  # prefix and FireLens' tag
    if not group or not stream or "$" in group + stream:
        return Place(
            note=f"FireLens sends its lines to CloudWatch Logs ({group or 'a group'}), under a name made there"
        )
    return Place(group, stream, options.get("region") or task.region)


def _read(logs: Logs, place: Place, secrets: AbstractSet[str]) -> Tail:
    try:
        found = logs.tail(place.group, place.stream, place.region, LINES)
    except GoneError:
        return Tail(place, note="the log stream does not exist: nothing was written, or not yet", empty=True)
    except AccessDeniedError:
        return Tail(place, note="Longshore's role may not read this log group")
    except PermanentError as error:
        return Tail(place, note=f"the log could not be read: {str(error)[:200]}")
    text = tail(without("\n".join(each.rstrip("\n") for each in found), secrets), LINES).text
    return Tail(place, tuple(text.splitlines()) if text else (), empty=not text)


def _containers(definition: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    declared: Sequence[Mapping[str, Any]] = definition.get("containerDefinitions") or []
    return {_name(each): each for each in declared}


def _name(container: Mapping[str, Any] | None) -> str:
    return str((container or {}).get("name", ""))


def _driver(container: Mapping[str, Any]) -> str:
    return str((container.get("logConfiguration") or {}).get("logDriver", ""))


def _options(container: Mapping[str, Any]) -> Mapping[str, str]:
    return (container.get("logConfiguration") or {}).get("options") or {}


def _ran(task: Task, name: str) -> Container | None:
    return next((each for each in task.containers if each.name == name), None)
