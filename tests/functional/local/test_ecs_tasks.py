"""Tasks and task definitions of the simulated ECS: their lives, their events, what is kept of them."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.functional.local.ecs_account import ACCOUNT, IMAGE, NETWORK, REGION, A, B, EcsAccount, opened


@pytest.fixture
def shop() -> Iterator[EcsAccount]:
    with opened() as account:
        yield account


def run_task(shop: EcsAccount, **members: Any) -> dict[str, Any]:
    request = {"taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": NETWORK, **members}
    answer: dict[str, Any] = shop.ecs.run_task(cluster="shop", **request)
    return answer


def lives(shop: EcsAccount) -> dict[str, list[tuple[int, str, str]]]:
    """(version, lastStatus, desiredStatus) of each task's events, in order."""
    told: dict[str, list[tuple[int, str, str]]] = {}
    for event in shop.of_type("ECS Task State Change"):
        detail = event["detail"]
        told.setdefault(detail["taskArn"], []).append(
            (detail["version"], detail["lastStatus"], detail["desiredStatus"])
        )
    return told


def test_tasks_of_a_service_say_where_they_belong(shop: EcsAccount) -> None:
    service = shop.steady(propagateTags="SERVICE", tags=[{"key": "team", "value": "web"}], enableExecuteCommand=True)
    task = shop.tasks()[0]
    assert (task["group"], task["startedBy"]) == ("service:web", service["deployments"][0]["id"])
    assert (task["lastStatus"], task["launchType"], task["enableExecuteCommand"]) == ("RUNNING", "FARGATE", True)
    assert task["tags"] == [{"key": "team", "value": "web"}]
    container = task["containers"][0]
    assert (container["image"], container["imageDigest"], container["lastStatus"]) == (IMAGE, A, "RUNNING")
    assert container["taskArn"] == task["taskArn"]
    assert task["createdAt"] < task["pullStartedAt"] < task["pullStoppedAt"] < task["startedAt"]
    assert shop.ecs.list_tasks(cluster="shop", startedBy=task["startedBy"])["taskArns"]
    assert shop.ecs.list_tasks(cluster="shop", family="other")["taskArns"] == []


def test_a_task_lives_through_versioned_events(shop: EcsAccount) -> None:
    shop.create(desiredCount=1)
    shop.run(20)
    shop.update(forceNewDeployment=True)
    shop.run(20)
    first, second = lives(shop).values()
    assert first == [
        (1, "PROVISIONING", "RUNNING"),
        (2, "PENDING", "RUNNING"),
        (3, "RUNNING", "RUNNING"),
        (4, "DEACTIVATING", "STOPPED"),
        (5, "STOPPED", "STOPPED"),
    ]
    assert [version for version, *_ in second] == [1, 2, 3]


def test_replaced_tasks_name_the_deployment_that_replaced_them(shop: EcsAccount) -> None:
    shop.steady(desiredCount=1)
    new = shop.update(forceNewDeployment=True)["deployments"][0]["id"]
    shop.run(20)
    last = shop.of_type("ECS Task State Change")[-1]["detail"]
    assert (last["lastStatus"], last["stopCode"]) == ("STOPPED", "ServiceSchedulerInitiated")
    assert last["stoppedReason"] == f"Scaling activity initiated by (deployment {new})"


