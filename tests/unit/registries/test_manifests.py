"""Manifests: read byte for byte or refused, whatever the bytes are."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import LongshoreError, UnsupportedError
from longshore.images import MANIFESTS, Endpoint, ImageReference
from longshore.manifests import (
    ARTIFACT_MANIFEST,
    MAX_MANIFEST,
    Descriptor,
    Manifest,
    ManifestError,
    digest_of,
    hash_for,
    is_digest,
)
from longshore.mirror.referrers import fallback_tag, listed, with_referrer
from longshore_local import images

INDEX, LIST, IMAGE, SCHEMA_2 = MANIFESTS
DIGEST = "sha256:" + "a" * 64
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([1, 2, 3]) | JSON,
        "mediaType": st.sampled_from([*MANIFESTS, ARTIFACT_MANIFEST]) | JSON,
        "config": st.fixed_dictionaries({"digest": st.just(DIGEST) | JSON, "size": st.integers() | JSON}) | JSON,
        "layers": st.lists(st.fixed_dictionaries({"digest": st.just(DIGEST) | JSON, "size": JSON})) | JSON,
        "manifests": st.lists(st.fixed_dictionaries({"digest": st.just(DIGEST), "size": st.integers()})) | JSON,
        "blobs": JSON,
        "subject": JSON,
        "annotations": JSON,
        "artifactType": JSON,
    },
)


def encoded(**members: Any) -> bytes:
    return json.dumps(members).encode()


@given(MEMBERS, st.sampled_from([*MANIFESTS, ARTIFACT_MANIFEST, "application/json", ""]) | st.text(max_size=40))
def test_a_manifest_is_read_or_refused(document: dict[str, Any], served: str) -> None:
    content = json.dumps(document).encode()
    try:
        manifest = Manifest.parse(content, served)
    except LongshoreError:
        return
    assert manifest.content == content
    assert manifest.digest == "sha256:" + hashlib.sha256(content).hexdigest()
    for each in (*manifest.children, *manifest.blobs):
        assert is_digest(each.digest)
        assert each.size >= 0
    assert manifest.descriptor.digest == manifest.digest


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    with pytest.raises(LongshoreError):
        Manifest.parse(content + b"\0")


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b"1", b"null", b'{"size":' + b"9" * 10_000 + b"}"]
)
def test_hostile_json(content: bytes) -> None:
    with pytest.raises(LongshoreError):
        Manifest.parse(content)


def test_an_index_of_platforms_and_attestations() -> None:
    image = images.multi_platform("web")
    manifest = Manifest.parse(image.manifest, f"{image.media_type}; charset=utf-8", image.digest)
    assert manifest.is_index
    assert [child.platform for child in manifest.children] == ["linux/amd64", "linux/arm64", None, None]
    assert manifest.blobs == ()
    assert manifest.children[2].annotations["vnd.docker.reference.type"] == "attestation-manifest"


def test_an_image_in_order() -> None:
    image = images.single("web", layers=3)
    manifest = Manifest.parse(image.manifest)
    assert [blob.digest for blob in manifest.blobs] == list(image.blobs)
    assert manifest.declares_media_type


def test_a_type_that_only_the_header_has() -> None:
    document = json.loads(images.single("web").manifest)
    del document["mediaType"]
    manifest = Manifest.parse(encoded(**document), IMAGE)
    assert manifest.media_type == IMAGE
    assert not manifest.declares_media_type
    assert Manifest.parse(encoded(**document), "text/plain").media_type == IMAGE


@pytest.mark.parametrize("declared", [{}, {"mediaType": IMAGE}])
def test_a_served_type_in_an_error_drives_no_terminal(declared: dict[str, str]) -> None:
    with pytest.raises((ManifestError, UnsupportedError)) as caught:
        Manifest.parse(encoded(**declared, config={}), "x/\x1b[31mred\x07")
    assert "[31mred" in str(caught.value)
    assert str(caught.value).isprintable()


def test_artifacts_need_neither_layers_nor_a_config() -> None:
    blob = {"mediaType": "a/b", "digest": DIGEST, "size": 1}
    assert Manifest.parse(encoded(mediaType=IMAGE, config=blob)).blobs[0].digest == DIGEST
    assert Manifest.parse(encoded(mediaType=ARTIFACT_MANIFEST)).blobs == ()


@pytest.mark.parametrize(
    ("members", "served", "match"),
    [
        ({"mediaType": IMAGE, "config": {}, "layers": []}, INDEX, "served as"),
        ({"mediaType": IMAGE, "manifests": []}, None, "may not have manifests"),
        ({"mediaType": INDEX, "manifests": [], "layers": []}, None, "may not have layers"),
        ({"mediaType": INDEX}, None, "manifests must be a list"),
        ({"mediaType": INDEX, "manifests": [{"digest": "md5:1", "size": 1}]}, None, r"manifests\[0\]\.digest"),
        ({"mediaType": INDEX, "manifests": [{"digest": DIGEST, "size": -1}]}, None, r"manifests\[0\]\.size"),
        ({"mediaType": INDEX, "manifests": [{"digest": DIGEST, "size": True}]}, None, "size"),
        ({"mediaType": INDEX, "manifests": [{"digest": DIGEST, "size": 1}] * 10_001}, None, "at most 10000"),
        ({"mediaType": IMAGE, "layers": []}, None, "config is no object"),
        ({"mediaType": IMAGE, "config": {"digest": DIGEST, "size": 1}, "subject": 1}, None, "subject"),
    ],
)
def test_what_is_refused(members: dict[str, Any], served: str | None, match: str) -> None:
    with pytest.raises(ManifestError, match=match):
        Manifest.parse(encoded(**members), served)


@pytest.mark.parametrize(
    ("members", "served"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, None),
        ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ({}, "application/vnd.docker.distribution.manifest.v1+json"),
    ],
)
def test_schema_1_is_refused_by_name(members: dict[str, Any], served: str | None) -> None:
    with pytest.raises(UnsupportedError, match="schema 1"):
        Manifest.parse(encoded(**members), served)


def test_another_digest() -> None:
    content = images.single("web").manifest
    with pytest.raises(ManifestError, match="not sha256:aaaa"):
        Manifest.parse(content, None, DIGEST)
    long = digest_of(content, "sha512:")
    assert Manifest.parse(content, None, long).digest == long


def test_size() -> None:
    with pytest.raises(ManifestError, match="4194304"):
        Manifest.parse(b" " * (MAX_MANIFEST + 1))


def test_foreign_layers() -> None:
    for kind, distributable in (
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", False),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", False),
        ("application/vnd.oci.image.layer.v1.tar+zstd", True),
    ):
        assert Descriptor(kind, DIGEST, 1).is_distributable is distributable


def test_hashes() -> None:
    for algorithm in ("sha256", "sha512"):
        running = hash_for(digest_of(b"", f"{algorithm}:"))
        running.update(memoryview(b"ab"))
        assert f"{algorithm}:{running.hexdigest()}" == digest_of(b"ab", f"{algorithm}:")
    with pytest.raises(ManifestError):
        hash_for("md5:x")


class TestFallbackTag:
    def test_its_name(self) -> None:
        assert fallback_tag(DIGEST) == "sha256-" + "a" * 64
        assert fallback_tag("sha512:" + "b" * 128) == "sha512-" + "b" * 64

    def test_a_referrer_is_added_once_and_others_stay(self) -> None:
        subject = images.single("web")
        first, second = (
            Manifest.parse(images.artifact(seed, "application/spdx+json", subject=subject).manifest).descriptor
            for seed in ("1", "2")
        )
        index = with_referrer(with_referrer(None, first), second)
        assert [each.digest for each in listed(index)] == [first.digest, second.digest]
        assert listed(index)[0].artifact_type == "application/spdx+json"
        assert listed(index)[0].annotations == {"seed": "1"}
        assert with_referrer(index, first) is index

    def test_what_others_put_there_is_kept(self) -> None:
        content = encoded(schemaVersion=2, mediaType=INDEX, manifests=[], annotations={"by": "others"})
        referrer = Descriptor("a/b", DIGEST, 1)
        assert json.loads(with_referrer(Manifest.parse(content), referrer).content)["annotations"] == {"by": "others"}

    def test_someone_elses_tag_is_left_alone(self) -> None:
        with pytest.raises(ManifestError, match="where an index of referrers should be"):
            with_referrer(Manifest.parse(images.single("web").manifest), Descriptor("a/b", DIGEST, 1))


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("nginx", Endpoint("registry-1.docker.io", "library/nginx")),
        ("docker.io/nginx:1", Endpoint("registry-1.docker.io", "library/nginx")),
        ("index.docker.io/bitnami/redis", Endpoint("registry-1.docker.io", "bitnami/redis")),
        ("ghcr.io/owner/image", Endpoint("ghcr.io", "owner/image")),
        ("localhost:5000/x", Endpoint("localhost:5000", "x")),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    assert ImageReference.parse(text).endpoint == endpoint


def test_many_small_values_are_refused_before_they_are_read() -> None:
    junk = b",".join([b"{}"] * 150_000)
    with pytest.raises(ManifestError, match="values"):
        Manifest.parse(b'{"x":[' + junk + b"]}")


def test_commas_in_a_text_are_no_values() -> None:
    image = json.loads(images.single("x").manifest)
    content = encoded(**image, annotations={"a": 'x\\",[{' * 200_000})
    assert Manifest.parse(content).annotations["a"].startswith("x")


def test_a_manifest_that_is_larger_in_memory_is_refused() -> None:
    image = json.loads(images.single("x").manifest)
    with pytest.raises(ManifestError, match="memory"):
        Manifest.parse(encoded(**image, annotations={str(n): str(-n) for n in range(120_000)}))
