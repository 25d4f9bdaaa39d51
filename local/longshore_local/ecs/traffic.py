"""The stages of a service deployment, the steps of its traffic, and the alarms that end it."""

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from longshore_local.ecs.deployments import ServiceDeployment

DEFAULT_STEP_PERCENT = 10.0
DEFAULT_STEP_BAKE_MINUTES = 6
DEFAULT_CANARY_PERCENT = 5.0
DEFAULT_CANARY_BAKE_MINUTES = 10

_TRAFFIC_STAGES = [
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
]


def stages_of(deployment: ServiceDeployment) -> list[str]:
    """The stages in order; a rolling update has no traffic to shift."""
    reconcile = ["RECONCILE_SERVICE"] if len(deployment.sources) > 1 else []
    traffic = [] if deployment.strategy == "ROLLING" else _TRAFFIC_STAGES
    bake = ["BAKE_TIME"] if deployment.configuration.get("bakeTimeInMinutes") else []
    return [*reconcile, "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", *traffic, *bake, "CLEAN_UP"]


def traffic_steps(configuration: dict[str, Any]) -> list[tuple[float, float]]:
    """(percent of production traffic on the new revision, minutes to stay there), the last one at 100."""
    strategy = configuration.get("strategy")
    if strategy == "CANARY":
        canary = configuration.get("canaryConfiguration") or {}
        percent = float(canary.get("canaryPercent", DEFAULT_CANARY_PERCENT))
        return [(percent, canary.get("canaryBakeTimeInMinutes", DEFAULT_CANARY_BAKE_MINUTES)), (100.0, 0)]
    if strategy == "LINEAR":
        linear = configuration.get("linearConfiguration") or {}
        step = float(linear.get("stepPercent", DEFAULT_STEP_PERCENT))
        minutes = linear.get("stepBakeTimeInMinutes", DEFAULT_STEP_BAKE_MINUTES)
        before = [(step * number, minutes) for number in range(1, int(-(-100 // step)))]
        return [*before, (100.0, 0)]
    return [(100.0, 0)]


def alarms_in_alarm(account: str, region: str, names: list[str]) -> list[str]:
    """Which of these CloudWatch alarms are in state ALARM now."""
    alarms = cloudwatch_backends[account][region].alarms
    return [name for name in names if name in alarms and alarms[name].state_value == "ALARM"]
