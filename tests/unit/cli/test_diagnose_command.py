"""`longshore diagnose`: the contract of design 8, the API's own JSON as facts, and what is wrong usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longshore_cli.main import main
from tests.unit.recover.diagnosis_cases import container, ended, event, of_service, task

EVENTS = Path(__file__).parents[3] / "events"
MEMBERS = ["owner", "class", "name", "remedy", "reason", "evidence"]
CRASHED = of_service(ended(container("app", 143), container("log", 139)))
DEFINITION = {
    "family": "web",
    "containerDefinitions": [{"name": "log", "firelensConfiguration": {"type": "fluentbit"}}],
}
DAEMON = {"serviceName": "web", "schedulingStrategy": "DAEMON"}
IDEMPOTENT = [{"key": "longshore:retry", "value": "idempotent"}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["diagnose", *arguments], input=stdin)


def answer(folder: Path, detail: dict[str, Any], **facts: Any) -> dict[str, Any]:
    arguments = [written(folder, "event.json", event(detail)), "--json"]
    for name, content in facts.items():
        arguments += [f"--{name.replace('_', '-')}", written(folder, f"{name}.json", content)]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert list(document) == MEMBERS
    return document


def test_one_document_as_agreed() -> None:
    result = run(str(EVENTS / "ecs/task-stopped-oom.json"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "owner": "service",
        "class": "M1",
        "name": "out of memory",
        "remedy": "notify",
        "reason": "needs-help",
        "evidence": ["containers[web].reason: OutOfMemoryError: Container killed due to memory usage"],
    }


def test_people_read_what_why_and_what_to_do() -> None:
    result = run(str(EVENTS / "ecs/task-stopped-oom.json"))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "M1 out of memory",
        "  owner     service",
        "  remedy    notify: ECS goes on trying, and somebody should know why it does not succeed [needs-help]",
        "  container web",
        "  because   containers[web].reason: OutOfMemoryError: Container killed due to memory usage",
        "  fix       The container used more memory than it may: raise its memory limit, or find what fills it.",
    ]


def test_what_is_no_failure_has_no_class() -> None:
    result = run(str(EVENTS / "ecs/task-fargate-running.json"))
    assert result.stdout.splitlines()[:3] == [
        "not stopped",
        "  owner     standalone",
        "  remedy    none: it has not stopped yet [not-final]",
    ]


def test_standard_input() -> None:
    text = (EVENTS / "ecs/task-stopped-user.json").read_text(encoding="utf-8")
    result = run("-", "--json", stdin=text)
    assert json.loads(result.stdout)["class"] == "A1"


# -- facts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts", [{"taskDefinition": DEFINITION, "tags": []}, {"taskDefinition": DEFINITION}, DEFINITION]
)
def test_the_task_definition_in_either_form(folder: Path, facts: Any) -> None:
    assert answer(folder, CRASHED)["class"] == "G1"
    assert answer(folder, CRASHED, task_definition=facts)["class"] == "X1"


@pytest.mark.parametrize("facts", [{"services": [DAEMON], "failures": []}, {"service": DAEMON}, DAEMON])
def test_the_service_in_either_form(folder: Path, facts: Any) -> None:
    assert answer(folder, CRASHED)["owner"] == "service"
    assert answer(folder, CRASHED, service=facts)["owner"] == "daemon"


def test_of_several_services_the_one_that_the_event_names(folder: Path) -> None:
    others = [{"serviceName": "api"}, DAEMON, {"serviceName": "worker"}]
    assert answer(folder, CRASHED, service={"services": others})["owner"] == "daemon"


@pytest.mark.parametrize("body", [{"resources": ["arn:aws:ecs:eu-west-1:123456789012:service/shop/web"]}, {}])
def test_of_several_services_for_an_event_of_a_service(folder: Path, body: dict[str, Any]) -> None:
    detail = {"eventType": "ERROR", "eventName": "SERVICE_TASK_PLACEMENT_FAILURE", "serviceName": "web"}
    path = written(folder, "event.json", {**event(detail, "ECS Service Action"), **body})
    services = written(folder, "services.json", {"services": [{"serviceName": "api"}, DAEMON]})
    result = run(path, "--service", services, "--json")
    assert json.loads(result.stdout)["owner"] == "daemon"


def test_a_service_of_another_name_is_remarked_on(folder: Path) -> None:
    path = written(folder, "event.json", event(CRASHED))
    result = run(path, "--service", written(folder, "s.json", {"serviceName": "api"}), "--json")
    assert result.exit_code == 0
    assert "describes api, the event is about web" in result.stderr
    assert json.loads(result.stdout)["owner"] == "service"


@pytest.mark.parametrize("facts", [IDEMPOTENT, {"tags": IDEMPOTENT}])
def test_tags_in_either_form(folder: Path, facts: Any) -> None:
    detail = task("SpotInterruption")
    assert answer(folder, detail)["remedy"] == "notify"
    assert answer(folder, detail, tags=facts)["remedy"] == "replace"


def test_the_tags_of_the_task_definition(folder: Path) -> None:
    facts = {"taskDefinition": {"family": "report"}, "tags": IDEMPOTENT}
    assert answer(folder, task("SpotInterruption"), task_definition=facts)["remedy"] == "replace"


def test_tags_tell_an_orchestrator(folder: Path) -> None:
    tags = [{"key": "prefect.io/flow-run-id", "value": "1"}]
    assert answer(folder, task("SpotInterruption"), tags=tags)["owner"] == "orchestrator"


# -- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "event: must be an object, not list"),
        ("{}", "detail-type: is missing"),
        (
            '{"detail-type": "ECR Image Action", "detail": {}}',
            "detail-type: 'ECR Image Action' is none that tells of ECS",
        ),
        ('{"detail-type": "ECS Task State Change", "detail": {}}', "detail.taskArn: must be an ARN of ECS"),
        ('{"detail-type": "ECS Task State Change", "source": "x", "detail": {}}', "source: "),
    ],
)
def test_an_event_that_cannot_be_read_is_exit_2(folder: Path, content: str, told: str) -> None:
    result = run(written(folder, "event.json", content), "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "event.json" in result.stderr


@pytest.mark.parametrize(
    ("option", "content", "told"),
    [
        ("--task-definition", "[", "is not JSON"),
        ("--task-definition", "[]", "must hold an object, not list"),
        ("--task-definition", "{}", "as DescribeTaskDefinition answers"),
        ("--task-definition", '{"taskDefinition": []}', "as DescribeTaskDefinition answers"),
        ("--task-definition", '{"services": [{"serviceName": "web"}]}', "as DescribeTaskDefinition answers"),
        ("--task-definition", '{"family": "x", "tags": {"a": "b"}}', "tags: expected a list"),
        ("--service", "7", "must hold an object, not int"),
        ("--service", "{}", "as DescribeServices answers"),
        ("--service", '{"services": []}', "as DescribeServices answers"),
        ("--service", '{"services": [7]}', "as DescribeServices answers"),
        ("--service", '{"tasks": [{"taskArn": "x"}]}', "as DescribeServices answers"),
        (
            "--service",
            '{"services": [{"serviceName": "a"}, {"serviceName": "b"}]}',
            "has a, b, and the event names web",
        ),
        ("--tags", '{"key": "a"}', "expected a list"),
        ("--tags", '{"a": "b"}', "expected a list"),
        ("--tags", '[{"value": "b"}]', "expected a list"),
        ("--tags", '["a"]', "expected a list"),
        ("--tags", '[{"key": "a"}, {"key": "a"}]', "expected a list"),
    ],
)
def test_facts_that_cannot_be_read_are_exit_2(folder: Path, option: str, content: str, told: str) -> None:
    path = written(folder, "event.json", event(CRASHED))
    result = run(path, option, written(folder, "facts.json", content), "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "facts.json" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["missing.json"], ["-", "--service", "missing.json"], ["-", "--nonsense"]])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    result = run(*arguments, stdin="{}")
    assert (result.exit_code, result.stdout) == (2, "")


def test_bytes_that_are_no_text_are_exit_2(folder: Path) -> None:
    path = folder / "event.json"
    path.write_bytes(b"\xff\xfe\x00")
    result = run(str(path))
    assert result.exit_code == 2
    assert "is not JSON" in result.stderr
