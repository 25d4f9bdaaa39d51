"""Deliveries that start ECS tasks: targets with EcsParameters, and Scheduler's universal target `ecs:runTask`."""

import json
from collections.abc import Callable
from typing import Any, Protocol

from moto.core.exceptions import ServiceException

from longshore_local.deliveries import Deliveries, Delivery, DeliveryError
from longshore_local.ecs import scheduled

_UNIVERSAL = ":aws-sdk:ecs:runTask"
_PREFIXES = {"events.amazonaws.com": "events-rule", "scheduler.amazonaws.com": "chronos-schedule"}
"""What startedBy begins with, by who starts the task (recover 2.1)."""
_LONGEST_STARTED_BY = 128


class TaskRunner(Protocol):
    """Who runs tasks."""

    def run_task(self, account: str, region: str, *, invoked_by: str | None = None, **request: Any) -> dict[str, Any]:
        """As RunTask answers; ServiceException for a request that ECS does not take."""
        ...


def connect(deliveries: Deliveries, runner: Callable[[], TaskRunner], account: str, region: str) -> None:
    """Lets deliveries to clusters, and to RunTask itself, run tasks. What RunTask refuses by `failures` is lost."""

    def run(delivery: Delivery, where: tuple[str, str], params: dict[str, Any]) -> None:
        try:
            runner().run_task(*where, invoked_by=delivery.service, **params)
        except ServiceException as error:
            raise DeliveryError("SDK_CLIENT_ERROR", f"{delivery.destination}: {error}") from error

    def to_cluster(delivery: Delivery) -> None:
        if not delivery.options.get("EcsParameters"):
            raise DeliveryError("INVALID_PARAMETER", f"the target {delivery.destination} has no EcsParameters")
        _, _, _, its_region, its_account, _ = delivery.destination.split(":", 5)
        name = delivery.sender.rpartition("/")[2]
        started_by = f"{_PREFIXES[delivery.service]}/{name}"[:_LONGEST_STARTED_BY]
        params = scheduled.request(delivery.destination, delivery.options, delivery.body, started_by)
        run(delivery, (its_account, its_region), params)

    def to_api(delivery: Delivery) -> None:
        if not delivery.destination.endswith(_UNIVERSAL):
            raise DeliveryError("INVALID_PARAMETER", f"no delivery to {delivery.destination} in the local bundle")
        stated = json.loads(delivery.body)
        run(delivery, (account, region), {name[:1].lower() + name[1:]: value for name, value in stated.items()})

    deliveries.destinations["ecs"] = to_cluster
    deliveries.destinations["scheduler"] = to_api
