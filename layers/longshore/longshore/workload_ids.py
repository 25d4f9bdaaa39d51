"""Who a workload is: the kinds of platform, the ARNs of what runs on them, and the tags that Longshore reads there.

Apart from `workloads`, which has all the rest, so that what only tells of workloads starts without it (design 11).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

POLICY_TAG = "longshore:policy"
CONTAINERS_TAG = "longshore:containers"
TEAM_TAG = "longshore:team"
CHANNEL_TAG = "longshore:channel"
ALIAS_TAG = "longshore:alias"
"""On a function: the alias that its callers use, moved once a new version is ready."""
HUMAN_TAG = "longshore:tag"
"""On what declares images by digest (a task definition, a function): the tags that people know them by (design 6.1)."""


class PlatformKind(StrEnum):
    """Where a workload runs: a closed set, with one adapter for each."""

    ECS_SERVICE = "ecs-service"
    ECS_DAEMON = "ecs-daemon"
    LAMBDA_FUNCTION = "lambda-function"
    EKS_WORKLOAD = "eks-workload"
    APP_RUNNER_SERVICE = "app-runner-service"
    EVENTBRIDGE_RULE = "eventbridge-rule"
    EVENTBRIDGE_SCHEDULE = "eventbridge-schedule"

    @property
    def is_silent(self) -> bool:
        """Whether the platform sends no events of its deployments, so that they are looked at again and again.

        App Runner's may get lost (aws A4): they hint, and nothing hangs on them.
        """
        return self not in (PlatformKind.ECS_SERVICE, PlatformKind.ECS_DAEMON)


_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<service>ecs|lambda|eks|apprunner|events|scheduler):(?P<region>[a-z0-9-]{4,32}):"
    r"(?P<account>\d{12}):(?P<resource>[!-~]{1,768})",
    re.ASCII,
)
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"  # RFC 1123, as Kubernetes has it
_PART = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"  # of a name: only the whole of it is bounded there
_RESOURCES = {
    "ecs/daemon": (
        PlatformKind.ECS_DAEMON,
        re.compile(r"daemon/(?P<cluster>[A-Za-z0-9_-]{1,255})/(?P<name>[A-Za-z0-9_-]{1,255})", re.ASCII),
    ),
    "ecs": (
        PlatformKind.ECS_SERVICE,
        re.compile(r"service/(?P<cluster>[A-Za-z0-9_-]{1,255})/(?P<name>[A-Za-z0-9_-]{1,255})", re.ASCII),
    ),
    "lambda": (PlatformKind.LAMBDA_FUNCTION, re.compile(r"function:(?P<name>[A-Za-z0-9_-]{1,140})", re.ASCII)),
    "apprunner": (
        PlatformKind.APP_RUNNER_SERVICE,
        re.compile(r"service/(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{3,39})/[0-9a-f]{32}", re.ASCII),
    ),
    "events": (
        PlatformKind.EVENTBRIDGE_RULE,
        re.compile(r"rule/(?:(?P<namespace>[/._A-Za-z0-9-]{1,256})/)?(?P<name>[._A-Za-z0-9-]{1,64})", re.ASCII),
    ),
    "scheduler": (
        PlatformKind.EVENTBRIDGE_SCHEDULE,
        re.compile(r"schedule/(?P<namespace>[._A-Za-z0-9-]{1,64})/(?P<name>[._A-Za-z0-9-]{1,64})", re.ASCII),
    ),
    "eks": (
        PlatformKind.EKS_WORKLOAD,
        re.compile(
            rf"cluster/(?P<cluster>[A-Za-z0-9][A-Za-z0-9_-]{{0,99}})/(?P<namespace>{_LABEL})"
            rf"/(?P<kind>deployment|statefulset|daemonset|cronjob)/(?P<name>(?=.{{1,253}}$){_PART}(?:\.{_PART})*)",
            re.ASCII,
        ),
    ),
}


class WorkloadId(NamedTuple):
    """Who a workload is, read from its ARN; the one place where such ARNs are read.

    AWS gives none to what runs in a Kubernetes cluster. There it is one of our own: the ARN of the cluster, followed by
    ``/<namespace>/<kind>/<name>``, where kind is deployment, statefulset, daemonset or cronjob. `cluster` is empty for
    what runs in none; `kind` is Kubernetes's own. `namespace` is Kubernetes's, the group of an EventBridge Scheduler
    schedule, or the bus of an EventBridge rule on another than the default one.
    """

    arn: str
    platform: PlatformKind
    partition: str
    account: str
    region: str
    cluster: str
    name: str
    namespace: str = ""
    kind: str = ""

    @classmethod
    def parse(cls, arn: str) -> WorkloadId:
        """Raises ValueError, which says what is expected."""
        if whole := _ARN.fullmatch(arn):
            kind = f"{whole['service']}/{whole['resource'].partition('/')[0]}"
            platform, pattern = _RESOURCES.get(kind) or _RESOURCES[whole["service"]]
            if match := pattern.fullmatch(whole["resource"]):
                place = {"cluster": "", **match.groupdict(default="")}
                return cls(arn, platform, whole["partition"], whole["account"], whole["region"], **place)
        raise ValueError(
            f"{arn[:128]!r} is not the ARN of a workload: an ECS service or daemon with its cluster's name, a Lambda "
            "function without a version, an App Runner service, an EventBridge rule, an EventBridge schedule, "
            "or arn:<partition>:eks:<region>:<account>:cluster/<cluster>/<namespace>/<kind>/<name>"
        )

    @classmethod
    def names(cls, arn: object) -> bool:
        """Whether this is the ARN of a workload."""
        try:
            return isinstance(arn, str) and bool(cls.parse(arn))
        except ValueError:
            return False

    @property
    def label(self) -> str:
        """What people call it within its cluster: the name, in Kubernetes ``<namespace>/<kind>/<name>``, of schedules
        with their group and of rules with their bus."""
        return "/".join(filter(None, (self.namespace, self.kind, self.name)))
