"""Properties of what the registry reads and keeps: uploads, ranges, manifests."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore_local import images
from longshore_local.blobs import BlobSpool, digest_of
from longshore_local.manifests import ManifestError, parse_manifest


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_an_upload_is_the_same_blob_however_it_is_cut(content: bytes, cuts: list[int]) -> None:
    spool = BlobSpool()
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    upload = spool.begin()

    for first, last in pairwise(edges):
        upload.append([content[first:last]])

    assert (upload.size, upload.digest) == (len(content), digest_of(content))
    assert upload.smallest_inner_part() == min((b - a for a, b in list(pairwise(edges))[:-1]), default=None)
    assert spool.path(spool.keep(upload)).read_bytes() == content
    spool.close()


@given(kept=st.binary(max_size=50), lost=st.binary(max_size=50))
def test_a_part_that_fails_midway_leaves_no_trace(kept: bytes, lost: bytes) -> None:
    def failing() -> Iterator[bytes]:
        yield lost
        raise ConnectionError

    spool = BlobSpool()
    upload = spool.begin()
    upload.append([kept])
    with pytest.raises(ConnectionError):
        upload.append(failing())

    assert (upload.size, upload.digest) == (len(kept), digest_of(kept))
    assert spool.path(spool.keep(upload)).read_bytes() == kept
    spool.close()


def test_the_spool_leaves_nothing_behind() -> None:
    spool = BlobSpool()
    upload = spool.begin()
    upload.append([b"x"])
    directory = spool.path(digest_of(b"")).parent
    spool.close()
    assert not directory.exists()


@pytest.mark.parametrize("digest", ["latest", "sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha512:" + "0" * 64])
def test_only_sha256_digests_name_blobs(digest: str) -> None:
    spool = BlobSpool()
    with pytest.raises(ValueError, match="not a sha256 digest"):
        spool.path(digest)
    spool.close()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schemaVersion": 1}, "schemaVersion"),
        ({"mediaType": "text/plain"}, "mediaType"),
        ({"layers": None}, "layers"),
        ({"layers": [{"digest": "x", "size": 1}]}, r"layers\[0\]\.digest"),
        ({"layers": [{"digest": digest_of(b""), "size": "1"}]}, r"layers\[0\]\.size"),
        ({"config": None}, "config"),
        ({"subject": {}}, r"subject\.digest"),
    ],
)
def test_a_manifest_that_is_none_is_refused_by_its_member(change: dict[str, Any], named: str) -> None:
    document = {**json.loads(images.single("a").manifest), **change}
    with pytest.raises(ManifestError, match=named):
        parse_manifest(json.dumps(document).encode())


@given(st.binary(max_size=40))
def test_any_bytes_are_a_manifest_or_an_error(content: bytes) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(content)


def test_foreign_layers_need_not_be_in_the_registry() -> None:
    document = json.loads(images.single("a", docker=True).manifest)
    layer = document["layers"][0]
    foreign = {**layer, "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": []}

    manifest = parse_manifest(json.dumps({**document, "layers": [foreign]}).encode())

    assert manifest.blobs == (document["config"]["digest"],)


@pytest.mark.parametrize("make", [images.single, images.multi_platform])
def test_synthetic_images_are_reproducible(make: Any) -> None:
    assert make("a") == make("a")
    assert make("a").digest != make("b").digest
