"""Manners of blobs, lists and repositories, seen by a client that knows nothing of them (mirror 3)."""

from __future__ import annotations

import pytest

from longshore_local import image_shapes, images
from longshore_local.blobs import digest_of
from longshore_local.registry import (
    ECR_PUBLIC_MANNERS,
    Auth,
)
from tests.served_registry import WEB, Serve, basic


def test_redirects_of_blobs(serve: Serve) -> None:
    served = serve(redirect_blobs=True, redirect_status=302, redirect_seconds=60)
    image = images.single("a")
    served.place(image)
    digest, content = next(iter(image.blobs.items()))
    answer = served.ask("GET", f"{WEB}/blobs/{digest}")
    assert answer.status == 302
    assert served.ask("GET", answer.headers["Location"]).data == content
    served.later(seconds=61)
    assert served.ask("GET", answer.headers["Location"]).status == 403


def test_a_registry_without_ranges_sends_everything(serve: Serve) -> None:
    served = serve(ranges=False)
    served.upload(b"0123456789")
    answer = served.ask("GET", f"{WEB}/blobs/{digest_of(b'0123456789')}", Range="bytes=5-")
    assert (answer.status, answer.data) == (200, b"0123456789")
    assert "Accept-Ranges" not in answer.headers


def test_blobs_without_a_length(serve: Serve) -> None:
    served = serve(chunked_blobs=True)
    served.upload(b"0123456789")
    answer = served.ask("GET", f"{WEB}/blobs/{digest_of(b'0123456789')}")
    assert answer.data == b"0123456789"
    assert "Content-Length" not in answer.headers


def test_head_of_blobs_on_ecr_public_is_for_those_who_push(serve: Serve) -> None:
    users = {"AWS": "token"}
    auth = Auth("bearer", users=users, registry_wide=True, service="public.ecr.aws")
    served = serve(ECR_PUBLIC_MANNERS, auth)
    image = images.single("a")
    served.place(image)
    path = f"{WEB}/blobs/{next(iter(image.blobs))}"
    challenge = served.ask("GET", "/v2/").headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="{served.registry.url}/token",service="public.ecr.aws",scope="aws"'

    anonymous = served.ask("GET", "/token/?service=public.ecr.aws&scope=aws").json()["token"]
    pusher = served.ask("GET", "/token/?scope=aws", Authorization=basic("AWS", "token")).json()["token"]
    assert served.ask("HEAD", path, Authorization=f"Bearer {anonymous}").status == 401
    assert served.ask("GET", path, Authorization=f"Bearer {anonymous}").status == 307
    assert served.ask("HEAD", path, Authorization=f"Bearer {pusher}").status == 200
    missing = f"{WEB}/blobs/{digest_of(b'none')}"
    assert served.ask("HEAD", missing, Authorization=f"Bearer {pusher}").status == 404
    assert served.ask("POST", f"{WEB}/blobs/uploads/", Authorization=f"Bearer {anonymous}").status == 401


def test_head_of_a_missing_blob_may_look_forbidden(serve: Serve) -> None:
    served = serve(head_missing_status=403)
    served.upload(b"ab")
    assert served.ask("HEAD", f"{WEB}/blobs/{digest_of(b'none')}").status == 403
    assert served.ask("HEAD", f"{WEB}/blobs/{digest_of(b'ab')}").status == 200


def test_blobs_that_no_manifest_names_may_be_hidden(serve: Serve) -> None:
    served = serve(unreferenced_blobs=False)
    served.upload(b"ab")
    image = images.single("a")
    served.place(image)
    assert served.code("GET", f"{WEB}/blobs/{digest_of(b'ab')}") == (404, "BLOB_UNKNOWN")
    assert served.ask("GET", f"{WEB}/blobs/{next(iter(image.blobs))}").status == 200


def test_a_blob_may_vanish_before_the_manifest_comes(serve: Serve) -> None:
    served = serve()
    image = images.single("a")
    served.place(image)
    served.store.lose("team/web", next(iter(image.blobs)))
    status, _ = served.code("PUT", f"{WEB}/manifests/2.0", image.manifest, Content_Type=image.media_type)
    assert status == 404


