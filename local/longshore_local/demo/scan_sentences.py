"""Scans, reports and gates in plain words, for the demo's stories."""

from collections.abc import Mapping
from typing import Any

Detail = Mapping[str, Any]

_GATES = {"open": "opens the gate", "close": "shuts the gate"}


def scan_ended(detail: Detail) -> str:
    """What a scan of an image came to, as its event counts it."""
    counts = {name: number for name, number in detail["finding-severity-counts"].items() if name != "TOTAL"}
    found = ", ".join(f"{number} {name.lower()}" for name, number in counts.items()) or "nothing"
    tags = ", ".join(detail["image-tags"]) or "no tag"
    return f"has scanned {_short(detail['image-digest'])} ({tags}) and found {found}"


def is_of_scan(outcome: Detail) -> bool:
    """Whether a sentence of this module tells the outcome."""
    return outcome["verdict"] in _GATES or outcome.get("detail", {}).get("report") == "scan"


def scan_sentence(outcome: Detail) -> str:
    """What one outcome of scan means."""
    detail, reason = outcome["detail"], str(outcome["reason"])
    if outcome["verdict"] in _GATES:
        service = outcome["workload"].partition(":service/")[2]
        said = f"{_GATES[outcome['verdict']]} of {service} for {_short(detail['digest'])}"
        return f"{said}: {detail['meaning']}{_named(detail)} [{reason}]"
    running = ", ".join(str(each["name"]) for each in detail["running"])
    runs = f"run by {running}" if running else "run by nothing"
    image = f"{detail['repository']}:{', '.join(detail['tags'])} = {_short(detail['digest'])}"
    return f"reports {detail['new']} new in {image}, {runs}{_named(detail)} [{reason}]"


def _named(detail: Detail) -> str:
    found = [f"{each['priority']} {each['id']} in {each['package']}" for each in detail["findings"][:3]]
    return f" ({'; '.join(found)})" if found else ""


def _short(digest: object) -> str:
    return str(digest).removeprefix("sha256:")[:12]
