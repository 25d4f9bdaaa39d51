"""What belongs to a tree, what comes before what, and which tags are not an image's own."""

from __future__ import annotations

import json

import pytest

from longshore.errors import UnsupportedError
from longshore.manifests import Descriptor, Manifest
from longshore.mirror import trees
from longshore_local import images
from longshore_local.image_shapes import duplicate_layers, foreign_layers, four_platforms, index_of, nested_index

DIGEST = "sha256:" + "a" * 64
STEM = "sha256-" + "a" * 64


def parsed(image: images.SyntheticImage) -> Manifest:
    return Manifest.parse(image.manifest, image.media_type)


def every(image: images.SyntheticImage) -> dict[str, Manifest]:
    found = {image.digest: parsed(image)}
    for child in image.children:
        found |= every(child)
    return found


@pytest.mark.parametrize(
    ("text", "normal"),
    [("linux/arm64/v8", "linux/arm64"), ("linux/arm/v7", "linux/arm/v7"), ("windows/amd64", "windows/amd64")],
)
def test_platforms_have_one_spelling(text: str, normal: str) -> None:
    assert trees.normal_platform(text) == normal


@pytest.mark.parametrize("text", ["", "arm64", "linux/", "/amd64", "linux/arm/v7/x", "linux//v7"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(ValueError, match="platform"):
        trees.normal_platform(text)


def test_a_platform_brings_its_attestation() -> None:
    index = parsed(four_platforms("x"))
    kept = trees.chosen(index, ["linux/arm64"])
    assert len(kept) == 2
    assert kept[1].annotations["vnd.docker.reference.digest"] == kept[0].digest
    assert trees.chosen(index, []) == index.children


def test_indexes_within_an_index_are_kept() -> None:
    nested = parsed(index_of(four_platforms("x"), images.single("y")))
    assert [trees.is_index_entry(child) for child in trees.chosen(nested, ["linux/arm64"])] == [True]


def test_no_such_platform_names_those_there_are() -> None:
    with pytest.raises(UnsupportedError, match="no linux/mips; its platforms: linux/amd64, linux/arm/v7"):
        trees.chosen(parsed(four_platforms("x")), ["linux/mips"])


def test_one_platform_takes_the_place_of_an_index() -> None:
    index = parsed(four_platforms("x"))

    def unread(child: Descriptor) -> Manifest:
        raise AssertionError(child)

    part = trees.in_place_of(index, ["linux/s390x"], unread)
    assert part is not None
    assert part.platform == "linux/s390x"
    assert trees.in_place_of(index, ["linux/s390x", "linux/amd64"], unread) is None
    assert trees.in_place_of(parsed(images.single("x")), ["linux/amd64"], unread) is None
    with pytest.raises(UnsupportedError, match="no linux/mips; its platforms: linux/amd64"):
        trees.in_place_of(index, ["linux/mips"], unread)


def test_one_platform_is_found_in_an_index_within_an_index() -> None:
    index = index_of(index_of(four_platforms("x")), images.multi_platform("y", ("linux/mips",), attestations=False))
    read = {each.digest: parsed(each) for each in (*index.children, *index.children[0].children)}
    part = trees.in_place_of(parsed(index), ["linux/s390x"], lambda child: read[child.digest])
    assert part is not None
    assert part.platform == "linux/s390x"
    with pytest.raises(UnsupportedError, match="its platforms: linux/amd64, linux/arm/v7, linux/arm64, linux/mips, "):
        trees.in_place_of(parsed(index), ["linux/riscv64"], lambda child: read[child.digest])


def test_of_two_images_none_takes_the_place_of_the_index() -> None:
    inner = [images.multi_platform(seed, ("linux/amd64",), attestations=False) for seed in "xy"]
    read = {each.digest: parsed(each) for each in inner}
    assert trees.in_place_of(parsed(index_of(*inner)), ["linux/amd64"], lambda child: read[child.digest]) is None


def test_indexes_without_end_are_not_searched() -> None:
    index = Manifest.parse(index_of(*(index_of(images.single(f"x{n}")) for n in range(102))).manifest)
    asked: list[str] = []

    def read(child: Descriptor) -> Manifest:
        asked.append(child.digest)
        return index

    with pytest.raises(UnsupportedError, match="more than 100 indexes within one"):
        trees.in_place_of(index, ["linux/amd64"], read)
    assert len(asked) <= 101


def test_platforms_in_an_error_drive_no_terminal() -> None:
    entry = images.single("x").descriptor(platform={"os": "linux", "architecture": "\x1b[2J"})
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    with pytest.raises(UnsupportedError) as caught:
        trees.chosen(Manifest.parse(index), ["linux/amd64"])
    assert str(caught.value).isprintable()


def test_children_are_below_their_index() -> None:
    manifests = every(nested_index("x"))
    levels = trees.heights(manifests)
    for digest, manifest in manifests.items():
        assert all(levels[child.digest] < levels[digest] for child in manifest.children)
    assert max(levels.values()) == 2


def test_blobs_come_once_and_the_largest_first() -> None:
    blobs = trees.blobs_of([*every(four_platforms("x")).values(), parsed(duplicate_layers("y"))])
    assert len({blob.digest for blob in blobs}) == len(blobs)
    assert [blob.size for blob in blobs] == sorted((blob.size for blob in blobs), reverse=True)


def test_foreign_layers_stay_where_they_are() -> None:
    manifest = parsed(foreign_layers("x"))
    (foreign,) = trees.foreign_layers([manifest, manifest])
    assert foreign.digest not in {blob.digest for blob in trees.blobs_of([manifest])}


@pytest.mark.parametrize(
    ("tag", "all_", "signatures"),
    [
        (STEM, True, False),
        (f"{STEM}.sig", True, True),
        (f"{STEM}.att", True, False),
        (f"{STEM}.sbom", True, False),
        ("1.0", False, False),
        ("1.0.sig", False, False),
        ("sha256-abc", False, False),
        (f"{STEM}.zip", False, False),
    ],
)
def test_which_tags_come_along(tag: str, all_: bool, signatures: bool) -> None:
    assert trees.comes_along(tag, "all") is trees.is_digest_tag(tag) is all_
    assert trees.comes_along(tag, "signatures") is signatures
    assert trees.comes_along(tag, "none") is False
    assert (tag in trees.digest_tags(DIGEST, "all")) is all_
    assert trees.is_fallback_tag(tag) is (tag == STEM)
