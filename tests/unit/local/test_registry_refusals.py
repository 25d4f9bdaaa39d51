"""What registries answer instead: endless lists, redirects to anywhere, every form of later, broken tokens."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import urllib3

from longshore_local.image_shapes import schema_1
from longshore_local.loopback import Reply
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import (
    EndlessPages,
    Instead,
)
from longshore_local.registry_refusals import PRIVATE_URLS, challenge, rate_limits, redirect, token_failures
from tests.served_registry import BLOB, CONTENT, DIGEST, registry_with_blob, strike

if TYPE_CHECKING:
    from longshore_local.registry import Registry
    from tests.registries_world import Asking

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("looping", [True, False])
@pytest.mark.parametrize("member", ["tags", "manifests"])
def test_pages_without_an_end(registry: Registry, client: Asking, member: str, looping: bool) -> None:
    strike(registry, "GET *", EndlessPages(member, looping=looping))  # type: ignore[arg-type]
    path, pages = "/v2/team/web/tags/list", []
    for _ in range(20):
        answer = client.ask("GET", path)
        pages.append(str(answer.json()[member]))
        path = answer.headers["Link"].partition(">")[0].removeprefix("<")
    assert len(set(pages)) == (1 if looping else 20)


def test_redirects_and_challenges_to_anywhere(registry: Registry, client: Asking) -> None:
    for url in PRIVATE_URLS:
        registry.script = Script(Rule("GET blob", redirect(url)), Rule("GET tags", challenge(f"{url}token")))
        assert client.ask("GET", BLOB).headers["Location"] == url
        told = client.ask("GET", "/v2/team/web/tags/list")
        assert (told.status, told.headers["WWW-Authenticate"].partition('realm="')[2].startswith(url)) == (401, True)


def test_credentials_that_follow_a_redirect_are_seen_where_they_arrive(registry: Registry, client: Asking) -> None:
    with registry_with_blob() as elsewhere:
        registry.script = Script(Rule("GET blob", redirect(elsewhere.url + BLOB)))
        away = client.ask("GET", BLOB, Authorization="Basic eDp5").headers["Location"]
        for told in ({}, {"Authorization": "Basic eDp5"}):
            assert client.ask("GET", away, **told).data == CONTENT
        assert [record.scheme for record in elsewhere.requests] == ["", "Basic"]


def test_every_form_of_later(registry: Registry, client: Asking) -> None:
    forms = rate_limits(NOW, 30)
    registry.script = Script(*(Rule("HEAD manifest", form) for form in forms.values()))
    answers = {name: client.ask("HEAD", "/v2/team/web/manifests/1.0") for name in forms}
    assert {name for name, answer in answers.items() if answer.status == 503} == {"unavailable", "unavailable-html"}
    assert {answer.status for answer in answers.values()} == {429, 503}
    after = {name: answer.headers.get("Retry-After") for name, answer in answers.items()}
    assert (after["seconds"], after["absent"], after["garbage"]) == ("30", None, "soon")
    assert (parsedate_to_datetime(str(after["date"])) - NOW).seconds == 30
    assert answers["docker-hub"].headers["ratelimit-remaining"] == "0;w=21600"
    assert registry.script.finished


@pytest.mark.parametrize("name", token_failures())
def test_token_servers_fail(registry: Registry, client: Asking, name: str) -> None:
    strike(registry, "GET token", token_failures()[name])
    if name == "reset":
        with pytest.raises(urllib3.exceptions.ProtocolError):
            client.ask("GET", "/token")
        return
    answer = client.ask("GET", "/token?scope=repository:team/web:pull")
    usable = answer.status == 200 and answer.headers.get("Content-Type") == "application/json"
    assert usable == (name in ("cut-json", "no-token", "empty-token", "number", "list", "line-break"))


def test_a_manifest_of_the_first_schema(registry: Registry, client: Asking) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    strike(registry, "GET manifest", Instead(Reply(200, schema_1("old"), {"Content-Type": kind})))
    assert client.ask("GET", "/v2/team/web/manifests/1").json()["schemaVersion"] == 1


def test_a_script_strikes_who_it_says_as_often_as_it_says(registry: Registry, client: Asking) -> None:
    registry.script = Script(
        Rule("GET blob", Instead(Reply(500)), times=2, skip=1), Rule("* blob", Instead(Reply(502)), path=DIGEST[-9:])
    )
    assert [client.ask("GET", BLOB).status for _ in range(5)] == [502, 500, 500, 200, 200]
    assert registry.script.struck == [("GET blob", BLOB)] * 3
    assert registry.script.finished
    assert client.ask("GET", "/v2/").status == 200
    registry.script = Script(Rule("GET blob", Instead(Reply(500)), path="elsewhere"))
    assert client.ask("GET", BLOB).status == 200
    assert not registry.script.finished
