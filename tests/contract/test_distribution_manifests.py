"""Manifests, tags and referrers through the client, on registries of every manner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pytest

from longshore.errors import AccessDeniedError, GoneError, UnsupportedError, UpstreamError
from longshore.manifests import Manifest
from longshore.mirror.errors import (
    ImmutableTagError,
    IntegrityError,
    MissingError,
    ProtocolError,
    PutOffError,
    RefusedError,
    RepositoryGoneError,
)
from longshore.mirror.ports import RateLimit
from longshore.mirror.referrers import fallback_tag, with_referrer
from longshore_local import images
from longshore_local.loopback import Reply
from longshore_local.registry import (
    DISTRIBUTION_MANNERS,
    DOCKER_HUB_MANNERS,
    ECR_MANNERS,
    ECR_PUBLIC_MANNERS,
    SPEC_MANNERS,
    Manners,
)
from longshore_local.registry_faults import Fault, Rule, Script
from longshore_local.registry_hostile import (
    PLACES,
    CutAnswer,
    Damage,
    EndlessPages,
    Instead,
    Lengthen,
    Lie,
    Place,
    Shorten,
)
from longshore_local.registry_memory import MemoryStore
from tests.distribution import REPOSITORY, Stage, stage

EVERY = {
    "ecr": ECR_MANNERS,
    "ecr-public": ECR_PUBLIC_MANNERS,
    "spec": SPEC_MANNERS,
    "distribution": DISTRIBUTION_MANNERS,
    "hub": DOCKER_HUB_MANNERS,
}
IMAGE = images.single("web")
INDEX = images.multi_platform("web")


@pytest.fixture(params=list(EVERY.values()), ids=list(EVERY))
def everywhere(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with stage(request.param) as made:
        yield made


@pytest.fixture
def plain() -> Iterator[Stage]:
    with stage() as made:
        yield made


class TestReading:
    def test_a_manifest_comes_byte_for_byte(self, everywhere: Stage) -> None:
        everywhere.push(INDEX)
        manifest = everywhere.client().manifest(REPOSITORY, "1.0")
        assert manifest.content == INDEX.manifest
        assert manifest.digest == INDEX.digest
        assert [child.digest for child in manifest.children] == [child.digest for child in INDEX.children]

    def test_a_head_is_one_request_and_no_pull(self, everywhere: Stage) -> None:
        everywhere.push(INDEX)
        client = everywhere.client()
        head = client.head(REPOSITORY, "1.0")
        assert head is not None
        assert (head.digest, head.media_type, head.size) == (INDEX.digest, INDEX.media_type, len(INDEX.manifest))
        assert dict(client.usage.requests) == {"HEAD manifest": 1}
        assert everywhere.registry.tally.pulls == 0

    @pytest.mark.parametrize(
        "manners",
        [
            replace(SPEC_MANNERS, digest_header="get"),
            replace(SPEC_MANNERS, digest_header="never"),
            replace(SPEC_MANNERS, head_manifest_status=405),
        ],
    )
    def test_a_head_that_tells_nothing_is_made_good(self, manners: Manners) -> None:
        with stage(manners) as made:
            made.push(IMAGE)
            head = made.client().head(REPOSITORY, "1.0")
            assert head is not None
            assert head.digest == IMAGE.digest

    def test_large_manifests_come_without_a_length(self) -> None:
        with stage(replace(ECR_MANNERS, chunked_manifests_over=10)) as made:
            made.push(IMAGE)
            client = made.client()
            head = client.head(REPOSITORY, IMAGE.digest)
            assert head is not None
            assert head.size is None
            assert client.manifest(REPOSITORY, "1.0").content == IMAGE.manifest

    def test_what_is_not_there(self, everywhere: Stage) -> None:
        everywhere.push(IMAGE)
        client = everywhere.client()
        assert client.head(REPOSITORY, "2.0") is None
        assert client.head("no/such", "1.0") is None
        with pytest.raises(
            GoneError, match=r"source 127\.0\.0\.1:\d+/team/web:2\.0: GET manifest: 404 MANIFEST_UNKNOWN"
        ):
            client.manifest(REPOSITORY, "2.0")
        with pytest.raises(RepositoryGoneError, match="no/such"):
            client.manifest("no/such", "1.0")

    @pytest.mark.parametrize("reference", ["", "../../x", "a b", "sha256:abc", "a?b=c", "x" * 129])
    def test_what_is_no_reference_is_never_asked_for(self, plain: Stage, reference: str) -> None:
        client = plain.client()
        with pytest.raises(RefusedError, match="neither tag nor digest"):
            client.manifest(REPOSITORY, reference)
        with pytest.raises(RefusedError, match="no repository name"):
            client.head(f"a/../{reference}", "1.0")
        assert client.usage.total == 0

    def test_the_budget_is_read_from_a_head(self) -> None:
        with stage(DOCKER_HUB_MANNERS) as made:
            made.push(IMAGE)
            client = made.client()
            client.head(REPOSITORY, "1.0")
            asked = made.clock.now()
            made.clock.advance(3600)
            assert client.rate == RateLimit(100, 100, 21_600, "192.0.2.1", asked)

    def test_a_spent_budget_puts_off_at_once(self) -> None:
        with stage(replace(DOCKER_HUB_MANNERS, manifest_gets=1, retry_after=None)) as made:
            made.push(IMAGE)
            client = made.client()
            client.manifest(REPOSITORY, "1.0")
            with pytest.raises(PutOffError) as caught:
                client.manifest(REPOSITORY, "1.0")
            assert made.waits == []
            assert (caught.value.until - made.clock.now()).total_seconds() == caught.value.retry_after == 900

    def test_warnings_are_kept_once(self) -> None:
        with stage(replace(SPEC_MANNERS, warning="this registry is going away")) as made:
            made.push(IMAGE)
            client = made.client()
            for _ in range(2):
                client.head(REPOSITORY, "1.0")
            assert client.warnings == ("this registry is going away",)


class TestLies:
    @pytest.mark.parametrize("fault", [Damage(5), Damage(-1), Shorten(1, honest=True), Lengthen(3, honest=True)])
    @pytest.mark.parametrize("reference", ["1.0", IMAGE.digest])
    def test_other_bytes_are_refused(self, plain: Stage, fault: Fault, reference: str) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(Rule("GET manifest", fault, times=None))
        with pytest.raises(IntegrityError, match="team/web"):
            plain.client().manifest(REPOSITORY, reference)

    def test_another_digest_for_the_one_asked_for(self, plain: Stage) -> None:
        plain.push(IMAGE)
        lie = Lie({"Docker-Content-Digest": "sha256:" + "0" * 64})
        plain.registry.script = Script(Rule("HEAD manifest", lie, times=None))
        with pytest.raises(IntegrityError, match="the registry says it is sha256:0000"):
            plain.client().head(REPOSITORY, IMAGE.digest)

    def test_a_type_that_the_body_denies(self, plain: Stage) -> None:
        plain.push(IMAGE)
        lie = Lie({"Content-Type": INDEX.media_type})
        plain.registry.script = Script(Rule("GET manifest", lie))
        with pytest.raises(IntegrityError, match="served as"):
            plain.client().manifest(REPOSITORY, "1.0")

    def test_a_manifest_without_end(self, plain: Stage) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(Rule("GET manifest", Instead(Reply(200, b" " * (5 * 1024 * 1024)))))
        with pytest.raises(ProtocolError, match="plenty"):
            plain.client().manifest(REPOSITORY, "1.0")

    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("reset", [True, False])
    def test_a_cut_answer_is_asked_for_again(self, plain: Stage, place: Place, reset: bool) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(Rule("GET manifest", CutAnswer(place, reset=reset), times=2))
        assert plain.client().manifest(REPOSITORY, "1.0").content == IMAGE.manifest

    @pytest.mark.parametrize("place", PLACES)
    def test_and_given_up_in_the_end(self, plain: Stage, place: Place) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(Rule("GET manifest", CutAnswer(place), times=None))
        with pytest.raises(UpstreamError, match=r"source .*/team/web:1\.0: GET manifest"):
            plain.client().manifest(REPOSITORY, "1.0")
        assert plain.waits == [0.5, 1.0, 2.0]

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_a_failing_registry_is_asked_again(self, plain: Stage, status: int) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(Rule("GET manifest", Instead(Reply(status, b"<html>busy</html>")), times=3))
        assert plain.client().manifest(REPOSITORY, "1.0").digest == IMAGE.digest
        assert plain.waits == [0.5, 1.0, 2.0]

    @pytest.mark.parametrize(
        ("headers", "body", "seconds"),
        [
            ({"Retry-After": "2"}, b"", 2.0),
            ({"Retry-After": "Mon, 23 Nov 2026 09:00:03 GMT"}, b"", 3.0),
            ({}, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"retry-after: 1.5s, allowed: 44000/minute"}]}', 1.5),
        ],
    )
    def test_a_short_wait_is_waited(self, plain: Stage, headers: dict[str, str], body: bytes, seconds: float) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(
            Rule("HEAD manifest", Instead(Reply(429, b"", headers))),
            Rule("GET manifest", Instead(Reply(429, body, headers))),
        )
        plain.client().manifest(REPOSITORY, "1.0")
        assert plain.waits == [seconds]

    def test_a_long_wait_is_put_off(self, plain: Stage) -> None:
        plain.push(IMAGE)
        plain.registry.script = Script(Rule("GET manifest", Instead(Reply(429, b"", {"Retry-After": "120"}))))
        with pytest.raises(PutOffError) as caught:
            plain.client().manifest(REPOSITORY, "1.0")
        assert caught.value.retry_after == 120
        assert f"not before {caught.value.until:%Y-%m-%d %H:%M:%S} UTC" in str(caught.value)
        assert plain.waits == []


class TestWriting:
    def test_bytes_and_type_are_kept(self, everywhere: Stage) -> None:
        source = everywhere.push(IMAGE)
        client = everywhere.client("destination")
        stored = client.put_manifest(REPOSITORY, source, ("2.0",))
        assert stored.digest == IMAGE.digest
        assert everywhere.store.manifest(REPOSITORY, "2.0").content == IMAGE.manifest
        assert dict(client.usage.requests) == {"PUT manifest": 1}

    def test_by_digest_without_a_tag(self, plain: Stage) -> None:
        manifest = plain.push(IMAGE)
        plain.client("destination").put_manifest(REPOSITORY, manifest)
        assert plain.store.tags(REPOSITORY) == ["1.0"]

    def test_many_tags_are_one_request_where_that_works(self) -> None:
        tags = [f"1.{minor}" for minor in range(5)]
        with stage(replace(SPEC_MANNERS, tag_parameters=10)) as made:
            manifest = made.push(IMAGE)
            client = made.client("destination")
            client.put_manifest(REPOSITORY, manifest, tags)
            assert made.store.tags(REPOSITORY) == tags
            assert client.usage.total == 1

    @pytest.mark.parametrize("taken", [0, 3])
    def test_and_one_by_one_elsewhere(self, taken: int) -> None:
        tags = [f"1.{minor}" for minor in range(5)]
        with stage(replace(SPEC_MANNERS, tag_parameters=taken)) as made:
            manifest = made.push(IMAGE)
            client = made.client("destination")
            for _ in range(2):
                client.put_manifest(REPOSITORY, manifest, tags)
            assert made.store.tags(REPOSITORY) == tags
            assert client.usage.total == (11 if taken == 0 else 12)

    def test_subjects_are_answered(self) -> None:
        signature = images.artifact("signature", "application/x-signature", subject=IMAGE)
        for manners, told in ((SPEC_MANNERS, IMAGE.digest), (DISTRIBUTION_MANNERS, None)):
            with stage(manners) as made:
                manifest = made.push(signature, None)
                assert made.client("destination").put_manifest(REPOSITORY, manifest).subject == told

    def test_missing_blobs_are_named(self, plain: Stage) -> None:
        plain.store.create(REPOSITORY)
        manifest = Manifest.parse(IMAGE.manifest, IMAGE.media_type)
        with pytest.raises(MissingError, match=r"destination .*PUT manifest"):
            plain.client("destination").put_manifest(REPOSITORY, manifest, ("1.0",))

    @pytest.mark.parametrize("immutable", [True, "strict"])
    def test_immutable_tags(self, immutable: bool) -> None:
        with stage(ECR_MANNERS, store=MemoryStore(immutable_tags=immutable)) as made:
            made.push(images.single("other"), "1.0")
            manifest = made.push(IMAGE, "2.0")
            with pytest.raises(ImmutableTagError):
                made.client("destination").put_manifest(REPOSITORY, manifest, ("1.0",))

    def test_a_quota_is_no_wrong_password(self) -> None:
        with stage(ECR_MANNERS, store=MemoryStore(max_images=1)) as made:
            made.push(images.single("other"), "1.0")
            made.registry.store = made.store
            for digest, content in IMAGE.blobs.items():
                assert made.put_blob(content).digest == digest
            with pytest.raises((RefusedError, AccessDeniedError), match="403"):
                made.client("destination").put_manifest(REPOSITORY, Manifest.parse(IMAGE.manifest), ("2.0",))

    def test_without_a_media_type_ecr_cannot_store_it(self) -> None:
        document = json.loads(IMAGE.manifest)
        del document["mediaType"]
        with stage(ECR_MANNERS) as made:
            made.push(IMAGE)
            manifest = Manifest.parse(json.dumps(document).encode(), IMAGE.media_type)
            with pytest.raises(UnsupportedError, match="has no mediaType"):
                made.client("destination").put_manifest(REPOSITORY, manifest, ("2.0",))

    @pytest.mark.parametrize("place", PLACES)
    def test_a_cut_answer_to_a_put_is_put_again(self, plain: Stage, place: Place) -> None:
        manifest = plain.push(IMAGE)
        plain.registry.script = Script(Rule("PUT manifest", CutAnswer(place)))
        assert plain.client("destination").put_manifest(REPOSITORY, manifest, ("2.0",)).digest == IMAGE.digest

    def test_another_digest_stored_is_told(self, plain: Stage) -> None:
        manifest = plain.push(IMAGE)
        lie = Lie({"Docker-Content-Digest": "sha256:" + "0" * 64})
        plain.registry.script = Script(Rule("PUT manifest", lie))
        with pytest.raises(IntegrityError, match="in place of"):
            plain.client("destination").put_manifest(REPOSITORY, manifest, ("2.0",))


class TestTags:
    @pytest.mark.parametrize("links", ["relative", "absolute", "missing"])
    @pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
    def test_all_of_them(self, links: Literal["relative", "absolute", "missing"], count: int) -> None:
        with stage(replace(ECR_MANNERS, links=links)) as made:
            manifest = made.push(IMAGE, None)
            tags = [f"{number:05}" for number in range(count)]
            for tag in tags:
                made.store.put_manifest(REPOSITORY, tag, made.store.manifest(REPOSITORY, manifest.digest))
            client = made.client()
            assert list(client.tags(REPOSITORY)) == tags
            assert client.usage.total == max(1, -(-count // 1000)) + (count == 1000)

    @pytest.mark.parametrize("looping", [True, False])
    def test_a_list_without_end(self, plain: Stage, looping: bool) -> None:
        plain.registry.script = Script(Rule("GET tags", EndlessPages(looping=looping), times=None))
        client = plain.client()
        with pytest.raises(ProtocolError, match=r"pages|no end"):
            list(client.tags(REPOSITORY))
        assert client.usage.total <= 1000

    def test_a_page_on_another_host(self, plain: Stage) -> None:
        reply = Reply(200, b'{"tags":["a"]}', {"Link": '<http://localhost:1/v2/x/tags/list>; rel="next"'})
        plain.registry.script = Script(Rule("GET tags", Instead(reply)))
        with pytest.raises(ProtocolError, match="another host"):
            list(plain.client().tags(REPOSITORY))

    @pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"[" * 100_000])
    def test_no_list_at_all(self, plain: Stage, body: bytes) -> None:
        plain.registry.script = Script(Rule("GET tags", Instead(Reply(200, body))))
        with pytest.raises(ProtocolError, match="JSON"):
            list(plain.client().tags(REPOSITORY))

    def test_no_repository(self, plain: Stage) -> None:
        with pytest.raises(RepositoryGoneError):
            list(plain.client().tags("no/such"))


class TestReferrers:
    @pytest.mark.parametrize("page", [1, 50])
    def test_by_the_api(self, page: int) -> None:
        with stage(replace(ECR_MANNERS, referrers_page=page)) as made:
            made.push(IMAGE)
            pushed = [images.artifact(f"sbom {n}", "application/spdx+json", subject=IMAGE) for n in range(3)]
            for each in pushed:
                made.push(each, None)
            found = made.client().referrers(REPOSITORY, IMAGE.digest)
            assert {each.digest for each in found} == {each.digest for each in pushed}
            assert {each.artifact_type for each in found} == {"application/spdx+json"}

    def test_by_the_fallback_tag(self) -> None:
        with stage(DISTRIBUTION_MANNERS) as made:
            made.push(IMAGE)
            referrer = made.push(images.artifact("sbom", "application/spdx+json", subject=IMAGE), None)
            client = made.client("destination")
            assert client.referrers(REPOSITORY, IMAGE.digest) == ()
            tag = fallback_tag(IMAGE.digest)
            client.put_manifest(REPOSITORY, with_referrer(None, referrer.descriptor), (tag,))
            assert [each.digest for each in client.referrers(REPOSITORY, IMAGE.digest)] == [referrer.digest]
            before = client.usage.total
            assert client.referrers(REPOSITORY, IMAGE.digest, known_tags=["1.0"]) == ()
            assert client.usage.total == before
            assert client.usage.requests["GET referrers"] == 1

    @pytest.mark.parametrize("looping", [True, False])
    def test_a_list_without_end(self, plain: Stage, looping: bool) -> None:
        plain.registry.script = Script(Rule("GET referrers", EndlessPages("manifests", looping=looping), times=None))
        with pytest.raises(ProtocolError, match="no end"):
            plain.client().referrers(REPOSITORY, IMAGE.digest)

    def test_entries_that_are_none(self, plain: Stage) -> None:
        plain.registry.script = Script(Rule("GET referrers", Instead(Reply(200, b'{"manifests":[{"digest":1}]}'))))
        with pytest.raises(Exception, match=r"GET referrers: manifests\[0\]\.digest"):
            plain.client().referrers(REPOSITORY, IMAGE.digest)


def test_a_page_of_tags_has_an_end(plain: Stage) -> None:
    plain.push(IMAGE)
    page = b'{"tags":["' + b"x" * (3 * 1024 * 1024) + b'"]}'
    plain.registry.script = Script(Rule("GET tags", Instead(Reply(200, page))))
    with pytest.raises(ProtocolError, match="bytes"):
        list(plain.client().tags(REPOSITORY))