def test_the_event_of_a_running_task_has_the_documented_members(shop: EcsAccount) -> None:
    shop.steady(desiredCount=1)
    shop.update(forceNewDeployment=True)
    shop.run(20)
    event = next(e for e in shop.of_type("ECS Task State Change") if e["detail"]["lastStatus"] == "RUNNING")
    assert (event["source"], event["resources"]) == ("aws.ecs", [event["detail"]["taskArn"]])
    assert event["detail"].keys() == {
        "attachments", "attributes", "availabilityZone", "capacityProviderName", "clusterArn", "connectivity",
        "connectivityAt", "containers", "cpu", "createdAt", "desiredStatus", "enableExecuteCommand",
        "ephemeralStorage", "group", "lastStatus", "launchType", "memory", "overrides", "platformVersion",
        "pullStartedAt", "pullStoppedAt", "startedAt", "startedBy", "taskArn", "taskDefinitionArn", "updatedAt",
        "version",
    }  # fmt: skip
    assert event["detail"]["containers"][0].keys() == {
        "containerArn", "lastStatus", "name", "image", "imageDigest", "runtimeId", "taskArn", "networkInterfaces", "cpu",
    }  # fmt: skip
    assert event["detail"]["attachments"][0]["type"] == "eni"
    assert event["detail"]["overrides"] == {"containerOverrides": [{"name": "web"}]}
    assert event["detail"]["createdAt"].endswith("Z")


@pytest.mark.parametrize(
    ("mode", "code", "exit_code", "started"),
    [
        ("exit-1", "EssentialContainerExited", 1, False),
        ("oom", "EssentialContainerExited", 137, False),
        ("crash", "EssentialContainerExited", 1, True),
        ("cannot-pull", "TaskFailedToStart", None, False),
        ("resource-init", "TaskFailedToStart", None, False),
        ("unhealthy", "ServiceSchedulerInitiated", 143, True),
    ],
)
def test_failed_tasks_say_why(shop: EcsAccount, mode: Any, code: str, exit_code: int | None, started: bool) -> None:
    shop.register(container={"healthCheck": {"command": ["CMD", "true"]}})
    shop.simulator.fail(A, mode)
    shop.create(desiredCount=1)
    shop.run(30)
    task = shop.tasks(desiredStatus="STOPPED")[0]
    assert task["stopCode"] == code
    assert task["containers"][0].get("exitCode") == exit_code
    assert ("startedAt" in task) is started
    assert task["stoppedReason"]
    assert (task["containers"][0].get("reason") is not None) == (mode == "oom")


def test_health_shows_on_tasks_that_are_checked(shop: EcsAccount) -> None:
    shop.register(container={"healthCheck": {"command": ["CMD", "true"]}})
    shop.create(desiredCount=1)
    shop.run(7)
    assert [task["healthStatus"] for task in shop.tasks()] == ["UNKNOWN"]
    shop.run(5)
    assert [task["healthStatus"] for task in shop.tasks()] == ["HEALTHY"]


def test_a_stopped_service_task_is_replaced(shop: EcsAccount) -> None:
    shop.steady(desiredCount=1)
    task = shop.tasks()[0]["taskArn"]
    stopped = shop.ecs.stop_task(cluster="shop", task=task, reason="by hand")["task"]
    assert (stopped["desiredStatus"], stopped["stopCode"], stopped["stoppedReason"]) == (
        "STOPPED",
        "UserInitiated",
        "by hand",
    )
    shop.run(20)
    assert [entry["taskArn"] == task for entry in shop.tasks()] == [False]
    assert shop.statuses() == ["SUCCESSFUL"]
    assert shop.told("ECS Service Action") == ["STEADY_STATE"]


def test_stopped_tasks_are_seen_for_an_hour(shop: EcsAccount) -> None:
    shop.steady(desiredCount=1)
    shop.update(desiredCount=0)
    shop.run(30 * 60)
    assert len(shop.tasks(desiredStatus="STOPPED")) == 1
    shop.run(40 * 60)
    assert shop.tasks(desiredStatus="STOPPED") == []


def test_tasks_without_a_service_live_on_the_timeline_too(shop: EcsAccount) -> None:
    overrides = {"containerOverrides": [{"name": "web", "environment": [{"name": "MODE", "value": "batch"}]}]}
    (task,) = run_task(shop, overrides=overrides, startedBy="someone", tags=[{"key": "a", "value": "b"}])["tasks"]
    assert (task["lastStatus"], task["group"]) == ("PROVISIONING", "family:web")
    shop.run(10)
    (found,) = shop.ecs.describe_tasks(cluster="shop", tasks=[task["taskArn"]], include=["TAGS"])["tasks"]
    assert (found["lastStatus"], found["startedBy"], found["tags"]) == (
        "RUNNING",
        "someone",
        [{"key": "a", "value": "b"}],
    )
    assert found["overrides"]["containerOverrides"] == overrides["containerOverrides"]
    assert found["containers"][0]["imageDigest"] == A