def test_referrers_come_in_pages(serve: Serve) -> None:
    served = serve(referrers_page=2)
    image = images.single("a")
    served.place(image)
    attached = [served.place(one, None) for one in image_shapes.referrers_of(image, 5)]
    path, found, pages = f"{WEB}/referrers/{image.digest}", [], 0
    while path:
        answer = served.ask("GET", path)
        found += [entry["digest"] for entry in answer.json()["manifests"]]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
        pages += 1
    assert (found, pages) == (attached, 3)


def test_a_filter_of_referrers_may_not_be_applied(serve: Serve) -> None:
    served = serve(referrers_filtered=False)
    image = images.single("a")
    served.place(image)
    served.place(images.artifact("a", "text/plain", image), None)
    answer = served.ask("GET", f"{WEB}/referrers/{image.digest}?artifactType=application/json")
    assert len(answer.json()["manifests"]) == 1
    assert "OCI-Filters-Applied" not in answer.headers


def test_a_subject_is_acknowledged_or_not(serve: Serve) -> None:
    image = images.single("a")
    sbom = images.artifact("a", "text/plain", image)
    for changed, told in (({}, image.digest), ({"oci_subject": False}, None), ({"referrers": False}, None)):
        served = serve(**changed)
        served.place(image)
        served.place(sbom, None)
        assert served.put(sbom, sbom.digest).headers.get("OCI-Subject") == told
    assert serve(referrers=False, no_referrers_status=405).ask("GET", f"{WEB}/referrers/{image.digest}").status == 405


@pytest.mark.parametrize("links", ["relative", "absolute", "missing"])
def test_pages_of_tags(serve: Serve, links: str) -> None:
    served = serve(max_page=2, links=links)
    for tag in "abc":
        served.place(images.single("a"), tag)
    answer = served.ask("GET", f"{WEB}/tags/list")
    assert answer.json()["tags"] == ["a", "b"]
    if links == "missing":
        assert "Link" not in answer.headers
    else:
        host = served.registry.url if links == "absolute" else ""
        assert answer.headers["Link"] == f'<{host}{WEB}/tags/list?last=b&n=2>; rel="next"'
    assert served.ask("GET", f"{WEB}/tags/list?n=3").status == 400
    clamped = serve(max_page=2, large_page="clamped", store=served.store)
    assert clamped.ask("GET", f"{WEB}/tags/list?n=3").json()["tags"] == ["a", "b"]


def test_bulk_listings_tell_digests_and_times(serve: Serve) -> None:
    served = serve(listings=frozenset({"hub", "quay", "google"}))
    first, second = images.single("a"), images.single("b")
    for tag, image in (("old", first), ("new", second), ("newest", second)):
        images.push(served.front, "team/web", tag, image)
        served.later(hours=1)

    page = served.ask("GET", "/v2/repositories/team/web/tags/?page_size=2").json()
    assert [(r["name"], r["digest"]) for r in page["results"]] == [("newest", second.digest), ("new", second.digest)]
    last = served.ask("GET", page["next"]).json()
    assert ([r["name"] for r in last["results"]], last["next"]) == (["old"], None)
    quay = served.ask("GET", "/api/v1/repository/team/web/tag/?limit=1&page=3").json()
    assert ([t["manifest_digest"] for t in quay["tags"]], quay["has_additional"]) == ([first.digest], False)
    google = served.ask("GET", f"{WEB}/tags/list").json()["manifest"]
    assert {digest: entry["tag"] for digest, entry in google.items()} == {
        first.digest: ["old"],
        second.digest: ["new", "newest"],
    }
    assert int(google[second.digest]["timeUploadedMs"]) - int(google[first.digest]["timeUploadedMs"]) == 3_600_000
    assert serve().ask("GET", "/v2/repositories/team/web/tags/").status == 404
