"""Rules of mirror 3 and 4 that no other test of the client shows, by their number there; what a registry may do else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from longshore.addresses import Reach
from longshore.errors import AccessDeniedError, GoneError, ThrottledError, UnsupportedError, UpstreamError
from longshore.manifests import ACCEPT, Manifest
from longshore.mirror.errors import (
    ImmutableTagError,
    IntegrityError,
    MissingError,
    RefusedError,
    RepositoryGoneError,
    UploadLostError,
)
from longshore.registries.auth import Login
from longshore.registries.connect import Network, connect
from longshore_local import images
from longshore_local.loopback import LoopbackServer, Reply, Request
from longshore_local.registry import DISTRIBUTION_MANNERS, DOCKER_HUB_MANNERS, ECR_MANNERS, SPEC_MANNERS
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import Instead, Lie
from longshore_local.registry_memory import MemoryStore
from tests.distribution import REPOSITORY, Stage, descriptor, stage
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from longshore.registries.client import DistributionRegistry

IMAGE = images.single("web")
INDEX = images.multi_platform("web")
DIGEST = "sha256:" + "0" * 64


@contextmanager
def noted(answer: Callable[[Request], Reply]) -> Iterator[tuple[DistributionRegistry, list[Request]]]:
    """A registry that answers as told, and what it was asked."""
    seen: list[Request] = []

    def note(request: Request) -> Reply:
        seen.append(request)
        return answer(request)

    with LoopbackServer(note) as server, stage() as made:
        client = connect(server.url.removeprefix("http://"), "destination", made.network())
        made.clients.append(client)
        yield client, seen


def served(**headers: str) -> Callable[[Request], Reply]:
    """The image's manifest, with these headers."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: Reply(200, IMAGE.manifest, {"Content-Type": IMAGE.media_type, **told})


class TestPull:
    def test_1_every_type_is_accepted_always(self) -> None:
        with noted(served()) as (client, seen):
            client.manifest(REPOSITORY, "1.0")
            client.manifest(REPOSITORY, IMAGE.digest)
            client.head(REPOSITORY, "1.0")
            assert {request.headers["accept"] for request in seen} == {ACCEPT}
            assert "manifest.v1+prettyjws" not in ACCEPT  # schema 1 could not be copied byte for byte

    @pytest.mark.parametrize("accept", ["converted", "strict"])
    @pytest.mark.parametrize("docker", [True, False])
    def test_1_so_nothing_is_converted(self, accept: Any, docker: bool) -> None:
        image = images.single("either", docker=docker)
        with stage(replace(ECR_MANNERS, accept=accept)) as made:
            made.push(image)
            assert made.client().manifest(REPOSITORY, "1.0").content == image.manifest
            head = made.client().head(REPOSITORY, "1.0")
            assert head is not None
            assert head.digest == image.digest

    @pytest.mark.parametrize("suffix", ["; charset=utf-8", ";charset=UTF-8", " "])
    def test_2_parameters_of_a_type_mean_nothing(self, suffix: str) -> None:
        with noted(served(Content_Type=f"{IMAGE.media_type}{suffix}")) as (client, _):
            assert client.manifest(REPOSITORY, "1.0").media_type == IMAGE.media_type

    def test_4_a_digest_of_another_algorithm_must_match_too(self) -> None:
        right = "sha512:" + hashlib.sha512(IMAGE.manifest).hexdigest()
        with noted(served(Docker_Content_Digest=right)) as (client, _):
            assert client.manifest(REPOSITORY, IMAGE.digest).digest == IMAGE.digest
        with (
            noted(served(Docker_Content_Digest="sha512:" + "0" * 128)) as (client, _),
            pytest.raises(IntegrityError, match=r"destination .*GET manifest"),
        ):
            client.manifest(REPOSITORY, IMAGE.digest)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_33_every_redirect_of_a_blob_is_followed_without_credentials(self, status: int) -> None:
        with stage(replace(ECR_MANNERS, redirect_status=status)) as made:
            blob = made.put_blob(b"layer")
            with made.client().blob(REPOSITORY, blob) as reader:
                assert b"".join(map(bytes, reader)) == b"layer"

    def test_a_head_that_is_sent_to_a_bucket_which_knows_none(self) -> None:
        """Signed addresses are for GET: the bucket's 403 says nothing of the blob."""

        def answer(request: Request) -> Reply:
            if request.path.startswith("/bucket"):
                return Reply(403, b"<Error>SignatureDoesNotMatch</Error>")
            missing = request.path.endswith("1" * 64)
            return (
                Reply(404, b"{}") if missing and request.method == "GET" else Reply(307, b"", {"Location": "/bucket"})
            )

        with noted(answer) as (client, seen):
            assert client.has_blob(REPOSITORY, DIGEST) is True
            assert client.has_blob(REPOSITORY, "sha256:" + "1" * 64) is False
            assert [request.path for request in seen].count("/bucket") == 1


