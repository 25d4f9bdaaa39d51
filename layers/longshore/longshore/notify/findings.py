"""What notices of scan tell below their headlines: findings line by line, what runs them, the way out (mock e)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from longshore.notices import Fact, Link
from longshore.notify import findings_text as words
from longshore.notify.catalogue import FINDING
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.fields import Detail, clean, mapping, moment, short_digest, shown_time
from longshore.notify.links import Console
from longshore.notify.scanning import GATES, gate_reason, image_version, number, report_of, shortened, whole

if TYPE_CHECKING:
    from longshore.events import Kind

_SHOWN = 5
"""Findings in the message itself; its thread has all that the event names."""
_RUNNERS = 4
_LINKS = 3


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
    rows = words.rows(detail, "findings")
    yield from _found(rows)
    if runs := words.runners(detail, _RUNNERS):
        yield Fact("fact.running", runs, short=False)
    else:
        yield Fact("fact.idle", "findings.not-running")
    yield from _compared(detail)
    yield from _way_out(detail)
    dues = [due for row in rows if (due := moment(row.get("due")))]
    yield Fact("fact.mend-by", shown_time(min(dues).isoformat()) if dues else "")
    yield Fact("fact.open", words.counts(detail))
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
    yield from _found(words.rows(detail, "findings"))
    if reason := gate_reason(detail.get("reason")):
        yield Fact("fact.reason", reason, short=False)
    yield Fact("fact.more-findings", number(detail.get("more")))
    for name in ("cluster", "platform"):
        text = clean(detail.get(name), 256)
        keyed = f"platform.{text}"
        yield Fact(f"fact.{name}", keyed if keyed in ENGLISH else text)
    yield from _image(detail)
    if detail.get("reason") == "timed-out":
        yield Fact("fact.waited", shown_time(detail.get("until")))


def _of_end(detail: Detail) -> Iterator[Fact]:
    yield Fact("fact.settled", words.counts(detail) or number(detail.get("findings")))
    yield Fact("fact.replaced-by", short_digest(mapping(detail.get("by")).get("digest")), code=True)
    yield Fact("fact.running", words.runners(detail, _RUNNERS), short=False)
    yield from _image(detail)


def _of_acceptances(detail: Detail) -> Iterator[Fact]:
    for row in words.rows(detail, "acceptances")[:_SHOWN]:
        if args := words.acceptance(row):
            yield Fact(f"{FINDING}{words.identity(row)}", "findings.acceptance", short=False, args=args)


def _of_digest(detail: Detail) -> Iterator[Fact]:
    for row in words.rows(detail, "worst")[:_SHOWN]:
        if args := words.late(row):
            yield Fact(f"{FINDING}{words.identity(row)}", "findings.late", short=False, args=args)
    yield Fact("fact.open", words.counts(detail))
    for member, label in (("unscanned", "unscanned"), ("behind", "behind")):
        names = [words.image_name(row) for row in words.rows(detail, member)]
        count = whole(detail.get(f"{member}_count")) or len(names)
        shown = shortened(names[:_SHOWN], _SHOWN, max(0, count - len(names[:_SHOWN])))
        yield Fact(f"fact.{label}", shown, short=False)
    yield Fact("fact.ending", number(detail.get("acceptances_count")))
    for member in ("overdue", "suppressed"):
        yield Fact(f"fact.{member}", number(detail.get(member)))
    yield Fact("fact.images", number(detail.get("images")))


# -- where to look --------------------------------------------------------------------------------------------------


def links(kind: Kind, detail: Detail, region: str) -> Iterator[Link | None]:
    """The image in ECR, and where the gravest findings are described."""
    if report_of(kind, detail) in ("digest", "expiring"):
        return
    where = clean(detail.get("region"), 64) or region
    registry, name = clean(detail.get("registry"), 64), clean(detail.get("repository"), 512)
    console = Console(where, clean(detail.get("workload"), 1024))
    yield console.image(registry, name, clean(detail.get("digest"), 80)) or console.repository(registry, name)
    for row in words.rows(detail, "findings")[:_LINKS]:
        if (url := clean(row.get("url"), 600)).startswith("https://"):
            yield Link(f"{FINDING}{words.identity(row)}", url)


def _found(rows: list[Detail]) -> Iterator[Fact]:
    """The gravest, each vulnerability once: several packages of one source have it in common."""
    packages: dict[str, int] = {}
    for row in rows:
        packages[words.identity(row)] = packages.get(words.identity(row), 0) + 1
    first = {words.identity(row): row for row in reversed(rows)}
    for name in list(packages)[:_SHOWN]:
        args = words.package(first[name]) or {"package": "?"}
        if packages[name] > 1:
            args["package"] = f"{args.get('package', '')} (+{packages[name] - 1})".strip()
        yield Fact(f"{FINDING}{name}", "findings.line", short=False, args=args)


def _image(detail: Detail) -> Iterator[Fact]:
    yield Fact("fact.digest", short_digest(detail.get("digest")), code=True)
    yield Fact("fact.repository", clean(detail.get("repository"), 512), code=True)
