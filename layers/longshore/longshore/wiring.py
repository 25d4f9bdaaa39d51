"""The composition root: the only module that builds clients and adapters, each once per process and when needed."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.bus import Bus
from longshore.aws.clock import SystemClock
from longshore.aws.queue import QueuePostponer
from longshore.aws.session import client, forget_clients, uncollected
from longshore.aws.switches import LedgerSwitches
from longshore.aws.table import Table
from longshore.intake import Intake
from longshore.settings import Mode, Settings, load_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from longshore.aws.blobs import Fetch
    from longshore.aws.ecr import Registries
    from longshore.aws.places import Credential
    from longshore.aws.public_images import PublicImages
    from longshore.aws.spokes import Access
    from longshore.channels.http import Http
    from longshore.events import Event
    from longshore.mirror.messages import Message as MirrorMessage
    from longshore.mirror.ports import Side
    from longshore.mirror.service import Mirrorer
    from longshore.notify.delivery import Delivery
    from longshore.notify.fanout import Ports as NotifyPorts
    from longshore.notify.messages import Message
    from longshore.notify.ports import Channel, Secrets
    from longshore.notify.routes import Destination
    from longshore.notify.service import Notifier
    from longshore.notify.telling import Teller
    from longshore.notify.threads import Thread
    from longshore.outcomes import Outcome
    from longshore.places import Place
    from longshore.ports import Clock
    from longshore.recover.facts import Fact
    from longshore.recover.hosts import HostPorts
    from longshore.recover.platform import Platform
    from longshore.recover.ports import Ports as RecoverPorts
    from longshore.recover.reading import Message as RecoverMessage
    from longshore.recover.service import Recoverer
    from longshore.recover.service_ports import ServicePorts
    from longshore.recover.telling import Incident
    from longshore.redeploy.by_place import PlatformsByPlace
    from longshore.redeploy.group_watch import GroupWatcher
    from longshore.redeploy.ports import Ports, Replicas
    from longshore.redeploy.service import Redeployer
    from longshore.registries.auth import Login
    from longshore.registries.client import DistributionRegistry
    from longshore.registries.timelimit import TimeLimit
    from longshore.scan.messages import Message as ScanMessage
    from longshore.scan.ports import Ports as ScanPorts
    from longshore.scan.service import Scanner
    from longshore.workloads import Observation

_TELLING: Final = timedelta(seconds=75)
"""One message of notify: 20 s in which steps begin, the longest of them (two requests, twice when the secret has
rotated, 10 s each), and the ledger."""
_ASKING: Final = 15.0
"""Seconds for one question to ECR Public: redeploy's function, which has 120 for ten messages, asks again later."""

_LOOKING: Final = timedelta(seconds=120)
"""One message of scan: the pages of ECR and of Inspector for an image and for what runs, and Inspector is slow."""

_clock: Clock = SystemClock()
_connections: list[DistributionRegistry] = []
"""Registries, whose idle connections are closed by `reset`."""


def use_clock(clock: Clock) -> None:
    """Has everything that is built from now on, clients too, belong to another world: the local bundle's."""
    global _clock  # noqa: PLW0603 - the one thing that outlives `reset`
    _clock = clock
    forget_clients()
    reset()


def reset() -> None:
    """Forgets what was built, so that the next call reads the environment again."""
    shared = (settings, table, platforms, spokes, registry, public_registry, bus, ports, _secrets, _http)
    for built in (*shared, redeployer, watcher, recoverer, notifier):
        built.cache_clear()
    mirrorer.cache_clear()
    scanner.cache_clear()
    _fetch.cache_clear()
    while _connections:
        _connections.pop().close()


@cache
def settings() -> Settings:
    """The settings of this function."""
    return Settings.from_env()


@cache
def table() -> Table:
    """The ledger's table."""
    return Table(client("dynamodb"), settings().table)


@cache
def platforms() -> PlatformsByPlace:
    """Every platform of every place, each adapter made when the first of its workloads is looked at."""
    from longshore.aws.platforms import every_platform

    return every_platform(settings().places.home, spokes(), client, _clock, _recalled)


