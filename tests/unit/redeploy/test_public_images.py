"""Workloads on ECR Public: what was mirrored there and what the sweep finds; a registry that does not answer is waited for."""

from __future__ import annotations

import pytest

from longshore.decisions import Reason
from longshore.errors import AccessDeniedError, UpstreamError
from longshore.images import Repository
from tests.fake_platform import digest
from tests.world import World

WEB = Repository.public("a1b2c3d4/web")
IMAGE = "public.ecr.aws/a1b2c3d4/web:prod"
ONE, TWO, THREE = digest("one"), digest("two"), digest("three")


def one_service(policy: str = "digest", image: str = IMAGE) -> tuple[World, str]:
    """A world in which `web` runs what `prod` of a public repository named first."""
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.registry.push(WEB, "1.0.0", ONE)
    world.clock.advance(3600)
    return world, world.service(policy=policy, images={"app": image})


def mirrored(world: World, tag: str, image: str, repository: Repository = WEB) -> None:
    """Longshore's own event of a copy to a repository of ECR Public."""
    detail = {"downstream": f"public.ecr.aws/{repository.name}", "tag": tag, "digest": image, "correlation": "look-1"}
    world.queue.postpone(world.envelope("Image Mirrored", detail), world.clock.now())


def begun(world: World) -> list[str]:
    """The digest of each deployment that Longshore asked for."""
    return [plan.digests["app"] for plan in world.platform.applied]


def test_what_was_mirrored_is_followed_in_one_story() -> None:
    world, _ = one_service()
    world.registry.push(WEB, "prod", TWO)
    mirrored(world, "prod", TWO)
    world.run(1)
    assert begun(world) == [TWO]
    assert [each.correlation for each in world.publisher.published] == ["look-1"]


def test_the_tag_is_resolved_again_whatever_the_event_said() -> None:
    world, _ = one_service()
    world.registry.push(WEB, "prod", THREE)
    mirrored(world, "prod", TWO)
    world.run(1)
    assert begun(world) == [THREE]


def test_it_is_not_mistaken_for_a_private_repository_of_that_name() -> None:
    world, _ = one_service()
    world.push("prod", TWO, repository=Repository("123456789012", "eu-west-1", WEB.name))
    world.run(1)
    assert world.reasons == ["not-followed"]


def test_policies_mean_what_they_mean_anywhere() -> None:
    world, arn = one_service("semver:minor", "public.ecr.aws/a1b2c3d4/web:1.0.0")
    for tag in ("2.0.0", "0.9.0", "1.1.0"):
        world.registry.push(WEB, tag, digest(tag))
        mirrored(world, tag, digest(tag))
    world.run(1)
    assert begun(world) == [digest("1.1.0")]
    assert world.platform.declared(arn, "app") == "public.ecr.aws/a1b2c3d4/web:1.1.0"


def test_outside_the_partition_of_ecr_public_nothing_there_is_followed() -> None:
    world, arn = one_service()
    known = world.index.get(arn)
    assert known is not None
    assert known.repositories == {WEB}
    from dataclasses import replace

    assert replace(known, arn=arn.replace("arn:aws:", "arn:aws-cn:")).repositories == frozenset()


# -- the sweep -------------------------------------------------------------------------------------------------------


def test_the_sweep_finds_what_no_event_told_and_calls_none_missed() -> None:
    world, _ = one_service()
    world.registry.push(WEB, "prod", TWO)
    world.deliver(world.envelope("Sweep Due", {}))
    world.run(5)
    assert begun(world) == [TWO]
    assert "Events Missed" not in world.told


def test_of_what_may_not_be_listed_the_followed_tags_are_looked_at() -> None:
    world = World()
    world.registry.foreign.add(WEB)
    world.registry.push(WEB, "prod", ONE)
    world.registry.push(WEB, "stable", ONE)
    world.registry.push(WEB, "other", ONE)
    world.service(policy="digest:stable", images={"app": IMAGE})
    assert {head.tag for head in world.heads.of(WEB)} == {"prod", "stable"}
    world.registry.push(WEB, "stable", TWO)
    world.deliver(world.envelope("Sweep Due", {}))
    world.run(5)
    assert begun(world) == [TWO]


# -- a registry that does not answer ---------------------------------------------------------------------------------


