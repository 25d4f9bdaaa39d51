"""Events and outcomes in plain words, for the demo's stories."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from longshore.decisions import Reason
from longshore.workloads import PlatformKind, WorkloadId
from longshore_local.demo.mirror_sentences import mirror_sentence
from longshore_local.demo.scan_sentences import is_of_scan, scan_ended, scan_sentence
from longshore_local.demo.task_sentences import task_ended, task_sentence

Detail = Mapping[str, Any]

_REASONS = {reason.value: reason for reason in Reason}
_DEPLOYMENT_ID = re.compile(r"(?:deploymentId )?ecs-svc/\d+(\d{4})")


def short(digest: object) -> str:
    """The first twelve hexadecimal digits of a digest, as container engines show it."""
    return str(digest).removeprefix("sha256:")[:12]


def outcomes_in(log: Iterable[str]) -> Iterator[Detail]:
    """The outcomes that a function's log lines carry."""
    for line in log:
        record = json.loads(line) if line.startswith("{") else {}
        if isinstance(record.get("outcome"), dict):
            yield record["outcome"]


def aws_sentence(event: Mapping[str, Any]) -> tuple[str, str] | None:
    """(who, what) for an event of AWS that moves the story on; None for the rest."""
    detail = event["detail"]
    match event["detail-type"]:
        case "ECS Deployment State Change":
            return "ECS", _deployment(_service(event["resources"][0]), detail)
        case "ECS Task State Change" if detail["lastStatus"] == "STOPPED":
            failure = task_ended(detail)
            return ("ECS", failure) if failure else None
        case "Inspector2 Scan":
            return "Inspector", scan_ended(detail)
        case _:
            return None


def _deployment(service: str, detail: Detail) -> str:
    """Deployments are told apart by the end of their ids, so that a rollback is seen to go back to an earlier one."""
    what = {
        "SERVICE_DEPLOYMENT_IN_PROGRESS": "is under way",
        "SERVICE_DEPLOYMENT_COMPLETED": "is complete",
        "SERVICE_DEPLOYMENT_FAILED": "failed: " + _DEPLOYMENT_ID.sub(r"\1", detail["reason"]),
    }[detail["eventName"]]
    return f"deployment {detail['deploymentId'][-4:]} of {service} {what}"


def outcome_sentence(outcome: Detail) -> str | None:
    """What one outcome means; None for what only a log needs."""
    reason, detail = str(outcome["reason"]), outcome.get("detail", {})
    if is_of_scan(outcome):
        return scan_sentence(outcome)
    if "family" in detail:
        return task_sentence(outcome)
    if "mirror" in detail:
        return mirror_sentence(outcome)
    if detail.get("stage") == "soaking":
        return _soaking(_service(outcome["workload"]), detail)
    tell = _TOLD.get(reason)
    if tell:
        return tell(_service(outcome["workload"]), detail)
    if reason not in _REASONS:
        return None
    return _decision(_service(outcome["workload"]), _REASONS[_own_reason(reason, detail)], detail)


def _own_reason(reason: str, detail: Detail) -> str:
    """The decision on the tag that was pushed, where the workload's leading one is about another."""
    reasons = {candidate["reason"] for candidate in detail.get("candidates", [])}
    return reason if reason in reasons or len(reasons) != 1 else reasons.pop()


def _decision(service: str, reason: Reason, detail: Detail) -> str:
    if not service:
        return _of_push(reason, detail)
    match reason.verdict:
        case "deploy":
            return _deploys(service, reason, detail)
        case "wait":
            until = f" until {detail['until'][11:19]}" if detail.get("until") else ""
            return f"waits with {service}{until}: {reason.meaning} [{reason}]"
        case "hold":
            return f"refuses for {service}: {reason.meaning} [{reason}]"
        case _:
            return f"leaves {service} alone: {reason.meaning} [{reason}]"


def _of_push(reason: Reason, detail: Detail) -> str:
    if reason is Reason.SETTLING:
        return f"heard of it and lets the tag settle first [{reason}]"
    return f"does nothing: {reason.meaning} [{reason}]"


