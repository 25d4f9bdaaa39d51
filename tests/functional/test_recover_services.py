"""Services whose tasks do not stay up, on the local bundle: told once, healed where redeploy can, over when steady."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.functional.jobs import OPTED_IN
from tests.functional.stage import CLUSTER, uri

if TYPE_CHECKING:
    from tests.functional.stage import Stage

PARAMETERS = {"RecoverMode": "auto"}
OPENED, RESOLVED = "Crash Loop Opened", "Crash Loop Resolved"


def tasks(stage: Stage) -> list[str]:
    return [str(arn) for arn in stage.ecs.list_tasks(cluster=CLUSTER, serviceName="web")["taskArns"]]


def serve(stage: Stage, tags: dict[str, str] | None = None, policy: str | None = "profile:steady") -> str:
    """A steady service that follows `web:prod`."""
    stage.push("prod", "first")
    given = [{"key": key, "value": value} for key, value in (OPTED_IN if tags is None else tags).items()]
    definition = stage.register("web", uri("web:prod"), **({"tags": given} if given else {}))
    return stage.service(definition=definition, policy=policy)


def crash(stage: Stage, times: int) -> None:
    """Tasks of the service that end by themselves a minute or so after they began."""
    for _ in range(times):
        stage.run(minutes=1.5)
        stage.bundle.ecs.end(tasks(stage)[0], "exit-1")
    stage.run(minutes=2)


def test_a_crash_loop_after_the_deployment_is_told_once_and_is_over_when_it_is_quiet(stage: Stage) -> None:
    service = serve(stage)
    crash(stage, 5)
    (opened,) = stage.events(OPENED)
    assert (opened["workload"], opened["class"], opened["exit_code"]) == (service, "G4", 1)
    assert (opened["reason"], opened["next"]["what"]) == ("notify-only", "notify")
    assert opened["count"] == 3
    assert stage.events("Redeploy Requested") == []
    stage.run(minutes=30)
    (resolved,) = stage.events(RESOLVED)
    assert resolved["workload"] == service
    assert len(stage.events(OPENED)) == 1
    assert stage.events("Task Failed") == []


def test_a_scale_in_and_a_deployment_provoke_nothing(stage: Stage) -> None:
    serve(stage)
    stage.update(desiredCount=6)
    stage.run(minutes=10)
    stage.update(desiredCount=1)
    stage.run(minutes=10)
    stage.update(forceNewDeployment=True)
    stage.run(minutes=20)
    stage.ecs.stop_task(cluster=CLUSTER, task=tasks(stage)[0])
    stage.run(minutes=20)
    assert stage.events(OPENED) == stage.events("Task Failed") == []


def test_a_digest_that_is_gone_is_healed_by_a_new_deployment(stage: Stage) -> None:
    """The tag moved while the service did not follow it, and a lifecycle policy deleted what runs."""
    service = serve(stage, policy="pin")
    old = stage.digests()["app"]
    new = stage.push("prod", "second")
    stage.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": old}])
    stage.run(minutes=5)
    stage.forget()
    stage.bundle.ecs.end(tasks(stage)[0], "exit-1")
    stage.run(minutes=60)
    (opened,) = stage.events(OPENED)
    assert (opened["workload"], opened["class"], opened["digest"]) == (service, "P2", old)
    assert [each["reason"] for each in stage.events("Redeploy Requested")] == ["heal"]
    assert (stage.steady(), stage.digests()["app"]) == (True, new)
    assert len(stage.events(RESOLVED)) == 1


def test_without_opt_in_it_is_told_what_would_be_done(stage: Stage) -> None:
    serve(stage, tags={}, policy="pin")
    old = stage.digests()["app"]
    stage.push("prod", "second")
    stage.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": old}])
    stage.run(minutes=5)
    stage.forget()
    stage.bundle.ecs.end(tasks(stage)[0], "exit-1")
    stage.run(minutes=20)
    (opened,) = stage.events(OPENED)
    assert (opened["reason"], opened["would"]) == ("not-opted-in", "redeploy")
    assert stage.events("Redeploy Requested") == []
