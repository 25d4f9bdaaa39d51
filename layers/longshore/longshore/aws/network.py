"""Network interfaces of tasks: what RunTask was asked for and DescribeTasks does not tell (recover 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from longshore.aws.errors import aws_errors
from longshore.errors import GoneError
from longshore.recover.sources import Interface


class NetworkInterfaces:
    """EC2's network interfaces, those of Fargate tasks included; each is gone soon after its task.

    The client of EC2 takes the longest of all to build, so it is made when an interface is first looked for.
    """

    def __init__(self, ec2: Callable[[], Any]) -> None:
        self._ec2 = ec2

    def get(self, id: str) -> Interface | None:
        """One interface, or None when it does not exist any more."""
        try:
            with aws_errors(gone=("InvalidNetworkInterfaceID.NotFound",)):
                answer = self._ec2().describe_network_interfaces(NetworkInterfaceIds=[id])
        except GoneError:
            return None
        found = next(iter(answer.get("NetworkInterfaces", [])), None)
        if found is None:
            return None
        groups = tuple(str(each["GroupId"]) for each in found.get("Groups", []))
        return Interface(str(found["SubnetId"]), groups, bool((found.get("Association") or {}).get("PublicIp")))
