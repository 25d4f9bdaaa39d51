"""`longshore doctor` on an account with the stack: what it finds, that it changes nothing, and what it may have to ask."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longshore_cli.account import Account
from longshore_cli.checks.findings import COULD_NOT, Report, examine
from longshore_cli.checks.sight import Sight
from longshore_cli.checks.table import CHECKS
from longshore_cli.main import main
from tests.functional.people_clusters import People
from tests.functional.people_code_deploy import CodeDeployed
from tests.functional.people_daemons import Daemons
from tests.functional.people_functions import Functions
from tests.functional.people_schedules import Scheduled
from tests.functional.people_services import Services
from tests.functional.stage import ACCOUNT, BREAKER, PASSABLE, REGION, ROLE, Stage, breaker, uri

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:slack-AbCdEf"
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mirror"
CONFIG = """
profiles:
  steady: {policy: digest, soak: 1m, timeout: 10m, cooldown: 0s}
  gated: {policy: digest, gates: [scan], soak: 1m, timeout: 10m, cooldown: 0s}
"""
TOLD = f"""{CONFIG}
channels:
  ops: {{type: slack, channel: C0123456789, secret: "{SECRET}"}}
mirrors:
  nginx: {{from: nginx, secret: "{PARAMETER}", to: ["ecr:mirror/nginx"], tags: {{include: [stable]}}}}
"""
EXPIRING = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)
PARAMETERS = {
    **{f"{name}Mode": "auto" for name in ("Recover", "Mirror", "Scan", "Notify")},
    "AlertEmail": "ann@example.com",
    "PassableRoleArns": PASSABLE,
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The longshore.yaml that the stack was built with."""
    file = tmp_path / "longshore.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


@pytest.fixture
def well(stage: Stage) -> Stage:
    """A service that follows a scanned image and has run for a while."""
    stage.bundle.scanner.use("enhanced")
    stage.push("prod", "1")
    stage.service(deploymentConfiguration=BREAKER)
    stage.run(minutes=70)
    return stage


