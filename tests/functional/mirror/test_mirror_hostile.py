"""The copy engine on registries with manners of their own and hostile ones: whole images or none, and who is to blame."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from longshore.errors import LongshoreError
from longshore.mirror.copier import Copier, all_tags
from longshore.mirror.errors import AddressError, IntegrityError, ProtocolError, PutOffError, RepositoryGoneError
from longshore.mirror.orders import Bounds, Copy, Item
from longshore_local import images
from longshore_local.image_shapes import SHAPES, composed, place, referrers_of, without_media_type
from longshore_local.images import OCI_LAYER
from longshore_local.loopback import Reply
from longshore_local.registry import (
    DISTRIBUTION_MANNERS,
    DOCKER_HUB_MANNERS,
    ECR_MANNERS,
    ECR_PUBLIC_MANNERS,
    OPEN,
    SPEC_MANNERS,
    Auth,
    Manners,
)
from longshore_local.registry_faults import Fault, Rule, Script
from longshore_local.registry_hostile import (
    PLACES,
    CutAnswer,
    CutRequest,
    Damage,
    EndlessPages,
    Instead,
    Lengthen,
    Lie,
    Shorten,
    Zip,
)
from longshore_local.registry_memory import MemoryStore
from longshore_local.registry_store import RegistryError
from tests.distribution import REPOSITORY, Stage, stage

if TYPE_CHECKING:
    from longshore.mirror.report import Report

MIB = 1024 * 1024
CHUNK = 5 * MIB
BOUNDS = Bounds(chunk=CHUNK, small=64 * 1024)
ITEMS = (Item("1.0", "1.0"),)


@dataclass
class Both:
    """A source and a destination on loopback."""

    up: Stage
    down: Stage
    repository: str = REPOSITORY

    def copy(self, *items: Item, **changes: Any) -> Report:
        """One run of a new process."""
        order = Copy(self.repository, self.repository, items or ITEMS)
        source, destination = self.up.client("source"), self.down.client("destination")
        given: dict[str, Any] = {"bounds": BOUNDS, "sleep": self.down.waits.append, **changes}
        copier = Copier(source, destination, self.down.clock, **given)
        try:
            return copier.run(order)
        finally:
            source.close()
            destination.close()

    def tree(self, stage_: Stage, reference: str) -> dict[str, bytes]:
        """All bytes below a tag, {} without it. Raises RegistryError when some are missing."""
        store, found = stage_.store, dict[str, bytes]()
        try:
            below = [store.manifest(self.repository, reference).digest]
        except RegistryError:
            return {}
        while below:
            manifest = store.manifest(self.repository, below.pop())
            found[manifest.digest] = manifest.content
            below += manifest.children
            found |= {digest: stage_.blob(digest, self.repository) for digest in manifest.blobs}
        return found

    def same(self, tag: str = "1.0") -> bool:
        """Whether the destination has the source's bytes."""
        return bool(self.tree(self.down, tag)) and self.tree(self.up, tag) == self.tree(self.down, tag)

    def nothing(self, tag: str = "1.0") -> bool:
        """Whether the destination has no such tag."""
        return self.tree(self.down, tag) == {}

    def anew(self, image: images.SyntheticImage) -> Both:
        """The same registries, another repository: the source has an image, the destination has nothing."""
        made = Both(self.up, self.down, f"team/web-{next(_NUMBERS)}")
        place(self.up.store, made.repository, "1.0", image)
        self.down.store.create(made.repository)
        self.up.registry.script = self.down.registry.script = Script()
        return made


_NUMBERS = itertools.count(1)


@contextmanager
def both(
    up: Manners = SPEC_MANNERS, down: Manners = ECR_MANNERS, up_auth: Auth = OPEN, down_auth: Auth = OPEN
) -> Iterator[Both]:
    with ExitStack() as stack:
        made = Both(stack.enter_context(stage(up, up_auth)), stack.enter_context(stage(down, down_auth)))
        made.down.store.create(REPOSITORY)
        yield made


def layered(*sizes: int) -> images.SyntheticImage:
    return composed([(OCI_LAYER, hashlib.shake_256(f"{at}".encode()).digest(n)) for at, n in enumerate(sizes)])


