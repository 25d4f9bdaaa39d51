"""EC2's status checks, which in moto always pass: here they can fail."""

from typing import Any

from moto.ec2.models.instances import Instance

from longshore_local.ecs.patches import Patches

_FAILED: dict[str, Any] = {"Details": [{"Name": "reachability", "Status": "failed"}], "Status": "impaired"}


class StatusChecks:
    """The EC2 instances whose system and instance status checks fail."""

    def __init__(self) -> None:
        self.failing: set[str] = set()

    def plug_in(self, patches: Patches) -> None:
        """Lets DescribeInstanceStatus tell of them."""
        for name in ("instance_status", "system_status"):
            patches.put(Instance, name, property(self._answer(getattr(Instance, name))))

    def _answer(self, usual: Any) -> Any:
        def status(instance: Instance) -> dict[str, Any]:
            answer: dict[str, Any] = usual.fget(instance)
            return _FAILED if instance.id in self.failing and answer["Status"] == "ok" else answer

        return status
