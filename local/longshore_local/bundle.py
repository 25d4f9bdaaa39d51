"""The bundle: Longshore's real stack on one machine, run on a clock that the caller moves (design 9)."""

import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.loaders
from botocore.config import Config
from moto import mock_aws
from moto.core.config import DefaultConfig

from longshore import wiring
from longshore.aws.clock import SystemClock
from longshore_local import moto_scheduled, stack, task_launches
from longshore_local.bus import Event, LocalBus, envelope
from longshore_local.chat import Chat
from longshore_local.cleaning import Leftovers
from longshore_local.deliveries import Deliveries
from longshore_local.ecr_replication import Replication
from longshore_local.functions import Functions, Invocation
from longshore_local.gaps import explained
from longshore_local.invoking import Invoking
from longshore_local.moto_app_runner import AppRunnerSimulator
from longshore_local.moto_code_deploy import CodeDeploySimulator
from longshore_local.moto_ecr import EcrSimulator
from longshore_local.moto_ecr_public import EcrPublicSimulator
from longshore_local.moto_ecs import EcsSimulator
from longshore_local.moto_eks import EksSimulator
from longshore_local.moto_lambda import LambdaSimulator
from longshore_local.moto_sns import counted
from longshore_local.overriding import override
from longshore_local.plugins import Plugins, installed
from longshore_local.queues import Queues
from longshore_local.recorder import Recorder
from longshore_local.scanning.scanner import Scanner
from longshore_local.schedules import Schedules
from longshore_local.slack import SlackStandIn
from longshore_local.timeline import VirtualTimeline, WallTimeline

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ROOT = Path(__file__).resolve().parents[2]
CHANNELS = Path(__file__).with_name("longshore.yaml")
"""A configuration that tells everything to one channel of the Slack stand-in."""

_MOTO: DefaultConfig = {"core": {"reset_boto3_session": False}, "lambda": {"use_docker": False}}
_ONE = threading.Lock()  # AWS can be taken over once in a process
_NOTIFIES = "NotifyFunction"
_LOOPBACK = {"LONGSHORE_LOOPBACK": "true"}
"""The bundle's registries and channels are on this machine, which functions are to talk to nowhere else."""
_ENDLESS = timedelta(days=30)  # of virtual time: work that still goes on then never ends


class EndlessRunError(RuntimeError):
    """Work kept coming for a month of virtual time; the run needs a limit."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that a bundle runs, the repository's own unless a test brings others; and what it adds to them."""

    template: Path = ROOT / "template.yaml"
    functions: Path = ROOT / "functions"
    config: Path | None = ROOT / "layers" / "config" / "longshore.yaml"
    environment: Mapping[str, str] = field(default_factory=dict)
    channels: Path | None = None
    """A configuration whose channels and routes are taken where `config` names no channels."""


