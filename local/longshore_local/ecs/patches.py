"""How the simulator takes the place of moto's operations, and gives it back."""

import inspect
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ecs.models import EC2ContainerServiceBackend, TaskDefinition, ecs_backends
from moto.ecs.models import Service as MotoService
from moto.ecs.responses import EC2ContainerServiceResponse

from longshore_local.ecs import errors, task_definitions
from longshore_local.ecs.calls import Call
from longshore_local.ecs.cloudformation import StackResources
from longshore_local.ecs.engine import Engine
from longshore_local.ecs.tags import Tags
from longshore_local.ecs.task_actions import TaskActions

_ABSENT = object()
_INTERNAL = frozenset({"build", "revise", "launch", "answer"})
_RUN_TASK = {
    "cluster_str": "cluster",
    "task_definition_str": "taskDefinition",
    "count": "count",
    "overrides": "overrides",
    "started_by": "startedBy",
    "tags": "tags",
    "launch_type": "launchType",
    "networking_configuration": "networkConfiguration",
    "group": "group",
    "platform_version": "platformVersion",
    "capacity_provider_strategy": "capacityProviderStrategy",
}


class Patches:
    """Attributes of moto's classes that were replaced."""

    def __init__(self) -> None:
        self._replaced: list[tuple[type, str, Any]] = []

    def put(self, owner: type, name: str, replacement: object) -> None:
        """Replaces `owner.name`."""
        self._replaced.append((owner, name, owner.__dict__.get(name, _ABSENT)))
        setattr(owner, name, replacement)

    def undo(self) -> None:
        """Puts everything back, last first."""
        while self._replaced:
            owner, name, original = self._replaced.pop()
            if original is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, original)


def patch_responses(patches: Patches, engine: Engine, groups: list[Any]) -> None:
    """Every public method of the groups answers the operation of its name."""
    for group in groups:
        for name, method in inspect.getmembers(group, inspect.ismethod):
            if not name.startswith("_") and name not in _INTERNAL:
                patches.put(EC2ContainerServiceResponse, name, _operation(engine, method))
    # moto would turn the attributes of its own container instances into a list; ours are one
    patches.put(EC2ContainerServiceResponse, "RESPONSE_KEY_PATH_TO_TRANSFORMER", {})
    patches.put(EC2ContainerServiceResponse, "register_task_definition", _register(engine))
    patches.put(EC2ContainerServiceResponse, "describe_task_definition", _describe_definition)
    patches.put(EC2ContainerServiceResponse, "deregister_task_definition", _deregister(engine))
    patches.put(EC2ContainerServiceResponse, "describe_clusters", _describe_clusters())


def patch_backend(patches: Patches, engine: Engine, tasks: TaskActions, tags: Tags) -> None:
    """What other parts of moto ask of ECS: tagging, task sets and rules."""

    def tag_resource(backend: EC2ContainerServiceBackend, arn: str, values: dict[str, str]) -> None:
        with engine.step():
            tags.tag(backend, arn, values)

    def untag_resource(backend: EC2ContainerServiceBackend, resource_arn: str, tag_keys: list[str]) -> None:
        with engine.step():
            tags.untag(backend, resource_arn, tag_keys)

    def list_tags(backend: EC2ContainerServiceBackend, resource_arn: str) -> list[dict[str, str]]:
        return tags.of(backend, resource_arn)

    def run_task(backend: EC2ContainerServiceBackend, *positional: Any, **named: Any) -> list[Any]:
        bound = signature.bind(backend, *positional, **named).arguments
        params = {_RUN_TASK[name]: value for name, value in bound.items() if name in _RUN_TASK and value is not None}
        with engine.step():
            return tasks.launch(Call(backend.account_id, backend.region_name, params))[0]

    signature = inspect.signature(EC2ContainerServiceBackend.run_task)
    patches.put(EC2ContainerServiceBackend, "tag_resource", tag_resource)
    patches.put(EC2ContainerServiceBackend, "untag_resource", untag_resource)
    patches.put(EC2ContainerServiceBackend, "list_tags_for_resource", list_tags)
    patches.put(EC2ContainerServiceBackend, "run_task", run_task)


