"""What notices of scan tell below their headlines: findings line by line, what runs them, the way out (mock e)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from longshore.events import Kind
from longshore.notices import Fact, Link, Text
from longshore.notify.catalogue import FINDING
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.fields import Detail, clean, items, mapping, moment, short_digest, shown_time
from longshore.notify.links import Console
from longshore.notify.scanning import (
    GATES,
    gate_reason,
    image_version,
    number,
    report_of,
    running,
    shortened,
    whole,
)

_SHOWN = 5
"""Findings in the message itself; its thread has all that the event names."""
_ROWS = 20
_RUNNERS = 4
_LINKS = 3
_MOST_EPSS = 1
_DIGITS = 2


def facts(kind: Kind, detail: Detail, following: str) -> Iterator[Fact]:
    """The gravest findings first, then who runs it, what was compared, and what can be done; `following` is the
    catalogue's entry for what comes next."""
    told = {"scan": _of_scan, "expiring": _of_acceptances, "digest": _of_digest}.get(report_of(kind, detail))
    if told:
        yield from told(detail)
    elif kind in GATES:
        yield from _of_gate(detail)
    else:
        yield from _of_end(detail)
    if following:
        yield Fact("fact.next", f"next.{following}", short=False)


def _of_scan(detail: Detail) -> Iterator[Fact]:
    rows = _rows(detail, "findings")
    yield from _found(rows)
    if runs := _runners(detail, _RUNNERS):
        yield Fact("fact.running", runs, short=False)
    else:
        yield Fact("fact.idle", "findings.not-running")
    yield from _compared(detail)
    yield from _way_out(detail)
    dues = [due for row in rows if (due := moment(row.get("due")))]
    yield Fact("fact.mend-by", shown_time(min(dues).isoformat()) if dues else "")
    yield Fact("fact.open", _counts(detail))
    if suppressed := number(detail.get("suppressed")):
        args = {"count": suppressed, "ending": number(detail.get("suppressed_ending"))}
        yield Fact("fact.suppressed", "findings.suppressed", args=args)
    scanned = clean(detail.get("scanned"), 64)
    if f"state.{scanned}" in ENGLISH:  # of one of its images: the findings are those of the others
        yield Fact("fact.scan", f"state.{scanned}")
    yield from _image(detail)


def _compared(detail: Detail) -> Iterator[Fact]:
    fixed, unchanged = whole(detail.get("fixed")), whole(detail.get("unchanged"))
    if fixed or unchanged:
        args = {"fixed": str(fixed), "unchanged": str(unchanged), "compared": short_digest(detail.get("compared_to"))}
        yield Fact("fact.compared", "findings.compared", short=False, args=args)


def _way_out(detail: Detail) -> Iterator[Fact]:
    """A newer image with fewer findings; without one, of how many a fix is known."""
    cure = mapping(detail.get("cure"))
    version, fixed, of = image_version(cure), number(cure.get("fixed")), number(cure.get("of"))
    if version and fixed and of:
        args = {"version": version, "fixed": fixed, "of": of}
        yield Fact("fact.cure", "findings.cure", short=False, args=args)
    elif fixable := number(detail.get("fixable")):
        total = sum(whole(each) for each in mapping(detail.get("counts")).values())
        args = {"fixable": fixable, "of": number(total)}
        yield Fact("fact.cure", "findings.fixable", short=False, args=args)


def _of_gate(detail: Detail) -> Iterator[Fact]:
    yield from _found(_rows(detail, "findings"))
    if reason := gate_reason(detail.get("reason")):
        yield Fact("fact.reason", reason, short=False)
    yield Fact("fact.more-findings", number(detail.get("more")))
    for name in ("cluster", "platform"):
        text = clean(detail.get(name), 256)
        keyed = f"platform.{text}"
        yield Fact(f"fact.{name}", keyed if keyed in ENGLISH else text)
    yield from _image(detail)
    yield Fact("fact.tag", clean(detail.get("tag"), 128), code=True)
    if detail.get("reason") == "timed-out":
        yield Fact("fact.waited", shown_time(detail.get("until")))


def _of_end(detail: Detail) -> Iterator[Fact]:
    yield Fact("fact.settled", _counts(detail) or number(detail.get("findings")))
    yield Fact("fact.replaced-by", short_digest(mapping(detail.get("by")).get("digest")), code=True)
    yield Fact("fact.running", _runners(detail, _RUNNERS), short=False)
    yield from _image(detail)


def _of_acceptances(detail: Detail) -> Iterator[Fact]:
    for row in _rows(detail, "acceptances")[:_SHOWN]:
        if args := _acceptance(row):
            yield Fact(f"{FINDING}{_identity(row)}", "findings.acceptance", short=False, args=args)


def _of_digest(detail: Detail) -> Iterator[Fact]:
    for row in _rows(detail, "worst")[:_SHOWN]:
        if args := _late(row):
            yield Fact(f"{FINDING}{_identity(row)}", "findings.late", short=False, args=args)
    yield Fact("fact.open", _counts(detail))
    for member, label in (("unscanned", "unscanned"), ("behind", "behind")):
        names = [_name(row) for row in _rows(detail, member)]
        count = whole(detail.get(f"{member}_count")) or len(names)
        shown = shortened(names[:_SHOWN], _SHOWN, max(0, count - len(names[:_SHOWN])))
        yield Fact(f"fact.{label}", shown, short=False)
    yield Fact("fact.ending", number(detail.get("acceptances_count")))
    for member in ("overdue", "suppressed"):
        yield Fact(f"fact.{member}", number(detail.get(member)))
    if images := number(detail.get("images")):
        args = {"images": images, "repositories": number(detail.get("repositories"))}
        yield Fact("fact.images", "findings.images", args=args)
    yield Fact("fact.due", shown_time(detail.get("due")))


