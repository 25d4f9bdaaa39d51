"""From an AWS call to the IAM requests that AWS makes of it: the service authorization reference, for what we call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.template.express_daemon_requests import EXPRESS_AND_DAEMONS
from tests.template.iam import Request
from tests.template.scheduled_requests import SCHEDULED
from tests.template.task_requests import CALLS

if TYPE_CHECKING:
    from longshore_local.recorder import Call

Tags = Mapping[str, Mapping[str, str]]
"""The tags of each service, task definition and container instance, by its ARN."""

_SUFFIXED = re.compile(r"-[A-Za-z0-9]{6}$")
_PART = re.compile(r"(?P<prefix>arn:.*):service-(?:deployment|revision)/(?P<path>[^/]+/[^/]+)/[^/]+")


class UnmappedCallError(AssertionError):
    """A function calls an operation of which it is not written here what IAM asks for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call was made, and what was tagged there."""

    account: str
    region: str
    tags: Tags
    roles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The roles of each task definition, by its ARN and by the member that names them."""
    partition: str = "aws"

    def arn(self, service: str, path: str, *, account: str = "", region: str = "") -> str:
        """An ARN of this account and Region."""
        return f"arn:{self.partition}:{service}:{region or self.region}:{account or self.account}:{path}"

    def tagged(self, arn: str) -> dict[str, str]:
        """The condition keys that the tags of a resource amount to."""
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags.get(arn, {}).items()}


def requests(call: Call, place: Place) -> list[Request]:
    """Every IAM request of one call: its own, of what it tags while creating, and of the roles that it passes."""
    mapped = _CALLS.get((call.service, call.operation))
    if mapped is None:
        raise UnmappedCallError(f"{call.function} calls {call.service}:{call.operation}: say here what IAM asks for it")
    return list(mapped(call.params, place))


Requests = Iterator[Request]


def _item(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        yield Request(f"dynamodb:{action}", place.arn("dynamodb", f"table/{params['TableName']}"))

    return of


def _transaction(params: Mapping[str, Any], place: Place) -> Requests:
    actions = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}
    for write in params["TransactItems"]:
        [(kind, given)] = write.items()
        yield Request(f"dynamodb:{actions[kind]}", place.arn("dynamodb", f"table/{given['TableName']}"))


def _message(params: Mapping[str, Any], place: Place) -> Requests:
    _, account, queue = params["QueueUrl"].rsplit("/", 2)
    yield Request("sqs:SendMessage", place.arn("sqs", queue, account=account))


