"""What a hostile source may have a copy hold at once."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.manifests import OCI_INDEX, Manifest, digest_of
from longshore.mirror import walking
from longshore.mirror.forest import Cause, caught, each
from longshore.mirror.orders import Bounds
from longshore_local import images
from longshore_local.image_shapes import index_of
from tests.mirror_world import REPOSITORY, FakeRegistry, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


def hollow(tag: str, children: int, *more: images.SyntheticImage) -> bytes:
    """An index of manifests that nobody has, after some that there are."""
    listed = [child.descriptor() for child in more]
    listed += [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": 9,
            "digest": digest_of(f"{tag}{n}".encode()),
        }
        for n in range(children)
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()


class Hollow(FakeRegistry):
    """Its tags are indexes without their children, and it is wordy about that."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__("source", "up.example")
        self.contents = contents

    def manifest(self, repository: str, reference: str) -> Manifest:
        if reference in self.contents:
            self.calls.append(("manifest", reference))
            return Manifest.parse(self.contents[reference], OCI_INDEX)
        try:
            return super().manifest(repository, reference)
        except GoneError as error:
            raise GoneError(f"{error} {'x' * 1_000}") from None


def test_an_index_whose_children_are_missing_is_soon_given_up() -> None:
    world = World(source=Hollow({"1.0": hollow("1.0", 1_000)}))
    (failure,) = world.copy("1.0").failures
    assert isinstance(failure.error, GoneError)
    assert world.source.count("manifest") <= 65
    assert world.source.count("referrers") <= 1


def test_what_such_an_index_shares_with_another_is_read_for_that_one() -> None:
    shared = [images.single(f"x{n}") for n in range(3)]
    bad = json.loads(hollow("bad", 200))
    bad["manifests"] += [child.descriptor() for child in shared]
    source = Hollow({"bad": json.dumps(bad).encode()})
    world = World(source=source, destination=FakeRegistry("destination", sparse=True))
    source.place(index_of(*shared), "good")
    report = world.copy("bad", "good", referrers="none")
    assert [failure.item.tag for failure in report.failures] == ["bad"]
    assert world.unlike("good") == []
    assert list(world.destination.repositories[REPOSITORY].tags) == ["good"]


def test_a_few_missing_children_hold_up_no_other() -> None:
    there = images.single("x")
    source = Hollow({"1.0": hollow("1.0", 3, there)})
    source.place(there)
    world = World(source=source)
    assert len(world.copy("1.0", referrers="none").failures) == 1
    assert there.digest in world.destination.repositories[REPOSITORY].manifests


def test_what_a_hostile_source_has_us_hold_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 4 * 1024 * 1024
    monkeypatch.setattr(walking, "_MOST_OF_BATCH", most)
    tags = [f"v{n}" for n in range(25)]
    world = World(source=Hollow({tag: hollow(tag, 1_000) for tag in tags}), bounds=Bounds(requests=2))
    tracemalloc.start()
    try:
        assert len(world.copy(*tags, referrers="none").failures) == 25
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


def test_a_batch_of_which_too_much_went_wrong_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_MOST_OF_BATCH", 100_000)  # the indexes themselves take half of that
    contents = {f"v{n}": hollow(f"v{n}", 7) for n in range(8)}
    world = World(source=Hollow(contents))
    assert sum(Manifest.parse(each).weight for each in contents.values()) < 60_000
    assert len(world.copy(*contents, referrers="none").failures) == 8
    assert world.source.calls.count(("manifest", "v0")) == 2


def test_an_error_takes_room() -> None:
    short, long = (Cause(GoneError("x" * length), "source") for length in (1, 10_000))
    assert long.weight - short.weight == 9_999


def test_things_are_taken_up_as_they_can_be_done() -> None:
    taken, done = list[int](), list[int]()

    def numbers() -> Iterator[int]:
        for number in range(1_000):
            assert len(taken) - len(done) <= 64
            taken.append(number)
            yield number

    def take(number: int) -> int:
        done.append(number)
        return number

    with ThreadPoolExecutor(2) as pool:
        assert each(pool, take, numbers()) == list(range(1_000))


def test_a_batch_that_is_too_large_is_copied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(source=FakeRegistry("source", "up.example", referrers_api=False))
    tags = [f"v{n}" for n in range(8)]
    made = {tag: images.single(tag) for tag in tags}
    weight = max(world.source.place(image, tag).weight for tag, image in made.items())
    signature = images.signature(made["v0"])
    world.source.place(signature, images.signature_tag(made["v0"].digest))
    monkeypatch.setattr(walking, "_MOST_OF_BATCH", weight * 3)
    report = world.copy(*tags)
    assert (report.ok, len(report.copied)) == (True, 9)
    assert world.unlike(*tags, images.signature_tag(made["v0"].digest)) == []


def test_an_image_that_is_too_large_by_itself_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.source.place(images.multi_platform("large"), "large")
    weight = world.source.place(images.single("small"), "small").weight
    monkeypatch.setattr(walking, "_MOST_OF_BATCH", weight * 2)
    report = world.copy("large", "small", referrers="none")
    assert [item.tag for item in report.copied] == ["small"]
    assert [failure.item.tag for failure in report.failures] == ["large"]


def test_a_kept_error_holds_nothing_of_where_it_was_raised() -> None:
    def fail() -> None:
        raise GoneError("gone")

    found = caught(fail)
    assert isinstance(found, Cause)
    assert found.error.__traceback__ is None
