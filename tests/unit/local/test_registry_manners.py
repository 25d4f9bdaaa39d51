"""Every toggle of a registry's manners, seen by a client that knows nothing of them (mirror 3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from longshore_local import image_shapes, images
from longshore_local.blobs import digest_of
from longshore_local.image_shapes import place
from longshore_local.manifests import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from longshore_local.registry import (
    DISTRIBUTION_MANNERS,
    DOCKER_HUB_MANNERS,
    ECR_MANNERS,
    ECR_PUBLIC_MANNERS,
    OPEN,
    SPEC_MANNERS,
    Auth,
    Manners,
    Registry,
)
from longshore_local.registry_memory import MemoryStore
from longshore_local.timeline import VirtualTimeline
from tests.registries_world import Asking

WEB = "/v2/team/web"
Serve = Callable[..., "Served"]


class Served(Asking):
    """A registry of a test, its store and its clock."""

    def __init__(self, registry: Registry, store: MemoryStore, timeline: VirtualTimeline) -> None:
        super().__init__(registry)
        self.front = registry
        self.store = store
        self.timeline = timeline

    def place(self, image: images.SyntheticImage, tag: str | None = "1.0", repository: str = "team/web") -> str:
        return place(self.store, repository, tag, image)

    def begin(self, query: str = "") -> str:
        answer = self.ask("POST", f"{WEB}/blobs/uploads/{query}")
        assert answer.status == 202
        return str(answer.headers["Location"])

    def upload(self, content: bytes) -> urllib3.BaseHTTPResponse:
        return self.finish(self.begin(), content, digest_of(content))

    def finish(self, location: str, content: bytes, digest: str) -> urllib3.BaseHTTPResponse:
        return self.ask("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", content)

    def put(self, image: images.SyntheticImage, reference: str = "2.0", **headers: str) -> urllib3.BaseHTTPResponse:
        told = {"Content_Type": image.media_type, **headers}
        return self.ask("PUT", f"{WEB}/manifests/{reference}", image.manifest, **told)

    def later(self, **time: int) -> None:
        self.timeline.advance_to(self.timeline.now() + timedelta(**time))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Makes registries: manners to start from, changes of them, and what the store is made with."""
    with ExitStack() as stack:
        timeline = VirtualTimeline()

        def make(
            manners: Manners = SPEC_MANNERS, auth: Auth = OPEN, store: MemoryStore | None = None, **changed: Any
        ) -> Served:
            kept = store or MemoryStore()
            stack.callback(kept.close)
            registry = Registry(kept, manners=replace(manners, **changed), auth=auth, now=timeline.now)
            served = Served(stack.enter_context(registry), kept, timeline)
            return stack.enter_context(served)

        yield make


def basic(user: str, password: str) -> str:
    return urllib3.make_headers(basic_auth=f"{user}:{password}")["authorization"]


# Uploads


def test_chunks_out_of_order_are_refused_or_appended(serve: Serve) -> None:
    for manner, status in (("checked", 416), ("ignored", 202)):
        served = serve(content_range=manner)
        location = served.begin()
        served.ask("PATCH", location, b"0123", Content_Range="0-3")
        assert served.ask("PATCH", location, b"9", Content_Range="9-9").status == status
        whole = b"0123" if status == 416 else b"01239"
        assert served.finish(location, b"", digest_of(whole)).status == 201


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"max_parts": 2}, "3 parts has more than 2"),
        ({"max_layer_bytes": 5}, "6 bytes is larger than 5"),
        ({"min_part_bytes": 3}, "2 bytes is smaller than 3"),
    ],
)
def test_quotas_of_an_upload_are_checked_when_it_is_completed(
    serve: Serve, changed: dict[str, int], problem: str
) -> None:
    served = serve(**changed)
    location = served.begin()
    for _ in range(2):
        assert served.ask("PATCH", location, b"ab").status == 202
    answer = served.finish(location, b"ab", digest_of(b"ababab"))
    assert answer.status == 400
    assert problem in answer.json()["errors"][0]["message"]
    assert served.ask("GET", location).status == 404


def test_long_bodies_and_bodies_without_a_length(serve: Serve) -> None:
    served = serve(max_body_bytes=10, require_length=True)
    assert served.finish(served.begin(), b"x" * 11, digest_of(b"x" * 11)).status == 413
    assert served.finish(served.begin(), b"x" * 10, digest_of(b"x" * 10)).status == 201
    answer = served.ask("PATCH", served.begin(), iter([b"in ", b"chunks"]))
    assert answer.status == 411


