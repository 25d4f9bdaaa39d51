"""`longshore decide`: the policy's decision alone, without AWS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from longshore_cli.output import json_option, write_json

if TYPE_CHECKING:
    from longshore.decisions import Decision


def _tag(context: click.Context, parameter: click.Parameter, value: str) -> str:
    from longshore.images import is_tag

    if not is_tag(value):
        raise click.BadParameter(f"{value!r} is not a tag: letters, digits and _ . -, at most 128", context, parameter)
    return value


def _digest(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from longshore.images import is_digest

    if value is not None and not is_digest(value):
        raise click.BadParameter(f"{value!r} is not sha256: and 64 hexadecimal digits", context, parameter)
    return value


@click.command(short_help="The policy's decision alone, without AWS.")
@click.option("--policy", required=True, help="The policy, as in the tag longshore:policy.", metavar="P")
@click.option("--current", required=True, callback=_tag, help="The tag that runs.", metavar="TAG")
@click.option("--pushed", required=True, callback=_tag, help="The tag that was pushed.", metavar="TAG")
@click.option("--current-digest", callback=_digest, help="The digest that runs.", metavar="D")
@click.option("--pushed-digest", callback=_digest, help="The digest that was pushed.", metavar="D")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The longshore.yaml whose profiles may be named.",
)
@json_option
def decide(
    policy: str,
    current: str,
    pushed: str,
    current_digest: str | None,
    pushed_digest: str | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Would a workload that runs one tag follow the push of another?

    Asks the policy alone: no AWS, no holds, windows or gates. Exit 0 whenever there is an answer, whatever it is; an
    invalid policy is exit 2.
    """
    from longshore.redeploy import decide as deciding
    from longshore.redeploy.policy import parse_policy
    from longshore_cli.config import profiles_of

    parsed = parse_policy(policy, profiles_of(config_file))
    parsed = replace(parsed, options=replace(parsed.options, gates={}))
    decision = deciding.decide(
        parsed, deciding.Current(current, current_digest), deciding.Candidate(pushed, pushed_digest or "")
    )
    if as_json:
        write_json(decision.as_json())
    else:
        _tell(decision)


def _tell(decision: Decision) -> None:
    click.echo(f"{decision.verdict}: {decision.reason.meaning} [{decision.reason}]")
    for key, value in decision.detail.items():
        click.echo(f"  {key}: {value}")