def test_a_registry_that_does_not_answer_is_waited_for() -> None:
    world, _ = one_service()
    world.registry.push(WEB, "prod", TWO)
    world.registry.broken[WEB] = UpstreamError("503")
    mirrored(world, "prod", TWO)
    world.run(4)
    assert world.failures == [], "the message is not tried again by the queue"
    assert world.reasons.count("registry-unreachable") == 3, "after 5 s, 1 min and 2 more"
    assert begun(world) == []
    world.registry.broken.clear()
    world.run(5)
    assert begun(world) == [TWO]


def test_an_outage_is_left_to_the_sweep_after_an_hour() -> None:
    world, _ = one_service()
    world.registry.push(WEB, "prod", TWO)
    world.registry.broken[WEB] = UpstreamError("503")
    mirrored(world, "prod", TWO)
    world.run(90)
    assert world.queue.waiting == []
    world.deliver(world.envelope("Sweep Due", {}))
    world.run(20)
    assert world.failures == []
    assert set(world.reasons) >= {"registry-unreachable"}
    assert begun(world) == []
    world.registry.broken.clear()
    world.run(10)
    assert begun(world) == [TWO], "what waits is decided again, without anybody's help"


def test_a_winner_that_cannot_be_asked_for_waits_and_nothing_else_of_the_workload_goes_ahead() -> None:
    private = Repository("123456789012", "eu-west-1", "team/side")
    world = World()
    for repository in (WEB, private):
        world.registry.push(repository, "prod", ONE)
    world.clock.advance(3600)
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    arn = world.service(images={"app": IMAGE, "side": f"{host}/team/side:prod"})
    world.registry.push(WEB, "prod", TWO)
    mirrored(world, "prod", TWO)
    world.registry.broken[WEB] = UpstreamError("503")
    world.push("prod", THREE, repository=private)
    world.run(2)
    assert begun(world) == []
    last = [each for each in world.outcomes if each.workload == arn][-1]
    assert (last.verdict, last.reason) == ("wait", Reason.REGISTRY_UNREACHABLE.value)
    assert "503" in last.detail["why"]
    world.registry.broken.clear()
    world.run(10)
    assert [dict(plan.digests) for plan in world.platform.applied] == [{"app": TWO, "side": THREE}]


def test_a_registry_that_may_not_be_asked_is_told_once() -> None:
    world, arn = one_service()
    world.registry.broken[WEB] = AccessDeniedError("ecr-public:GetAuthorizationToken")
    for image in (TWO, THREE):
        mirrored(world, "prod", image)
        world.run(1)
    assert world.told == ["Deployment Held"]
    held = world.publisher.published[0].detail
    assert (held["reason"], held["candidates"]) == ("registry-unreachable", [])
    assert "GetAuthorizationToken" in held["why"]
    world.deliver(world.envelope("Sweep Due", {"workloads": [arn]}))
    assert world.reasons[-1] == "registry-unreachable"
    assert (world.told, world.failures, world.queue.waiting) == (["Deployment Held"], [], [])


def test_a_workload_is_indexed_though_its_registry_does_not_answer() -> None:
    world = World()
    world.registry.push(WEB, "prod", ONE)
    world.registry.broken[WEB] = UpstreamError("503")
    arn = world.service(images={"app": IMAGE})
    assert world.index.get(arn) is not None
    world.registry.broken.clear()
    world.registry.push(WEB, "prod", TWO)
    mirrored(world, "prod", TWO)
    world.run(1)
    assert begun(world) == [TWO]


def test_private_ecr_is_tried_again_by_the_queue() -> None:
    world = World()
    private = Repository("123456789012", "eu-west-1", "team/web")
    world.registry.push(private, "prod", ONE)
    world.service()
    world.registry.push(private, "prod", TWO)
    world.registry.broken[private] = UpstreamError("503")
    world.push("prod", TWO, repository=private)
    world.run(1)
    assert [type(each) for each in world.failures] == [UpstreamError]
    with pytest.raises(UpstreamError):
        world.deliver(world.envelope("Sweep Due", {"repository-name": "team/web"}))


def test_a_tag_that_was_seen_before_is_looked_at_again_and_not_forgotten() -> None:
    world, _ = one_service("semver:minor", "public.ecr.aws/a1b2c3d4/web:1.0.0")
    world.registry.foreign.add(WEB)
    world.registry.push(WEB, "1.1.0-alpine", TWO)
    mirrored(world, "1.1.0-alpine", TWO)
    world.run(30)
    world.registry.push(WEB, "1.1.0-alpine", THREE)
    world.deliver(world.envelope("Sweep Due", {"public-repository": WEB.name}))
    assert {head.tag: head.digest for head in world.heads.of(WEB)}["1.1.0-alpine"] == THREE
