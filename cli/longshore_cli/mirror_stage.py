"""What `longshore mirror plan` and `run` stand on: the mirrors of longshore.yaml, their registries, and a ledger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from longshore.aws.clock import SystemClock
from longshore.aws.mirror_manifests import LedgerManifests
from longshore.aws.mirrors import LedgerJobs, LedgerLeases, LedgerMemory, LedgerPulls
from longshore.aws.places import AwsPlaces, Credential
from longshore.aws.secrets import SecretStore
from longshore.aws.switches import LedgerSwitches
from longshore.aws.table import Table
from longshore.errors import ConfigurationError, TransientError
from longshore.mirror.carrier import CopyCarrier, Part
from longshore.mirror.messages import Message, MirrorDue, message
from longshore.mirror.reading import Home, read_mirrors
from longshore.mirror.service import Mirrorer, Ports
from longshore.mirror.survey import Survey, Surveyor, whose
from longshore.registries.auth import Login
from longshore_cli.config import DEFAULT
from longshore_cli.mirror_file import MirrorFile
from longshore_cli.mirror_memory import MemoryJobs, MemoryLeases, MemoryManifests, MemoryMirrors, MemoryPulls
from longshore_cli.output import FailedError, WrongError, note
from longshore_cli.registry_sides import registry
from longshore_cli.stack_bus import StackBus
from longshore_cli.upload_files import UploadFiles

if TYPE_CHECKING:
    from longshore.events import Announcement
    from longshore.mirror.ports import Registry, Side
    from longshore.mirror.report import Progress, Report
    from longshore.mirror.rules import Mirror
    from longshore.mirror.stores import Manifests, Memory
    from longshore.outcomes import Outcome
    from longshore.ports import Publisher
    from longshore_cli.account import Stack
    from longshore_cli.copy_progress import Bar, Lines

_PER_SECOND = 10.0
"""What ECR takes of an account."""
_LONG = timedelta(days=1)
"""A terminal has no deadline. No lease is as long: each is renewed while the work goes on."""


def mirrors_of(file: Path | None, names: Sequence[str]) -> tuple[dict[str, Mirror], Home]:
    """The mirrors of a configuration file, all or those named, and whose registry `ecr:` is.

    Raises WrongError with every problem of the file, or for a name that it does not have.
    """
    from longshore_config.compile import InvalidConfigError, compile_config

    path = file or DEFAULT
    try:
        raw = compile_config(path).get("mirrors") or {}
    except InvalidConfigError as error:
        raise WrongError(str(error)) from error
    except OSError as error:
        raise WrongError(f"{path}: {error.strerror or error}") from error
    unknown = [name for name in names if name not in raw]
    if unknown:
        raise WrongError(f"{path}: there is no mirror {unknown[0]!r}; known here: {', '.join(sorted(raw)) or 'none'}")
    home = _home(raw)
    mirrors = read_mirrors(raw, home)
    return {name: mirror for name, mirror in mirrors.items() if not names or name in names}, home


def _home(raw: Mapping[str, Any]) -> Home:
    """Whose registry ``ecr:NAME`` is; AWS is asked only where a mirror says so."""
    if "ecr:" not in str(raw):
        return Home()
    from longshore_cli.account import Account

    account = Account()
    domain = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
    return Home(account.id, account.region, domain)


def uses_aws(mirrors: Mapping[str, Mirror]) -> bool:
    """Whether a mirror reads from or writes to ECR: then there may be a stack whose ledger knows more."""
    return any(each.creatable for mirror in mirrors.values() for each in mirror.downstreams)


class Stage:
    """The registries as the user reaches them, and the stack's ledger where it can be seen."""

    def __init__(
        self,
        mirrors: Mapping[str, Mirror],
        stack: Stack | None,
        place: Home,
        *,
        insecure: bool,
        private: Collection[str] = (),
    ) -> None:
        self.mirrors = mirrors
        self.clock = SystemClock()
        self._insecure = insecure
        self._private = private
        self._session = boto3.session.Session()
        self._secrets = SecretStore(self._client, self.clock)
        self._connected: list[Registry] = []
        self.places = AwsPlaces(self._client, self._secrets.get, self._connect, self._secrets.forget)
        self._table = Table(self._client("dynamodb", place.region), stack.ledger) if stack else None
        self._place = (place.account, place.region)
        self._manifests = MemoryManifests()
        self._publisher: Publisher = _Nobody()
        if stack is not None and stack.bus:
            self._publisher = StackBus(lambda: self._client("events", place.region), stack.bus, self.clock)

    def _client(self, service: str, region: str) -> Any:
        return self._session.client(service, region_name=region)

    def _connect(self, host: str, side: Side, login: Callable[[], Credential] | None) -> Registry:
        """What `docker login` knows goes first, then what the mirror says."""
        told = (lambda: login_of(login())) if login is not None else None
        made = registry(host, side, insecure=self._insecure, private=self._private, login=told)
        self._connected.append(made)
        return made

    def close(self) -> None:
        """Closes connections."""
        for each in self._connected:
            each.close()

    def requests(self) -> int:
        """How many were made so far."""
        return sum(each.usage.total for each in self._connected)

    def survey(self, mirror: Mirror) -> Survey:
        """What a mirror would do; nothing is written anywhere."""
        memory: MemoryMirrors = MirrorFile.of(mirror) if self._table is None else MemoryMirrors()
        pulls = MemoryPulls()
        if self._table is not None:
            ledger = LedgerMemory(self._table, self.clock, *self._place)
            for endpoint, tags in ledger.known(mirror.name).items():
                for known in tags.values():
                    memory.remember(mirror.name, endpoint, known)
            memory.sight(mirror.name, ledger.sightings(mirror.name))
            memory.arrive(mirror.name, ledger.arrivals(mirror.name))
            whom = whose(mirror, None)
            pulls.budgets[whom] = LedgerPulls(self._table, *self._place).budget(whom)
        return Surveyor(self.places, memory, pulls, self.clock).look(mirror)

    def run(self, mirror: Mirror, progress: Lines | Bar) -> Iterator[Outcome]:
        """Does what is due now, as the function would, and answers what came of it; what waits is left to later.

        Raises FailedError while everything is paused.
        """
        queue, memory = _Queue(self.clock.now), MirrorFile.of(mirror)
        queue.postpone(message(MirrorDue(mirror.name), "command", self.clock.now()), self.clock.now())
        ports = self._ports(queue, memory, progress, progress.note)
        if (why := ports.switches.paused()) is not None:
            raise FailedError(f"Longshore is paused ({why}): nothing was copied")
        service = Mirrorer(ports, {mirror.name: mirror}, "", forgets=True)
        try:
            while (body := queue.receive()) is not None:
                yield from service.handle(Message.parse(body), self.clock.now() + _LONG)
        finally:
            if ports.memory is memory:
                memory.save()

    def _ports(self, queue: _Queue, memory: Memory, progress: Progress, tell: Callable[[str], None] = note) -> Ports:
        """With the stack's ledger where there is one, else with `memory`."""
        others: dict[str, Any] = {"places": self.places, "postponer": queue, "publisher": self._publisher}
        manifests: Manifests = self._manifests
        stores: dict[str, Any] = {
            "memory": memory,
            "pulls": MemoryPulls(),
            "leases": MemoryLeases(),
            "jobs": MemoryJobs(),
            "switches": _NoSwitches(),
        }
        if self._table is not None:
            table, place = self._table, self._place
            stores = {
                "memory": LedgerMemory(table, self.clock, *place),
                "pulls": LedgerPulls(table, *place),
                "leases": LedgerLeases(table, *place),
                "jobs": LedgerJobs(table, *place),
                "switches": LedgerSwitches(table, *place),
            }
            manifests = LedgerManifests(table, self.clock, *place)
        others["carrier"] = _Carrier(
            self.places,
            UploadFiles.default(),
            self.clock,
            leases=stores["leases"],
            manifests=manifests,
            per_second=_PER_SECOND,
            whole=True,
            progress=progress,
            tell=tell,
        )
        return Ports(clock=self.clock, **others, **stores)


