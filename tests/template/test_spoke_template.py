"""template-spoke.yaml beside template.yaml: a spoke forwards what the hub follows at home, and lets it act as at home."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from longshore.settings import Settings
from longshore_local.patterns import compile_pattern
from tests.template.iam import Request, Role, roles
from tests.template.rendered import ROOT, Rendered
from tests.template.test_event_patterns import MEANT, PATTERN_LIMIT, sample
from tests.template.test_iam_policies import reference

HUB, OTHER = "123456789012", "210987654321"
SPOKE = ROOT / "template-spoke.yaml"
BUS = f"arn:aws:events:eu-west-1:{HUB}:event-bus/longshore"
HUB_ROLES = ",".join(f"arn:aws:iam::{HUB}:role/longshore-{each}Role-1ABC" for each in ("Redeploy", "Watch", "Scan"))
PASSABLE = f"arn:aws:iam::{OTHER}:role/workloads/*"
STACKS = f"arn:aws:cloudformation:us-east-1:{OTHER}:stack/shop-*"
HERE = {"PassableRoleArns": PASSABLE, "UpdatableStackArns": STACKS}
SPOKES = f"arn:aws:iam::{OTHER}:role/longshore-spoke-us-east-1,arn:aws:iam::{HUB}:role/longshore-spoke-eu-central-1"
ITS_OWN = frozenset(
    {"Logs", "Traces", "Receive", "Postpone", "Schedule", "PassScheduler", "Ledger", "Tell"}
    | {"LogInToGallery", "FindGallery", "ReadPublicImages", "ReadScans", "ReadFindings", "AssumeSpokeRoles"}
)
"""Statements of the hub's roles about the stack itself, and about what is in no spoke."""


def spoke(**parameters: str) -> Rendered:
    """A spoke's stack."""
    given = {"HubBusArn": BUS, "HubRoleArns": HUB_ROLES, **parameters}
    return Rendered(given, account=OTHER, region="us-east-1", stack="longshore-spoke", template=SPOKE)


def hub(**parameters: str) -> Rendered:
    """A hub as it would be in the spoke's own place, so that its grants can be compared."""
    return Rendered(parameters, account=OTHER, region="us-east-1")


def patterns(rendered: Rendered, bus: str | None = None) -> dict[str, dict[str, Any]]:
    """The patterns of the rules of redeploy and watch, on a bus; the stack's own is no business of spokes."""
    queues = {rendered.arn(each) for each in ("RedeployQueue", "WatchQueue")}
    rules = rendered.of_type("AWS::Events::Rule")
    return {
        name: rule["EventPattern"]
        for name, rule in rules.items()
        if rule.get("EventBusName") == bus and rule["Targets"][0]["Arn"] in queues and name != "StackDeployed"
    }


def test_a_spoke_forwards_exactly_what_the_hub_follows_at_home() -> None:
    rules = spoke().of_type("AWS::Events::Rule")
    assert {name: rule["EventPattern"] for name, rule in rules.items()} == patterns(hub())
    for rule in rules.values():
        (to,) = rule["Targets"]
        assert to["Arn"] == BUS
        assert to["RoleArn"] == f"arn:aws:iam::{OTHER}:role/longshore-forward-us-east-1"
        assert to["DeadLetterConfig"]["Arn"] == spoke().arn("Undelivered")


def test_what_spokes_forward_goes_to_the_same_queues_as_at_home() -> None:
    rendered = Rendered({"Spokes": SPOKES})
    rules = rendered.of_type("AWS::Events::Rule")
    forwarded = {name: p for name, p in patterns(rendered, "longshore").items() if name.startswith("Spoke")}
    assert forwarded.keys() == {f"Spoke{name}" for name in patterns(rendered)}
    for name, pattern in forwarded.items():
        at_home = rules[name.removeprefix("Spoke")]
        assert rules[name]["Targets"] == at_home["Targets"]
        assert {k: v for k, v in pattern.items() if k not in ("account", "region")} == at_home["EventPattern"]
        assert len(json.dumps(pattern)) <= PATTERN_LIMIT