LARGE = layered(3 * CHUNK + 17, CHUNK + 1, 100)
FEW = layered(350_017, 100_001, 100)
FEW_AT_ONCE = Bounds(chunk=100_000, small=64 * 1024)
UPSTREAMS = {
    "spec": SPEC_MANNERS,
    "distribution": DISTRIBUTION_MANNERS,
    "hub": DOCKER_HUB_MANNERS,
    "ecr": ECR_MANNERS,
    "ecr-public": ECR_PUBLIC_MANNERS,
    "no ranges": replace(SPEC_MANNERS, ranges=False),
    "chunked": replace(SPEC_MANNERS, chunked_blobs=True, chunked_manifests_over=0),
    "no digest": replace(SPEC_MANNERS, digest_header="never"),
    "no HEAD of manifests": replace(SPEC_MANNERS, head_manifest_status=405),
    "no links": replace(SPEC_MANNERS, links="missing"),
}
DOWNSTREAMS = {
    "ecr": ECR_MANNERS,
    "ecr-public": ECR_PUBLIC_MANNERS,
    "spec": SPEC_MANNERS,
    "distribution": DISTRIBUTION_MANNERS,
    "relative": replace(ECR_MANNERS, location="relative"),
    "elsewhere": replace(ECR_MANNERS, location="other-host"),
    "announces": replace(ECR_MANNERS, announce_min_part=True),
    "lengths": replace(ECR_MANNERS, require_length=True, empty_finish_status=500),
    "no HEAD of blobs": replace(ECR_MANNERS, head_blob_status=401),
    "denies what is missing": replace(ECR_MANNERS, head_missing_status=403),
    "many tags at once": replace(SPEC_MANNERS, tag_parameters=10),
    "mounts": replace(ECR_MANNERS, mounts=True),
    "small bodies": replace(SPEC_MANNERS, max_body_bytes=CHUNK),
    "no referrers": replace(ECR_MANNERS, referrers=False, oci_subject=False),
    "throttles": replace(ECR_MANNERS, rates={"PUT manifest": 2}, throttle_retry_after="1"),
}


@pytest.mark.parametrize("manners", UPSTREAMS.values(), ids=UPSTREAMS)
def test_from_every_kind_of_registry(manners: Manners) -> None:
    with both(up=manners) as made:
        image = images.multi_platform("x")
        made.up.push(image)
        for number, referrer in enumerate(referrers_of(image)):
            made.up.push(referrer, f"sbom-{number}")
        made.up.push(LARGE, "large")
        report = made.copy(*ITEMS, Item("large", "large"))
        assert report.ok, report.failures
        assert made.same()
        assert made.same("large")


