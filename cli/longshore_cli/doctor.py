"""`longshore doctor`: what is wrong or worth knowing in this account."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from longshore_cli.options import stack_options
from longshore_cli.output import WrongError, json_option, readable, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore_cli.checks.findings import Check, Report

_NAME = 160  # characters of somebody else's text in a line
_TEXT = 400
_CODES = 3  # checks that are named beside what none of them could look at; --json names all


@click.command(short_help="What is wrong or worth knowing in this account.")
@click.option("--check", "codes", multiple=True, metavar="CODE", help="Only this check; may be given more than once.")
@stack_options
@json_option
@click.pass_context
def doctor(
    context: click.Context, codes: tuple[str, ...], stack_name: str, config_file: Path | None, as_json: bool
) -> None:
    """What is wrong or worth knowing in this account and Region, and what mends it? Nothing is changed.

    Exit 0 when all is well, 1 when there are errors or warnings, or when a check could not look; what is only worth
    knowing does not count. docs/doctor.md lists the checks, and the policy that they need.
    """
    from longshore_cli.account import Account
    from longshore_cli.checks.findings import examine
    from longshore_cli.checks.sight import Sight

    checks = _chosen(codes)
    account = Account()
    _ = account.id  # without credentials or a Region every check would say so
    sight = Sight(account, stack_name, config_file)
    sight.check_configuration()
    report = examine(sight, checks)
    if as_json:
        write_json(report.as_json())
    else:
        _tell(report)
    context.exit(0 if report.is_well else 1)


def _chosen(codes: Sequence[str]) -> Sequence[Check]:
    from longshore_cli.checks.table import CHECKS

    unknown = sorted(set(codes) - {check.code for check in CHECKS})
    if unknown:
        raise WrongError(f"no check {unknown[0]!r}; there are: {', '.join(check.code for check in CHECKS)}")
    return [check for check in CHECKS if not codes or check.code in codes]


def _tell(report: Report) -> None:
    severity = None
    for finding in report.findings:
        if finding.severity is not severity:
            severity = finding.severity
            count = sum(each.severity is severity for each in report.findings)
            click.echo(f"{severity} ({count})")
        click.echo(f"  {line(finding.resource, _NAME)}  [{finding.code}]")
        click.echo(f"    {line(finding.message, _TEXT)}")
        click.echo(f"    fix: {line(finding.fix, 4 * _TEXT)}")
    whys = dict.fromkeys(why for _, why in report.skipped)
    if whys:
        click.echo(f"not looked at ({len(whys)})")
    for why in whys:
        codes = [code for code, each in report.skipped if each == why]
        more = f", and {len(codes) - _CODES} more" if len(codes) > _CODES else ""
        click.echo(f"  {line(why, _TEXT)}  [{', '.join(codes[:_CODES])}{more}]")
    well = "all is well" if report.is_well and not report.findings else f"{len(report.findings)} findings"
    click.echo(f"{len(report.checked)} checks, {well}")


def line(text: str, most: int) -> str:
    """Somebody else's text on one line of a terminal, cut where it is long."""
    plain = " ".join(readable(text).split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"
