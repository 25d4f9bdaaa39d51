"""`longshore mirror run` and `plan` without AWS: what is in sync stays so, what is left is told, hosts are allowed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from longshore.registries.connect import Network, connect
from longshore_cli import copy_progress, mirror_stage, registry_sides
from longshore_cli.main import main
from longshore_cli.mirror_memory import MemoryLeases
from longshore_local.image_shapes import cosign_images, four_platforms, place
from longshore_local.loopback import Reply
from longshore_local.registry import DOCKER_HUB_MANNERS, SPEC_MANNERS, Registry
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Instead
from longshore_local.registry_memory import MemoryStore

if TYPE_CHECKING:
    from longshore.manifests import Descriptor
    from longshore.mirror.orders import Item
    from longshore.mirror.ports import Side
    from longshore.registries.auth import Logins
    from longshore.registries.client import DistributionRegistry
    from longshore_local.images import SyntheticImage

COUNTING = replace(DOCKER_HUB_MANNERS, manifest_gets=1000)


class World:
    """An upstream that counts pulls, a downstream, and a longshore.yaml."""

    def __init__(self, directory: Path, up: Registry, down: Registry, store: MemoryStore) -> None:
        self.up, self.down, self.store = up, down, store
        self.file = directory / "longshore.yaml"
        self._environment = {"XDG_STATE_HOME": str(directory), "DOCKER_CONFIG": str(directory)}

    def write(self, *downstreams: str, **members: Any) -> None:
        """The one mirror, `web`."""
        to: list[Any] = [f"{self.down.host}/{name}" for name in downstreams]
        mirror = {"from": f"{self.up.host}/web", "to": to, **members}
        self.file.write_text(json.dumps({"mirrors": {"web": mirror}}), encoding="utf-8")

    def invoke(self, command: str, *options: str) -> Result:
        """Tallies begin anew."""
        self.up.tally.clear()
        arguments = ["mirror", command, "--config", str(self.file), *options]
        return CliRunner(env=self._environment).invoke(main, arguments)

    def run(self, *options: str, status: int = 0) -> dict[str, Any]:
        """What became of the mirror."""
        result = self.invoke("run", "--json", *options)
        assert result.exit_code == status, result.output
        (found,) = json.loads(result.stdout)["mirrors"]
        return dict(found)

    def copy(self, *options: str) -> Result:
        """Once, without the mirror."""
        hosts = [f"{self.up.host}/web:1", f"{self.down.host}/a"]
        return CliRunner(env=self._environment).invoke(main, ["mirror", "copy", *hosts, *options])

    def pulls(self) -> int:
        return self.up.tally.requests["GET manifest"]


@pytest.fixture
def image() -> SyntheticImage:
    return four_platforms("web")


@pytest.fixture
def world(tmp_path: Path, image: SyntheticImage) -> Iterator[World]:
    with ExitStack() as stack:
        store, target = (stack.enter_context(closing(MemoryStore())) for _ in range(2))
        place(store, "web", "1", image)
        up = stack.enter_context(Registry(store, manners=COUNTING))
        down = stack.enter_context(Registry(target, manners=SPEC_MANNERS))
        yield World(tmp_path, up, down, store)


def sign(world: World, image: SyntheticImage) -> None:
    for tag, signature in cosign_images(image).items():
        place(world.store, "web", tag, signature)


def test_what_is_pulled_for_one_downstream_is_not_pulled_for_the_other(world: World, image: SyntheticImage) -> None:
    world.write("a")
    assert len(world.run()["copied"]) == 1
    once = world.pulls()
    world.write("b", "c")
    assert len(world.run()["copied"]) == 2
    assert world.pulls() == once > 0


@pytest.mark.parametrize("members", [{}, {"platforms": ["linux/amd64"]}, {"tags": {"semver": ">=1"}}])
def test_what_was_copied_is_in_sync_in_the_next_run(
    world: World, image: SyntheticImage, members: dict[str, Any]
) -> None:
    sign(world, image)
    place(world.store, "web", "1.0.0", image)
    world.write("a", **members)
    copied = world.run()["copied"]
    assert copied
    again = world.run()
    assert (again["copied"], again["in_sync"], world.pulls()) == ([], len(copied), 0)
    planned = json.loads(world.invoke("plan", "--json").stdout)["mirrors"][0]["downstreams"][0]
    assert (planned["copies"], planned["pulls"], world.pulls()) == (0, 0, 0)


def test_a_plan_writes_nothing(world: World, tmp_path: Path) -> None:
    world.write("a", tags={"min_age": "1d"})
    assert world.invoke("plan").exit_code == 0
    assert not (tmp_path / "longshore").exists()
    assert world.run()["waiting"] == 1
    assert len(list((tmp_path / "longshore" / "mirrors").iterdir())) == 1, "since when it is known is kept"


ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"


def test_a_secret_changes_nothing_of_how_a_host_is_spoken_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Secrets:
        def __init__(self, *_: object) -> None:
            pass

        def get(self, arn: str) -> str:
            asked.append(arn)
            return '{"username": "ada", "password": "secret"}'

        def forget(self, arn: str) -> None:
            pass

    monkeypatch.setattr(mirror_stage, "SecretStore", Secrets)
    world.write("a", secret=ARN)
    assert len(world.run()["copied"]) == 1, "this machine's registry has no TLS"
    assert asked == []
    world.up.script = Script(Rule("GET tags", Instead(Reply(401, b"", {"WWW-Authenticate": "Basic realm=x"})), times=1))
    world.run()
    assert asked == [ARN], "docker login knows nothing of it"


@pytest.mark.parametrize("command", ["run", "plan", "copy"])
def test_how_far_to_go_is_for_both_registries(world: World, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    networks: list[tuple[Side, Network]] = []

    def kept(host: str, side: Side, network: Network, logins: Logins | None) -> DistributionRegistry:
        networks.append((side, network))
        return connect(host, side, network, logins)

    monkeypatch.setattr(registry_sides, "connect", kept)
    world.write("a", secret=ARN)
    options = ["--insecure", "--private", "gitlab.example.com", "--private", "minio.example.com:9000"]
    result = world.copy(*options) if command == "copy" else world.invoke(command, *options)
    assert result.exit_code == 0
    assert {side for side, _ in networks} == {"source", "destination"}
    for _, network in networks:
        assert network.reach.private >= {"gitlab.example.com", "minio.example.com:9000"}
        assert network.tls is not None, "any certificate will do"


class _Held(MemoryLeases):
    """Those of somebody who was killed: `what` is taken for ten minutes more."""

    what = "mirror web"

    def __init__(self) -> None:
        super().__init__()
        now = datetime.now(UTC)
        self.take(self.what, now, now + timedelta(minutes=10))


@pytest.mark.parametrize("prefix", ["mirror web", "copy "])
def test_what_somebody_else_is_at_is_not_done(world: World, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    world.write("a")
    monkeypatch.setattr(_Held, "what", prefix if prefix != "copy " else f"copy {world.down.host}/a")
    monkeypatch.setattr(mirror_stage, "MemoryLeases", _Held)
    found = world.run(status=1)
    assert [each["reason"] for each in found["left"]] == ["busy"]
    assert found["copied"] == []
    assert "somebody else who is at it, or was killed" in world.invoke("run").stderr


def test_what_waits_for_pulls_or_its_age_is_no_failure(world: World) -> None:
    world.write("a", keep_pulls=1000)
    world.run()  # hears of the budget
    found = world.run()
    assert [each["reason"] for each in found["left"]] == ["budget"]


def test_what_may_pass_is_left_with_its_cause(world: World) -> None:
    world.up.script = Script(Rule("GET blob", Instead(Reply(429, b"", {"Retry-After": "600"})), times=None))
    world.write("a")
    result = world.invoke("run")
    assert result.exit_code == 1
    assert "run it again after" in result.stderr
    assert "GET blob: 429" in result.stderr


def test_nothing_is_done_while_everything_is_paused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_stage._NoSwitches, "paused", lambda _: "an audit")
    world.write("a")
    result = world.invoke("run")
    assert (result.exit_code, "paused (an audit)" in result.stderr) == (1, True)


class _Seen(copy_progress.Lines):
    """Keeps what a progress is told."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.items: list[str] = []

    def planned(self, blobs: Sequence[Descriptor]) -> None:
        self.bytes += sum(blob.size for blob in blobs)

    def moved(self, count: int) -> None:
        self.bytes -= count

    def finished(self, item: Item, how: str) -> None:
        self.items.append(copy_progress.item_text(item))


