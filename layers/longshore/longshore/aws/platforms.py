"""The adapters of every kind of platform, over the clients of one account and Region."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from longshore.aws.clock import SystemClock
from longshore.aws.session import credentials
from longshore.redeploy.platforms import Platforms
from longshore.workloads import PlatformKind

if TYPE_CHECKING:
    from longshore.aws.ecs import EcsServices
    from longshore.aws.eks import EksWorkloads
    from longshore.aws.lambda_functions import LambdaFunctions
    from longshore.ports import Clock

_SYSTEM: Clock = SystemClock()


def platforms(client: Callable[[str], Any], clock: Clock = _SYSTEM) -> Platforms:
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

    @cache
    def eks_workloads() -> EksWorkloads:
        from longshore.aws.eks import EksWorkloads
        from longshore.aws.eks_access import Clusters, Tokens
        from longshore.aws.eks_connections import Connections

        connections = Connections(Clusters(lambda: client("eks"), clock), Tokens(credentials, clock))
        return EksWorkloads(connections, lambda: client("resourcegroupstaggingapi"), clock)

    return Platforms(
        {
            PlatformKind.ECS_SERVICE: ecs_services,
            PlatformKind.LAMBDA_FUNCTION: functions,
            PlatformKind.EKS_WORKLOAD: eks_workloads,
        }
    )
