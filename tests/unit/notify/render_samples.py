"""One event of each kind with all that its message tells, and notices of every shape for properties."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from longshore.events import Kind
from longshore.notices import Fact, Link, Notice, Phase, Severity, Text
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.kinds import MEANINGS, slug
from longshore.notify.life import Life, Step
from longshore.notify.reading import read

ACCOUNT, REGION = "123456789012", "ap-northeast-1"
WORKLOAD = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/orders-api"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
NEW, OLD = "sha256:" + "9f3c" * 16, "sha256:" + "77ab" * 16
LOG = "\n".join(f"2026-11-23T09:16:{n:02}Z GET /healthz 503 <!channel> & KeyError: 'DB_URL'" for n in range(12))

_CHANGE = {
    "container": "api",
    "tag": "v1.8.3",
    "digest": NEW,
    "image": f"{REGISTRY}/orders-api:v1.8.3",
    "previous": OLD,
}
_BACK = {**_CHANGE, "tag": "v1.8.2", "digest": OLD, "image": f"{REGISTRY}/orders-api:v1.8.2", "previous": NEW}
_TIMES = {"began": "2026-11-23T09:14:02+00:00", "ended": "2026-11-23T09:17:43+00:00"}
_WORKLOAD = {"workload": WORKLOAD, "platform": "ecs-service", "team": "orders", "environment": "prod"}
_DEPLOYMENT = {**_WORKLOAD, "decision": "newer", "rollback": False, "changes": [_CHANGE]}
_CANDIDATE = {"container": "api", "tag": "v1.8.3", "digest": NEW, "reason": "held"}
_MIRROR = {"upstream": "docker.io/library/nginx:1.29", "downstream": "public.ecr.aws/acme/nginx:1.29", "tag": "1.29"}
_EVENTS = Path(__file__).parents[3] / "events" / "longshore"


def published(name: str) -> Mapping[str, Any]:
    """The detail of a sample event."""
    detail: Mapping[str, Any] = json.loads((_EVENTS / f"{name}.json").read_text(encoding="utf-8"))["detail"]
    return detail


_RECOVER = (
    Kind.TASK_FAILED,
    Kind.TASK_REPLACED,
    Kind.TASK_REPLACEMENT_REFUSED,
    Kind.TASK_GIVEN_UP,
    Kind.CRASH_LOOP_OPENED,
    Kind.CRASH_LOOP_RESOLVED,
    Kind.RETIREMENT_ANNOUNCED,
)
_SCAN = (Kind.FINDINGS_REPORTED, Kind.FINDINGS_RESOLVED, Kind.GATE_OPENED, Kind.GATE_CLOSED)
DETAILS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.DEPLOYMENT_PLANNED: {**_WORKLOAD, "reason": "newer", "would": "deploy", "candidates": [_CANDIDATE]},
    Kind.DEPLOYMENT_HELD: {
        **_WORKLOAD,
        "reason": "held",
        "why": "freeze <before> the sale",
        "candidates": [_CANDIDATE],
    },
    Kind.DEPLOYMENT_STARTED: {
        **_DEPLOYMENT,
        "reason": "newer",
        "rollout": "arn:aws:ecs:ap-northeast-1:123456789012:service-deployment/prod/orders-api/1a2b",
        "deadline": "2026-11-23T09:44:02+00:00",
    },
    Kind.DEPLOYMENT_SUCCEEDED: {**_DEPLOYMENT, **_TIMES, "reason": "verified"},
    Kind.DEPLOYMENT_FAILED: {
        **_DEPLOYMENT,
        **_TIMES,
        "reason": "alarms",
        "alarms": ["orders-api-5xx", "orders-api-latency"],
        "why": "new tasks fail the health check GET /healthz with 503 (8 of 8) & <!channel>",
        "log_tail": LOG,
    },
    Kind.DEPLOYMENT_ROLLED_BACK: {
        **_DEPLOYMENT,
        **_TIMES,
        "reason": "rolled-back-by-platform",
        "why": "tasks failed to start",
        "evidence": ["3 tasks failed, the deployment circuit breaker trips at 3"],
        "log_tail": LOG,
    },
    Kind.DEPLOYMENT_SUPERSEDED: {**_DEPLOYMENT, **_TIMES, "reason": "raced", "resolved": {"api": OLD}},
    **{kind: published(slug(kind)) for kind in (*_RECOVER, *_SCAN)},
    Kind.IMAGE_MIRRORED: {**_MIRROR, "digest": NEW, "copied": 9, "mounted": 5, "seconds": 14},
    Kind.MIRROR_FAILED: {**_MIRROR, "error": "429 from the upstream", "attempt": 3, "retry_at": "2026-11-23T11:42:00Z"},
    Kind.MIRROR_REPORTED: {"mirror": "daily", "checked": 42, "current": 39, "updated": 2, "failing": 1},
    Kind.APPROVAL_REQUESTED: {
        **_DEPLOYMENT,
        "approval": "ap_01",
        "approvers": ["@prod"],
        "expires": "2026-11-23T10:45:00Z",
    },
    Kind.APPROVAL_DECIDED: {**_DEPLOYMENT, "approval": "ap_01", "decision": "approved", "by": "sato"},
    Kind.HOLD_SET: {**_WORKLOAD, "reason": "held", "why": "rolled back outside Longshore", "by": "unknown"},
    Kind.HOLD_LIFTED: {**_WORKLOAD, "by": "sato"},
    Kind.CONFIGURATION_REJECTED: {
        "file": "longshore.yaml",
        "key": "routes[2].to",
        "problem": "no such channel",
        "fix": "add it",
    },
    Kind.CHANNEL_FAILED: {"destination": "ops", "error": "invalid_auth", "problem": "Slack refuses the token"},
    Kind.EVENTS_MISSED: {
        "repository": f"{ACCOUNT}/{REGION}/orders-api",
        "count": 2,
        "tags": ["v1.8.2", "v1.8.3"],
        "reason": "swept",
    },
}
"""A kind's detail as its producer writes it."""

