"""`longshore config`: checks the operator's configuration and prints its schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.output import WrongError, json_option, note, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.redeploy.policy import Profile
    from longshore.scan.rules import ScanPolicy

DEFAULT = Path("layers/config/longshore.yaml")


def profiles_of(file: Path | None) -> Mapping[str, Profile]:
    """The profiles of a configuration file, none without one. Raises WrongError with every problem of the file."""
    if file is None:
        return {}
    from longshore.redeploy.profiles import read_profiles

    return read_profiles(compiled(file).get("profiles") or {})


def scan_policy_of(file: Path | None) -> ScanPolicy:
    """The section `scan` of a configuration file, the defaults without one. Raises WrongError with every problem."""
    from longshore.scan.rules import read_scan_policy

    return read_scan_policy(compiled(file).get("scan") if file else None)


def compiled(file: Path) -> Mapping[str, Any]:
    """A configuration file as the build compiles it. Raises WrongError with every problem of the file."""
    from longshore_config.compile import InvalidConfigError, compile_config

    try:
        return compile_config(file)
    except InvalidConfigError as error:
        raise WrongError(str(error)) from error
    except OSError as error:
        raise WrongError(f"{file}: {error.strerror or error}") from error


@click.group()
def config() -> None:
    """Checks longshore.yaml, prints its schema."""


@config.command()
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT)
@json_option
@click.pass_context
def check(context: click.Context, file: Path, as_json: bool) -> None:
    """Checks FILE (layers/config/longshore.yaml by default) as the build does.

    Exit 0 when it may be built; 2 when it is wrong, with the line, the key and the fix of each problem.
    """
    from longshore_config.check import check as problems_of
    from longshore_config.scanning import scan_notes

    try:
        problems = problems_of(file)
        notes = [] if problems else scan_notes(file)
    except OSError as error:
        raise WrongError(f"{file}: {error.strerror or error}") from error
    if as_json:
        described = [
            {"line": p.line, "column": p.column, "key": p.key_path, "problem": p.message, "fix": p.fix}
            | ({"file": p.file} if p.file else {})
            for p in problems
        ]
        write_json({"file": str(file), "valid": not problems, "problems": described})
    for text in notes:
        note(text)
    for problem in problems if not as_json else []:
        click.echo(problem.located(str(file)), err=True)
    if problems:
        context.exit(2)
    if not as_json:
        click.echo(f"{file}: no problems")


@config.command()
@json_option
def schema(as_json: bool) -> None:
    """Prints the JSON Schema of longshore.yaml, for editors; it is JSON with --json and without."""
    from longshore_config.check import schema as read_schema

    write_json(read_schema())
