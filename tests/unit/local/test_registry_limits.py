"""Credentials, limits and the forms of refusals, seen by a client that knows nothing of them (mirror 3)."""

from __future__ import annotations

import json

import pytest
import urllib3

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.registry import (
    DOCKER_HUB_MANNERS,
    ECR_MANNERS,
    Auth,
)
from longshore_local.registry_memory import MemoryStore
from tests.served_registry import WEB, Serve, basic


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


def test_the_window_of_a_budget(serve: Serve) -> None:
    served = serve(DOCKER_HUB_MANNERS, manifest_gets=1, window_seconds=60)
    served.place(images.single("a"))
    path = f"{WEB}/manifests/1.0"
    assert [served.ask("GET", path).status for _ in range(2)] == [200, 429]
    served.later(seconds=60)
    assert served.ask("GET", path).headers["ratelimit-remaining"] == "0;w=60"


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