def test_a_closing_put_without_a_body_may_fail(serve: Serve) -> None:
    served = serve(empty_finish_status=500)
    location = served.begin()
    served.ask("PATCH", location, b"ab")
    assert served.finish(location, b"", digest_of(b"ab")).status == 500
    assert served.finish(location, b"c", digest_of(b"abc")).status == 201
    assert served.finish(served.begin(), b"", digest_of(b"")).status == 201


@pytest.mark.parametrize("location", ["absolute", "relative"])
def test_where_an_upload_goes_on(serve: Serve, location: str) -> None:
    served = serve(location=location)
    begun = served.begin()
    assert begun.startswith(served.registry.url if location == "absolute" else "/v2/")
    assert served.finish(begun, b"ab", digest_of(b"ab")).status == 201


def test_an_upload_on_another_host_wants_a_signature_and_no_credentials(serve: Serve) -> None:
    served = serve(auth=Auth("basic"), location="other-host")
    credentials = {"Authorization": basic("AWS", "x")}
    location = served.ask("POST", f"{WEB}/blobs/uploads/", **credentials).headers["Location"]
    assert urlsplit(location).hostname == "localhost"
    assert served.ask("PATCH", location, b"ab", **credentials).status == 400
    moved = served.ask("PATCH", location, b"ab").headers["Location"]
    assert served.ask("PATCH", moved.partition("?")[0], b"c").status == 401
    assert served.finish(moved, b"", digest_of(b"ab")).status == 201


@pytest.mark.parametrize("manner", ["refused", "ends"])
def test_a_location_with_state_is_good_for_one_request(serve: Serve, manner: str) -> None:
    served = serve(upload_state=manner)
    first = served.begin()
    second = served.ask("PATCH", first, b"ab").headers["Location"]
    assert "_state=" in second
    assert second != first
    assert served.ask("GET", second).headers["Range"] == "0-1"
    assert served.code("PATCH", first, b"ab") == (404, "BLOB_UPLOAD_INVALID")
    assert served.ask("GET", second).status == (204 if manner == "refused" else 404)


def test_an_upload_ends_when_it_is_too_old(serve: Serve) -> None:
    served = serve(upload_seconds=60)
    location = served.begin()
    served.later(seconds=59)
    assert served.ask("PATCH", location, b"ab").status == 202
    served.later(seconds=1)
    assert served.code("GET", location) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_bodies_past_a_number_are_reset(serve: Serve) -> None:
    served = serve(parallel_uploads=0)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        served.ask("PATCH", served.begin(), b"ab")
    served.front.manners = replace(served.front.manners, parallel_uploads=1)
    assert served.ask("PATCH", served.begin(), b"ab").status == 202


def test_mounts(serve: Serve) -> None:
    store = MemoryStore(mounts_referenced=True)
    served = serve(store=store, anonymous_mounts=False)
    image, loose = images.single("a"), b"loose"
    served.upload(loose)
    served.place(image, repository="team/base")
    digest = next(iter(image.blobs))
    post = f"/v2/team/api/blobs/uploads/?mount={digest}"
    assert served.ask("POST", post).status == 202
    assert served.ask("POST", f"{post}&from=team/none").status == 202
    assert served.ask("POST", f"{post}&from=team/base").status == 201
    assert served.ask("POST", f"/v2/team/api/blobs/uploads/?mount={digest_of(loose)}&from=team/web").status == 202
    served.front.manners = replace(served.front.manners, anonymous_mounts=True)
    assert served.ask("POST", post.replace("api", "more")).status == 201
    assert serve(mounts=False, store=store).ask("POST", f"{post}&from=team/base").status == 202


# Blobs


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


# Manifests


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


# Referrers and lists


def test_referrers_come_in_pages(serve: Serve) -> None:
    served = serve(referrers_page=2)
    image = images.single("a")
    served.place(image)
    attached = [served.place(one, None) for one in image_shapes.referrers_of(image, 5)]
    path, found = f"{WEB}/referrers/{image.digest}", []
    while path:
        answer = served.ask("GET", path)
        found += [entry["digest"] for entry in answer.json()["manifests"]]
        path = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == attached


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


# Repositories and credentials


def test_a_repository_that_has_to_exist(serve: Serve) -> None:
    served = serve(store=MemoryStore(create_on_push=False), cut_unknown_repository=True)
    image = images.single("a")
    assert served.code("POST", f"{WEB}/blobs/uploads/") == (404, "NAME_UNKNOWN")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        served.put(image)
    served.store.create("team/web")
    served.place(image)
    assert served.put(image).status == 201