def _recalled(observation: Observation) -> Observation:
    """With what the ledger knows of the digests that run, for a platform that cannot tell."""
    from longshore.aws.ledger import LedgerHeads, LedgerRecords
    from longshore.redeploy.recorded import recalled

    return recalled(observation, LedgerRecords(table(), _clock), LedgerHeads(table()))


@cache
def spokes() -> Mapping[Place, Access]:
    """The way into every spoke; none in a stack that has but its own account and Region."""
    stack = settings()
    if not stack.spokes:
        return {}
    from longshore.aws.spokes import Access

    return {place: Access(arn, place.region, lambda: client("sts")) for place, arn in stack.spokes.items()}


def _client_at(arn: str, service: str) -> Any:
    """A client in the account and Region where an ARN is: the stack's own, or a spoke's."""
    from longshore.places import Place

    return _client_in(Place.of_arn(arn), service)


def _client_in(place: Place, service: str) -> Any:
    access = spokes().get(place)
    return access.client(service) if access else client(service)


@cache
def registry() -> Registries:
    """The registries whose images are followed: private ECR here and in spokes, and ECR Public once needed."""
    from longshore.aws.ecr import EcrRegistry, Registries

    def private(region: str) -> EcrRegistry:
        return EcrRegistry(client("ecr") if region == settings().region else client("ecr", region))

    return Registries(private, public_registry, spokes())


@cache
def public_registry() -> PublicImages:
    """ECR Public, whose API is in us-east-1 whatever the stack's Region; logged in: anonymous pulls are throttled."""
    from longshore.aws.ecr_public import REGION, PublicRepositories
    from longshore.aws.public_images import PublicImages
    from longshore.images import PUBLIC_HOST
    from longshore.registries.timelimit import TimeLimit

    @cache
    def repositories() -> PublicRepositories:
        return PublicRepositories(client("ecr-public", REGION))

    def credential() -> Credential:
        from longshore.aws.places import Credential

        token = repositories().token()
        return Credential(token=token.value, expires=token.expires)

    limit = TimeLimit()

    @cache
    def connected() -> DistributionRegistry:
        return _connected(PUBLIC_HOST, "source", credential, limit)

    def gallery() -> DistributionRegistry:
        limit.begin(_ASKING)
        return connected()

    return PublicImages(gallery, repositories, _clock)


@cache
def bus() -> Bus:
    """Longshore's own bus."""
    return Bus(lambda: client("events"), settings().bus, _clock)


def intake(handle: Callable[[Event], list[Outcome]], logger: Logger, metrics: Metrics) -> Intake[Event]:
    """What takes batches of AWS's events from this function's queue."""
    return Intake(_admitting(), handle, _own_queue(), _clock, logger, metrics)


def _admitting() -> Callable[[object], Event]:
    """What reads events; with spokes, those of other places are bad ones."""
    from longshore.events import Event

    places = settings().places
    if not places.spokes:
        return Event.parse
    from longshore.redeploy.admission import admitted

    return lambda body: admitted(Event.parse(body), places)


def notices(logger: Logger, metrics: Metrics) -> Intake[Message]:
    """What takes batches of Longshore's own events from the queue of notify."""
    from longshore.notify.messages import Message

    return Intake(Message.parse, notifier().handle, _own_queue(), _clock, logger, metrics, _TELLING)


def recoveries(logger: Logger, metrics: Metrics) -> Intake[RecoverMessage]:
    """What takes batches of the events that recover looks at."""
    from longshore.recover.reading import Message

    return Intake(Message.parse, recoverer().handle, _own_queue(), _clock, logger, metrics)


def _own_queue() -> QueuePostponer:
    return _postponer(settings().queue_url, settings().queue_arn)


def _postponer(url: str, arn: str) -> QueuePostponer:
    stack = settings()
    return QueuePostponer(
        client("sqs"),
        lambda: client("scheduler"),
        _clock,
        queue_url=url,
        queue_arn=arn,
        group=stack.schedule_group,
        role_arn=stack.scheduler_role_arn,
    )