def _topic(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(params: Mapping[str, Any], _place: Place) -> Requests:
        yield Request(f"sns:{action}", params["TopicArn"])

    return of


def _secret(params: Mapping[str, Any], _place: Place) -> Requests:
    """IAM sees the whole ARN: Secrets Manager ends it with six characters of its own, which a caller may leave out."""
    arn = params["SecretId"]
    yield Request("secretsmanager:GetSecretValue", arn if _SUFFIXED.search(arn) else f"{arn}-Ab12Cd")


def _parameter(params: Mapping[str, Any], place: Place) -> Requests:
    name = params["Name"]
    arn = name if name.startswith("arn:") else place.arn("ssm", f"parameter/{name.removeprefix('/')}")
    yield Request("ssm:GetParameter", arn)


def _published(params: Mapping[str, Any], place: Place) -> Requests:
    yield Request("ssm:PutParameter", place.arn("ssm", f"parameter/{params['Name'].removeprefix('/')}"))


def _stack(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    """A stack that is named; a role that it has already is not passed again (CloudFormation user guide, service role)."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        assert "RoleARN" not in params, "say here that the role is passed"
        yield Request(f"cloudformation:{action}", place.arn("cloudformation", f"stack/{params['StackName']}/0c0f"))

    return of


def _schedule(params: Mapping[str, Any], place: Place) -> Requests:
    path = f"schedule/{params['GroupName']}/{params['Name']}"
    yield Request("scheduler:CreateSchedule", place.arn("scheduler", path))
    yield _passed(params["Target"]["RoleArn"], "scheduler.amazonaws.com")


def _passed(role: str, service: str) -> Request:
    return Request("iam:PassRole", role, {"iam:PassedToService": service})


def _entries(params: Mapping[str, Any], place: Place) -> Requests:
    for bus in {entry["EventBusName"] for entry in params["Entries"]}:
        yield Request("events:PutEvents", bus if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}"))


def _repository(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        account = params.get("registryId", "")
        yield Request(f"ecr:{action}", place.arn("ecr", f"repository/{params['repositoryName']}", account=account))

    return of


def _gallery(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    """Repositories of ECR Public: their ARNs have no Region."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        account = params.get("registryId") or place.account
        resource = f"arn:aws:ecr-public::{account}:repository/{params['repositoryName']}"
        yield Request(f"ecr-public:{action}", resource)

    return of


def _made_public(params: Mapping[str, Any], place: Place) -> Requests:
    yield from _gallery("CreateRepository")(params, place)
    if params.get("tags"):
        yield from _gallery("TagResource")(params, place)


def _registries(_params: Mapping[str, Any], place: Place) -> Requests:
    yield Request("ecr-public:DescribeRegistries", f"arn:aws:ecr-public::{place.account}:registry/{place.account}")


def _public_login(_params: Mapping[str, Any], _place: Place) -> Requests:
    """ECR Public asks for both (ECR Public user guide, registry authentication)."""
    yield Request("ecr-public:GetAuthorizationToken", "*")
    yield Request("sts:GetServiceBearerToken", "*")


def _created(params: Mapping[str, Any], place: Place) -> Requests:
    yield from _repository("CreateRepository")(params, place)
    if params.get("tags"):
        yield from _repository("TagResource")(params, place)


def _anything(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(_params: Mapping[str, Any], _place: Place) -> Requests:
        yield Request(action, "*")

    return of


def _service(action: str, *names: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        for name in names:
            for each in params[name] if isinstance(params[name], list) else [params[name]]:
                arn = each if each.startswith("arn:") else place.arn("ecs", f"service/{params['cluster']}/{each}")
                yield Request(f"ecs:{action}", arn, place.tagged(arn))

    return of


def _part(action: str, name: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    """Of a deployment or revision: on itself and on its service, whose tags count for both."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        for arn in params[name] if isinstance(params[name], list) else [params[name]]:
            found = _PART.fullmatch(arn)
            assert found, arn
            owner = f"{found['prefix']}:service/{found['path']}"
            yield Request(f"ecs:{action}", arn, place.tagged(owner))
            yield Request(f"ecs:{action}", owner, place.tagged(owner))

    return of


def _definition(params: Mapping[str, Any], place: Place) -> Requests:
    arn = place.arn("ecs", f"task-definition/{params['family']}:*")
    yield Request("ecs:RegisterTaskDefinition", arn)
    if params.get("tags"):
        yield Request("ecs:TagResource", arn, {"ecs:CreateAction": "RegisterTaskDefinition"})
    for role in ("taskRoleArn", "executionRoleArn"):
        if params.get(role):
            yield _passed(params[role], "ecs-tasks.amazonaws.com")


def _function(action: str, *further: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    def of(params: Mapping[str, Any], place: Place) -> Requests:
        arn = place.arn("lambda", f"function:{params['FunctionName']}")
        for each in (action, *further):
            yield Request(f"lambda:{each}", arn, place.tagged(arn))

    return of


def _cluster(params: Mapping[str, Any], place: Place) -> Requests:
    arn = place.arn("eks", f"cluster/{params['name']}")
    yield Request("eks:DescribeCluster", arn, place.tagged(arn))


def _function_tagged(params: Mapping[str, Any], place: Place) -> Requests:
    (key,) = params["Tags"]  # the evaluator compares one value
    yield Request("lambda:TagResource", params["Resource"], {**place.tagged(params["Resource"]), "aws:TagKeys": key})


def _application(action: str, name: str = "ServiceArn") -> Callable[[Mapping[str, Any], Place], Requests]:
    """Of an App Runner service; who updates its source passes the role that pulls the image."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        arn = params[name]
        tag = next(iter(params.get("Tags", [])), None)  # the evaluator compares one value
        keys = {"aws:TagKeys": str(tag["Key"])} if tag else {}
        yield Request(f"apprunner:{action}", arn, {**place.tagged(arn), **keys})
        role = params.get("SourceConfiguration", {}).get("AuthenticationConfiguration", {}).get("AccessRoleArn")
        if role:
            yield _passed(role, "build.apprunner.amazonaws.com")

    return of


def _code_deploy(action: str, kind: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    """Applications and deployment groups, both by the application's name."""

    def of(params: Mapping[str, Any], place: Place) -> Requests:
        group = f"/{params['deploymentGroupName']}" if kind == "deploymentgroup" else ""
        yield Request(f"codedeploy:{action}", place.arn("codedeploy", f"{kind}:{params['applicationName']}{group}"))

    return of


def _groups(params: Mapping[str, Any], place: Place) -> Requests:
    for name in params["deploymentGroupNames"]:
        arn = place.arn("codedeploy", f"deploymentgroup:{params['applicationName']}/{name}")
        yield Request("codedeploy:BatchGetDeploymentGroups", arn)


def _of_some_group(action: str) -> Callable[[Mapping[str, Any], Place], Requests]:
    """Of a deployment, whose id does not tell its group."""

    def of(_params: Mapping[str, Any], place: Place) -> Requests:
        yield Request(f"codedeploy:{action}", place.arn("codedeploy", "deploymentgroup:any/any"))

    return of


def _deployment_created(params: Mapping[str, Any], place: Place) -> Requests:
    """CodeDeploy asks for the revision and the configuration besides (its user guide, permissions reference)."""
    yield from _code_deploy("CreateDeployment", "deploymentgroup")(params, place)
    yield from _code_deploy("RegisterApplicationRevision", "application")(params, place)
    yield from _code_deploy("GetApplicationRevision", "application")(params, place)
    yield Request("codedeploy:GetDeploymentConfig", place.arn("codedeploy", "deploymentconfig:any"))


_CALLS: Mapping[tuple[str, str], Callable[[Mapping[str, Any], Place], Requests]] = {
    **CALLS,
    **EXPRESS_AND_DAEMONS,
    **SCHEDULED,
    ("dynamodb", "GetItem"): _item("GetItem"),
    ("dynamodb", "PutItem"): _item("PutItem"),
    ("dynamodb", "UpdateItem"): _item("UpdateItem"),
    ("dynamodb", "DeleteItem"): _item("DeleteItem"),
    ("dynamodb", "Query"): _item("Query"),
    ("dynamodb", "TransactWriteItems"): _transaction,
    ("sqs", "SendMessage"): _message,
    ("sns", "Publish"): _topic("Publish"),
    ("sns", "GetTopicAttributes"): _topic("GetTopicAttributes"),
    ("secretsmanager", "GetSecretValue"): _secret,
    ("ssm", "GetParameter"): _parameter,
    ("ssm", "PutParameter"): _published,
    ("cloudformation", "DescribeStacks"): _stack("DescribeStacks"),
    ("cloudformation", "UpdateStack"): _stack("UpdateStack"),
    ("scheduler", "CreateSchedule"): _schedule,
    ("events", "PutEvents"): _entries,
    ("ecr", "BatchGetImage"): _repository("BatchGetImage"),
    ("ecr", "DescribeImages"): _repository("DescribeImages"),
    ("ecr", "DescribeImageScanFindings"): _repository("DescribeImageScanFindings"),
    ("ecr", "ListImageReferrers"): _repository("BatchGetImage"),  # which is what IAM asks for it (API reference)
    ("ecr", "GetDownloadUrlForLayer"): _repository("GetDownloadUrlForLayer"),
    ("inspector2", "ListFindings"): _anything("inspector2:ListFindings"),
    ("inspector2", "BatchGetFindingDetails"): _anything("inspector2:BatchGetFindingDetails"),
    ("inspector2", "ListCoverage"): _anything("inspector2:ListCoverage"),
    ("inspector2", "GetClustersForImage"): _anything("inspector2:GetClustersForImage"),
    ("ecr", "BatchCheckLayerAvailability"): _repository("BatchCheckLayerAvailability"),
    ("ecr", "BatchDeleteImage"): _repository("BatchDeleteImage"),
    ("ecr", "CreateRepository"): _created,
    ("ecr", "PutLifecyclePolicy"): _repository("PutLifecyclePolicy"),
    ("ecr", "GetAuthorizationToken"): _anything("ecr:GetAuthorizationToken"),
    ("ecr-public", "GetAuthorizationToken"): _public_login,
    ("ecr-public", "DescribeRegistries"): _registries,
    ("ecr-public", "CreateRepository"): _made_public,
    **{
        ("ecr-public", action): _gallery(action)
        for action in (
            "DescribeImages",
            "BatchDeleteImage",
            "BatchCheckLayerAvailability",
            "GetRepositoryCatalogData",
            "PutRepositoryCatalogData",
        )
    },
    ("resourcegroupstaggingapi", "GetResources"): _anything("tag:GetResources"),
    ("ecs", "DescribeTaskDefinition"): _anything("ecs:DescribeTaskDefinition"),
    ("ecs", "DescribeServices"): _service("DescribeServices", "services"),
    ("ecs", "ListServiceDeployments"): _service("ListServiceDeployments", "service"),
    ("ecs", "UpdateService"): _service("UpdateService", "service"),
    ("ecs", "DescribeServiceRevisions"): _part("DescribeServiceRevisions", "serviceRevisionArns"),
    ("ecs", "DescribeServiceDeployments"): _part("DescribeServiceDeployments", "serviceDeploymentArns"),
    ("ecs", "StopServiceDeployment"): _part("StopServiceDeployment", "serviceDeploymentArn"),
    ("ecs", "RegisterTaskDefinition"): _definition,
    ("lambda", "GetFunction"): _function("GetFunction", "ListTags"),  # without which it answers no tags
    ("lambda", "GetAlias"): _function("GetAlias"),
    ("eks", "DescribeCluster"): _cluster,
    ("lambda", "ListVersionsByFunction"): _function("ListVersionsByFunction"),
    ("lambda", "UpdateFunctionCode"): _function("UpdateFunctionCode"),
    ("lambda", "UpdateAlias"): _function("UpdateAlias"),
    ("lambda", "TagResource"): _function_tagged,
    ("codedeploy", "ListApplications"): _anything("codedeploy:ListApplications"),
    ("codedeploy", "ListDeploymentGroups"): _code_deploy("ListDeploymentGroups", "application"),
    ("codedeploy", "GetApplicationRevision"): _code_deploy("GetApplicationRevision", "application"),
    ("codedeploy", "BatchGetDeploymentGroups"): _groups,
    ("codedeploy", "ListDeployments"): _code_deploy("ListDeployments", "deploymentgroup"),
    ("codedeploy", "GetDeployment"): _of_some_group("GetDeployment"),
    ("codedeploy", "BatchGetDeployments"): _of_some_group("BatchGetDeployments"),
    ("codedeploy", "CreateDeployment"): _deployment_created,
    ("codedeploy", "StopDeployment"): _anything("codedeploy:StopDeployment"),
    ("codedeploy", "ContinueDeployment"): _anything("codedeploy:ContinueDeployment"),
    ("apprunner", "DescribeService"): _application("DescribeService"),
    ("apprunner", "ListOperations"): _application("ListOperations"),
    ("apprunner", "StartDeployment"): _application("StartDeployment"),
    ("apprunner", "UpdateService"): _application("UpdateService"),
    ("apprunner", "ListTagsForResource"): _application("ListTagsForResource", "ResourceArn"),
    ("apprunner", "TagResource"): _application("TagResource", "ResourceArn"),
}
