"""The words of what scan found: a finding, an acceptance, an image, who runs it; and the thread's lines of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from longshore.notices import Text
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.fields import Detail, clean, items, mapping, short_digest, shown_time
from longshore.notify.scanning import GATES, gate_reason, image_version, number, report_of, running, shortened, whole

if TYPE_CHECKING:
    from longshore.events import Kind

_ROWS = 20
_MOST_EPSS = 1
_DIGITS = 2


def lines(kind: Kind, detail: Detail) -> Iterator[Text]:
    """Everything that the event names, a line each."""
    yield from map(_finding, [*rows(detail, "findings"), *rows(detail, "worst")])
    if kind not in GATES and report_of(kind, detail) == "scan" and (more := number(detail.get("more"))):
        image = ":".join(filter(None, (clean(detail.get("repository"), 256), clean(detail.get("tag"), 128))))
        yield Text("line.findings-more", {"count": more, "command": f"longshore scan show {image}"})
    if kind in GATES and (reason := gate_reason(detail.get("reason"))):
        yield Text("line.reason", {"reason": reason})
    if runs := runners(detail, _ROWS):
        yield Text("line.runs", {"running": runs})
    yield from _of_digest(detail)
    for row in rows(detail, "acceptances"):
        yield _text("line.acceptance", {"id": identity(row), **acceptance(row)})


def _of_digest(detail: Detail) -> Iterator[Text]:
    for row in rows(detail, "unscanned"):
        state = f"state.{clean(row.get('state'), 64)}"
        told = {"state": state if state in ENGLISH else "", "why": clean(row.get("why"), 300), **_where(row)}
        yield _text("line.unscanned", told)
    for row in rows(detail, "behind"):
        newer = mapping(row.get("clean"))
        fixed = {name: number(newer.get(name)) for name in ("fixed", "of")}
        yield _text("line.behind", {"version": image_version(newer), **fixed, **_where(row)})


def _finding(row: Detail) -> Text:
    rule, title = f"rule.{clean(row.get('rule'), 64)}", clean(row.get("title"), 160)
    told = {
        **package(row),
        "id": identity(row),
        "priority": clean(row.get("priority"), 8),
        "rule": rule if rule in ENGLISH else "",
        "due": shown_time(row.get("due")),
        "path": clean(row.get("path"), 256) or _where(row)["image"],
        "title": "" if title.startswith(identity(row)) else title,
    }
    return _text("line.finding", told)


def _text(key: str, args: Mapping[str, str]) -> Text:
    return Text(key, {name: text for name, text in args.items() if text})


def rows(detail: Detail, member: str) -> list[Detail]:
    """The objects of a list, as many as an event names."""
    return [row for each in items(detail.get(member))[:_ROWS] if (row := mapping(each))]


def package(row: Detail) -> dict[str, str]:
    """What `findings.line` and `line.finding` are filled in with: the package, its fix, and how grave it is."""
    fix = clean(row.get("fix"), 16)
    change = clean(row.get("change"), 16)
    told = {
        "package": clean(row.get("package"), 128),
        "version": clean(row.get("version"), 64),
        "fixed_in": clean(row.get("fixed_in"), 64),
        "fix": {"no": "findings.no-fix", "partial": "findings.partly"}.get(fix, ""),
        "severity": " ".join(filter(None, (clean(row.get("severity"), 16), _decimal(row.get("score"), 10)))),
        "kev": "KEV" if row.get("kev") is True else "",
        "kev_due": clean(row.get("kev_due"), 32) if row.get("kev") is True else "",
        "epss": _decimal(row.get("epss"), _MOST_EPSS, _DIGITS),
        "exploit": "findings.exploit" if row.get("exploit") is True else "",
        "change": f"findings.{change}" if change in ("worsened", "reopened") else "",
        "accepted_by": clean(row.get("accepted_by"), 128),
    }
    return {name: text for name, text in told.items() if text}


def _decimal(value: object, most: float, digits: int = 1) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        return ""
    return f"{value:.{digits}f}"


def identity(row: Detail) -> str:
    """The vulnerability's name."""
    return clean(row.get("id") if "vulnerability" not in row else row.get("vulnerability"), 64) or "?"


def acceptance(row: Detail) -> dict[str, str]:
    """Until when something is accepted, where, by whom and why."""
    told = {
        "due": shown_time(row.get("expires")),
        "repositories": clean(row.get("repositories"), 300),
        "owner": clean(row.get("owner"), 128),
        "reason": clean(row.get("reason"), 300),
    }
    return {name: text for name, text in told.items() if text}


def late(row: Detail) -> dict[str, str]:
    """A finding whose time to be mended is over."""
    told = {
        "priority": clean(row.get("priority"), 8),
        "package": clean(row.get("package"), 128),
        "due": shown_time(row.get("due")),
        **_where(row),
    }
    return {name: text for name, text in told.items() if text}


def _where(row: Detail) -> dict[str, str]:
    return {"image": image_name(row), "running": clean(row.get("running"), 300)}


def image_name(row: Detail) -> str:
    """An image as a digest of a team names it: ``shop/web:v1.8.3``."""
    repository = clean(row.get("repository"), 256)
    version = clean(row.get("tag"), 128) or short_digest(row.get("digest"))
    return f"{repository}:{version}" if repository and version else repository or version


def runners(detail: Detail, most: int) -> str:
    """Who runs the image, and how many units of each: ``prod/web x4, prod/batch x1``."""
    named = []
    for each in running(detail):
        place = clean(each.get("cluster"), 128) or clean(each.get("environment"), 128)
        units = number(each.get("units"))
        name = "/".join(filter(None, (place, clean(each.get("name"), 128))))
        named.append(f"{name} x{units}" if units else name)
    count = whole(detail.get("running_count")) or len(named)
    return shortened(named[:most], most, max(0, count - len(named[:most])))


def counts(detail: Detail) -> str:
    """``P1: 2 (+1), P3: 1``: by priority, and how much each grew where that is known."""
    counts, trend = mapping(detail.get("counts")), mapping(detail.get("trend"))
    return ", ".join(
        f"{name}: {whole(counts.get(name))}{_grown(trend.get(name))}"
        for name in ("P1", "P2", "P3", "P4")
        if whole(counts.get(name)) or _grown(trend.get(name))
    )


def _grown(by: object) -> str:
    known = isinstance(by, int) and not isinstance(by, bool) and by and abs(by) < 10**9
    return f" ({by:+d})" if known and isinstance(by, int) else ""
