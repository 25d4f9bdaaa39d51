"""`longshore suppress`: accepts findings at run time, with an owner, a reason and an end."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.options import stack_options
from longshore_cli.output import FailedError, WrongError, columns, json_option, note, write_json

if TYPE_CHECKING:
    from longshore.scan.suppressions import Suppression
    from longshore_cli.acceptances import Acceptances

_SPAN = re.compile(r"([1-9][0-9]{0,3})(h|d|w)")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_OPTIONS = {
    "vulnerability": "VULNERABILITY",
    "packages": "--package",
    "paths": "--path",
    "repositories": "--repository",
    "digests": "--digest",
    "until_fix": "--until-fix",
}
_JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)


@click.command(short_help="Accepts findings for a time; lists and ends that.")
@click.argument("vulnerability", required=False)
@click.option(
    "--package", "packages", multiple=True, metavar="PURL", help="Only of this package: pkg:deb/debian/openssl."
)
@click.option("--path", "paths", multiple=True, metavar="P", help="Only at this path in the image; * and ** match.")
@click.option("--repository", "repositories", multiple=True, metavar="GLOB", help="Only in this repository: team/*.")
@click.option("--digest", "digests", multiple=True, metavar="D", help="Only in this image.")
@click.option("--expires", metavar="30d|DATE", help="When it ends: 12h, 30d, 4w or 2026-12-31 (its beginning in UTC).")
@click.option("--until-fix", is_flag=True, help="End by itself when a fix exists.")
@click.option(
    "--justification",
    type=click.Choice(_JUSTIFICATIONS),
    metavar="LABEL",
    help="Why the image is not affected, as in OpenVEX.",
)
@click.option("--owner", metavar="WHO", help="Who answers for it.")
@click.option("--reason", metavar="TEXT", help="Why it is accepted.")
@click.option("--list", "listing", is_flag=True, help="List what is suppressed, and until when.")
@click.option("--remove", metavar="ID", help="End one that was set here.")
@stack_options
@json_option
def suppress(  # one option each
    vulnerability: str | None,
    listing: bool,
    remove: str | None,
    stack_name: str,
    config_file: Path | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Accepts VULNERABILITY, as CVE-2026-1, from now on: it is reported no more, and keeps nothing back at a gate.

    The same once more takes the place of the first. Without --expires or --until-fix it never ends. Every option that
    may be given more than once matches any of its values. Exit 1 when there is nothing to remove.
    """
    if sum((vulnerability is not None, listing, remove is not None)) != 1:
        raise WrongError("give a VULNERABILITY, or --list, or --remove ID")
    wrong = [_option(name) for name, value in said.items() if value and vulnerability is None]
    if wrong:
        raise WrongError(f"{wrong[0]} goes with a VULNERABILITY only")
    if listing:
        _list(_acceptances(stack_name), config_file, as_json)
    elif remove is not None:
        _remove(_acceptances(stack_name), remove, as_json)
    else:
        _set(stack_name, _read(vulnerability or "", said), as_json)


def _acceptances(stack_name: str) -> Acceptances:
    from longshore_cli.acceptances import Acceptances

    return Acceptances.of(stack_name)


def _read(vulnerability: str, said: dict[str, Any]) -> Suppression:
    """What the options say; checked as the configuration's files are."""
    from longshore.errors import ConfigurationError
    from longshore.scan.acceptance import read_suppression

    for name in ("owner", "reason"):
        if not (said[name] or "").strip():
            raise WrongError(f"--{name} is missing: nothing is accepted by nobody, or for nothing")
    ends = _expires(said.pop("expires")) if said.get("expires") else None
    raw = {"vulnerability": vulnerability, **said, "expires": ends.isoformat() if ends else None}
    try:
        return read_suppression(raw, "")
    except ConfigurationError as error:
        name = error.key.strip(".").partition("[")[0]
        raise WrongError(f"{_option(name)}: {error.problem} ({error.fix})") from error


def _option(name: str) -> str:
    return _OPTIONS.get(name, f"--{name}")


def _expires(text: str) -> datetime:
    from longshore.scan.acceptance import moment_of

    now = datetime.now(UTC).replace(microsecond=0)
    if span := _SPAN.fullmatch(text):
        return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        moment = moment_of(text)
    except ValueError as error:
        raise WrongError(f"--expires {text!r}: write 12h, 30d, 4w, or a date such as 2026-12-31") from error
    if moment <= now:
        raise WrongError(f"--expires {text}: that is past")
    return moment


def _set(stack_name: str, suppression: Suppression, as_json: bool) -> None:
    from longshore.scan.acceptance import as_json as plain

    acceptances = _acceptances(stack_name)
    replaced = acceptances.put(suppression)
    told = acceptances.tell(suppression)
    if as_json:
        write_json({"suppression": plain(suppression), "replaced": replaced, "told": told})
        return
    click.echo(f"{suppression.id}: {suppression.vulnerability} is accepted {_end(suppression)}")
    if suppression.expires is None and not suppression.until_fix:
        note("It has no end: --expires 30d gives it one.")


def _remove(acceptances: Acceptances, identity: str, as_json: bool) -> None:
    suppression = acceptances.remove(identity)
    if suppression is None:
        raise FailedError(f"there is no suppression {identity} that was set at run time; --list shows them")
    told = acceptances.tell(suppression)
    if as_json:
        write_json({"removed": identity, "told": told})
    else:
        click.echo(f"{identity}: removed; what it accepted counts again")


def _list(acceptances: Acceptances, config_file: Path | None, as_json: bool) -> None:
    from longshore.scan.acceptance import as_json as plain

    now = datetime.now(UTC)
    found = sorted(
        acceptances.all(config_file), key=lambda each: (each.expires or datetime.max.replace(tzinfo=UTC), each.id)
    )
    if as_json:
        described = [plain(each) | {"stands": each.stands(now), "soon": each.ends_soon(now)} for each in found]
        write_json({"suppressions": described})
        return
    if not found:
        click.echo("Nothing is suppressed.")
        return
    rows = [("suppression", "origin", "what", "end", "owner", "reason")]
    for each in found:
        state = "" if each.stands(now) else "ended: "
        rows.append((each.id, each.origin.value, _what(each), state + _end(each), each.owner or "nobody", each.reason))
    for line in columns(rows):
        click.echo(line)


def _what(suppression: Suppression) -> str:
    limits = (*suppression.packages, *suppression.paths, *suppression.repositories, *suppression.digests)
    claim = f"{suppression.status.value} " if suppression.status else ""
    return claim + " ".join((suppression.vulnerability, *(limits or ("everywhere",))))


def _end(suppression: Suppression) -> str:
    until = f"until {suppression.expires.isoformat()[:16]}Z" if suppression.expires else "without an end"
    return until + (", or a fix" if suppression.until_fix else "")
