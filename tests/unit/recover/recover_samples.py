"""Failed tasks, recipes, recoveries and facts for the tests of decisions: plain ones, changed as each test needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from longshore.recover.changes import Changes, launch_token
from longshore.recover.decide import Facts
from longshore.recover.diagnosis import Diagnosis, Owner, Remedy
from longshore.recover.recipe import LaunchRecipe, Network, Provider
from longshore.recover.recovery import Attempt, AttemptKind, AttemptState, Failure, Recovery
from longshore.tasks import Task

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HERE = "arn:aws:ecs:eu-west-1:123456789012"
ROOT = f"{HERE}:task/jobs/{'0' * 32}"
AUTO = {"longshore:recover": "auto"}
IDEMPOTENT = {**AUTO, "longshore:retry": "idempotent"}
NETWORK = Network(("subnet-a", "subnet-b", "subnet-c"), ("sg-1",), True)
DEFINITION: dict[str, Any] = {
    "status": "ACTIVE",
    "networkMode": "awsvpc",
    "containerDefinitions": [{"name": "app", "image": "app:1"}],
}


def arn(number: int) -> str:
    return f"{HERE}:task/jobs/{number:032x}"


def failed_task(number: int = 0, **members: Any) -> Task:
    """A Fargate task that stopped a minute ago and never started; `members` are those of DescribeTasks."""
    detail = {
        "taskArn": arn(number),
        "clusterArn": f"{HERE}:cluster/jobs",
        "taskDefinitionArn": f"{HERE}:task-definition/etl:7",
        "group": "family:etl",
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "cpu": "256",
        "memory": "512",
        "stoppedAt": NOW - timedelta(minutes=1),
        "containers": [{"name": "app"}],
        "tags": [],
        **members,
    }
    return Task.read(detail)


def ran(seconds: float = 30, exit_code: int = 1) -> dict[str, Any]:
    """Members of a task that ran for so long."""
    return {
        "startedAt": NOW - timedelta(seconds=60 + seconds),
        "containers": [{"name": "app", "exitCode": exit_code, "runtimeId": "r-1"}],
    }


def diagnosis(cls: str = "I2", remedy: Remedy = Remedy.REPLACE, owner: Owner = Owner.STANDALONE) -> Diagnosis:
    return Diagnosis(owner, cls, cls.lower(), remedy, "never-started", culprit="app")


def attempt(number: int, cls: str = "I2", **members: Any) -> Attempt:
    """A launched attempt that replaced what was launched by the one before; members of its failure go by their names."""
    failure = {name: members.pop(name) for name in ("ran", "zone", "subnet", "exit_code") if name in members}
    changes = members.pop("changes", Changes())
    made = Attempt(
        number=number,
        kind=members.pop("kind", AttemptKind.INFRA),
        failure=Failure(NOW - timedelta(minutes=30 - number), cls, arn(number - 1), **failure),
        due=NOW - timedelta(minutes=29 - number),
        token=launch_token(ROOT, number, changes),
        changes=changes,
        state=AttemptState.LAUNCHED,
        task=arn(number),
    )
    return made._replace(**members)


def recovery(*attempts: Attempt, **members: Any) -> Recovery:
    opened = members.pop("opened", NOW - timedelta(minutes=30))
    return Recovery(ROOT, "etl", "jobs", opened, attempts=attempts, version=len(attempts), **members)


def recipe(**members: Any) -> LaunchRecipe:
    return LaunchRecipe(**{"source": "task", "launch_type": "FARGATE", "network": NETWORK, **members})


def spot_recipe() -> LaunchRecipe:
    return recipe(launch_type=None, strategy=(Provider("FARGATE_SPOT", 1),))


def facts(**members: Any) -> Facts:
    made: dict[str, Any] = {
        "diagnosis": diagnosis(),
        "task": failed_task(),
        "definition": DEFINITION,
        "definition_tags": AUTO,
        "recipe": recipe(),
    }
    return Facts(**{**made, **members})