# -- the thread's lines ---------------------------------------------------------------------------------------------


def lines(kind: Kind, detail: Detail) -> Iterator[Text]:
    """Everything that the event names, a line each."""
    for member, line in (("findings", _finding), ("worst", _finding)):
        yield from map(line, _rows(detail, member))
    if kind not in GATES and report_of(kind, detail) == "scan" and (more := number(detail.get("more"))):
        yield Text("line.findings-more", {"count": more})
    if kind in GATES and (reason := gate_reason(detail.get("reason"))):
        yield Text("line.reason", {"reason": reason})
    if runs := _runners(detail, _ROWS):
        yield Text("line.runs", {"running": runs})
    for row in _rows(detail, "unscanned"):
        state = f"state.{clean(row.get('state'), 64)}"
        told = {"state": state if state in ENGLISH else "", "why": clean(row.get("why"), 300), **_where(row)}
        yield _text("line.unscanned", told)
    for row in _rows(detail, "behind"):
        clean_one = mapping(row.get("clean"))
        fixed = {name: number(clean_one.get(name)) for name in ("fixed", "of")}
        yield _text("line.behind", {"version": image_version(clean_one), **fixed, **_where(row)})
    for row in _rows(detail, "acceptances"):
        yield _text("line.acceptance", {"id": _identity(row), **_acceptance(row)})


def _finding(row: Detail) -> Text:
    rule = f"rule.{clean(row.get('rule'), 64)}"
    told = {
        **_package(row),
        "id": _identity(row),
        "priority": clean(row.get("priority"), 8),
        "rule": rule if rule in ENGLISH else "",
        "due": shown_time(row.get("due")),
        "path": clean(row.get("path"), 256) or _where(row)["image"],
        "title": clean(row.get("title"), 160),
    }
    return _text("line.finding", told)


def _text(key: str, args: Mapping[str, str]) -> Text:
    return Text(key, {name: text for name, text in args.items() if text})


# -- where to look --------------------------------------------------------------------------------------------------


def links(kind: Kind, detail: Detail, region: str) -> Iterator[Link | None]:
    """The image in ECR, and where the gravest findings are described."""
    if report_of(kind, detail) in ("digest", "expiring"):
        return
    where = clean(detail.get("region"), 64) or region
    registry, name = clean(detail.get("registry"), 64), clean(detail.get("repository"), 512)
    console = Console(where, clean(detail.get("workload"), 1024))
    yield console.image(registry, name, clean(detail.get("digest"), 80)) or console.repository(registry, name)
    for row in _rows(detail, "findings")[:_LINKS]:
        if (url := clean(row.get("url"), 600)).startswith("https://"):
            yield Link(f"{FINDING}{_identity(row)}", url)


# -- pieces ---------------------------------------------------------------------------------------------------------


def _rows(detail: Detail, member: str) -> list[Detail]:
    return [row for each in items(detail.get(member))[:_ROWS] if (row := mapping(each))]


def _found(rows: list[Detail]) -> Iterator[Fact]:
    """The gravest, each vulnerability once: several packages of one source have it in common."""
    packages: dict[str, int] = {}
    for row in rows:
        packages[_identity(row)] = packages.get(_identity(row), 0) + 1
    first = {_identity(row): row for row in reversed(rows)}
    for name in list(packages)[:_SHOWN]:
        args = _package(first[name]) or {"package": "?"}
        if packages[name] > 1:
            args["package"] = f"{args.get('package', '')} (+{packages[name] - 1})".strip()
        yield Fact(f"{FINDING}{name}", "findings.line", short=False, args=args)


def _package(row: Detail) -> dict[str, str]:
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


def _identity(row: Detail) -> str:
    return clean(row.get("id") if "vulnerability" not in row else row.get("vulnerability"), 64) or "?"


def _acceptance(row: Detail) -> dict[str, str]:
    told = {
        "due": shown_time(row.get("expires")),
        "repositories": clean(row.get("repositories"), 300),
        "owner": clean(row.get("owner"), 128),
        "reason": clean(row.get("reason"), 300),
    }
    return {name: text for name, text in told.items() if text}


def _late(row: Detail) -> dict[str, str]:
    told = {
        "priority": clean(row.get("priority"), 8),
        "package": clean(row.get("package"), 128),
        "due": shown_time(row.get("due")),
        **_where(row),
    }
    return {name: text for name, text in told.items() if text}


def _where(row: Detail) -> dict[str, str]:
    return {"image": _name(row), "running": clean(row.get("running"), 300)}


def _name(row: Detail) -> str:
    repository = clean(row.get("repository"), 256)
    version = clean(row.get("tag"), 128) or short_digest(row.get("digest"))
    return f"{repository}:{version}" if repository and version else repository or version


def _runners(detail: Detail, most: int) -> str:
    """``prod/web ×4, prod/batch ×1``"""
    named = []
    for each in running(detail):
        place = clean(each.get("cluster"), 128) or clean(each.get("environment"), 128)
        units = number(each.get("units"))
        name = "/".join(filter(None, (place, clean(each.get("name"), 128))))
        named.append(f"{name} ×{units}" if units else name)
    count = whole(detail.get("running_count")) or len(named)
    return shortened(named[:most], most, max(0, count - len(named[:most])))


def _counts(detail: Detail) -> str:
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


def _image(detail: Detail) -> Iterator[Fact]:
    yield Fact("fact.digest", short_digest(detail.get("digest")), code=True)
    yield Fact("fact.repository", clean(detail.get("repository"), 512), code=True)
