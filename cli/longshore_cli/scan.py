"""`longshore scan`: what scanners know of an image, what is suppressed of it, and that as OpenVEX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.options import stack_options
from longshore_cli.output import columns, json_option, note, write_json

if TYPE_CHECKING:
    from longshore.scan.priority import Ranked
    from longshore_cli.scanned import Scanned

_SHOWN = 40  # findings that the text shows; the JSON has all


@click.group()
def scan() -> None:
    """What scanners know of an image, and what is accepted of it."""


@scan.command(short_help="The findings of an image, and what is suppressed.")
@click.argument("image")
@stack_options
@json_option
def show(image: str, stack_name: str, config_file: Path | None, as_json: bool) -> None:
    """What do scanners know of IMAGE now, how much does it matter, and what is suppressed by whom until when?

    IMAGE is a reference into ECR; REPOSITORY:TAG alone is one in this account and Region. Nothing is changed. Exit 0
    whenever there is an answer, an unfinished scan included; 1 when the image is not there.
    """
    from longshore_cli.scanned import scanned

    found = scanned(image, stack_name, config_file)
    document = described(found)
    if as_json:
        write_json(document)
    else:
        _tell(document)


@scan.command(short_help="What is suppressed of an image, as OpenVEX.")
@click.argument("image")
@click.option("--author", default="Longshore", show_default=True, help="Who says it: a person or an organisation.")
@stack_options
@json_option
def vex(image: str, author: str, stack_name: str, config_file: Path | None, as_json: bool) -> None:
    """Prints what is suppressed of IMAGE as an OpenVEX document; it is JSON with --json and without.

    Who claims that the image is not affected, by a justification or in OpenVEX, says so in it. A risk that was taken is
    `affected`, with its owner, end and reason as the action: other readers are not to take it for harmless.
    """
    from longshore.scan.openvex_out import write_openvex
    from longshore_cli.scanned import scanned

    found = scanned(image, stack_name, config_file)
    assessment = found.assessment
    if not assessment.state.finished:
        note(f"The scan is {assessment.state}, {assessment.state.meaning}: more may be suppressed than is known now.")
    write_json(
        write_openvex(
            assessment.repository,
            assessment.digest,
            found.split.suppressed,
            host=found.reference.host,
            author=author,
            at=found.now,
        )
    )


def described(found: Scanned) -> dict[str, Any]:
    """The document of `scan show`."""
    assessment = found.assessment
    return {
        "image": str(found.reference),
        "repository": str(assessment.repository),
        "digest": assessment.digest,
        "tags": list(assessment.tags),
        "images": list(assessment.images),
        "state": assessment.state.value,
        "meaning": assessment.state.meaning,
        "why": assessment.why or None,
        "scanner": assessment.scanner.value if assessment.scanner else None,
        "scanned": assessment.at.isoformat() if assessment.at else None,
        "running": [
            {"name": each.name, "arn": each.arn or None, "cluster": each.cluster or None} for each in found.runners
        ],
        "counts": dict(sorted(Counter(each.priority.value for each in found.ranked).items())),
        "findings": [_finding(each) for each in found.ranked],
        "suppressed": [_suppressed(found, each) for each in found.suppressed],
    }


def _finding(ranked: Ranked) -> dict[str, Any]:
    finding = ranked.finding
    return {
        "vulnerability": finding.vulnerability,
        "priority": ranked.priority.value,
        "rule": ranked.rule.value,
        "why": ranked.text,
        "severity": finding.severity.name if finding.severity is not None else None,
        "package": finding.package,
        "version": finding.version or None,
        "manager": finding.manager or None,
        "path": finding.path or None,
        "fix": finding.fix.value,
        "fixed_in": finding.fixed_in or None,
        "score": finding.score,
        "epss": finding.epss,
        "kev": finding.kev,
        "url": finding.url or None,
    }


def _suppressed(found: Scanned, ranked: Ranked) -> dict[str, Any]:
    by = found.by[ranked.finding]
    return _finding(ranked) | {
        "suppression": by.id,
        "origin": by.origin.value,
        "owner": by.owner or None,
        "reason": by.reason or None,
        "expires": by.expires.isoformat() if by.expires else None,
        "until_fix": by.until_fix,
        "soon": by.ends_soon(found.now),
    }


def _tell(document: dict[str, Any]) -> None:
    scanner = f" by {document['scanner']} scanning" if document["scanner"] else ""
    click.echo(f"{document['image']}  {document['digest']}")
    click.echo(
        f"  scan: {document['state']}{scanner}, {document['meaning']}"
        + (f" ({document['why']})" if document["why"] else "")
    )
    click.echo(f"  runs: {', '.join(each['name'] for each in document['running']) or 'nowhere that is known'}")
    counts = ", ".join(f"{number} {priority}" for priority, number in document["counts"].items())
    click.echo(f"  findings: {counts or 'none'}; suppressed: {len(document['suppressed'])}")
    for rows in (_finding_rows(document["findings"]), _suppressed_rows(document["suppressed"])):
        for line in columns(rows) if rows else ():
            click.echo(line)


def _finding_rows(findings: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows = [
        (f"  {each['vulnerability']}", each["severity"] or "?", _package(each), _fix(each), each["why"])
        for each in findings[:_SHOWN]
    ]
    return rows + list(_more(findings, 5))


def _suppressed_rows(findings: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows = [
        (
            f"  ({each['vulnerability']})",
            each["priority"],
            _package(each),
            _end(each),
            each["reason"] or "no reason given",
        )
        for each in findings[:_SHOWN]
    ]
    return rows + list(_more(findings, 5))


def _more(findings: list[dict[str, Any]], width: int) -> Iterator[tuple[str, ...]]:
    if len(findings) > _SHOWN:
        yield (f"  and {len(findings) - _SHOWN} more: see --json", *[""] * (width - 1))


def _package(each: dict[str, Any]) -> str:
    return f"{each['package']} {each['version'] or ''}".strip()


def _fix(each: dict[str, Any]) -> str:
    return f"fixed in {each['fixed_in']}" if each["fixed_in"] else f"fix: {each['fix']}"


def _end(each: dict[str, Any]) -> str:
    until = f"until {each['expires'][:10]}" if each["expires"] else "without an end"
    return f"by {each['owner'] or 'nobody named'} {until}" + (", or a fix" if each["until_fix"] else "")