FOLLOWED = [name for name, rules in MEANT.items() if {"ImageMoved", "WorkloadTagged"} & set(rules.split())]
FOLLOWED += [name for name, rules in MEANT.items() if {"DeploymentChanged", "OperationEnded"} & set(rules.split())]


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_spokes_event_is_followed_and_one_of_elsewhere_is_not(name: str) -> None:
    rules = Rendered({"Spokes": SPOKES}).of_type("AWS::Events::Rule")
    ours = [rule["EventPattern"] for rule in rules.values() if rule.get("EventBusName") == "longshore"]

    def heard(**place: str) -> int:
        return sum(compile_pattern(pattern).matches({**sample(name), **place}) for pattern in ours)

    assert heard(account=OTHER, region="us-east-1") == 1
    assert heard(account=HUB, region="eu-central-1") == 1
    assert heard(account="444444444444", region="us-east-1") == 0
    assert heard(account=OTHER, region="eu-west-2") == 0


def test_a_dozen_spokes_fit_the_limits() -> None:
    many = ",".join(f"arn:aws:iam::{OTHER[:-2]}{n:02}:role/longshore-spoke-ap-southeast-2" for n in range(12))
    rendered = Rendered({"Spokes": many, "PassableRoleArns": PASSABLE})
    for name, pattern in patterns(rendered, "longshore").items():
        assert len(json.dumps(pattern)) <= PATTERN_LIMIT, name
    for role in rendered.of_type("AWS::IAM::Role").values():
        assert len("".join(json.dumps(role.get("Policies", [])).split())) <= 10_240


def test_without_spokes_nothing_is_added() -> None:
    resources = Rendered().resources
    assert not [name for name in resources if name.startswith("Spoke")]
    granted = {action for role in roles(Rendered()).values() for _, action in role.grants()}
    assert not granted & {"sts:AssumeRole", "ecr:DescribeImageReplicationStatus"}


def test_the_hub_assumes_exactly_the_spokes_roles() -> None:
    for name, role in roles(Rendered({"Spokes": SPOKES})).items():
        assumed = [s.resources for s in role.statements if "sts:AssumeRole" in s.actions]
        acts = name in ("RedeployRole", "WatchRole", "ScanRole")
        assert assumed == ([tuple(SPOKES.split(","))] if acts else []), name


def test_the_bus_lets_the_forwarding_roles_of_spokes_tell_what_aws_tells() -> None:
    policies = Rendered({"Spokes": SPOKES}).of_type("AWS::Events::EventBusPolicy")
    statement = policies["SpokesMayForward"]["Statement"]
    assert statement["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": SPOKES.replace("-spoke-", "-forward-").split(",")},
        "StringLike": {"events:source": "aws.*"},
        "Bool": {"events:eventBusInvocation": "true"},
    }
    assert statement["Condition"]["ArnEquals"]["aws:PrincipalArn"][0] == spoke().arn("ForwardRole")
    assert (statement["Action"], statement["Resource"]) == ("events:PutEvents", BUS)


@pytest.mark.parametrize(
    ("parameter", "given", "fits"),
    [
        ("RolePrefix", "longshore", True),
        ("RolePrefix", "team-spoke-a", False),
        ("RolePrefix", "team-spoke", False),
        ("RolePath", "/", True),
        ("RolePath", "/teams/a/", True),
        ("RolePath", "/a-spoke-b/", False),
        ("RolePath", "/a,b/", False),
    ],
)
def test_roles_have_names_that_the_hub_can_take_apart(parameter: str, given: str, fits: bool) -> None:
    """The hub knows a forwarding role by the other one's name, in which it looks for one word."""
    assert bool(re.fullmatch(spoke().document["Parameters"][parameter]["AllowedPattern"], given)) is fits
    role = f"arn:aws:iam::{OTHER}:role{given if parameter == 'RolePath' else f'/{given}'}-spoke-us-east-1"
    statement = Rendered({"Spokes": role}).of_type("AWS::Events::EventBusPolicy")["SpokesMayForward"]["Statement"]
    known = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
    assert (known == ["-forward-".join(role.rsplit("-spoke-", 1))]) is fits


def test_functions_are_told_the_spokes() -> None:
    rendered = Rendered({"Spokes": SPOKES})
    functions = rendered.of_type("AWS::Lambda::Function")
    told = {n: f["Environment"]["Variables"].get("LONGSHORE_SPOKES") for n, f in functions.items()}
    assert {name for name, spokes in told.items() if spokes == SPOKES} == {
        "RedeployFunction",
        "WatchFunction",
        "ScanFunction",
    }
    variables = {**functions["RedeployFunction"]["Environment"]["Variables"]}
    variables["LONGSHORE_QUEUE_ARN"] = rendered.arn("RedeployQueue")
    read = Settings.from_env({key: str(value) for key, value in variables.items()})
    assert [str(place) for place in read.places.all] == [
        f"{HUB}/eu-west-1",
        f"{OTHER}/us-east-1",
        f"{HUB}/eu-central-1",
    ]