def test_one_client_token_starts_one_task(shop: EcsAccount) -> None:
    first = run_task(shop, clientToken="once")["tasks"][0]["taskArn"]
    assert run_task(shop, clientToken="once")["tasks"][0]["taskArn"] == first
    request = {"cluster": "shop", "taskDefinition": "web", "launchType": "FARGATE", "networkConfiguration": NETWORK}
    assert shop.error("run_task", **request, count=2, clientToken="once")[0] == "ConflictException"
    assert shop.error("run_task", **request, count=11)[0] == "InvalidParameterException"


def test_tasks_that_are_not_there_are_failures(shop: EcsAccount) -> None:
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/{'0' * 32}"
    assert shop.ecs.describe_tasks(cluster="shop", tasks=[arn])["failures"] == [{"arn": arn, "reason": "MISSING"}]


def test_every_member_of_a_task_definition_is_kept(shop: EcsAccount) -> None:
    container = {
        "name": "web",
        "image": IMAGE,
        "essential": True,
        "versionConsistency": "disabled",
        "dependsOn": [{"containerName": "envoy", "condition": "HEALTHY"}],
        "dockerLabels": {"Team": "web"},
        "portMappings": [{"containerPort": 80, "appProtocol": "http", "name": "http"}],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "web"}},
        "restartPolicy": {"enabled": True, "restartAttemptPeriod": 60},
    }
    members: dict[str, Any] = {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "taskRoleArn": "arn:aws:iam::123456789012:role/task",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "proxyConfiguration": {
            "type": "APPMESH",
            "containerName": "envoy",
            "properties": [{"name": "a", "value": "b"}],
        },
        "ephemeralStorage": {"sizeInGiB": 30},
        "enableFaultInjection": True,
        "pidMode": "task",
    }
    tags = [{"key": "longshore:tag", "value": "prod"}]
    shop.ecs.register_task_definition(
        family="full", containerDefinitions=[container, {"name": "envoy", "image": IMAGE}], tags=tags, **members
    )
    answer = shop.ecs.describe_task_definition(taskDefinition="full", include=["TAGS"])
    definition = answer["taskDefinition"]
    assert {name: definition[name] for name in members} == members
    assert answer["tags"] == tags
    assert "tags" not in shop.ecs.describe_task_definition(taskDefinition="full")
    kept = definition["containerDefinitions"][0]
    mapping = container["portMappings"][0] | {"hostPort": 80, "protocol": "tcp"}  # type: ignore[index]
    assert {name: kept[name] for name in container} == container | {"portMappings": [mapping]}
    assert (definition["revision"], definition["status"]) == (1, "ACTIVE")
    assert definition["compatibilities"][:2] == ["EC2", "FARGATE"]
    assert definition["registeredAt"] == shop.timeline.now()
    again = {name: value for name, value in definition.items() if name in members} | {"family": "full"}
    copied = shop.ecs.register_task_definition(containerDefinitions=definition["containerDefinitions"], **again)
    assert copied["taskDefinition"]["containerDefinitions"] == definition["containerDefinitions"]


def test_a_family_means_its_newest_active_revision(shop: EcsAccount) -> None:
    second = shop.register()
    gone = shop.register()
    shop.ecs.deregister_task_definition(taskDefinition=gone)
    assert shop.ecs.describe_task_definition(taskDefinition="web")["taskDefinition"]["taskDefinitionArn"] == second
    shown = shop.ecs.describe_task_definition(taskDefinition=gone)["taskDefinition"]
    assert (shown["status"], shown["deregisteredAt"]) == ("INACTIVE", shop.timeline.now())
    shop.steady()
    assert shop.error("update_service", cluster="shop", service="web", taskDefinition=gone)[0] == "ClientException"
    assert shop.error("describe_task_definition", taskDefinition="web:x")[0] == "ClientException"