@cache
def ports() -> Ports:
    """Everything that redeploy needs, on the environment's own queues."""
    from longshore.aws.gates import LedgerGates
    from longshore.aws.ledger import LedgerHeads, LedgerIndex, LedgerRecords
    from longshore.aws.stacks import Stacks
    from longshore.redeploy.ports import Ports

    stack = settings()
    return Ports(
        platform=platforms(),
        stacks=Stacks(lambda arn: _client_at(arn, "cloudformation")),
        registry=registry(),
        discovery=platforms().at,
        heads=LedgerHeads(table()),
        index=LedgerIndex(table()),
        records=LedgerRecords(table(), _clock),
        switches=LedgerSwitches(table(), stack.account, stack.region),
        postponer=_own_queue(),
        reminder=_postponer(stack.watch_queue_url, stack.watch_queue_arn),
        gates=LedgerGates(table(), _clock),
        asker=_postponer(stack.scan_queue_url, stack.scan_queue_arn) if stack.scan_queue_url else None,
        publisher=bus(),
        clock=_clock,
        places=stack.places if stack.spokes else None,
        replicas=_replicas() if stack.spokes else None,
    )


def _replicas() -> Replicas:
    from longshore.aws.replicas import EcrReplicas

    return EcrReplicas(lambda place: spokes()[place].client("ecr") if place in spokes() else client("ecr"))


@cache
@uncollected()
def redeployer() -> Redeployer:
    """The use case of `functions/redeploy.py`."""
    from longshore.redeploy.profiles import read_profiles
    from longshore.redeploy.service import Redeployer, Rules

    stack = settings()
    profiles = read_profiles(load_config(stack.config).get("profiles") or {})
    observe = stack.mode is Mode.OBSERVE
    return Redeployer(ports(), Rules(profiles, stack.passable_role_arns, observe, stack.updatable_stack_arns))


@cache
@uncollected()
def watcher() -> GroupWatcher:
    """The use case of `functions/watch.py`."""
    from longshore.aws.code_deploy_groups import CodeDeployGroups
    from longshore.aws.ledger import LedgerIndex, LedgerRecords
    from longshore.aws.parameters import Parameters
    from longshore.redeploy.group_watch import GroupWatcher
    from longshore.redeploy.ownership import reapplying
    from longshore.redeploy.watch import Watcher

    watcher = Watcher(
        platform=platforms(),
        index=LedgerIndex(table()),
        records=LedgerRecords(table(), _clock),
        reminder=_own_queue(),
        publisher=bus(),
        truths=Parameters(lambda arn: _client_at(arn, "ssm")),
        clock=_clock,
        reapplies=reapplying(load_config(settings().config).get("profiles")),
    )
    return GroupWatcher(watcher, CodeDeployGroups(lambda place: _client_in(place, "codedeploy")))


@cache
@uncollected()
def recoverer() -> Recoverer:
    """The use case of `functions/recover.py`."""
    from longshore.aws.watched import LedgerRefused
    from longshore.recover.care import recoverer as whole
    from longshore.recover.facts import UNDER_TASKS
    from longshore.recover.incidents import Rules
    from longshore.recover.loop_policy import read_crash_loop_policy
    from longshore.recover.refused_tasks import with_refused
    from longshore.recover.rules import read_retry_policy

    stack = settings()
    section = load_config(stack.config).get("recover")
    rules = Rules(read_retry_policy(section), stack.mode, stack.passable_role_arns)
    refused = LedgerRefused(table(), _clock)
    ports = with_refused(_recover_ports(), refused)

    @cache
    def platform() -> Platform:
        from longshore.recover.platform import Platform
        from longshore.recover.upkeep_rules import read_upkeep_policy

        return Platform(ports, _host_ports(), refused, rules, read_upkeep_policy(section))

    def under_tasks(message: RecoverMessage, fact: Fact) -> list[Outcome]:
        return platform().handlers[type(fact)](message, fact)

    def accuse(incident: Incident) -> list[Outcome]:
        return platform().accusations.stopped(incident)

    def stale_instances(message: RecoverMessage) -> list[Outcome]:
        return platform().stale_instances.sweep(message)

    return whole(
        ports,
        _service_ports(),
        rules,
        read_crash_loop_policy(section),
        dict.fromkeys(UNDER_TASKS, under_tasks),
        [stale_instances],
        accuse,
    )


