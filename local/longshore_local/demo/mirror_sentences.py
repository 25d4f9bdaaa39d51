"""Outcomes of mirror in plain words, for the demo's stories."""

from collections.abc import Mapping
from typing import Any

from longshore.mirror.reasons import Reason

_REASONS = {reason.value: reason for reason in Reason}


def mirror_sentence(outcome: Mapping[str, Any]) -> str | None:
    """What one outcome of mirror means; None for what only a log needs."""
    detail, reason = outcome["detail"], str(outcome["reason"])
    if not detail.get("tag"):
        return None  # what a look came to: its copies are told one by one
    place = f"{detail['upstream']}:{detail['tag']}"
    if detail.get("error"):
        return f"could not mirror {place}: {detail['why']}"
    if outcome["verdict"] != "copy":
        return f"does not mirror {place}: {detail['why']} [{reason}]"
    digest = str(detail["digest"]).removeprefix("sha256:")[:12]
    why = f": {_REASONS[reason].meaning} [{reason}]" if reason in _REASONS else ""
    return f"mirrors {place} = {digest} to {detail['downstream']}, byte for byte{why}"
