"""`longshore decide`: the policy's answer and the exit code, for the cases of redeploy 8.4 and for wrong usage."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from longshore_cli.main import main

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64


def decide(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["decide", *arguments])


@pytest.mark.parametrize(
    ("policy", "current", "pushed", "verdict", "reason"),
    [
        ("semver:patch", "1.4.2", "1.4.3", "deploy", "newer"),
        ("semver:patch", "1.4.2", "1.5.0", "skip", "out-of-range"),
        ("semver:minor", "1.4.2", "1.5.0", "deploy", "newer"),
        ("semver:major", "1.4.2", "1.4.1", "skip", "downgrade"),
        ("semver:patch", "1.4.2", "1.4.3-rc.1", "skip", "prerelease"),
        ("semver:major", "latest", "1.0.0", "hold", "current-not-comparable"),
        ("numeric:build-", "build-9", "build-10", "deploy", "newer"),
        ("pin", "1", "2", "skip", "pinned"),
    ],
)
def test_the_answer_is_the_policys_and_always_exit_0(
    policy: str, current: str, pushed: str, verdict: str, reason: str
) -> None:
    result = decide("--policy", policy, "--current", current, "--pushed", pushed, "--json")
    answer = json.loads(result.stdout)
    assert (answer["verdict"], answer["reason"]) == (verdict, reason)
    assert set(answer) == {"verdict", "reason", "detail"}
    assert result.exit_code == 0


@pytest.mark.parametrize(("running", "reason"), [(A, "moved"), (B, "same-digest")])
def test_digests_tell_whether_a_tag_moved(running: str, reason: str) -> None:
    tags = ["--policy", "digest", "--current", "prod", "--pushed", "prod"]
    result = decide(*tags, "--current-digest", running, "--pushed-digest", B, "--json")
    assert json.loads(result.stdout)["reason"] == reason


def test_text_names_verdict_meaning_and_code() -> None:
    result = decide("--policy", "semver:patch", "--current", "1.4.2", "--pushed", "1.4.1")
    assert result.stdout.startswith("skip: the pushed tag is older than the current one [downgrade]")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--policy", "semver:newest", "--current", "1", "--pushed", "2"], "longshore:policy"),
        (["--policy", "profile:web", "--current", "1", "--pushed", "2"], "profiles: none"),
        (["--policy", "pin", "--current", "1"], "--pushed"),
        (["--policy", "pin", "--current", "1", "--pushed", "a tag"], "is not a tag"),
        (["--policy", "pin", "--current", "1", "--pushed", "2", "--pushed-digest", "sha256:1"], "64 hexadecimal"),
    ],
)
def test_wrong_usage_and_invalid_policies_are_exit_2_and_leave_standard_output_empty(
    arguments: list[str], told: str
) -> None:
    result = decide(*arguments, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_profiles_come_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text('profiles: {web: {policy: "semver:>=1.2 <2", prerelease: include}}', encoding="utf-8")
    arguments = ["--policy", "profile:web", "--current", "1.4.2", "--pushed", "1.5.0-rc.1", "--json"]
    result = decide(*arguments, "--config", str(file))
    assert json.loads(result.stdout)["reason"] == "newer"


def test_gates_are_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text("profiles:\n  web: {policy: 'semver:minor', gates: [scan]}\n", encoding="utf-8")
    result = decide(
        "--policy", "profile:web", "--current", "1.4.2", "--pushed", "1.5.0", "--config", str(file), "--json"
    )
    assert (json.loads(result.stdout)["verdict"], json.loads(result.stdout)["reason"]) == ("deploy", "newer")


def test_a_wrong_configuration_is_exit_2_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text("profiles:\n  web: {policy: whatever}\n", encoding="utf-8")
    result = decide("--policy", "profile:web", "--current", "1", "--pushed", "2", "--config", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "longshore.yaml:2" in result.stderr