class TestPush:
    def test_8_an_index_before_its_children_is_told_with_their_digests(self) -> None:
        with stage(ECR_MANNERS) as made:
            made.store.create(REPOSITORY)
            index = Manifest.parse(INDEX.manifest, INDEX.media_type)
            with pytest.raises(MissingError) as caught:
                made.client("destination").put_manifest(REPOSITORY, index, ("1.0",))
            assert set(caught.value.digests) == {child.digest for child in INDEX.children}

    def test_10_an_upload_begins_with_an_empty_body_of_a_told_length(self) -> None:
        location = {"Location": "/v2/team/web/blobs/uploads/1?_state=a%2Fb"}
        with noted(lambda request: Reply(202 if request.method == "POST" else 201, b"", location)) as (client, seen):
            client.finish(client.upload(REPOSITORY), descriptor(b"abc"), [b"abc"], 3)
            begun, finished = seen
            assert begun.headers["content-length"] == "0"
            assert finished.path == f"/v2/team/web/blobs/uploads/1?_state=a%2Fb&digest={descriptor(b'abc').digest}"
            assert "transfer-encoding" not in finished.headers

    def test_13_and_14_chunks_say_where_they_are_and_go_where_they_are_told(self) -> None:
        asked: list[str] = []

        def answer(request: Request) -> Reply:
            asked.append(f"{request.method} {request.path} {request.headers.get('content-range', '')}".strip())
            status = {"POST": 202, "PATCH": 202, "PUT": 201}[request.method]
            return Reply(status, b"", {"Location": f"/at/{len(asked)}"})

        with noted(answer) as (client, seen):
            upload = client.append(client.upload(REPOSITORY), [b"abc"], 3)
            upload = client.append(upload, [b"def"], 3)
            client.finish(upload, descriptor(b"abcdefg"), [b"g"], 1)
            assert asked[1:] == [
                "PATCH /at/1 0-2",
                "PATCH /at/2 3-5",
                f"PUT /at/3?digest={descriptor(b'abcdefg').digest} 6-6",
            ]
            assert {request.headers["content-type"] for request in seen[1:]} == {"application/octet-stream"}

    @pytest.mark.parametrize("state", ["refused", "ends"])
    def test_14_the_state_in_the_query_is_kept(self, state: Any) -> None:
        content = bytes(3000)
        with stage(replace(DISTRIBUTION_MANNERS, upload_state=state)) as made:
            client = made.client("destination")
            upload = client.upload(REPOSITORY)
            for first in (0, 1000):
                upload = client.append(upload, [content[first : first + 1000]], 1000)
            client.finish(upload, descriptor(content), [content[2000:]], 1000)
            assert made.blob(descriptor(content).digest) == content

    def test_a_session_that_is_too_old_is_lost(self) -> None:
        with stage(replace(ECR_MANNERS, upload_seconds=3_600)) as made:
            client = made.client("destination")
            upload = client.upload(REPOSITORY)
            made.clock.advance(3_601)
            with pytest.raises(UploadLostError):
                client.resume(upload)

    @pytest.mark.parametrize("status", [404, 405, 500])
    def test_20_nobody_minds_an_upload_that_cannot_be_ended(self, status: int) -> None:
        with stage() as made:
            client = made.client("destination")
            upload = client.upload(REPOSITORY)
            made.registry.script = Script(Rule("DELETE upload", Instead(Reply(status, b"")), None))
            client.cancel(upload)

    @pytest.mark.parametrize("status", [414, 431, 400])
    def test_24_tags_go_one_by_one_where_the_address_is_too_long(self, status: int) -> None:
        tags = [f"1.{minor}" for minor in range(3)]
        with stage(replace(SPEC_MANNERS, tag_parameters=10)) as made:
            manifest = made.push(IMAGE)
            made.registry.script = Script(Rule("PUT manifest", Instead(Reply(status, b"")), path="?tag="))
            made.client("destination").put_manifest(REPOSITORY, manifest, tags)
            assert set(made.store.tags(REPOSITORY)) >= set(tags)

    @pytest.mark.parametrize("status", [401, 403, 404, 405])
    def test_24_tags_go_one_by_one_where_no_query_is_allowed(self, status: int) -> None:
        tags = [f"1.{minor}" for minor in range(3)]
        body = json.dumps({"errors": [{"code": "UNSUPPORTED", "message": "no query here"}]}).encode()
        with stage(replace(SPEC_MANNERS, tag_parameters=10)) as made:
            manifest = made.push(IMAGE)
            made.registry.script = Script(Rule("PUT manifest", Instead(Reply(status, body)), None, path="?tag="))
            client = made.client("destination")
            client.put_manifest(REPOSITORY, manifest, tags)
            assert set(made.store.tags(REPOSITORY)) >= set(tags)
            made.registry.tally.requests.clear()
            client.put_manifest(REPOSITORY, manifest, tags)
            assert made.registry.tally.requests["PUT manifest"] == 3  # it is remembered

    @pytest.mark.parametrize(
        "message",
        [
            "The image tag '1.0' already exists in the 'team/web' repository and cannot be overwritten because the "
            "repository is immutable.",
            "The image tag '1.0' already exists in the 'team/web' repository and cannot be overwritten because the tag "
            "is immutable.",
        ],
    )
    def test_an_immutable_tag_in_either_of_ecr_s_texts(self, message: str) -> None:
        body = f'{{"errors":[{{"code":"TAG_INVALID","message":"{message}"}}]}}'.encode()
        manifest = Manifest.parse(IMAGE.manifest, IMAGE.media_type)
        with noted(lambda request: Reply(400, body)) as (client, _), pytest.raises(ImmutableTagError):
            client.put_manifest(REPOSITORY, manifest, ("1.0",))

    @pytest.mark.parametrize(
        "message", ["The repository has reached its limit of images", "Quota exceeded", "maximum number of images"]
    )
    def test_a_full_repository_is_no_wrong_password(self, message: str) -> None:
        body = f'{{"errors":[{{"code":"DENIED","message":"{message}"}}]}}'.encode()
        manifest = Manifest.parse(IMAGE.manifest, IMAGE.media_type)
        with noted(lambda request: Reply(403, body)) as (client, _), pytest.raises(RefusedError, match="403"):
            client.put_manifest(REPOSITORY, manifest, ("1.0",))

    def test_artifacts_that_a_registry_does_not_take(self) -> None:
        sbom = images.artifact("sbom", "application/spdx+json", subject=IMAGE)
        with stage() as source, stage(replace(ECR_MANNERS, artifacts=False)) as made:
            made.push(IMAGE)
            manifest = source.push(sbom, None)
            for content in sbom.blobs.values():
                made.put_blob(content)
            with pytest.raises(UnsupportedError, match="405"):
                made.client("destination").put_manifest(REPOSITORY, manifest)

    @pytest.mark.parametrize("cut", [False, True])
    def test_a_repository_that_is_not_there(self, cut: bool) -> None:
        """ECR cuts the connection when a body is on its way; the POST before it has told why."""
        manners = replace(ECR_MANNERS, cut_unknown_repository=cut)
        with stage(manners, store=MemoryStore(create_on_push=False)) as made:
            client = made.client("destination")
            with pytest.raises(RepositoryGoneError):
                client.upload(REPOSITORY)
            with pytest.raises((RepositoryGoneError, UpstreamError)):
                client.put_manifest(REPOSITORY, Manifest.parse(IMAGE.manifest, IMAGE.media_type), ("1.0",))


