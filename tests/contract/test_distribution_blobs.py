"""Blobs through the client: streams that mend themselves, uploads that another process goes on with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from longshore.errors import AmbiguousError, GoneError, UpstreamError
from longshore.manifests import Descriptor, hash_for
from longshore.mirror.errors import (
    AddressError,
    IntegrityError,
    ProtocolError,
    RefusedError,
    RepositoryGoneError,
    UploadLostError,
    UploadOffsetError,
)
from longshore.mirror.ports import Upload
from longshore.registries.auth import Login
from longshore_local.loopback import Reply
from longshore_local.registry import (
    DISTRIBUTION_MANNERS,
    DOCKER_HUB_MANNERS,
    ECR_MANNERS,
    ECR_PUBLIC_MANNERS,
    SPEC_MANNERS,
    Auth,
)
from longshore_local.registry_faults import Rule, Script
from longshore_local.registry_hostile import (
    PLACES,
    CutAnswer,
    CutRequest,
    Damage,
    Instead,
    Lengthen,
    Lie,
    Place,
    Shorten,
    Slow,
    Zip,
)
from longshore_local.registry_memory import MemoryStore
from tests.distribution import REPOSITORY, Stage, descriptor, stage

if TYPE_CHECKING:
    from longshore.registries.client import DistributionRegistry

EVERY = {
    "ecr": ECR_MANNERS,
    "ecr-public": ECR_PUBLIC_MANNERS,
    "spec": SPEC_MANNERS,
    "distribution": DISTRIBUTION_MANNERS,
    "hub": DOCKER_HUB_MANNERS,
    "no ranges": replace(SPEC_MANNERS, ranges=False),
    "chunked": replace(SPEC_MANNERS, chunked_blobs=True),
    "relative": replace(SPEC_MANNERS, location="relative"),
    "elsewhere": replace(ECR_MANNERS, location="other-host"),
    "lengths": replace(ECR_MANNERS, require_length=True, empty_finish_status=500),
}
CONTENT = hashlib.shake_256(b"layer").digest(3 * 1024 * 1024 + 17)
PART = 5 * 1024 * 1024
LARGE = hashlib.shake_256(b"large").digest(2 * PART + 99)


@pytest.fixture(params=list(EVERY.values()), ids=list(EVERY))
def everywhere(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with stage(request.param) as made:
        made.store.create(REPOSITORY)
        yield made


@pytest.fixture
def plain() -> Iterator[Stage]:
    with stage() as made:
        made.store.create(REPOSITORY)
        yield made


def read(client: DistributionRegistry, blob: Descriptor, offset: int = 0, length: int | None = None) -> bytes:
    with client.blob(REPOSITORY, blob, offset, length) as reader:
        return b"".join(bytes(chunk) for chunk in reader)


class TestReading:
    @pytest.mark.parametrize("size", [0, 1, 65_536, len(CONTENT)])
    def test_all_of_it(self, everywhere: Stage, size: int) -> None:
        blob = everywhere.put_blob(CONTENT[:size])
        assert read(everywhere.client(), blob) == CONTENT[:size]

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 10), (1, 10), (len(CONTENT) - 5, 5), (100, None), (len(CONTENT), None)]
    )
    def test_a_part_of_it(self, everywhere: Stage, offset: int, length: int | None) -> None:
        blob = everywhere.put_blob(CONTENT)
        end = len(CONTENT) if length is None else offset + length
        if offset < len(CONTENT):
            assert read(everywhere.client(), blob, offset, length) == CONTENT[offset:end]

    def test_a_hash_is_carried_on(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        begun = hash_for(blob.digest)
        begun.update(CONTENT[:1000])
        with plain.client().blob(REPOSITORY, blob, 1000, hashed=begun) as reader:
            assert b"".join(map(bytes, reader)) == CONTENT[1000:]
        with (
            pytest.raises(IntegrityError),
            plain.client().blob(REPOSITORY, blob, 1000, hashed=hash_for(blob.digest)) as reader,
        ):
            for _ in reader:
                pass

    def test_memory_is_one_buffer(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        with plain.client().blob(REPOSITORY, blob) as reader:
            buffers = {id(chunk.obj) for chunk in reader if isinstance(chunk, memoryview)}
        assert len(buffers) == 1

    def test_sha512(self, plain: Stage) -> None:
        blob = descriptor(CONTENT, "sha512")
        plain.registry.script = Script(Rule("GET *", Instead(Reply(200, CONTENT))))
        assert read(plain.client(), blob) == CONTENT

    def test_signed_addresses_are_used_again_for_ranges(self) -> None:
        with stage(ECR_MANNERS) as made:
            blob = made.put_blob(CONTENT)
            client = made.client()
            for offset in range(0, 50, 10):
                assert read(client, blob, offset, 10) == CONTENT[offset : offset + 10]
            assert made.registry.tally.requests["GET blob"] == 1
            made.clock.advance(3_601)
            assert read(client, blob, 0, 10) == CONTENT[:10]
            assert made.registry.tally.requests["GET blob"] == 2

    def test_credentials_stay_at_home(self) -> None:
        with stage(ECR_MANNERS, Auth("basic", {"AWS": "token"})) as made:
            blob = made.put_blob(CONTENT)
            assert read(made.client(logins=lambda: Login("AWS", "token")), blob) == CONTENT
            schemes = {record.kind: record.scheme for record in made.registry.requests}
            assert schemes == {"GET blob": "Basic", "GET layer": ""}

    def test_what_is_not_there(self, everywhere: Stage) -> None:
        everywhere.put_blob(CONTENT)
        with pytest.raises(GoneError, match=r"source .*/team/web@sha256:"):
            read(everywhere.client(), descriptor(b"else"))


class TestMending:
    @pytest.mark.parametrize("place", PLACES)
    @pytest.mark.parametrize("reset", [True, False])
    def test_a_cut_is_taken_up(self, everywhere: Stage, place: Place, reset: bool) -> None:
        blob = everywhere.put_blob(CONTENT)
        everywhere.registry.script = Script(
            Rule("GET blob", CutAnswer(place, reset=reset), times=2), Rule("GET layer", CutAnswer(place, reset=reset))
        )
        assert read(everywhere.client(), blob) == CONTENT

    def test_only_what_is_missing_comes_again(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        # Without a reset, which may overtake bytes on their way.
        plain.registry.script = Script(Rule("GET blob", CutAnswer(2_000_000, reset=False)))
        client = plain.client()
        assert read(client, blob) == CONTENT
        assert client.usage.received == len(CONTENT)

    def test_what_is_cut_while_it_is_skipped_through_is_verified_anew(self) -> None:
        with stage(EVERY["no ranges"]) as made:
            content = bytes(range(256)) * 4096
            blob = made.put_blob(content)
            made.registry.script = Script(Rule("GET blob", CutAnswer(300_000)))
            with made.client().blob(REPOSITORY, blob, 600_000) as reader:
                assert b"".join(bytes(piece) for piece in reader) == content[600_000:]

    def test_a_registry_without_ranges_is_skipped_through(self) -> None:
        with stage(EVERY["no ranges"]) as made:
            blob = made.put_blob(CONTENT)
            made.registry.script = Script(Rule("GET blob", CutAnswer(2_000_000)))
            assert read(made.client(), blob) == CONTENT
            assert read(made.client(), blob, 1_000_000) == CONTENT[1_000_000:]

    def test_progress_buys_more_tries(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET blob", CutAnswer(400_000, reset=False), times=7))
        assert read(plain.client(), blob) == CONTENT

    def test_no_progress_is_given_up(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET blob", CutAnswer(10, reset=False), times=None))
        with pytest.raises(UpstreamError, match=r"source .*team/web@.*after 40 of"):
            read(plain.client(), blob)

    def test_a_slow_one_is_waited_for(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET blob", Slow()))
        assert read(plain.client(), blob) == CONTENT


class TestLies:
    @pytest.mark.parametrize("at", [0, 1_500_000, -1])
    def test_wrong_bytes_never_come_whole(self, everywhere: Stage, at: int) -> None:
        blob = everywhere.put_blob(CONTENT)
        everywhere.registry.script = Script(Rule("GET *", Damage(at), times=None))
        came = 0
        with (
            pytest.raises(IntegrityError, match="the content is sha256:"),
            everywhere.client().blob(REPOSITORY, blob) as reader,
        ):
            for chunk in reader:
                came += len(chunk)
        assert came < blob.size

    @pytest.mark.parametrize("fault", [Shorten(1, honest=True), Lengthen(1, honest=True), Zip()])
    def test_another_length(self, plain: Stage, fault: Shorten) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET *", fault, times=None))
        with pytest.raises((IntegrityError, UpstreamError)):
            read(plain.client(), blob)

    def test_more_after_the_end_does_not_harm_the_next(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET *", Lengthen(100)))
        client = plain.client()
        assert read(client, blob) == CONTENT
        assert read(client, blob) == CONTENT

    def test_more_without_a_length(self) -> None:
        with stage(EVERY["chunked"]) as made:
            blob = made.put_blob(CONTENT)
            made.registry.script = Script(Rule("GET *", Lengthen(1, honest=True), times=None))
            with pytest.raises(IntegrityError, match="more than"):
                read(made.client(), blob)

    @pytest.mark.parametrize("told", ["bytes 0-9/20", "bytes 11-19/3145745", "lies", None])
    def test_another_range(self, plain: Stage, told: str | None) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET *", Lie({"Content-Range": told}), times=None))
        with pytest.raises((IntegrityError, UpstreamError), match=r"asked for bytes|ended early"):
            read(plain.client(), blob, 10, 10)

    @pytest.mark.parametrize(
        "location",
        [
            "http://10.0.0.1/x",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://user@127.0.0.1/x",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "http://0.0.0.0:1/",
            "http://[::ffff:10.0.0.1]/",
        ],
    )
    def test_redirects_to_where_nobody_may_go(self, plain: Stage, location: str) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET *", Instead(Reply(307, b"", {"Location": location})), times=None))
        with pytest.raises(AddressError, match=r"source .*team/web@"):
            read(plain.client(), blob)

    def test_redirects_without_end(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT)
        plain.registry.script = Script(Rule("GET *", Instead(Reply(302, b"", {"Location": "?again"})), times=None))
        with pytest.raises(ProtocolError, match="redirects"):
            read(plain.client(), blob)


class TestExistence:
    def test_there_and_not(self, everywhere: Stage) -> None:
        blob = everywhere.put_blob(CONTENT)
        client = everywhere.client("destination")
        assert client.has_blob(REPOSITORY, blob.digest) is True
        assert client.has_blob(REPOSITORY, descriptor(b"else").digest) is False
        assert client.has_blob("no/such", blob.digest) is False

    @pytest.mark.parametrize("status", [401, 403, 405])
    def test_a_refused_head_is_asked_once(self, status: int) -> None:
        with stage(replace(ECR_PUBLIC_MANNERS, head_blob_status=status, head_blob_for_pushers=False)) as made:
            blob = made.put_blob(CONTENT)
            client = made.client("destination")
            for _ in range(3):
                assert client.has_blob(REPOSITORY, blob.digest) is True
            assert client.has_blob(REPOSITORY, descriptor(b"else").digest) is False
            assert made.registry.tally.requests["HEAD blob"] == 1
            assert made.registry.tally.sent["GET layer"] == 0


class TestUploading:
    def test_in_one_piece(self, everywhere: Stage) -> None:
        blob = descriptor(CONTENT)
        client = everywhere.client("destination")
        client.finish(client.upload(REPOSITORY), blob, [CONTENT[:1000], memoryview(CONTENT)[1000:]], len(CONTENT))
        assert everywhere.blob(blob.digest) == CONTENT
        assert client.usage.total == 2
        assert client.usage.sent == len(CONTENT)

    def test_an_empty_one(self, plain: Stage) -> None:
        blob = descriptor(b"")
        client = plain.client("destination")
        client.finish(client.upload(REPOSITORY), blob)
        assert client.has_blob(REPOSITORY, blob.digest)

    @pytest.mark.parametrize("restart", [False, True])
    def test_in_chunks(self, everywhere: Stage, restart: bool) -> None:
        blob = descriptor(LARGE)
        client = everywhere.client("destination")
        upload = client.upload(REPOSITORY)
        for first in (0, PART):
            upload = client.append(upload, [LARGE[first : first + PART]], PART)
            assert upload.offset == first + PART
            if restart:
                client = everywhere.client("destination")
                upload = client.resume(Upload.parse(upload.item()))
                assert upload.offset == first + PART
        client.finish(upload, blob, [LARGE[2 * PART :]], 99)
        assert everywhere.blob(blob.digest) == LARGE
        assert everywhere.registry.tally.uploaded == len(LARGE)

    def test_the_least_chunk_is_told(self) -> None:
        with stage(replace(SPEC_MANNERS, announce_min_part=True, min_part_bytes=1000)) as made:
            client = made.client("destination")
            upload = client.upload(REPOSITORY)
            assert upload.min_chunk == 1000
            with pytest.raises(ValueError, match="1000 are due"):
                client.append(upload, [b"x"], 1)

    def test_wrong_content_is_refused(self, everywhere: Stage) -> None:
        blob = descriptor(CONTENT)
        client = everywhere.client("destination")
        with pytest.raises(IntegrityError, match=r"destination .*@sha256:"):
            client.finish(client.upload(REPOSITORY), blob, [CONTENT[1:], b"x"], len(CONTENT))
        assert client.has_blob(REPOSITORY, blob.digest) is False

    @pytest.mark.parametrize("chunks", [[CONTENT[:10]], [CONTENT + b"x"], [CONTENT[:-1], b"xy"]])
    def test_another_length_than_announced_is_never_completed(self, plain: Stage, chunks: list[bytes]) -> None:
        blob = descriptor(CONTENT)
        client = plain.client("destination")
        with pytest.raises(ValueError, match="was announced"):
            client.finish(client.upload(REPOSITORY), blob, chunks, len(CONTENT))
        assert client.has_blob(REPOSITORY, blob.digest) is False

    def test_an_error_of_the_source_comes_through(self, plain: Stage) -> None:
        def broken() -> Iterator[bytes]:
            yield CONTENT[:1000]
            raise IntegrityError("the source lies")

        blob = descriptor(CONTENT)
        client = plain.client("destination")
        with pytest.raises(IntegrityError, match="the source lies"):
            client.finish(client.upload(REPOSITORY), blob, broken(), len(CONTENT))
        assert client.has_blob(REPOSITORY, blob.digest) is False

    def test_no_repository(self) -> None:
        with stage(ECR_MANNERS, store=MemoryStore(create_on_push=False)) as made, pytest.raises(RepositoryGoneError):
            made.client("destination").upload(REPOSITORY)

    def test_a_lost_session(self, everywhere: Stage) -> None:
        client = everywhere.client("destination")
        upload = client.upload(REPOSITORY)
        client.cancel(upload)
        client.cancel(upload)
        with pytest.raises(UploadLostError):
            client.resume(upload)
        with pytest.raises(UploadLostError):
            client.append(upload, [LARGE[:PART]], PART)

    def test_a_range_that_once_stuck_is_not_believed_again(self) -> None:
        with stage(ECR_MANNERS) as made:
            client = made.client("destination")
            upload = client.upload(REPOSITORY)
            for first in (0, PART):
                upload = client.append(upload, [LARGE[first : first + PART]], PART)
            stuck = Reply(204, b"", {"Range": f"0-{PART - 1}", "Location": upload.location})
            made.registry.script = Script(Rule("GET upload", Instead(stuck)))
            upload = made.client("destination").resume(Upload.parse(upload.item()))
            assert upload.offset == 2 * PART

    def test_an_upload_elsewhere_gets_no_credentials(self) -> None:
        with stage(replace(ECR_MANNERS, location="other-host"), Auth("basic")) as made:
            client = made.client("destination", lambda: Login("AWS", "token"))
            client.finish(client.upload(REPOSITORY), descriptor(CONTENT), [CONTENT], len(CONTENT))
            schemes = {(record.kind, record.status): record.scheme for record in made.registry.requests}
            assert schemes == {("POST upload", 401): "", ("POST upload", 202): "Basic", ("PUT upload", 201): ""}

    def test_another_offset(self, plain: Stage) -> None:
        client = plain.client("destination")
        upload = client.append(client.upload(REPOSITORY), [CONTENT[:1000]], 1000)
        with pytest.raises(UploadOffsetError) as caught:
            client.append(upload.at(2000), [CONTENT[2000:3000]], 1000)
        assert caught.value.offset == 1000

    def test_told_to_go_on_where_it_was_there_is_no_way_on(self) -> None:
        with stage(ECR_MANNERS) as made:
            client = made.client("destination")
            first = client.append(client.upload(REPOSITORY), [LARGE[:PART]], PART)
            client.append(first, [LARGE[PART : 2 * PART]], PART)
            reply = Reply(416, b"", {"Range": f"0-{PART - 1}"})
            made.registry.script = Script(Rule("PATCH upload", Instead(reply)))
            with pytest.raises(UploadLostError):
                client.append(first, [LARGE[PART : 2 * PART]], PART)

    @pytest.mark.parametrize("kept", ["kept", "dropped"])
    def test_a_cut_chunk_is_found_again(self, kept: Literal["kept", "dropped"]) -> None:
        blob = descriptor(LARGE)
        with stage(replace(SPEC_MANNERS, cut_chunk=kept)) as made:
            client = made.client("destination")
            upload = client.append(client.upload(REPOSITORY), [LARGE[:PART]], PART)
            made.registry.script = Script(Rule("PATCH upload", CutRequest(1_000_000)))
            with pytest.raises(UpstreamError, match=r"destination .*PATCH upload"):
                client.append(upload, [LARGE[PART : 2 * PART]], PART)
            upload = client.resume(upload)
            assert upload.offset >= PART
            client.finish(upload, blob, [LARGE[upload.offset :]], len(LARGE) - upload.offset)
            assert made.blob(blob.digest) == LARGE

    def test_no_answer_is_told_apart(self, plain: Stage) -> None:
        blob = descriptor(CONTENT)
        client = plain.client("destination")
        plain.registry.script = Script(Rule("PUT upload", CutAnswer("before-headers")))
        with pytest.raises(AmbiguousError):
            client.finish(client.upload(REPOSITORY), blob, [CONTENT], len(CONTENT))
        assert client.has_blob(REPOSITORY, blob.digest) is True

    def test_a_proxy_that_hangs_up_with_a_reason(self) -> None:
        with stage(replace(SPEC_MANNERS, max_body_bytes=1000)) as made:
            client = made.client("destination")
            with pytest.raises((RefusedError, UpstreamError)):
                client.finish(client.upload(REPOSITORY), descriptor(CONTENT), [CONTENT], len(CONTENT))

    @pytest.mark.parametrize("location", ["http://169.254.169.254/", "ftp://x/", "http://10.1.2.3/v2/"])
    def test_locations_where_nobody_may_go(self, plain: Stage, location: str) -> None:
        client = plain.client("destination")
        plain.registry.script = Script(Rule("POST upload", Instead(Reply(202, b"", {"Location": location}))))
        with pytest.raises(AddressError, match="destination "):
            client.finish(client.upload(REPOSITORY), descriptor(CONTENT), [CONTENT], len(CONTENT))


class TestMounting:
    def test_where_it_works(self, plain: Stage) -> None:
        blob = plain.put_blob(CONTENT, "other/place")
        client = plain.client("destination")
        assert client.mount(REPOSITORY, blob.digest, "other/place") is None
        assert client.has_blob(REPOSITORY, blob.digest)

    @pytest.mark.parametrize("source", ["other/place", None])
    def test_and_goes_on_as_an_upload_where_not(self, source: str | None) -> None:
        with stage(ECR_MANNERS) as made:
            blob = made.put_blob(CONTENT, "other/place")
            client = made.client("destination")
            upload = client.mount(REPOSITORY, blob.digest, source)
            assert upload is not None
            client.finish(upload, blob, [CONTENT], len(CONTENT))
            assert made.blob(blob.digest) == CONTENT
            assert client.usage.total == 2

    def test_a_refused_mount_is_an_upload(self, plain: Stage) -> None:
        plain.registry.script = Script(Rule("POST *", Instead(Reply(400, b""))))
        assert plain.client("destination").mount(REPOSITORY, descriptor(b"x").digest, None) is not None
