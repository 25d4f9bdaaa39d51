"""App Runner as a service of moto's, which has none: its API over the bundle's services, and their tags."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from moto import backend_index
from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.resource_tagging import TaggedResource, make_tag_matcher, match_resource_type
from moto.core.responses import ActionResult, BaseResponse
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend

from longshore_local.app_runner import PAUSED, RUNNING, AppRunner, AppRunnerError, Operation, Resolver, Service
from longshore_local.ecs.events import Event
from longshore_local.ecs.images import image_place
from longshore_local.ecs.patches import Patches
from longshore_local.timeline import Timeline

_SERVICE = "apprunner"
_URLS = r"https?://apprunner\.(.+)\.amazonaws\.com"
_NAMES = (f"moto.{_SERVICE}", f"moto.{_SERVICE}.models", f"moto.{_SERVICE}.urls")
_PAGE = 20
_CONFIGURATION = (
    "SourceConfiguration",
    "InstanceConfiguration",
    "HealthCheckConfiguration",
    "NetworkConfiguration",
    "ObservabilityConfiguration",
)
_INSTANCE = {"Cpu": "1024", "Memory": "2048"}

Request = dict[str, Any]
Answer = dict[str, Any]


class AppRunnerSimulator(AppRunner):
    """The services, in moto until `close`."""

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], resolve: Resolver) -> None:
        super().__init__(timeline, emit, resolve)
        self._patches = Patches()
        self._pattern = (_SERVICE, re.compile(_URLS))

    def observe(self, event: Event) -> None:
        """What ECR announces: a pushed tag is deployed by those who follow it by themselves."""
        detail = event["detail"]
        if event["detail-type"] == "ECR Image Action" and detail.get("action-type") == "PUSH" and "image-tag" in detail:
            self.pushed(event["account"], event["region"], detail["repository-name"], detail["image-tag"])

    def plug_in(self) -> None:
        """Adds the service to moto's index, and its resources to the tagging API."""
        sys.modules.update(_modules(self))
        backend_index.backend_url_patterns.append(self._pattern)
        listed = ResourceGroupsTaggingAPIBackend._get_resources_generator

        def resources(backend: ResourceGroupsTaggingAPIBackend, *positional: Any, **named: Any) -> Any:
            yield from listed(backend, *positional, **named)
            yield from self._tagged(backend.account_id, backend.region_name, *positional, **named)

        self._patches.put(ResourceGroupsTaggingAPIBackend, "_get_resources_generator", resources)

    def close(self) -> None:
        """Takes the service out of moto."""
        self._patches.undo()
        if self._pattern in backend_index.backend_url_patterns:
            backend_index.backend_url_patterns.remove(self._pattern)
        for name in _NAMES:
            sys.modules.pop(name, None)

    def answer(self, account: str, region: str, operation: str, request: Request) -> Answer:
        """What the API answers. Raises AppRunnerError."""
        return _OPERATIONS[operation](self, account, region, request)

    def of(self, arn: str) -> Service:
        """A service by its ARN; of a deleted one nothing is left."""
        service = self.services.get(arn)
        if service is None or service.status == "DELETED":
            raise AppRunnerError("ResourceNotFoundException", f"Service cannot be found for ARN: {arn}")
        return service

    def _tagged(
        self,
        account: str,
        region: str,
        tag_filters: list[dict[str, Any]] | None = None,
        resource_type_filters: list[str] | None = None,
        resource_arn_list: list[str] | None = None,
    ) -> Iterator[TaggedResource]:
        matches = make_tag_matcher(tag_filters)
        for service in list(self.services.values()):
            here = (service.account, service.region) == (account, region) and service.status != "DELETED"
            wanted = not resource_arn_list or service.arn in resource_arn_list
            typed = match_resource_type("apprunner:service", resource_type_filters)
            if here and wanted and typed and service.tags and matches(service.tags):
                yield TaggedResource(service.arn, service.tags, "apprunner:service")


