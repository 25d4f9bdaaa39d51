"""What a hostile source may have a copy hold at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.errors import GoneError
from longshore.mirror import walking
from longshore.mirror.forest import Cause, caught
from longshore_local import images
from tests.mirror_world import FakeRegistry, World

if TYPE_CHECKING:
    import pytest


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