def _deploys(service: str, reason: Reason, detail: Detail) -> str:
    changes = detail.get("changes", [])
    if not changes:
        return f"deploys {service} again: {reason.meaning} [{reason}]"
    on_ecs = detail.get("platform") == PlatformKind.ECS_SERVICE
    if detail["action"] == "refresh":
        how = "same task definition, started anew" if on_ecs else "the declared tag is resolved again"
    else:
        what = "new task definition revision, in which only this changes" if on_ecs else "only this changes"
        how = f"{what}: " + ", ".join(map(_changed, changes))
    to = ", ".join(f"{c['container']} -> {short(c['digest'])}" for c in changes)
    return f"deploys {service} ({to}): {reason.meaning} [{reason}]; {how}{_drift(detail)}"


def _drift(detail: Detail) -> str:
    drifts = [f"{each['container']} = {str(each['was']).partition('/')[2]}" for each in detail.get("drift") or []]
    owner = detail.get("stack") or detail.get("owner")
    return f"; {owner} still declares {', '.join(drifts)}, which is told as drift" if drifts else ""


def _changed(change: Detail) -> str:
    """The new image without the registry's host and with a short digest."""
    image = str(change["image"]).partition("/")[2]
    name, at, digest = image.partition("@")
    return f"{change['container']} = {name}{at}{short(digest)}"


def _soaking(service: str, detail: Detail) -> str:
    runs = ", ".join(short(c["digest"]) for c in detail["changes"])
    return f"{service} runs {runs or 'anew'}: watched until {detail['soaks_until'][11:19]}"


def _verified(service: str, detail: Detail) -> str:
    runs = ", ".join(short(c["digest"]) for c in detail["changes"])
    return f"{service} has run {runs} steadily: verified, and from now on its last known good image"


def _rolled_back(service: str, detail: Detail) -> str:
    failed = ", ".join(short(c["digest"]) for c in detail["changes"])
    platform = "App Runner" if detail.get("platform") == PlatformKind.APP_RUNNER_SERVICE else "ECS"
    by = f"{platform} rolled it back" if detail.get("by") == "platform" else "stopped and rolled back at its deadline"
    return f"the deployment of {service} failed, {by}: {failed} is quarantined and will not be deployed here again"


def _failed(service: str, detail: Detail) -> str:
    failed = ", ".join(short(c["digest"]) for c in detail["changes"])
    return f"the deployment of {service} failed: {failed} is quarantined and will not be deployed here again"


def _refused(service: str, detail: Detail) -> str:
    return f"AWS refused the deployment of {service}: {detail['why']}"


def _stop(service: str, detail: Detail) -> str:
    return f"{service} is still not healthy at the deadline: ECS is asked to stop the deployment and roll it back"


def _complete(service: str, detail: Detail) -> str:
    return f"the new version of {service} is ready: its alias is moved to it"


def _pending(service: str, detail: Detail) -> str:
    return f"looks again at what was pushed for {service} meanwhile"


def _superseded(service: str, detail: Detail) -> str:
    return f"somebody else deployed to {service} in the meantime, so this deployment no longer counts"


def _raced(service: str, detail: Detail) -> str:
    pulled = ", ".join(short(digest) for digest in detail.get("resolved", {}).values())
    return f"the tag moved before ECS pulled it, {service} runs {pulled}: this deployment no longer counts"


def _not_run(service: str, detail: Detail) -> str:
    return f"has declared it, and {service} has not run yet: its first run is looked for from now on"


_TOLD: Mapping[str, Callable[[str, Detail], str]] = {
    "verified": _verified,
    "not-run": _not_run,
    "rolled-back-by-platform": _rolled_back,
    "rolled-back-by-longshore": _rolled_back,
    "stopped": _failed,
    "failed": _failed,
    "alarms": _failed,
    "rollback-failed": _failed,
    "refused": _refused,
    "stop": _stop,
    "complete": _complete,
    "pending": _pending,
    "changed-outside": _superseded,
    "raced": _raced,
}


def _service(arn: str) -> str:
    """What people call a workload: `cluster/name`, or the name of a function; nothing for what concerns none."""
    if not WorkloadId.names(arn):
        return ""
    id = WorkloadId.parse(arn)
    return "/".join(filter(None, (id.cluster, id.label)))
