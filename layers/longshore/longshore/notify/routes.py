"""Routes: which destinations a notice goes to. A broken route tells too much rather than nothing (design 6.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

from longshore.errors import ConfigurationError
from longshore.events import Kind
from longshore.notices import Notice, Severity
from longshore.notify.kinds import slug

Read = TypeVar("Read")

FALLBACK = "fallback"
"""The stack's own topic: there without any configuration, and a name that no channel may take."""
BY_TAG = "tag:longshore:channel"
"""In a route's `to`: the channel that the workload's tag names."""

_MATCHES = frozenset({"kind", "severity", "environment", "team", "workload", "repository"})
_BY_NOTICE = frozenset({"kind", "severity"})
"""What may differ between the notices of one thread; all else is the workload's."""
_TYPES = frozenset({"slack", "slack-webhook", "sns", "amazonq", "teams", "pagerduty", "webhook"})


class Destination(NamedTuple):
    """A channel of `longshore.yaml`: where it leads, by which secret, in which language.

    `place` is a Slack channel's id, a topic's ARN or a webhook's address; `secret` an ARN.
    """

    name: str
    type: str
    place: str = ""
    secret: str = ""
    language: str = "en"
    region: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One of `routes`: `match` holds the patterns that each named member must match one of; none match everything."""

    to: tuple[str, ...]
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    goes_on: bool = False
    mention: str = ""
    mute: bool = False

    def matches(self, notice: Notice) -> bool:
        """Whether the notice is this route's."""
        return all(_matches(name, patterns, notice) for name, patterns in self.match.items())


class Routing(NamedTuple):
    """All destinations and routes; `problems` are what could not be read of them."""

    destinations: Mapping[str, Destination]
    routes: tuple[Route, ...] = ()
    problems: tuple[ConfigurationError, ...] = ()

    @property
    def selective(self) -> bool:
        """Whether a trouble and its end may lead to different destinations."""
        if self.problems or self.destinations.keys() <= {FALLBACK}:
            return True
        asked = any(not _BY_NOTICE.isdisjoint(each.match) for each in self.routes)
        caught = any(not each.match and set(each.to) - {BY_TAG} for each in self.routes)
        return bool(self.routes) and (asked or not caught)


class Routed(NamedTuple):
    """Where a notice goes: a mention by destination, in order; and what was wrong on the way."""

    to: Mapping[str, str]
    problems: tuple[ConfigurationError, ...] = ()
    muted: bool = False


def read_routing(config: Mapping[str, Any], fallback: Destination) -> Routing:
    """The routing of a compiled configuration. Never raises: what cannot be read is a problem, and left out."""
    problems: list[ConfigurationError] = []
    named = dict(_entries(config.get("channels") or {}, "channels", problems))
    destinations = {name: each for name, raw in named.items() if (each := _kept(_destination, name, raw, problems))}
    listed = config.get("routes") or []
    raw_routes = list(enumerate(listed)) if isinstance(listed, list) else []
    if not isinstance(listed, list):
        problems.append(ConfigurationError("routes", "is no list", "write a list of routes"))
    routes = [read for place, raw in raw_routes if (read := _kept(_route, f"routes[{place}]", raw, problems))]
    return Routing({**destinations, fallback.name: fallback}, tuple(routes), tuple(problems))


def route(notice: Notice, routing: Routing) -> Routed:
    """Where a notice goes.

    Without routes it goes to every channel, without channels what is a warning or worse goes to the fallback. So does
    what no route matches or leads anywhere, and whatever a broken configuration might have swallowed.
    """
    to: dict[str, str] = {}
    problems = list(routing.problems)
    matched = muted = False
    for each in routing.routes:
        if not each.matches(notice):
            continue
        names = [] if each.mute else list(_resolved(each, notice, routing, problems))
        if not names and not each.mute:
            continue  # it leads to nobody, and only `mute` may keep a notice from everybody
        matched = True
        for name in names:
            to.setdefault(name, each.mention)
        muted = each.mute
        if muted or not each.goes_on:
            break
    if not matched or routing.problems:
        to = {**dict.fromkeys(_default(notice, routing), ""), **to}
    return Routed(_without_the_failed(notice, to), tuple(problems), muted)


def _default(notice: Notice, routing: Routing) -> Iterable[str]:
    channels = [name for name in routing.destinations if name != FALLBACK]
    if channels and not routing.routes and not routing.problems:
        return channels
    return [FALLBACK] if routing.problems or notice.severity.at_least(Severity.WARNING) else []


def _resolved(each: Route, notice: Notice, routing: Routing, problems: list[ConfigurationError]) -> Iterable[str]:
    for name in each.to:
        wanted = notice.channel if name == BY_TAG else name
        if wanted is None:
            continue  # the workload names no channel
        if wanted in routing.destinations:
            yield wanted
            continue
        key = "longshore:channel" if name == BY_TAG else "routes"
        known = ", ".join(sorted(routing.destinations))
        problems.append(ConfigurationError(key, f"names the channel {wanted[:64]!r}, which there is not", known))
        yield FALLBACK


def _without_the_failed(notice: Notice, to: Mapping[str, str]) -> Mapping[str, str]:
    """A channel is not asked to tell that it cannot tell anything."""
    failed = _detail(notice).get("destination") if notice.kind is Kind.CHANNEL_FAILED else None
    if failed not in to:
        return to
    rest = {name: mention for name, mention in to.items() if name != failed}
    return rest or ({} if failed == FALLBACK else {FALLBACK: ""})


# -- matching -----------------------------------------------------------------------------------------------------


