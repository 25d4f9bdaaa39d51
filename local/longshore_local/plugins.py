"""The simulators that extend moto: installed with the bundle, taken out with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from longshore_local import (
    moto_account,
    moto_app_runner,
    moto_code_deploy,
    moto_ecr,
    moto_ecr_public,
    moto_ecs,
    moto_eks,
    moto_lambda,
    moto_scanning,
)
from longshore_local.ecr_replication import Replication
from longshore_local.ecs.images import resolve_in_ecr
from longshore_local.moto_account import AccountSettings
from longshore_local.moto_app_runner import AppRunnerSimulator
from longshore_local.moto_code_deploy import CodeDeploySimulator
from longshore_local.moto_dynamodb import quick_queries
from longshore_local.moto_ecr import EcrSimulator
from longshore_local.moto_ecr_public import EcrPublicSimulator
from longshore_local.moto_ecs import EcsSimulator
from longshore_local.moto_eks import EksSimulator
from longshore_local.moto_lambda import LambdaSimulator
from longshore_local.moto_sts import existing_roles
from longshore_local.scanning.scanner import Scanner
from longshore_local.timeline import Timeline

Emit = Callable[[dict[str, Any]], None]
Call = Callable[[str, dict[str, Any]], Any]
HOME = ("123456789012", "eu-west-1")


@dataclass(slots=True)
class Plugins:
    """The installed simulators."""

    ecr: EcrSimulator
    replication: Replication
    ecr_public: EcrPublicSimulator
    ecs: EcsSimulator
    eks: EksSimulator
    lambdas: LambdaSimulator
    app_runner: AppRunnerSimulator
    scanner: Scanner
    account: AccountSettings
    code_deploy: CodeDeploySimulator
    _install_ecs: Callable[[], EcsSimulator]

    def clear(self) -> None:
        """Forgets what ECS and ECR Public knew. ECR's images go with moto's repositories; all registries stay up."""
        self.ecr_public.clear()
        self.ecs.uninstall()
        self.ecs = self._install_ecs()
        self.eks.clear()
        self.lambdas.clear()
        self.app_runner.clear()
        self.scanner.forget()
        self.replication.forget()
        self.account.clear()
        self.code_deploy.clear()


@contextmanager
def installed(timeline: Timeline, emit: Emit, call: Call, home: tuple[str, str] = HOME) -> Iterator[Plugins]:
    """Installs the simulators; `call` runs the function of a lifecycle hook and answers its result.

    `home` is the account and Region of the bundle.
    """

    def resolve(image: str, account: str, region: str) -> str | None:
        return resolve_in_ecr(image, account, region) or ecr_public.resolve(image)

    def install_ecs() -> EcsSimulator:
        simulator = moto_ecs.install(timeline, emit, image_resolver=resolve)
        simulator.invoke_hooks_with(call)
        return simulator

    def emit_and_scan(event: dict[str, Any]) -> None:
        emit(event)
        scanner.observe(event)
        replication.observe(event)
        app_runner.observe(event)

    ecr = moto_ecr.install(timeline, emit_and_scan)
    scanner = Scanner(timeline, emit, ecr.registry, home)
    replication = Replication(timeline, emit, ecr)
    scanning = moto_scanning.install(scanner, ecr.registry)
    ecr_public = moto_ecr_public.install(timeline)
    lambdas = moto_lambda.install(timeline, emit)
    eks = moto_eks.install(timeline, resolve, wall=lambda: datetime.now(UTC))  # by which botocore dates signatures
    app_runner = moto_app_runner.install(timeline, emit, resolve)
    account = moto_account.install()
    code_deploy = moto_code_deploy.install(timeline, emit, lambda: plugins.ecs.task_sets)
    plugins = Plugins(
        ecr,
        replication,
        ecr_public,
        install_ecs(),
        eks,
        lambdas,
        app_runner,
        scanner,
        account,
        code_deploy,
        install_ecs,
    )
    try:
        with replication.installed(), existing_roles(), quick_queries():
            yield plugins
    finally:
        code_deploy.close()
        account.close()
        scanning.close()
        plugins.ecs.uninstall()
        app_runner.close()
        eks.close()
        lambdas.close()
        ecr_public.close()
        ecr.close()
