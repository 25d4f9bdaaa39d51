"""The notices of recover: what failed, what follows, each run; what depends on the case (notify 6, mocks b and c)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.notices import Fact, Phase, Severity, Text
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.catalogue_en_recover import slug_of
from longshore.notify.fields import Detail, clean, duration, first, items, mapping, moment

if TYPE_CHECKING:
    from longshore.notify.kinds import Meaning

KINDS = frozenset(
    {
        Kind.TASK_FAILED,
        Kind.TASK_REPLACED,
        Kind.TASK_REPLACEMENT_REFUSED,
        Kind.TASK_GIVEN_UP,
        Kind.CRASH_LOOP_OPENED,
        Kind.CRASH_LOOP_RESOLVED,
        Kind.RETIREMENT_ANNOUNCED,
    }
)
"""What recover tells."""

_WORDED = frozenset({"reason", "why", "would", "attempts", "count", "changes", "class", "running", "cause"})
"""Members that are told here in words of their own."""

_MINOR = frozenset({"not-opted-in", "owned-elsewhere", "aws-repairs", "may-end"})
"""Reasons for leaving a failure alone that make it somebody else's, or nobody's: a warning."""
_ENDINGS = ("refuse", "give-up")
"""Verdicts on a failure that another event tells in the same breath, with all that is known."""
_OVER = ("newer-deployment", "not-wanted", "moved-on")
"""Reasons for which a trouble ended that do not say that all is well."""
_PLANS = frozenset({"replace", "wait", "redeploy", "rollback", "drain", "stop", "deregister"})
_ROWS = 10
_CHANGED: Mapping[str, str] = {
    "networkConfiguration": "subnet",
    "capacityProviderStrategy": "on-demand",
    "launchType": "on-demand",
    "overrides.cpu": "cpu",
    "overrides.memory": "memory",
    "overrides.ephemeralStorage": "storage",
    "overrides.containerOverrides.memory": "memory",
    "placementConstraints": "instance",
}
"""What a member of RunTask is called that a replacement changes."""
_SLOTS = ("one", "two", "three", "four")


def in_case(kind: Kind, meaning: Meaning, detail: Detail) -> Meaning:
    """The kind's row, adjusted to the case at hand.

    A failure that something is done about goes on in its thread; one that is left alone ends it, and one that is
    refused or given up is followed by an event that says so.
    """
    verdict, reason = clean(detail.get("verdict"), 64), clean(detail.get("reason"), 128)
    if kind is Kind.TASK_FAILED and verdict == "notify":
        minor = variant(kind, detail)
        return meaning._replace(severity=Severity.WARNING if minor else meaning.severity, phase=Phase.FAILED)
    if kind is Kind.TASK_FAILED and verdict:
        again = len(items(detail.get("attempts"))) > 1
        return meaning._replace(severity=Severity.WARNING, phase=Phase.PROGRESS if again else Phase.OPENED)
    if kind in (Kind.CRASH_LOOP_OPENED, Kind.CRASH_LOOP_RESOLVED) and detail.get("workload"):
        return meaning._replace(of=("workload", "class"))  # a service may have several troubles at once
    if kind in (Kind.TASK_REPLACEMENT_REFUSED, Kind.TASK_GIVEN_UP):
        nobodys = "" if not detail.get("task") else "next-firing" if reason == "next-firing" else meaning.next
        return meaning._replace(next=nobodys)
    return meaning


def variant(kind: Kind, detail: Detail) -> str:
    """Which of a kind's headlines tells the case: of a task, a service, a family, or of what lies under them."""
    if kind in (Kind.TASK_FAILED, Kind.TASK_GIVEN_UP):
        if "task" in detail and not detail["task"]:
            return ".other"
        return ".warning" if kind is Kind.TASK_FAILED and _minor(detail) else ""
    if kind is Kind.CRASH_LOOP_RESOLVED:
        return ".over" if detail.get("reason") in _OVER else ""
    if kind is not Kind.CRASH_LOOP_OPENED or not detail.get("verdict"):
        return ""
    if not detail.get("workload"):
        return ".family"
    return "" if _whole(detail.get("count")) else ".other"