def _create_service(simulator: AppRunnerSimulator, account: str, region: str, request: Request) -> Answer:
    source = _checked(request["SourceConfiguration"], account)
    configuration = {name: request[name] for name in _CONFIGURATION if name in request}
    configuration["SourceConfiguration"] = source
    configuration["InstanceConfiguration"] = {**_INSTANCE, **request.get("InstanceConfiguration", {})}
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
    service = Service(account, region, request["ServiceName"], simulator.now(), configuration, tags)
    named = (each.name for each in simulator.services.values() if each.status != "DELETED")
    if service.name in named:
        raise _invalid(f"Service with the provided name already exists: {service.name}")
    return _began(service, simulator.create(service))


def _describe_service(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
    return {"Service": _view(simulator.of(request["ServiceArn"]))}


def _list_services(simulator: AppRunnerSimulator, account: str, region: str, _request: Request) -> Answer:
    here = [s for s in simulator.services.values() if (s.account, s.region) == (account, region)]
    members = ("ServiceName", "ServiceId", "ServiceArn", "CreatedAt", "UpdatedAt", "Status")
    return {"ServiceSummaryList": [{name: _view(each)[name] for name in members} for each in here]}


def _update_service(simulator: AppRunnerSimulator, account: str, _region: str, request: Request) -> Answer:
    service = _in_state(simulator.of(request["ServiceArn"]), RUNNING, "InvalidStateException")
    given = {name: request[name] for name in _CONFIGURATION if name in request}
    if "SourceConfiguration" in given:
        given["SourceConfiguration"] = source = _checked(given["SourceConfiguration"], account)
        if ("ImageRepository" in source) != bool(service.image):
            raise _invalid("The source of a service cannot change between an image and code.")
    return _began(service, simulator.deploy(service, "UPDATE_SERVICE", {**service.configuration, **given}))


def _start_deployment(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
    service = _in_state(simulator.of(request["ServiceArn"]), RUNNING, "InvalidRequestException")
    return {"OperationId": simulator.deploy(service, "START_DEPLOYMENT").id}


def _turn(type: str, before: tuple[str, ...], after: str) -> Callable[..., Answer]:
    def operation(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
        service = simulator.of(request["ServiceArn"])
        if service.status not in before:
            raise AppRunnerError("InvalidStateException", f"The service is in the state {service.status}.")
        return _began(service, simulator.turn(service, type, after))

    return operation


def _list_operations(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
    service = simulator.of(request["ServiceArn"])
    start, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or _PAGE)
    page = service.operations[start : start + size]
    more = {"NextToken": str(start + size)} if start + size < len(service.operations) else {}
    return {"OperationSummaryList": [_operation_view(service, each) for each in page], **more}


def _tag_resource(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
    service = simulator.of(request["ResourceArn"])
    before = dict(service.tags)
    service.tags.update({tag["Key"]: tag["Value"] for tag in request["Tags"]})
    simulator.tell_tags(service, before)
    return {}


def _untag_resource(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
    service = simulator.of(request["ResourceArn"])
    before = dict(service.tags)
    for key in request["TagKeys"]:
        service.tags.pop(key, None)
    simulator.tell_tags(service, before)
    return {}


def _list_tags(simulator: AppRunnerSimulator, _account: str, _region: str, request: Request) -> Answer:
    tags = simulator.of(request["ResourceArn"]).tags
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


_OPERATIONS: dict[str, Callable[..., Answer]] = {
    "create_service": _create_service,
    "describe_service": _describe_service,
    "list_services": _list_services,
    "update_service": _update_service,
    "start_deployment": _start_deployment,
    "pause_service": _turn("PAUSE_SERVICE", (RUNNING,), PAUSED),
    "resume_service": _turn("RESUME_SERVICE", (PAUSED,), RUNNING),
    "delete_service": _turn("DELETE_SERVICE", (RUNNING, PAUSED, "CREATE_FAILED"), "DELETED"),
    "list_operations": _list_operations,
    "tag_resource": _tag_resource,
    "untag_resource": _untag_resource,
    "list_tags_for_resource": _list_tags,
}


def _invalid(text: str) -> AppRunnerError:
    return AppRunnerError("InvalidRequestException", text)


def _in_state(service: Service, wanted: str, code: str) -> Service:
    if service.status != wanted:
        raise AppRunnerError(code, f"The service is in the state {service.status}; it must be {wanted}.")
    return service


def _checked(source: Request, account: str) -> Request:
    """The source with its default: automatic deployments, wherever they are possible (API reference)."""
    if ("ImageRepository" in source) == ("CodeRepository" in source):
        raise _invalid("Provide either ImageRepository or CodeRepository.")
    if "CodeRepository" in source:
        return {"AutoDeploymentsEnabled": True, **source}
    repository = source["ImageRepository"]
    place = image_place(repository["ImageIdentifier"])
    if (place is None) != (repository["ImageRepositoryType"] == "ECR_PUBLIC"):
        raise _invalid("ImageIdentifier does not fit ImageRepositoryType.")
    if place and "AccessRoleArn" not in source.get("AuthenticationConfiguration", {}):
        raise _invalid("Authentication configuration is invalid.")
    possible = place is not None and place.account == account
    checked = {"AutoDeploymentsEnabled": possible, **source}
    if checked["AutoDeploymentsEnabled"] and not possible:
        raise _invalid("AutoDeploymentsEnabled must be false for this repository.")
    return checked


def _began(service: Service, operation: Operation) -> Answer:
    return {"Service": _view(service), "OperationId": operation.id}


def _view(service: Service) -> Answer:
    scaling = {
        "AutoScalingConfigurationArn": f"arn:aws:apprunner:{service.region}:{service.account}:"
        "autoscalingconfiguration/DefaultConfiguration/1/00000000000000000000000000000001",
        "AutoScalingConfigurationName": "DefaultConfiguration",
        "AutoScalingConfigurationRevision": 1,
    }
    return {
        "ServiceName": service.name,
        "ServiceId": service.id,
        "ServiceArn": service.arn,
        "ServiceUrl": f"{service.id[:10]}.{service.region}.awsapprunner.com",
        "CreatedAt": service.created,
        "UpdatedAt": service.updated or service.created,
        "Status": service.status,
        "AutoScalingConfigurationSummary": scaling,
        "NetworkConfiguration": {"EgressConfiguration": {"EgressType": "DEFAULT"}},
        **service.configuration,
    }


def _operation_view(service: Service, operation: Operation) -> Answer:
    moments = {"StartedAt": operation.started, "UpdatedAt": operation.ended or operation.started}
    return {
        "Id": operation.id,
        "Type": operation.type,
        "Status": operation.status,
        "TargetArn": service.arn,
        **moments,
        **({"EndedAt": operation.ended} if operation.ended else {}),
    }


def _modules(simulator: AppRunnerSimulator) -> dict[str, ModuleType]:
    """A service of moto's is a package with backends and URLs; these are made for one simulator."""
    package, models, urls = (ModuleType(name) for name in _NAMES)
    backend = type("AppRunnerBackend", (BaseBackend,), {"__module__": models.__name__})
    backends: BackendDict[BaseBackend] = BackendDict(backend, _SERVICE)
    vars(package).update({"models": models, "urls": urls, f"{_SERVICE}_backends": backends})
    vars(models).update({"AppRunnerBackend": backend, f"{_SERVICE}_backends": backends})
    vars(urls).update({"url_bases": [_URLS], "url_paths": {"{0}/$": _responses(simulator).dispatch}})
    return dict(zip(_NAMES, (package, models, urls), strict=True))


def _responses(simulator: AppRunnerSimulator) -> Any:
    def responder(operation: str) -> Callable[[BaseResponse], ActionResult]:
        def respond(response: BaseResponse) -> ActionResult:
            request = json.loads(response.body or "{}")
            return ActionResult(simulator.answer(response.current_account, response.region, operation, request))

        return respond

    def begin(response: BaseResponse) -> None:
        BaseResponse.__init__(response, service_name=_SERVICE)

    members: dict[str, Any] = {name: responder(name) for name in _OPERATIONS}
    return type("AppRunnerResponse", (BaseResponse,), {**members, "__init__": begin, "__module__": _NAMES[0]})


def install(timeline: Timeline, emit: Callable[[Event], None], resolve: Resolver) -> AppRunnerSimulator:
    """Adds App Runner to moto, for this process, until the simulator is closed."""
    simulator = AppRunnerSimulator(timeline, emit, resolve)
    simulator.plug_in()
    return simulator
