"""`longshore mirror copy` a second time, and from an upstream that lets nobody list referrers: what it asks and says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longshore_cli.main import main
from longshore_local import images
from longshore_local.image_shapes import SHAPES, place
from longshore_local.loopback import Reply
from longshore_local.registry import SPEC_MANNERS, Registry
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Instead
from longshore_local.registry_memory import MemoryStore
from longshore_local.registry_store import RegistryError
from tests.mirror_world import REPOSITORY

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
DENIED = Reply(403, b'{"errors": [{"code": "DENIED", "message": "listing is not for you"}]}')


class Ends:
    """An upstream and a downstream on loopback."""

    def __init__(self, directory: Path, up: Registry, down: Registry, store: MemoryStore, target: MemoryStore) -> None:
        self.up, self.down = up, down
        self.store, self.target = store, target
        self._environment = {"XDG_STATE_HOME": str(directory), "DOCKER_CONFIG": str(directory)}

    def copy(self, *options: str, status: int = 0) -> tuple[dict[str, Any], str]:
        """The document and what was said besides."""
        self.up.tally.clear()
        self.down.tally.clear()
        hosts = [f"{each.host}/{REPOSITORY}:1.0" for each in (self.up, self.down)]
        result = CliRunner(env=self._environment).invoke(main, ["mirror", "copy", *hosts, *options, "--json"])
        assert result.exit_code == status, result.output
        return json.loads(result.stdout), result.stderr

    def asked(self) -> tuple[dict[str, int], dict[str, int]]:
        """By kind, of both sides."""
        return dict(self.up.tally.requests), dict(self.down.tally.requests)

    def has(self, digest: str) -> bool:
        """Whether downstream has a manifest."""
        try:
            self.target.manifest(REPOSITORY, digest)
        except RegistryError:
            return False
        return True


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    with _ends(tmp_path) as made:
        yield made


@contextmanager
def _ends(directory: Path) -> Iterator[Ends]:
    store, target = MemoryStore(), MemoryStore()
    with Registry(store, manners=SPEC_MANNERS) as up, Registry(target, manners=SPEC_MANNERS) as down:
        yield Ends(directory, up, down, store, target)
    store.close()
    target.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_in_sync_costs_one_head_on_each_side(ends: Ends, shape: str) -> None:
    place(ends.store, REPOSITORY, "1.0", SHAPES[shape]("x"))
    ends.copy("--referrers", "none")
    ends.copy("--referrers", "none")
    assert ends.asked() == ({"HEAD manifest": 1}, {"HEAD manifest": 1})


def test_where_platforms_were_left_out_the_index_is_looked_into(ends: Ends) -> None:
    image = images.multi_platform("x", PLATFORMS)
    place(ends.store, REPOSITORY, "1.0", image)
    place(ends.target, REPOSITORY, "1.0", image)
    missing = image.children[2].digest
    ends.copy("--referrers", "none")
    ends.target.delete_manifest(REPOSITORY, missing)
    ends.copy("--platform", PLATFORMS[0], "--platform", PLATFORMS[1])
    assert not ends.has(missing)
    ends.copy("--referrers", "none")
    assert ends.has(missing)


class TestDenied:
    def test_what_tags_name_comes_along_and_it_is_said(self, ends: Ends) -> None:
        image = images.single("x")
        place(ends.store, REPOSITORY, "1.0", image)
        signed = images.signature_tag(image.digest)
        place(ends.store, REPOSITORY, signed, images.signature(image))
        ends.up.script = Script(Rule("GET referrers", Instead(DENIED), times=None))
        document, said = ends.copy()
        assert document["copied"]["manifests"] == 2
        assert ends.target.manifest(REPOSITORY, signed).digest
        assert "Left out: source" in said
        assert "listing is not for you" in said
        assert ends.up.tally.requests["GET referrers"] == 1, "nobody asks again"

    @pytest.mark.parametrize("which", ["all", "signatures"])
    def test_it_is_a_failure_when_they_were_asked_for(self, ends: Ends, which: str) -> None:
        place(ends.store, REPOSITORY, "1.0", images.single("x"))
        ends.up.script = Script(Rule("GET referrers", Instead(DENIED), times=None))
        _, said = ends.copy("--referrers", which, status=1)
        assert "asked for by name" in said


def test_a_plan_says_which_downstream_could_not_be_listed(ends: Ends, tmp_path: Path) -> None:
    place(ends.store, REPOSITORY, "1.0", images.single("x"))
    store = MemoryStore()
    with Registry(store, manners=SPEC_MANNERS) as third:
        third.script = Script(Rule("* *", Instead(DENIED), times=None))
        places = ", ".join(f"'{host}/web'" for host in (ends.down.host, third.host))
        config = tmp_path / "longshore.yaml"
        config.write_text(f"mirrors: {{web: {{from: '{ends.up.host}/{REPOSITORY}', to: [{places}]}}}}")
        environment = {"XDG_STATE_HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path), "AWS_ACCESS_KEY_ID": ""}
        command = ["mirror", "plan", "--config", str(config), "--json"]
        result = CliRunner(env=environment).invoke(main, command)
        assert result.exit_code == 1, result.output
        (planned,) = json.loads(result.stdout)["mirrors"]
        assert [each["copies"] for each in planned["downstreams"]] == [1]
        assert [each["downstream"] for each in planned["failed"]] == [f"{third.host}/web"]
        assert f"Error: web: {third.host}/web" in result.stderr
    store.close()
