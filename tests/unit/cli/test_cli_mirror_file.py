"""What a run without a ledger keeps, how far it may reach, and what it writes to a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from longshore.errors import ConfigurationError
from longshore.images import Endpoint
from longshore.mirror.plan import Known, Sighting
from longshore.mirror.reading import read_mirrors
from longshore_cli import registry_sides
from longshore_cli.mirror_file import MirrorFile
from longshore_cli.output import FailedError, WrongError, note

if TYPE_CHECKING:
    from longshore.addresses import Reach
    from longshore.registries.connect import Network

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WEB = read_mirrors({"web": {"from": "reg.example.com/web", "to": "c.example.com/d"}})["web"]
TO = WEB.downstreams[0].endpoint
DIGEST = "sha256:" + "a" * 64
FULL = Known("1", DIGEST, DIGEST, "terms", "abc", 3, NOW, NOW, DIGEST, "told")


def kept(file: Path) -> MirrorFile:
    return MirrorFile(file, WEB, lambda: 0.0)


def test_all_of_it_is_kept(tmp_path: Path) -> None:
    first = kept(tmp_path / "a" / "b.json")
    first.remember("web", TO, FULL)
    first.remember("web", Endpoint("h", "n"), Known("2"))
    first.sight("web", {"1": Sighting(DIGEST, NOW)})
    first.arrive("web", {"1": NOW - timedelta(days=1)})
    first.save()
    again = kept(tmp_path / "a" / "b.json")
    assert again.known("web") == first.known("web") == {TO: {"1": FULL}, Endpoint("h", "n"): {"2": Known("2")}}
    assert again.sightings("web") == {"1": Sighting(DIGEST, NOW)}
    assert again.arrivals("web") == {"1": NOW - timedelta(days=1)}
    again.forget("web", TO, "1")
    again.save()
    assert kept(tmp_path / "a" / "b.json").known("web").get(TO, {}) == {}


def test_it_is_written_now_and_then(tmp_path: Path) -> None:
    seconds = iter([0.0, 4.0, 6.0, 6.0])
    file = MirrorFile(tmp_path / "m.json", WEB, lambda: next(seconds))
    file.remember("web", TO, FULL)
    assert not (tmp_path / "m.json").exists()
    file.remember("web", TO, Known("2"))
    assert set(kept(tmp_path / "m.json").known("web")[TO]) == {"1", "2"}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", "{}", '{"known": [{"tag": "1"}], "seen": {}, "listed": {}}', '{"known": [[]]}'],
)
def test_what_cannot_be_read_is_not_known(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.json").write_text(content)
    assert kept(tmp_path / "m.json").known("web") == {}


def test_what_another_version_knows_is_not_known(tmp_path: Path) -> None:
    first = kept(tmp_path / "m.json")
    first.remember("web", TO, FULL)
    first.save()
    document: dict[str, Any] = json.loads((tmp_path / "m.json").read_text())
    document["known"][0]["surprise"] = 1
    (tmp_path / "m.json").write_text(json.dumps(document))
    assert kept(tmp_path / "m.json").known("web") == {}


def test_another_upstream_has_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    other = read_mirrors({"web": {"from": "reg.example.com/other", "to": "c.example.com/d"}})["web"]
    for mirror in (WEB, WEB, other):
        MirrorFile.of(mirror).save()
    assert len(list((tmp_path / "longshore" / "mirrors").iterdir())) == 2


# -- how far a command may reach -------------------------------------------------------------------------------------


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Network]:
    """Those of registries that were connected to; none of them speaks TLS."""
    found: list[Network] = []
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(registry_sides, "_speaks_tls", lambda host: False)
    monkeypatch.setattr(registry_sides, "connect", lambda host, side, network, login: found.append(network))
    return found


def reach(networks: list[Network], *, insecure: bool, private: tuple[str, ...] = ()) -> Reach:
    registry_sides.registry("10.0.0.1:5000", "source", insecure=insecure, private=registry_sides.private_hosts(private))
    return networks[-1].reach


def test_a_host_that_nobody_named_is_not_to_be_private(networks: list[Network]) -> None:
    alone = reach(networks, insecure=True)
    assert alone.refusal("https", "gitlab.example", 443, ["10.0.0.2"]) == "not a public address"
    assert alone.refusal("http", "gitlab.example", 80, ["10.0.0.2"]) == "only https"
    named = reach(networks, insecure=False, private=("GitLab.example",))
    assert named.refusal("https", "gitlab.example", 443, ["10.0.0.2"]) is None
    assert named.refusal("http", "gitlab.example", 80, ["10.0.0.2"]) == "only https"
    assert named.refusal("https", "other.example", 443, ["10.0.0.2"]) == "not a public address"


def test_a_named_host_without_tls_takes_both_flags(networks: list[Network]) -> None:
    both = reach(networks, insecure=True, private=("10.0.0.2:8080",))
    assert both.refusal("http", "10.0.0.2", 8080, ["10.0.0.2"]) is None
    assert both.refusal("http", "10.0.0.2", 80, ["10.0.0.2"]) == "only https"
    assert both.refusal("http", "10.0.0.1", 5000, ["10.0.0.1"]) is None
    assert both.refusal("http", "169.254.169.254", 80, ["169.254.169.254"]) is not None


@pytest.mark.parametrize("name", ["http://x", "a/b", "", "a b", "[::1", "x:y"])
def test_what_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="--private"):
        registry_sides.private_hosts([name])


# -- what is written to a terminal -----------------------------------------------------------------------------------

HOSTILE = "x\x1b[2J\x9b1m\x07\u202ey\nz"
TAME = "x [2J 1m  y\nz"


def test_what_others_wrote_does_not_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    note(HOSTILE)
    assert capsys.readouterr().err == TAME + "\n"
    for error in (FailedError(HOSTILE), WrongError(HOSTILE), click.ClickException(TAME)):
        assert error.format_message() == TAME
