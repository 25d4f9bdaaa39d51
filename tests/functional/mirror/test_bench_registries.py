"""The benchmark's servers, image sets and measurements, small."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks import image_sets, registries
from tests.registries_world import DOCKER_REGISTRY, NO_DOCKER_REGISTRY, NO_SKOPEO, SKOPEO

pytestmark = [
    pytest.mark.skipif(DOCKER_REGISTRY is None, reason=NO_DOCKER_REGISTRY),
    pytest.mark.skipif(SKOPEO is None, reason=NO_SKOPEO),
]


@pytest.mark.parametrize(("tls", "rtt"), [(False, 0.01), (True, 0.0)])
def test_skopeo_is_measured_between_a_pair(tmp_path: Path, tls: bool, rtt: float) -> None:
    with registries.pair(tmp_path, tls=tls, source_rtt=rtt, destination_rtt=rtt / 2) as between:
        sizes = {name: push(between.near, f"bench/{name.lower()}", 0.02) for name, push in image_sets.SETS.items()}
        for name, tag in (("A", "1.0"), ("C", "1.0"), ("D", None)):
            repository = f"bench/{name.lower()}"
            between.mark()
            done = registries.measure(registries.skopeo(between, repository, tag), tmp_path)
            assert done.status == 0, done.output
            assert 0 < done.cpu < 60
            assert done.rss > 1_000_000
            assert done.wall > 0
            source, destination = between.requests()
            assert source["GET blob"] > 0
            assert destination["PUT manifest"] >= 1
            assert registries.same_trees(between, repository, [tag or "v000"])
        assert sizes["A"] == 20 * int(8 * image_sets.MIB * 0.02)
        assert not registries.same_trees(between, "bench/b", ["1.0"])
        between.wipe_destination()
        assert not registries.same_trees(between, "bench/a", ["1.0"])


def test_rivals_are_named_with_their_version() -> None:
    assert registries.rivals()["skopeo"][1][0].isdigit()


def test_what_a_command_used_is_what_it_used(tmp_path: Path) -> None:
    done = registries.measure([sys.executable, "-c", "b = bytearray(80_000_000); print('made'); exit(3)"], tmp_path)
    assert (done.status, done.output) == (3, "made\n")
    assert done.rss > 80_000_000
