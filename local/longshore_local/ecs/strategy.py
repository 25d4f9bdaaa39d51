"""Launch types and capacity provider strategies: which provider the next task gets, by base and weights."""

from collections.abc import Mapping, Sequence
from typing import Any

FARGATE_PROVIDERS = frozenset({"FARGATE", "FARGATE_SPOT"})


def next_provider(strategy: Sequence[dict[str, Any]], taken: Sequence[str | None] = ()) -> str | None:
    """The provider of the next task after those `taken`: bases come first, then weights; None for no strategy."""
    if not strategy:
        return None
    for item in strategy:
        if taken.count(item["capacityProvider"]) < int(item.get("base") or 0):
            return str(item["capacityProvider"])
    weighed = [item for item in strategy if _weight(item) > 0] or list(strategy)
    chosen = max(weighed, key=lambda item: _weight(item) / (1 + _beyond_base(item, taken)))
    return str(chosen["capacityProvider"])


def launch_type_of(settings: Mapping[str, Any]) -> str:
    """The launch type that tasks show, with a capacity provider strategy too."""
    if settings.get("launchType"):
        return str(settings["launchType"])
    names = {item["capacityProvider"] for item in settings.get("capacityProviderStrategy") or []}
    return "FARGATE" if names & FARGATE_PROVIDERS else "EC2"


def _weight(item: dict[str, Any]) -> int:
    return int(item.get("weight") or 0)


def _beyond_base(item: dict[str, Any], taken: Sequence[str | None]) -> int:
    return taken.count(item["capacityProvider"]) - int(item.get("base") or 0)
