"""The service models in the layer: of the botocore that tests run on, and with every member that the adapters read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import botocore.session
import pytest

import build_layer
from tests.template.rendered import ROOT

ADAPTERS = ROOT / "layers/longshore/longshore/aws"
OF_ADAPTER = {
    "app_runner": ("apprunner",),
    "ecs_daemon_definitions": ("ecs",),
    "ecs_daemons": ("ecs",),
    "ecs_express": ("ecs",),
    "ecs": ("ecs",),
    "eks_access": ("eks",),
    "scheduled_rules": ("events",),
    "scheduled_tasks": ("ecs", "events", "scheduler"),
    "schedules": ("scheduler",),
    "lambda_functions": ("lambda",),
    "tagging": ("resourcegroupstaggingapi",),
    "ecr": ("ecr",),
    "ecr_downstream": ("ecr",),
    "ecr_public": ("ecr-public",),
    "ecr_findings": ("ecr",),
    "inspector": ("inspector2",),
    "inspector_details": ("inspector2",),
    "attestations": ("ecr",),
    "bus": ("events",),
    "queue": ("sqs", "scheduler"),
    "table": ("dynamodb",),
    "secrets": ("secretsmanager", "ssm"),
    "topic": ("sns",),
    "undeliverable": ("sqs", "sns"),
    "tasks": ("ecs",),
    "ecs_definitions": ("ecs",),
    "ecs_rolling": ("ecs",),
    "ecs_code_deploy": ("ecs", "codedeploy"),
    "task_set_images": ("ecs",),
    "code_deploy_groups": ("codedeploy",),
    "stacks": ("cloudformation",),
    "parameters": ("ssm",),
    "replicas": ("ecr",),
    "spokes": ("sts",),
    "launchers": ("scheduler", "events"),
    "network": ("ec2",),
    "log_events": ("logs",),
    "inventory": ("ecs", "ecr"),
    "instances": ("ecs", "ec2", "ssm"),
    "machines": ("ecs",),
    "service_discovery": ("ecs", "servicediscovery"),
}
WITHOUT_SHAPES = {
    "__init__",
    "app_specs",
    "blobs",
    "clock",
    "eks",
    "eks_connections",
    "eks_nodes",
    "eks_objects",
    "eks_pods",
    "errors",
    "gates",
    "kubernetes",
    "ledger",
    "mirror_manifests",
    "mirrors",
    "places",
    "platforms",
    "public_images",
    "recovery",
    "remembered",
    "runners",
    "scans",
    "session",
    "switches",
    "threads",
    "troubles",
    "watched",
}
"""Modules beside the adapters that name no member of an AWS shape: they go through one of them, or through none."""
OF_BOTOCORE = {"PaginationConfig", "PageSize", "MaxItems", "Error", "Code"}
"""Arguments of botocore's paginators and members of its ClientError, which no model has."""
OF_DOCUMENTATION = {"SubscriptionsConfirmed", "InvalidParameterValue", "UnknownOperationException", "ValidationError"}
"""A key of a map and codes of errors, which only the documentation names (SNS: GetTopicAttributes, Publish; common errors
of ECS and of CloudFormation)."""

_MEMBER = re.compile(r"[a-zA-Z]+[a-z][A-Z][A-Za-z]*|[A-Z][a-z]{2,}[A-Za-z]*")
"""Literals that can only be members of AWS shapes: two words in one."""


def test_the_shipped_models_are_those_that_tests_run_on() -> None:
    pinned = re.search(r"^botocore==(\S+)", (ROOT / "layers/longshore/models.txt").read_text(encoding="utf-8"), re.M)
    assert pinned
    assert pinned[1] == version("botocore")


@pytest.mark.parametrize("adapter", sorted(OF_ADAPTER))
def test_every_member_that_an_adapter_reads_is_in_the_models(adapter: str) -> None:
    session = botocore.session.get_session()
    known = {name for service in OF_ADAPTER[adapter] for name in _members(session.get_service_model(service))}
    used = set(_literals(ast.parse((ADAPTERS / f"{adapter}.py").read_text(encoding="utf-8"))))
    assert used, "the adapter reads something"
    assert sorted(used - known - OF_BOTOCORE - OF_DOCUMENTATION) == []


def test_no_adapter_is_left_out() -> None:
    assert {path.stem for path in ADAPTERS.glob("*.py")} == set(OF_ADAPTER) | WITHOUT_SHAPES


def test_the_model_of_every_service_that_an_adapter_reads_is_shipped() -> None:
    assert {service for names in OF_ADAPTER.values() for service in names} <= build_layer.services().keys()


def _members(model: Any) -> Iterator[str]:
    """The members of every shape; of an error its code too."""
    for name in model.shape_names:
        shape = model.shape_for(name)
        yield from getattr(shape, "members", {})
        if shape.metadata.get("exception"):
            yield name
            yield str(shape.metadata.get("error", {}).get("code", name))


def _literals(tree: ast.AST) -> Iterator[str]:
    """Keys that are read by index or `get`, given by keyword, or written in a dictionary."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                found = [key]
            case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
                found = [key]
            case ast.Call(keywords=keywords):
                found = [keyword.arg for keyword in keywords if keyword.arg]
            case ast.Dict(keys=keys):
                found = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            case _:
                found = []
        yield from (key for key in found if _MEMBER.fullmatch(key))
