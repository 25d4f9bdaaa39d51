"""One tag that a registry denies, or fails on, holds up no other; what is wrong with all is told for all."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.errors import AccessDeniedError, LongshoreError, UpstreamError
from longshore.events import Kind
from tests.mirrors_world import MirrorWorld, digest

DENIED = AccessDeniedError("quay.io/team/web:b: HEAD manifest: 403 DENIED: blocked by policy")
BROKEN = UpstreamError("quay.io/team/web:b: HEAD manifest: 500")
ALL = {"include": ["a", "b", "c*"]}
NAMED = {"include": ["a", "b", "c"]}


def world(**members: Any) -> MirrorWorld:
    web = {"from": "quay.io/team/web", "to": "reg.example.com/web", "every": "1h", "referrers": "none", **members}
    made = MirrorWorld(web=web)
    made.upstream().tags.update({tag: digest(tag) for tag in "abc"})
    return made


def looks(made: MirrorWorld, count: int) -> list[tuple[str | None, str]]:
    """So many hourly looks; what failed, and why."""
    for _ in range(count):
        made.sweep()
        made.run(minutes=60)
    return [(each.detail["tag"], each.detail["why"]) for each in made.publisher.of(Kind.MIRROR_FAILED)]


@pytest.mark.parametrize("downstream", [False, True])
@pytest.mark.parametrize("error", [DENIED, BROKEN])
@pytest.mark.parametrize("tags", [ALL, NAMED])
def test_one_tag_that_cannot_be_asked_for_holds_up_no_other(
    error: LongshoreError, tags: dict[str, list[str]], downstream: bool
) -> None:
    made = world(tags=tags)
    side = made.downstream() if downstream else made.upstream()
    side.fails["b"] = error
    told = looks(made, 3)
    assert made.downstream().tags.keys() == {"a", "c"}
    assert told == ([("b", str(error))] if error is DENIED else []), "a denial is told once, with its tag"
    assert made.queue.next_due() is None
    side.fails.clear()
    looks(made, 1)
    assert made.downstream().tags.keys() == {"a", "b", "c"}


def test_a_tag_that_fails_downstream_counts_as_failing() -> None:
    made = world()
    made.downstream().fails["b"] = BROKEN
    looks(made, 1)
    (report,) = made.publisher.of(Kind.MIRROR_REPORTED)
    assert (report.detail["failing"], report.detail["reasons"]) == (1, {"new": 2, "unreadable": 1})


def test_what_every_tag_is_denied_is_the_mirrors_and_told_once() -> None:
    made = world()
    made.upstream().fails.update(dict.fromkeys("abc", DENIED))
    assert looks(made, 3) == [(None, str(DENIED))]


def test_what_every_tag_fails_on_goes_back_to_the_queue() -> None:
    made = world()
    made.upstream().fails.update(dict.fromkeys("abc", BROKEN))
    made.sweep()
    with pytest.raises(UpstreamError):
        made.run()


def test_each_tag_with_a_trouble_of_its_own_is_told_by_itself() -> None:
    made = world()
    made.upstream().fails.update({"a": DENIED, "b": DENIED, "c": BROKEN})
    assert [tag for tag, _ in looks(made, 2)] == ["a", "b"]


def test_the_other_downstream_has_what_one_fails_on() -> None:
    made = world(to=["reg.example.com/web", "ecr:web"])
    made.downstream().fails["b"] = BROKEN
    looks(made, 2)
    assert made.downstream(place=1).tags.keys() == {"a", "b", "c"}
    assert made.downstream().tags.keys() == {"a", "c"}
    assert made.queue.next_due() is None
