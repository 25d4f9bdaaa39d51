"""The notices of scan: whose they are, how grave, and their headlines (notify 6, mock e). `findings` tells the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from longshore.events import Kind
from longshore.gates import SCAN_GATE, GateReason
from longshore.notices import Phase, Severity
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.fields import Detail, clean, items, mapping, short_digest, shown_time

if TYPE_CHECKING:
    from longshore.notify.kinds import Meaning

KINDS = frozenset({Kind.FINDINGS_REPORTED, Kind.FINDINGS_RESOLVED, Kind.GATE_OPENED, Kind.GATE_CLOSED})
"""What scan tells."""
GATES = frozenset({Kind.GATE_OPENED, Kind.GATE_CLOSED})
"""What is about one workload."""

PRIORITIES: Mapping[str, Severity] = {
    "P1": Severity.CRITICAL,
    "P2": Severity.ERROR,
    "P3": Severity.WARNING,
    "P4": Severity.INFO,
}
"""Of findings (notify 2.3)."""

_COMES = frozenset({GateReason.TIMED_OUT, GateReason.SCAN_FAILED, GateReason.NOT_SCANNED})
"""No result, though there may be one later without anybody pushing."""
_GATE_REASONS = frozenset({"gate-failed", "gate-no-result"})
_ENDS = ("accepted", "replaced", "gone")
_PLACES = 3
_MOST = 10**9


def prepared(kind: Kind, detail: Detail) -> Detail:
    """The detail, with what its kind is about under the names by which any kind tells that."""
    tags = [tag for each in items(detail.get("tags")) if (tag := clean(each, 128))]
    named = {"tag": tags[0]} if tags else {}
    if report_of(kind, detail) == "expiring":
        ids = [clean(mapping(each).get("vulnerability"), 64) for each in items(detail.get("acceptances"))]
        return {**detail, "about": next(filter(None, ids), "")}
    return {**detail, **named, "seconds": detail.get("open_seconds")}


def report_of(kind: Kind, detail: Detail) -> str:
    """Which report it is: ``scan``, ``expiring`` or ``digest``; nothing of other kinds."""
    told = clean(detail.get("report"), 32)
    return (told if told in ("expiring", "digest") else "scan") if kind is Kind.FINDINGS_REPORTED else ""


def in_case(kind: Kind, meaning: Meaning, detail: Detail) -> Meaning:
    """The kind's row, adjusted to the case at hand.

    A digest sums up what other notices told: it calls nobody, and nothing ends it.
    """
    match report_of(kind, detail):
        case "digest":
            late = Severity.WARNING if whole(detail.get("overdue")) else Severity.INFO
            digest = meaning._replace(thread="findings-digest", severity=late, phase=Phase.RESOLVED)
            return digest._replace(of=("@account", "@region", "team", "due"), subject=("team",))
        case "expiring":
            ending = meaning._replace(thread="findings-expiring", next="acceptance-ends")
            return ending._replace(of=("@account", "@region", "correlation"), subject=("about",))
        case "scan":
            usual = Severity.INFO if _mended(detail) else meaning.severity
            return meaning._replace(severity=PRIORITIES.get(clean(detail.get("priority"), 8).upper(), usual))
    return _gate(kind, meaning, detail) if kind in GATES else meaning


def _gate(kind: Kind, meaning: Meaning, detail: Detail) -> Meaning:
    not_plain = bool(variant(kind, detail))
    if kind is Kind.GATE_OPENED:
        let_through = meaning._replace(severity=Severity.WARNING, next="gate-let-through")
        return let_through if not_plain else meaning._replace(next="gate-passed")
    later = "gate-scan" if clean(detail.get("reason"), 64) in _COMES else "gate-image"
    return meaning._replace(next=later if not_plain else "gate-failed")


def variant(kind: Kind, detail: Detail) -> str:
    """Which of a kind's headlines tells the case."""
    result = clean(detail.get("result"), 32)
    if kind is Kind.FINDINGS_RESOLVED:
        reason = clean(detail.get("reason"), 64)
        return f".{reason}" if reason in _ENDS else ""
    if kind is Kind.GATE_CLOSED:
        return ".no-result" if result == "no-result" else ""
    if kind is Kind.GATE_OPENED:
        return {"no-result": ".no-result", "fail": ".failed"}.get(result, "")
    report = report_of(kind, detail)
    if report != "scan":
        return f".{report}"
    usual = "mended" if _mended(detail) else "other"
    told = next((each for each in ("new", "worsened", "reopened") if whole(detail.get(each))), usual)
    return "" if told == "new" else f".{told}"


