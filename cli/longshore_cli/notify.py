"""`longshore notify`: what a channel would be told, and whether it can be told anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.config import DEFAULT
from longshore_cli.output import WrongError, json_option, note, write_json
from longshore_cli.send import read_event

if TYPE_CHECKING:
    from longshore.notify.routes import Destination, Routing

_TYPES = ("slack", "slack-webhook", "sns", "teams", "amazonq", "pagerduty", "webhook")
_config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help=f"The longshore.yaml that names the channel; {DEFAULT} by default.",
)
_language_option = click.option(
    "--lang", type=click.Choice(["en", "ja"]), help="Instead of the channel's own language."
)


@click.group()
def notify() -> None:
    """Shows what channels are told, and tests them."""


@notify.command(short_help="What a channel gets for an event.")
@click.argument(
    "events",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="EVENT.json ...",
)
@click.option(
    "--channel", "name", required=True, metavar="C", help=f"A channel of longshore.yaml, or {', '.join(_TYPES)}."
)
@_language_option
@_config_option
@json_option
def preview(events: tuple[str, ...], name: str, lang: str | None, config_file: Path | None, as_json: bool) -> None:
    """Shows what a channel gets for EVENT.json, one of Longshore's own events as in events/longshore/. Needs no AWS.

    Several events of one thread, such as a deployment's beginning and its end, show the message as it stands after
    them. As text it is what people read; with --json it is the exact body, without addresses and keys. Exit 1 for an
    event that nobody is told, 2 for what is no event of Longshore's.
    """

    from longshore.notify.routes import Destination
    from longshore_cli import preview as previewing

    read = {each: _event(each) for each in events}
    mention: Mapping[str, str] = {}
    if config_file is None and name in _TYPES:
        destination = Destination(name, name)
    else:
        routing = _routing(config_file)
        destination = _destination(routing, name)
        mention = _mentions(routing, read, name)
    if lang:
        destination = destination._replace(language=lang)
    made = previewing.preview(read, destination, mention)
    if as_json:
        write_json(made.body())
        return
    for line in made.lines():
        click.echo(line)


@notify.command(short_help="Sends a test message to a channel.")
@click.argument("channel")
@_language_option
@_config_option
@click.option("--stack", default="longshore", show_default=True, help="The stack whose fallback topic is looked at.")
@json_option
@click.pass_context
def test(
    context: click.Context, channel: str, lang: str | None, config_file: Path | None, stack: str, as_json: bool
) -> None:
    """Sends one test message to CHANNEL, a channel of longshore.yaml or `fallback`, the stack's own topic.

    Secrets are read with your own credentials, so it says whether the channel works, not whether the function may read
    them. Exit 0 when the channel took the message, 1 when it did not and why, 2 for a channel or a secret that is not
    there. Whoever hears the fallback is looked at as well.
    """
    from longshore_cli import channel_test

    routing = _routing(config_file)
    result = channel_test.send(routing, channel, lang, stack, os.environ.get("LONGSHORE_SLACK_URL", ""))
    if as_json:
        write_json(result.to_json())
    else:
        click.echo(result.sentence, err=not result.sent)
    for warning in result.warnings:
        note(warning)
    if not result.sent:
        context.exit(1)


def _event(path: str) -> dict[str, Any]:
    with click.open_file(path, encoding="utf-8") as file:
        return read_event(file)


def _routing(file: Path | None) -> Routing:
    """Channels and routes of a configuration. Raises WrongError with every problem of it."""
    from longshore.notify.routes import FALLBACK, Destination, read_routing
    from longshore_config.compile import InvalidConfigError, compile_config

    path = file or DEFAULT
    try:
        return read_routing(compile_config(path), Destination(FALLBACK, "sns"))
    except InvalidConfigError as error:
        raise WrongError(str(error)) from error
    except OSError as error:
        raise WrongError(f"{path}: {error.strerror or error}; name another with --config") from error


def _destination(routing: Routing, name: str) -> Destination:
    if name in routing.destinations:
        return routing.destinations[name]
    raise WrongError(f"there is no channel {name}; there are {', '.join(routing.destinations)}")


def _mentions(routing: Routing, events: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, str]:
    """Whom each event mentions in this channel."""
    from longshore.notify.routes import route
    from longshore_cli.preview import notice_of

    notices = [notice_of(file, event) for file, event in events.items()]
    return {notice.id: route(notice, routing).to.get(name, "") for notice in notices}
