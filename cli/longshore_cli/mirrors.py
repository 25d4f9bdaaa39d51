"""`longshore mirror plan`, `run` and `import`: the mirrors of longshore.yaml."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.options import network_options, stack_options
from longshore_cli.output import FailedError, WrongError, columns, json_option, note, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from longshore.mirror.plan import Step
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.survey import Survey
    from longshore.outcomes import Outcome
    from longshore_cli.copy_progress import Bar, Lines
    from longshore_cli.mirror_stage import Stage

_SHOWN = 40
_QUIET = ("not-chosen", "excluded", "prerelease", "variant", "older", "artifact", "in-sync", "known")


@click.command(short_help="What the mirrors of longshore.yaml would do.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@stack_options
@click.option("--sizes/--no-sizes", default=None, help="Read manifests for bytes and requests; a pull for each.")
@network_options
@json_option
@click.pass_context
def plan(
    context: click.Context,
    names: tuple[str, ...],
    stack_name: str,
    config_file: Path | None,
    sizes: bool | None,
    insecure: bool,
    private: tuple[str, ...],
    as_json: bool,
) -> None:
    """What would the mirrors, all or those NAMEd, copy and delete now? Nothing is changed.

    Bytes and requests are told unless upstream counts pulls, where they cost some: ask for them with --sizes. Exit 1
    when a downstream could not be listed.
    """
    stage = _stage(names, stack_name, config_file, insecure=insecure, private=private)
    try:
        found = [_described(stage, mirror, sizes) for mirror in stage.mirrors.values()]
    finally:
        stage.close()
    if as_json:
        write_json({"mirrors": found})
    elif not found:
        click.echo("There are no mirrors.")
    for each in found:
        if not as_json:
            _tell_plan(each)
        for failure in each["failed"]:
            note(f"Error: {each['name']}: {failure['downstream']}: {failure['why']}")
    if any(each["failed"] for each in found):
        context.exit(1)


def _stage(
    names: Sequence[str], stack_name: str, config_file: Path | None, *, insecure: bool, private: Sequence[str]
) -> Stage:
    from longshore_cli.mirror_stage import Stage, mirrors_of, uses_aws
    from longshore_cli.registry_sides import private_hosts

    mirrors, home = mirrors_of(config_file, names)
    stack = None
    if uses_aws(mirrors):
        from longshore_cli.account import Account

        account = Account()
        stack = account.stack(stack_name)
        if home.account == "0" * 12 and stack is not None:
            home = type(home)(account.id, account.region)
    return Stage(mirrors, stack, home, insecure=insecure, private=private_hosts(private))


def _described(stage: Stage, mirror: Mirror, sizes: bool | None) -> dict[str, Any]:
    survey = stage.survey(mirror)
    counts_pulls = survey.budget.limit is not None
    measured = sizes if sizes is not None else not counts_pulls
    downstreams = [
        _downstream(stage, survey, downstream, steps, measured) for downstream, steps in survey.plans().items()
    ]
    left = survey.budget.available(survey.now, mirror.keep_pulls) if counts_pulls else None
    return {
        "name": mirror.name,
        "upstream": str(mirror.upstream),
        "pulls_left": left,
        "downstreams": downstreams,
        "failed": [{"downstream": str(to.endpoint), "why": str(error)} for to, error in survey.unlisted.items()],
    }


def _downstream(
    stage: Stage, survey: Survey, downstream: Downstream, steps: Sequence[Step], measured: bool
) -> dict[str, Any]:
    from longshore.mirror.estimate import Estimator

    mirror = survey.mirror
    copies = [step for step in steps if step.action == "copy"]
    estimate = None
    if measured:
        estimator = Estimator(stage.places.source(mirror), mirror.upstream.name, mirror.platforms)
        holdings = stage.places.holdings(downstream)
        estimate = estimator.estimate([step.digest for step in copies], holdings, downstream.endpoint.name)
    return {
        "downstream": str(downstream.endpoint),
        "copies": len(copies),
        "bytes": estimate.bytes if estimate else None,
        "requests": estimate.requests if estimate else None,
        "pulls": sum(step.pulls for step in copies),
        "reasons": dict(sorted(Counter(step.reason.value for step in steps).items())),
        "steps": [step.as_json() for step in steps],
    }


def _tell_plan(described: dict[str, Any]) -> None:
    from longshore_cli.copy_progress import size_text

    left = described["pulls_left"]
    click.echo(f"{described['name']}: {described['upstream']}" + (f" ({left} pulls left)" if left is not None else ""))
    for each in described["downstreams"]:
        size = f", {size_text(each['bytes'])} in {each['requests']} requests" if each["bytes"] is not None else ""
        click.echo(f"  -> {each['downstream']}: {each['copies']} to copy{size}, {each['pulls']} pulls")
        noted = [step for step in each["steps"] if step["reason"] not in _QUIET]
        rows = [(f"     {s['action']}", s["tag"], _why(s), s["digest"][:19]) for s in noted[:_SHOWN]]
        for line in columns(rows) if rows else ():
            click.echo(line)
        if len(noted) > _SHOWN:
            click.echo(f"     ... and {len(noted) - _SHOWN} more (--json has all)")


def _why(step: dict[str, Any]) -> str:
    until = f", until {step['until']}" if step.get("until") else ""
    return f"[{step['reason']}]{until}"


@click.command(short_help="Does what the mirrors of longshore.yaml have due.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@stack_options
@network_options
@json_option
@click.pass_context
def run(
    context: click.Context,
    names: tuple[str, ...],
    stack_name: str,
    config_file: Path | None,
    insecure: bool,
    private: tuple[str, ...],
    as_json: bool,
) -> None:
    """Copies, and deletes where prune asks for it, what the mirrors, all or those NAMEd, have due now.

    With a stack its ledger is used, so that the function knows what was done here, and its bus is told, so that what
    runs on ECR Public follows; without one a file in your state directory keeps what was copied. What must wait, for
    pulls or for min_age, is left. Exit 1 when anything failed, or is left for another reason: somebody else is at it.
    """
    from longshore_cli.copy_progress import watcher
    from longshore_cli.registry_sides import PRIVATE, is_refused_address

    stage = _stage(names, stack_name, config_file, insecure=insecure, private=private)
    results = []
    try:
        with watcher() as progress:
            for mirror in stage.mirrors.values():
                outcomes = list(_told(stage.run(mirror, progress), progress, quiet=as_json))
                results.append(_result(mirror, outcomes))
    finally:
        stage.close()
    if as_json:
        write_json({"mirrors": results})
    if any(is_refused_address(failure["why"]) for result in results for failure in result["failed"]):
        note(PRIVATE)
    if any(result["failed"] or _is_unfinished(result["left"]) for result in results):
        context.exit(1)


def _told(outcomes: Iterable[Outcome], progress: Lines | Bar, *, quiet: bool) -> Iterable[Outcome]:
    """Lines as things happen."""
    for outcome in outcomes:
        detail = outcome.detail
        if not quiet:
            if outcome.metric == "ImageMirrored":
                progress.say(f"{detail['mirror']}: {detail['downstream']}:{detail['tag']} [{outcome.reason}]")
            elif _is_left(outcome):
                progress.note(f"{detail['mirror']}: {_left(outcome)} [{outcome.reason}]")
            elif "why" in detail:
                what = detail["tag"] or detail["upstream"]
                progress.note(f"{detail['mirror']}: {what}: {detail['why']} [{outcome.reason}]")
        yield outcome


def _is_left(outcome: Outcome) -> bool:
    """Whether work waits for longer than the command does."""
    return outcome.verdict == "wait" and datetime.fromisoformat(outcome.detail["until"]) > datetime.now(UTC)


def _left(outcome: Outcome) -> str:
    tags = outcome.detail["tags"]
    what = f"{tags} tags are" if tags else "the mirror is"
    if outcome.reason == "busy":
        return f"{what} left to somebody else who is at it, or was killed in the last minutes: run it again later"
    return f"{what} left: run it again after {outcome.detail['until']}"


def _is_unfinished(left: Sequence[dict[str, Any]]) -> bool:
    """Whether anything is left that was to be done now: what waits for pulls was not."""
    return any(each["reason"] != "budget" for each in left)


def _result(mirror: Mirror, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    copied = [outcome for outcome in outcomes if outcome.metric == "ImageMirrored"]
    failed = [o for o in outcomes if o.reason == "failed" and "why" in o.detail]
    held = [outcome for outcome in outcomes if outcome.verdict == "hold"]
    report = next((outcome.detail for outcome in outcomes if "checked" in outcome.detail), {})
    return {
        "name": mirror.name,
        "checked": report.get("checked", 0),
        "in_sync": report.get("current", 0),
        "waiting": report.get("waiting", 0),
        "deleted": report.get("deleted", []),
        "copied": [{"downstream": o.detail["downstream"], "tag": o.detail["tag"]} for o in copied],
        "failed": [{"tag": o.detail["tag"], "error": o.detail["error"], "why": o.detail["why"]} for o in failed],
        "left": [
            {"reason": o.reason, "until": o.detail["until"], "tags": o.detail["tags"]} for o in outcomes if _is_left(o)
        ],
        "held": [{"tag": o.detail["tag"], "reason": o.reason} for o in held],
    }


@click.command("import", short_help="Mirrors from regsync.yml or skopeo-sync YAML.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--to", "prefix", metavar="PREFIX", help="Where copies go: ecr:mirror, public.ecr.aws/ALIAS, HOST/PATH.")
def import_(file: Path, prefix: str | None) -> None:
    """Prints the section `mirrors` of longshore.yaml that does what FILE does.

    skopeo's file names no destination, so --to is needed; with regsync's it replaces the registry of each target. What
    cannot be taken over is told on standard error; exit 1 when nothing can.
    """
    from longshore_cli.import_found import UnreadableError
    from longshore_cli.mirror_import import imported

    try:
        text, left = imported(file.read_bytes(), prefix)
    except UnreadableError as error:
        raise WrongError(f"{file}: {error}") from error
    for each in left:
        note(f"{file}: {each}")
    if not text:
        raise FailedError(f"{file}: nothing could be taken over")
    click.echo(text, nl=False)


COMMANDS = (plan, run, import_)
"""What the group `mirror` has beside `copy`."""