def _host_ports() -> HostPorts:
    from longshore.aws.instances import EcsInstances, Machines
    from longshore.aws.machines import LedgerMachines
    from longshore.aws.service_discovery import CloudMap, EcsServiceFacts
    from longshore.aws.watched import LedgerDrains, LedgerWatches
    from longshore.recover.hosts import HostPorts

    stack = settings()
    ecs = client("ecs")
    partition = stack.queue_arn.split(":")[1]
    return HostPorts(
        instances=EcsInstances(ecs, LedgerMachines(ecs, table(), _clock, stack.account, stack.region).get),
        hosts=Machines(lambda: client("ec2"), lambda: client("ssm")),
        services=EcsServiceFacts(ecs),
        registries=CloudMap(lambda: client("servicediscovery"), f"arn:{partition}:ecs:{stack.region}:{stack.account}"),
        watches=LedgerWatches(table(), _clock, stack.account, stack.region),
        drains=LedgerDrains(table(), _clock),
    )


def _service_ports() -> ServicePorts:
    from longshore.aws.inventory import EcrImages, EcsInventory, EcsServiceStates
    from longshore.aws.machines import LedgerMachines
    from longshore.aws.troubles import LedgerTroubles, LedgerWatched
    from longshore.recover.service_ports import ServicePorts

    stack = settings()
    return ServicePorts(
        services=EcsServiceStates(client("ecs")),
        images=EcrImages(lambda: client("ecr")),
        troubles=LedgerTroubles(table(), _clock, stack.account, stack.region),
        inventory=EcsInventory(client("ecs")),
        watched=LedgerWatched(table(), stack.account, stack.region),
        machines=LedgerMachines(client("ecs"), table(), _clock, stack.account, stack.region),
    )


def _recover_ports() -> RecoverPorts:
    from random import SystemRandom

    from longshore.aws.launchers import Launchers
    from longshore.aws.log_events import LogStreams
    from longshore.aws.network import NetworkInterfaces
    from longshore.aws.recovery import LedgerBreakers, LedgerRecipes, LedgerRecoveries
    from longshore.aws.tasks import EcsTasks
    from longshore.recover.ports import Ports as RecoverPorts

    stack = settings()
    return RecoverPorts(
        tasks=EcsTasks(client("ecs"), _clock),
        network=NetworkInterfaces(lambda: client("ec2")),
        launchers=Launchers(lambda: client("scheduler"), lambda: client("events")),
        logs=LogStreams(lambda region: client("logs", region)),
        recipes=LedgerRecipes(table(), _clock),
        recoveries=LedgerRecoveries(table(), _clock, stack.account, stack.region),
        breakers=LedgerBreakers(table(), _clock),
        switches=LedgerSwitches(table(), stack.account, stack.region),
        postponer=_own_queue(),
        publisher=bus(),
        clock=_clock,
        chance=SystemRandom().random,
    )


@cache
@uncollected()
def notifier() -> Notifier:
    """The use case of `functions/notify.py`."""
    from longshore.aws.threads import LedgerThreads, LedgerTurns
    from longshore.aws.undeliverable import DeadLetterQueue, Subscribers
    from longshore.notify.fanout import Ports as NotifyPorts
    from longshore.notify.routes import FALLBACK, Destination, read_routing
    from longshore.notify.service import Notifier

    stack = settings()
    fallback = Destination(FALLBACK, "sns", stack.fallback_topic_arn)
    needs = NotifyPorts(
        threads=LedgerThreads(table(), _clock, stack.account, stack.region),
        turns=LedgerTurns(table(), stack.account, stack.region),
        postponer=_own_queue(),
        publisher=bus(),
        switches=LedgerSwitches(table(), stack.account, stack.region),
        dead_letters=DeadLetterQueue(client("sqs"), stack.dead_letters_url),
        channels=_channels(),
        subscribers=Subscribers(lambda: client("sns"), stack.fallback_topic_arn, _clock),
        clock=_clock,
    )
    routing = read_routing(load_config(stack.config), fallback)
    return Notifier(needs, routing, _delivery, observe=stack.mode is Mode.OBSERVE)