def _minor(detail: Detail) -> bool:
    """Whether a task's failure is a warning: something is done about it, or it is nobody's to mend."""
    verdict = clean(detail.get("verdict"), 64)
    return bool(verdict) and (verdict != "notify" or clean(detail.get("reason"), 128) in _MINOR)


def headline(detail: Detail) -> dict[str, str]:
    """What headlines of recover are filled in with, besides what all are."""
    attempts, code = _whole(detail.get("attempt")), detail.get("exit_code")
    told = {
        "cause": cause(detail),
        "exit": "" if isinstance(code, bool) or not isinstance(code, int) else str(code),
        "attempt": str(attempts or ""),
        "attempts": str(attempts) if attempts > 1 else "",
        "once": "1" if attempts == 1 else "",
        "window": _window(detail.get("window_seconds")),
    }
    return {name: text for name, text in told.items() if text}


def cause(detail: Detail) -> str:
    """The catalogue's entry for what failed; the name itself where it has none."""
    name = first(detail, ("name", "cause", "class"), 200)
    key = f"failure.{slug_of(name)}"
    return key if key in ENGLISH else name


def named(detail: Detail) -> dict[str, str]:
    """The failure's name as keys spell it, by which other languages have a hint of their own."""
    return {"failure": slug_of(first(detail, ("name",), 200))}


def reason_key(code: object) -> str:
    """The catalogue's entry for a reason; the code itself when it has none."""
    text = clean(code, 128)
    key = f"reason.recover.{text}"
    return key if key in ENGLISH else text


def facts(kind: Kind, detail: Detail) -> Iterator[Fact]:
    """Why, before everything else; then what other kinds do not tell."""
    told = mapping(detail.get("next"))
    explained = detail.get("verdict") == "notify" or told.get("what") in _PLANS or kind is Kind.TASK_REPLACED
    if not explained and (reason := reason_key(detail.get("reason"))):
        yield Fact("fact.reason", reason, short=False)
    if kind is Kind.TASK_REPLACED and (changed := _changed(detail.get("changes"))):
        yield Fact("fact.changed", "next.changed", args=changed)
    if image := clean(detail.get("image"), 512):
        yield Fact("fact.image", image, code=True)
    running, desired = detail.get("running"), detail.get("desired")
    if isinstance(running, int) and isinstance(desired, int):
        yield Fact("fact.tasks", f"{running}/{desired}")
    if (instances := clean(detail.get("instances"))) and detail.get("suspect"):
        yield Fact("fact.instances", instances)


def others(detail: Detail) -> Detail:
    """The members that are told as those of any kind are."""
    plain = {name: value for name, value in detail.items() if name not in _WORDED}
    return {**plain, "attempt": _whole(detail.get("attempt")) or None}


def following(kind: Kind, detail: Detail, at: datetime) -> Iterator[Fact]:
    """What happens next, and where it is only told, what would."""
    told = mapping(detail.get("next"))
    what, reason = clean(told.get("what"), 32), reason_key(detail.get("reason"))
    plan = {"at": _clock(told.get("at"), at), **_changed(told.get("changes")), "reason": reason}
    plan = {name: text for name, text in plan.items() if text}
    left_alone = detail.get("verdict") == "notify"
    would = what if what in _PLANS else next((each for each in _wanted(detail) if each in _PLANS), "")
    if left_alone and would and (what in _PLANS or detail.get("would")):
        yield Fact("fact.would", f"next.{would}", short=False, args=plan)
    if left_alone and kind is not Kind.CRASH_LOOP_RESOLVED:
        yield Fact("fact.next", "next.left-alone", short=False, args={"reason": reason})
    elif what in _PLANS:
        yield Fact("fact.next", f"next.{what}", short=False, args=plan)


