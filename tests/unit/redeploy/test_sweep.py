"""The sweep: the index and the heads become true again, and what events missed is made good (redeploy 8.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.errors import (
    AccessDeniedError,
    LongshoreError,
    PermanentError,
    ThrottledError,
    UnsupportedError,
    UpstreamError,
)
from longshore.events import Kind
from longshore.images import Repository
from tests.fake_platform import ACCOUNT, REGION, WEB, digest, image
from tests.world import World, one_service

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.workloads import Observation

ONE, TWO = digest("one"), digest("two")


def sweep(world: World) -> None:
    world.queue.postpone(world.envelope("Sweep Due", {}), world.clock.now())


def test_a_new_stack_finds_what_is_tagged_and_nothing_else() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    arn = world.platform.create("web", {"app": image(WEB, "prod")}, {"longshore:policy": "digest"})
    world.platform.create("other", {"app": image(WEB, "prod")}, {"team": "web"})
    sweep(world)
    world.run(10)
    assert [workload.arn for workload in world.index.runs(WEB)] == [arn]
    head = world.heads.get(WEB, "prod")
    assert head is not None
    assert (head.digest, head.source) == (ONE, "sweep")
    assert world.told == []
    assert world.platform.applied == []


def test_a_push_whose_event_was_lost_is_made_good_and_told() -> None:
    world, arn = one_service()
    world.push("prod", TWO, send=False)
    world.clock.advance(3600)
    sweep(world)
    world.run(10)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]
    (missed,) = world.publisher.of(Kind.EVENTS_MISSED)
    assert (missed.detail["repository"], missed.detail["tags"]) == (str(WEB), ["prod"])
    assert world.index.get(arn) is not None


def test_a_tag_that_is_settling_is_not_missed() -> None:
    world, _ = one_service()
    world.push("prod", TWO)
    world.run(1 / 60)
    sweep(world)
    world.run(2 / 60)
    assert world.publisher.of(Kind.EVENTS_MISSED) == []


def test_a_second_sweep_finds_nothing() -> None:
    world, _ = one_service()
    sweep(world)
    world.run(10)
    steps = [step for step in world.steps if step.startswith("FakeIndex.put")]
    sweep(world)
    world.run(10)
    assert world.told == []
    assert world.platform.applied == []
    assert steps


def test_what_lags_behind_a_known_move_is_made_good() -> None:
    world, arn = one_service()
    world.switches.reason = "incident"
    world.push("prod", TWO)
    world.run(10)
    world.switches.reason = None
    sweep(world)
    world.run(10)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]
    assert world.publisher.of(Kind.EVENTS_MISSED) == []
    assert world.platform.observe(arn).rollout_active


def test_opting_out_and_deleting_are_noticed() -> None:
    world, arn = one_service()
    gone = world.service("gone")
    del world.platform.services[gone]
    world.platform.retag(arn, {})
    sweep(world)
    world.run(10)
    assert list(world.index.all(ACCOUNT, REGION)) == []


def test_a_tag_change_is_looked_at_at_once_in_both_directions() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    arn = world.platform.create("web", {"app": image(WEB, "prod")}, {})
    changed = {"service": "ecs", "resource-type": "service", "changed-tag-keys": ["longshore:policy"], "tags": {}}
    world.platform.retag(arn, {"longshore:policy": "digest"})
    world.queue.postpone(world.envelope("Tag Change on Resource", changed, arn), world.clock.now())
    world.run(1)
    assert world.index.get(arn) is not None
    world.platform.retag(arn, {})
    world.queue.postpone(world.envelope("Tag Change on Resource", changed, arn), world.clock.now())
    world.run(1)
    assert world.index.get(arn) is None


def test_a_sweep_is_spread_over_time() -> None:
    world = World()
    for number in range(60):
        repository = Repository(ACCOUNT, REGION, f"team/app-{number:02}")
        world.registry.push(repository, "prod", ONE)
        world.service(f"web-{number:02}", images={"app": image(repository, "prod")})
    start = world.clock.now()
    sweep(world)
    world.deliver(world.queue.receive(start) or {})
    due = [(until - start, body["detail"]) for until, body in world.queue.waiting]
    looks = [wait for wait, detail in due if "repository-name" in detail]
    pages = [(wait, len(detail["workloads"])) for wait, detail in due if "workloads" in detail]
    assert len(looks) == 60
    assert max(looks.count(wait) for wait in looks) == 5
    assert [size for _, size in pages] == [25, 25, 10]
    assert pages[1][0] - pages[0][0] == timedelta(seconds=5)
    assert pages[0][0] >= max(looks)


def test_another_registrys_tags_are_not_listed() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    other = f"210987654321.dkr.ecr.{REGION}.amazonaws.com/team/web:prod"
    world.registry.push(Repository("210987654321", REGION, "team/web"), "prod", ONE)
    world.service(images={"app": other})
    sweep(world)
    world.run(10)
    assert [step for step in world.steps if step.startswith("FakeRegistry.tags ")] == []


def test_what_could_not_be_looked_into_is_kept_and_what_opted_out_is_not() -> None:
    world, arn = one_service()
    other = world.platform.create("other", {"app": image(WEB, "prod")}, {"longshore:policy": "digest"})
    sweep(world)
    world.run(10)
    for each in (arn, other):
        workload = world.platform.observe(each).workload
        world.platform.change(each, workload=replace(workload, tags={}))
    world.platform.hidden[arn] = "the cluster does not answer"
    sweep(world)
    world.run(10)
    assert world.index.get(arn) is not None
    assert world.index.get(other) is None
    (swept,) = [each for each in world.outcomes if each.reason == "swept" and "unseen" in each.detail]
    assert swept.detail["unseen"] == {arn: "the cluster does not answer"}


@pytest.mark.parametrize("error", [UpstreamError("500"), UnsupportedError("too big"), AccessDeniedError("no")])
def test_one_workload_that_cannot_be_looked_at_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, error: LongshoreError
) -> None:
    world, arn = one_service()
    broken = world.service("api")
    world.push("prod", TWO, send=False)
    survey = world.platform.survey

    def failing(arns: Sequence[str]) -> Sequence[Observation]:
        if broken in arns:
            raise error
        return survey(arns)

    monkeypatch.setattr(world.platform, "survey", failing)
    world.queue.postpone(world.envelope("Sweep Due", {"workloads": [broken, arn]}), world.clock.now())
    world.run(2)
    assert world.index.get(broken) is not None
    (split,) = [each for each in world.outcomes if each.reason == "one-by-one"]
    assert split.detail == {"workloads": 2, "why": str(error)}
    waiting = [body["detail"]["workloads"] for _, body in world.queue.waiting if "workloads" in body["detail"]]
    assert [broken, arn] not in waiting
    refused = [each.workload for each in world.outcomes if each.reason == "refused"]
    assert refused == ([broken] if isinstance(error, PermanentError) else [])


def test_a_page_that_is_throttled_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world, arn = one_service()
    other = world.service("api")

    def throttled(arns: Sequence[str]) -> Sequence[Observation]:
        raise ThrottledError

    monkeypatch.setattr(world.platform, "survey", throttled)
    world.queue.postpone(world.envelope("Sweep Due", {"workloads": [other, arn]}), world.clock.now())
    world.run(2)
    assert [each for each in world.outcomes if each.reason == "one-by-one"] == []


def test_one_workload_that_keeps_failing_is_looked_at_ever_more_rarely_and_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, arn = one_service()

    def failing(arns: Sequence[str]) -> Sequence[Observation]:
        raise UpstreamError("500")

    monkeypatch.setattr(world.platform, "survey", failing)
    for _ in range(3):
        world.queue.postpone(world.envelope("Sweep Due", {"workloads": [arn]}), world.clock.now())
        world.run(120)
    waits = [each for each in world.outcomes if each.reason == "unobserved"]
    assert (world.failures, world.queue.waiting) == ([], [])
    assert 6 <= len(waits) / 3 <= 8
    assert {(each.workload, each.detail["why"]) for each in waits} == {(arn, "500")}
    assert world.told == ["Deployment Failed"]
    assert world.index.get(arn) is not None


def test_one_workload_that_fails_for_a_while_is_decided_on_as_soon_as_it_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, arn = one_service()
    world.registry.push(WEB, "prod", TWO)
    look = {"repository-name": WEB.name}
    world.switches.reason = "incident"  # the move is known, and nothing came of it
    world.deliver(world.envelope("Sweep Due", look))
    world.switches.reason = None
    survey, left = world.platform.survey, [1, 2]

    def failing(arns: Sequence[str]) -> Sequence[Observation]:
        if left:
            left.pop()
            raise UpstreamError("500")
        return survey(arns)

    monkeypatch.setattr(world.platform, "survey", failing)
    world.queue.postpone(world.envelope("Sweep Due", {"workloads": [arn]}), world.clock.now())
    world.run(5)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO}]


def test_what_a_kind_of_platform_that_cannot_be_asked_runs_is_kept_and_told() -> None:
    world, _ = one_service()
    world.platform.unasked["eks-workload"] = "GetResources: AccessDeniedException: no"
    sweep(world)
    world.run(10)
    (told,) = [each for each in world.outcomes if each.reason == "platform-unreached"]
    assert (told.metric, told.detail["platform"]) == ("PlatformUnreached", "eks-workload")
    assert "AccessDenied" in told.detail["why"]
