"""Manners of manifests, seen by a client that knows nothing of them (mirror 3)."""

from __future__ import annotations

from typing import Any

import pytest

from longshore_local import image_shapes, images
from longshore_local.blobs import digest_of
from longshore_local.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from longshore_local.registry import (
    DISTRIBUTION_MANNERS,
    ECR_MANNERS,
    SPEC_MANNERS,
)
from longshore_local.registry_memory import MemoryStore
from tests.served_registry import WEB, Serve


def test_artifacts_may_be_unsupported(serve: Serve) -> None:
    served = serve(artifacts=False)
    image = images.single("a")
    served.place(image)
    for odd in (images.artifact("a", "text/plain"), images.artifact("a", "text/plain", image)):
        served.place(odd, None)
        assert served.put(odd).status == 405
    assert served.put(image).status == 201
    assert serve(store=served.store).put(images.artifact("a", "text/plain")).status == 201


def test_a_manifest_may_be_too_large(serve: Serve) -> None:
    served = serve(max_manifest_bytes=1_000)
    image = images.single("a", layers=20)
    served.place(image)
    assert served.put(image).status == 413


def test_manifests_are_converted_for_who_does_not_accept_them(serve: Serve) -> None:
    served = serve(ECR_MANNERS)
    image = images.single("a")
    served.place(image)
    tag, digest = f"{WEB}/manifests/1.0", f"{WEB}/manifests/{image.digest}"

    converted = served.ask("GET", tag, Accept=DOCKER_MANIFEST)
    assert converted.headers["Content-Type"] == DOCKER_MANIFEST == converted.json()["mediaType"]
    assert converted.headers["Docker-Content-Digest"] == digest_of(converted.data) != image.digest
    assert converted.json()["layers"][0]["mediaType"] == images.DOCKER_LAYER
    for accept in ("*/*", f"text/plain, {OCI_MANIFEST}; q=0.5", f"{DOCKER_MANIFEST}, {OCI_MANIFEST}", OCI_INDEX):
        assert served.ask("GET", tag, Accept=accept).data == image.manifest
    assert served.ask("GET", digest, Accept=DOCKER_MANIFEST).data == image.manifest
    strict = serve(DISTRIBUTION_MANNERS, store=served.store)
    assert strict.code("GET", tag, Accept=DOCKER_MANIFEST) == (404, "MANIFEST_UNKNOWN")
    assert serve(store=served.store).ask("GET", tag, Accept=DOCKER_MANIFEST).data == image.manifest


def test_large_manifests_come_without_a_length(serve: Serve) -> None:
    served = serve(chunked_manifests_over=100)
    image = images.single("a")
    served.place(image)
    for method, content in (("GET", image.manifest), ("HEAD", b"")):
        answer = served.ask(method, f"{WEB}/manifests/1.0")
        assert (answer.data, answer.headers.get("Content-Length")) == (content, None)


@pytest.mark.parametrize(("manner", "told"), [("always", [1, 1]), ("get", [0, 1]), ("never", [0, 0])])
def test_who_is_told_the_digest(serve: Serve, manner: str, told: list[int]) -> None:
    served = serve(digest_header=manner)
    served.place(images.single("a"))
    answers = [served.ask(method, f"{WEB}/manifests/1.0") for method in ("HEAD", "GET")]
    assert ["Docker-Content-Digest" in answer.headers for answer in answers] == told


def test_head_and_delete_of_manifests_may_be_unsupported(serve: Serve) -> None:
    served = serve(head_manifest_status=405, deletes=False)
    served.place(images.single("a"))
    assert served.ask("HEAD", f"{WEB}/manifests/1.0").status == 405
    assert served.ask("GET", f"{WEB}/manifests/1.0").status == 200
    assert served.ask("DELETE", f"{WEB}/manifests/1.0").status == 405


def test_several_tags_in_one_put(serve: Serve) -> None:
    served = serve(tag_parameters=2)
    image = images.single("a")
    served.place(image, None)
    answer = served.put(image, f"{image.digest}?tag=a&tag=b&tag=c")
    assert answer.headers["OCI-Tag"] == "a, b"
    assert served.store.tags("team/web") == ["a", "b"]
    served.front.manners = SPEC_MANNERS
    assert "OCI-Tag" not in served.put(image, f"{image.digest}?tag=d").headers
    assert served.store.tags("team/web") == ["a", "b"]


@pytest.mark.parametrize(
    ("immutable", "tag", "same", "other"),
    [(False, "1.0", 201, 201), (True, "1.0", 201, 400), ("strict", "1.0", 400, 400), ("strict", "latest", 201, 201)],
)
def test_immutable_tags(serve: Serve, immutable: Any, tag: str, same: int, other: int) -> None:
    served = serve(store=MemoryStore(immutable_tags=immutable, mutable_tags=["late*"]))
    first, second = images.single("a"), images.single("b")
    served.place(first, tag)
    served.place(second, None)
    assert served.put(first, tag).status == same
    refused = served.put(second, tag)
    assert refused.status == other
    assert (b"immutable" in refused.data) == (other == 400)


def test_what_an_index_needs(serve: Serve) -> None:
    served = serve()
    index = images.multi_platform("a")
    served.place(images.single("b"))
    assert "do not exist" in served.put(index).json()["errors"][0]["message"]
    sparse = serve(store=MemoryStore(sparse=True))
    assert sparse.put(index).status == 201


def test_past_the_quota_of_images_a_push_looks_forbidden(serve: Serve) -> None:
    served = serve(store=MemoryStore(max_images=1))
    served.place(images.single("a"))
    other = image_shapes.no_layers("b")
    for content in other.blobs.values():
        served.upload(content)
    assert served.put(other).status == 403
    assert served.put(images.single("a")).status == 201