BEFORE: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.DEPLOYMENT_SUCCEEDED: (Kind.DEPLOYMENT_STARTED,),
    Kind.DEPLOYMENT_FAILED: (Kind.DEPLOYMENT_STARTED,),
    Kind.DEPLOYMENT_ROLLED_BACK: (Kind.DEPLOYMENT_STARTED,),
    Kind.DEPLOYMENT_SUPERSEDED: (Kind.DEPLOYMENT_STARTED,),
    Kind.TASK_REPLACED: (Kind.TASK_FAILED,),
    Kind.TASK_REPLACEMENT_REFUSED: (Kind.TASK_FAILED,),
    Kind.TASK_GIVEN_UP: (Kind.TASK_FAILED, Kind.TASK_REPLACED, Kind.TASK_FAILED, Kind.TASK_REPLACED),
    Kind.CRASH_LOOP_RESOLVED: (Kind.CRASH_LOOP_OPENED,),
    Kind.FINDINGS_RESOLVED: (Kind.FINDINGS_REPORTED,),
    Kind.GATE_OPENED: (Kind.GATE_CLOSED,),
    Kind.HOLD_LIFTED: (Kind.HOLD_SET,),
}
"""What the thread told before."""


def notice(kind: Kind, second: int = 0, **detail: Any) -> Notice:
    """A notice as it is read from a sample event."""
    return _read(kind, second, {**DETAILS[kind], "correlation": "c-1", **detail})


def _read(kind: Kind, second: int, detail: Mapping[str, Any]) -> Notice:
    envelope = {
        "version": "0",
        "id": f"{slug(kind)}-{second}",
        "detail-type": kind.value,
        "source": "longshore",
        "account": ACCOUNT,
        "time": f"2026-11-23T09:{14 + second:02}:02Z",
        "region": REGION,
        "resources": [WORKLOAD],
        "detail": detail,
        "longshore-destination": "ops",
    }
    found = read(envelope)
    assert found is not None
    return found


def life(*kinds: Kind) -> Life:
    """The life of a thread that told these."""
    told = Life()
    for place, kind in enumerate(kinds):
        told = told.then(notice(kind, place))
    return told


def sample(kind: Kind) -> tuple[Notice, Life]:
    """A kind's notice, and what its thread told before."""
    before = BEFORE.get(kind, ())
    return notice(kind, len(before)), life(*before)


def soaking() -> tuple[Notice, Life]:
    """A deployment whose images run and are watched."""
    stage = {"stage": "soaking", "deadline": None, "began": _TIMES["began"], "soaks_until": "2026-11-23T09:22:43+00:00"}
    return notice(Kind.DEPLOYMENT_STARTED, 3, **stage), life(Kind.DEPLOYMENT_STARTED)


