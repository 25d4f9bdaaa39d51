"""The container instance operations of the ECS API."""

import json
from typing import Any

from longshore_local.ecs import errors
from longshore_local.ecs.calls import Call, page
from longshore_local.ecs.constraints import satisfies
from longshore_local.ecs.fleet import Fleet
from longshore_local.ecs.instances import Instance
from longshore_local.ecs.placement import instances_of

_MOST_DRAINED = 10  # UpdateContainerInstancesState
_MOST_DESCRIBED = 100
_SETTABLE = ("ACTIVE", "DRAINING")


class InstanceActions:
    """Register, deregister, list, describe and drain."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def register_container_instance(self, call: Call) -> dict[str, Any]:
        """What an agent calls with the identity document of its EC2 instance."""
        document = json.loads(str(call.params.get("instanceIdentityDocument") or "{}"))
        if "instanceId" not in document:
            raise errors.client("Instance identity document is not valid: it names no instanceId.")
        stated = {each["name"]: each.get("value") for each in call.params.get("attributes") or []}
        instance = self._fleet.register(
            call.account,
            call.region,
            call.cluster().name,
            str(document["instanceId"]),
            attributes=stated,
            zone=document.get("availabilityZone"),
            tags=list(call.params.get("tags") or []),
        )
        return {"containerInstance": instance.view(tags=True)}

    def deregister_container_instance(self, call: Call) -> dict[str, Any]:
        """Takes one out of its cluster."""
        instance = _find(call, str(call.params["containerInstance"]))
        if instance is None:
            raise errors.client("Referenced container instance was not found.")
        self._fleet.deregister(instance, force=bool(call.params.get("force")))
        return {"containerInstance": instance.view()}

    def list_container_instances(self, call: Call) -> dict[str, Any]:
        """ARNs by status and by an expression of the cluster query language."""
        status, expression = call.params.get("status"), call.params.get("filter")
        arns = [
            each.container_instance_arn
            for each in instances_of(call.account, call.region, call.cluster().name)
            if status in (None, each.status) and (not expression or satisfies(each, str(expression)))
        ]
        return page(call, arns, default=100, key="containerInstanceArns")

    def describe_container_instances(self, call: Call) -> dict[str, Any]:
        """Up to a hundred by ARN or id."""
        asked = [str(name) for name in call.params.get("containerInstances") or []]
        if not asked:
            raise errors.client("Container Instances cannot be empty.")
        if len(asked) > _MOST_DESCRIBED:
            raise errors.invalid_parameter(f"At most {_MOST_DESCRIBED} container instances.")
        wanted = call.params.get("include") or []
        health = "CONTAINER_INSTANCE_HEALTH" in wanted
        return self._answer(call, asked, lambda each: each.view(tags=call.with_tags, health=health))

    def update_container_instances_state(self, call: Call) -> dict[str, Any]:
        """Drains up to ten instances, or takes them into service again."""
        status = str(call.params["status"]).upper()
        if status not in _SETTABLE:
            raise errors.invalid_parameter("Container instance status should be one of [ACTIVE, DRAINING]")
        asked = [str(name) for name in call.params.get("containerInstances") or []]
        if not 1 <= len(asked) <= _MOST_DRAINED:
            raise errors.invalid_parameter(f"Between 1 and {_MOST_DRAINED} container instances, got {len(asked)}.")

        def drained(instance: Instance) -> dict[str, Any]:
            self._fleet.drain(instance, status)
            return instance.view()

        return self._answer(call, asked, drained)

    @staticmethod
    def _answer(call: Call, asked: list[str], view: Any) -> dict[str, Any]:
        found = [(name, _find(call, name)) for name in asked]
        return {
            "containerInstances": [view(instance) for _, instance in found if instance is not None],
            "failures": [{"arn": name, "reason": "MISSING"} for name, instance in found if instance is None],
        }


def _find(call: Call, name: str) -> Instance | None:
    wanted = name.rpartition("/")[2]
    held = instances_of(call.account, call.region, call.cluster().name)
    return next((each for each in held if each.id == wanted), None)
