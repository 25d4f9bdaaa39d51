"""Crash loops: what counts, when it is told, what is asked for, when it is over (recover O1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from longshore.errors import UpstreamError
from longshore.recover.care import recoverer
from longshore.recover.crash_loops import Act, CrashLoopPolicy
from longshore.settings import Mode
from tests.fake_tasks import ARN
from tests.recover_world import AUTO, Crash
from tests.service_world import DEPLOYMENT, FOLLOWED, NEW, SERVICE, ServiceWorld

OPENED, RESOLVED, ASKED = "Crash Loop Opened", "Crash Loop Resolved", "Redeploy Requested"
SCALE_IN = "Scaling activity initiated by (deployment ecs-svc/1)"


def primary(world: ServiceWorld, **members: Any) -> dict[str, Any]:
    at = world.clock.now() - timedelta(hours=1)
    return {"id": DEPLOYMENT, "status": "PRIMARY", "rolloutState": "COMPLETED", "createdAt": at, **members}


# -- what counts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stops", "after", "opens"),
    [(2, 60, False), (3, 60, True), (3, 280, True), (3, 601, False), (4, 601, False), (5, 601, True), (5, 1000, False)],
)
def test_stops_are_a_crash_loop_when_many_come_in_a_short_time(stops: int, after: float, opens: bool) -> None:
    """Three within ten minutes of tasks that ran for less than ten, or five within the hour."""
    world = ServiceWorld()
    world.crash(stops, after=after)
    assert (world.told.count(OPENED) == 1) is opens


def test_it_is_told_once_with_all_that_is_known() -> None:
    world = ServiceWorld()
    tasks = world.crash(6)
    assert world.told == [OPENED, ASKED]
    opened, asked = (each.detail for each in world.publisher.published)
    assert opened["workload"] == SERVICE
    assert (opened["deployment"], opened["count"], opened["window_seconds"]) == (DEPLOYMENT, 3, 600)
    assert (opened["class"], opened["container"], opened["exit_code"]) == ("G4", "app", 1)
    assert (opened["family"], opened["cluster"], opened["task"]) == ("web", "shop", tasks[2])
    assert opened["evidence"] == ["containers[app].exitCode: 1"]
    assert opened["hint"]
    assert opened["log"]["note"]
    assert opened["next"]["what"] == opened["verdict"] == "rollback"
    assert (asked["workload"], asked["reason"]) == (SERVICE, "rollback")


def test_duplicates_never_count_twice() -> None:
    world = ServiceWorld()
    first, second = world.crash(2)
    for arn in (first, second, first, second):
        world.send(world.event(arn))
        world.run()
    assert world.told == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("UserInitiated", "Task stopped by user"),
        ("ServiceSchedulerInitiated", SCALE_IN),
        ("UserInitiated", "longshore: W2"),
    ],
)
def test_what_was_stopped_on_purpose_costs_no_call(code: str, reason: str) -> None:
    world = ServiceWorld()
    for _ in range(6):
        arn = world.started()
        world.run(1)
        before = len(world.steps)
        world.tasks.end(arn, code=code, reason=reason, exit_code=143)
        world.run()
        assert len(world.steps) == before
    assert world.told == []


def test_what_the_event_hides_is_not_counted_either() -> None:
    """The event says that the container failed, DescribeTasks that the scheduler stopped the task."""
    world = ServiceWorld()
    world.sending = False
    for _ in range(4):
        arn = world.started()
        world.tasks.end(arn, code="ServiceSchedulerInitiated", reason=SCALE_IN, exit_code=1)
        world.send(world.event(arn, stopCode="EssentialContainerExited", stoppedReason="Essential container exited"))
        world.run(1)
    assert world.told == []


def test_the_end_of_capacity_is_no_crash() -> None:
    world = ServiceWorld()
    for _ in range(6):
        arn = world.started()
        world.run(1)
        world.tasks.end(arn, code="SpotInterruption", reason="Your Spot Task was interrupted.", exit_code=137)
        world.run()
    assert world.told == []


@pytest.mark.parametrize(("minutes", "opens"), [(9, True), (11, False)])
def test_what_ran_for_long_is_no_crash_loop_so_soon(minutes: float, opens: bool) -> None:
    world = ServiceWorld()
    arns = [world.started() for _ in range(3)]
    world.run(minutes)
    for arn in arns:
        world.tasks.end(arn)
    world.run()
    assert (OPENED in world.told) is opens


def test_placement_is_told_of_the_service_itself() -> None:
    world = ServiceWorld()
    for _ in range(6):
        world.unpullable("RESOURCE:MEMORY")
    assert world.told == []


def test_what_a_newer_deployment_replaces_may_crash() -> None:
    world = ServiceWorld()
    world.describe(deployments=[primary(world, id="ecs-svc/2")])
    world.crash(6)
    assert world.told == []


@pytest.mark.parametrize(
    "reason", ["Task failed ELB health checks in (target-group x)", "Task failed container health checks"]
)
def test_health_checks_count(reason: str) -> None:
    world = ServiceWorld()
    for _ in range(3):
        arn = world.started()
        world.run(1)
        world.tasks.end(arn, code="ServiceSchedulerInitiated", reason=reason, exit_code=137)
        world.run()
    assert world.told == [OPENED, ASKED]


def test_exit_code_0_counts_half() -> None:
    world = ServiceWorld()
    world.crash(5, exit_code=0)
    assert world.told == []
    world.crash(1, exit_code=0)
    assert world.told == [OPENED, ASKED]
    assert (world.detail(0)["class"], world.detail(0)["name"]) == ("", "clean exit")


def test_each_deployment_is_counted_apart() -> None:
    world = ServiceWorld()
    world.crash(2)
    world.crash(2, deployment="ecs-svc/2")
    assert world.told == []


def test_what_failed_long_ago_does_not_count() -> None:
    world = ServiceWorld()
    world.sending = False
    arns = [world.started() for _ in range(3)]
    for arn in arns:
        world.tasks.end(arn)
    world.clock.advance(3601)
    for arn in arns:
        world.send(world.event(arn))
    world.run()
    assert world.told == []


# -- what is done ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "service", "reason", "would"),
    [
        ({"crash_loop": CrashLoopPolicy()}, {}, "notify-only", None),
        ({"mode": Mode.OBSERVE}, {}, "observe-only", "rollback"),
        ({"definition_tags": {}}, {}, "not-opted-in", "rollback"),
        ({}, {"tags": []}, "no-policy", "rollback"),
        ({}, {"deploymentController": {"type": "CODE_DEPLOY"}}, "owned-elsewhere", None),
    ],
)
def test_it_is_only_told_and_says_why(
    options: dict[str, Any], service: dict[str, Any], reason: str, would: str | None
) -> None:
    world = ServiceWorld(**options)
    world.describe(**service)
    world.crash(3)
    assert world.told == [OPENED]
    assert (world.detail()["verdict"], world.detail()["reason"], world.detail().get("would")) == (
        "notify",
        reason,
        would,
    )
    assert world.detail()["next"]["what"] == "notify"


def test_a_service_that_redeploy_does_not_follow_is_told_so() -> None:
    world = ServiceWorld()
    world.tagged({})
    world.crash(3)
    assert "longshore:policy" in world.detail()["next"]["why"]


@pytest.mark.parametrize("silent", ["service", "definition"])
def test_a_silenced_service_is_left_alone(silent: str) -> None:
    world = ServiceWorld(definition_tags={"longshore:recover": "off"} if silent == "definition" else AUTO)
    if silent == "service":
        world.tagged({**FOLLOWED, "longshore:recover": "off"})
    world.crash(6)
    assert world.told == []


def test_an_old_change_is_no_bad_deployment() -> None:
    world = ServiceWorld()
    world.describe(deployments=[primary(world, createdAt=world.clock.now() - timedelta(hours=25))])
    world.crash(3)
    assert (world.told, world.detail()["reason"]) == ([OPENED], "no-recent-change")


BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


def deploying(breaker: bool = True, **members: Any) -> ServiceWorld:
    """A service whose deployment is under way."""
    world = ServiceWorld()
    settings = BREAKER if breaker else {}
    under_way = [primary(world, rolloutState="IN_PROGRESS")]
    world.describe(deployments=under_way, deploymentConfiguration=settings, **members)
    return world


def test_a_deployment_under_way_is_left_to_the_circuit_breaker_and_to_whoever_watches_it() -> None:
    world = deploying()
    world.crash(6)
    assert (world.told, world.outcomes[-1].reason) == ([], "left-to-breaker")


def test_what_goes_on_after_the_deployment_is_told_at_once() -> None:
    world = deploying()
    world.crash(3)
    world.describe(deployments=[primary(world)], deploymentConfiguration=BREAKER)
    world.crash(1)
    assert (world.told, world.detail(0)["count"]) == ([OPENED, ASKED], 4)


def test_what_a_deployment_bore_is_no_loop_because_of_one_more_stop_later() -> None:
    world = deploying()
    world.crash(3)
    world.describe(deployments=[primary(world)], deploymentConfiguration=BREAKER)
    world.run(30)
    world.crash(1)
    assert world.told == []


def test_without_a_circuit_breaker_a_deployment_is_told_as_ever() -> None:
    world = deploying(breaker=False)
    world.crash(3)
    assert (world.told, world.detail(0)["reason"]) == ([OPENED, ASKED], "rollback")


def test_nobody_else_tells_of_the_deployment_of_a_service_that_redeploy_does_not_follow() -> None:
    world = deploying(tags=[])
    world.crash(3)
    assert (world.told, world.detail()["reason"]) == ([OPENED], "left-to-breaker")


def test_the_way_back_is_not_undone_as_well() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.describe(deployments=[primary(world, id="ecs-svc/2", createdAt=world.clock.now() + timedelta(minutes=1))])
    world.run(2)
    world.crash(3, deployment="ecs-svc/2")
    assert world.asked == ["rollback"]
    assert world.detail()["reason"] == "rolled-back"


def test_one_deployment_is_rolled_back_once_however_often_it_loops() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.sweeps(30)
    world.crash(3)
    assert world.told == [OPENED, ASKED, RESOLVED, OPENED]
    assert world.detail()["reason"] == "already-asked"


def test_what_a_deployment_would_not_mend_is_told() -> None:
    world = ServiceWorld()
    for _ in range(3):
        arn = world.started()
        world.run(1)
        world.tasks.end(arn, exit_code=137, container_reason="OutOfMemoryError: Container killed due to memory usage")
        world.run()
    assert (world.told, world.detail()["class"], world.detail()["reason"]) == ([OPENED], "M1", "not-mended")


def test_while_paused_nothing_is_asked() -> None:
    world = ServiceWorld()
    world.switches.reason = "maintenance"
    world.crash(3)
    assert (world.told, world.detail()["reason"]) == ([OPENED], "paused")


def test_a_service_that_wants_nothing_is_in_no_trouble() -> None:
    world = ServiceWorld()
    world.describe(desiredCount=0)
    world.crash(6)
    assert world.told == []


def test_a_forged_stop_is_not_counted() -> None:
    world = ServiceWorld()
    arns = [world.started() for _ in range(4)]
    for arn in arns:
        world.send(world.event(arn, lastStatus="STOPPED", desiredStatus="STOPPED", stopCode="EssentialContainerExited"))
    world.run(5)
    assert world.told == []


# -- daemons --------------------------------------------------------------------------------------------------------


def daemon(instances: list[str]) -> ServiceWorld:
    world = ServiceWorld()
    world.describe(schedulingStrategy="DAEMON", desiredCount=3)
    for name in instances:
        world.tasks.hosts[f"{ARN}:container-instance/shop/{name}"] = f"i-{name}"
        world.crash(1, containerInstanceArn=f"{ARN}:container-instance/shop/{name}")
    return world


def test_a_daemon_that_fails_on_one_instance_accuses_the_instance() -> None:
    world = daemon(["a", "a", "a"])
    assert (world.told, world.detail()["reason"]) == ([OPENED], "instance-suspected")
    assert (world.detail()["suspect"], world.detail()["instances"]) == ("instance", ["i-a"])
    assert world.detail()["owner"] == "daemon"


def test_a_daemon_that_fails_everywhere_accuses_the_image() -> None:
    world = daemon(["a", "b", "c"])
    assert (world.detail(0)["suspect"], world.asked) == ("image", ["rollback"])


# -- when it is over ------------------------------------------------------------------------------------------------


def test_a_steady_service_is_well_again_and_that_is_told_once() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.run(6)
    world.steady()
    world.steady()
    assert world.told == [OPENED, ASKED, RESOLVED]
    assert (world.detail()["reason"], world.detail()["workload"], world.detail()["family"]) == (
        "steady",
        SERVICE,
        "web",
    )


def test_between_two_crashes_a_service_is_not_believed() -> None:
    world = ServiceWorld()
    world.crash(3)
    for _ in range(4):
        world.steady()
        world.crash(1)
    assert RESOLVED not in world.told
    world.steady()
    world.run(6)
    assert world.told[-1] == RESOLVED


def test_a_forged_steady_state_ends_nothing() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.run(6)
    world.acts("SERVICE_STEADY_STATE")
    assert RESOLVED not in world.told


@pytest.mark.parametrize(
    ("after", "minutes", "over"), [(60, 10, False), (60, 20, True), (660, 30, False), (660, 65, True)]
)
def test_the_sweep_ends_what_was_quiet_for_long_enough(after: float, minutes: float, over: bool) -> None:
    """A quarter of an hour, or the window of the limit that opened it."""
    world = ServiceWorld()
    world.crash(3 if after < 600 else 5, after=after)
    world.sweeps(minutes)
    assert world.told.count(OPENED) == 1
    assert (RESOLVED in world.told) is over


def test_a_newer_deployment_ends_it() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.describe(deployments=[primary(world, id="ecs-svc/2", rolloutState="IN_PROGRESS")])
    world.sweeps(5)
    assert (world.told[-1], world.detail()["reason"]) == (RESOLVED, "newer-deployment")
    world.crash(6)
    assert world.told[-1] == RESOLVED


def test_a_deleted_service_ends_it() -> None:
    world = ServiceWorld()
    world.crash(3)
    world.services.described.clear()
    world.sweeps(5)
    assert (world.told[-1], world.detail()["reason"]) == (RESOLVED, "not-wanted")


def test_it_does_not_flap() -> None:
    world = ServiceWorld(crash_loop=CrashLoopPolicy(again=timedelta(minutes=30)))
    world.crash(3)
    world.run(6)
    world.steady()
    world.crash(5)
    assert world.told == [OPENED, RESOLVED]
    world.run(24)
    world.crash(3)
    assert world.told == [OPENED, RESOLVED, OPENED]


# -- whatever dies --------------------------------------------------------------------------------------------------


def looped(step: int | None) -> ServiceWorld:
    world = ServiceWorld(crash_loop=CrashLoopPolicy(act=Act.ROLLBACK, within=timedelta(minutes=30)))
    world.crash(2)
    world.started()
    if step is not None:
        world.crash_after(step)
    world.tasks.end(world.tasks.arns[-1])
    world.run(40)
    return world


def whole() -> int:
    before = ServiceWorld(crash_loop=CrashLoopPolicy(act=Act.ROLLBACK, within=timedelta(minutes=30)))
    before.crash(2)
    before.started()
    return len(looped(None).steps) - len(before.steps)


@pytest.mark.parametrize("step", range(1, whole() + 1))
def test_whatever_dies_it_is_told_and_asked_at_most_twice(step: int) -> None:
    world = looped(step)
    assert any(isinstance(each, Crash) for each in world.failures), "the process did not end"
    assert 1 <= world.told.count(OPENED) <= 2
    assert world.asked in (["rollback"], ["rollback"] * 2)
    asking = [each for each in looped(None).steps if each.startswith("FakePublisher.publish")]
    assert len(asking) == 4  # before and after: told, asked
    loop = world.troubles.get(SERVICE, f"LOOP#{DEPLOYMENT}")
    assert loop.acted is not None
    assert loop.asking is None
    assert world.queue.waiting == []


def test_a_bus_that_refuses_is_asked_again() -> None:
    world = ServiceWorld()
    world.crash(2)
    publish = world.publisher.publish
    refusals = [UpstreamError("PutEvents refused 1 entries")]

    def fail(announcements: Any) -> None:
        if announcements[0].kind == ASKED and refusals:
            raise refusals.pop()
        publish(announcements)

    world.publisher.publish = fail  # type: ignore[method-assign]
    world.crash(1)
    world.run(10)
    assert world.told == [OPENED, ASKED]
    assert world.asked == ["rollback"]


def lost() -> ServiceWorld:
    """It was decided and recorded that redeploy is asked, and the message that would ask is lost."""
    world = ServiceWorld()
    world.crash(3)
    world.publisher.published = [each for each in world.publisher.published if each.kind != ASKED]
    loop = world.troubles.get(SERVICE, f"LOOP#{DEPLOYMENT}")
    world.troubles.save(replace(loop, acted=None, asking=loop.acted))
    return world


def test_what_was_never_asked_for_is_asked_for_by_the_sweep_once() -> None:
    world = lost()
    world.sweeps(10)
    assert (world.told, world.asked) == ([OPENED, ASKED], ["rollback"])
    asked = world.detail()
    assert (asked["deployment"], asked["task_definition"]) == (DEPLOYMENT, world.definition)


def test_the_sweep_asks_for_nothing_that_is_not_allowed_or_outdated() -> None:
    world = lost()
    world.switches.reason = "maintenance"
    world.sweeps(5)
    assert world.asked == []
    world = lost()
    world.tasks.retag(world.definition, {})
    world.sweeps(5)
    assert world.asked == []
    world = lost()
    world.describe(deployments=[primary(world, id="ecs-svc/2")])
    world.sweeps(5)
    assert (world.told, world.asked) == ([OPENED, RESOLVED], [])


@pytest.mark.parametrize(("deployment", "asked"), [(DEPLOYMENT, ["heal"]), ("ecs-svc/2", [])])
def test_the_sweep_heals_no_deployment_but_the_one_that_was_looked_at(deployment: str, asked: list[str]) -> None:
    world = ServiceWorld()
    world.images.tags["shop/web", "prod"] = NEW
    world.unpullable()
    world.publisher.published.pop()
    image = next(each for each in world.troubles.of(SERVICE) if each.acted)
    world.troubles.save(replace(image, acted=None, asking=image.acted))
    world.describe(deployments=[primary(world, id=deployment)])
    world.sweeps(5)
    assert world.asked == asked


def test_a_rollback_that_may_have_been_asked_for_is_not_undone_either() -> None:
    world = lost()
    world.describe(deployments=[primary(world, id="ecs-svc/2", createdAt=world.clock.now() + timedelta(minutes=1))])
    world.run(2)
    world.crash(3, deployment="ecs-svc/2")
    assert (world.asked, world.detail()["reason"]) == ([], "rolled-back")


@pytest.mark.parametrize(
    ("reason", "cls"),
    [
        ("CannotPullContainerError: pull image manifest has been retried 5 time(s): dial tcp: i/o timeout", "P1"),
        ("CannotPullContainerError: Error response from daemon: toomanyrequests: You have reached your limit", "P4"),
        ("CannotPullContainerError: pull access denied, repository does not exist or may require login", "P3"),
    ],
)
def test_pulls_that_fail_for_ever_are_told(reason: str, cls: str) -> None:
    world = ServiceWorld()
    for _ in range(3):
        world.unpullable(reason)
        world.run(1)
    assert (world.told, world.detail()["class"]) == ([OPENED], cls)
    assert world.detail()["reason"] == "not-mended"


# -- what was not asked for at first --------------------------------------------------------------------------------


def paused(world: ServiceWorld, on: bool) -> None:
    world.switches.reason = None if on else "maintenance"


def opted_in(world: ServiceWorld, on: bool) -> None:
    world.tasks.retag(world.definition, AUTO if on else {})


def followed(world: ServiceWorld, on: bool) -> None:
    world.tagged(FOLLOWED if on else {})


def acting(world: ServiceWorld, on: bool) -> None:
    rules = replace(world.rules, mode=Mode.AUTO if on else Mode.OBSERVE)
    world.recoverer = recoverer(world.ports, world.care, rules, CrashLoopPolicy(act=Act.ROLLBACK))


LATER = [(paused, "paused"), (opted_in, "not-opted-in"), (followed, "no-policy"), (acting, "observe-only")]


@pytest.mark.parametrize(("set_to", "reason"), LATER)
def test_what_kept_it_from_being_asked_for_may_pass(set_to: Callable[[ServiceWorld, bool], None], reason: str) -> None:
    world = ServiceWorld()
    set_to(world, False)
    world.crash(6)
    assert (world.told, world.detail()["reason"]) == ([OPENED], reason)
    opened = world.troubles.get(SERVICE, f"LOOP#{DEPLOYMENT}").opened
    set_to(world, True)
    world.crash(4)
    assert (world.told, world.detail(1)["reason"]) == ([OPENED, OPENED, ASKED], "rollback")
    assert world.troubles.get(SERVICE, f"LOOP#{DEPLOYMENT}").opened == opened


@pytest.mark.parametrize(("set_to", "reason"), LATER)
def test_a_heal_that_was_kept_from_being_asked_for_is_made_up_for(
    set_to: Callable[[ServiceWorld, bool], None], reason: str
) -> None:
    world = ServiceWorld()
    world.images.tags["shop/web", "prod"] = NEW
    set_to(world, False)
    for _ in range(2):
        world.unpullable()
        world.run(1)
    assert (world.told, world.detail()["reason"]) == ([OPENED], reason)
    assert world.outcomes[-1].reason == reason
    set_to(world, True)
    for _ in range(2):
        world.unpullable()
        world.run(1)
    assert (world.told, world.asked) == ([OPENED, OPENED, ASKED], ["heal"])
    assert world.outcomes[-1].reason == "already-asked"


def test_a_concurrent_stop_is_not_lost() -> None:
    """Two invocations count at once: whoever writes second reads again."""
    world = ServiceWorld()
    world.crash(1)
    raced: list[str] = []

    def race(step: str) -> None:
        if step == "FakeTroubles.save before" and not raced:
            raced.append(step)
            world.crash(1)

    world.interrupt = race
    world.crash(1)
    world.interrupt = lambda step: None
    assert len(world.troubles.get(SERVICE, f"LOOP#{DEPLOYMENT}").signs) == 3