def headline(kind: Kind, detail: Detail) -> dict[str, str]:
    """What headlines of scan are filled in with, besides what all are; what is empty is not told."""
    if kind in GATES:
        return {"reason": gate_reason(detail.get("reason")), **_priorities(detail)}
    report, where = report_of(kind, detail), shortened(places(detail), _PLACES)
    if report == "scan":
        cure = mapping(detail.get("cure"))
        mends = {"mended": number(cure.get("fixed")), "open": number(cure.get("of")), "by": image_version(cure)}
        return {"reason": "", "fixed": "", "environment": where, **_news(detail), **mends}
    if report == "digest":
        counted = {"overdue": "overdue", "unscanned": "unscanned_count"}
        figures = {slot: number(detail.get(member)) for slot, member in counted.items()}
        return {"reason": "", "environment": "", **_priorities(detail), **figures}
    if report == "expiring":
        rows = [mapping(each) for each in items(detail.get("acceptances"))]
        others = len(rows) - 1 + whole(detail.get("more"))
        ends = min((clean(each.get("expires"), 64) for each in rows if each.get("expires")), default="")
        return {"reason": "", "others": number(others), "first" if others else "due": shown_time(ends)}
    return {"reason": "", "by": image_version(mapping(detail.get("by")))}


def _mended(detail: Detail) -> bool:
    """Whether the news is that a newer image mends what runs."""
    return clean(detail.get("reason"), 64) == "mended-upstream"


def _news(detail: Detail) -> dict[str, str]:
    """How many findings of the gravest priority are new, how many in all; what worsened, and is accepted no more."""
    rows = [mapping(each) for each in items(detail.get("findings"))]
    new, count = _gravest(detail, rows, "new")
    told = number(detail.get("new"))
    return {
        "priority": new,
        "count": count or told,
        "new": told if count != told and new else "",
        "worsened": number(detail.get("worsened")),
        "worst": _gravest(detail, rows, "worsened")[0],
        "reopened": number(detail.get("reopened")),
        "again": _gravest(detail, rows, "reopened")[0],
    }


def _gravest(detail: Detail, rows: list[Detail], change: str) -> tuple[str, str]:
    """The gravest priority of what changed so, and how many have it. Only the gravest changes are listed: if all of
    those are as grave, there may be more."""
    found = [clean(each.get("priority"), 8) for each in rows if each.get("change") == change]
    gravest = min(filter(None, found), default="")
    if not gravest or not whole(detail.get(change)):
        return "", ""
    cut = whole(detail.get("more")) and clean(rows[-1].get("priority"), 8) == gravest
    return gravest, f"{found.count(gravest)}{'+' if cut else ''}"


def _priorities(detail: Detail) -> dict[str, str]:
    counts = mapping(detail.get("counts"))
    return {name.lower(): number(counts.get(name)) for name in PRIORITIES}


# -- gates ----------------------------------------------------------------------------------------------------------


def gate_reason(code: object) -> str:
    """The catalogue's entry for a gate's reason; the code itself when it has none."""
    text = clean(code, 128)
    key = f"reason.gate.{text}"
    return key if key in ENGLISH else text


def told_by_its_gate(kind: Kind, detail: Detail) -> bool:
    """Whether a deployment is held by a gate that tells so itself: people are told once.

    Where scan is off nobody judges and nobody tells, so that the deployment's own event does.
    """
    return bool(held_by_gate(kind, detail)) and clean(detail.get("why"), 64) != GateReason.OFF


def held_by_gate(kind: Kind, detail: Detail) -> str:
    """What the gate says of a deployment that it holds, as an entry of the catalogue; else nothing."""
    held = kind is Kind.DEPLOYMENT_HELD and clean(detail.get("reason"), 64) in _GATE_REASONS
    said = gate_reason(detail.get("why")) if held and detail.get("gate") == SCAN_GATE else ""
    return said if said in ENGLISH else ""


# -- what several of them need --------------------------------------------------------------------------------------


def running(detail: Detail) -> Iterator[Detail]:
    """Who runs the image, as far as the event names them."""
    return (row for each in items(detail.get("running")) if (row := mapping(each)))


def places(detail: Detail) -> list[str]:
    """The environments of what runs the image, clusters where none is named."""
    found = [clean(each.get("environment"), 128) or clean(each.get("cluster"), 128) for each in running(detail)]
    return list(dict.fromkeys(filter(None, found)))


def shortened(texts: list[str], most: int, more: int = 0) -> str:
    """The first few, and how many there are besides; `more` are known only by their number."""
    besides = max(0, len(texts) - most) + more
    return ", ".join(texts[:most]) + (f" (+{besides})" if besides and texts else "")


def image_version(image: Detail) -> str:
    """What people call an image: its first tag, else its digest."""
    tags = [tag for each in items(image.get("tags")) if (tag := clean(each, 128))]
    return tags[0] if tags else short_digest(image.get("digest"))


def whole(value: object) -> int:
    """A count; nothing else counts."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST else 0


def number(value: object) -> str:
    """A count as text, nothing for none."""
    return str(whole(value) or "")
