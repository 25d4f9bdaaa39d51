"""App Runner services: a push is followed, and what App Runner does not tell is remembered (design 6.1, 13)."""

from __future__ import annotations

import pytest

from longshore_local.images import multi_platform
from tests.functional.people_clusters import People
from tests.functional.people_functions import Functions
from tests.functional.people_services import NOT_PASSABLE, Services
from tests.functional.stage import Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]
HINT = "AppRunner Service Operation Status Change"


@pytest.fixture
def services(stage: Stage) -> Services:
    stage.push("prod", "one")
    return Services(stage)


def clean(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


def test_a_tag_that_moves_is_pulled_again(stage: Stage, services: Services) -> None:
    arn = services.create()
    before = services.described()["SourceConfiguration"]
    second = stage.push("prod", "two")
    stage.run(minutes=15)
    assert (services.running(), services.writes(), stage.told()) == (second, ["StartDeployment"], ROLLING)
    assert services.described()["SourceConfiguration"] == before
    started, succeeded = stage.events()
    assert (started["workload"], started["platform"], started["action"]) == (arn, "app-runner-service", "refresh")
    assert (succeeded["reason"], succeeded["workload_name"], succeeded["cluster"]) == ("verified", "shop", None)
    clean(stage)


def test_a_new_version_changes_the_identifier_and_nothing_else(stage: Stage, services: Services) -> None:
    stage.push("1.4.2", "one")
    services.create(image="web:1.4.2", policy="profile:versions")
    before = services.described()
    newer = stage.push("1.5.0", "two")
    stage.run(minutes=15)
    assert (services.running(), services.writes(), services.declared()) == (newer, ["UpdateService"], uri("web:1.5.0"))
    before["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = uri("web:1.5.0")
    after = services.described()
    assert {**before, "UpdatedAt": None} == {**after, "UpdatedAt": None}
    clean(stage)


def test_a_written_digest_keeps_the_tag_that_people_know(stage: Stage, services: Services) -> None:
    services.create(policy="profile:written-digest")
    for content in ("two", "three"):
        pushed = stage.push("prod", content)
        stage.run(minutes=15)
        assert (services.running(), services.declared()) == (pushed, uri(f"web@{pushed}"))
    assert stage.told() == ROLLING * 2
    clean(stage)


def test_a_role_that_may_not_be_passed_holds_only_what_passes_it(stage: Stage, services: Services) -> None:
    stage.push("1.4.2", "one")
    services.create("same", role=NOT_PASSABLE)
    services.create("other", "web:1.4.2", "profile:versions", role=NOT_PASSABLE)
    second = stage.push("prod", "two")
    stage.run(minutes=15)
    assert services.running("same") == second
    stage.forget()
    stage.push("1.5.0", "three")
    stage.run(minutes=15)
    (held,) = stage.events("Deployment Held")
    assert (held["workload_name"], held["reason"], held["roles"]) == ("other", "pass-role-not-granted", [NOT_PASSABLE])
    assert services.writes() == []


def test_what_deploys_itself_is_told_and_left_alone(stage: Stage, services: Services) -> None:
    services.create(automatic=True)
    second = stage.push("prod", "two")
    stage.run(minutes=90)
    assert (services.running(), services.writes(), stage.told()) == (second, [], ["Deployment Held"])
    assert stage.events()[0]["reason"] == "deploys-itself"
    assert services.operations() == ["CREATE_SERVICE SUCCEEDED", "START_DEPLOYMENT SUCCEEDED"]


def test_a_paused_service_follows_once_it_is_resumed(stage: Stage, services: Services) -> None:
    arn = services.create()
    services.client.pause_service(ServiceArn=arn)
    stage.run(minutes=5)
    second = stage.push("prod", "two")
    stage.run(minutes=15)
    assert (services.writes(), stage.told()) == ([], ["Deployment Held"])
    assert stage.events()[0]["reason"] == "service-paused"
    stage.forget()
    services.client.resume_service(ServiceArn=arn)
    stage.run(minutes=90)  # the sweep
    assert (services.running(), stage.told()) == (second, ROLLING)
    clean(stage)


def test_one_operation_at_a_time(stage: Stage, services: Services) -> None:
    services.create()
    services.deploy()
    stage.run(minutes=1)
    second = stage.push("prod", "two")
    stage.run(minutes=20)
    assert "deployment-in-progress" in stage.reasons()
    assert stage.told() == ROLLING
    assert (services.running(), services.writes()) == (second, ["StartDeployment"])
    clean(stage)


def test_what_app_runner_rolls_back_is_told_and_stays_out(stage: Stage, services: Services) -> None:
    services.create()
    good = stage.push("prod", "two")
    stage.run(minutes=15)
    bad = stage.push("prod", "three")
    stage.bundle.app_runner.fail(bad)
    stage.forget()
    stage.run(minutes=90)
    assert (services.running(), services.writes()) == (good, ["StartDeployment"])
    assert stage.told()[:2] == ["Deployment Started", "Deployment Rolled Back"]
    rolled_back = stage.events("Deployment Rolled Back")[0]
    assert (rolled_back["by"], rolled_back["reason"]) == ("platform", "rolled-back-by-platform")
    assert "/aws/apprunner/shop/" in rolled_back["why"]
    assert "quarantined" in stage.reasons()
    stage.forget()
    newer = stage.push("prod", "four")
    stage.run(minutes=20)
    assert (services.running(), stage.told()) == (newer, ROLLING)
    clean(stage)


def test_what_cannot_be_rolled_back_is_taken_back_by_digest(stage: Stage, services: Services) -> None:
    services.create()
    first = services.running()
    stage.bundle.app_runner.fail(stage.push("prod", "two"), rolls_back=False)
    stage.run(minutes=40)
    assert (services.running(), services.declared()) == (first, uri(f"web@{first}"))
    assert stage.told()[:4] == ["Deployment Started", "Deployment Failed", *ROLLING]
    clean(stage)


def test_without_its_events_a_deployment_is_followed_all_the_same(stage: Stage, services: Services) -> None:
    services.create()
    rules = stage.client("events")
    name = stage.bundle.stack.physical_ids["OperationEnded"]
    rules.disable_rule(Name=name)
    try:
        second = stage.push("prod", "two")
        stage.run(minutes=25)
        assert (services.running(), stage.told()) == (second, ROLLING)
    finally:
        rules.enable_rule(Name=name)


@pytest.mark.parametrize("operation", ["StartDeployment", "UpdateService"])
def test_a_lost_answer_is_made_good(stage: Stage, services: Services, operation: str) -> None:
    services.create(policy="profile:steady" if operation == "StartDeployment" else "profile:written-digest")
    stage.faults.add("apprunner", operation, "InternalServiceErrorException", when="after")
    second = stage.push("prod", "two")
    stage.run(minutes=60)
    assert (services.running(), stage.told(), stage.dead_letters()) == (second, ROLLING, 0)
    assert len([each for each in services.operations() if "CREATE" not in each]) == 1


def test_a_service_whose_tag_moved_before_anybody_looked_lags_and_follows(stage: Stage, services: Services) -> None:
    arn = services.create(policy=None)
    second = stage.push("prod", "two")
    stage.run(minutes=3)
    services.client.tag_resource(ResourceArn=arn, Tags=[{"Key": "longshore:policy", "Value": "profile:steady"}])
    stage.run(minutes=20)
    assert (services.running(), stage.told()) == (second, ROLLING)
    clean(stage)


def test_what_nobody_recorded_is_unknown_and_held(stage: Stage, services: Services) -> None:
    """A person deploys what another tag names, and that tag moves on before App Runner has begun to run it."""
    services.create(policy="profile:written-digest")
    stage.push("other", "two")
    stage.run(minutes=1)
    services.update("web:other")
    stage.run(minutes=0.5)
    stage.push("other", "three")
    stage.run(minutes=90)
    assert (services.writes(), stage.told()) == ([], ["Deployment Held"])
    assert stage.events("Deployment Held")[0]["reason"] == "unknown-running"
    stage.forget()
    newer = stage.push("prod", "four")
    stage.run(minutes=20)
    assert (services.running(), stage.told()) == (newer, ROLLING)
    clean(stage)


def test_one_push_reaches_four_platforms(stage: Stage, services: Services) -> None:
    stage.push("prod", multi_platform("one"))
    runtime = {"runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}}
    stage.service(definition=stage.register("web", uri("web:prod"), **runtime))
    functions, people = Functions(stage), People(stage)
    stage.push("amd64", "one")
    functions.create(image="web:amd64", policy="digest:prod", Architectures=["x86_64"])
    people.apply(image="web:prod", policy="profile:steady")
    services.create()
    stage.run(minutes=70)
    stage.forget()
    build = multi_platform("two")
    stage.push("prod", build)
    stage.run(minutes=40)
    child = build.children[0].digest
    assert functions.running() == child
    assert {stage.running(), people.running(), services.running()} <= {build.digest, child}
    assert sorted(stage.told()) == sorted(ROLLING * 4)
    platforms = {each["platform"] for each in stage.events("Deployment Succeeded")}
    assert platforms == {"ecs-service", "lambda-function", "eks-workload", "app-runner-service"}
    clean(stage)


def test_somebody_elses_event_says_nothing(stage: Stage, services: Services) -> None:
    arn = services.create()
    detail = {"operationStatus": "DeploymentCompletedSuccessfully", "serviceName": "shop", "serviceId": "x"}
    stage.emit("aws.apprunner", HINT, detail, arn)
    stage.run(minutes=5)
    stage.untouched()
