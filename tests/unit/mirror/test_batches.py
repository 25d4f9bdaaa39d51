"""A batch of tags relies on what the ones before have stored, and on nothing that they only meant to store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from longshore.errors import AccessDeniedError
from longshore.mirror.errors import MissingError
from longshore_local import images
from longshore_local.image_shapes import index_of
from tests.mirror_world import REPOSITORY, SMALL, FakeRegistry, World, failing

CHILD = images.single("child")
ONE_AT_A_TIME = replace(SMALL, batch=1, chunk=10_000)


def sharing(*, sparse: bool) -> World:
    """Two tags of different indexes of the same image, each in a batch of its own."""
    world = World(destination=FakeRegistry("destination", sparse=sparse), bounds=ONE_AT_A_TIME)
    for tag in ("a", "z"):
        world.source.place(index_of(CHILD, images.single("other"), annotations={"of": tag}), tag)
    return world


@pytest.mark.parametrize("sparse", [False, True])
def test_a_child_that_was_refused_is_not_taken_to_be_there(sparse: bool) -> None:
    world = sharing(sparse=sparse)
    refusal = AccessDeniedError("destination: denied")
    world.destination.before = failing(refusal, name="put_manifest", about=CHILD.digest)
    report = world.copy("a", "z", referrers="none")
    assert [failure.item.tag for failure in report.failures] == ["a"]
    assert world.partial() == []
    assert world.unlike("z") == []


def test_a_child_that_is_always_refused_leaves_no_partial_index() -> None:
    world = sharing(sparse=True)
    refusal = AccessDeniedError("destination: denied")
    world.destination.before = failing(*[refusal] * 9, name="put_manifest", about=CHILD.digest)
    assert len(world.copy("a", "z", referrers="none").failures) == 2
    assert world.destination.repositories[REPOSITORY].tags == {}


def test_what_was_stored_is_neither_read_nor_stored_again() -> None:
    world = sharing(sparse=False)
    assert world.copy("a", "z", referrers="none").ok
    assert world.source.calls.count(("manifest", CHILD.digest)) == 1
    assert world.destination.calls.count(("put_manifest", CHILD.digest)) == 1


def test_what_is_lost_between_two_batches_is_told_as_what_it_is() -> None:
    world = sharing(sparse=False)

    def lose(name: str, about: str) -> None:
        if (name, about) == ("put_manifest", "a"):
            del world.destination.repositories[REPOSITORY].manifests[CHILD.digest]

    world.destination.after = lose
    (failure,) = world.copy("a", "z", referrers="none").failures
    assert failure.item.tag == "z"
    assert isinstance(failure.error, MissingError)
