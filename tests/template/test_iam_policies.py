"""The roles of template.yaml as they are written: nothing broader than it must be (design 10)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest

from tests.template.iam import Request, Statement, UnknownPolicyError, function_roles, roles
from tests.template.rendered import Rendered

ACCOUNT = "123456789012"
SERVICE = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/shop/web"
FUNCTION = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:resize"
APPLICATION = f"arn:aws:apprunner:eu-west-1:{ACCOUNT}:service/shop/8fe1e10304f84fd2b0df550fe98a71fa"
DEPLOYMENT = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service-deployment/shop/web/abc"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/workloads/web"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:longshore/slack-??????"
PARAMETER = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/longshore/slack"
TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:ops"
OPTED_IN = {"aws:ResourceTag/longshore:policy": "digest"}
VARIANTS: list[dict[str, str]] = [
    {},
    {"RedeployMode": "observe"},
    {"PassableRoleArns": f"{ROLE},arn:aws:iam::{ACCOUNT}:role/tasks/*"},
    {"KmsKeyArn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"},
    {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"},
    {"ChannelSecretArns": f"{SECRET},{PARAMETER}", "ChannelTopicArns": TOPIC},
    {"MirrorSecretArns": f"{SECRET},{PARAMETER}", "MirrorRepositories": "mirror/*"},
    {"KeepLedger": "false", "RolePath": "/team/", "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/edge"},
]
SOMETIMES_WITHOUT_RESOURCE = {
    "ec2:CreateNetworkInterface": "Lambda checks that the role may do it before any interface exists",
    "ec2:DeleteNetworkInterface": "Lambda names its interfaces itself, they cannot be told beforehand",
    "ec2:AssignPrivateIpAddresses": "as for DeleteNetworkInterface; AWSLambdaVPCAccessExecutionRole has it so",
    "ec2:UnassignPrivateIpAddresses": "as for DeleteNetworkInterface; AWSLambdaVPCAccessExecutionRole has it so",
    "ec2:DescribeSubnets": "takes no resource",
    "ecs:ListTasks": "has a resource only where the call names a container instance",
}


def _actions() -> Mapping[str, Any]:
    """The service authorization reference, as cfn-lint ships it."""
    text = (files("cfnlint") / "data" / "AdditionalSpecs" / "Policies.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


ACTIONS = _actions()


def reference(action: str) -> Mapping[str, Any]:
    """What the reference says of an action; fails for one that does not exist."""
    service, _, name = action.partition(":")
    found = ACTIONS.get(service, {}).get("Actions", {}).get(name.lower())
    assert found is not None, f"{action} is no action of IAM"
    return dict(found)


def statements() -> Iterator[tuple[str, Statement]]:
    """Every statement of every role, in every variant of the stack."""
    for variant in VARIANTS:
        for name, role in roles(Rendered(variant)).items():
            for statement in role.statements:
                yield f"{name} {statement.sid} {variant}", statement


def test_no_action_has_a_wildcard_and_each_exists() -> None:
    for where, statement in statements():
        for action in statement.actions:
            assert "*" not in action, f"{where}: {action}"
            assert "?" not in action, f"{where}: {action}"
            reference(action)


def test_only_actions_that_take_no_resource_are_granted_on_everything() -> None:
    for where, statement in statements():
        for action in statement.actions:
            takes = reference(action).get("Resources")
            if "*" in statement.resources and action not in SOMETIMES_WITHOUT_RESOURCE:
                assert not takes, f"{where}: {action} takes {takes}, so narrow Resource"
            elif not takes:
                assert statement.resources == ("*",), f"{where}: {action} takes no resource, so this grants nothing"


def test_tag_conditions_stand_only_where_the_resource_offers_them() -> None:
    for where, statement in statements():
        if not any("ResourceTag" in key for keys in statement.conditions.values() for key in keys):
            continue
        for action in statement.actions:
            service = ACTIONS[action.partition(":")[0]]["Resources"]
            for kind in reference(action)["Resources"]:
                assert "aws:ResourceTag/${TagKey}" in service[kind.lower()]["ConditionKeys"], (
                    f"{where}: {action} on {kind}"
                )


def test_every_arn_is_of_the_stacks_own_partition() -> None:
    resources = Rendered().document["Resources"]
    assert "arn:aws" not in json.dumps(resources), "write ${AWS::Partition}"
    chinese = Rendered(partition="aws-cn", region="cn-north-1")
    for name, role in roles(chinese).items():
        for statement in role.statements:
            for resource in statement.resources:
                assert resource == "*" or resource.startswith("arn:aws-cn:"), f"{name} {statement.sid}: {resource}"


def test_every_function_has_a_role_of_its_own() -> None:
    used = function_roles(Rendered())
    assert used, "there are functions"
    assert len(set(used.values())) == len(used)


def test_roles_trust_one_service_and_carry_path_and_boundary() -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/edge"
    rendered = Rendered({"RolePath": "/team/", "PermissionsBoundary": boundary})
    for name, properties in rendered.of_type("AWS::IAM::Role").items():
        [trust] = properties["AssumeRolePolicyDocument"]["Statement"]
        wanted = "scheduler" if name == "SchedulerRole" else "lambda"
        assert trust["Principal"] == {"Service": f"{wanted}.amazonaws.com"}, name
        assert (properties["Path"], properties["PermissionsBoundary"]) == ("/team/", boundary), name
    assert all("PermissionsBoundary" not in p for p in Rendered().of_type("AWS::IAM::Role").values())


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ecs:UpdateService", SERVICE),
        ("lambda:UpdateFunctionCode", FUNCTION),
        ("lambda:UpdateAlias", FUNCTION),
        ("apprunner:StartDeployment", APPLICATION),
        ("apprunner:UpdateService", APPLICATION),
        ("ecs:StopServiceDeployment", SERVICE),
        ("ecs:StopServiceDeployment", DEPLOYMENT),
    ],
)
def test_only_a_service_that_opted_in_can_be_touched(action: str, resource: str) -> None:
    role = roles(Rendered())["RedeployRole"]
    assert role.allows(Request(action, resource, OPTED_IN))
    assert not role.allows(Request(action, resource))
    assert not role.allows(Request(action, resource, {"aws:ResourceTag/team": "shop"}))
    assert not role.allows(Request(action, resource.replace(ACCOUNT, "210987654321"), OPTED_IN))


def test_the_watch_writes_to_no_workload() -> None:
    role = roles(Rendered({"PassableRoleArns": "*"}))["WatchRole"]
    for action in ("ecs:UpdateService", "ecs:StopServiceDeployment", "ecs:RegisterTaskDefinition"):
        assert not role.allows(Request(action, SERVICE, OPTED_IN)), "only redeploy writes (design 3)"


@pytest.mark.parametrize(
    ("action", "path"),
    [("ecs:RunTask", "task-definition/etl:3"), ("ecs:UpdateContainerInstancesState", "container-instance/shop/1")],
)
def test_recover_acts_only_on_what_opted_in(action: str, path: str) -> None:
    role, tag = roles(Rendered({"RecoverMode": "auto"}))["RecoverRole"], "aws:ResourceTag/longshore:recover"
    resource = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:{path}"
    assert role.allows(Request(action, resource, {tag: "auto"}))
    for others in ({}, {tag: "off"}, OPTED_IN):
        assert not role.allows(Request(action, resource, others))
    assert not role.allows(Request(action, resource.replace(ACCOUNT, "210987654321"), {tag: "auto"}))


def test_recover_changes_no_service() -> None:
    granted = {action for _, action in roles(Rendered({"PassableRoleArns": "*"}))["RecoverRole"].grants()}
    assert not granted & {"ecs:UpdateService", "ecs:RegisterTaskDefinition", "ecs:DeregisterContainerInstance"}
    assert {"ec2:TerminateInstances", "ec2:RebootInstances"}.isdisjoint(granted)


def test_recover_tags_only_the_tasks_that_it_starts() -> None:
    role, task = roles(Rendered())["RecoverRole"], f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/shop/1"
    assert role.allows(Request("ecs:TagResource", task, {"ecs:CreateAction": "RunTask"}))
    assert not role.allows(Request("ecs:TagResource", task))
    assert not role.allows(Request("ecs:TagResource", SERVICE, {"ecs:CreateAction": "RunTask"}))


def test_notify_reads_the_secrets_that_are_named_and_no_others() -> None:
    read, get = "secretsmanager:GetSecretValue", "ssm:GetParameter"
    secret, other = (SECRET.replace("??????", "Ab12Cd"), SECRET.replace("slack-??????", "database-Ab12Cd"))
    without = roles(Rendered())["NotifyRole"]
    granted = roles(Rendered({"ChannelSecretArns": f"{SECRET}, {PARAMETER}"}))["NotifyRole"]
    for action, arn in ((read, secret), (get, PARAMETER)):
        assert granted.allows(Request(action, arn))
        assert not without.allows(Request(action, arn))
    assert not granted.allows(Request(read, other))
    assert not granted.allows(Request(get, f"{PARAMETER}-other"))


def test_notify_publishes_to_the_stacks_topic_and_to_those_that_are_named() -> None:
    stack = Rendered({"ChannelTopicArns": TOPIC})
    role, without = roles(stack)["NotifyRole"], roles(Rendered())["NotifyRole"]
    for topic in (TOPIC, stack.arn("NoticesTopic")):
        assert role.allows(Request("sns:Publish", topic))
    assert not without.allows(Request("sns:Publish", TOPIC))
    assert not role.allows(Request("sns:Publish", f"{TOPIC}-other"))
    assert not role.allows(Request("sns:Publish", stack.arn("Alarms")))
    assert not role.allows(Request("sns:GetTopicAttributes", TOPIC)), "only the fallback is asked who listens"


def test_notify_writes_to_no_workload_and_reads_none() -> None:
    role = roles(Rendered({"PassableRoleArns": "*"}))["NotifyRole"]
    granted = {action.partition(":")[0] for _, action in role.grants()}
    assert not granted & {"ecs", "ecr", "tag", "eks"}


def _passed(role: str, service: str) -> Request:
    return Request("iam:PassRole", role, {"iam:PassedToService": service})


@pytest.mark.parametrize(
    ("name", "carriers"),
    [
        ("RedeployRole", {"ecs-tasks", "build.apprunner", "events", "scheduler"}),
        ("RecoverRole", {"ecs-tasks"}),
    ],
)
def test_workload_roles_are_passed_only_as_the_parameter_says_and_only_to_what_runs_them(
    name: str, carriers: set[str]
) -> None:
    tasks, others = "ecs-tasks.amazonaws.com", ("build.apprunner", "events", "scheduler", "lambda", "ec2", "codedeploy")
    other = f"arn:aws:iam::{ACCOUNT}:role/administrator"
    without = roles(Rendered())[name]
    granted = roles(Rendered({"PassableRoleArns": f"{ROLE}, arn:aws:iam::{ACCOUNT}:role/tasks/*"}))[name]
    assert not without.allows(_passed(ROLE, tasks))
    assert granted.allows(_passed(ROLE, tasks))
    assert granted.allows(_passed(f"arn:aws:iam::{ACCOUNT}:role/tasks/api", tasks))
    assert not granted.allows(_passed(other, tasks))
    for service in others:
        assert granted.allows(_passed(ROLE, f"{service}.amazonaws.com")) is (service in carriers)
    assert not granted.allows(Request("iam:PassRole", ROLE))


def test_the_schedulers_role_is_passed_to_the_scheduler_alone() -> None:
    rendered = Rendered()
    own = rendered.arn("SchedulerRole")
    for name in function_roles(rendered).values():
        role = roles(rendered)[name]
        assert role.allows(_passed(own, "scheduler.amazonaws.com"))
        assert not role.allows(_passed(own, "ecs-tasks.amazonaws.com"))


def test_tags_are_put_on_new_revisions_only() -> None:
    role = roles(Rendered())["RedeployRole"]
    revision = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-definition/web:2"
    assert role.allows(Request("ecs:TagResource", revision, {"ecs:CreateAction": "RegisterTaskDefinition"}))
    assert not role.allows(Request("ecs:TagResource", revision))
    assert not role.allows(Request("ecs:TagResource", SERVICE, {"ecs:CreateAction": "RegisterTaskDefinition"}))


# -- the evaluator itself: what it cannot judge must not pass -----------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "*"},
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": "::/0"}},
        },
    ],
)
def test_the_evaluator_refuses_what_it_does_not_know(statement: dict[str, Any]) -> None:
    with pytest.raises(UnknownPolicyError):
        Statement.read(statement)


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"k": ["a", "b"]}}, {"K": "b"}, True),
        ({"StringEquals": {"k": "a"}}, {"k": "ab"}, False),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringLike": {"k": "a*c"}}, {"k": "abc"}, True),
        ({"StringLike": {"k": "a?c"}}, {"k": "abbc"}, False),
        ({"ArnLike": {"k": "arn:aws:sqs:*:1:q*"}}, {"k": "arn:aws:sqs:eu-west-1:1:queue"}, True),
        ({"ArnLike": {"k": "arn:aws:*:1:q"}}, {"k": "arn:aws:sqs:eu-west-1:1:q"}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"Null": {"k": False}}, {"k": ""}, True),
        ({"Null": {"k": "false"}, "StringEquals": {"j": "1"}}, {"k": "", "j": "2"}, False),
    ],
)
def test_the_evaluators_conditions(condition: dict[str, Any], context: dict[str, str], expected: bool) -> None:
    raw = {"Effect": "Allow", "Action": "a:B", "Resource": "r*", "Condition": condition}
    assert Statement.read(raw).covers(Request("a:b", "res", context)) is expected
