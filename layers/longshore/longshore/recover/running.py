"""Classes of what ends a task that ran: memory, sidecars, health checks, exit codes (recover 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.recover.diagnosis import Remedy
from longshore.recover.entry import Entry, Found, exited, says
from longshore.recover.grounds import Ground

if TYPE_CHECKING:
    from longshore.recover.case import Case

_NONE, _NOTIFY, _REPLACE = Remedy.NONE, Remedy.NOTIFY, Remedy.REPLACE
_ROLLBACK, _DRAIN = Remedy.ROLLBACK, Remedy.DRAIN


def log_router(case: Case) -> Found | None:
    """Whether the container that ended the task is a FireLens log router, which only the definition tells."""
    culprit = case.culprit
    if culprit is None or not case.defined(culprit.name).get("firelensConfiguration"):
        return None
    return Found((culprit.line, f"taskDefinition: {culprit.name} has firelensConfiguration"), culprit.name)


def mesh_proxy(case: Case) -> Found | None:
    """Whether App Mesh's Envoy ended the task or is unhealthy, which only the definition tells."""
    if not case.proxy:
        return None
    found = _ended(case, case.proxy) or _unhealthy(case, case.proxy)
    return found and Found((*found.evidence, f"taskDefinition: {case.proxy} is the proxy of APPMESH"), case.proxy)


def relay(case: Case) -> Found | None:
    """Whether the proxy of Service Connect ended the task or is unhealthy."""
    names = sorted(each.name for each in case.relays)
    return next((found for name in names if (found := _ended(case, name) or _unhealthy(case, name))), None)


def lost(case: Case) -> Found | None:
    """Whether it stopped without telling how."""
    if not case.lost:
        return None
    reasons = tuple(said.line for said in case.said)
    return Found((*reasons, "containers: none has an exit code that explains it"))


def _ended(case: Case, name: str) -> Found | None:
    culprit = case.culprit
    return Found((culprit.line,), name) if culprit and culprit.name == name else None


def _unhealthy(case: Case, name: str) -> Found | None:
    if not any(each.name == name and each.health == "UNHEALTHY" for each in case.task.containers):
        return None
    return Found((f"containers[{name}].healthStatus: UNHEALTHY",), name)


RUNNING = (
    Entry(
        "M1", "out of memory", _REPLACE, _NOTIFY,
        "The container used more memory than it may: raise its memory limit, or find what fills it.",
        says(r"(?:^|[\s(\[])OutOfMemory(?:Error)?: "),
    ),
    Entry(
        "X1", "log router died", _REPLACE, _NOTIFY,
        "The FireLens router took the task down: set essential to false, give it memory and a restartPolicy.",
        log_router,
    ),
    Entry(
        "X2", "App Mesh proxy died", _NOTIFY, _NOTIFY,
        "Envoy took the task down. App Mesh ended on 2026-09-30: move to Service Connect.",
        mesh_proxy,
    ),
    Entry(
        "X3", "Service Connect proxy", _NOTIFY, _DRAIN,
        "Service Connect's proxy failed. If another service on the instance says the same, the instance is at fault.",
        relay, Ground.SUSPECT_INSTANCE,
    ),
    Entry(
        "H1", "container health check", _REPLACE, _NONE,
        "The container's own health check failed: look at its log, command, interval and startPeriod.",
        says(r"Task failed container health checks"),
    ),
    Entry(
        "H2", "load balancer health check", _NOTIFY, _NONE,
        "The load balancer found it unhealthy: look at path, port, codes and healthCheckGracePeriodSeconds.",
        says(r"Task failed ELB health checks|is unhealthy in \(target-group "),
    ),
    Entry(
        "G1", "crashed", _REPLACE, _NONE,
        "The process crashed (SIGSEGV, SIGILL or SIGABRT): look at its log and at native libraries.",
        exited(139, 132, 134),
    ),
    Entry(
        "G2", "killed", _REPLACE, _NONE,
        "SIGKILL from outside. ECS names no lack of memory; look at memory all the same, and at stopTimeout.",
        exited(137),
    ),
    Entry(
        "G3", "command not found", _NOTIFY, _ROLLBACK,
        "The command does not exist in the image or may not be executed: look at entryPoint, command and permissions.",
        exited(126, 127), Ground.NEW_REVISION,
    ),
    Entry(
        "G4", "application error", _NOTIFY, _NONE,
        "The application ended with an error of its own: its log tells why.",
        exited(range(1, 126), 255),
    ),
    Entry(
        "G5", "lost", _REPLACE, _NONE,
        "It stopped without an exit code, and nothing says why: look at the instance and at the reason.",
        lost,
    ),
)  # fmt: skip