def _matches(name: str, patterns: tuple[str, ...], notice: Notice) -> bool:
    if name == "severity":
        return any(_grave(pattern, notice.severity) for pattern in patterns)
    values = _VALUES[name](notice)
    return any(fnmatchcase(value, _folded(name, pattern)) for pattern in patterns for value in values)


def _folded(name: str, pattern: str) -> str:
    return pattern.lower().replace(" ", "-") if name == "kind" else pattern


def _grave(pattern: str, severity: Severity) -> bool:
    if pattern.startswith(">="):
        return severity.at_least(Severity(pattern.removeprefix(">=").strip()))
    return severity == pattern


def _repositories(notice: Notice) -> list[str]:
    detail = _detail(notice)
    changes = detail.get("changes")
    images = [each.get("image") for each in changes if isinstance(each, Mapping)] if isinstance(changes, list) else []
    named = [str(name) for name in (detail.get("repository"), _in_registry(detail), *images) if isinstance(name, str)]
    return [form for name in named for form in _forms(name.partition("@")[0])]


def _in_registry(detail: Mapping[str, Any]) -> str | None:
    """The whole name of a repository that events of scan name in three parts."""
    parts = [detail.get(name) for name in ("registry", "region", "repository")]
    return "{}.dkr.ecr.{}.amazonaws.com/{}".format(*parts) if all(isinstance(each, str) for each in parts) else None


def _forms(reference: str) -> list[str]:
    """A repository as people may write it: with its registry, and without; never with a tag."""
    head, slash, last = reference.rpartition("/")
    whole = f"{head}{slash}{last.partition(':')[0]}"
    return [whole, whole.partition("/")[2]] if "." in whole.partition("/")[0] else [whole]


def _workloads(notice: Notice) -> list[str]:
    arns = [_detail(notice).get("workload"), *(each.get("arn") for each in _running(notice))]
    names = [form for arn in arns if isinstance(arn, str) and arn for form in (arn, arn.rpartition("/")[2])]
    return [notice.subject, *names, *_named(_running(notice), "name")]


def _environments(notice: Notice) -> list[str]:
    """The notice's own, else those of everything that runs the image that it is about."""
    if notice.environment:
        return [notice.environment]
    rows = _running(notice)
    return [name for each in rows for name in _named([each], "environment") or _named([each], "cluster")]


def _teams(notice: Notice) -> list[str]:
    """Those of everything that runs the image, and the owners of acceptances."""
    detail = _detail(notice)
    lists = [each for each in (detail.get("teams"), detail.get("owners")) if isinstance(each, list)]
    found = [notice.team, *(name for each in lists for name in each)]
    return [name for name in found if isinstance(name, str) and name]


def _running(notice: Notice) -> list[Mapping[str, Any]]:
    named = _detail(notice).get("running")
    return [each for each in named if isinstance(each, Mapping)] if isinstance(named, list) else []


def _named(rows: list[Mapping[str, Any]], member: str) -> list[str]:
    return [name for each in rows if isinstance(name := each.get(member), str) and name]


def _detail(notice: Notice) -> Mapping[str, Any]:
    detail = notice.event.get("detail")
    return detail if isinstance(detail, Mapping) else {}


_VALUES: Mapping[str, Callable[[Notice], list[str]]] = {
    "kind": lambda notice: [slug(notice.kind)],
    "environment": _environments,
    "team": _teams,
    "workload": _workloads,
    "repository": _repositories,
}


# -- reading ------------------------------------------------------------------------------------------------------


def _entries(raw: Any, key: str, problems: list[ConfigurationError]) -> Iterable[tuple[str, Any]]:
    if not isinstance(raw, Mapping):
        problems.append(ConfigurationError(key, "is no object", "write names with settings below them"))
        return []
    return [(str(name), each) for name, each in raw.items()]


def _kept(reader: Callable[[str, Any], Read], name: str, raw: Any, problems: list[ConfigurationError]) -> Read | None:
    try:
        return reader(name, raw)
    except ConfigurationError as error:
        problems.append(error)
        return None


def _destination(name: str, raw: Any) -> Destination:
    key = f"channels.{name}"
    if not isinstance(raw, Mapping) or raw.get("type") not in _TYPES:
        raise ConfigurationError(key, "has no known type", ", ".join(sorted(_TYPES)))
    if name == FALLBACK:
        raise ConfigurationError(key, "is the name of the stack's own topic", "take another name")
    place = next((str(raw[each]) for each in ("channel", "topic", "url") if raw.get(each)), "")
    secret, language, region = (str(raw.get(each) or "") for each in ("secret", "lang", "region"))
    return Destination(name, str(raw["type"]), place, secret, language or "en", region)


def _route(key: str, raw: Any) -> Route:
    if not isinstance(raw, Mapping):
        raise ConfigurationError(key, "is no object", "write match and to")
    match = raw.get("match") or {}
    if not isinstance(match, Mapping) or not _MATCHES.issuperset(match):
        raise ConfigurationError(f"{key}.match", "has unknown members", ", ".join(sorted(_MATCHES)))
    patterns = {name: _texts(each) for name, each in match.items()}
    for severity in patterns.get("severity", ()):
        if severity.removeprefix(">=").strip() not in set(Severity):
            raise ConfigurationError(f"{key}.match.severity", f"{severity[:32]!r} is none", ", ".join(Severity))
    mention = str(raw.get("mention") or "")
    return Route(_texts(raw.get("to")), patterns, raw.get("continue") is True, mention, raw.get("mute") is True)


def _texts(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        return (raw,)
    return tuple(str(each) for each in raw) if isinstance(raw, list) else ()
