"""What happens in the busy account to tasks and to what lies under them: all that has recover call AWS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore_local.bundle import ACCOUNT, REGION
from tests.functional.jobs import IDEMPOTENT, OPTED_IN
from tests.functional.stage import CLUSTER, uri

if TYPE_CHECKING:
    from longshore_local.ecs.endings import FailureMode
    from tests.functional.busy_account import BusyAccount

AUTO = [{"key": key, "value": value} for key, value in OPTED_IN.items()]
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
LOGGED = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/jobs",
        "awslogs-region": REGION,
        "awslogs-stream-prefix": "job",
        "awslogs-create-group": "true",
    },
}


def _out_of_memory(account: BusyAccount) -> None:
    """Run again with more memory, under its own roles, and told with its last lines."""
    jobs = account.jobs
    container = {"name": "app", "image": uri("web:v1"), "logConfiguration": LOGGED}
    definition = jobs.family(containerDefinitions=[container])
    jobs.faults.fail_next("etl", "oom", after=20)
    arn = jobs.run(definition, tags=[{"key": "owner", "value": "data"}])
    account.run(10)
    assert jobs.replacement(arn)["memory"] == "1024"


def _waited(account: BusyAccount) -> None:
    """A family that always fails has recover wait for longer than a queue can delay a message."""
    jobs = account.jobs
    jobs.faults.fail("hopeless", "oom", after=20)
    jobs.run(jobs.family(name="hopeless"))
    account.run(300, until=lambda: "Task Given Up" in account.told())
    assert "Task Given Up" in account.told()


def _started_by_a_schedule(account: BusyAccount) -> None:
    """Its first task has no interface that would tell its network: the schedule does."""
    scheduler = account.bundle.client("scheduler")
    off: dict[str, Any] = {"FlexibleTimeWindow": {"Mode": "OFF"}}
    target = _target(account, "nightly")
    scheduler.create_schedule(Name="nightly", ScheduleExpression="rate(30 minutes)", Target=target, **off)
    _launched_anyway(account, "nightly", "N1")
    scheduler.delete_schedule(Name="nightly")


def _started_by_a_rule(account: BusyAccount) -> None:
    """By a rule of EventBridge: it may fire before the task's back-off is over."""
    events = account.bundle.client("events")
    events.put_rule(Name="hourly", ScheduleExpression="rate(30 minutes)")
    events.put_targets(Rule="hourly", Targets=[{"Id": "1", **_target(account, "hourly")}])
    _launched_anyway(account, "hourly", "oom")
    events.remove_targets(Rule="hourly", Ids=["1"])
    events.delete_rule(Name="hourly")


def _target(account: BusyAccount, family: str) -> dict[str, Any]:
    jobs = account.jobs
    network = {"Subnets": jobs.subnets, "SecurityGroups": jobs.groups, "AssignPublicIp": "ENABLED"}
    parameters = {
        "TaskDefinitionArn": jobs.family(IDEMPOTENT, name=family),
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": network},
    }
    return {
        "Arn": CLUSTER_ARN,
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/scheduler",
        "EcsParameters": parameters,
    }


def _launched_anyway(account: BusyAccount, family: str, mode: FailureMode) -> None:
    account.jobs.faults.fail_next(family, mode, after=1)
    _until(account, 45, lambda: any(each["family"] == family for each in _told(account, "Task Replaced")))


def _unhealthy(account: BusyAccount) -> None:
    """Nobody stops a task of nobody that fails its health check; it is stopped, and run again."""
    jobs = account.jobs
    check = {"command": ["CMD-SHELL", "true"], "interval": 5, "retries": 2}
    container = {"name": "app", "image": uri("web:v1"), "healthCheck": check}
    jobs.faults.fail_next("api", "unhealthy")
    arn = jobs.run(jobs.family(name="api", containerDefinitions=[container]))
    _until(account, 30, lambda: jobs.task(arn)["desiredStatus"] == "STOPPED")


def _fleet(account: BusyAccount) -> None:
    """Machines fail: one that is dead, one that cannot be emptied, a server of one's own, one that AWS repairs; one is
    taken away.
    """
    jobs, hosts = account.jobs, account.bundle.ecs.hosts
    group = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/managed"
    account.ecs.create_capacity_provider(name="managed", autoScalingGroupProvider={"autoScalingGroupArn": group})
    server = hosts.add(ACCOUNT, REGION, CLUSTER, tags=AUTO, external=True)
    plain = [hosts.add(ACCOUNT, REGION, CLUSTER, tags=AUTO, memory=600) for _ in range(5)]
    definition = jobs.family(IDEMPOTENT, name="fleet", requiresCompatibilities=["EC2"], networkMode="bridge")
    made = {"cluster": CLUSTER, "taskDefinition": definition, "launchType": "EC2"}
    account.ecs.create_service(serviceName="fleet", desiredCount=1, **made)
    account.run(2)
    kept = account.ecs.list_tasks(cluster=CLUSTER, serviceName="fleet")["taskArns"]
    account.ecs.update_task_protection(cluster=CLUSTER, tasks=kept, protectionEnabled=True)
    ours = account.ecs.run_task(**made)["tasks"][0]["taskArn"]
    account.run(2)
    held, taken = (jobs.task(arn)["containerInstanceArn"] for arn in (*kept, ours))
    managed = hosts.add(ACCOUNT, REGION, CLUSTER, tags=AUTO, capacity_provider_name="managed")
    dead = next(arn for arn in plain if arn not in (held, taken))
    hosts.fail_status_checks(dead)
    hosts.disconnect(dead)
    _until(account, 10, lambda: _status(account, dead) == "DRAINING")
    account.run(20)
    hosts.impair(held)
    _until(account, 45, lambda: "drain-stuck" in [each["reason"] for each in _told(account, "Task Given Up")])
    hosts.interrupt(taken)
    account.run(20)
    assert any(each["root_task"] == ours for each in _told(account, "Task Replaced"))
    hosts.disconnect(server)
    hosts.ping(server, "ConnectionLost")
    hosts.disconnect(managed)
    account.run(10)
    reasons = {each["root_task"]: each["reason"] for each in _told(account, "Task Failed")}
    assert (reasons[server], reasons[managed]) == ("on-premises", "host-well")
    account.ecs.delete_service(cluster=CLUSTER, service="fleet", force=True)