@pytest.mark.parametrize("manners", DOWNSTREAMS.values(), ids=DOWNSTREAMS)
def test_to_every_kind_of_registry(manners: Manners) -> None:
    with both(down=manners) as made:
        image = images.multi_platform("x")
        made.up.push(image)
        made.up.push(image, "latest")
        made.up.push(LARGE, "large")
        for number, referrer in enumerate(referrers_of(image)):
            made.up.push(referrer, f"sbom-{number}")
        report = made.copy(*ITEMS, Item("latest", "latest"), Item("large", "large"))
        assert report.ok, report.failures
        assert made.same()
        assert made.same("latest")
        assert made.same("large")
        listed = made.down.client().referrers(REPOSITORY, image.digest)
        assert len(listed) == 2
        again = made.copy(*ITEMS, Item("latest", "latest"), Item("large", "large"))
        assert (again.sent.blobs, again.sent.manifests, len(again.failures)) == (0, 0, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_to_ecr(shape: str) -> None:
    with both() as made:
        made.up.push(SHAPES[shape]("x"))
        assert made.copy().ok
        assert made.tree(made.up, "1.0").keys() == made.tree(made.down, "1.0").keys()


def test_what_ecr_cannot_store_is_told_and_not_changed() -> None:
    with both() as made:
        made.up.push(without_media_type("x"))
        made.up.push(images.single("y"), "2.0")
        report = made.copy(*ITEMS, Item("2.0", "2.0"))
        (failure,) = report.failures
        assert (failure.item.tag, failure.side) == ("1.0", "destination")
        assert "no mediaType" in str(failure)
        assert made.nothing()
        assert made.same("2.0")


class TestImmutableTags:
    def test_the_same_digest_is_no_conflict(self) -> None:
        with ExitStack() as stack:
            store = MemoryStore(immutable_tags=True)
            made = Both(stack.enter_context(stage()), stack.enter_context(stage(ECR_MANNERS, store=store)))
            made.down.store.create(REPOSITORY)
            made.up.push(images.single("x"))
            assert made.copy().ok
            assert made.copy().in_sync == ITEMS
            made.up.push(images.single("y"))
            (failure,) = made.copy().failures
            assert "immutable" in str(failure)
            assert made.tree(made.down, "1.0").keys() >= {images.single("x").digest}


@pytest.fixture(scope="module")
def everyday() -> Iterator[Both]:
    """A pair for many tests, each in a repository of its own."""
    with both(down=replace(ECR_MANNERS, min_part_bytes=0)) as made:
        yield made


# What a hostile source may do to a blob or a manifest once, and for ever.
READ_FAULTS: dict[str, Fault] = {
    "wrong first byte": Damage(0),
    "wrong last byte": Damage(-1),
    "short and honest": Shorten(1, honest=True),
    "short and lying": Shorten(1),
    "long and honest": Lengthen(1, honest=True),
    "long and lying": Lengthen(1),
    "zipped": Zip(),
    "no body": Instead(Reply(200, b"")),
    "another body": Instead(Reply(200, b"{}", {"Content-Type": "application/json"})),
    "an error page": Instead(Reply(500, b"<html>")),
    "not there": Instead(Reply(404, b"{}")),
    "denied": Instead(Reply(403, b"{}")),
    "to a private address": Instead(Reply(307, b"", {"Location": "http://169.254.169.254/latest/meta-data/"})),
    "to a network of its own": Instead(Reply(307, b"", {"Location": "https://10.0.0.7/blob"})),
    "in a circle": Instead(Reply(307, b"", {"Location": "/v2/team/web/blobs/sha256:" + "0" * 64})),
    "throttled for long": Instead(Reply(429, b"toomanyrequests", {"Retry-After": "86400"})),
    "throttled in words": Instead(Reply(429, b'{"errors":[{"message":"retry-after: 44h5m"}]}')),
    **{f"cut {place}": CutAnswer(place) for place in PLACES},
    "cut in the middle, politely": CutAnswer("in-body", reset=False),
    "cut at the first byte": CutAnswer(0),
}


@pytest.mark.parametrize("kind", ["GET blob", "GET manifest"])
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("fault", READ_FAULTS.values(), ids=READ_FAULTS)
def test_a_hostile_source_leaves_a_whole_image_or_none(
    everyday: Both, fault: Fault, times: int | None, kind: str
) -> None:
    made = everyday.anew(FEW)
    made.up.registry.script = Script(Rule(kind, fault, times))
    report = made.copy()
    assert made.same() if report.ok else made.nothing()
    if times is None and fault != Lengthen(1):  # what follows a whole body is nobody's
        assert not report.ok
    for failure in report.failures:
        assert failure.side == "source"
        assert f"source {made.up.registry.host}/{made.repository}" in str(failure)
        if kind == "GET blob":
            assert failure.digest in FEW.blobs
    made.up.registry.script = Script()
    assert made.copy().ok
    assert made.same()


WRITE_FAULTS: dict[str, Fault] = {
    "an error": Instead(Reply(500, b"<html>")),
    "denied": Instead(Reply(403, b"{}")),
    "gone": Instead(Reply(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')),
    "throttled": Instead(Reply(429, b"", {"Retry-After": "1"})),
    "throttled for long": Instead(Reply(429, b"", {"Retry-After": "7200"})),
    "nonsense": Instead(Reply(299, b"\0")),
    "a private location": Lie({"Location": "http://169.254.169.254/x"}),
    "no location": Lie({"Location": None}),
    "a wrong range": Lie({"Range": "0-7"}),
    **{f"answer cut {place}": CutAnswer(place) for place in ("before-headers", "in-headers", "after-headers")},
    **{f"request cut after {n}": CutRequest(n) for n in (0, 1, 70_000, 99_999)},
}


@pytest.mark.parametrize("kind", ["POST upload", "PATCH upload", "PUT upload", "PUT manifest"])
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("fault", WRITE_FAULTS.values(), ids=WRITE_FAULTS)
def test_a_hostile_destination_has_a_whole_image_or_none(
    everyday: Both, fault: Fault, times: int | None, kind: str
) -> None:
    made = everyday.anew(FEW)
    made.down.registry.script = Script(Rule(kind, fault, times))
    report = made.copy(bounds=FEW_AT_ONCE)
    if report.ok:
        assert made.same()
    for failure in report.failures:
        assert failure.side == "destination"
        assert f"destination {made.down.registry.host}/{made.repository}" in str(failure)
    assert made.same() or made.nothing()
    made.down.registry.script = Script()
    assert made.copy(bounds=FEW_AT_ONCE).ok
    assert made.same()


@pytest.mark.parametrize("looping", [True, False])
def test_pages_without_end(looping: bool) -> None:
    with both() as made:
        made.up.push(images.single("x"))
        made.up.registry.script = Script(Rule("GET tags", EndlessPages(looping=looping), None))
        with pytest.raises(ProtocolError):
            all_tags(made.up.client(), Copy(REPOSITORY, REPOSITORY, ()))


def test_referrers_without_end_are_told_and_the_image_is_copied() -> None:
    with both() as made:
        made.up.push(images.single("x"))
        made.up.registry.script = Script(Rule("GET referrers", EndlessPages("manifests", looping=True), None))
        report = made.copy()
        assert isinstance(report.failures[0].error, ProtocolError)
        assert made.same()


class TestBudget:
    def test_a_spent_pull_budget_puts_the_rest_off_and_keeps_what_is_whole(self) -> None:
        with both(up=replace(DOCKER_HUB_MANNERS, manifest_gets=3)) as made:
            for number in range(6):
                made.up.push(images.single(f"{number}"), f"{number}")
            items = tuple(Item(f"{number}", f"{number}") for number in range(6))
            report = made.copy(*items)
            assert len(report.copied) == 3
            assert {type(failure.error) for failure in report.failures} == {PutOffError}
            assert all(made.same(str(item.tag)) for item in report.copied)
            assert made.up.waits == []

    def test_in_sync_costs_no_pull(self) -> None:
        with both(up=DOCKER_HUB_MANNERS) as made:
            made.up.push(images.multi_platform("x"))
            assert made.copy().ok
            made.up.registry.tally.clear()
            assert made.copy().in_sync == ITEMS
            assert made.up.registry.tally.pulls == 0


def test_a_repository_that_is_not_there_is_named() -> None:
    with ExitStack() as stack:
        store = MemoryStore(create_on_push=False)
        made = Both(stack.enter_context(stage()), stack.enter_context(stage(ECR_MANNERS, store=store)))
        made.up.push(LARGE)
        (failure,) = made.copy().failures
        assert isinstance(failure.error, RepositoryGoneError)
        assert f"destination {made.down.registry.host}/{REPOSITORY}" in str(failure)


def test_a_token_server_that_fails() -> None:
    with both(up_auth=Auth("bearer")) as made:
        place(made.up.store, REPOSITORY, "1.0", images.single("x"))
        made.up.registry.script = Script(Rule("GET token", Instead(Reply(503, b"")), None))
        (failure,) = made.copy().failures
        assert (failure.side, isinstance(failure.error, LongshoreError)) == ("source", True)
        made.up.registry.script = Script()
        assert made.copy().ok


def test_a_tree_that_lies_about_sizes() -> None:
    with both() as made:
        image = images.single("x")
        document = json.loads(image.manifest)
        document["layers"][0]["size"] += 1
        made.up.push(replace(image, manifest=json.dumps(document).encode()))
        (failure,) = made.copy().failures
        assert isinstance(failure.error, IntegrityError)
        assert made.nothing()


def test_a_private_address_is_never_asked() -> None:
    with both() as made:
        made.up.push(images.single("x"))
        location = {"Location": "http://192.168.1.1/"}
        made.up.registry.script = Script(Rule("GET blob", Instead(Reply(302, b"", location)), None))
        (failure,) = made.copy().failures
        assert isinstance(failure.error, AddressError)
