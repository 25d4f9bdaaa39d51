"""The unmodified stack, built and deployed by sam against ministack, invoked and removed: run by `make smoke`."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3

pytestmark = pytest.mark.smoke

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv-smoke" / "bin"
REGION = "eu-west-1"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ministack on a free port of the loopback interface, in an environment of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}
    log = tmp_path_factory.mktemp("ministack") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [BIN / "python", "-m", "ministack"],
            env={**os.environ, **quiet},
            stdout=output,
            stderr=output,
            cwd=log.parent,
        )
        try:
            _await(f"http://127.0.0.1:{port}", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(PATIENCE_SECONDS)


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib3.request("GET", f"{url}/_localstack/health", retries=False, timeout=2)
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"ministack did not start: {log.read_text()[-2000:]}")


def _sam(endpoint: str, *arguments: str | Path) -> str:
    account = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "SAM_CLI_TELEMETRY": "0",
        "PYTHON": str(BIN / "python"),
    }
    done = subprocess.run(
        [BIN / "sam", *arguments], cwd=ROOT, env={**os.environ, **account}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _client(endpoint: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def test_the_stack_is_deployed_invoked_and_removed(endpoint: str, tmp_path: Path) -> None:
    _sam(endpoint, "build", "--build-dir", tmp_path / "build")
    _sam(
        endpoint,
        "deploy",
        *("--template-file", tmp_path / "build" / "template.yaml", "--stack-name", "longshore", "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"),
        *("--parameter-overrides", "KeepLedger=false"),
    )
    cloudformation = _client(endpoint, "cloudformation")
    stack = cloudformation.describe_stacks(StackName="longshore")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs["Modes"] == "redeploy=auto recover=observe mirror=auto scan=auto notify=auto"

    # The watch is invoked: ministack puts a layer's modules on the path, but nothing under /opt, where the
    # configuration that redeploy reads lies.
    due = {
        "version": "0",
        "id": "smoke",
        "detail-type": "Watch Due",
        "source": "longshore",
        "account": "000000000000",
        "region": REGION,
        "time": "2026-11-23T00:00:00Z",
        "resources": [],
        "detail": {"workload": f"arn:aws:ecs:{REGION}:000000000000:service/core/web"},
    }
    bodies = [json.dumps(due), "not an event"]
    batch = {"Records": [{"messageId": str(place), "body": body} for place, body in enumerate(bodies)]}
    said = _sam(
        endpoint, "remote", "invoke", "WatchFunction", "--stack-name", "longshore", "--event", json.dumps(batch)
    )
    assert json.loads(said.splitlines()[-1]) == {"batchItemFailures": []}

    # `sam delete` reads a member of DescribeStacks that ministack does not have; what it calls in the end is this.
    cloudformation.delete_stack(StackName="longshore")
    assert not [
        each["StackName"]
        for each in cloudformation.list_stacks()["StackSummaries"]
        if each["StackName"] == "longshore" and each["StackStatus"] != "DELETE_COMPLETE"
    ]
    assert outputs["LedgerName"] not in _client(endpoint, "dynamodb").list_tables()["TableNames"]
    assert not [
        name for name in _client(endpoint, "events").list_event_buses()["EventBuses"] if name["Name"] != "default"
    ]