@pytest.mark.parametrize("missing", [{"cpu": None}, {"networkMode": "bridge"}])
def test_what_fargate_needs(shop: EcsAccount, missing: dict[str, Any]) -> None:
    members = {
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        **missing,
    }
    given = {name: value for name, value in members.items() if value is not None}
    container = {"name": "web", "image": IMAGE}
    assert (
        shop.error("register_task_definition", family="f", containerDefinitions=[container], **given)[0]
        == "ClientException"
    )


STACK = """
Resources:
  Definition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: stacked
      RequiresCompatibilities: [FARGATE]
      NetworkMode: awsvpc
      Cpu: "256"
      Memory: "512"
      ContainerDefinitions:
        - { Name: web, Image: "IMAGE", DockerLabels: { Team: web } }
  Service:
    Type: AWS::ECS::Service
    Properties:
      Cluster: shop
      ServiceName: stacked
      LaunchType: FARGATE
      TaskDefinition: !Ref Definition
      DesiredCount: COUNT
      Tags: [{ Key: "longshore:policy", Value: digest }]
      NetworkConfiguration: { AwsvpcConfiguration: { Subnets: [subnet-1] } }
Outputs:
  Arn: { Value: !Ref Service }
"""


def test_stacks_make_services_that_live(shop: EcsAccount) -> None:
    cloudformation = boto3.client("cloudformation", region_name=REGION)
    body = STACK.replace("IMAGE", IMAGE)
    cloudformation.create_stack(StackName="web", TemplateBody=body.replace("COUNT", "2"))
    shop.run(60)
    service = shop.service("stacked")
    assert service["runningCount"] == 2
    tags = {tag["key"]: tag["value"] for tag in service["tags"]}
    assert (tags["longshore:policy"], tags["aws:cloudformation:stack-name"]) == ("digest", "web")
    assert tags["aws:cloudformation:logical-id"] == "Service"
    output = cloudformation.describe_stacks(StackName="web")["Stacks"][0]["Outputs"][0]["OutputValue"]
    assert output == service["serviceArn"]
    definition = shop.ecs.describe_task_definition(taskDefinition="stacked")["taskDefinition"]
    assert definition["containerDefinitions"][0]["dockerLabels"] == {"Team": "web"}
    cloudformation.update_stack(StackName="web", TemplateBody=body.replace("COUNT", "3"))
    shop.run(60)
    assert shop.service("stacked")["runningCount"] == 3
    cloudformation.delete_stack(StackName="web")
    shop.run(60)
    assert shop.service("stacked")["status"] == "INACTIVE"


def test_task_sets_start_tasks_of_the_simulator(shop: EcsAccount) -> None:
    shop.create(deploymentController={"type": "EXTERNAL"}, taskDefinition=None, desiredCount=2)
    shop.ecs.create_task_set(
        cluster="shop", service="web", taskDefinition="web", launchType="FARGATE", networkConfiguration=NETWORK,
        scale={"value": 100, "unit": "PERCENT"},
    )  # fmt: skip
    shop.run(10)
    arns = shop.ecs.list_tasks(cluster="shop")["taskArns"]
    assert {task["lastStatus"] for task in shop.ecs.describe_tasks(cluster="shop", tasks=arns)["tasks"]} == {"RUNNING"}


def test_an_old_digest_is_still_pulled_after_the_tag_moved(shop: EcsAccount) -> None:
    shop.steady(desiredCount=1)
    shop.push(B)
    shop.ecs.stop_task(cluster="shop", task=shop.tasks()[0]["taskArn"])
    shop.run(20)
    assert shop.tasks()[0]["containers"][0]["imageDigest"] == A
