"""Which EC2 instances are container instances: the sweep sees to it, for EC2's notices name no cluster (recover 5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.aws.table import Table, expiry
from longshore.errors import GoneError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.ports import Clock

_KEEP = timedelta(days=7)
_AGAIN = timedelta(days=3)


class LedgerMachines:
    """HOSTS#<account>/<region> / <EC2 instance>; what this process has seen lately is neither read nor written."""

    def __init__(self, ecs: Any, table: Table, clock: Clock, account: str, region: str) -> None:
        self._ecs = ecs
        self._table = table
        self._clock = clock
        self._pk = f"HOSTS#{account}/{region}"
        self._until: dict[str, datetime] = {}
        self._read = False

    def get(self, id: str) -> tuple[str, str] | None:
        """Cluster and container instance that an EC2 instance was seen to be."""
        item = self._table.get(self._pk, id)
        return (str(item["cluster"]), str(item["instance"])) if item else None

    def seen(self, cluster: str, instances: Sequence[str]) -> None:
        """DescribeContainerInstances of those that are not remembered; gone ones are left out."""
        new = self._unknown(instances) and self._unknown(instances, self._remembered())
        if not new:
            return
        now = self._clock.now()
        try:
            with aws_errors():
                answer = self._ecs.describe_container_instances(cluster=cluster, containerInstances=new)
        except GoneError:
            return
        for each in answer.get("containerInstances", []):
            arn, id = str(each["containerInstanceArn"]), str(each.get("ec2InstanceId") or "")
            if id:
                item = {"pk": self._pk, "sk": id, "cluster": cluster, "instance": arn}
                self._table.put({**item, "again": (now + _AGAIN).isoformat(), "expires": expiry(now, _KEEP)})
            self._until[arn] = now + _AGAIN

    def _unknown(self, instances: Sequence[str], known: dict[str, datetime] | None = None) -> list[str]:
        known, now = self._until if known is None else known, self._clock.now()
        return [each for each in instances if each not in known or known[each] <= now]

    def _remembered(self) -> dict[str, datetime]:
        """Read once: a process that has just begun does not ask ECS for what another one has asked."""
        if not self._read:
            for item in self._table.query(self._pk):
                self._until.setdefault(str(item["instance"]), datetime.fromisoformat(item["again"]))
            self._read = True
        return self._until