def test_a_run_shows_how_far_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _Seen()
    monkeypatch.setattr(copy_progress, "watcher", lambda: seen)
    world.write("a")
    world.run()
    assert (seen.items, seen.bytes) == (["1"], 0), "all that was planned was moved"


@pytest.fixture
def sent_to(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Upstream asks for a token from elsewhere. Addresses stand for themselves, without a look-up."""

    def led(host: str, side: Side, network: Network, logins: Logins | None) -> DistributionRegistry:
        return connect(host, side, replace(network, resolve=lambda host, port: [host]), logins)

    def send(realm: str) -> None:
        challenge = Instead(Reply(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}",service="r"'}))
        world.up.script = Script(*(Rule(kind, challenge, times=None) for kind in ("GET tags", "GET manifest")))

    monkeypatch.setattr(registry_sides, "connect", led)
    world.write("a")
    return send


@pytest.mark.parametrize("command", ["run", "plan", "copy"])
@pytest.mark.parametrize("realm", ["http://192.168.254.9/jwt", "https://192.168.254.9/jwt"])
def test_a_private_token_server_is_refused_with_the_way_out(
    world: World, sent_to: Callable[[str], None], realm: str, command: str
) -> None:
    sent_to(realm)
    result = world.copy() if command == "copy" else world.invoke(command)
    assert result.exit_code == 1
    assert "192.168.254.9: " in result.stderr
    assert "--private HOST" in result.stderr


def test_a_metadata_service_has_no_way_out(world: World, sent_to: Callable[[str], None]) -> None:
    sent_to("https://169.254.169.254/latest")
    for result in (world.invoke("run"), world.invoke("plan"), world.copy()):
        assert result.exit_code == 1
        assert "link-local" in result.stderr
        assert "--private" not in result.stderr