def grants(role: Role) -> Iterator[tuple[str, str, str]]:
    """Each action on each resource, with its conditions."""
    for statement in role.statements:
        for action in statement.actions:
            for resource in statement.resources:
                yield action, resource, json.dumps(statement.conditions, sort_keys=True)


def at_home() -> set[tuple[str, str, str]]:
    """What the functions that act in spokes may do to workloads in the hub's own place, actions that fit their ARNs."""
    found = set()
    own = roles(hub(**HERE))
    for name in ("RedeployRole", "WatchRole", "ScanRole"):
        rest = tuple(s for s in own[name].statements if s.sid not in ITS_OWN)
        found |= set(grants(Role(name, rest)))
    return found


def test_the_hub_may_do_in_a_spoke_what_it_may_at_home_and_no_more() -> None:
    """What is granted at home is called, and what is called is granted: test_iam_proof.py. So it is here."""
    granted = set(grants(roles(spoke(**HERE))["SpokeRole"]))
    replicas = {g for g in granted if g[0] == "ecr:DescribeImageReplicationStatus"}
    assert len(replicas) == 1
    assert {(g[0], g[2]) for g in granted - replicas} == {(g[0], g[2]) for g in at_home()}, "no condition is missing"
    wider = {(g[0], g[1]) for g in granted - replicas} - {(g[0], g[1]) for g in at_home()}
    assert {(g[0], g[1]) for g in at_home()} <= {(g[0], g[1]) for g in granted}
    assert all(action.split(":")[1].startswith("Describe") for action, _ in wider), "one statement for several readers"


def test_the_spokes_role_is_for_the_hubs_functions_alone() -> None:
    (trust,) = spoke().of_type("AWS::IAM::Role")["SpokeRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": HUB_ROLES.split(",")}},
    }
    (trust,) = spoke().of_type("AWS::IAM::Role")["ForwardRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": OTHER}}


def test_no_action_of_a_spoke_has_a_wildcard_and_each_exists() -> None:
    for role in roles(spoke(**HERE)).values():
        for statement, action in role.grants():
            assert "*" not in action
            takes = reference(action).get("Resources")
            everything = "*" in statement.resources
            assert not (everything and takes) or action in ("ecs:ListTasks", "scheduler:ListSchedules"), action


def test_what_did_not_opt_in_is_refused_in_a_spoke_too() -> None:
    service = f"arn:aws:ecs:us-east-1:{OTHER}:service/shop/web"
    role = roles(spoke())["SpokeRole"]
    assert role.allows(Request("ecs:UpdateService", service, {"aws:ResourceTag/longshore:policy": "digest"}))
    assert not role.allows(Request("ecs:UpdateService", service))
    assert not role.allows(Request("iam:PassRole", f"arn:aws:iam::{OTHER}:role/workloads/web"))
    assert not role.allows(Request("ecs:UpdateService", service.replace(OTHER, HUB)))


def test_a_spokes_template_is_small_and_needs_no_packaging() -> None:
    text = SPOKE.read_text(encoding="utf-8")
    assert len(text.encode()) <= 51_200, "deployed without a bucket"
    document = spoke().document
    assert "Transform" not in document
    used = json.dumps({key: document[key] for key in ("Resources", "Conditions")})
    for name, parameter in document["Parameters"].items():
        assert f'"{name}"' in used or f"${{{name}}}" in used, name
        assert parameter["Description"]
    chinese = Rendered({"HubBusArn": BUS.replace("aws", "aws-cn", 1), "HubRoleArns": HUB_ROLES}, template=SPOKE)
    assert "OperationEnded" in spoke().resources
    assert "arn:aws" not in json.dumps(document["Resources"])
    assert chinese.document is document


def test_what_cannot_be_forwarded_alarms() -> None:
    alarm = spoke(AlarmTopicArn="arn:aws:sns:us-east-1:210987654321:ops").of_type("AWS::CloudWatch::Alarm")
    assert alarm["UndeliveredAlarm"]["AlarmActions"] == ["arn:aws:sns:us-east-1:210987654321:ops"]
    assert "AlarmActions" not in spoke().of_type("AWS::CloudWatch::Alarm")["UndeliveredAlarm"]