def _status(account: BusyAccount, arn: str) -> str:
    found = account.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=[arn])
    return str(found["containerInstances"][0]["status"])


def _stale(account: BusyAccount) -> None:
    """Cloud Map still names a task that has ended."""
    discovery = account.bundle.client("servicediscovery")
    operation = discovery.create_http_namespace(Name="shop")["OperationId"]
    namespace = discovery.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    registry = discovery.create_service(Name="found", NamespaceId=namespace)["Service"]
    network = {"awsvpcConfiguration": {"subnets": account.jobs.subnets, "securityGroups": account.jobs.groups}}
    account.ecs.create_service(
        cluster=CLUSTER,
        serviceName="found",
        taskDefinition=account.jobs.family(OPTED_IN, name="found"),
        desiredCount=2,
        launchType="FARGATE",
        networkConfiguration=network,
        serviceRegistries=[{"registryArn": registry["Arn"]}],
        tags=AUTO,
    )
    account.run(5)
    gone = account.ecs.list_tasks(cluster=CLUSTER, serviceName="found")["taskArns"][0]
    account.bundle.ecs.leave_registered(gone)
    account.bundle.ecs.end(gone, "exit-1")
    account.run(5)
    assert gone.rpartition("/")[2] in _registered(account, registry["Id"])
    _until(account, 60, lambda: gone.rpartition("/")[2] not in _registered(account, registry["Id"]))


def _registered(account: BusyAccount, registry: str) -> list[str]:
    found = account.bundle.client("servicediscovery").list_instances(ServiceId=registry)
    return [str(each["Id"]) for each in found["Instances"]]


def _digest_gone(account: BusyAccount) -> None:
    """A lifecycle policy deleted what a service runs; its tag names something newer."""
    account.image("lost-digest", "prod", "lost-digest 1")
    tags = [{"key": "longshore:recover", "value": "auto"}]
    account.service("lost-digest", "prod", "pin", definition_tags=tags)
    old = account.running("lost-digest")
    new = account.image("lost-digest", "prod", "lost-digest 2")
    account.ecr.batch_delete_image(repositoryName="lost-digest", imageIds=[{"imageDigest": old}])
    account.run(5)
    task = account.ecs.list_tasks(cluster="busy", serviceName="lost-digest")["taskArns"][0]
    account.bundle.ecs.end(task, "exit-1")
    before = account.told().count("Deployment Succeeded")
    _until(account, 60, lambda: account.told().count("Deployment Succeeded") > before)
    assert account.running("lost-digest") == new


def _retired(account: BusyAccount) -> None:
    """Fargate takes the capacity away under a task of nobody and under a service."""
    jobs = account.jobs
    old = jobs.run(jobs.family(name="retired"))
    account.run(3)
    account.bundle.ecs.announce_retirement(ACCOUNT, REGION, old, days=1 / 24)
    _until(account, 90, lambda: jobs.task(old)["lastStatus"] == "STOPPED")
    account.bundle.ecs.announce_retirement(ACCOUNT, REGION, f"{CLUSTER} | found", days=1 / 24)
    account.run(90)


def _until(account: BusyAccount, minutes: float, done: Callable[[], bool]) -> None:
    """Lets time pass until it is done, and a little more; it must be done by then."""
    begun = account.bundle.timeline.now()
    account.run(minutes, until=done)
    assert done(), account.told()[-10:]
    assert account.bundle.timeline.now() - begun <= timedelta(minutes=minutes)
    account.run(1)


def _told(account: BusyAccount, kind: str) -> list[dict[str, Any]]:
    return [event["detail"] for event in account.bundle.events if event["detail-type"] == kind]


def _trailed(account: BusyAccount) -> None:
    """From now on there is a trail."""
    account.bundle.ecs.use_trail()


STEPS = (
    _trailed,
    _out_of_memory,
    _waited,
    _started_by_a_schedule,
    _started_by_a_rule,
    _unhealthy,
    _fleet,
    _stale,
    _digest_gone,
    _retired,
)
