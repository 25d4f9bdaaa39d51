"""What containers say: lines in moto's CloudWatch Logs, in the group and stream that ECS would use."""

from dataclasses import dataclass
from datetime import datetime

from moto.logs.models import logs_backends

from longshore_local.ecs.tasks import Container, Task

_TO_CLOUDWATCH = frozenset({"cloudwatch", "cloudwatch_logs"})  # Fluent Bit's two output plugins


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a container's lines go."""

    region: str
    group: str
    stream: str
    create: bool


class ContainerLogs:
    """Writes lines as the log drivers do; nothing for drivers that do not end in CloudWatch."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def prepare(self, where: str, lines: list[str]) -> None:
        """Lets containers of this image, or tasks of this family, say these lines when they start."""
        self._lines[where] = list(lines)

    def missing_group(self, task: Task) -> str | None:
        """A log group that awslogs needs and nobody has made, for which ECS does not start a task (recover R2)."""
        for container in task.containers:
            place = place_of(task, container)
            if place is None or _driver(container) != "awslogs":
                continue
            backend = logs_backends[task.account][place.region]
            if not place.create and place.group not in backend.groups:
                return place.group
        return None

    def started(self, task: Task, now: datetime) -> None:
        """The first lines of every container."""
        for container in task.containers:
            self._write(task, container, self._prepared(task, container) or [f"{container.name} is up"], now)

    def exited(self, task: Task, container: Container, now: datetime) -> None:
        """The last line of a container that failed, where it was not told what to say."""
        if container.exit_code and not self._prepared(task, container):
            self._write(task, container, [f"{container.name} exits with code {container.exit_code}"], now)

    def _prepared(self, task: Task, container: Container) -> list[str]:
        named = (container.image, container.digest, task.definition.family)
        return next((self._lines[name] for name in named if name in self._lines), [])

    @staticmethod
    def _write(task: Task, container: Container, lines: list[str], now: datetime) -> None:
        place = place_of(task, container)
        if place is None:
            return
        backend = logs_backends[task.account][place.region]
        if place.group not in backend.groups:
            if not place.create:
                return
            backend.ensure_log_group(place.group)
        backend.ensure_log_stream(place.group, place.stream)
        moment = int(now.timestamp() * 1000)
        events = [{"timestamp": moment + number, "message": line} for number, line in enumerate(lines)]
        backend.groups[place.group].put_log_events(place.stream, events)  # the backend's own refuses a virtual time


def place_of(task: Task, container: Container) -> LogPlace | None:
    """The CloudWatch group and stream of a container; None where its lines go elsewhere or nowhere."""
    configuration = container.definition.get("logConfiguration") or {}
    options: dict[str, str] = configuration.get("options") or {}
    if configuration.get("logDriver") == "awslogs" and options.get("awslogs-group"):
        prefix = options.get("awslogs-stream-prefix")
        stream = f"{prefix}/{container.name}/{task.id}" if prefix else str(container.runtime_id)
        create = options.get("awslogs-create-group") == "true"
        return LogPlace(options.get("awslogs-region") or task.region, options["awslogs-group"], stream, create)
    if configuration.get("logDriver") == "awsfirelens" and options.get("Name") in _TO_CLOUDWATCH:
        tag = f"{container.name}-firelens-{task.id}"
        stream = options.get("log_stream_name") or options.get("log_stream_prefix", "") + tag
        create = options.get("auto_create_group") == "true"
        return LogPlace(options.get("region") or task.region, options.get("log_group_name", ""), stream, create)
    return None


def _driver(container: Container) -> str:
    return str((container.definition.get("logConfiguration") or {}).get("logDriver"))
