"""template.yaml as CloudFormation would create it: SAM's transform applied, conditions decided, intrinsics resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from longshore_local.stack import transform

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"

_ABSENT = object()  # AWS::NoValue
_VARIABLE = re.compile(r"\$\{([^!{}][^{}]*)\}")
_ESCAPED = re.compile(r"\$\{!([^{}]*)\}")

_ARNS = {
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{name}",
    "AWS::Scheduler::ScheduleGroup": "scheduler:{region}:{account}:schedule-group/{name}",
    "AWS::IAM::Role": "iam::{account}:role{path}{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::LayerVersion": "lambda:{region}:{account}:layer:{name}:1",
}
_REFERRED_BY_ARN = ("AWS::SNS::Topic", "AWS::Lambda::LayerVersion")
_LISTS = ("CommaDelimitedList",)


class UnresolvedError(AssertionError):
    """The template uses an intrinsic, a reference or an attribute that this resolver does not know."""


@cache
def _transformed(template: Path) -> Mapping[str, Any]:
    return transform(template, "eu-west-1")


@dataclass(frozen=True)
class Rendered:
    """The stack for some parameters. `names` are physical names by logical id; what is not named gets one."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    stack: str = "longshore"
    account: str = "123456789012"
    region: str = "eu-west-1"
    partition: str = "aws"
    unique: str = "3f8d9a40-c84e-11f1-a0b1-0a1b2c3d4e5f"  # as in events/cloudformation/
    template: Path = TEMPLATE

    @property
    def document(self) -> Mapping[str, Any]:
        """The transformed template, nothing resolved."""
        return _transformed(self.template)

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources that would exist, everything in them resolved."""
        found = {}
        for name, resource in self.document["Resources"].items():
            if "Condition" not in resource or self.holds(resource["Condition"]):
                found[name] = self.value({key: each for key, each in resource.items() if key != "Condition"})
        return found

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of each resource of a type, by logical id."""
        return {name: r.get("Properties", {}) for name, r in self.resources.items() if r["Type"] == kind}

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template holds."""
        return self._condition(self.document["Conditions"][condition])

    def arn(self, name: str) -> str:
        """The ARN of a resource."""
        resource = self.document["Resources"][name]
        shape = _ARNS.get(resource["Type"])
        if shape is None:
            raise UnresolvedError(f"{name}: the ARN of {resource['Type']} is not known here")
        path = self.value(resource["Properties"].get("Path", "/")) if resource["Type"] == "AWS::IAM::Role" else ""
        where = {"region": self.region, "account": self.account, "name": self._name(name), "path": path}
        return f"arn:{self.partition}:{shape.format(**where)}"

    def value(self, node: Any) -> Any:
        """`node` with every intrinsic resolved."""
        if isinstance(node, list):
            return [each for each in map(self.value, node) if each is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(function, argument)] = node.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._intrinsic(function, argument)
        resolved = {key: self.value(each) for key, each in node.items()}
        return {key: each for key, each in resolved.items() if each is not _ABSENT}

    def _intrinsic(self, function: str, argument: Any) -> Any:
        match function:
            case "Ref":
                return self._reference(argument)
            case "Fn::GetAtt":
                return self._attribute(*(argument.split(".", 1) if isinstance(argument, str) else argument))
            case "Fn::Sub":
                return self._substituted(argument)
            case "Fn::If":
                return self.value(argument[1 if self.holds(argument[0]) else 2])
            case "Fn::Join":
                assert isinstance(argument[0], str), "CloudFormation takes no function for a delimiter"
                return argument[0].join(map(str, self.value(argument[1])))
            case "Fn::Split":
                assert isinstance(argument[0], str), "CloudFormation takes no function for a delimiter"
                return str(self.value(argument[1])).split(argument[0])
            case "Fn::Select":
                return self.value(argument[1])[int(argument[0])]
            case _:
                raise UnresolvedError(f"the intrinsic {function} is not known here")

    def _substituted(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})

        def found(match: re.Match[str]) -> str:
            name = match[1]
            if name in given:
                return str(self.value(given[name]))
            return str(self._attribute(*name.split(".", 1)) if "." in name else self._reference(name))

        return _ESCAPED.sub(r"${\1}", _VARIABLE.sub(found, text))

    def _reference(self, name: str) -> Any:
        pseudo = {
            "AWS::NoValue": _ABSENT,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::StackName": self.stack,
            "AWS::StackId": (
                f"arn:{self.partition}:cloudformation:{self.region}:{self.account}:stack/{self.stack}/{self.unique}"
            ),
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.document["Parameters"]:
            return self._parameter(name)
        resource = self.document["Resources"].get(name)
        if resource is None:
            raise UnresolvedError(f"Ref {name} names nothing")
        if resource["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self._name(name)}"
        return self.arn(name) if resource["Type"] in _REFERRED_BY_ARN else self._name(name)

    def _parameter(self, name: str) -> Any:
        declared = self.document["Parameters"][name]
        given = str(self.parameters.get(name, declared.get("Default", "")))
        if declared["Type"] in _LISTS:
            return [each.strip() for each in given.split(",")]
        return int(given) if declared["Type"] == "Number" else given

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute.endswith("Arn"):
            return self.arn(name)
        if attribute.endswith("Name"):
            return self._name(name)
        raise UnresolvedError(f"the attribute {name}.{attribute} is not known here")

    def _name(self, name: str) -> str:
        properties = self.document["Resources"][name].get("Properties", {})
        given = properties.get("Name") or properties.get("RoleName") or f"{self.stack}-{name}"
        named = self.value(given)
        return self.names.get(name, str(named))

    def _condition(self, node: Any) -> bool:
        [(function, argument)] = node.items()
        match function:
            case "Condition":
                return self.holds(argument)
            case "Fn::Equals":
                left, right = map(self.value, argument)
                return bool(left == right)
            case "Fn::Not":
                return not self._condition(argument[0])
            case "Fn::And":
                return all(map(self._condition, argument))
            case "Fn::Or":
                return any(map(self._condition, argument))
            case _:
                raise UnresolvedError(f"the condition {function} is not known here")
