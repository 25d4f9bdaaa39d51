"""`longshore local`: the bundle behind HTTP until it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from longshore_cli.isolation import isolated
from longshore_cli.output import WrongError, json_option, note

_ADDRESS = "127.0.0.1"
_POLL = 0.5  # seconds between two looks whether a signal came


@click.command(short_help="Keeps the local bundle up until interrupted.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port of the AWS API; a free one by default."
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Written when everything answers, removed at the end.",
)
@json_option
def local(port: int, ready_file: Path | None, as_json: bool) -> None:
    """Keeps AWS, with Longshore deployed in it, up on this machine until it is interrupted.

    Prints what to export so that boto3, the AWS CLI and this command talk to it, and one line of JSON with its URLs.
    The Region is that of AWS_REGION, eu-west-1 without. Everything is in memory and gone at the end.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    _check_port(port)
    if ready_file and not ready_file.absolute().parent.is_dir():
        raise WrongError(f"{ready_file}: there is no such directory")
    with isolated(), _interrupted() as stop, _up(port, region) as where:
        _announce(where, as_json)
        try:
            if ready_file:
                _write(ready_file, json.dumps(where) + "\n")
            while not stop.wait(_POLL):
                pass
        finally:
            if ready_file:
                ready_file.unlink(missing_ok=True)
    note("The local bundle is down.")


@contextmanager
def _up(port: int, region: str | None) -> Iterator[Mapping[str, str | None]]:
    """The running bundle; yields where it answers."""
    from longshore_local.bundle import ACCOUNT, CHANNELS, REGION, Bundle, Sources
    from longshore_local.server import serve
    from longshore_local.timeline import WallTimeline

    note("The local bundle is starting ...")
    # Roles are make-believe here: a revision may carry any of them.
    parameters = {"PassableRoleArns": f"arn:*:iam::{ACCOUNT}:role/*"}
    sources = Sources(channels=CHANNELS)
    with Bundle.start(
        timeline=WallTimeline(), region=region or REGION, parameters=parameters, sources=sources
    ) as bundle:
        registry = bundle.ecr.serve(bundle.account, bundle.region)
        with serve(bundle, port) as server:
            yield {
                "aws": server.url,
                "registry": registry.url,
                "slack": bundle.slack.url if bundle.notifies else None,
                "web": None,
                "account": bundle.account,
                "region": bundle.region,
            }


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, from now until the end of the block."""
    stop = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_ADDRESS, port))
        except OSError as error:
            raise WrongError(f"port {port} cannot be taken: {error.strerror}") from error


def _announce(where: Mapping[str, str | None], as_json: bool) -> None:
    exports = {
        "AWS_ENDPOINT_URL": where["aws"],
        "AWS_REGION": where["region"],
        "AWS_DEFAULT_REGION": where["region"],
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    if where["slack"]:
        exports["LONGSHORE_SLACK_URL"] = f"{where['slack']}/api/"  # `longshore notify test` posts there
    if not as_json:
        for name, value in exports.items():
            click.echo(f"export {name}={value}")
    click.echo(json.dumps(where))


def _write(file: Path, text: str) -> None:
    """Whoever sees the file sees all of it."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=file.absolute().parent, prefix=f".{file.name}.", delete=False
    ) as draft:
        draft.write(text)
    Path(draft.name).replace(file)