def patch_stacks(patches: Patches, stacks: StackResources) -> None:
    """What moto's CloudFormation does with ECS resources."""

    def create(cls: type, name: str, stated: Any, account_id: str, region_name: str, **stack: Any) -> Any:
        return stacks.create_service(name, stated, account_id, region_name, stack)

    def update(
        cls: type,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        return stacks.update_service(original_resource, cloudformation_json, account_id, region_name)

    def delete(cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str) -> None:
        stacks.delete_service(resource_name, account_id, region_name)

    def register(cls: type, name: str, stated: Any, account_id: str, region_name: str, **stack: Any) -> Any:
        return stacks.register(name, stated, ecs_backends[account_id][region_name])

    def register_again(
        cls: type,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        return stacks.register(original_resource.family, cloudformation_json, ecs_backends[account_id][region_name])

    for name, replacement in (("create", create), ("update", update), ("delete", delete)):
        patches.put(MotoService, f"{name}_from_cloudformation_json", classmethod(replacement))
    for name, replacement in (("create", register), ("update", register_again)):
        patches.put(TaskDefinition, f"{name}_from_cloudformation_json", classmethod(replacement))


def call_of(response: EC2ContainerServiceResponse) -> Call:
    """The call that moto is answering."""
    return Call(response.current_account, response.region, dict(response._get_params()))


def _operation(engine: Engine, method: Callable[[Call], dict[str, Any]]) -> Callable[..., ActionResult]:
    def operation(response: EC2ContainerServiceResponse) -> ActionResult:
        with engine.step():
            return ActionResult(method(call_of(response)))

    return operation


def _register(engine: Engine) -> Callable[..., ActionResult]:
    original = EC2ContainerServiceResponse.register_task_definition

    def register_task_definition(response: EC2ContainerServiceResponse) -> ActionResult:
        with engine.step():
            call = call_of(response)
            task_definitions.check(call.params)
            result: Any = original(response).result
            definition = result["taskDefinition"]
            task_definitions.mend(definition, call.params, engine.now(), call.account)
            return ActionResult({"taskDefinition": task_definitions.view(definition), "tags": definition.tags})

    return register_task_definition


def _describe_definition(response: EC2ContainerServiceResponse) -> ActionResult:
    call = call_of(response)
    definition = call.definition(str(call.params["taskDefinition"]))
    if definition is None:
        raise errors.client("Unable to describe task definition.")
    answer: dict[str, Any] = {"taskDefinition": task_definitions.view(definition)}
    if call.with_tags:
        answer["tags"] = definition.tags
    return ActionResult(answer)


def _deregister(engine: Engine) -> Callable[..., ActionResult]:
    original = EC2ContainerServiceResponse.deregister_task_definition

    def deregister_task_definition(response: EC2ContainerServiceResponse) -> ActionResult:
        with engine.step():
            result: Any = original(response).result
            definition = result["taskDefinition"]
            definition.deregistered_at = engine.now()
            return ActionResult({"taskDefinition": task_definitions.view(definition)})

    return deregister_task_definition


def _describe_clusters() -> Callable[..., ActionResult]:
    original = EC2ContainerServiceResponse.describe_clusters

    def describe_clusters(response: EC2ContainerServiceResponse) -> ActionResult:
        answer = original(response)
        call = call_of(response)
        result: Any = answer.result
        for cluster in result["clusters"]:
            tasks: list[Any] = list(call.backend.tasks.get(cluster.name, {}).values())
            cluster.running_tasks_count = sum(task.last_status == "RUNNING" for task in tasks)
            cluster.pending_tasks_count = sum(task.last_status in ("PROVISIONING", "PENDING") for task in tasks)
            cluster.active_services_count = sum(
                service.cluster_arn == cluster.arn and service.status == "ACTIVE" for service in call.services()
            )
        return answer

    return describe_clusters