class TestReferrers:
    def test_26_an_empty_list_is_an_answer(self) -> None:
        with stage(ECR_MANNERS) as made:
            made.push(IMAGE)
            client = made.client()
            assert client.referrers(REPOSITORY, IMAGE.digest) == ()
            assert dict(client.usage.requests) == {"GET referrers": 1}

    @pytest.mark.parametrize("status", [404, 405, 501])
    def test_26_an_api_that_is_not_there_is_asked_once(self, status: int) -> None:
        with stage(replace(SPEC_MANNERS, referrers=False, no_referrers_status=status)) as made:
            made.push(IMAGE)
            client = made.client()
            for _ in range(3):
                assert client.referrers(REPOSITORY, IMAGE.digest, ()) == ()
            assert dict(client.usage.requests) == {"GET referrers": 1}

    def test_26_the_fallback_tag_of_sha512_is_cut(self) -> None:
        digest = "sha512:" + "a" * 128
        with noted(lambda request: Reply(404, b"")) as (client, seen):
            assert client.referrers(REPOSITORY, digest) == ()
            assert seen[-1].path == f"/v2/{REPOSITORY}/manifests/sha512-{'a' * 64}"


class TestErrors:
    @pytest.mark.parametrize("body", ["json", "html", "empty"])
    def test_30_any_body_will_do(self, body: Any) -> None:
        with stage(replace(SPEC_MANNERS, error_body=body)) as made:
            made.push(IMAGE)
            with pytest.raises(GoneError, match=r"source .*team/web:2\.0: GET manifest: 404"):
                made.client().manifest(REPOSITORY, "2.0")

    @pytest.mark.parametrize("status", [429, 503])
    def test_30_throttling_is_waited_for(self, status: int) -> None:
        manners = replace(SPEC_MANNERS, rates={"GET manifest": 1}, throttle_status=status, throttle_retry_after="1")
        with stage(manners) as made:
            made.push(IMAGE)
            client = made.client()
            for _ in range(3):
                assert client.manifest(REPOSITORY, "1.0").digest == IMAGE.digest
            assert made.waits == [1.0, 1.0]

    def test_30_docker_hub_s_other_limit_is_a_plain_text(self) -> None:
        with stage(replace(DOCKER_HUB_MANNERS, requests_per_minute=2)) as made:
            client = made.client()
            for _ in range(2):
                client.head(REPOSITORY, "1.0")
            with pytest.raises(ThrottledError, match="429"):
                client.head(REPOSITORY, "1.0")

    def test_32_a_warning_never_changes_anything(self) -> None:
        with stage() as made:
            made.push(IMAGE)
            made.registry.script = Script(Rule("HEAD manifest", Lie({"Warning": '110 - "stale", 299 - "a \\"b\\""'})))
            client = made.client()
            head = client.head(REPOSITORY, "1.0")
            assert head is not None
            assert head.digest == IMAGE.digest
            assert client.warnings == ('a "b"',)


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
        "123456789012.dkr-ecr.eu-west-1.on.aws",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
    ],
)
def test_every_name_of_ecr_gets_its_token_at_once(host: str) -> None:
    clock = FakeClock()
    client = connect(host, "destination", Network.of(clock, reach=Reach()), lambda: Login("AWS", "token"))
    assert client._authorizer.header(()) == Login("AWS", "token").basic


def test_elsewhere_nobody_is_told_who_did_not_ask(plain: Stage) -> None:
    client = plain.client("destination", lambda: Login("robot", "secret"))
    assert client.head(REPOSITORY, "1.0") is None
    assert [record.scheme for record in plain.registry.requests] == [""]


@pytest.fixture
def plain() -> Iterator[Stage]:
    with stage() as made:
        yield made


def test_a_denied_token_names_the_side() -> None:
    with stage() as made:
        made.registry.script = Script(Rule("HEAD manifest", Instead(Reply(403, b"denied")), None))
        with pytest.raises(AccessDeniedError, match=r"^source 127\.0\.0\.1:\d+/team/web:1\.0: HEAD manifest: 403"):
            made.client().head(REPOSITORY, "1.0")