def way_back() -> tuple[Notice, Life]:
    """The end of a deployment that failed and whose rollback succeeded."""
    told = life(Kind.DEPLOYMENT_STARTED, Kind.DEPLOYMENT_FAILED)
    told = told.then(notice(Kind.DEPLOYMENT_STARTED, 2, rollback=True, changes=[_BACK], reason="rollback"))
    return notice(Kind.DEPLOYMENT_SUCCEEDED, 3, rollback=True, changes=[_BACK], reason="verified"), told


_FURTHER: Mapping[str, Kind] = {
    "task-failed-left-alone": Kind.TASK_FAILED,
    "task-failed-observed": Kind.TASK_FAILED,
    "crash-loop-opened-family": Kind.CRASH_LOOP_OPENED,
    "findings-reported-expiring": Kind.FINDINGS_REPORTED,
    "findings-reported-digest": Kind.FINDINGS_REPORTED,
}
FURTHER = tuple(_FURTHER)
"""Sample events of kinds that are told in several ways."""


def further(name: str) -> tuple[Notice, Life]:
    """The notice of one of them, alone in its thread."""
    return _read(_FURTHER[name], 0, published(name)), Life()


# -- any notice at all --------------------------------------------------------------------------------------------

HOSTILE = (
    "<!channel>",
    "<!here|x>",
    "<@U0123456789>",
    "@channel @here",
    "](https://evil.example/)",
    "[x](https://evil.example)",
    "<https://evil.example|click>",
    "<at>everyone</at>",
    "```",
    "`*_~",
    "{{DATE(2026-01-01T00:00:00Z)}}",
    "\u202egpj.exe",
    "\x00\x07\x1b[31m",
    "line\r\nline\u2028line",
    "\ud83d",
    "\udc00\ud800",
    "🚀" * 40,
    "日本語" * 30,
    "&amp;<&>" * 50,
    '"\\' * 100,
    "password=hunter2hunter2",
    "x" * 100_000,
    "🚀" * 50_000,
    "\\" * 20_000,
    "\n" * 5_000,
    " ",
    "",
)
"""Text from events that must neither break a limit, nor format, nor ping."""

_ANY = st.text(st.characters(categories=None), max_size=40)
"""Every code point, lone surrogates too."""
WORDS = st.one_of(st.sampled_from([text for text in HOSTILE if len(text) < 1_000]), _ANY)
_KEYS = st.one_of(st.sampled_from(sorted(ENGLISH)), WORDS)
_NAMES = (
    "subject",
    "environment",
    "version",
    "reason",
    "cause",
    "why",
    "what",
    "image",
    "count",
    "duration",
    "evidence",
)
_TEXTS = st.builds(Text, _KEYS, st.dictionaries(st.sampled_from(_NAMES), WORDS))
_FACTS = st.builds(Fact, _KEYS, WORDS, st.booleans(), st.booleans())
_URLS = st.one_of(
    WORDS, WORDS.map(lambda text: f"https://example.com/{text}"), st.just("https://e.example/" + "a" * 1900)
)
_TIMES_ANY = st.datetimes(datetime(1970, 1, 2), datetime(2099, 1, 1), timezones=st.just(UTC))
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


def _tuple(items: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    few = st.lists(items, max_size=4).map(tuple)
    return st.one_of(few, few, items.map(lambda item: (item,) * most))


NOTICES: st.SearchStrategy[Notice] = st.builds(
    Notice,
    id=WORDS,
    kind=st.sampled_from(sorted(MEANINGS)),
    severity=st.sampled_from(Severity),
    phase=st.sampled_from(Phase),
    thread=WORDS,
    order=st.just(("2026", 0)),
    occurred_at=_TIMES_ANY,
    account=WORDS,
    region=WORDS,
    subject=WORDS,
    team=st.none() | WORDS,
    channel=st.none() | WORDS,
    environment=st.none() | WORDS,
    headline=_TEXTS,
    facts=_tuple(_FACTS, 60),
    details=_tuple(_TEXTS, 200),
    links=_tuple(st.builds(Link, _KEYS, _URLS), 30),
    log_tail=st.none() | WORDS | WORDS.map(lambda text: f"{text}\n" * 60),
    correlation=WORDS,
    event=st.dictionaries(st.sampled_from(["id", "detail", "detail-type", "resources", "time", "other"]), _JSON),
)
LIVES: st.SearchStrategy[Life] = st.builds(
    Life,
    st.lists(st.builds(Step, _TIMES_ANY, st.sampled_from(sorted(MEANINGS))), max_size=20).map(tuple),
    st.lists(_FACTS, max_size=12).map(tuple),
)
