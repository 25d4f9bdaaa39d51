"""`longshore scan` and `longshore suppress` on an account with the stack: what they say, change and have looked at."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longshore.scan.openvex import read_openvex
from longshore_cli.main import main
from longshore_local import images
from longshore_local.scanning.vulnerabilities import Vulnerability
from tests.functional.stage import ACCOUNT, REGION, Stage, uri

CONFIG = """
profiles:
  eager: {policy: digest, soak: 0s, cooldown: 0s}
  gated: {policy: digest, gates: [scan], soak: 0s, cooldown: 0s}
"""
PARAMETERS = {"ScanMode": "auto"}
GRAVE = Vulnerability("CVE-2026-1", "CRITICAL", fixed_in="3.0.14", score=9.8, title="heap overflow")
MILD = Vulnerability("CVE-2026-2", "LOW", "zlib", "1.3")


@pytest.fixture
def scanned(stage: Stage) -> str:
    """An image with two findings; answers its digest."""
    stage.bundle.scanner.use("enhanced")
    digest = images.single("1").digest
    stage.bundle.scanner.found("web", digest, [GRAVE, MILD])
    assert stage.push("1", "1") == digest
    stage.run(minutes=2)
    return digest


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def suppress(*arguments: str) -> Any:
    return answer("suppress", *arguments, "--owner", "ann", "--reason", "behind a proxy")


def waiting(stage: Stage) -> list[Any]:
    """What the bundle would deliver to scan's function."""
    url = stage.bundle.stack.physical_ids["ScanQueue"]
    found = stage.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    return [json.loads(each["Body"]) for each in found]


# -- scan show ------------------------------------------------------------------------------------------------------


def test_show_says_what_is_known_and_what_it_comes_to(scanned: str) -> None:
    document = answer("scan", "show", "web:1")
    findings = document.pop("findings")
    assert document.pop("scanned")
    assert document == {
        "image": uri("web:1"),
        "repository": f"{ACCOUNT}/{REGION}/web",
        "digest": scanned,
        "tags": ["1"],
        "images": [scanned],
        "state": "complete",
        "meaning": "its findings are all there",
        "why": None,
        "scanner": "enhanced",
        "running": [],
        "counts": {"P3": 1, "P4": 1},
        "suppressed": [],
    }
    assert [(each["vulnerability"], each["priority"], each["severity"]) for each in findings] == [
        ("CVE-2026-1", "P3", "CRITICAL"),
        ("CVE-2026-2", "P4", "LOW"),
    ]
    assert findings[0] | {"package": "openssl", "version": "3.0.13", "fix": "yes", "fixed_in": "3.0.14"} == findings[0]


def test_what_runs_raises_the_priority(stage: Stage, scanned: str) -> None:
    stage.service("web", "web:1", "profile:eager")
    document = answer("scan", "show", f"{uri('web')}@{scanned}")
    assert document["counts"] == {"P2": 1, "P4": 1}
    assert "web" in {each["name"] for each in document["running"]}
    text = run("scan", "show", "web:1").stdout
    assert "P2: critical, and it runs" in text
    assert "fixed in 3.0.14" in text


def test_an_unfinished_scan_is_an_answer(stage: Stage) -> None:
    stage.bundle.scanner.use("enhanced")
    stage.bundle.scanner.found("web", images.single("2").digest, state="PENDING")
    stage.push("2", "2")
    document = answer("scan", "show", "web:2")
    assert (document["state"], document["findings"]) == ("pending", [])
    result = run("scan", "vex", "web:2")
    assert result.exit_code == 0
    assert "The scan is pending" in result.stderr


@pytest.mark.parametrize("command", ["show", "vex"])
def test_an_image_that_is_not_there_is_exit_1(scanned: str, command: str) -> None:
    for image in ("web:9", f"web@sha256:{'0' * 64}", "other:1"):
        result = run("scan", command, image)
        assert (result.exit_code, result.stdout) == (1, ""), image
        assert "Error: " in result.stderr


@pytest.mark.parametrize("command", ["show", "vex"])
def test_an_image_elsewhere_is_exit_2(command: str) -> None:
    assert run("scan", command, "quay.io/team/web:1").exit_code == 2


# -- suppress -------------------------------------------------------------------------------------------------------


def test_what_is_accepted_is_shown_with_owner_and_end(stage: Stage, scanned: str) -> None:
    now = datetime.now(UTC)
    set_ = suppress("CVE-2026-1", "--package", "pkg:deb/debian/openssl", "--repository", "web", "--expires", "5d")
    assert (set_["replaced"], set_["told"]) == (False, True)
    ends = datetime.fromisoformat(set_["suppression"]["expires"])
    assert timedelta(days=5) - timedelta(seconds=5) < ends - now < timedelta(days=5, seconds=60)
    document = answer("scan", "show", "web:1")
    assert document["counts"] == {"P4": 1}
    [hidden] = document["suppressed"]
    assert (hidden["vulnerability"], hidden["owner"], hidden["reason"]) == ("CVE-2026-1", "ann", "behind a proxy")
    assert (hidden["suppression"], hidden["expires"]) == (set_["suppression"]["id"], set_["suppression"]["expires"])
    text = run("scan", "show", "web:1").stdout
    assert f"by ann until {ends:%Y-%m-%d}" in text
    assert "suppressed: 1" in text


