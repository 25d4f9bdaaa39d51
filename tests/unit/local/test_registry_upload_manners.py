"""Manners of uploads, seen by a client that knows nothing of them (mirror 3)."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import urllib3

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.registry import (
    Auth,
)
from longshore_local.registry_memory import MemoryStore
from tests.served_registry import WEB, Serve, basic


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
