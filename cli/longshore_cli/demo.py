"""`longshore demo`: scenarios on the local bundle, told line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from longshore_cli.isolation import isolated
from longshore_cli.output import WrongError, console, json_option, note, write_json

if TYPE_CHECKING:
    from rich.console import Console

    from longshore_local.demo.play import Played
    from longshore_local.demo.scenarios import Scenario
    from longshore_local.demo.story import Line

_COLOURS = {"Longshore": "bold cyan", "ECS": "yellow", "Now": "bold green", "Demo": "bold red"}


@click.command(short_help="Scenarios on this machine, told line by line.")
@click.argument("names", nargs=-1, metavar="[NAME ...]")
@click.option("--list", "only_list", is_flag=True, help="List the scenarios.")
@json_option
@click.pass_context
def demo(context: click.Context, names: tuple[str, ...], only_list: bool, as_json: bool) -> None:
    """Runs scenarios (all of them by default) on this machine and tells what happens.

    The real template, functions and event patterns run on simulated AWS services in virtual time, without an account,
    a network or a container engine. Exit 1 when a scenario does not end as it should.
    """
    with isolated():
        from longshore_local.demo.scenarios import SCENARIOS

        if unknown := [name for name in names if name not in SCENARIOS]:
            raise WrongError(f"there is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
        chosen = [SCENARIOS[name] for name in names or SCENARIOS]
        if only_list:
            _list(chosen, as_json)
            return
        note("The local bundle is starting ...")
        results = _play(chosen, as_json)
    if not all(played.ok for played in results):
        context.exit(1)


def _list(scenarios: list[Scenario], as_json: bool) -> None:
    if as_json:
        write_json({"scenarios": [{"name": each.name, "shows": each.shows} for each in scenarios]})
        return
    for each in scenarios:
        click.echo(f"{each.name:<12}{each.shows}")


def _play(scenarios: list[Scenario], as_json: bool) -> list[Played]:
    from longshore_local.demo.play import play

    if as_json:
        results = list(play(scenarios, lambda scenario, line: None))
        write_json({"scenarios": [_described(played) for played in results]})
        return results
    teller = _Teller(console())
    results = []
    for played in play(scenarios, teller.tell):
        teller.conclude(played)
        results.append(played)
    return results


def _described(played: Played) -> dict[str, object]:
    return {
        "name": played.scenario.name,
        "ok": played.ok,
        "seconds": round(played.seconds, 3),
        "story": [str(line) for line in played.story],
        "slack": [message.to_json() for message in played.slack],
    }


class _Teller:
    """Prints a heading for each scenario, its lines as they come, and what people saw on Slack."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._begun = ""

    def tell(self, scenario: Scenario, line: Line) -> None:
        from rich.text import Text

        if self._begun != scenario.name:
            self._begun = scenario.name
            self._out.print(Text(f"{scenario.name}: {scenario.shows}", style="bold"))
        style = _COLOURS.get(line.who, "bold")
        who = Text(f"{line.who:<9}", style=style)
        self._out.print(Text.assemble(("  " + line.at.strftime("%H:%M:%S"), "dim"), "  ", who, "  ", line.text))

    def conclude(self, played: Played) -> None:
        from rich.text import Text

        from longshore_local.demo.posted import transcript

        for each in transcript(played.slack):
            self._out.print(Text(f"  {each}", style="dim" if "│" in each[:8] else ""))
        verdict = "as it should be" if played.ok else f"NOT as it should be: {played.problem}"
        style = "green" if played.ok else "bold red"
        self._out.print(Text(f"  {verdict} ({played.seconds:.1f} s)\n", style=style))
