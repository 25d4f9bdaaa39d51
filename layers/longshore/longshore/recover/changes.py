"""Changes: what a remedy makes different in a replacement, so that all else stays as it was (recover 3, 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_MEMBERS = {
    "subnets": ("networkConfiguration",),
    "on_demand": ("capacityProviderStrategy", "launchType"),
    "cpu": ("overrides.cpu",),
    "memory": ("overrides.memory",),
    "storage": ("overrides.ephemeralStorage",),
    "containers": ("overrides.containerOverrides.memory",),
    "avoid": ("placementConstraints",),
}
"""What each is in a RunTask request."""


class Changes(NamedTuple):
    """Members of RunTask that differ from the original's; empty ones do not.

    `subnets` replace the original's. `on_demand` means Fargate instead of Fargate Spot: by launch type, which needs no
    capacity provider on the cluster. `cpu` is in CPU units, `memory` and `containers` (hard limits by container) in
    MiB, `storage` in GiB. `avoid` are ids of EC2 instances that must not run it. None is a secret: the ledger keeps it.
    """

    subnets: tuple[str, ...] = ()
    on_demand: bool = False
    cpu: int = 0
    memory: int = 0
    storage: int = 0
    containers: Mapping[str, int] = {}
    avoid: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """The members of RunTask that change, as the events' `next.changes` names them."""
        return tuple(member for name, value in self._asdict().items() if value for member in _MEMBERS[name])

    def as_json(self) -> dict[str, Any]:
        """What is not empty, as the ledger keeps it and the events tell it."""
        found = {name: value for name, value in self._asdict().items() if value}
        found |= {name: list(found[name]) for name in ("subnets", "avoid") if name in found}
        return found | ({"containers": dict(self.containers)} if self.containers else {})

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Changes:
        """What `as_json` made."""
        return cls(
            subnets=tuple(kept.get("subnets", ())),
            on_demand=bool(kept.get("on_demand", False)),
            cpu=kept.get("cpu", 0),
            memory=kept.get("memory", 0),
            storage=kept.get("storage", 0),
            containers=dict(kept.get("containers", {})),
            avoid=tuple(kept.get("avoid", ())),
        )


def launch_token(root: str, attempt: int, changes: Changes) -> str:
    """The client token of an attempt: the same for the same plan, whoever launches it, however often (recover 3.2)."""
    plan = json.dumps(changes.as_json(), sort_keys=True, separators=(",", ":"))
    return "ls-" + hashlib.sha256(f"{root}|{attempt}|{plan}".encode()).hexdigest()[:40]
