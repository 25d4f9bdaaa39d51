"""Checks for services that AWS has ended, still in use, and what to move to (design 13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import EndpointConnectionError

from longshore.aws.errors import aws_errors
from longshore.owners import OwnerKind, recognise
from longshore_cli.checks.findings import Found, NothingToLookAtError, Unseen

if TYPE_CHECKING:
    from longshore_cli.checks.sight import Sight

_ENVOY: Final = "aws-appmesh-envoy"
_SERVICE_CONNECT: Final = (
    "move to ECS Service Connect: give the service a serviceConnectConfiguration, and its next task definition neither "
    "proxyConfiguration nor Envoy"
)
_TO_EXPRESS: Final = "move to ECS Express Mode: aws ecs create-express-gateway-service"
_OWNED: Final = {
    OwnerKind.COPILOT: (
        "is kept by Copilot, whose support ended on 2026-06-12; Longshore follows its image",
        "keep its CloudFormation template in AWS CDK or SAM, or move to ECS Express Mode",
    ),
    OwnerKind.PROTON: (
        "was provisioned by Proton, which ended on 2026-10-07; its CloudFormation stack remains",
        "keep its CloudFormation template yourself, in AWS CDK or SAM",
    ),
}


def app_mesh(sight: Sight) -> Iterator[Found | Unseen]:
    """App Mesh's proxies in what runs."""
    yield from sight.unlisted
    for service in sight.services:
        definition = sight.definition(service)
        proxied = definition.get("proxyConfiguration", {}).get("type", "APPMESH") == "APPMESH"
        proxied = proxied and "proxyConfiguration" in definition
        envoys = [c["name"] for c in definition.get("containerDefinitions", []) if _ENVOY in c.get("image", "")]
        if proxied or envoys:
            by = "an App Mesh proxyConfiguration" if proxied else f"Envoy in the container {envoys[0]}"
            yield Found(
                service["serviceArn"],
                f"has {by}; App Mesh ended on 2026-09-30, and its proxies get no configuration any more",
                _SERVICE_CONNECT,
            )


def app_runner(sight: Sight) -> Iterator[Found | Unseen]:
    """App Runner's services."""
    if sight.account.partition != "aws":
        raise NothingToLookAtError("App Runner is in the partition aws alone")
    try:
        yield from _running(sight.client("apprunner"))
    except EndpointConnectionError as error:
        raise NothingToLookAtError("App Runner is not in this Region") from error


def _running(runner: Any) -> Iterator[Found]:
    token: dict[str, str] = {}
    while True:
        answer = runner.list_services(**token)
        for each in answer["ServiceSummaryList"]:
            text = "App Runner takes no new customers since 2026-04-30 and gets no new features"
            yield Found(each["ServiceArn"], text, _TO_EXPRESS)
        if not answer.get("NextToken"):
            return
        token = {"NextToken": answer["NextToken"]}


def _marked(sight: Sight, kind: OwnerKind) -> Iterator[Found]:
    text, fix = _OWNED[kind]
    told = set()
    for service in sight.services:
        owner = recognise(_tags(service))
        if owner and owner.kind is kind:
            told.add(service["serviceArn"])
            yield Found(service["serviceArn"], f"{text}{f' ({owner.name})' if owner.name else ''}", fix)
    for each in sight.observations:
        owner = recognise(each.workload.tags)
        if owner and owner.kind is kind and each.workload.arn not in told:
            yield Found(each.workload.arn, f"{text}{f' ({owner.name})' if owner.name else ''}", fix)


def copilot(sight: Sight) -> Iterator[Found | Unseen]:
    """What Copilot made."""
    yield from sight.unseen
    yield from _marked(sight, OwnerKind.COPILOT)


def proton(sight: Sight) -> Iterator[Found | Unseen]:
    """What Proton made."""
    yield from sight.unseen
    yield from _marked(sight, OwnerKind.PROTON)


def code_deploy(sight: Sight) -> Iterator[Found | Unseen]:
    """Blue/green by CodeDeploy, which ECS does itself now."""
    yield from sight.unlisted
    for service in sight.services:
        if service.get("deploymentController", {}).get("type") == "CODE_DEPLOY":
            yield Found(
                service["serviceArn"],
                "is rolled out by CodeDeploy; ECS does blue/green, linear and canary itself",
                "aws ecs update-service --deployment-controller type=ECS --deployment-configuration "
                "strategy=BLUE_GREEN,... with the load balancer's two target groups in advancedConfiguration",
            )


def clair(sight: Sight) -> Iterator[Found | Unseen]:
    """Basic scanning by Clair."""
    with aws_errors():
        answer = sight.client("ecr").get_account_setting(name="BASIC_SCAN_TYPE_VERSION")
    if answer.get("value") == "CLAIR":
        yield Found(
            "BASIC_SCAN_TYPE_VERSION",
            "basic scanning is set to CLAIR, which ended on 2026-02-02: images are not scanned by it any more",
            "aws ecr put-account-setting --name BASIC_SCAN_TYPE_VERSION --value AWS_NATIVE",
        )


def _tags(service: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["key"]): str(tag.get("value", "")) for tag in service.get("tags", [])}
