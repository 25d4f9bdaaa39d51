"""SSM's managed instances, which moto lacks: servers of ECS Anywhere and EC2 instances, and whether they answer."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import ValidationException
from moto.ssm.responses import SimpleSystemManagerResponse

from longshore_local.ecs.instances import EXTERNAL_PREFIX
from longshore_local.ecs.patches import Patches

PINGS = ("Online", "ConnectionLost", "Inactive")
_FEWEST, _DEFAULT = 5, 10  # MaxResults
_KEYS = {"InstanceIds": "InstanceId", "PingStatus": "PingStatus", "ResourceType": "ResourceType",
         "PlatformTypes": "PlatformType", "ActivationIds": "ActivationId"}  # fmt: skip


@dataclass(slots=True)
class ManagedInstance:
    """One instance that SSM's agent speaks for."""

    instance_id: str
    ping: str
    at: datetime
    registered: datetime

    def view(self) -> dict[str, Any]:
        """The instance as `InstanceInformation` in the SSM API."""
        external = self.instance_id.startswith(EXTERNAL_PREFIX)
        view = {
            "InstanceId": self.instance_id,
            "PingStatus": self.ping,
            "LastPingDateTime": self.at,
            "AgentVersion": "3.3.2299.0",
            "IsLatestVersion": True,
            "PlatformType": "Linux",
            "PlatformName": "Amazon Linux",
            "PlatformVersion": "2023",
            "ResourceType": "ManagedInstance" if external else "EC2Instance",
            "RegistrationDate": self.registered,
        }
        return view | ({"ActivationId": f"act-{self.instance_id}", "Name": self.instance_id} if external else {})


class ManagedInstances:
    """Every managed instance by account, Region and id."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._held: dict[tuple[str, str], dict[str, ManagedInstance]] = {}

    def ping(self, account: str, region: str, instance_id: str, status: str = "Online") -> None:
        """Sets the ping status, and registers what is new; raises ValueError for a status that SSM does not have."""
        if status not in PINGS:
            raise ValueError(f"a ping status is one of {', '.join(PINGS)}, got {status!r}")
        held = self._held.setdefault((account, region), {})
        known = held.get(instance_id)
        now = self._now()
        at = now if status == "Online" or known is None else known.at
        held[instance_id] = ManagedInstance(instance_id, status, at, known.registered if known else now)

    def describe(self, account: str, region: str, params: dict[str, Any]) -> dict[str, Any]:
        """DescribeInstanceInformation; raises ValidationException."""
        views = [each.view() for each in self._held.get((account, region), {}).values()]
        old = [(each["key"], each["valueSet"]) for each in params.get("InstanceInformationFilterList") or []]
        new = [(each["Key"], each["Values"]) for each in params.get("Filters") or []]
        for key, values in [*old, *new]:
            if key not in _KEYS:
                raise ValidationException(f"The filter key {key} is not valid. Valid keys: {', '.join(_KEYS)}")
            views = [view for view in views if view.get(_KEYS[key]) in values]
        size = int(params.get("MaxResults") or _DEFAULT)
        if size < _FEWEST:
            raise ValidationException(f"MaxResults must be at least {_FEWEST}, got {size}.")
        start = int(params.get("NextToken") or 0)
        more = {"NextToken": str(start + size)} if start + size < len(views) else {}
        return {"InstanceInformationList": views[start : start + size], **more}


def plug_in(patches: Patches, instances: ManagedInstances) -> None:
    """Puts the operation into moto's SSM."""

    def describe_instance_information(response: SimpleSystemManagerResponse) -> ActionResult:
        params = json.loads(response.body or "{}")
        return ActionResult(instances.describe(response.current_account, response.region, params))

    patches.put(SimpleSystemManagerResponse, "describe_instance_information", describe_instance_information)