@dataclass(slots=True)
class Bundle:
    """A running stack. Use as a context manager, or call `stop`; one at a time in a process."""

    timeline: VirtualTimeline | WallTimeline
    account: str
    region: str
    bus: LocalBus
    deliveries: Deliveries
    functions: Functions
    queues: Queues
    schedules: Schedules
    recorder: Recorder
    events: list[Event] = field(default_factory=list)
    _exits: ExitStack = field(default_factory=ExitStack)
    _stack: stack.Stack | None = None
    _leftovers: Leftovers | None = None
    _plugins: Plugins | None = None
    _chat: Chat | None = None

    @classmethod
    def start(
        cls,
        *,
        timeline: VirtualTimeline | WallTimeline | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
        name: str = "longshore",
        parameters: Mapping[str, str] | None = None,
        sources: Sources | None = None,
    ) -> Self:
        """Takes over AWS in this process and deploys the stack. `AllowReplay` is true unless a parameter says else."""
        if not _ONE.acquire(blocking=False):
            raise RuntimeError("a bundle runs in this process already: stop it first")
        bundle = cls._composed(timeline or VirtualTimeline(), account, region)
        bundle._exits.callback(_ONE.release)
        try:
            bundle._open(name, {"AllowReplay": "true", **(parameters or {})}, sources or Sources())
        except BaseException:
            bundle.stop()
            raise
        return bundle

    @classmethod
    def _composed(cls, timeline: VirtualTimeline | WallTimeline, account: str, region: str) -> Self:
        recorder = Recorder()
        functions = Functions(timeline, recorder, region)
        deliveries = Deliveries(timeline, Invoking(timeline, functions).deliver)
        bus = LocalBus(timeline, deliveries)
        return cls(
            timeline=timeline,
            account=account,
            region=region,
            bus=bus,
            deliveries=deliveries,
            functions=functions,
            queues=Queues(timeline, functions.invoke, account, region),
            schedules=Schedules(timeline, bus, deliveries, account, region),
            recorder=recorder,
        )

    def _open(self, name: str, parameters: dict[str, str], sources: Sources) -> None:
        enter = self._exits.enter_context
        enter(mock_aws(config=_MOTO))
        enter(_shared_loader())
        enter(explained())
        enter(counted())
        enter(self.bus.installed())
        enter(self.queues.installed(waits=isinstance(self.timeline, WallTimeline)))
        enter(self.schedules.installed())
        enter(moto_scheduled.installed())
        enter(Invoking(self.timeline, self.functions).installed())
        enter(self.recorder.installed())
        wiring.use_clock(self.timeline)
        self._exits.callback(lambda: wiring.use_clock(SystemClock()))
        self._plugins = enter(installed(self.timeline, self.emit, self.functions.call, (self.account, self.region)))
        task_launches.connect(self.deliveries, lambda: self.ecs, self.account, self.region)
        self._deploy(name, parameters, sources)
        self.bus.subscribe(self._observe)
        self._leftovers = Leftovers(self.account, self.region)

    def _deploy(self, name: str, parameters: dict[str, str], sources: Sources) -> None:
        known = {key: value for key, value in parameters.items() if key != "AllowReplay"}
        declared = stack.parameter_names(sources.template)
        given = parameters if "AllowReplay" in declared else known
        self._stack = stack.deploy(
            sources.template, name=name, account=self.account, region=self.region, parameters=given
        )
        config = _compiled_config(sources)
        environment = {**_LOOPBACK, **self._written(config), **self._talking(config), **sources.environment}
        for function in self._stack.functions.values():
            given_by_it = {key: value for key, value in function.environment.items() if key != "AWS_DATA_PATH"}
            self.functions.deploy(replace(function, environment=given_by_it | environment), sources.functions)
        self.emit(_stack_created(self.stack, self.account, self.region, self.timeline.now()))

    def _written(self, config: Mapping[str, Any] | None) -> Mapping[str, str]:
        if config is None:
            return {}
        from longshore_config.compile import canonical

        layer = Path(self._exits.enter_context(tempfile.TemporaryDirectory(prefix="longshore-")))
        compiled = layer / "config.json"
        compiled.write_text(canonical(dict(config)), encoding="utf-8")
        return {"LONGSHORE_CONFIG": str(compiled)}

    def _talking(self, config: Mapping[str, Any] | None) -> Mapping[str, str]:
        """Starts the Slack stand-in where the stack has a function that talks to it."""
        if _NOTIFIES not in self.stack.functions:
            return {}
        self._chat = Chat(config or {}, self.timeline.now)
        self._exits.enter_context(self._chat.slack)
        self._chat.provide(self.session())
        return self._chat.environment

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Gives AWS back; nothing of the bundle is left. Harmless when stopped already."""
        self._exits.close()

    @property
    def stack(self) -> stack.Stack:
        """The deployed stack."""
        if self._stack is None:
            raise RuntimeError("the bundle has no stack yet")
        return self._stack

    @property
    def invocations(self) -> list[Invocation]:
        """Every run of a function so far, in order."""
        return self.functions.invocations

    @property
    def ecs(self) -> EcsSimulator:
        """The ECS simulator; `clear` replaces it."""
        return self._simulators.ecs

    @property
    def lambdas(self) -> LambdaSimulator:
        """The simulator of the Lambda that runs people's functions of container images."""
        return self._simulators.lambdas

    @property
    def replication(self) -> Replication:
        """What ECR replicates to other registries, and how long it takes."""
        return self._simulators.replication

    @property
    def app_runner(self) -> AppRunnerSimulator:
        """The services of App Runner."""
        return self._simulators.app_runner

    @property
    def eks(self) -> EksSimulator:
        """The Kubernetes clusters of EKS, each with an API server."""
        return self._simulators.eks

    @property
    def ecr(self) -> EcrSimulator:
        """The ECR simulator with its registries."""
        return self._simulators.ecr

    @property
    def scanner(self) -> Scanner:
        """Who scans images; nobody does before `use`."""
        return self._simulators.scanner

    @property
    def ecr_public(self) -> EcrPublicSimulator:
        """The simulator of ECR Public with its registry."""
        return self._simulators.ecr_public

    @property
    def code_deploy(self) -> CodeDeploySimulator:
        """The CodeDeploy simulator: images whose deployments fail, and rollbacks that are not possible."""
        return self._simulators.code_deploy

    @property
    def slack(self) -> SlackStandIn:
        """The Slack stand-in, with all that was said. Raises RuntimeError for a stack that does not notify."""
        if self._chat is None:
            raise RuntimeError("this stack has no function that notifies")
        return self._chat.slack

    @property
    def notifies(self) -> bool:
        """Whether the stack tells people anything: not with `NotifyMode` off."""
        return self._chat is not None

    @property
    def _simulators(self) -> Plugins:
        if self._plugins is None:
            raise RuntimeError("the bundle is not open")
        return self._plugins

    def session(self) -> boto3.Session:
        """A session with credentials of its own, for whoever plays the user."""
        return boto3.Session("local", "local", region_name=self.region)

    def client(self, service: str) -> Any:
        """A client of `session()` that does not retry."""
        return self.session().client(service, config=Config(retries={"total_max_attempts": 1}))

    def emit(self, event: Event) -> None:
        """Puts an event on the default bus of its account and Region, as an AWS service does."""
        self.bus.put(event)

    def settle(self, until: Callable[[], bool] | None = None, *, recurring: bool = True) -> bool:
        """Does everything that is due now; stops early, and says True, when `until` holds."""
        while True:
            if until is not None and until():
                return True
            if not (self.timeline.run_due() or self.schedules.fire_due(recurring=recurring) or self.queues.poll()):
                return False

    def run(self, until: Callable[[], bool] | None = None, limit: timedelta | None = None) -> bool:
        """Works and lets time jump from one thing to do to the next, until `until` holds or nothing is left.

        Recurring schedules fire only when there is a `limit` (of virtual time), else they would never let it end.
        Answers whether `until` came true; without `until`, whether all work was done.
        """
        timeline = self.timeline
        if not isinstance(timeline, VirtualTimeline):
            raise TypeError("run() jumps through time, so it needs a VirtualTimeline; serve() runs on real time")
        begun = timeline.now()
        deadline = begun + (limit if limit is not None else _ENDLESS)
        recurring = limit is not None
        while not self.settle(until, recurring=recurring):
            moment = self.next_moment(recurring=recurring)
            if moment is None or moment > deadline:
                break
            timeline.advance_to(moment)
        else:
            return True
        if moment is not None and limit is None:
            raise EndlessRunError(f"work still came at {moment}, {_ENDLESS.days} days on: give run() a limit")
        if limit is not None:
            timeline.advance_to(deadline)
            if self.settle(until):
                return True
        return until is None

    def next_moment(self, *, recurring: bool = True) -> datetime | None:
        """When there will next be something to do; None when there never will."""
        moments = (
            self.timeline.next_due(),
            self.queues.next_visible(),
            self.schedules.next_due(recurring=recurring),
        )
        return min((moment for moment in moments if moment is not None), default=None)

    def clear(self) -> None:
        """Forgets what happened and what callers made, and keeps the stack, for the next test."""
        self.timeline.clear()
        self._simulators.clear()
        if self._leftovers is not None:
            self._leftovers.clear()
        if self._chat is not None:
            self._chat.slack.clear()
            self._chat.provide(self.session())
        self.functions.forget()
        self.schedules.restart()
        self.recorder.clear()
        self.events.clear()
        self.invocations.clear()

    def _observe(self, bus_name: str, event: Event) -> None:
        if bus_name != "default" and not event["source"].startswith("aws."):  # such as spokes forward
            self.events.append(event)


def _shared_loader() -> Any:
    """One loader for all sessions: a service model is read once, however many clients are made."""
    return override(botocore.loaders, "create_loader", lambda _search_path=None: _LOADER)


_LOADER = botocore.loaders.create_loader()


def _compiled_config(sources: Sources) -> Mapping[str, Any] | None:
    if sources.config is None:
        return None
    from longshore_config.compile import compile_config

    config = compile_config(sources.config)
    if sources.channels is not None and not config.get("channels"):
        others = compile_config(sources.channels)
        config |= {key: others[key] for key in ("channels", "routes")}
    return config


def _stack_created(made: stack.Stack, account: str, region: str, moment: datetime) -> Event:
    detail = {
        "stack-id": made.stack_id,
        "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
        "client-request-token": "",
    }
    return envelope(
        "aws.cloudformation",
        "CloudFormation Stack Status Change",
        detail,
        account=account,
        region=region,
        moment=moment,
        resources=[made.stack_id],
    )
