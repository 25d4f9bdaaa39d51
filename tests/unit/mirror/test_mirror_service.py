"""Mirror's service: from an event to copies downstream, what is told, and what is put off."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshore.errors import AccessDeniedError, BadEventError, ConflictError, GoneError, UpstreamError
from longshore.events import Kind
from longshore.images import Endpoint
from longshore.manifests import Descriptor
from longshore.mirror.budget import Budget, Promise
from longshore.mirror.carrier import packs
from longshore.mirror.errors import ImmutableTagError, IntegrityError, PutOffError, UnfinishedError
from longshore.mirror.messages import CopyDue, Message, Wanted, message
from longshore.mirror.ports import RateLimit
from longshore.mirror.service import Mirrorer
from longshore.mirror.survey import whose
from tests.fakes import START, FakePostponer
from tests.mirrors_world import HOME, HUB, INDEX, MirrorWorld, digest

if TYPE_CHECKING:
    from longshore.mirror.report import Report
    from longshore.mirror.rules import Downstream

WEB: dict[str, Any] = {"from": "quay.io/org/web", "to": "ecr:mirror/web"}
HUB_WEB: dict[str, Any] = {"from": "org/web", "to": "ecr:mirror/web", "keep_pulls": 0}
PUBLIC: dict[str, Any] = {"from": "ecr:team/app", "to": "public.ecr.aws/a1/app", "catalog": {"description": "An app"}}


def world(tags: str = "v1 v2", **members: Any) -> MirrorWorld:
    made = MirrorWorld(web={**WEB, **members})
    made.upstream().tags.update({tag: digest(tag) for tag in tags.split()})
    return made


def swept(tags: str = "v1 v2", **members: Any) -> MirrorWorld:
    made = world(tags, **members)
    made.sweep()
    made.run()
    return made


# -- the ordinary way ------------------------------------------------------------------------------------------------


def test_a_sweep_copies_what_is_due_and_tells_it() -> None:
    made = swept()
    assert made.downstream().tags == {"v1": digest("v1"), "v2": digest("v2")}
    assert made.created == [Endpoint(HOME.host, "mirror/web")]
    report, *mirrored = made.publisher.published
    assert (report.kind, report.detail["checked"], report.detail["due"]) == (Kind.MIRROR_REPORTED, 2, 2)
    assert [m.kind for m in mirrored] == [Kind.IMAGE_MIRRORED] * 2
    assert {**mirrored[0].detail, "correlation": ""} == {
        "workload": "",
        "verdict": "copy",
        "reason": "new",
        "mirror": "web",
        "upstream": "quay.io/org/web",
        "downstream": f"{HOME.host}/mirror/web",
        "tag": "v1",
        "digest": digest("v1"),
        "source_digest": digest("v1"),
        "previous": None,
        "correlation": "",
    }
    assert made.queue.next_due() is None


def test_in_sync_costs_a_head_for_each_tag_and_says_nothing() -> None:
    made = swept(every="1h", referrers="none")
    made.publisher.published.clear()
    made.registry("quay.io").asked.clear()
    made.clock.advance(3600)
    made.sweep()
    outcomes = made.run()
    assert made.registry("quay.io").asked == ["GET tags", "HEAD v1", "HEAD v2"]
    assert made.registry(HOME.host).asked == [], "downstream is listed in bulk"
    assert made.publisher.published == []
    assert [outcome.reason for outcome in outcomes] == ["in-sync"]


def test_a_mirror_is_looked_at_when_its_time_has_come() -> None:
    made = swept(every="6h")
    for _ in range(5):
        made.clock.advance(3600)
        made.registry("quay.io").asked.clear()
        made.sweep()
        made.run()
        assert made.registry("quay.io").asked == []
    made.clock.advance(3600)
    made.sweep()
    made.run()
    assert made.registry("quay.io").asked != []


def test_a_moved_tag_is_copied_and_says_what_was_there() -> None:
    made = swept(every="1h")
    made.upstream().tags["v1"] = digest("new")
    made.clock.advance(3600)
    made.sweep()
    made.run()
    last = made.publisher.of(Kind.IMAGE_MIRRORED)[-1].detail
    assert (last["reason"], last["previous"], last["digest"]) == ("moved", digest("v1"), digest("new"))


def test_several_downstreams_are_copied_to_each_by_itself() -> None:
    made = swept(to=["ecr:a", "ecr:b", "registry.example.com/c"])
    for place in range(3):
        assert made.downstream(place=place).tags == {"v1": digest("v1"), "v2": digest("v2")}


def test_many_tags_go_in_parts_and_each_once() -> None:
    made = swept(" ".join(f"v{i}" for i in range(620)))
    assert len(made.copies) == len({tag for _, tag, _ in made.copies}) == 620


def test_a_mirror_that_left_the_configuration_does_nothing() -> None:
    made = world()
    made.send_event("Mirror Due", {"mirror": "other"})
    assert made.run() == []


# -- pushes ----------------------------------------------------------------------------------------------------------


def test_a_push_to_a_private_repository_is_published() -> None:
    made = MirrorWorld(app=PUBLIC, other={**WEB, "to": "ecr:other"})
    made.upstream("app").tags.update({"1.0": digest("one"), "2.0": digest("two")})
    made.pushed("team/app", "2.0", "two")
    made.run()
    assert made.downstream("app").tags == {"2.0": digest("two")}, "the pushed tag, and at once"
    assert made.created == [Endpoint("public.ecr.aws", "a1/app")]
    assert made.registry("quay.io").asked == []


def test_a_push_of_a_signature_has_all_of_the_mirror_looked_at() -> None:
    made = MirrorWorld(app=PUBLIC)
    made.upstream("app").tags.update({"1.0": digest("one")})
    made.sweep()
    made.run()
    signature = digest("one").replace(":", "-") + ".sig"
    made.upstream("app").tags[signature] = digest("signature")
    made.pushed("team/app", signature, "signature")
    made.run()
    assert made.publisher.of(Kind.IMAGE_MIRRORED)[-1].detail["reason"] == "referrers"


def unasked() -> str | None:
    raise AssertionError("a push that concerns nobody costs no call")


@pytest.mark.parametrize(("repository", "tag"), [("team/app", None), ("team/other", "1.0")])
def test_other_pushes_are_nobodys_business(repository: str, tag: str | None) -> None:
    made = MirrorWorld(app=PUBLIC)
    made.switches.paused = unasked  # type: ignore[method-assign]
    made.pushed(repository, tag, "x")
    assert made.run() == []
    assert made.copies == []


def test_what_was_mirrored_is_mirrored_on() -> None:
    on = {"from": "public.ecr.aws/a1/app", "to": "registry.example.com/app"}
    made = MirrorWorld(app=PUBLIC, on=on)
    made.upstream("app").tags["1.0"] = digest("one")
    made.pushed("team/app", "1.0", "one")
    made.run()
    (told,) = made.publisher.of(Kind.IMAGE_MIRRORED)
    made.send_event("Image Mirrored", told.detail)
    made.run()
    assert made.downstream("on").tags == {"1.0": digest("one")}


def reported(name: str, **detail: object) -> dict[str, object]:
    return {
        "report": "scan",
        "reason": "new",
        "repository": name,
        "registry": HOME.account,
        "region": HOME.region,
        **detail,
    }


def test_what_is_found_in_a_mirrored_image_has_upstream_looked_at_at_once() -> None:
    made = MirrorWorld(web={**WEB, "every": "7d"})
    made.upstream("web").tags["1.0"] = digest("one")
    made.sweep()
    made.run()
    made.upstream("web").tags["1.1"] = digest("mended")
    made.sweep()
    made.run()
    assert "1.1" not in made.downstream("web").tags
    name = "mirror/web"
    for detail in (reported("another"), reported(name, region="eu-north-1"), reported(name, report="digest")):
        made.send_event("Findings Reported", detail)
    made.send_event("Findings Reported", reported(name, reason="mended-upstream"))
    made.run(5)
    assert "1.1" not in made.downstream("web").tags
    for _ in range(3):
        made.send_event("Findings Reported", reported(name))
    made.run(5)
    assert made.downstream("web").tags["1.1"] == digest("mended")


@settings(max_examples=50)
@given(looks=st.lists(st.sets(st.integers(0, 60), max_size=12), min_size=2, max_size=6), latest=st.integers(1, 4))
def test_by_time_each_look_copies_the_newest_alone(looks: list[set[int]], latest: int) -> None:
    """Against a list of what came when, in which the last are the newest."""
    rules = {"regex": "^b[0-9]+$", "latest": latest, "by": "time"}
    made = MirrorWorld(web={**WEB, "every": "1h", "referrers": "none", "tags": rules})
    order: list[str] = []
    expected: set[str] = set()
    for numbers in looks:
        order += [tag for number in sorted(numbers) if (tag := f"b{number}") not in order]
        made.upstream().tags = {tag: digest(tag) for tag in order}
        expected |= set(order[-latest:])
        for _ in range(2):
            made.sweep()
            made.run(minutes=60)
            assert {tag for _, tag, _ in made.copies} == expected
            assert len(made.copies) == len(expected), "a second look finds nothing to do"


@settings(max_examples=25, deadline=None)
@given(
    per_day=st.integers(1, 3),
    latest=st.integers(1, 3),
    quarantine=st.integers(1, 4),
    by=st.sampled_from(["version", "time"]),
)
def test_what_is_released_every_day_is_copied_after_its_quarantine(
    per_day: int, latest: int, quarantine: int, by: str
) -> None:
    tags = {"semver": ">=1", "latest": latest, "min_age": f"{quarantine}d", "by": by}
    made = MirrorWorld(web={**WEB, "every": "1d", "referrers": "none", "tags": tags})
    released: dict[str, datetime] = {}
    for day in range(12):
        now = made.clock.now()
        for one in range(per_day):
            released[f"1.{day}.{one}"] = now
        made.upstream().tags = {tag: digest(tag) for tag in released}
        made.registry("quay.io").asked.clear()
        made.sweep()
        made.run(minutes=24 * 60)
        old = [tag for tag, at in released.items() if now >= at + timedelta(days=quarantine)]
        there = made.downstream().tags
        assert set(there) <= set(old), "no sooner"
        assert [tag for tag in old if tag in there][-1:] == old[-1:], "the newest that is old enough"
        heads = [each for each in made.registry("quay.io").asked if each.startswith("HEAD")]
        assert len(heads) <= latest * (quarantine + 1) + latest, "what is older is not asked for"


def test_what_was_copied_is_among_the_newest_though_it_moved_just_now() -> None:
    tags = {"semver": ">=1", "latest": 1, "min_age": "3d"}
    made = MirrorWorld(web={**WEB, "referrers": "none", "tags": tags})
    made.upstream().tags["1.0.0"] = digest("1.0.0")

    def days(count: int) -> None:
        for _ in range(count):
            made.sweep()
            made.run(minutes=24 * 60)

    days(4)
    made.upstream().tags["1.1.0"] = digest("1.1.0")
    days(4)
    assert set(made.downstream().tags) == {"1.0.0", "1.1.0"}
    made.upstream().tags["1.1.0"] = digest("moved on")
    made.registry("quay.io").asked.clear()
    days(5)
    assert made.downstream().tags["1.1.0"] == digest("moved on")
    assert set(made.registry("quay.io").asked) == {"GET tags", "HEAD 1.1.0"}, "no older one takes its place meanwhile"


# -- trouble ---------------------------------------------------------------------------------------------------------


def test_one_bad_tag_holds_up_no_other_and_is_told_once() -> None:
    made = world(every="1h")
    made.refuses["v1"] = [IntegrityError("source quay.io/org/web: wrong digest")] * 2
    for _ in range(2):
        made.sweep()
        made.run()
        made.clock.advance(3600)
    assert made.downstream().tags == {"v2": digest("v2")}
    (failed,) = made.publisher.of(Kind.MIRROR_FAILED)
    assert failed.detail["tag"] == "v1"
    assert (failed.detail["error"], failed.detail["side"]) == ("IntegrityError", "source")
    assert "wrong digest" in failed.detail["why"]
    made.sweep()
    made.run()
    assert made.downstream().tags == {"v1": digest("v1"), "v2": digest("v2")}


def test_a_tag_that_cannot_be_asked_for_waits_for_the_next_look() -> None:
    made = world()
    made.upstream().fails["v1"] = UpstreamError("source quay.io: 500")
    made.sweep()
    made.run()
    assert made.downstream().tags == {"v2": digest("v2")}
    assert made.publisher.of(Kind.MIRROR_REPORTED)[0].detail["failing"] == 1


def test_referrers_that_cannot_be_asked_for_make_nothing_due() -> None:
    made = world("v1", every="1h")
    made.upstream().referrers[digest("v1")] = [digest("signature")]
    for fails in (None, UpstreamError("source quay.io: 503"), None, UpstreamError("source quay.io: 503")):
        made.upstream().unlisted = fails
        made.sweep()
        made.run()
        made.clock.advance(3600)
    assert len(made.copies) == 1


def test_what_may_pass_is_tried_again_later_and_at_last_told() -> None:
    made = world("v1")
    made.refuses["v1"] = [UpstreamError("source quay.io: reset")] * 3
    made.sweep()
    made.run(minutes=60)
    assert made.downstream().tags == {"v1": digest("v1")}
    made.refuses["v1"] = [UpstreamError("source quay.io: reset")] * 99
    made.upstream().tags["v1"] = digest("again")
    made.clock.advance(86_400)
    made.sweep()
    made.run(minutes=600)
    assert [each.detail["error"] for each in made.publisher.of(Kind.MIRROR_FAILED)] == ["UpstreamError"]
    assert len(made.refuses["v1"]) == 99 - 6
    assert made.queue.next_due() is None


def test_an_upstream_that_asks_for_peace_has_it() -> None:
    made = world("v1")
    made.refuses["v1"] = [PutOffError("source quay.io: 429", 1800, START + timedelta(minutes=30))]
    made.sweep()
    made.run(minutes=29)
    assert made.copies == []
    made.run(minutes=2)
    assert len(made.copies) == 1


def test_an_unusable_upstream_is_told_once_and_costs_no_receive() -> None:
    made = world(every="1h")
    made.upstream().down = AccessDeniedError("source quay.io/org/web: 401")
    for _ in range(3):
        made.sweep()
        made.run()
        made.clock.advance(3600)
    (failed,) = made.publisher.of(Kind.MIRROR_FAILED)
    assert (failed.detail["tag"], failed.detail["error"]) == (None, "AccessDeniedError")
    made.upstream().down = PutOffError("source quay.io: 429", 600, made.clock.now() + timedelta(minutes=10))
    made.sweep()
    made.run()
    assert made.queue.next_due() == made.clock.now() + timedelta(minutes=10)


def test_a_transient_failure_of_looking_goes_back_to_the_queue() -> None:
    made = world()
    made.upstream().down = UpstreamError("source quay.io: 503")
    with pytest.raises(UpstreamError):
        made.handle(made.event("Mirror Due", {"mirror": "web"}))
    made.upstream().down = None
    made.handle(made.event("Mirror Due", {"mirror": "web"}))
    assert len(made.copies) == 2, "the lease was given back"


def test_an_immutable_tag_is_left_alone_until_it_moves_on() -> None:
    made = swept("v1", every="1h")
    made.upstream().tags["v1"] = digest("two")
    made.refuses["v1"] = [ImmutableTagError("destination: immutable")] * 9
    for _ in range(3):
        made.clock.advance(3600)
        made.sweep()
        made.run()
    assert len(made.refuses["v1"]) == 8, "one try"
    assert len(made.publisher.of(Kind.MIRROR_FAILED)) == 1, "told once: that it is held from now on is no news"
    made.refuses["v1"].clear()
    made.upstream().tags["v1"] = digest("three")
    made.clock.advance(3600)
    made.sweep()
    made.run()
    assert made.downstream().tags["v1"] == digest("three")


def test_a_held_tag_is_told_once() -> None:
    made = swept("v1", every="1h", on_move="keep")
    made.upstream().tags["v1"] = digest("two")
    for _ in range(3):
        made.clock.advance(3600)
        made.sweep()
        made.run()
    assert made.downstream().tags["v1"] == digest("v1")
    assert [each.detail["reason"] for each in made.publisher.of(Kind.MIRROR_FAILED)] == ["kept"]


def test_an_old_order_brings_no_old_image_back() -> None:
    made = swept("v1", every="1h")
    endpoint = made.mirrors["web"].downstreams[0].endpoint
    old = CopyDue("web", endpoint, (Wanted("v1", digest("older"), "moved"),), START - timedelta(hours=1))
    made.queue.postpone(message(old, "c", START), made.clock.now())
    made.run()
    assert made.downstream().tags["v1"] == digest("v1")


# -- exclusion, time, size -------------------------------------------------------------------------------------------


def test_a_busy_mirror_is_looked_at_again_a_minute_later() -> None:
    made = world()
    lease = made.leases.take("mirror web", START, START + timedelta(minutes=2))
    made.sweep()
    made.run()
    assert made.copies == []
    assert lease is not None
    made.leases.release(lease)
    made.run(minutes=1)
    assert len(made.copies) == 2


def test_a_crashed_invocation_holds_nobody_up_for_long() -> None:
    made = world()
    made.leases.take("mirror web", START, START + timedelta(minutes=15))
    made.leases.take(f"copy {made.mirrors['web'].downstreams[0].endpoint}", START, START + timedelta(minutes=15))
    made.sweep()
    made.run(minutes=20)
    assert len(made.copies) == 2


def test_what_the_deadline_cuts_off_goes_on_at_once() -> None:
    made = world("v1 v2 v3")
    made.refuses = {"v2": [UnfinishedError("the time is up")] * 9, "v3": [UnfinishedError("the time is up")]}
    made.sweep()
    made.run()
    assert sorted(tag for _, tag, _ in made.copies) == ["v1", "v2", "v3"]
    assert made.publisher.of(Kind.MIRROR_FAILED) == []


LAYERS = [Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest(f"layer{i}"), 700 << 20) for i in range(4)]


def test_large_blobs_go_ahead_each_in_its_own_message_and_manifests_last() -> None:
    made = world("v1 v2")
    made.large[digest("v1")] = LAYERS
    made.sweep()
    outcomes = made.run()
    assert made.downstream().blobs == {layer.digest for layer in LAYERS}
    assert made.downstream().tags == {"v1": digest("v1"), "v2": digest("v2")}
    (fanned,) = [outcome for outcome in outcomes if outcome.reason == "fanned-out"]
    assert fanned.detail["tags"] == 4, "a message for each"
    assert made.jobs.jobs == {}
    assert len(made.copies) == 2


def test_a_blob_that_takes_longer_goes_on_in_the_next_invocation() -> None:
    made = world("v1")
    made.large[digest("v1")] = LAYERS
    made.sending[LAYERS[0].digest] = [UnfinishedError("the time is up")] * 3
    made.sweep()
    made.run()
    assert made.downstream().tags == {"v1": digest("v1")}


def test_a_blob_that_is_gone_is_told_by_the_copy_of_its_tag() -> None:
    made = world("v1")
    made.large[digest("v1")] = LAYERS
    made.sending[LAYERS[0].digest] = [GoneError("source quay.io: no such blob")] * 9
    made.refuses["v1"] = [GoneError("source quay.io: no such blob")]
    made.sweep()
    made.run(minutes=60)
    assert [each.detail["error"] for each in made.publisher.of(Kind.MIRROR_FAILED)] == ["GoneError"]
    assert made.queue.next_due() is None


def test_a_blob_that_fails_goes_back_to_the_queue() -> None:
    made = world("v1")
    made.large[digest("v1")] = LAYERS[:2]
    made.sending[LAYERS[0].digest] = [UpstreamError("source quay.io: reset")]
    made.sweep()
    with pytest.raises(UpstreamError):
        made.run()


@given(st.lists(st.integers(0, 1 << 31), max_size=200))
def test_parcels_hold_every_blob_once_and_are_small(sizes: list[int]) -> None:
    blobs = [Descriptor("x", digest(str(i)), size) for i, size in enumerate(sizes)]
    parcels = packs(blobs)
    assert sorted(b.digest for p in parcels for b in p) == sorted(b.digest for b in blobs)
    assert all(len(p) <= 50 and (len(p) == 1 or sum(b.size for b in p) <= 256 << 20) for p in parcels)


# -- looks that are put off ------------------------------------------------------------------------------------------


def mirrors_due(made: MirrorWorld) -> int:
    return sum(body["detail-type"] == "Mirror Due" for _, body in made.queue.waiting)


def throttle(made: MirrorWorld) -> None:
    made.upstream().down = PutOffError("source quay.io: 429", 60, made.clock.now() + timedelta(minutes=1))


def test_a_registry_that_wants_to_be_left_alone_is() -> None:
    made = world("v1", every="1h")
    for _ in range(24):
        throttle(made)
        made.sweep()
        made.pushed("other", "v1", "v1")
        made.run(minutes=60)
        assert mirrors_due(made) <= 1
    assert len(made.registry("quay.io").asked) <= 6 + 24, "a minute, two, four, and then an hour"
    made.upstream().down = None
    made.run(minutes=60)
    assert made.downstream().tags == {"v1": digest("v1")}


def test_a_downstream_that_wants_to_be_left_alone_is() -> None:
    made = world("v1", every="1h", to=["ecr:a", "registry.example.com/b"])
    for _ in range(24):
        down = PutOffError("destination: 429", 60, made.clock.now() + timedelta(minutes=1))
        made.downstream(place=1).down = down
        made.sweep()
        made.run(minutes=60)
        assert mirrors_due(made) <= 1
    assert len(made.registry("registry.example.com").asked) <= 24 + 6 + 24, "by each sweep, and by itself"
    assert made.downstream().tags == {"v1": digest("v1")}
    made.downstream(place=1).down = None
    made.run(minutes=60)
    assert made.downstream(place=1).tags == {"v1": digest("v1")}


def test_a_push_that_cannot_be_looked_at_now_is_part_of_the_next_look() -> None:
    made = MirrorWorld(app=PUBLIC)
    made.upstream("app").tags.update({f"v{n}": digest(f"v{n}") for n in range(9)})
    made.upstream("app").down = PutOffError("source: 429", 60, START + timedelta(minutes=1))
    for n in range(9):
        made.pushed("team/app", f"v{n}", f"v{n}")
    made.run()
    assert mirrors_due(made) == 1
    made.upstream("app").down = None
    made.run(minutes=1)
    assert len(made.downstream("app").tags) == 9


def test_a_pause_leaves_one_look_for_each_mirror() -> None:
    made = world("v1", every="1h")
    made.switches.reason = "maintenance"
    for _ in range(72):
        made.sweep()
        made.run(minutes=60)
        assert mirrors_due(made) <= 1
    made.switches.reason = None
    made.run(minutes=15)
    assert made.registry("quay.io").asked.count("GET tags") == 1
    assert made.downstream().tags == {"v1": digest("v1")}


def test_nobody_waits_for_a_look_that_a_command_put_off() -> None:
    made = world("v1", every="1h")
    throttle(made)
    ports = replace(made.service._ports, postponer=FakePostponer())
    command = Mirrorer(ports, made.mirrors, HOME.host, forgets=True)
    body = made.event("Mirror Due", {"mirror": "web"})
    command.handle(Message.parse(body), START + timedelta(days=1))
    made.upstream().down = None
    made.sweep()
    made.run()
    assert made.downstream().tags == {"v1": digest("v1")}


def test_orders_wait_for_the_end_of_a_pause() -> None:
    made = world("v1")
    made.shelf(made.mirrors["web"].downstreams[0].endpoint).exists = True
    order = CopyDue("web", made.mirrors["web"].downstreams[0].endpoint, (Wanted("v1", digest("v1"), "new"),), START)
    made.queue.postpone(message(order, "c", START), START)
    made.switches.reason = "maintenance"
    made.run(minutes=60)
    made.switches.reason = None
    made.run(minutes=15)
    assert made.downstream().tags == {"v1": digest("v1")}


# -- pulls -----------------------------------------------------------------------------------------------------------


def test_what_the_budget_does_not_allow_waits_and_never_sleeps() -> None:
    made = MirrorWorld(web=HUB_WEB)
    made.upstream().tags.update({f"v{i}": digest(f"v{i}") for i in range(12)})
    hub = made.registry(HUB)
    hub.rate = RateLimit(100, 5, 21_600)
    made.sweep()
    outcomes = made.run()
    assert len(made.copies) == 5
    assert "budget" in {outcome.reason for outcome in outcomes}
    assert hub.rate.remaining == 0
    assert made.queue.next_due() == START + timedelta(hours=1)
    hub.rate = RateLimit(100, 7, 21_600)
    made.run(minutes=61)
    assert len(made.copies) == 12
    made.run(minutes=600)
    assert made.queue.next_due() is None


@settings(max_examples=30)
@given(tags=st.integers(1, 40), rates=st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_the_budget_is_never_exceeded(tags: int, rates: list[int]) -> None:
    """The world's registry asserts it at every pull: of indexes with two images and their attestations.

    Both mirrors are planned before either copies; all within a window, after which what the registry said is no news.
    """
    rules = {**HUB_WEB, "platforms": ["linux/amd64", "linux/arm64"]}
    made = MirrorWorld(web={**rules, "to": ["ecr:a", "ecr:b"]}, other={**rules, "to": ["ecr:x", "ecr:y"]})
    made.upstream().media_type = INDEX
    made.upstream().tags.update({f"v{i}": digest(f"v{i}") for i in range(tags)})
    made.pull_cost = dict.fromkeys(made.upstream().tags, 5)
    for left in rates:
        made.registry(HUB).rate = RateLimit(100, left, 21_600)
        made.sweep()
        made.run(minutes=61)
        assert made.publisher.of(Kind.MIRROR_FAILED) == []


def test_what_a_copy_has_cost_is_promised_to_the_next_one() -> None:
    made = MirrorWorld(web={**HUB_WEB, "every": "1h"})
    hub = made.registry(HUB)
    made.upstream().media_type, made.pull_cost = INDEX, {"v1": 30, "v2": 30}
    made.upstream().tags.update({"v1": digest("v1"), "v2": digest("v2"), "same": digest("v2")})
    made.sweep()
    made.run()
    (known,) = made.memory.known("web").values()
    assert {tag: each.pulls for tag, each in known.items()} == {"v1": 31, "v2": 31, "same": 31}
    made.upstream().tags["v1"] = digest("signed as well")
    for left, copies in [(30, 3), (31, 4)]:
        hub.rate = RateLimit(100, left, 21_600)
        made.clock.advance(3600)
        made.sweep()
        made.run()
        assert len(made.copies) == copies


def test_what_was_fanned_out_waits_for_no_pulls() -> None:
    """Its manifests were read: they are on the shelf."""
    made = MirrorWorld(web={**HUB_WEB, "referrers": "none"})
    made.upstream().tags["v1"], made.upstream().media_type = digest("v1"), INDEX
    made.large[digest("v1")] = LAYERS
    made.sending[LAYERS[0].digest] = [UnfinishedError("the time is up")]
    hub = made.registry(HUB)
    hub.rate = RateLimit(100, 17, 21_600)
    made.sweep()
    body = made.queue.receive(START)
    assert body is not None
    made.handle(body)  # plans
    body = made.queue.receive(START)
    assert body is not None
    made.handle(body)  # reads the manifests, and fans out
    made.shelves.add(digest("v1"))
    made.pull_cost["v1"], hub.rate = 0, RateLimit(100, 8, 21_600)
    made.pulls.settle(f"{HUB}#anonymous", "", hub.rate, START)
    made.run(minutes=5)
    assert made.downstream().tags == {"v1": digest("v1")}


def test_what_the_shelf_has_lost_is_promised_again() -> None:
    made = MirrorWorld(web={**HUB_WEB, "referrers": "none"})
    made.upstream().tags["v1"], made.upstream().media_type = digest("v1"), INDEX
    made.registry(HUB).rate = RateLimit(100, 8, 21_600)
    made.pulls.settle(f"{HUB}#anonymous", "", RateLimit(100, 8, 21_600), START)
    endpoint = made.mirrors["web"].downstreams[0].endpoint
    wanted = Wanted("v1", digest("v1"), "new", 17)
    made.queue.postpone(message(CopyDue("web", endpoint, (wanted,), START, fanned=1), "c", START), START)
    assert [outcome.reason for outcome in made.run()] == ["budget"]
    assert made.copies == []


def test_pulls_are_counted_by_the_address_that_they_come_from() -> None:
    made = MirrorWorld(web={**HUB_WEB, "every": "1h"})
    made.upstream().tags["v1"] = digest("v1")
    hub = made.registry(HUB)
    hub.rate = RateLimit(100, 0, 21_600, "192.0.2.1")
    made.sweep()
    made.run()
    assert made.copies == []
    hub.rate = RateLimit(100, 100, 21_600, "192.0.2.2")
    made.run(minutes=60)
    assert len(made.copies) == 1, "another invocation, elsewhere"
    assert made.pulls.budget(f"{HUB}#anonymous@192.0.2.1").remaining == 0
    assert made.pulls.budget(f"{HUB}#anonymous@192.0.2.2").remaining == 99


def test_a_promise_ends_where_it_was_made_when_the_address_changes() -> None:
    made = MirrorWorld(web=HUB_WEB)
    made.upstream().tags["v1"] = digest("v1")
    hub = made.registry(HUB)
    hub.rate = RateLimit(100, 50, 21_600, "192.0.2.1", START)
    copy = made.copy

    def elsewhere(*args: Any, **more: Any) -> Report:
        hub.rate = RateLimit(100, 80, 21_600, "192.0.2.2", made.clock.now())
        return copy(*args, **more)

    made.copy = elsewhere  # type: ignore[method-assign]
    made.sweep()
    made.run()
    one, two = (made.pulls.budget(f"{HUB}#anonymous@192.0.2.{host}") for host in (1, 2))
    assert (one.promises, one.remaining, two.promises, two.remaining) == ((), 50, (), 79)


def test_a_login_has_one_budget_wherever_it_is_used() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub"
    made = MirrorWorld(web={**HUB_WEB, "secret": arn})
    mirror = made.mirrors["web"]
    assert whose(mirror, RateLimit(200, 1, 21_600, "192.0.2.1")) == whose(mirror, None) == f"{HUB}#{arn}"


def test_an_invocation_that_was_killed_starves_nobody() -> None:
    made = MirrorWorld(web={**HUB_WEB, "every": "1h"})
    made.registry(HUB).rate = RateLimit(100, 100, 21_600)
    made.upstream().tags["v1"] = digest("v1")
    whose = f"{HUB}#anonymous"
    made.pulls.settle(whose, "", RateLimit(100, 100, 21_600), START)
    assert made.pulls.reserve(whose, Promise("killed", 100, START + timedelta(minutes=16)), START, 0) is not None
    made.sweep()
    made.run(minutes=59)
    assert made.copies == []
    made.sweep()
    made.run(minutes=61)
    assert [tag for _, tag, _ in made.copies] == ["v1"]


def test_what_was_promised_is_given_back_when_promising_fails() -> None:
    made = MirrorWorld(web=HUB_WEB)
    made.upstream().tags.update({"v1": digest("v1"), "v2": digest("v2")})
    reserve = made.pulls.reserve

    def conflicting(whose: str, promise: Promise, now: datetime, keep: int) -> Budget | None:
        if made.pulls.budget(whose).promises:
            raise ConflictError("the pulls are written too often")
        return reserve(whose, promise, now, keep)

    made.pulls.reserve = conflicting  # type: ignore[method-assign]
    made.sweep()
    with pytest.raises(ConflictError):
        made.run()
    assert made.pulls.budget(f"{HUB}#anonymous").promises == ()


# -- deleting, switches, what may come in ----------------------------------------------------------------------------


def test_what_upstream_removed_goes_after_its_grace() -> None:
    made = swept("v1 v2 v3 v4 v5 v6", every="1h", prune={"after": "2d", "most": 20})
    del made.upstream().tags["v6"]
    for day in range(4):
        made.clock.advance(86_400)
        made.sweep()
        made.run()
        assert ("v6" in made.downstream().tags) is (day < 2), day
    assert [e.detail["deleted"] for e in made.publisher.of(Kind.MIRROR_REPORTED)] == [[], ["v6"]]


def test_what_comes_back_has_its_grace_anew() -> None:
    made = swept("v1 v2", every="1h", prune={"after": "2d", "most": 100})
    for there in (False, True, False):
        made.upstream().tags.pop("v2", None)
        if there:
            made.upstream().tags["v2"] = digest("v2")
        made.clock.advance(86_400 * 1.5)
        made.sweep()
        made.run()
    assert "v2" in made.downstream().tags


def test_observe_says_what_it_would_do_and_does_nothing() -> None:
    made = MirrorWorld(observe=True, web=WEB)
    made.upstream().tags["v1"] = digest("v1")
    made.sweep()
    made.run()
    assert (made.copies, made.created) == ([], [])
    (report,) = made.publisher.published
    assert (report.detail["due"], report.detail["observed"]) == (1, True)


def test_paused_everything_waits() -> None:
    made = world()
    made.switches.reason = "an incident"
    made.sweep()
    made.run(minutes=60)
    assert made.copies == []
    made.switches.reason = None
    made.run(minutes=60)
    assert len(made.copies) == 2


def test_the_gallery_is_kept_up_to_date() -> None:
    made = MirrorWorld(app={**PUBLIC, "every": "1h"})
    made.upstream("app").tags["1.0"] = digest("one")
    made.sweep()
    made.run()
    assert made.described == [], "what is created has its catalog data from the start"
    made.clock.advance(3600)
    made.sweep()
    made.run()
    assert made.described == [Endpoint("public.ecr.aws", "a1/app")]


GOOD = message(CopyDue("web", Endpoint("h", "n"), (Wanted("v1", digest("a"), "new"),), START), "c", START)
BAD = [
    ([], "event"),
    ({"detail-type": "Copy Due", "source": "aws.ecr"}, "source"),
    ({**GOOD, "detail": None}, "detail"),
    ({**GOOD, "detail": {**GOOD["detail"], "wanted": []}}, "detail.wanted"),
    ({**GOOD, "detail": {**GOOD["detail"], "wanted": [["v1", "x", "new", 1, "", ""]]}}, "detail.wanted[0]"),
    ({**GOOD, "detail": {**GOOD["detail"], "downstream": "Nowhere"}}, "detail.downstream"),
    ({**GOOD, "detail": {**GOOD["detail"], "planned": "soon"}}, "detail.planned"),
    ({**GOOD, "detail": {**GOOD["detail"], "tries": -1}}, "detail.tries"),
    ({**GOOD, "detail-type": "Blobs Due"}, "detail.then"),
    ({**GOOD, "detail-type": "Mirror Due", "detail": {}}, "detail.mirror"),
    ({**GOOD, "detail-type": "Unheard Of"}, "account"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), BAD)
def test_a_bad_message_names_its_field(body: Any, field: str) -> None:
    with pytest.raises(BadEventError) as caught:
        Message.parse(body)
    assert caught.value.field == field


def test_messages_are_read_as_they_were_written() -> None:
    assert Message.parse(GOOD).work == CopyDue("web", Endpoint("h", "n"), (Wanted("v1", digest("a"), "new"),), START)


def test_an_upstream_that_lets_nobody_list_referrers_is_copied() -> None:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web"})
    world.upstream().tags["v1"] = digest("v1")

    def denied(*_: object) -> list[object]:
        raise AccessDeniedError("ListImageReferrers: 403")

    world.registry("quay.io").referrers = denied  # type: ignore[method-assign, assignment]
    world.sweep()
    world.run()
    assert "v1" in world.downstream().tags


def ecr_upstream() -> MirrorWorld:
    made = MirrorWorld(app={"from": "ecr:team/app", "to": "quay.io/org/app", "every": "1h", "referrers": "none"})
    made.upstream("app").tags.update({f"v{n}": digest(f"v{n}") for n in range(9)})
    made.upstream("app").exists = True
    return made


def test_an_upstream_in_ecr_is_listed_in_bulk() -> None:
    made = ecr_upstream()
    made.sweep()
    made.run()
    assert len(made.downstream("app").tags) == 9
    assert made.registry(HOME.host).asked == []
    made.upstream("app").tags["v3"] = digest("moved")
    made.run(minutes=60)
    made.sweep()
    made.run()
    assert made.downstream("app").tags["v3"] == digest("moved")
    assert made.registry(HOME.host).asked == []


def test_a_push_costs_one_head_and_no_list_of_all_images() -> None:
    made = ecr_upstream()
    made.pushed("team/app", "v1", "v1")
    made.run()
    assert made.registry(HOME.host).asked == ["GET tags", "HEAD v1"]


def test_an_upstream_whose_account_lets_nobody_list_in_bulk_is_asked_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ecr_upstream()

    def denied(downstream: Downstream) -> None:
        if downstream.is_ecr:
            raise AccessDeniedError("ecr:DescribeImages: 403")

    monkeypatch.setattr(made, "holdings", denied)
    made.sweep()
    made.run()
    assert len(made.registry(HOME.host).asked) == 1 + 9
    assert len(made.downstream("app").tags) == 9
