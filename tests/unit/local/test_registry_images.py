"""Images of every shape and blobs of any size: valid, reproducible, and as odd as they say."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.generated import SIX_GIB, DiscardingStore, GeneratedBlob, GeneratedStore, generated_image
from longshore_local.image_shapes import (
    PLATFORMS,
    SHAPES,
    cosign_images,
    foreign_layers,
    four_platforms,
    place,
    referrers_of,
    sharing_tags,
    without_media_type,
    zstd_frame,
)
from longshore_local.manifests import parse_manifest
from longshore_local.registry import ECR_MANNERS, SPEC_MANNERS, Registry
from longshore_local.registry_memory import MemoryStore
from longshore_local.registry_store import RegistryError
from tests.registries_world import Asking

MIB = 1024 * 1024


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_what_a_registry_takes_and_the_same_each_time(name: str, store: MemoryStore) -> None:
    image = SHAPES[name]("a")
    assert image == SHAPES[name]("a")
    assert image.digest != SHAPES[name]("b").digest
    with Registry(store, manners=ECR_MANNERS) as registry, Asking(registry) as client:
        images.push(registry, "team/web", "1.0", image)
        assert client.ask("GET", "/v2/team/web/manifests/1.0").data == image.manifest


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_that_is_placed_is_there_as_if_it_had_been_pushed(name: str, store: MemoryStore) -> None:
    image = SHAPES[name]("a")
    assert place(store, "team/web", "1.0", image) == image.digest
    assert store.manifest("team/web", "1.0").content == image.manifest
    for digest, content in image.blobs.items():
        assert b"".join(store.blob("team/web", digest).pieces(0, len(content) - 1)) == content


def test_shapes_are_as_odd_as_they_say() -> None:
    documents = {name: json.loads(make("a").manifest) for name, make in SHAPES.items()}
    assert documents["no-layers"]["layers"] == []
    digests = [layer["digest"] for layer in documents["duplicate-layers"]["layers"]]
    assert (len(digests), len(set(digests))) == (4, 2)
    assert documents["empty-layer"]["layers"][0]["size"] == 0
    assert documents["nested-index"]["manifests"][0]["mediaType"].endswith("index.v1+json")
    assert [len(child.children) for child in SHAPES["nested-index"]("a").children] == [4, 0]
    assert len(documents["four-platforms"]["manifests"]) == 2 * len(PLATFORMS)
    assert documents["artifact"]["config"]["size"] == 2
    odd = SHAPES["odd-spacing"]("a").manifest
    assert json.dumps(json.loads(odd)).encode() != odd
    assert "mediaType" not in json.loads(without_media_type("a").manifest)


@pytest.mark.parametrize("docker", [True, False])
def test_foreign_layers_have_urls_and_no_bytes(docker: bool) -> None:
    image = foreign_layers("a", docker=docker)
    [foreign, own] = json.loads(image.manifest)["layers"]
    assert foreign["urls"]
    assert foreign["digest"] not in image.blobs
    assert own["digest"] in image.blobs
    assert foreign["digest"] not in parse_manifest(image.manifest).blobs


def test_referrers_and_cosign_images_belong_to_their_subject() -> None:
    image = four_platforms("a")
    for child in (image, *image.children):
        for referrer in referrers_of(child, 3):
            assert json.loads(referrer.manifest)["subject"]["digest"] == child.digest
        stem = child.digest.replace(":", "-")
        assert set(cosign_images(child)) == {f"{stem}.sig", f"{stem}.att", f"{stem}.sbom"}


def test_tags_share_layers() -> None:
    made = sharing_tags("a", count=100, shared=4)
    blobs = {digest for image in made.values() for digest in image.blobs}
    assert (len(made), len({image.digest for image in made.values()}), len(blobs)) == (100, 100, 204)


@given(st.binary(max_size=400_000))
def test_a_zstd_frame_has_the_bytes_in_raw_blocks(content: bytes) -> None:
    frame = zstd_frame(content)
    assert frame[:5] == bytes.fromhex("28b52ffda0")
    assert int.from_bytes(frame[5:9], "little") == len(content)
    found, at, last = b"", 9, False
    while not last:
        header = int.from_bytes(frame[at : at + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        assert kind == 0
        found += frame[at + 3 : at + 3 + size]
        at += 3 + size
    assert (found, at) == (content, len(frame))


@pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is not on the PATH")
@pytest.mark.parametrize("content", [b"", b"small", b"large" * 100_000])
def test_zstd_reads_a_zstd_frame(content: bytes) -> None:
    done = subprocess.run(["zstd", "-dc"], input=zstd_frame(content), capture_output=True, check=True, timeout=30)
    assert done.stdout == content


@given(size=st.integers(0, 3 * MIB), first=st.integers(0, 3 * MIB), length=st.integers(1, 2 * MIB))
def test_any_part_of_a_generated_blob_is_part_of_the_whole(size: int, first: int, length: int) -> None:
    blob = GeneratedBlob("a", size)
    whole = b"".join(blob.pieces())
    assert len(whole) == size
    assert b"".join(blob.pieces(first, first + length - 1)) == whole[first : first + length]


def test_a_generated_blob_is_like_no_other() -> None:
    blob = GeneratedBlob("a", 2 * MIB + 1)
    whole = b"".join(blob.pieces())
    assert blob.digest == digest_of(whole) == GeneratedBlob("a", 2 * MIB + 1).digest
    assert whole[:MIB] != whole[MIB : 2 * MIB]
    assert blob.digest != GeneratedBlob("b", 2 * MIB + 1).digest


def test_the_digest_of_six_gib_is_known_for_these_bytes_only() -> None:
    """If this fails, the bytes have changed and the digest in generated.py is wrong as well."""
    same_seed = GeneratedBlob("six", MIB + 1)
    assert same_seed.digest == "sha256:d47d5655cbdedd1c1fde9288b2d420a01a71f58be4191483806c32cf9ec33af4"
    assert (SIX_GIB.size, SIX_GIB.digest[:11]) == (6 * 1024 * MIB, "sha256:f978")


def test_generated_blobs_are_served_and_discarded_unstored() -> None:
    source, sink = GeneratedStore(), DiscardingStore()
    blob = GeneratedBlob("a", 3 * MIB + 5)
    source.add_blobs("team/web", blob)
    image = generated_image(blob)
    place(source, "team/web", "1.0", image)
    with (
        Registry(source, manners=SPEC_MANNERS) as upstream,
        Registry(sink, manners=SPEC_MANNERS) as downstream,
        Asking(upstream) as pull,
        Asking(downstream) as push,
    ):
        path = f"/v2/team/web/blobs/{blob.digest}"
        content = pull.ask("GET", path).data
        assert digest_of(content) == blob.digest
        assert pull.ask("GET", path, Range=f"bytes={MIB}-{MIB + 9}").data == content[MIB : MIB + 10]
        for name, bytes_ in (*image.blobs.items(), (blob.digest, content)):
            location = push.ask("POST", "/v2/team/web/blobs/uploads/").headers["Location"]
            wrong = push.ask("PUT", f"{location}?digest={digest_of(b'other')}", bytes_)
            assert wrong.status == 400
            location = push.ask("POST", "/v2/team/web/blobs/uploads/").headers["Location"]
            assert push.ask("PUT", f"{location}?digest={name}", bytes_).status == 201
        assert push.ask("HEAD", path).headers["Content-Length"] == str(blob.size)
        media = {"Content_Type": image.media_type}
        assert push.ask("PUT", "/v2/team/web/manifests/1.0", image.manifest, **media).status == 201
    with pytest.raises(RegistryError):
        next(iter(sink.blob("team/web", blob.digest).pieces(0, 1)))
    source.close()
    sink.close()
