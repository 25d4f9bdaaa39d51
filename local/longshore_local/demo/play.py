"""Plays scenarios, one after the other, on one bundle in virtual time."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from botocore.exceptions import ClientError

from longshore_local.bundle import CHANNELS, Bundle, Sources
from longshore_local.demo.posted import Posted, posted
from longshore_local.demo.scenarios import Scenario
from longshore_local.demo.stage import Stage, UnexpectedEndError
from longshore_local.demo.story import Line, Narrator
from longshore_local.images import PushError

_AFTERMATH = timedelta(minutes=1)  # of virtual time: what is told at the end of a scenario is on Slack by then


@dataclass(frozen=True, slots=True)
class Played:
    """How a scenario went; `problem` says what was expected and did not come. `seconds` are real ones, `slack` is
    what people saw there.
    """

    scenario: Scenario
    story: tuple[Line, ...]
    seconds: float
    problem: str = ""
    slack: tuple[Posted, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it ended as it should."""
        return not self.problem


def play(scenarios: Iterable[Scenario], tell: Callable[[Scenario, Line], None]) -> Iterator[Played]:
    """Plays each scenario; `tell` gets every line as it happens."""
    with Bundle.start(parameters={"RecoverMode": "auto"}, sources=Sources(config=CHANNELS)) as bundle:
        bundle.settle()
        registry = bundle.ecr.serve(bundle.account, bundle.region)
        stage = Stage(bundle, Narrator(bundle), registry)
        for scenario in scenarios:
            bundle.clear()
            yield _play(stage, scenario, tell)


def _play(stage: Stage, scenario: Scenario, tell: Callable[[Scenario, Line], None]) -> Played:
    begun = time.monotonic()
    problem = ""
    stage.narrator.begin(lambda line: tell(scenario, line))
    try:
        scenario.play(stage)
    except (UnexpectedEndError, PushError, ClientError) as error:
        stage.narrator.say("Demo", f"this is not how it should be: {error}")
        problem = str(error)
    stage.bundle.run(limit=_AFTERMATH)
    seconds = time.monotonic() - begun
    return Played(scenario, stage.narrator.lines, seconds, problem, posted(stage.bundle.slack))