def ask(config: Path, *arguments: str, code: int = 1) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["doctor", "--json", "--config", str(config), *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    assert set(document) == {"findings", "checked", "skipped"}
    return document


def found(document: dict[str, Any]) -> set[tuple[str, str]]:
    """What was found, as code and the end of the resource's name."""
    return {(each["code"], re.split("[:/]", each["resource"])[-1]) for each in document["findings"]}


def test_in_an_account_that_is_well_nothing_is_wrong(well: Stage, config: Path) -> None:
    before = len(well.bundle.invocations)
    document = ask(config, code=0)
    assert document["findings"] == []
    assert document["skipped"] == []
    assert document["checked"] == [check.code for check in CHECKS]
    told = CliRunner().invoke(main, ["doctor", "--config", str(config)], catch_exceptions=False)
    assert (told.exit_code, told.stdout) == (0, f"{len(CHECKS)} checks, all is well\n")
    assert len(well.bundle.invocations) == before
    assert well.writes() == []


def test_workloads_and_what_they_run(well: Stage, config: Path) -> None:
    well.bundle.scanner.use("off")
    well.service("typo", policy="semver:mayor")
    well.service("lost", policy="profile:lost")
    well.service("bare", policy="digest", deploymentConfiguration=breaker(rollback=False))
    well.service("quiet", policy=None, more_tags={"longshore:polcy": "digest"})
    well.push("1.0.0", "2")
    well.service("latest", policy="semver:minor")
    role = f"arn:aws:iam::{ACCOUNT}:role/other"
    well.service("roles", policy="digest", definition=well.register("roles", uri("web:prod"), taskRoleArn=role))
    document = ask(config)
    assert found(document) >= {
        ("policy-invalid", "typo"),
        ("profile-unknown", "lost"),
        ("breaker-off", "bare"),
        ("tag-misspelt", "quiet"),
        ("unpinned", "quiet"),
        ("held", "latest"),
        ("way-back-not-granted", "roles"),
        ("repository-unscanned", "web"),
    }
    told = CliRunner().invoke(main, ["doctor", "--config", str(config)]).stdout
    assert [line.split()[0] for line in told.splitlines() if line[0] != " "][:3] == ["error", "warning", "info"]


def test_the_stack_itself(well: Stage, config: Path) -> None:
    well.send("RedeployDeadLetters", "lost")
    rules = well.client("events")
    name = well.bundle.stack.physical_ids["ImageMoved"]
    rules.disable_rule(Name=name)
    alarm = well.bundle.stack.physical_ids["ChannelFailedAlarm"]
    well.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    group = well.bundle.stack.physical_ids["Schedules"]
    late = (well.bundle.timeline.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")
    target = {"Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "RoleArn": ROLE}
    scheduler = well.client("scheduler")
    scheduler.create_schedule(
        Name="forgotten",
        GroupName=group,
        ScheduleExpression=f"at({late})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=target,
    )
    try:
        document = ask(
            config, *(f"--check={c}" for c in ("dead-letters", "rule-off", "alarm-firing", "schedule-orphaned"))
        )
    finally:
        rules.enable_rule(Name=name)
        well.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="OK", StateReason="test")
        scheduler.delete_schedule(Name="forgotten", GroupName=group)
    assert {(each["code"], each["resource"]) for each in document["findings"]} == {
        ("dead-letters", "RedeployDeadLetters"),
        ("rule-off", "ImageMoved"),
        ("alarm-firing", "ChannelFailedAlarm"),
        ("schedule-orphaned", "forgotten"),
    }
    assert len(document["checked"]) == 4


def test_retired_services(well: Stage, config: Path) -> None:
    mesh = {"type": "APPMESH", "containerName": "app"}
    well.service("mesh", policy=None, definition=well.register("mesh", uri("web:prod"), proxyConfiguration=mesh))
    well.service("pilot", policy=None, more_tags={"copilot-application": "shop"})
    well.ecr.put_account_setting(name="BASIC_SCAN_TYPE_VERSION", value="CLAIR")
    Services(well).create("older", policy=None)
    codes = ("app-mesh", "copilot", "scanner-retired", "app-runner")
    document = ask(config, *(f"--check={code}" for code in codes))
    assert {each["code"] for each in document["findings"]} == set(codes)


def test_clusters_and_functions(well: Stage, config: Path) -> None:
    people = People(well)
    well.push("1", "fn", "fn")
    Functions(well).create("resize", "fn:1", "digest")
    document = ask(config, "--check=access-entry-missing", "--check=repository-policy")
    assert {code for code, _ in found(document)} == {"access-entry-missing", "repository-policy"}
    outputs = well.bundle.stack.outputs
    for role in ("RedeployRoleArn", "WatchRoleArn", "ScanRoleArn"):
        entry = {"principalArn": outputs[role], "kubernetesGroups": ["longshore"]}
        well.client("eks").create_access_entry(clusterName=people.arn.rpartition("/")[2], **entry)
    (fix,) = {each["fix"] for each in document["findings"] if each["code"] == "repository-policy"}
    policy = re.search(r"--policy-text '(.*)'", fix)
    assert policy
    well.ecr.set_repository_policy(repositoryName="fn", policyText=policy[1])
    assert ask(config, "--check=access-entry-missing", "--check=repository-policy", code=0)["findings"] == []


def test_without_a_stack_what_needs_none_is_still_looked_at(well: Stage, config: Path) -> None:
    document = ask(config, "--stack", "elsewhere")
    assert ("stack-missing", "elsewhere") in found(document)
    skipped = {each["check"]: each["why"] for each in document["skipped"]}
    assert skipped["dead-letters"] == "there is no stack elsewhere here"
    assert {"unpinned", "app-mesh", "policy-invalid"} <= set(document["checked"])


def test_a_wrong_configuration_is_said_before_anything_is_looked_at(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("profiles: {web: {policy: semver:mayor}}", encoding="utf-8")
    result = CliRunner().invoke(main, ["doctor", "--config", str(file)])
    assert result.exit_code == 2
    assert "semver:mayor" in result.stderr


def test_what_is_denied_or_throttled_is_told_and_stops_nothing_else(well: Stage, config: Path) -> None:
    well.faults.add("ecs", "ListServices", "AccessDeniedException", count=None, when="after")
    well.faults.add("sqs", "GetQueueAttributes", "ThrottlingException", count=None)
    well.faults.add("lambda", "GetFunction", "AccessDeniedException", count=None)
    with well.bundle.recorder.inside("doctor"):
        document = ask(config)
    skipped = {each["check"]: each["why"] for each in document["skipped"]}
    assert skipped["app-mesh"] == f"{COULD_NOT}: ecs:ListServices is not allowed"
    assert skipped["dead-letters"].startswith(f"{COULD_NOT}: GetQueueAttributes: ThrottlingException")
    assert document["findings"] == []
    assert {"held", "alarm-firing", "policy-invalid"} <= set(document["checked"])
    assert skipped.keys().isdisjoint(document["checked"])
    calls = [(call.service, call.operation) for call in well.bundle.recorder.calls]
    assert calls.count(("ecs", "ListServices")) == 1


def whole(file: Path) -> tuple[Report, frozenset[str]]:
    """Every check on an account with some of everything, and what was asked of AWS."""
    account = Account()
    report = examine(Sight(account, "longshore", file), CHECKS)
    return report, account.actions


def documented() -> frozenset[str]:
    """The actions of the policy in docs/doctor.md."""
    (block,) = re.findall(r"```json\n(\{\n  \"Version.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    statements = json.loads(block)["Statement"]
    assert all(each["Effect"] == "Allow" for each in statements)
    return frozenset(action for each in statements for action in each["Action"])


IMPLIED = {"lambda:ListTags": "GetFunction tells no tags without it"}
"""Actions that IAM asks for beside the call's own."""


def test_the_documented_policy_is_what_it_asks(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text(TOLD, encoding="utf-8")
    stage.bundle.scanner.use("enhanced")
    stage.push("prod", "1")
    CodeDeployed(stage).create()
    stage.service("plain", policy="profile:gated")
    stage.push("1.0.0", "2")
    stage.service("versions", policy="semver:minor")
    stage.push("prod", "3")
    functions = Functions(stage)
    functions.create("resize")
    functions.alias("resize")
    People(stage).apply()
    Services(stage).create()
    Daemons(stage).create()
    scheduled = Scheduled(stage)
    scheduled.rule(scheduled.definition("web:prod"), "profile:steady")
    scheduled.schedule(scheduled.definition("web:prod"), "profile:steady")
    stage.ecr.put_lifecycle_policy(repositoryName="web", lifecyclePolicyText=EXPIRING)
    report, asked = whole(file)
    assert not [why for _, why in report.skipped if COULD_NOT in why]
    assert "lifecycle-expires" in {each.code for each in report.findings}
    assert asked | IMPLIED.keys() == documented()
