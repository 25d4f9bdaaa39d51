"""The stack: `template.yaml` through the SAM transform into moto's CloudFormation (local 1.3)."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.awslambda import models as lambda_models
from moto.awslambda.models import EventSourceMapping, LambdaFunction
from moto.awslambda.utils import get_backend
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends

from longshore_local.functions import DeployedFunction
from longshore_local.overriding import override
from longshore_local.stack_resources import UnsupportedResourceError

__all__ = ["Stack", "TemplateError", "UnsupportedResourceError", "deploy", "parameter_names", "transform"]

_ARTIFACT = "s3://longshore-local/artifact"  # functions run from the repository: nothing is ever fetched
_PATHS = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


class TemplateError(ValueError):
    """The template, or a parameter given for it, is wrong."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: what it put out, and what it made by logical id."""

    name: str
    stack_id: str
    template: Mapping[str, Any]
    outputs: Mapping[str, str]
    physical_ids: Mapping[str, str]
    functions: Mapping[str, DeployedFunction]
    mappings: tuple[EventSourceMapping, ...]


def transform(template: Path, region: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The CloudFormation template that SAM makes of a SAM template; raises TemplateError."""
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    logging.getLogger("samtranslator.metrics.metrics").disabled = True  # warns that no metrics are published
    document = _read(template)
    if document.get("Transform") is None:
        return document
    _rewrite_paths(document)
    session = boto3.Session("local", "local", region_name=region)
    translator = Translator(None, Parser(), boto_session=session)
    try:
        return dict(translator.translate(document, dict(parameters or {})))
    except InvalidDocumentException as error:
        raise TemplateError(f"{template.name}: {'; '.join(cause.message for cause in error.causes)}") from error


def parameter_names(template: Path) -> frozenset[str]:
    """The names of the template's parameters."""
    return frozenset(_read(template).get("Parameters", {}))


def _read(template: Path) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse

    return dict(json.loads(json.dumps(yaml_parse(template.read_text(encoding="utf-8")))))  # no shared YAML anchors


def deploy(
    template: Path, *, name: str, account: str, region: str, parameters: Mapping[str, str] | None = None
) -> Stack:
    """Creates the stack in moto; refuses a type or attribute that moto or the bundle would leave out."""
    given = dict(parameters or {})
    document = transform(template, region, given)
    _check_parameters(document.get("Parameters", {}), given)
    with _loud():
        made = cloudformation_backends[account][region].create_stack(
            name=name, template=json.dumps(document), parameters=given, notification_arns=[], tags={}
        )
    resources: dict[str, Any] = {
        key: made.resource_map[key] for key in document["Resources"] if made.resource_map[key] is not None
    }
    return Stack(
        name=name,
        stack_id=made.stack_id,
        template=document,
        outputs={output.key: str(output.value) for output in made.output_map.values() if output},
        physical_ids={key: getattr(item, "physical_resource_id", key) for key, item in resources.items()},
        functions={key: _function(key, item) for key, item in resources.items() if isinstance(item, LambdaFunction)},
        mappings=tuple(get_backend(account, region)._event_source_mappings.values()),
    )


def _function(logical_id: str, function: LambdaFunction) -> DeployedFunction:
    return DeployedFunction(
        name=logical_id,
        function_name=function.function_name,
        arn=":".join(function.function_arn.split(":")[:7]),
        handler=str(function.handler),
        environment=dict(function.environment_vars),
        timeout=int(function.timeout),
        memory=int(function.memory_size),
    )


def _rewrite_paths(document: dict[str, Any]) -> None:
    for kind, name in _PATHS.items():
        section = document.get("Globals", {}).get(kind.rpartition("::")[2], {})
        if name in section:
            section[name] = _ARTIFACT
        for resource in document["Resources"].values():
            if resource["Type"] == kind and (name in resource["Properties"] or name not in section):
                resource["Properties"][name] = _ARTIFACT


def _check_parameters(declared: Mapping[str, Any], given: Mapping[str, str]) -> None:
    for name, value in given.items():
        if name not in declared:
            raise TemplateError(f"the template has no parameter {name}, it has {', '.join(sorted(declared))}")
        allowed = [str(choice) for choice in declared[name].get("AllowedValues", [])]
        if allowed and value not in allowed:
            raise TemplateError(f"parameter {name} is {value!r}, allowed are {', '.join(allowed)}")


@contextmanager
def _loud() -> Iterator[None]:
    """What moto would skip with a warning becomes an UnsupportedResourceError."""
    create = parsing.parse_and_create_resource

    def create_supported(logical_id: str, resource: dict[str, Any], resources: Any, **where: Any) -> Any:
        condition, kind = resource.get("Condition"), resource["Type"]
        wanted = not condition or resources.lazy_condition_map[condition]
        if wanted and kind not in parsing.get_model_map() and not kind.startswith("Custom::"):
            raise UnsupportedResourceError(f"the local bundle cannot make {logical_id} ({kind})")
        return create(logical_id, resource, resources, **where)

    heard = _Listener()
    logger = logging.getLogger("moto")
    logger.addHandler(heard)
    try:
        with (
            override(parsing, "parse_and_create_resource", create_supported),
            override(lambda_models, "do_validate_s3", lambda: False),  # there is no artifact to find
        ):
            yield
    finally:
        logger.removeHandler(heard)
    if heard.messages:
        raise UnsupportedResourceError("; ".join(heard.messages))


class _Listener(logging.Handler):
    """Keeps what moto only logs, such as an attribute that it cannot resolve."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
