"""The adapters of every kind of platform, over the clients of one account and Region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from longshore.aws.clock import SystemClock
from longshore.aws.session import credentials
from longshore.redeploy.by_place import PlatformsByPlace
from longshore.redeploy.platforms import Platforms
from longshore.workload_ids import PlatformKind

if TYPE_CHECKING:
    from longshore.aws.app_runner import AppRunnerServices
    from longshore.aws.ecs import EcsServices
    from longshore.aws.ecs_code_deploy import CodeDeployServices
    from longshore.aws.ecs_daemons import EcsDaemons
    from longshore.aws.eks import EksWorkloads
    from longshore.aws.lambda_functions import LambdaFunctions
    from longshore.aws.scheduled_rules import ScheduledRules
    from longshore.aws.scheduled_tasks import ScheduledTasks
    from longshore.aws.schedules import Schedules
    from longshore.aws.spokes import Access
    from longshore.places import Place
    from longshore.ports import Clock
    from longshore.workloads import Observation

_SYSTEM: Clock = SystemClock()


def platforms(
    client: Callable[[str], Any],
    clock: Clock = _SYSTEM,
    credentials: Callable[[], Any] = credentials,
    recall: Callable[[Observation], Observation] | None = None,
) -> Platforms:
    """`client` answers the boto3 client of a service, the same one each time; `credentials` are what they sign with.

    `recall` adds to an observation what the ledger knows of it, where the platform cannot tell what runs.
    An adapter is imported and made when the first of its workloads is looked at.
    """

    @cache
    def ecs_services() -> EcsServices:
        return ecs_adapter(client, clock)

    @cache
    def ecs_daemons() -> EcsDaemons:
        from longshore.aws.ecs_daemon_definitions import DaemonDefinitions
        from longshore.aws.ecs_daemons import EcsDaemons

        return EcsDaemons(client("ecs"), DaemonDefinitions(client("ecs")), clock)

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

    @cache
    def app_runner_services() -> AppRunnerServices:
        from longshore.aws.app_runner import AppRunnerServices

        return AppRunnerServices(lambda: client("apprunner"), lambda: client("resourcegroupstaggingapi"), recall)

    @cache
    def scheduled_tasks() -> ScheduledTasks:
        from longshore.aws.ecs_definitions import TaskDefinitions
        from longshore.aws.scheduled_tasks import ScheduledTasks

        return ScheduledTasks(client("ecs"), TaskDefinitions(client("ecs")), clock, recall)

    @cache
    def scheduled_rules() -> ScheduledRules:
        from longshore.aws.scheduled_rules import ScheduledRules

        return ScheduledRules(lambda: client("events"), lambda: client("resourcegroupstaggingapi"), scheduled_tasks)

    @cache
    def schedules() -> Schedules:
        from longshore.aws.schedules import Schedules

        return Schedules(
            lambda: client("scheduler"), lambda: client("resourcegroupstaggingapi"), scheduled_tasks, clock
        )

    return Platforms(
        {
            PlatformKind.ECS_SERVICE: ecs_services,
            PlatformKind.ECS_DAEMON: ecs_daemons,
            PlatformKind.LAMBDA_FUNCTION: functions,
            PlatformKind.EKS_WORKLOAD: eks_workloads,
            PlatformKind.APP_RUNNER_SERVICE: app_runner_services,
            PlatformKind.EVENTBRIDGE_RULE: scheduled_rules,
            PlatformKind.EVENTBRIDGE_SCHEDULE: schedules,
        }
    )


def ecs_adapter(client: Callable[[str], Any], clock: Clock = _SYSTEM) -> EcsServices:
    """ECS services, whichever way their deployments go; what one way alone needs is imported when it is met."""
    from longshore.aws.ecs import EcsServices
    from longshore.aws.ecs_definitions import TaskDefinitions

    ecs = client("ecs")
    definitions = TaskDefinitions(ecs)

    def code_deploy() -> CodeDeployServices:
        from longshore.aws.code_deploy_groups import DeploymentGroups
        from longshore.aws.ecs_code_deploy import CodeDeployServices

        codedeploy = client("codedeploy")
        return CodeDeployServices(ecs, codedeploy, definitions, DeploymentGroups(codedeploy, clock), clock)

    return EcsServices(ecs, lambda: client("resourcegroupstaggingapi"), definitions, code_deploy)


def every_platform(
    home: Place,
    spokes: Mapping[Place, Access],
    client: Callable[[str], Any],
    clock: Clock = _SYSTEM,
    recall: Callable[[Observation], Observation] | None = None,
) -> PlatformsByPlace:
    """The adapters of the hub, over its own `client`, and those of every spoke; a spoke's are made when needed."""

    def made(access: Access) -> Callable[[], Platforms]:
        return cache(lambda: platforms(access.client, clock, access.credentials, recall))

    hub = cache(lambda: platforms(client, clock, recall=recall))
    return PlatformsByPlace(home, {home: hub, **{place: made(access) for place, access in spokes.items()}})