@dataclass
class _Carrier(CopyCarrier):
    """Tells what may pass: the function tries it again, and says why when that did not help."""

    tell: Callable[[str], None] = note

    def copy(self, part: Part) -> Report:
        """See the port."""
        report = super().copy(part)
        for failure in report.failures:
            if isinstance(failure.error, TransientError):
                self.tell(f"{part.mirror.name}: {failure.item.tag or failure.item.reference}: {failure.error}")
        return report


def login_of(credential: Credential) -> Login:
    """As the registries' client takes it."""
    if credential.token and credential.expires is not None:
        return Login.ecr(credential.token, credential.expires)
    if not credential.username:
        raise ConfigurationError("secret", "has no username", 'write {"username": "...", "password": "..."}')
    return Login(credential.username, credential.password)


class _Queue:
    """Messages to oneself that are due at once; those for later are left out."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: list[Mapping[str, Any]] = []

    def postpone(self, body: Mapping[str, Any], until: datetime) -> None:
        """See `ports.Postponer`."""
        if until <= self._now():
            self._waiting.append(body)

    def receive(self) -> Mapping[str, Any] | None:
        """The next one."""
        return self._waiting.pop(0) if self._waiting else None


class _Nobody:
    """A publisher where there is no stack: who runs the command reads what came of it."""

    def publish(self, announcements: Sequence[Announcement]) -> None:
        """See `ports.Publisher`."""


class _NoSwitches:
    """Without a ledger nothing is paused."""

    def paused(self) -> str | None:
        """See `ports.Switches`."""
        return None

    def count(self, counter: str, at: datetime, limit: int) -> bool:
        """See `ports.Switches`."""
        return True
