"""`longshore mirror copy` between two docker-registries, and what skopeo then sees."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from click.testing import CliRunner, Result

from longshore.mirror.referrers import fallback_tag
from longshore_cli.main import main
from longshore_local import images
from longshore_local.image_shapes import (
    SHAPES,
    cosign_images,
    four_platforms,
    index_of,
    referrers_of,
    sharing_tags,
)
from tests.benchmarks.image_sets import push_layers
from tests.registries_world import DOCKER_REGISTRY, NO_DOCKER_REGISTRY, DistributionServer, Skopeo

if TYPE_CHECKING:
    from longshore_local.certificates import Certificate

REPOSITORY = "team/web"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DistributionServer, DistributionServer]]:
    """A source and a destination for the tests of this module, which use repositories of their own."""
    if DOCKER_REGISTRY is None:
        pytest.skip(NO_DOCKER_REGISTRY)
    directory = tmp_path_factory.mktemp("registries")
    with DistributionServer(directory / "up") as up, DistributionServer(directory / "down") as down:
        yield up, down


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def copy(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["mirror", "copy", *arguments, "--json"])


def answer(result: Result, status: int = 0) -> dict[str, Any]:
    assert result.exit_code == status, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert set(document) == {"copied", "skipped", "mounted", "requests", "seconds"}
    return document


def push_fallback(server: DistributionServer, repository: str, *referrers: images.SyntheticImage) -> str:
    """Pushes referrers as a client must where there is no API: with the fallback tag."""
    for referrer in referrers:
        images.push(server, repository, None, referrer)
    subject = json.loads(referrers[0].manifest)["subject"]["digest"]
    tag = fallback_tag(subject)
    images.push(server, repository, tag, index_of(*referrers))
    return tag


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_the_same_for_skopeo(
    both: tuple[DistributionServer, DistributionServer], skopeo: Skopeo, shape: str
) -> None:
    up, down = both
    repository = f"shapes/{shape}"
    images.push(up, repository, "1.0", SHAPES[shape](shape))
    first = answer(copy(f"{up.host}/{repository}:1.0", f"{down.host}/{repository}"))
    assert skopeo.tree(down, repository, "1.0") == skopeo.tree(up, repository, "1.0")
    assert first["copied"]["manifests"] == len(skopeo.tree(up, repository, "1.0"))
    again = answer(copy(f"{up.host}/{repository}:1.0", f"{down.host}/{repository}", "--referrers", "none"))
    assert again["copied"] == {"manifests": 0, "blobs": 0, "bytes": 0}
    assert again["requests"] == {"source": 1, "destination": 1}


def test_referrers_and_cosign_tags_come_along(
    both: tuple[DistributionServer, DistributionServer], skopeo: Skopeo
) -> None:
    up, down = both
    image = four_platforms("signed")
    images.push(up, "signed", "1.0", image)
    tags = [push_fallback(up, "signed", *referrers_of(of)) for of in (image, image.children[0])]
    for tag, made in (cosign_images(image) | cosign_images(image.children[1])).items():
        images.push(up, "signed", tag, made)
        tags.append(tag)
    answer(copy(f"{up.host}/signed:1.0", f"{down.host}/signed:1.0"))
    for tag in ("1.0", *tags):
        assert skopeo.tree(down, "signed", tag) == skopeo.tree(up, "signed", tag), tag


def test_a_hundred_tags_that_share_layers(both: tuple[DistributionServer, DistributionServer], skopeo: Skopeo) -> None:
    up, down = both
    made = sharing_tags("many")
    for tag, image in made.items():
        images.push(up, "many", tag, image)
    told = answer(copy(f"{up.host}/many", f"{down.host}/many", "--all-tags"))
    blobs = {digest for image in made.values() for digest in image.blobs}
    assert told["copied"]["manifests"] == 100
    assert told["copied"]["blobs"] == len(blobs) == 204
    for tag in ("v000", "v042", "v099"):
        assert skopeo.raw(down, "many", tag) == skopeo.raw(up, "many", tag)
    again = answer(copy(f"{up.host}/many", f"{down.host}/many", "--all-tags"))
    assert again["skipped"]["manifests"] == 100
    assert again["requests"]["source"] <= 102
    assert again["requests"]["destination"] <= 101


def test_over_tls_with_any_certificate_when_told(
    docker_registry: Callable[..., DistributionServer],
    skopeo: Skopeo,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Certificate,
) -> None:
    up, down = docker_registry(tls=True), docker_registry()
    images.push(up, REPOSITORY, "1.0", images.single("x"))
    there = f"{up.host}/{REPOSITORY}:1.0", f"{down.host}/{REPOSITORY}"
    refused = copy(*there)
    assert refused.exit_code == 1
    assert "certificate" in refused.stderr
    answer(copy(*there, "--insecure"))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.ca))
    answer(copy(*there))
    assert skopeo.raw(down, REPOSITORY, "1.0") == skopeo.raw(up, REPOSITORY, "1.0")


def test_within_one_registry_blobs_are_mounted(both: tuple[DistributionServer, DistributionServer]) -> None:
    up, _ = both
    images.push(up, "one/here", "1.0", images.single("mounted", layers=3))
    told = answer(copy(f"{up.host}/one/here:1.0", f"{up.host}/one/there:2.0"))
    assert (told["mounted"], told["copied"]["blobs"]) == (4, 0)


def test_a_tag_that_is_not_there_fails_and_says_where(both: tuple[DistributionServer, DistributionServer]) -> None:
    up, down = both
    images.push(up, "some", "1.0", images.single("some"))
    result = copy(f"{up.host}/some:2.0", f"{down.host}/some")
    assert answer(result, status=1)["copied"]["manifests"] == 0
    assert f"source {up.host}/some:2.0" in result.stderr


def test_what_is_broken_does_not_hold_up_the_rest(
    both: tuple[DistributionServer, DistributionServer], skopeo: Skopeo
) -> None:
    up, down = both
    good, bad = images.single("good"), images.single("bad")
    images.push(up, "part", "good", good)
    images.push(up, "part", "bad", bad)
    with urllib3.PoolManager(retries=False) as http:
        lost = json.loads(bad.manifest)["layers"][0]["digest"]
        assert http.request("DELETE", f"{up.url}/v2/part/blobs/{lost}").status == 202
    result = copy(f"{up.host}/part", f"{down.host}/part", "--all-tags")
    assert answer(result, status=1)["copied"]["manifests"] == 1
    assert f"bad: source {up.host}/part@{lost}" in result.stderr
    assert skopeo.raw(down, "part", "good") == good.manifest
    assert skopeo.run("inspect", "--raw", "--tls-verify=false", f"docker://{down.host}/part:bad").returncode


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a b", "x/y"), "SRC"),
        (("x/y", "x/y@sha256:" + "a" * 64), "DST"),
        (("x/y:1", "x/z", "--all-tags"), "--all-tags"),
        (("x/y", "x/z", "--platform", "arm64"), "--platform"),
        (("x/y", "x/z", "--referrers", "some"), "--referrers"),
    ],
)
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...], told: str) -> None:
    result = copy(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_no_state_is_left_behind(both: tuple[DistributionServer, DistributionServer], tmp_path: Path) -> None:
    up, down = both
    push_layers(up, "large", "1.0", [40 * 1024 * 1024])
    answer(copy(f"{up.host}/large:1.0", f"{down.host}/large"))
    assert [file for _, _, files in os.walk(tmp_path) for file in files if file.endswith(".json")] == []
