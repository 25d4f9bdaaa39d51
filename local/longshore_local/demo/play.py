"""Plays scenarios, one after the other, on one bundle in virtual time."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from longshore_local.bundle import Bundle, Sources
from longshore_local.demo.scenarios import Scenario
from longshore_local.demo.stage import Stage, UnexpectedEndError
from longshore_local.demo.story import Line, Narrator
from longshore_local.images import PushError

CONFIG = Path(__file__).with_name("longshore.yaml")


@dataclass(frozen=True, slots=True)
class Played:
    """How a scenario went; `problem` says what was expected and did not come. `seconds` are real ones."""

    scenario: Scenario
    story: tuple[Line, ...]
    seconds: float
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended as it should."""
        return not self.problem


def play(scenarios: Iterable[Scenario], tell: Callable[[Scenario, Line], None]) -> Iterator[Played]:
    """Plays each scenario; `tell` gets every line as it happens."""
    with Bundle.start(parameters={"PassableRoleArns": ""}, sources=Sources(config=CONFIG)) as bundle:
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
    return Played(scenario, stage.narrator.lines, time.monotonic() - begun, problem)
