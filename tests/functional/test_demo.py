"""The demo: every scenario ends as it should and tells what a stranger needs; one that does not is exit 1."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from longshore_cli.main import main
from longshore_local.demo import scenarios
from longshore_local.demo.play import Played, play
from longshore_local.demo.scenarios import SCENARIOS
from longshore_local.demo.stage import Stage
from longshore_local.images import single

NAMES = [
    "push",
    "rollback",
    "ignored",
    "multi-arch",
    "semver",
    "coalesce",
    "watchdog",
    "gate",
    "replace",
    "mirror",
    "function",
    "kubernetes",
    "app-runner",
    "code-deploy",
    "owned",
    "express",
    "daemon",
    "scheduled",
    "accounts",
    "platforms",
    "left-alone",
]
TOLD = {
    "push": ["CI pushes shop/web:prod", "[moved]", "is complete", "verified"],
    "rollback": ["web exited with 1", "rolling back", "ECS rolled it back", "is quarantined", "[quarantined]"],
    "ignored": ["[downgrade]", "[prerelease]", "[variant]", "[out-of-range]", "[artifact]", "[untagged]"],
    "multi-arch": ["[same-content]", "[platform]", "[moved]"],
    "semver": ["[newer]", "only this changes: web = shop/web:1.5.0", "shop/proxy:3.1.0"],
    "coalesce": ["build 3", "build 4", "build 5", "[deployment-in-progress]"],
    "watchdog": ["not healthy at the deadline", "rolled back at its deadline"],
    "gate": ["[gate-pending]", "1 critical", "P1 CVE-2026-31337 in openssl", "[gate-failed]", "[clean]", "[moved]"],
    "replace": [
        "OutOfMemoryError",
        "[idempotent]",
        "runs etl again, attempt 2, with more memory",
        "1 task of etl runs, with 2048 MiB",
    ],
    "mirror": [
        "mirrored there",
        "Acme releases ghcr.io/acme/proxy:stable",
        "mirrors ghcr.io/acme/proxy:stable",
        "byte for byte",
        "deploys shop/proxy",
        "verified",
    ],
    "function": [
        "deploys resize (function -> ",
        "only this changes: function = shop/resize@",
        "its alias is moved to it",
        "resize has run",
        "the deployment of resize failed",
    ],
    "kubernetes": [
        "longshore.dev/policy: semver:minor",
        "only this changes: app = shop/pods:1.5.0",
        "verified",
        "failed",
    ],
    "app-runner": [
        "[deploys-itself]",
        "deploys shop",
        "App Runner rolled it back",
        "is quarantined",
    ],
    "code-deploy": [
        "rolled out by CodeDeploy",
        "new task definition revision, in which only this changes",
        "verified",
        "the deployment of shop/web failed, ECS rolled it back",
        "is quarantined",
    ],
    "owned": [
        "declare the service shop/web in the stack shop-web",
        "shop-web still declares web = shop/web:1.4.2, which is told as drift",
        "verified",
        "deploy the stack shop-web",
        "of web:3 run shop/web:1.4.2",
    ],
    "express": ["the Express service shop/web", "only this changes: Main = shop/web:1.5.0", "ECS rolled it back"],
    "daemon": ["the daemon shop/agent on 3 instances", "[moved]", "ECS rolled it back", "is quarantined"],
    "scheduled": ["shop/report:1.4.2", "[newer]", "1.6.0", "CannotStartContainerError", "jobs/report"],
    "accounts": [
        "210987654321/eu-west-1 too",
        "which ECR takes twelve minutes to replicate to us-east-1",
        "[replicating]",
        "shop/web in 210987654321/eu-west-1 runs",
        "shop/web in 123456789012/us-east-1 runs",
    ],
    "platforms": [
        "pods: its pods run",
        "shop: it runs",
        "deploys shop/web",
        "started anew",
        "deploys thumbnails",
        "resolved again",
        "thumbnails: it runs",
    ],
    "left-alone": ["CannotPullContainerError", "leaves it alone", "[not-mended]", "0 tasks of report run"],
}


@pytest.fixture(scope="module")
def played() -> dict[str, Played]:
    return {each.scenario.name: each for each in play(SCENARIOS.values(), lambda scenario, line: None)}


def test_these_are_the_scenarios() -> None:
    assert list(SCENARIOS) == NAMES == list(TOLD)
    result = CliRunner().invoke(main, ["demo", "--list", "--json"])
    assert [each["name"] for each in json.loads(result.stdout)["scenarios"]] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_as_it_should(played: dict[str, Played], name: str) -> None:
    assert played[name].ok, played[name].problem


@pytest.mark.parametrize("name", NAMES)
def test_its_story_is_complete_and_in_order(played: dict[str, Played], name: str) -> None:
    lines = played[name].story
    story = "\n".join(f"{line.who} {line.text}" for line in lines)
    assert [expected for expected in TOLD[name] if expected not in story] == []
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert (lines[0].who, lines[-1].who) == ("You", "Now")


def test_what_ecs_does_is_told_after_what_longshore_decided(played: dict[str, Played]) -> None:
    told = [line.who for line in played["push"].story]
    assert told == ["You", "CI", "Longshore", "Longshore", "ECS", "ECS", "Longshore", "Longshore", "Now"]


SAID = {
    "push": [(["🚀", "👀", "✅"], 3)],
    "rollback": [(["🚀", "🔴"], 2), (["⏸️"], 1)],
    "ignored": [],
    "multi-arch": [(["⏸️"], 1), (["🚀", "👀", "✅"], 3)],
    "semver": [(["🚀", "👀", "✅"], 3)],
    "watchdog": [(["🚀", "🔴"], 2)],
    "gate": [(["⛔"], 1), (["🛡️"], 1), (["🚀", "👀", "✅"], 3)],
}
"""What each message of a scenario showed one after the other, by its first mark, and how many replies it has."""


@pytest.mark.parametrize("name", SAID)
def test_a_deployment_is_one_message_from_its_beginning_to_its_end_with_its_details_in_the_thread(
    played: dict[str, Played], name: str
) -> None:
    messages = played[name].slack
    said = [([line.split()[0] for line in (*each.before, each.lines[0])], len(each.thread)) for each in messages]
    assert said == SAID[name]


def test_what_failed_says_why_and_to_the_channel_too(played: dict[str, Played]) -> None:
    message = played["rollback"].slack[0]
    assert "rolled back" in message.lines[0]
    assert any(line.startswith("Why: ") and "circuit breaker" in line for line in message.lines)
    assert [reply.in_channel for reply in message.thread] == [False, True]


def test_without_a_circuit_breaker_the_crashes_are_one_message_from_their_beginning_to_their_end() -> None:
    def crash(stage: Stage) -> None:
        image = stage.repository(scenarios.WEB)
        good, bad = single("build 1"), single("build 2")
        stage.stock(scenarios.WEB, "prod", good)
        stage.service({"web": f"{image}:prod"}, "digest", breaker=False)
        stage.fail(bad, "exit-1")
        stage.push("CI", scenarios.WEB, "prod", bad)
        stage.until(stage.announced("Deployment Rolled Back"), "it is rolled back at its deadline")
        stage.wait(minutes=30)

    (played,) = play([replace(SCENARIOS["watchdog"], play=crash)], lambda scenario, line: None)
    assert played.ok, played.problem
    said = [[line.split()[0] for line in (*each.before, each.lines[0])] for each in played.slack]
    assert said[0] == ["🚀", "🔴"]
    assert [each[0] for each in said[1:]] == ["🔴"] * len(said[1:])
    assert {each[-1] for each in said[1:]} <= {"✅", "☑️"}
    assert len(said) > 1


def test_three_pushes_during_a_deployment_end_as_good_news(played: dict[str, Played]) -> None:
    assert played["coalesce"].slack[-1].lines[0].startswith("✅")


def test_the_command_answers_one_json_document(capfd: pytest.CaptureFixture[str]) -> None:
    result = CliRunner().invoke(main, ["demo", "push", "--json"])
    assert result.exit_code == 0
    (scenario,) = json.loads(result.stdout)["scenarios"]
    assert set(scenario) == {"name", "ok", "seconds", "story", "slack"}
    assert (scenario["name"], scenario["ok"]) == ("push", True)
    assert any("[moved]" in line for line in scenario["story"])
    (message,) = scenario["slack"]
    assert set(message) == {"channel", "at", "text", "edited", "before", "thread"}
    assert (message["channel"], message["edited"]) == ("deployments", len(message["before"]))
    assert [set(reply) for reply in message["thread"]] == [{"at", "text", "in_channel"}] * 3
    assert capfd.readouterr().out == ""


def test_the_command_tells_each_line_in_words() -> None:
    result = CliRunner().invoke(main, ["demo", "semver"])
    assert result.exit_code == 0
    assert result.stdout.startswith("semver: a new version changes one image")
    assert "as it should be" in result.stdout
    assert "  #deployments on Slack\n" in result.stdout
    assert "✅ web · shop: `1.5.0` live" in result.stdout
    stages = "🚀 web · shop: deploying `1.5.0` → 👀 web · shop: `1.5.0` runs, watched until "
    assert f"(edited 2 times; before: {stages}" in result.stdout
    assert "│ " in result.stdout


@pytest.fixture
def disappointing(monkeypatch: pytest.MonkeyPatch) -> None:
    def play_badly(stage: Stage) -> None:
        stage.repository(scenarios.WEB)
        stage.verify(False, "the sun shines")

    bad = {**SCENARIOS, "push": replace(SCENARIOS["push"], play=play_badly)}
    monkeypatch.setattr(scenarios, "SCENARIOS", bad)


@pytest.mark.usefixtures("disappointing")
def test_a_scenario_that_ends_otherwise_is_exit_1() -> None:
    result = CliRunner().invoke(main, ["demo", "push", "semver", "--json"])
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["scenarios"]
    assert (first["ok"], second["ok"]) == (False, True)
    assert "it was expected that the sun shines" in first["story"][-1]