def test_token_forms(serve: Serve) -> None:
    for members in ({"token"}, {"access_token"}, {"token", "expires_in"}):
        served = serve(auth=Auth("bearer", token_members=frozenset(members)))
        assert set(served.ask("GET", "/token?scope=repository:team/web:pull").json()) == members


def test_a_token_that_is_not_good_enough_is_told_so(serve: Serve) -> None:
    served = serve(auth=Auth("bearer", users={}))
    token = served.ask("GET", "/token?scope=repository:team/api:pull").json()["token"]
    told = [
        served.ask("GET", f"{WEB}/tags/list", Authorization=f"Bearer {text}").headers["WWW-Authenticate"]
        for text in (token, "made-up")
    ]
    assert told[0].endswith('scope="repository:team/web:pull",error="insufficient_scope"')
    assert told[1].endswith('error="invalid_token"')


def test_credentials_may_expire_while_the_registry_runs(serve: Serve) -> None:
    users = {"AWS": "first"}
    served = serve(auth=Auth("basic", users=users))
    assert served.ask("GET", "/v2/", Authorization=basic("AWS", "first")).status == 200
    users["AWS"] = "second"
    assert served.ask("GET", "/v2/", Authorization=basic("AWS", "first")).status == 401


# Limits and answers


@pytest.mark.parametrize(("status", "after"), [(429, None), (503, "1")])
def test_ten_manifests_a_second(serve: Serve, status: int, after: str | None) -> None:
    changed = {"rates": {"PUT manifest": 10}, "throttle_status": status, "throttle_retry_after": after}
    served = serve(ECR_MANNERS, **changed)
    image = images.single("a")
    served.place(image)
    assert [served.put(image).status for _ in range(10)] == [201] * 10
    throttled = served.put(image)
    assert (throttled.status, throttled.headers.get("Retry-After")) == (status, after)
    assert throttled.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert served.ask("GET", f"{WEB}/manifests/2.0").status == 200
    served.later(seconds=1)
    assert served.put(image).status == 201


def test_the_budget_of_docker_hub(serve: Serve) -> None:
    served = serve(DOCKER_HUB_MANNERS, manifest_gets=2, retry_after=None)
    served.place(images.single("a"))
    path = f"{WEB}/manifests/1.0"
    assert [served.ask(method, path).status for method in ("HEAD", "GET", "HEAD", "GET", "GET")] == [200] * 4 + [429]
    refused = served.ask("GET", path)
    assert refused.headers["docker-ratelimit-source"] == "192.0.2.1"
    assert refused.headers["ratelimit-remaining"] == "0;w=21600"
    assert "Retry-After" not in refused.headers
    assert served.front.tally.pulls == 2
    assert served.ask("HEAD", path).headers["ratelimit-remaining"] == "0;w=21600"


def test_the_overall_limit_of_docker_hub(serve: Serve) -> None:
    served = serve(requests_per_minute=2)
    answers = [served.ask("GET", "/v2/") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].data == b"Too Many Requests\n"
    served.later(minutes=1)
    assert served.ask("GET", "/v2/").status == 200


@pytest.mark.parametrize(
    ("form", "kind"), [("json", "application/json"), ("html", "text/html"), ("empty", "text/plain")]
)
def test_bodies_of_refusals(serve: Serve, form: str, kind: str) -> None:
    answer = serve(error_body=form).ask("GET", f"{WEB}/manifests/1.0")
    assert (answer.status, answer.headers["Content-Type"]) == (404, kind)
    if form == "json":
        assert json.loads(answer.data)["errors"][0]["code"] == "NAME_UNKNOWN"


def test_warnings(serve: Serve) -> None:
    answer = serve(warning="moves on Friday").ask("GET", "/v2/")
    assert answer.headers["Warning"] == '299 - "moves on Friday"'


def test_what_came_and_went_is_counted(serve: Serve) -> None:
    served = serve()
    served.upload(b"0123456789")
    served.ask("GET", f"{WEB}/blobs/{digest_of(b'0123456789')}", Range="bytes=0-3", Authorization="Basic eA==")
    tally = served.front.tally
    assert tally.requests == {"POST upload": 1, "PUT upload": 1, "GET blob": 1}
    assert (tally.uploaded, tally.downloaded) == (10, 4)
    assert [(record.kind, record.scheme) for record in tally.records][-1] == ("GET blob", "Basic")
    tally.clear()
    assert (tally.requests.total(), tally.uploaded, len(tally.records)) == (0, 0, 0)
