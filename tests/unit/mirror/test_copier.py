"""The copy engine between two registries in memory: what is copied, in which order, and at which cost."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from longshore.errors import AccessDeniedError, UnsupportedError
from longshore.mirror.errors import IntegrityError
from longshore.mirror.orders import Bounds, Item
from longshore.mirror.referrers import fallback_tag
from longshore_local import images
from longshore_local.image_shapes import (
    SHAPES,
    composed,
    cosign_images,
    four_platforms,
    index_of,
    nested_index,
    referrers_of,
    sharing_tags,
)
from tests.mirror_world import REPOSITORY, SMALL, FakeRegistry, World, failing


@pytest.mark.parametrize("shape", SHAPES)
class TestShapes:
    def test_every_shape_arrives_byte_for_byte(self, shape: str) -> None:
        world = World()
        world.source.place(SHAPES[shape]("x"), "1.0")
        report = world.copy("1.0")
        assert (report.ok, report.copied) == (True, (Item("1.0", "1.0"),))
        assert world.unlike("1.0") == []
        assert len(report.foreign) == ("foreign" in shape)

    def test_a_second_run_costs_one_head_on_each_side(self, shape: str) -> None:
        world = World()
        world.source.place(SHAPES[shape]("x"), "1.0")
        world.copy("1.0", referrers="none")
        world.forget_calls()
        report = world.copy("1.0", referrers="none", complete=lambda digest: True)
        assert report.in_sync == (Item("1.0", "1.0"),)
        assert world.source.calls == world.destination.calls == [("head", "1.0")]


class TestOrder:
    def test_blobs_then_children_then_the_index_with_its_tag(self) -> None:
        world = World()
        world.source.place(nested_index("x"), "1.0")
        world.copy("1.0")
        names = [name for name, _ in world.destination.calls if name in ("finish", "put_manifest")]
        assert names == sorted(names)  # every finish before the first put
        assert world.destination.calls[-1] == ("put_manifest", "1.0")

    def test_referrers_are_there_before_the_tag(self) -> None:
        world = World(destination=FakeRegistry("destination", referrers_api=True))
        image = images.single("x")
        world.source.place(image, "1.0")
        for referrer in referrers_of(image):
            world.source.refer(referrer)
        world.copy("1.0")
        assert world.destination.calls[-1] == ("put_manifest", "1.0")


class TestRequests:
    def test_a_new_repository_costs_two_requests_for_each_blob(self) -> None:
        world = World(bounds=Bounds())
        image = images.single("x", layers=20)
        world.source.place(image, "1.0")
        world.copy("1.0", referrers="none")
        there = world.destination
        assert {name: there.count(name) for name, _ in there.calls} == {
            "head": 1,
            "tags": 1,
            "has_blob": 1,
            "upload": 21,
            "finish": 21,
            "put_manifest": 1,
        }
        assert {name: world.source.count(name) for name in ("head", "manifest", "blob")} == {
            "head": 0,
            "manifest": 1,
            "blob": 21,
        }

    def test_tags_that_share_layers_send_them_once(self) -> None:
        world = World()
        made = sharing_tags("x", count=30, layer_bytes=200)
        for tag, image in made.items():
            world.source.place(image, tag)
        report = world.copy(*made)
        assert report.ok
        assert world.unlike(*made) == []
        blobs = {digest for image in made.values() for digest in image.blobs}
        assert report.sent.blobs == world.destination.count("finish") == world.source.count("blob") == len(blobs)

    def test_a_tag_of_what_is_there_costs_one_manifest(self) -> None:
        world = World()
        world.source.place(four_platforms("x"), "1.0", "1", "latest")
        world.copy("1.0")
        world.forget_calls()
        report = world.copy("1", "latest", referrers="none")
        assert (world.destination.count("upload"), world.source.count("blob")) == (0, 0)
        assert world.destination.count("put_manifest") == report.sent.manifests == 1
        assert world.unlike("1.0", "1", "latest") == []

    def test_only_what_changed_is_read_and_sent(self) -> None:
        world = World()
        world.source.place(images.multi_platform("x", ("linux/amd64", "linux/arm64"), attestations=False), "1.0")
        world.copy("1.0")
        changed = images.multi_platform("x", ("linux/amd64", "linux/s390x"), attestations=False)
        world.source.place(changed, "1.0")
        world.forget_calls()
        report = world.copy("1.0", referrers="none")
        assert world.unlike("1.0") == []
        assert (world.source.count("manifest"), report.sent.manifests, report.sent.blobs) == (2, 2, 2)

    def test_blobs_of_an_earlier_tag_are_looked_for(self) -> None:
        world = World()
        tags = sharing_tags("x", count=2, layer_bytes=200)
        for tag, image in tags.items():
            world.source.place(image, tag)
        world.copy("v000")
        report = world.copy("v001")
        assert (report.sent.blobs, report.skipped.blobs) == (2, 4)

    def test_a_source_that_counts_pulls_is_asked_for_digests_first(self) -> None:
        world = World(source=FakeRegistry("source", "registry-1.docker.io"))
        world.source.place(images.single("x"), *(f"v{number}" for number in range(6)))
        world.copy(*(f"v{number}" for number in range(6)), referrers="none")
        assert world.source.count("manifest") <= 6
        assert world.source.count("head") == 6

    def test_a_mount_in_place_of_bytes(self) -> None:
        world = World()
        world.source.place(images.single("x"), "1.0")
        world.destination.place(images.single("x"), repository="team/base")
        report = world.copy("1.0", siblings=lambda digest: "team/base")
        assert (report.mounted, report.sent.blobs, world.destination.received) == (2, 0, 0)
        assert world.unlike("1.0") == []

    def test_a_mount_that_is_declined_goes_on_as_an_upload(self) -> None:
        world = World(destination=FakeRegistry("destination", mounts=False))
        world.source.place(images.single("x"), "1.0")
        report = world.copy("1.0", siblings=lambda digest: "team/base")
        assert (report.mounted, report.sent.blobs, world.destination.count("upload")) == (0, 2, 0)
        assert world.unlike("1.0") == []


class TestPlatforms:
    def test_one_platform_takes_the_place_of_the_index(self) -> None:
        world = World()
        index = world.source.place(four_platforms("x"), "1.0")
        report = world.copy("1.0", platforms=["linux/arm64"])
        arm = next(child.digest for child in index.children if child.platform == "linux/arm64")
        assert report.ok
        assert world.destination.repositories[REPOSITORY].tags == {"1.0": arm}

    def test_several_platforms_are_the_index_as_it_is_or_nothing(self) -> None:
        world = World()
        world.source.place(four_platforms("x"), "1.0")
        report = world.copy("1.0", platforms=["linux/arm64", "linux/amd64"])
        assert "copy one platform, or all" in str(report.failures[0])  # this registry wants every child
        assert "1.0" not in world.destination.repositories[REPOSITORY].tags
        assert len(world.destination.repositories[REPOSITORY].manifests) == 4  # two images, two attestations

    def test_no_such_platform(self) -> None:
        world = World()
        world.source.place(four_platforms("x"), "1.0")
        (failure,) = world.copy("1.0", platforms=["linux/mips"]).failures
        assert isinstance(failure.error, UnsupportedError)
        assert "linux/amd64, linux/arm/v7" in str(failure)

    def test_an_image_of_another_platform_is_copied_as_it_is_and_told(self) -> None:
        world = World()
        world.source.place(images.single("x"), "1.0")
        report = world.copy("1.0", platforms=["linux/arm64"])
        assert report.ok
        assert world.unlike("1.0") == []
        (note,) = report.notes
        assert "team/web:1.0: it is an image of linux/amd64 alone, not of linux/arm64" in note

    @pytest.mark.parametrize("wanted", [["linux/amd64"], ["linux/arm64", "linux/amd64"], []])
    def test_nothing_is_told_of_an_image_that_was_asked_for(self, wanted: list[str]) -> None:
        world = World()
        world.source.place(images.single("x"), "1.0")
        world.source.place(four_platforms("y"), "2.0")
        assert world.copy("1.0", platforms=wanted).notes == ()
        assert world.copy("2.0", platforms=wanted[:1]).notes == ()

    @pytest.mark.parametrize("content", [b"no JSON \x1b[2J", b"{}", b'{"os": 1, "architecture": {}}', b"[" * 9])
    def test_a_configuration_that_cannot_be_read_is_no_failure_by_itself(self, content: bytes) -> None:
        world = World()
        world.source.place(composed([(images.OCI_LAYER, b"x")], config=content), "1.0")
        report = world.copy("1.0", platforms=["linux/arm64"])
        assert report.ok
        assert all(note.isprintable() for note in report.notes)

    def test_one_platform_of_an_index_within_an_index(self) -> None:
        world = World()
        world.source.place(nested_index("x"), "1.0")
        report = world.copy("1.0", platforms=["linux/arm64"])
        assert report.ok, report.failures
        (digest,) = world.destination.repositories[REPOSITORY].tags.values()
        inner = images.multi_platform("x/inner")
        assert digest in {child.digest for child in inner.children}
        assert list(world.destination.repositories[REPOSITORY].manifests) == [digest]  # nothing else is left there


@pytest.mark.parametrize("source_api", [False, True])
@pytest.mark.parametrize("destination_api", [False, True])
class TestReferrers:
    def made(self, source_api: bool, destination_api: bool) -> tuple[World, images.SyntheticImage, set[str]]:
        world = World(
            FakeRegistry("source", "up", referrers_api=source_api),
            FakeRegistry("destination", "down", referrers_api=destination_api),
        )
        image = images.multi_platform("x", ("linux/amd64",), attestations=False)
        world.source.place(image, "1.0")
        attached = [*referrers_of(image), *referrers_of(image.children[0], 1)]
        attached += referrers_of(attached[0], 1)  # a signature of an SBOM
        return world, image, {world.source.refer(each).digest for each in attached}

    def referred(self, world: World, digest: str) -> set[str]:
        return {entry.digest for entry in world.destination.referrers(REPOSITORY, digest)}

    def test_all_of_them_come_along(self, source_api: bool, destination_api: bool) -> None:
        world, image, attached = self.made(source_api, destination_api)
        report = world.copy("1.0")
        assert report.ok, report.failures
        there = world.destination.repositories[REPOSITORY].manifests
        assert attached <= there.keys()
        assert len(self.referred(world, image.digest)) == 2
        assert len(self.referred(world, image.children[0].digest)) == 1
        assert (fallback_tag(image.digest) in world.destination.repositories[REPOSITORY].tags) is not destination_api

    def test_a_later_one_is_found_though_the_image_is_in_sync(self, source_api: bool, destination_api: bool) -> None:
        world, image, _ = self.made(source_api, destination_api)
        world.copy("1.0")
        late = {
            world.source.refer(images.artifact("late", "text/late", of)).digest for of in (image, image.children[0])
        }
        report = world.copy("1.0")
        assert report.ok, report.failures
        assert late <= world.destination.repositories[REPOSITORY].manifests.keys()
        assert late & self.referred(world, image.digest)
        assert len(self.referred(world, image.digest)) == 3

    def test_what_the_destination_lists_of_its_own_stays(self, source_api: bool, destination_api: bool) -> None:
        world, image, _ = self.made(source_api, destination_api)
        world.destination.place(image, "1.0")
        own = world.destination.refer(images.artifact("own", "text/own", image)).digest
        assert world.copy("1.0").ok
        assert own in self.referred(world, image.digest)
        assert len(self.referred(world, image.digest)) == 3

    def test_a_childs_is_found_when_its_index_is_only_tagged(self, source_api: bool, destination_api: bool) -> None:
        world, image, _ = self.made(source_api, destination_api)
        world.copy("1.0", referrers="none")
        late = world.source.refer(images.artifact("late", "text/late", image.children[0])).digest
        world.source.place(image, "latest")
        assert world.copy("latest").ok
        assert late in self.referred(world, image.children[0].digest)

    def test_none_of_them(self, source_api: bool, destination_api: bool) -> None:
        world, _, attached = self.made(source_api, destination_api)
        world.copy("1.0", referrers="none")
        assert not attached & world.destination.repositories[REPOSITORY].manifests.keys()

    def test_signatures_alone(self, source_api: bool, destination_api: bool) -> None:
        world, image, _ = self.made(source_api, destination_api)
        for tag, made in cosign_images(image).items():
            world.source.place(made, tag)
        assert world.copy("1.0", referrers="signatures").ok
        assert len(self.referred(world, image.digest)) == 1
        tags = world.destination.repositories[REPOSITORY].tags
        assert {tag.rpartition(".")[2] for tag in tags if tag.endswith((".sig", ".att", ".sbom"))} == {"sig"}


def test_cosign_tags_of_every_platform() -> None:
    world = World()
    image = four_platforms("x")
    world.source.place(image, "1.0")
    tags = cosign_images(image) | cosign_images(image.children[1])
    for tag, made in tags.items():
        world.source.place(made, tag)
    assert world.copy("1.0").ok
    assert world.unlike("1.0", *tags) == []


class TestIsolation:
    def test_a_tag_that_fails_names_side_and_blob_and_holds_up_no_other(self) -> None:
        world = World()
        for tag in ("a", "b", "c"):
            world.source.place(images.single(tag), tag)
        lost = next(iter(images.single("b").blobs))
        del world.source.repositories[REPOSITORY].blobs[lost]
        report = world.copy("a", "b", "c", bounds=SMALL)
        (failure,) = report.failures
        assert (failure.item.tag, failure.side, failure.digest) == ("b", "source", lost)
        assert lost in str(failure)
        assert world.unlike("a", "c") == []
        assert world.destination.tree("b") == {}

    def test_a_source_that_denies_one_blob_gives_the_others(self) -> None:
        world = World()
        for tag in ("a", "b", "c"):
            world.source.place(images.single(tag), tag)
        denied = sorted(images.single("b").blobs)[0]
        refusal = AccessDeniedError("source up.example: denied")
        world.source.before = failing(*[refusal] * 9, name="piece", about=denied)
        report = world.copy("a", "b", "c")
        assert [failure.item.tag for failure in report.failures] == ["b"]
        assert world.unlike("a", "c") == []

    def test_a_destination_that_denies_is_not_asked_for_each(self) -> None:
        world = World()
        image = images.single("a", layers=30)
        world.source.place(image, "a")
        refusal = AccessDeniedError("destination down.example: denied")
        world.destination.before = failing(*[refusal] * 99, name="upload")
        (failure,) = world.copy("a").failures
        assert (failure.side, world.destination.count("upload")) == ("destination", 1)

    def test_every_batch_is_copied(self) -> None:
        world = World(bounds=replace(SMALL, batch=3, chunk=1_000))
        tags = [f"v{number}" for number in range(10)]
        for tag in tags:
            world.source.place(images.single(f"{int(tag[1:]) // 2}"), tag)
        report = world.copy(*tags)
        assert len(report.copied) == 10
        assert world.unlike(*tags) == []
        assert world.destination.count("finish") == 10  # 5 images of 2 blobs
        assert world.destination.count("has_blob") == 1

    def test_an_index_waits_for_all_of_its_children(self) -> None:
        world = World()
        index = four_platforms("x")
        world.source.place(index, "1.0", "2.0")
        lost = index.children[2].digest
        del world.source.repositories[REPOSITORY].manifests[lost]
        report = world.copy("1.0")
        assert [(failure.side, failure.digest) for failure in report.failures] == [("source", lost)]
        assert world.destination.repositories[REPOSITORY].tags == {}

    def test_a_blob_that_vanished_is_sent_again_before_its_manifest(self) -> None:
        world = World()
        image = images.single("x")
        world.source.place(image, "1.0")
        first = sorted(image.blobs)[0]

        def vanish(name: str, about: str) -> None:
            if name == "put_manifest" and world.destination.count("put_manifest") == 1:
                del world.destination.repositories[REPOSITORY].blobs[first]

        world.destination.before = vanish
        assert world.copy("1.0").ok
        assert world.unlike("1.0") == []
        assert world.destination.count("finish") == 3

    def test_immutable_tags_are_looked_at_before_they_are_a_conflict(self) -> None:
        world = World(destination=FakeRegistry("destination", immutable=True))
        world.source.place(images.single("x"), "1.0", "2.0")
        world.copy("1.0", referrers="none")
        world.source.place(images.single("y"), "1.0")
        report = world.copy("1.0", "2.0", referrers="none")
        assert [failure.item.tag for failure in report.failures] == ["1.0"]
        assert [item.tag for item in report.copied] == ["2.0"]

    def test_a_tag_that_somebody_else_set_to_the_same_is_no_conflict(self) -> None:
        world = World(destination=FakeRegistry("destination", immutable=True))
        manifest = world.source.place(images.single("x"), "1.0")

        def faster(name: str, about: str) -> None:
            if name == "put_manifest":
                there = world.destination.repositories[REPOSITORY]
                there.manifests[manifest.digest] = manifest
                there.tags["1.0"] = manifest.digest

        world.destination.before = faster
        assert world.copy("1.0").ok

    def test_a_child_of_another_size_than_its_index_says(self) -> None:
        world = World()
        image = images.multi_platform("x", ("linux/amd64",), attestations=False)
        document = json.loads(image.manifest)
        document["manifests"][0]["size"] += 1
        world.source.place(replace(image, manifest=json.dumps(document).encode()), "1.0")
        (failure,) = world.copy("1.0").failures
        assert (failure.side, failure.digest) == ("source", image.children[0].digest)
        assert isinstance(failure.error, IntegrityError)

    def test_a_tree_without_end_is_refused(self) -> None:
        world = World()
        image = images.single("x")
        for _ in range(9):
            image = index_of(image)
        world.source.place(image, "deep")
        world.source.place(images.single("y"), "good")
        report = world.copy("deep", "good")
        assert ["more than 8 levels" in str(failure) for failure in report.failures] == [True]
        assert world.unlike("good") == []


@pytest.mark.parametrize("tag", ["1.0", "2.0"])
def test_an_index_of_some_platforms_is_completed_when_all_are_wanted(tag: str) -> None:
    world = World(destination=FakeRegistry("destination", "down.example", sparse=True))
    world.source.place(images.multi_platform("x", ("linux/amd64", "linux/arm64", "linux/s390x")), "1.0", "2.0")
    assert world.copy("1.0", platforms=["linux/amd64", "linux/arm64"]).ok
    assert world.copy(tag).ok
    assert world.unlike(tag) == []
