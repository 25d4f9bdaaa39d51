"""What is told of that which lies under tasks: the members are those of a failed task's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from longshore.outcomes import Outcome, announcements
from longshore.recover.upkeep import Measure

if TYPE_CHECKING:
    from longshore.events import Kind
    from longshore.ports import Publisher
    from longshore.recover.diagnosis import Diagnosis
    from longshore.recover.reading import Message
    from longshore.recover.upkeep import Ruling
    from longshore.settings import Mode

TEAM_TAG, CHANNEL_TAG = "longshore:team", "longshore:channel"


class Subject(NamedTuple):
    """What it is about. `root` keeps the events of one story together, `name` is what people call it."""

    root: str
    name: str
    cluster: str = ""
    workload: str = ""
    task: str = ""
    family: str = ""
    tags: Mapping[str, str] = {}


class UpkeepTeller:
    """Publishes what concerns somebody."""

    def __init__(self, publisher: Publisher, mode: Mode) -> None:
        self._publisher = publisher
        self._mode = mode

    def tell(
        self, message: Message, kind: Kind, subject: Subject, diagnosis: Diagnosis, ruling: Ruling, **more: Any
    ) -> list[Outcome]:
        """Publishes one event, and answers its outcome."""
        verdict = ruling.measure.value
        following = {"next": {"what": verdict}} if ruling.measure not in (Measure.NOTIFY, Measure.NONE) else {}
        detail = {
            "task": subject.task,
            "root_task": subject.root,
            "workload_name": subject.name,
            "family": subject.family,
            "cluster": subject.cluster,
            "owner": diagnosis.owner.value,
            "class": diagnosis.cls,
            "name": diagnosis.name,
            "remedy": diagnosis.remedy.value,
            "evidence": list(diagnosis.evidence),
            "hint": diagnosis.hint,
            "team": subject.tags.get(TEAM_TAG, ""),
            "channel": subject.tags.get(CHANNEL_TAG, ""),
            "mode": self._mode.value,
            **({"would": ruling.would.value} if ruling.would else {}),
            **following,
            **{name: value for name, value in more.items() if value not in (None, "", [], ())},
        }
        outcome = Outcome(verdict, ruling.why.value, message.correlation, subject.workload, kind, detail)
        self._publisher.publish(announcements([outcome]))
        return [outcome]


def logged(message: Message, ruling: Ruling, thing: str, **detail: Any) -> list[Outcome]:
    """What is only logged."""
    return [
        Outcome(
            ruling.measure.value, ruling.why.value, message.correlation, detail={"task": "", "thing": thing, **detail}
        )
    ]
