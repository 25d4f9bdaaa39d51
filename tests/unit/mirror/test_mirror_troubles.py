"""What can never be done as things are is told once, and holds up nothing else of the mirror."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.errors import AccessDeniedError, LongshoreError, PermanentError, ThrottledError, UpstreamError
from longshore.events import Kind
from longshore.manifests import Descriptor
from tests.mirrors_world import HOME, MirrorWorld, digest

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.mirror.carrier import Part, Sent
    from longshore.mirror.ports import Holdings
    from longshore.mirror.report import Report
    from longshore.mirror.rules import Downstream, Mirror

WEB: dict[str, Any] = {"from": "quay.io/org/web", "to": ["ecr:a", "registry.example.com/b"], "every": "1h"}
APP: dict[str, Any] = {"from": "ecr:team/app", "to": "public.ecr.aws/a1/app", "catalog": {"description": "x"}}


class DenyingWorld(MirrorWorld):
    """Steps that are refused at one host, by name."""

    host = HOME.host
    denied: Mapping[str, LongshoreError] = {}

    def deny(self, step: str, host: str = HOME.host) -> None:
        """From now on."""
        self.host = host
        self.denied = {step: AccessDeniedError(f"{step}: AccessDeniedException: not authorized")}

    def _may(self, step: str, downstream: Downstream) -> None:
        if step in self.denied and downstream.endpoint.host == self.host:
            raise self.denied[step]

    def holdings(self, downstream: Downstream) -> Holdings | None:
        self._may("list", downstream)
        return super().holdings(downstream)

    def create(self, mirror: Mirror, downstream: Downstream) -> bool:
        self._may("create", downstream)
        return super().create(mirror, downstream)

    def describe(self, mirror: Mirror, downstream: Downstream) -> bool:
        self._may("describe", downstream)
        return super().describe(mirror, downstream)

    def delete(self, downstream: Downstream, tags: Mapping[str, Digest]) -> Sequence[str]:
        self._may("delete", downstream)
        return super().delete(downstream, tags)

    def stored(self, mirror: Mirror, downstream: Downstream, tag: str) -> Digest:
        if tag == "v1":
            self._may("stored", downstream)
        return super().stored(mirror, downstream, tag)

    def copy(self, part: Part) -> Report:
        self._may("blobs", part.downstream)
        return super().copy(part)

    def send(self, mirror: Mirror, downstream: Downstream, blobs: Sequence[Descriptor], until: datetime) -> Sent:
        self._may("send", downstream)
        return super().send(mirror, downstream, blobs, until)

    def hours(self, count: int) -> None:
        """So many sweeps."""
        for _ in range(count):
            self.sweep()
            self.run(minutes=60)

    def failed(self) -> list[tuple[str | None, str | None]]:
        """Whom the failures that were told concern."""
        told = self.publisher.of(Kind.MIRROR_FAILED)
        return [(each.detail["downstream"], each.detail["tag"]) for each in told]


def world(tags: int = 2, **members: Any) -> DenyingWorld:
    made = DenyingWorld(web={**WEB, **members})
    made.upstream().tags.update({f"v{i}": digest(f"v{i}") for i in range(1, tags + 1)})
    return made


@pytest.mark.parametrize("step", ["create", "blobs"])
def test_a_downstream_that_takes_nothing_holds_up_no_other(step: str) -> None:
    made = world(tags=60)
    made.deny(step)
    made.hours(3)
    assert len(made.downstream(place=1).tags) == 60
    assert made.failed() == [(f"{HOME.host}/a", None)], "told once, not for each look, part or tag"
    made.denied = {}
    made.hours(1)
    assert len(made.downstream().tags) == 60
    made.upstream().tags["v1"] = digest("moved")
    made.deny("blobs")
    made.hours(2)
    assert len(made.failed()) == 2, "it went well in between"


def test_a_prune_that_is_denied_holds_up_no_copy() -> None:
    made = world(tags=9, to="ecr:a", prune={"after": "1h"})
    made.hours(1)
    made.deny("delete")
    del made.upstream().tags["v9"]
    made.hours(2)
    made.upstream().tags["v10"] = digest("v10")
    made.hours(2)
    assert {"v9", "v10"} <= made.downstream().tags.keys()
    assert made.failed() == [(f"{HOME.host}/a", None)]
    made.denied = {}
    made.hours(1)
    assert "v9" not in made.downstream().tags


def test_a_gallery_that_may_not_be_written_holds_up_no_copy() -> None:
    made = DenyingWorld(web={**APP, "every": "1h"})
    made.upstream().tags["v1"] = digest("v1")
    made.hours(1)
    made.deny("describe", "public.ecr.aws")
    made.upstream().tags["v2"] = digest("v2")
    made.hours(3)
    assert made.downstream().tags.keys() == {"v1", "v2"}
    assert made.failed() == [("public.ecr.aws/a1/app", None)]


@pytest.mark.parametrize("error", [AccessDeniedError("destination: 403"), UpstreamError("destination: 500")])
def test_a_tag_that_cannot_be_read_back_is_its_own_trouble(error: PermanentError | UpstreamError) -> None:
    made = world(to="ecr:a", platforms=["linux/arm64"])
    made.deny("stored")
    made.denied = {"stored": error}
    made.sweep()
    made.run()
    assert [each.detail["tag"] for each in made.publisher.of(Kind.IMAGE_MIRRORED)] == ["v2"]
    made.run(minutes=600)
    assert made.failed() == [(f"{HOME.host}/a", "v1")]


def test_blobs_that_can_never_go_ahead_are_told_by_the_copy() -> None:
    made = world(tags=1, to="ecr:a")
    made.large[digest("v1")] = [Descriptor("x", digest(f"layer{i}"), 700 << 20) for i in range(2)]
    made.deny("send")
    made.sweep()
    made.run()
    assert made.jobs.jobs == {}
    assert made.queue.next_due() is None


def test_an_upstream_that_came_back_is_told_of_anew() -> None:
    made = world()
    for _ in range(2):
        made.upstream().down = AccessDeniedError("source quay.io/org/web: 401")
        made.hours(2)
        made.upstream().down = None
        made.hours(1)
    assert made.failed() == [(None, None)] * 2


def test_a_downstream_that_cannot_be_listed_holds_up_no_other() -> None:
    made = world()
    made.deny("list")
    made.hours(3)
    assert made.downstream(place=1).tags.keys() == {"v1", "v2"}
    assert made.failed() == [(f"{HOME.host}/a", None)], "told once, as that downstream's"
    made.denied = {}
    made.hours(1)
    assert made.downstream().tags.keys() == {"v1", "v2"}
    made.deny("list")
    made.hours(1)
    assert len(made.failed()) == 2, "it went well in between"


def test_the_only_downstream_that_cannot_be_listed_is_told_by_its_name() -> None:
    made = world(to="ecr:a")
    made.deny("list")
    made.hours(2)
    assert made.failed() == [(f"{HOME.host}/a", None)]


@pytest.mark.parametrize("error", [ThrottledError("ecr: slow down", 600), UpstreamError("ecr: 500")])
def test_a_listing_that_may_pass_is_asked_for_again_by_itself(error: LongshoreError) -> None:
    made = world()
    made.denied = {"list": error}
    made.handle(made.event("Mirror Due", {"mirror": "web"}))
    due = made.queue.next_due()
    assert due == made.clock.now() + timedelta(seconds=600 if isinstance(error, ThrottledError) else 0)
    assert made.downstream(place=1).tags.keys() == {"v1", "v2"}
    made.denied = {}
    looks = len(made.registry("registry.example.com").asked)
    made.run(minutes=10)
    assert made.downstream().tags.keys() == {"v1", "v2"}
    assert len(made.registry("registry.example.com").asked) == looks, "the other downstream is left alone"
    assert (made.failed(), made.queue.next_due()) == ([], None)


def test_a_listing_that_goes_on_failing_goes_back_to_the_queue() -> None:
    made = world()
    made.denied = {"list": UpstreamError("ecr: 500")}
    made.sweep()
    with pytest.raises(UpstreamError):
        made.run()
