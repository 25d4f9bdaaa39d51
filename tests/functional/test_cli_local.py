"""`longshore local` as a process: a user's own boto3, `longshore send`, a push over HTTP, and a clean end."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3

from longshore_local.images import SyntheticImage, push, single
from tests.conftest import EVENTS

COMMAND = [sys.executable, "-c", "from longshore_cli.main import main; main()"]
SECONDS = 60


class Local:
    """The running command, and what a user does with what it printed."""

    def __init__(self, process: subprocess.Popen[str], where: dict[str, Any]) -> None:
        self.process = process
        self.where = where

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.where["aws"],
            region_name=self.where["region"],
            aws_access_key_id="anything",
            aws_secret_access_key="anything",
        )

    def longshore(self, *arguments: str, standard_input: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "AWS_ENDPOINT_URL": self.where["aws"], "AWS_REGION": self.where["region"]}
        environment |= {"LONGSHORE_SLACK_URL": f"{self.where['slack']}/api/"}
        command = [*COMMAND, *arguments]
        return subprocess.run(
            command, input=standard_input, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def put_manifest(registry: str, repository: str, tag: str, image: SyntheticImage) -> None:
    """The last request of a push over HTTP: the layers are there already."""
    url = f"{registry}/v2/{repository}/manifests/{tag}"
    headers = {"Content-Type": image.media_type}
    assert urllib3.request("PUT", url, body=image.manifest, headers=headers, retries=False).status == 201


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [*COMMAND, "local", "--ready-file", str(ready)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: ready.exists() or process.poll() is not None)
        yield Local(process, json.loads(ready.read_text(encoding="utf-8")))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        process.communicate(timeout=SECONDS)


def test_a_users_script_sees_its_service_reach_the_new_deployment(local: Local, tmp_path: Path) -> None:
    where, ecs = local.where, local.client("ecs")
    local.client("ecr").create_repository(repositoryName="shop/web")
    push(local.client("ecr"), "shop/web", "prod", single("1"))
    ecs.create_cluster(clusterName="shop")
    image = f"{where['account']}.dkr.ecr.{where['region']}.amazonaws.com/shop/web:prod"
    ecs.register_task_definition(family="web", containerDefinitions=[{"name": "web", "image": image, "memory": 128}])
    ecs.create_service(
        cluster="shop",
        serviceName="web",
        taskDefinition="web",
        desiredCount=1,
        launchType="EXTERNAL",
        tags=[{"key": "longshore:policy", "value": "digest"}],
    )

    def newest() -> dict[str, Any]:
        deployments = ecs.describe_services(cluster="shop", services=["web"])["services"][0]["deployments"]
        return dict(next(each for each in deployments if each["status"] == "PRIMARY"))

    eventually(lambda: newest()["rolloutState"] == "COMPLETED")
    first = newest()["id"]
    pushed = push(local.client("ecr"), "shop/web", "staged", single("2"))
    put_manifest(where["registry"], "shop/web", "prod", single("2"))
    event = json.loads((EVENTS / "ecr/image-push.json").read_text(encoding="utf-8"))
    detail = {**event["detail"], "repository-name": "shop/web", "image-tag": "prod", "image-digest": pushed}
    sent = {**event, "account": where["account"], "region": where["region"], "detail": detail}
    done = local.longshore("send", "-", "--json", standard_input=json.dumps(sent))
    assert (done.returncode, json.loads(done.stdout)["source"], done.stderr) == (0, "aws.ecr", "")
    eventually(lambda: newest()["id"] != first)
    planned = json.loads(local.longshore("plan", "shop/web:prod", "--json").stdout)
    assert planned["digest"] == pushed

    local.process.send_signal(signal.SIGTERM)
    output, errors = local.process.communicate(timeout=SECONDS)
    assert local.process.returncode == 0, errors
    *exports, line = output.splitlines()
    assert json.loads(line) == where
    assert set(where) == {"aws", "registry", "slack", "web", "account", "region"}
    assert f"export AWS_ENDPOINT_URL={where['aws']}" in exports
    assert f"export LONGSHORE_SLACK_URL={where['slack']}/api/" in exports
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(where["aws"].rpartition(":")[2])))


def test_a_test_message_reaches_the_slack_of_the_bundle_through_its_own_secret(local: Local) -> None:
    config = str(EVENTS.parent / "local" / "longshore_local" / "longshore.yaml")
    done = local.longshore("notify", "test", "deployments", "--config", config, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["sent"], answer["message"].partition("/")[0]) == (True, "C0LONGSHORE")
    assert answer["fallback"]["subscribers"] == 0
    assert "nobody has confirmed" in done.stderr


def test_a_sent_event_goes_by_the_rules_of_the_default_bus(local: Local) -> None:
    events, sqs = local.client("events"), local.client("sqs")
    queue = sqs.create_queue(QueueName="mine")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="mine", EventPattern='{"source": ["aws.ecr"], "detail": {"image-tag": ["prod"]}}')
    events.put_targets(Rule="mine", Targets=[{"Id": "1", "Arn": arn}])
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    event = {"source": "aws.ecr", "detail-type": "ECR Image Action", "detail": {"image-tag": "prod"}}
    sent = json.loads(local.longshore("send", "-", "--json", standard_input=json.dumps(event)).stdout)
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    received = json.loads(message["Body"])
    assert (received["id"], received["detail"]) == (sent["id"], {"image-tag": "prod"})
    assert (received["account"], received["region"]) == (local.where["account"], local.where["region"])


def test_what_is_no_event_is_refused_and_what_is_of_another_region_is_said(local: Local) -> None:
    url = f"{local.where['aws']}/longshore/events"
    for body, told in ((b"{", "not JSON"), (b"[]", "an object"), (b'{"source": "a"}', "detail-type")):
        answer = urllib3.request("POST", url, body=body, retries=False)
        assert (answer.status, told in answer.json()["problem"]) == (400, True)
    assert urllib3.request("GET", url, retries=False).status == 405
    event = {"source": "aws.ecr", "detail-type": "ECR Image Action", "region": "us-west-2", "detail": {"a": 1}}
    done = local.longshore("send", "-", standard_input=json.dumps(event))
    assert done.returncode == 0
    assert "us-west-2" in done.stderr
    local.process.send_signal(signal.SIGINT)
    local.process.communicate(timeout=SECONDS)
    assert local.process.returncode == 0


def test_a_port_in_use_is_exit_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "local", "--port", port], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} cannot be taken" in done.stderr