def lines(kind: Kind, detail: Detail) -> Iterator[Text]:
    """The thread's lines: why, the runs that failed, the evidence, why there is no log; or what was launched."""
    if kind is Kind.TASK_REPLACED:
        yield from _launched(detail)
        return
    if code := reason_key(detail.get("reason")):
        yield Text("line.reason", {"reason": code})
    if not logged(kind, detail):
        return
    ran = list(_runs(kind, detail))
    yield from ran
    evidence = [text for each in items(detail.get("evidence"))[:_ROWS] if (text := clean(each))]
    if len(evidence) > 1 or not any("why" in each.args for each in ran):  # else that run's line says the same
        yield from (Text("line.evidence", {"evidence": each}) for each in evidence)
    log = mapping(detail.get("log"))
    if (note := clean(log.get("note"), 300)) and not items(log.get("lines")):
        yield Text("line.no-log", {"note": note})


def logged(kind: Kind, detail: Detail) -> bool:
    """Whether the last lines are told: not again with a replacement, and once where a failure ends an incident."""
    ending = kind is Kind.TASK_FAILED and detail.get("verdict") in _ENDINGS
    return kind is not Kind.TASK_REPLACED and not ending


def _launched(detail: Detail) -> Iterator[Text]:
    if replacement := clean(detail.get("replacement"), 512).rpartition("/")[2]:
        number = str(_whole(detail.get("attempt")) or "?")
        yield Text("line.launched", {"number": number, "task": replacement, **_changed(detail.get("changes"))})


def _runs(kind: Kind, detail: Detail) -> Iterator[Text]:
    """The last run with its failure, all of them where it ends."""
    rows = list(enumerate(map(mapping, items(detail.get("attempts"))), 1))
    most = {Kind.TASK_FAILED: 1, Kind.TASK_GIVEN_UP: _ROWS, Kind.TASK_REPLACEMENT_REFUSED: _ROWS}.get(kind, 0)
    return (_run(number, row) for number, row in (rows[-most:] if most else []) if row)


def _run(number: int, row: Detail) -> Text:
    at, code = moment(row.get("at")), row.get("exit_code")
    told = {
        "number": str(number),
        "time": f"{at.astimezone(UTC):%H:%M:%S} UTC" if at else "?",
        "class": clean(row.get("class"), 64),
        "exit": str(code) if isinstance(code, int) and not isinstance(code, bool) else "",
        "zone": clean(row.get("zone"), 64),
        "ran": duration({"seconds": row.get("ran")}),
        "why": clean(row.get("reason"), 300),
    }
    return Text("line.attempt", {name: text for name, text in told.items() if text})


def _wanted(detail: Detail) -> Iterator[str]:
    yield clean(detail.get("would"), 64)
    yield clean(detail.get("remedy"), 64)


def _changed(members: object) -> dict[str, str]:
    """What a replacement changes, as the slots of an entry; what has no name stands for itself."""
    named = [clean(each, 64) for each in items(members)]
    found = dict.fromkeys(f"change.{_CHANGED[each]}" if each in _CHANGED else each for each in named if each)
    return dict(zip(_SLOTS, found, strict=False))


def _clock(value: object, at: datetime) -> str:
    """A time of day, with the date where that is another than the notice's."""
    moment_ = moment(value)
    if moment_ is None:
        return ""
    shown = moment_.astimezone(UTC)
    return f"{shown:%H:%M:%S} UTC" if shown.date() == at.astimezone(UTC).date() else f"{shown:%Y-%m-%d %H:%M} UTC"


def _window(seconds: object) -> str:
    whole = _whole(seconds)
    return f"{whole // 60} min" if whole >= 60 else f"{whole} s" if whole else ""  # noqa: PLR2004  # seconds


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else 0
