"""The simulators that extend moto: installed with the bundle, taken out with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from longshore_local import moto_ecr, moto_ecs
from longshore_local.moto_ecr import EcrSimulator
from longshore_local.moto_ecs import EcsSimulator
from longshore_local.timeline import Timeline

Emit = Callable[[dict[str, Any]], None]
Call = Callable[[str, dict[str, Any]], Any]


@dataclass(slots=True)
class Plugins:
    """The installed simulators."""

    ecr: EcrSimulator
    ecs: EcsSimulator
    _install_ecs: Callable[[], EcsSimulator]

    def clear(self) -> None:
        """Forgets what ECS knew. ECR's images live in moto's repositories and go with them; its registries stay up."""
        self.ecs.uninstall()
        self.ecs = self._install_ecs()


@contextmanager
def installed(timeline: Timeline, emit: Emit, call: Call) -> Iterator[Plugins]:
    """Installs the simulators; `call` runs the function of a lifecycle hook and answers its result."""

    def install_ecs() -> EcsSimulator:
        simulator = moto_ecs.install(timeline, emit)
        simulator.invoke_hooks_with(call)
        return simulator

    ecr = moto_ecr.install(timeline, emit)
    plugins = Plugins(ecr, install_ecs(), install_ecs)
    try:
        yield plugins
    finally:
        plugins.ecs.uninstall()
        ecr.close()
