"""Expected errors are one line on standard error and the exit code of design 8; looking never writes."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from longshore_cli.account import Account, WriteError
from longshore_cli.main import main

HEAVY = {"boto3", "botocore", "moto", "rich", "yaml", "jsonschema", "urllib3", "samtranslator"}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("arguments", [["plan", "shop/web:1"], ["explain", "shop/web"]])
def test_no_region_is_exit_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "export AWS_REGION" in result.stderr


@pytest.mark.parametrize("command", ["plan", "explain", "send"])
def test_an_endpoint_that_does_not_answer_is_exit_1(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    event = tmp_path / "event.json"
    event.write_text('{"source": "shop", "detail-type": "Ordered", "detail": {"a": 1}}', encoding="utf-8")
    subject = {"plan": "shop/web:1", "explain": "shop/web", "send": str(event)}[command]
    result = CliRunner().invoke(main, [command, subject])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "127.0.0.1:1" in result.stderr


@pytest.mark.parametrize("image", ["quay.io/team/web:1", "docker.io/library/nginx:1", "Shop/Web:1", "a:b:c"])
def test_an_image_outside_ecr_is_exit_2(image: str) -> None:
    result = CliRunner().invoke(main, ["plan", image])
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("workload", ["shop/web/x", "a b", "arn:aws:ecs:eu-west-1:123456789012:cluster/shop", ""])
def test_what_names_no_workload_is_exit_2(workload: str) -> None:
    result = CliRunner().invoke(main, ["explain", workload])
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON"),
        ("[1]", "must hold one event"),
        ('{"detail-type": "x", "detail": {}}', "source is missing"),
        ('{"source": "aws.ecr", "detail-type": 5, "detail": {"a": 1}}', "detail-type is missing or not text"),
        ('{"source": "aws.ecr", "detail-type": "x", "detail": "a"}', "detail is missing or not an object"),
    ],
)
def test_a_malformed_event_is_exit_2_and_named(content: str, told: str) -> None:
    result = CliRunner().invoke(main, ["send", "-"], input=content)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_an_event_file_that_does_not_exist_is_exit_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["send", str(tmp_path / "none.json")])
    assert (result.exit_code, result.stdout) == (2, "")


def test_an_unknown_scenario_is_exit_2_with_those_there_are() -> None:
    result = CliRunner().invoke(main, ["demo", "push", "everything"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no scenario everything; there are push, rollback" in result.stderr


@pytest.mark.parametrize(
    ("service", "operation", "request_members"),
    [
        ("ecs", "update_service", {"service": "web"}),
        ("dynamodb", "put_item", {"TableName": "ledger", "Item": {"pk": {"S": "a"}}}),
        ("sqs", "send_message", {"QueueUrl": "https://queue", "MessageBody": "{}"}),
        ("ecr", "put_image", {"repositoryName": "web", "imageManifest": "{}"}),
    ],
)
def test_a_command_that_looks_cannot_write(service: str, operation: str, request_members: dict[str, object]) -> None:
    with pytest.raises(WriteError, match="is not a read"):
        getattr(Account().client(service), operation)(**request_members)


def test_starting_up_loads_nothing_heavy() -> None:
    program = f"import sys, longshore_cli.main; print(*sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
