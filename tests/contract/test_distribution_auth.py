"""Who the client says it is, to whom, and how often it asks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.addresses import Reach
from longshore.errors import AccessDeniedError, UpstreamError
from longshore.mirror.errors import AddressError, ProtocolError, PutOffError
from longshore.registries.auth import Login
from longshore.registries.connect import Network, connect
from longshore_local import images
from longshore_local.loopback import LoopbackServer, Reply, Request
from longshore_local.manifests import parse_manifest
from longshore_local.registry import ECR_MANNERS, SPEC_MANNERS, Auth
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Instead
from tests.distribution import REPOSITORY, Stage, descriptor, stage
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.registries.client import DistributionRegistry

IMAGE = images.single("web")


def robot() -> Login:
    return Login("robot", "secret")


@pytest.fixture
def hub() -> Iterator[Stage]:
    with stage(SPEC_MANNERS, Auth("bearer", {"AWS": "test", "robot": "secret"}, token_seconds=300)) as made:
        for digest, content in IMAGE.blobs.items():
            assert made.put_blob(content).digest == digest
        made.store.put_manifest(REPOSITORY, "1.0", parse_manifest(IMAGE.manifest, IMAGE.media_type))
        yield made


class TestBasic:
    def test_a_challenge_is_answered_in_the_same_call(self) -> None:
        with stage(SPEC_MANNERS, Auth("basic", {"robot": "secret"})) as made:
            client = made.client("source", robot)
            assert client.head(REPOSITORY, "1.0") is None
            assert [record.scheme for record in made.registry.requests] == ["", "Basic"]
            assert client.head(REPOSITORY, "1.0") is None
            assert client.usage.total == 3

    def test_a_changed_password_is_asked_for_anew_in_the_same_call(self) -> None:
        with stage(SPEC_MANNERS, Auth("basic", {"robot": "secret"})) as made:
            passwords = ["old", "secret"]
            client = made.client("source", lambda: Login("robot", passwords.pop(0)))
            assert client.head(REPOSITORY, "1.0") is None
            assert passwords == []
            assert client.usage.total == 3

    def test_a_wrong_password_is_tried_no_more_than_it_must(self) -> None:
        with stage(SPEC_MANNERS, Auth("basic", {"robot": "secret"})) as made:
            asked: list[Login] = []

            def wrong() -> Login:
                asked.append(Login("robot", "wrong"))
                return asked[-1]

            client = made.client("source", wrong)
            for _ in range(5):
                with pytest.raises(AccessDeniedError, match="401"):
                    client.head(REPOSITORY, "1.0")
            assert len(asked) == 2  # of whoever keeps the secret: once more, not for every tag
            assert client.usage.total == 6

    def test_a_body_that_is_gone_is_not_sent_again(self) -> None:
        with stage(SPEC_MANNERS, Auth("basic", {"robot": "secret"})) as made:
            passwords = ["secret", "new"]
            client = made.client("destination", lambda: Login("robot", passwords.pop(0)))
            upload = client.upload(REPOSITORY)
            denied = Reply(401, b"", {"WWW-Authenticate": "Basic realm=x"})
            made.registry.script = Script(Rule("PUT upload", Instead(denied)))
            with pytest.raises(UpstreamError, match="credentials expired"):
                client.finish(upload, descriptor(b"abc"), iter([b"abc"]), 3)

    def test_nobody_is_told_it_without_tls(self) -> None:
        with LoopbackServer(lambda request: Reply(401, b"", {"WWW-Authenticate": "Basic realm=x"})) as server:
            port = server.url.rpartition(":")[2]
            with stage() as made:
                network = made.network(reach=Reach(private=frozenset({f"registry.example:{port}"})))
                network = replace(network, resolve=lambda host, port: ["127.0.0.1"])
                client = connect(f"registry.example:{port}", "source", network, robot)
                with pytest.raises(UpstreamError, match="cannot connect"):  # it is spoken to by TLS, or not at all
                    client.head(REPOSITORY, "1.0")

    def test_a_host_that_may_be_spoken_to_without_tls_leads_nowhere_else(self) -> None:
        seen: list[Request] = []

        def answer(request: Request) -> Reply:
            seen.append(request)
            if "authorization" not in request.headers:
                return Reply(401, b"", {"WWW-Authenticate": "Basic realm=x"})
            return Reply(307, b"", {"Location": f"http://other.example:{port}/v2/"})

        with LoopbackServer(answer) as server, stage() as made:
            port = server.url.rpartition(":")[2]
            here = f"registry.example:{port}"
            network = made.network(reach=Reach(private=frozenset({here}), plain=frozenset({here})))
            network = replace(network, resolve=lambda host, port: ["127.0.0.1"])
            client = connect(here, "source", network, robot)
            made.clients.append(client)
            with pytest.raises(AddressError, match="only https"):
                client.head(REPOSITORY, "1.0")
            assert [request.headers["host"] for request in seen] == [here, here]

    def test_who_the_registry_sends_on_to_gets_none(self) -> None:
        schemes: list[tuple[str, str]] = []

        def answer(request: Request) -> Reply:
            schemes.append((request.headers["host"].partition(":")[0], request.headers.get("authorization", "")[:5]))
            if request.headers["host"].startswith("localhost"):
                return Reply(401, b"", {"WWW-Authenticate": "Basic realm=x"})
            if "authorization" not in request.headers:
                return Reply(401, b"", {"WWW-Authenticate": "Basic realm=x"})
            return Reply(307, b"", {"Location": f"{server.url.replace('127.0.0.1', 'localhost')}/v2/"})

        with LoopbackServer(answer) as server, stage() as made:
            client = connect(server.url.removeprefix("http://"), "source", made.network(), robot)
            made.clients.append(client)
            with pytest.raises(AccessDeniedError):
                client.manifest(REPOSITORY, "1.0")
            assert schemes == [("127.0.0.1", ""), ("127.0.0.1", "Basic"), ("localhost", "")]


class TestBearer:
    def test_anonymous_pulls_need_one_token(self, hub: Stage) -> None:
        client = hub.client()
        for _ in range(3):
            assert client.manifest(REPOSITORY, "1.0").digest == IMAGE.digest
        assert dict(client.usage.requests) == {"GET manifest": 4, "GET token": 1}
        assert {record.scheme for record in hub.registry.requests if record.kind == "GET token"} == {""}

    def test_a_token_is_renewed_before_it_expires(self, hub: Stage) -> None:
        client = hub.client()
        client.manifest(REPOSITORY, "1.0")
        hub.clock.advance(239)
        client.manifest(REPOSITORY, "1.0")
        assert client.usage.requests["GET token"] == 1
        hub.clock.advance(2)
        client.manifest(REPOSITORY, "1.0")
        assert dict(client.usage.requests) == {"GET manifest": 4, "GET token": 2}

    def test_another_repository_needs_another_token_and_no_refusal(self, hub: Stage) -> None:
        client = hub.client()
        client.manifest(REPOSITORY, "1.0")
        assert client.head("other/place", "1.0") is None
        assert dict(client.usage.requests) == {"GET manifest": 2, "GET token": 2, "HEAD manifest": 1}

    def test_a_password_goes_to_the_realm_alone(self, hub: Stage) -> None:
        client = hub.client("destination", robot)
        assert client.has_blob(REPOSITORY, next(iter(IMAGE.blobs))) is True
        schemes = {(record.kind, record.scheme) for record in hub.registry.requests}
        assert schemes == {("HEAD blob", ""), ("HEAD blob", "Bearer"), ("GET token", "Basic")}

    def test_a_mount_asks_for_both_repositories(self, hub: Stage) -> None:
        client = hub.client("destination", robot)
        digest = hub.put_blob(b"shared", "other/place").digest
        assert client.mount(REPOSITORY, digest, "other/place") is None
        token = next(record.path for record in hub.registry.requests if record.kind == "GET token")
        assert "repository%3Ateam%2Fweb%3Apull%2Cpush" in token
        assert "repository%3Aother%2Fplace%3Apull" in token

    def test_a_wrong_password(self, hub: Stage) -> None:
        client = hub.client("destination", lambda: Login("robot", "wrong"))
        with pytest.raises(AccessDeniedError, match=r"destination .*/team/web:1\.0: .*GET token: 401") as caught:
            client.manifest(REPOSITORY, "1.0")
        assert "wrong" not in str(caught.value).replace("wrong user", "")

    def test_a_changed_password_is_asked_for_anew(self, hub: Stage) -> None:
        passwords = ["old", "secret"]
        client = hub.client("source", lambda: Login("robot", passwords.pop(0)))
        assert client.manifest(REPOSITORY, "1.0").digest == IMAGE.digest
        assert passwords == []

    def test_many_threads_ask_for_one_token(self, hub: Stage) -> None:
        client = hub.client()
        threads = [threading.Thread(target=client.manifest, args=(REPOSITORY, "1.0")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.usage.requests["GET token"] == 1


class TestEcr:
    def test_the_token_goes_along_at_once(self) -> None:
        asked: list[str] = []

        def looked(host: str, port: int) -> list[str]:
            asked.append(host)
            return ["10.0.0.7"]

        clock = FakeClock()
        network = replace(Network.of(clock), resolve=looked)
        client = connect("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "destination", network)
        assert client._transport._connections._reach.private >= {
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com",
        }
        assert client._authorizer._basic is False
        logged_in = connect("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "destination", network, robot)
        assert logged_in._authorizer.header(()) == Login("robot", "secret").basic

    def test_it_is_renewed_at_half_its_life_and_kept_when_that_fails(self) -> None:
        with stage(ECR_MANNERS, Auth("basic")) as made:
            made.push(IMAGE)
            asked: list[int] = []

            def logins() -> Login:
                asked.append(len(asked))
                if len(asked) in (2, 3):
                    raise UpstreamError("ECR is away")
                return Login("AWS", f"token {len(asked)}", made.clock.now() + timedelta(hours=12))

            client = made.client("destination", logins)
            for hours, calls in ((0, 1), (5.9, 1), (0.2, 2), (1, 3), (1, 4), (1, 4)):
                made.clock.advance(hours * 3_600)
                client.manifest(REPOSITORY, "1.0")
                assert len(asked) == calls

    def test_a_token_of_the_api(self) -> None:
        login = Login.ecr("QVdTOnRva2Vu", FakeClock().now())
        assert (login.username, login.password) == ("AWS", "token")
        assert "token" not in repr(login)
        with pytest.raises(ValueError, match="base64"):
            Login.ecr("\xff", FakeClock().now())


@dataclass
class Scripted:
    """A registry and a token server in one, whose token server answers as told."""

    url: str = ""
    challenge: str = ""
    token: Callable[[Request], Reply] = lambda request: Reply(200, b'{"token":"good"}')
    seen: list[Request] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        self.seen.append(request)
        if request.path.startswith("/token"):
            return self.token(request)
        if request.headers.get("authorization") == "Bearer good":
            return Reply(200, b'{"tags":["a"]}')
        return Reply(401, b"", {"WWW-Authenticate": self.challenge})


@contextmanager
def scripted() -> Iterator[tuple[Scripted, DistributionRegistry]]:
    script = Scripted()
    with LoopbackServer(script.answer) as server, stage() as made:
        script.url = server.url
        script.challenge = f'Bearer realm="{server.url}/token",service="registry"'
        client = connect(server.url.removeprefix("http://"), "source", made.network(), robot)
        made.clients.append(client)
        yield script, client


class TestTokenServers:
    @pytest.mark.parametrize("member", ["token", "access_token"])
    def test_either_member(self, member: str) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(200, json.dumps({member: "good", "expires_in": None}).encode())
            assert list(client.tags(REPOSITORY)) == ["a"]

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{}", b'{"token":1}', b'{"token":""}', b'{"token":"a\\r\\nX: y"}', b"<html>", b"[" * 50_000],
    )
    def test_what_is_no_token(self, body: bytes) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(200, body)
            with pytest.raises(ProtocolError, match=r"source .*: GET tags: .*token"):
                list(client.tags(REPOSITORY))

    def test_a_token_without_end(self) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(200, b" " * 2_000_000)
            with pytest.raises(ProtocolError, match="plenty"):
                list(client.tags(REPOSITORY))

    @pytest.mark.parametrize("expires", ["-1", "0", "1e999", '"soon"', "true", "99999999999999999999999", "[]"])
    def test_any_lifetime(self, expires: str) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(200, b'{"token":"good","expires_in":%s}' % expires.encode())
            assert list(client.tags(REPOSITORY)) == ["a"]

    @pytest.mark.parametrize("status", [500, 503, 502])
    def test_a_failing_one(self, status: int) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(status, b"oops")
            with pytest.raises(UpstreamError, match=rf"source .*team/web: GET tags: .*GET token: {status}"):
                list(client.tags(REPOSITORY))
            assert client.usage.requests["GET token"] == 4

    def test_a_throttling_one(self) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(429, b"", {"Retry-After": "300"})
            with pytest.raises(PutOffError):
                list(client.tags(REPOSITORY))

    def test_one_that_hangs_up(self) -> None:
        with scripted() as (script, client):
            script.token = lambda request: Reply(fate="reset")
            with pytest.raises(UpstreamError, match="GET token"):
                list(client.tags(REPOSITORY))

    @pytest.mark.parametrize(
        "realm",
        ["http://169.254.169.254/latest", "http://10.0.0.1/token", "ftp://x/", "http://a@127.0.0.1/", "http://[::1"],
    )
    def test_one_where_nobody_may_go(self, realm: str) -> None:
        with scripted() as (script, client):
            script.challenge = f'Bearer realm="{realm}",service="registry"'
            with pytest.raises(AddressError, match=r"source .*team/web: GET tags"):
                list(client.tags(REPOSITORY))
            assert not any(request.path.startswith("/token") for request in script.seen)

    def test_one_that_points_elsewhere_gets_no_password_there(self) -> None:
        with scripted() as (script, client):
            elsewhere = script.url.replace("127.0.0.1", "localhost")
            replies = iter([Reply(307, b"", {"Location": f"{elsewhere}/token"}), Reply(200, b'{"token":"good"}')])
            script.token = lambda request: next(replies)
            assert list(client.tags(REPOSITORY)) == ["a"]
            tokens = [request for request in script.seen if request.path.startswith("/token")]
            assert ["authorization" in request.headers for request in tokens] == [True, False]

    def test_a_token_that_does_not_help_is_asked_for_once_more_only(self) -> None:
        with scripted() as (script, client):
            script.challenge += ',scope="repository:team/web:pull,pull"'
            script.token = lambda request: Reply(200, b'{"token":"bad"}')
            with pytest.raises(AccessDeniedError, match="401"):
                list(client.tags(REPOSITORY))
            with pytest.raises(AccessDeniedError, match="401"):
                list(client.tags(REPOSITORY))
            assert client.usage.requests["GET token"] == 2
            assert "scope=repository%3Ateam%2Fweb%3Apull%2Cpull&scope=" in script.seen[-3].path

    def test_a_token_that_does_not_suffice_is_widened_in_the_same_call(self) -> None:
        with scripted() as (script, client):
            script.challenge += ',scope="repository:team/web:pull repository:team/base:pull",error="insufficient_scope"'
            script.token = lambda request: Reply(
                200, b'{"token":"good"}' if "team%2Fbase" in request.path else b'{"token":"narrow"}'
            )
            assert list(client.tags(REPOSITORY)) == ["a"]
            wide = script.seen[-2].path
            assert wide.index("team%2Fweb%3Apull") < wide.index("team%2Fbase%3Apull")
            assert client.usage.requests["GET token"] == 2

    def test_a_scope_for_everything(self) -> None:
        with scripted() as (script, client):
            script.challenge += ',scope="aws"'
            for repository in (REPOSITORY, "other/place"):
                assert list(client.tags(repository)) == ["a"]
            assert client.usage.requests["GET token"] == 1
            assert script.seen[1].path == "/token?service=registry&scope=aws"

    @pytest.mark.parametrize(
        "challenge", ["", "Bearer", 'Bearer realm=""', "Negotiate abc==", "Digest realm=x", "\x01"]
    )
    def test_what_cannot_be_answered(self, challenge: str) -> None:
        with scripted() as (script, client):
            script.challenge = challenge
            with pytest.raises(AccessDeniedError, match="401"):
                list(client.tags(REPOSITORY))
