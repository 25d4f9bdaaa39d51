"""Links to the AWS console in its three public partitions. What an event names is quoted; bad names give no link."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from longshore.notices import Link
from longshore.workload_ids import PlatformKind, WorkloadId

_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_LOGS_BEFORE, _LOGS_AFTER = timedelta(minutes=2), timedelta(minutes=2)
"""The time window of a link to logs (notify 6, mock a: "Logs +-2 min")."""


class Console:
    """The console of one partition and Region; without a known one there are no links."""

    def __init__(self, region: str, arn: str = "") -> None:
        """`arn` tells the partition; without it the Region's name does."""
        partition = arn.split(":", 2)[1] if arn.startswith("arn:") and arn.count(":") > 1 else _partition(region)
        domain = _DOMAINS.get(partition)
        self._region = region
        self._base = f"https://{region}.{domain}" if domain and _REGION.fullmatch(region) else ""

    def workload(self, workload: WorkloadId) -> Link | None:
        """An ECS service, a function, or the cluster that a workload runs in."""
        match workload.platform:
            case PlatformKind.ECS_SERVICE:
                return self._ecs("link.service", workload.cluster, "services", workload.name, "health")
            case PlatformKind.ECS_DAEMON:
                where = f"/ecs/v2/clusters/{quoted(workload.cluster)}?region={self._region}"
                return self._link("link.cluster", where)
            case PlatformKind.LAMBDA_FUNCTION:
                where = f"/lambda/home?region={self._region}#/functions/{quoted(workload.name)}"
                return self._link("link.function", where)
            case PlatformKind.EKS_WORKLOAD:
                where = f"/eks/clusters/{quoted(workload.cluster)}?region={self._region}"
                return self._link("link.cluster", where)
            case PlatformKind.APP_RUNNER_SERVICE:
                where = f"/apprunner/home?region={self._region}#/services/dashboard?service_arn={quoted(workload.arn)}"
                return self._link("link.service", where)
            case PlatformKind.EVENTBRIDGE_RULE:
                bus = quoted(workload.namespace or "default")
                where = f"/events/home?region={self._region}#/eventbus/{bus}/rules/{quoted(workload.name)}"
                return self._link("link.rule", where)
            case PlatformKind.EVENTBRIDGE_SCHEDULE:
                path = f"{quoted(workload.namespace)}/{quoted(workload.name)}"
                return self._link("link.schedule", f"/scheduler/home?region={self._region}#schedules/{path}")

    def deployments(self, workload: WorkloadId) -> Link | None:
        """The deployments of an ECS service, the newest first; the console lists no others."""
        if workload.platform is not PlatformKind.ECS_SERVICE:
            return None
        return self._ecs("link.deployment", workload.cluster, "services", workload.name, "deployments")

    def task(self, cluster: str, task: str) -> Link | None:
        """An ECS task by its id."""
        return self._ecs("link.task", cluster, "tasks", task, "configuration")

    def repository(self, account: str, name: str) -> Link | None:
        """A private ECR repository."""
        return self._ecr("link.repository", account, name, "")

    def image(self, account: str, name: str, digest: str) -> Link | None:
        """One image of a private ECR repository."""
        return self._ecr("link.image", account, name, f"/_/image/{quoted(digest, ':')}/details") if digest else None

    def logs(self, group: str, stream: str, at: datetime) -> Link | None:
        """A log stream, or every stream of the group, around a moment."""
        if not group:
            return None
        start, end = (_milliseconds(at + shift) for shift in (-_LOGS_BEFORE, _LOGS_AFTER))
        place = f"log-group/{_fragment(group)}/log-events" + (f"/{_fragment(stream)}" if stream else "")
        window = f"$3Fstart$3D{start}$26end$3D{end}"
        return self._link("link.logs", f"/cloudwatch/home?region={self._region}#logsV2:log-groups/{place}{window}")

    def alarm(self, name: str) -> Link | None:
        """A CloudWatch alarm."""
        where = f"/cloudwatch/home?region={self._region}#alarmsV2:alarm/{quoted(name)}"
        return self._link("link.alarm", where) if name else None

    def _ecs(self, label: str, cluster: str, kind: str, name: str, page: str) -> Link | None:
        if not cluster or not name:
            return None
        path = f"/ecs/v2/clusters/{quoted(cluster)}/{kind}/{quoted(name)}/{page}?region={self._region}"
        return self._link(label, path)

    def _ecr(self, label: str, account: str, name: str, page: str) -> Link | None:
        if not name or not _ACCOUNT.fullmatch(account):
            return None
        path = f"/ecr/repositories/private/{account}/{quoted(name, '/')}{page}?region={self._region}"
        return self._link(label, path)

    def _link(self, label: str, path: str) -> Link | None:
        return Link(label, self._base + path) if self._base else None


def quoted(text: str, also: str = "") -> str:
    """Percent-encoded UTF-8 in which only unreserved characters and `also` stay (RFC 3986, 2.1); dots-only too."""
    plain = _PLAIN | set(also.encode())
    data = text.encode("utf-8", "replace")
    encoded = "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in data)
    # a path of dots only would climb
    return "/".join(part.replace(".", "%2E") if part in (".", "..") else part for part in encoded.split("/"))


def _fragment(text: str) -> str:
    """As CloudWatch's pages want it: encoded twice, with a dollar for each percent sign."""
    return quoted(quoted(text)).replace("%", "$")


def _partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws" if "-iso" not in region else ""


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
