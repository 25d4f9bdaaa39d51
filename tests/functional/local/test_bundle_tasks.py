"""Tasks in the whole bundle: rules run them, rules hear of them, and nothing of them is left for the next test."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore_local.bundle import ACCOUNT, REGION

if TYPE_CHECKING:
    from longshore_local.bundle import Bundle

IMAGE = "registry.example/job:1"
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/jobs"
DIGEST = "sha256:" + "d" * 64


def prepare(bundle: Bundle) -> dict[str, Any]:
    """A job that a rule runs every hour, and a queue that hears of ends by a certain exit code."""
    ecs, events, sqs = (bundle.client(name) for name in ("ecs", "events", "sqs"))
    bundle.ecs.add_image(IMAGE, DIGEST)
    ecs.create_cluster(clusterName="jobs")
    bundle.client("logs").create_log_group(logGroupName="/jobs")
    options = {"awslogs-group": "/jobs", "awslogs-stream-prefix": "job", "awslogs-region": REGION}
    container = {"name": "job", "image": IMAGE, "logConfiguration": {"logDriver": "awslogs", "options": options}}
    definition = ecs.register_task_definition(
        family="job", containerDefinitions=[container], requiresCompatibilities=["FARGATE"], networkMode="awsvpc",
        cpu="256", memory="512",
    )["taskDefinition"]["taskDefinitionArn"]  # fmt: skip
    subnet = bundle.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    parameters = {
        "TaskDefinitionArn": definition,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": [subnet]}},
    }
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    target = {"Id": "job", "Arn": CLUSTER, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/e", "EcsParameters": parameters}
    events.put_targets(Rule="hourly", Targets=[target])
    url = sqs.create_queue(QueueName="ends")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    pattern = {"source": ["aws.ecs"], "detail": {"lastStatus": ["STOPPED"], "containers": {"exitCode": [3]}}}
    events.put_rule(Name="ends", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="ends", Targets=[{"Id": "queue", "Arn": arn}])
    return {"ecs": ecs, "sqs": sqs, "queue": url}


def test_a_scheduled_task_runs_fails_and_is_heard_of(bundle: Bundle) -> None:
    made = prepare(bundle)
    bundle.ecs.fail_next("job", "exit-3")
    bundle.run(limit=timedelta(minutes=90))
    (message,) = made["sqs"].receive_message(QueueUrl=made["queue"])["Messages"]
    detail = json.loads(message["Body"])["detail"]
    assert (detail["startedBy"], detail["containers"][0]["exitCode"]) == ("events-rule/hourly", 3)
    stream = f"job/job/{detail['taskArn'].rpartition('/')[2]}"
    logs = bundle.client("logs").get_log_events(logGroupName="/jobs", logStreamName=stream)["events"]
    assert logs[-1]["message"] == "job exits with code 3"


def test_clear_takes_what_tasks_left(bundle: Bundle) -> None:
    made = prepare(bundle)
    bundle.run(limit=timedelta(minutes=90))
    assert made["ecs"].list_tasks(cluster="jobs")["taskArns"]
    assert bundle.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    bundle.client("servicediscovery").create_http_namespace(Name="jobs")
    bundle.clear()
    assert bundle.client("ec2").describe_network_interfaces()["NetworkInterfaces"] == []
    assert bundle.client("servicediscovery").list_namespaces()["Namespaces"] == []
    groups = bundle.client("logs").describe_log_groups()["logGroups"]
    assert "/jobs" not in [group["logGroupName"] for group in groups]
