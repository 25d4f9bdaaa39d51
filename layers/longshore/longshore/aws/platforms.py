"""The adapters of every kind of platform, over the clients of one account and Region."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from longshore.redeploy.platforms import Platforms
from longshore.workloads import PlatformKind

if TYPE_CHECKING:
    from longshore.aws.ecs import EcsServices
    from longshore.aws.lambda_functions import LambdaFunctions


def platforms(client: Callable[[str], Any]) -> Platforms:
    """`client` answers the boto3 client of a service, the same one each time.

    An adapter is imported and made when the first of its workloads is looked at.
    """

    @cache
    def ecs_services() -> EcsServices:
        from longshore.aws.ecs import EcsServices, TaskDefinitions

        ecs = client("ecs")
        return EcsServices(ecs, lambda: client("resourcegroupstaggingapi"), TaskDefinitions(ecs))

    @cache
    def functions() -> LambdaFunctions:
        from longshore.aws.lambda_functions import LambdaFunctions

        return LambdaFunctions(client("lambda"), lambda: client("resourcegroupstaggingapi"))

    return Platforms({PlatformKind.ECS_SERVICE: ecs_services, PlatformKind.LAMBDA_FUNCTION: functions})
