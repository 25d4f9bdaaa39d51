"""The simulators that extend moto: installed with the bundle, taken out with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from longshore_local import moto_ecr, moto_ecs, moto_scanning
from longshore_local.moto_ecr import EcrSimulator
from longshore_local.moto_ecs import EcsSimulator
from longshore_local.scanning.scanner import Scanner
from longshore_local.timeline import Timeline

Emit = Callable[[dict[str, Any]], None]
Call = Callable[[str, dict[str, Any]], Any]
HOME = ("123456789012", "eu-west-1")


@dataclass(slots=True)
class Plugins:
    """The installed simulators."""

    ecr: EcrSimulator
    ecs: EcsSimulator
    scanner: Scanner
    _install_ecs: Callable[[], EcsSimulator]

    def clear(self) -> None:
        """Forgets what ECS knew. ECR's images live in moto's repositories and go with them; its registries stay up."""
        self.ecs.uninstall()
        self.ecs = self._install_ecs()
        self.scanner.forget()


@contextmanager
def installed(timeline: Timeline, emit: Emit, call: Call, home: tuple[str, str] = HOME) -> Iterator[Plugins]:
    """Installs the simulators; `call` runs the function of a lifecycle hook and answers its result.

    `home` is the account and Region of the bundle.
    """

    def install_ecs() -> EcsSimulator:
        simulator = moto_ecs.install(timeline, emit)
        simulator.invoke_hooks_with(call)
        return simulator

    def emit_and_scan(event: dict[str, Any]) -> None:
        emit(event)
        scanner.observe(event)

    ecr = moto_ecr.install(timeline, emit_and_scan)
    scanner = Scanner(timeline, emit, ecr.registry, home)
    scanning = moto_scanning.install(scanner, ecr.registry)
    plugins = Plugins(ecr, install_ecs(), scanner, install_ecs)
    try:
        yield plugins
    finally:
        scanning.close()
        plugins.ecs.uninstall()
        ecr.close()