def test_the_same_once_more_takes_the_place_of_the_first(scanned: str) -> None:
    first = suppress("CVE-2026-1", "--expires", "1d")
    second = suppress("CVE-2026-1", "--until-fix")
    assert second["replaced"]
    [only] = answer("suppress", "--list")["suppressions"]
    assert only["id"] == first["suppression"]["id"] == second["suppression"]["id"]
    assert only["until_fix"] and "expires" not in only and only["stands"]
    assert answer("scan", "show", "web:1")["suppressed"] == []  # there is a fix


def test_what_is_removed_counts_again(scanned: str) -> None:
    identity = suppress("CVE-2026-1")["suppression"]["id"]
    assert len(answer("scan", "show", "web:1")["suppressed"]) == 1
    assert answer("suppress", "--remove", identity) == {"removed": identity, "told": True}
    assert answer("scan", "show", "web:1")["suppressed"] == []
    again = run("suppress", "--remove", identity)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "there is no suppression" in again.stderr


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        (["--repository", "web"], {"repository": f"{ACCOUNT}/{REGION}/web"}),
        (["--repository", f"{ACCOUNT}/{REGION}/web"], {"repository": f"{ACCOUNT}/{REGION}/web"}),
        (["--repository", "w*"], {}),
        (["--repository", "web", "--repository", "api"], {}),
        ([], {}),
    ],
)
def test_scan_looks_at_once_at_what_a_suppression_is_about(
    stage: Stage, scanned: str, options: list[str], detail: dict[str, str]
) -> None:
    stage.forget()
    suppress("CVE-2026-1", *options)
    [message] = waiting(stage)
    assert (message["detail-type"], message["source"], message["detail"]) == ("Sweep Due", "longshore", detail)
    stage.run(minutes=1)
    assert waiting(stage) == []
    url = stage.bundle.stack.physical_ids["ScanDeadLetters"]
    assert "Messages" not in stage.sqs.receive_message(QueueUrl=url)


def test_a_gate_opens_for_what_is_accepted(stage: Stage) -> None:
    stage.bundle.scanner.use("enhanced")
    stage.push("prod", "1")
    stage.service("web", "web:prod", "profile:gated")
    digest = images.single("2").digest
    stage.bundle.scanner.found("web", digest, [GRAVE])
    stage.push("prod", "2")
    stage.run(minutes=40)
    assert "Gate Closed" in stage.told()
    assert "Deployment Started" not in stage.told()
    stage.forget()
    suppress("CVE-2026-1", "--repository", "web", "--expires", "30d")
    stage.run(minutes=30, until=lambda: "Deployment Succeeded" in stage.told())
    assert "Gate Opened" in stage.told()
    assert "Deployment Succeeded" in stage.told()


def test_the_list_has_what_the_configuration_accepts_too(scanned: str, tmp_path: Path) -> None:
    assert run("suppress", "--list").stdout == "Nothing is suppressed.\n"
    (tmp_path / "a.yaml").write_text(
        "vulnerabilities:\n  - {id: CVE-2026-2, expired_at: 2020-01-01, owner: bob, statement: old}\n", encoding="utf-8"
    )
    config = tmp_path / "longshore.yaml"
    config.write_text("scan: {suppressions: [a.yaml]}\n", encoding="utf-8")
    suppress("CVE-2026-1")
    listed = answer("suppress", "--list", "--config", str(config))["suppressions"]
    assert [(each["vulnerability"], each["origin"], each["stands"]) for each in listed] == [
        ("CVE-2026-2", "file", False),
        ("CVE-2026-1", "switch", True),
    ]
    text = run("suppress", "--list", "--config", str(config)).stdout
    assert "ended: until 2020-01-01T00:00Z" in text
    assert "CVE-2026-1 everywhere" in text


def test_a_stack_is_needed() -> None:
    result = run("suppress", "--list", "--stack", "nowhere")
    assert (result.exit_code, result.stdout) == (1, "")


# -- scan vex -------------------------------------------------------------------------------------------------------


def test_vex_says_what_was_claimed_and_what_was_only_accepted(scanned: str) -> None:
    claim = ["--package", "pkg:deb/debian/openssl", "--justification", "inline_mitigations_already_exist"]
    suppress("CVE-2026-1", *claim)
    suppress("CVE-2026-2", "--expires", "2099-01-01")
    for arguments in (["--json"], []):
        result = run("scan", "vex", "web:1", "--author", "Shop", *arguments)
        assert result.exit_code == 0
        document = json.loads(result.stdout)
        first, second = document["statements"]
        assert document["author"] == "Shop"
        assert (first["status"], first["justification"]) == ("not_affected", claim[-1])
        assert second["status"] == "affected"
        assert second["action_statement"] == "Accepted by ann until 2099-01-01T00:00:00+00:00: behind a proxy"
        one, two = read_openvex(document)
        assert (one.digests, one.repositories) == ((scanned,), (f"{ACCOUNT}/{REGION}/web",))
        assert two.denies


def test_an_image_without_suppressions_has_a_document_without_statements(scanned: str) -> None:
    assert answer("scan", "vex", "web:1")["statements"] == []