def _delivery(ports: NotifyPorts, teller: Teller, destination: Destination, thread: Thread, waited: str) -> Delivery:
    """Rendering is loaded with the first delivery: what only fans out does without."""
    from longshore.notify.delivery import delivery

    return delivery(ports, teller, destination, thread, waited)


def mirroring(logger: Logger, metrics: Metrics, context: LambdaContext) -> Intake[MirrorMessage]:
    """What takes the messages of mirror's queue, in the time that this invocation has."""
    from longshore.mirror.messages import Message
    from longshore.registries.timelimit import RESERVE_SECONDS

    left = timedelta(milliseconds=context.get_remaining_time_in_millis())
    until = _clock.now() + left
    _time_limit().begin(left.total_seconds() - RESERVE_SECONDS)
    return Intake(Message.parse, lambda each: mirrorer().handle(each, until), _own_queue(), _clock, logger, metrics)


@cache
@uncollected()
def mirrorer() -> Mirrorer:
    """The use case of `functions/mirror.py`."""
    from longshore.aws.mirror_manifests import LedgerManifests
    from longshore.aws.mirrors import LedgerJobs, LedgerLeases, LedgerMemory, LedgerPulls, LedgerUploads
    from longshore.aws.places import AwsPlaces
    from longshore.mirror.carrier import PER_SECOND, CopyCarrier
    from longshore.mirror.reading import Home, read_mirrors
    from longshore.mirror.service import Mirrorer, Ports

    stack = settings()
    where = stack.account, stack.region
    home = Home(*where, "amazonaws.com.cn" if stack.region.startswith("cn-") else "amazonaws.com")
    places = AwsPlaces(client, lambda arn: _secrets().get(arn), _connected_in_time, lambda arn: _secrets().forget(arn))
    pace = float("inf") if stack.loopback else PER_SECOND
    leases, uploads = LedgerLeases(table(), *where), LedgerUploads(table(), _clock, *where)
    manifests = LedgerManifests(table(), _clock, *where)
    needs = Ports(
        places=places,
        memory=LedgerMemory(table(), _clock, *where),
        pulls=LedgerPulls(table(), *where),
        leases=leases,
        jobs=LedgerJobs(table(), *where),
        carrier=CopyCarrier(places, uploads, _clock, leases=leases, manifests=manifests, per_second=pace),
        postponer=_own_queue(),
        publisher=bus(),
        switches=LedgerSwitches(table(), *where),
        clock=_clock,
    )
    mirrors = read_mirrors(load_config(stack.config).get("mirrors") or {}, home)
    return Mirrorer(needs, mirrors, home.host, observe=stack.mode is Mode.OBSERVE)


def scanning(logger: Logger, metrics: Metrics) -> Intake[ScanMessage]:
    """What takes batches of what scan looks at."""
    from longshore.scan.messages import Message

    return Intake(Message.parse, scanner(logger.warning).handle, _own_queue(), _clock, logger, metrics, _LOOKING)


@cache
@uncollected()
def scanner(log: Callable[[str], None]) -> Scanner:
    """The use case of `functions/scan.py`; `log` is told of attestations that cannot be read."""
    from longshore.scan.rules import read_scan_policy
    from longshore.scan.service import Scanner

    stack = settings()
    policy = read_scan_policy(load_config(stack.config).get("scan"))
    return Scanner(_scan_ports(log), policy, observe=stack.mode is Mode.OBSERVE)


def _scan_ports(log: Callable[[str], None]) -> ScanPorts:
    from longshore.aws.attestations import EcrAttestations
    from longshore.aws.ecr_findings import EcrScans
    from longshore.aws.gates import LedgerGates
    from longshore.aws.inspector import Inspector
    from longshore.aws.ledger import LedgerIndex
    from longshore.aws.runners import WorkloadRunners
    from longshore.aws.scans import LedgerAcceptances, LedgerReports
    from longshore.scan.ports import Ports as ScanPorts

    stack = settings()
    where = stack.account, stack.region
    index = LedgerIndex(table())
    inspector = Inspector(client("inspector2"), _clock)
    return ScanPorts(
        scans=EcrScans(client("ecr"), inspector, where),
        runners=WorkloadRunners(index, platforms, registry, inspector, *where),
        attestations=EcrAttestations(client("ecr"), lambda url, limit: _fetch()(url, limit), log),  # noqa: PLW0108
        reports=LedgerReports(table(), _clock, *where),
        acceptances=LedgerAcceptances(table(), _clock, *where),
        gates=LedgerGates(table(), _clock),
        index=index,
        postponer=_own_queue(),
        publisher=bus(),
        clock=_clock,
    )


