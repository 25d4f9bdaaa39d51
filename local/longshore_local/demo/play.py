"""Plays scenarios, one after the other, on one bundle in virtual time."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from botocore.exceptions import ClientError

from longshore_local.bundle import ACCOUNT, CHANNELS, Bundle, Sources
from longshore_local.demo.posted import Posted, posted
from longshore_local.demo.scenarios import Scenario
from longshore_local.demo.stage import UPSTREAM, UPSTREAM_REPOSITORY, Stage, UnexpectedEndError
from longshore_local.demo.story import Line, Narrator
from longshore_local.ecr_public_registry import HOST as GALLERY
from longshore_local.images import PushError
from longshore_local.registry import SPEC_MANNERS, Registry
from longshore_local.registry_memory import MemoryStore
from longshore_local.spokes import Spoke, role_arn

CONFIG = Path(__file__).with_name("longshore.yaml")
SPOKES = (("210987654321", "eu-west-1"), (ACCOUNT, "us-east-1"))
"""Another account, and another Region of the same one."""
PARAMETERS = {
    "RecoverMode": "auto",
    "PassableRoleArns": f"arn:aws:iam::{ACCOUNT}:role/workloads/*",
    "Spokes": ",".join(role_arn(*place) for place in SPOKES),
}
"""What the demo's stack mirrors."""

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
    with _stage() as stage:
        for scenario in scenarios:
            stage.bundle.clear()
            for spoke in stage.spokes:
                spoke.clear()
            for tag in stage.upstream.tags(UPSTREAM_REPOSITORY):
                stage.upstream.delete_manifest(UPSTREAM_REPOSITORY, tag)
            yield _play(stage, scenario, tell)


@contextmanager
def _stage() -> Iterator[Stage]:
    upstream, port = MemoryStore(), _free_port()
    upstream.create(UPSTREAM_REPOSITORY)
    with Registry(upstream, manners=SPEC_MANNERS) as served:
        hosts = {UPSTREAM: served.url.removeprefix("http://"), GALLERY: f"127.0.0.1:{port}"}
        environment = {
            "LONGSHORE_REGISTRIES": ",".join("=".join(pair) for pair in hosts.items()),
            "LONGSHORE_LOOPBACK": "true",
        }
        sources = Sources(config=CONFIG, channels=CHANNELS, environment=environment)
        with Bundle.start(parameters=PARAMETERS, sources=sources) as bundle:
            bundle.settle()
            bundle.ecr_public.serve(port=port)
            registry = bundle.ecr.serve(bundle.account, bundle.region)
            spokes = tuple(Spoke.join(bundle, *place) for place in SPOKES)
            yield Stage(bundle, Narrator(bundle), registry, upstream, spokes)
    upstream.close()


def _free_port() -> int:
    """A port that nobody listens on now: functions are told where ECR Public is before it is there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


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
