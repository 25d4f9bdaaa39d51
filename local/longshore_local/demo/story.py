"""The story of a scenario: what happens on the bundle, put into lines that a stranger can follow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from longshore_local.bundle import Bundle
from longshore_local.bus import Event
from longshore_local.demo.sentences import aws_sentence, outcome_sentence, outcomes_in
from longshore_local.functions import Invocation

__all__ = ["Line", "Narrator"]

LONGSHORE = "Longshore"
_ON_SLACK = "NotifyFunction"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: when on the bundle's clock, who, and what."""

    at: datetime
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}  {self.who:<9}  {self.text}"


class Narrator:
    """Listens to the bus and to the functions' logs, and tells each thing once, in the order of cause and effect."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._heard: list[tuple[datetime, str, str]] = []
        self._invocations = 0
        self._lines: list[Line] = []
        self._tell: Callable[[Line], None] = lambda line: None
        self._quiet = True
        bundle.bus.subscribe(self._hear)

    def begin(self, tell: Callable[[Line], None]) -> None:
        """Starts a new story, quiet until `speak`."""
        self._tell, self._lines, self._quiet = tell, [], True
        self._heard.clear()
        self._invocations = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        """The story so far."""
        return tuple(self._lines)

    def speak(self) -> None:
        """Tells what happens from now on; what happened before only set the scene."""
        self.catch_up()
        self._quiet = False

    def say(self, who: str, text: str) -> None:
        """A line of the narrator's own, after what has happened so far."""
        self.catch_up()
        self._add(self._bundle.timeline.now(), who, text)

    def catch_up(self) -> None:
        """Tells what happened since the last time: what AWS reported, then what Longshore made of it."""
        heard, self._heard = self._heard, []
        invocations = self._bundle.invocations[self._invocations :]
        self._invocations += len(invocations)
        if self._quiet:
            return
        for at, who, text in heard:
            self._add(at, who, text)
        for text in (text for invocation in invocations for text in _decided(invocation)):
            self._add(self._bundle.timeline.now(), LONGSHORE, text)

    def _hear(self, bus_name: str, event: Event) -> None:
        if bus_name != "default":
            return  # Longshore's own events say what its log said
        if told := aws_sentence(event):
            self._heard.append((self._bundle.timeline.now(), *told))

    def _add(self, at: datetime, who: str, text: str) -> None:
        line = Line(at, who, text)
        if who == LONGSHORE and line in self._lines:
            return  # two messages about one thing, decided on at one moment
        self._lines.append(line)
        self._tell(line)


def _decided(invocation: Invocation) -> Iterator[str]:
    if invocation.error is not None:
        yield f"stumbled ({invocation.error}); the message will be tried again"
    if invocation.function == _ON_SLACK:
        return  # the messages themselves are shown
    for outcome in outcomes_in(invocation.log):
        if text := outcome_sentence(outcome):
            yield text