@cache
def _fetch() -> Fetch:
    """The way to blobs of ECR; reading the machine's certificates takes its time."""
    from longshore.aws.blobs import HttpsFetch

    return HttpsFetch(loopback=settings().loopback)


@cache
def _time_limit() -> TimeLimit:
    """What ends mirror's waiting for registries; each invocation sets it anew."""
    from longshore.registries.timelimit import TimeLimit

    return TimeLimit()


def _connected_in_time(host: str, side: Side, credential: Callable[[], Credential] | None) -> DistributionRegistry:
    return _connected(host, side, credential, _time_limit())


def _connected(
    host: str, side: Side, credential: Callable[[], Credential] | None, limit: TimeLimit | None = None
) -> DistributionRegistry:
    """The registry at a host; in the local bundle the one that stands in for it."""
    from longshore.addresses import Reach
    from longshore.registries.connect import Network, connect

    stack = settings()
    network = Network.of(_clock, reach=Reach(loopback=stack.loopback), limit=limit)
    logins = (lambda: _login(credential())) if credential else None
    made = connect(stack.registries.get(host, host), side, network, logins)
    _connections.append(made)
    return made


def _login(credential: Credential) -> Login:
    from longshore.registries.auth import Login

    if credential.token and credential.expires is not None:
        return Login.ecr(credential.token, credential.expires)
    return Login(credential.username, credential.password)


def _channels() -> Callable[[Destination], Channel]:
    """What makes channels, each once: a secret is read, and slack_sdk imported, when one is first used."""
    made: dict[str, Channel] = {}

    def channel(destination: Destination) -> Channel:
        if destination.name not in made:
            made[destination.name] = channel_of(destination, _secrets(), _http(), settings().slack_url)
        return made[destination.name]

    return channel


@cache
def _secrets() -> Secrets:
    """The secrets of this account."""
    from longshore.aws.secrets import SecretStore

    return SecretStore(client, _clock)


@cache
def _http() -> Http:
    """The way out to channels that speak HTTPS; reading the machine's certificates takes its time."""
    from longshore.channels.http import Http

    return Http(_clock, loopback=settings().loopback)


def channel_of(destination: Destination, secrets: Secrets, http: Http, slack_url: str = "") -> Channel:
    """The channel of a destination; `slack_url` is another base of Slack's Web API than its own."""
    place, secret = destination.place, destination.secret
    match destination.type:
        case "slack":
            from longshore.channels.slack import BASE_URL, SlackChannel

            return SlackChannel(place, secrets, secret, http, base_url=slack_url or BASE_URL)
        case "slack-webhook":
            from longshore.channels.slack_webhook import SlackWebhookChannel

            return SlackWebhookChannel(secrets, secret, http)
        case "teams":
            from longshore.channels.teams import TeamsChannel

            return TeamsChannel(secrets, secret, http)
        case "pagerduty":
            from longshore.channels.pagerduty import PagerDutyChannel

            return PagerDutyChannel(secrets, secret, http, _PAGERDUTY[destination.region])
        case "webhook":
            from longshore.channels.webhook import WebhookChannel

            return WebhookChannel(place, secrets, secret, http, _clock)
    from longshore.aws.topic import Topic
    from longshore.channels.sns import AmazonQChannel, SnsChannel

    topic = Topic(client("sns", place.split(":")[3]), place)
    return AmazonQChannel(topic) if destination.type == "amazonq" else SnsChannel(topic)


_PAGERDUTY = {
    "": "https://events.pagerduty.com",
    "us": "https://events.pagerduty.com",
    "eu": "https://events.eu.pagerduty.com",
}
