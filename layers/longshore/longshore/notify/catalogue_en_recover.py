"""What recover tells, in English: why, what failed, what follows. `catalogue` tells what the marks mean."""

from __future__ import annotations

from collections.abc import Mapping

_HEADLINES = {
    "task-failed": "🔴 *{subject}*[ · {environment}]: task failed[, {cause:key}][ (exit {exit})]",
    "task-failed.warning": "🟠 *{subject}*[ · {environment}]: task failed[, {cause:key}][ (exit {exit})]",
    "task-failed.other": "🟠 *{subject}*[ · {environment}]:[ {cause:key}]",
    "task-replaced": "🟡 *{subject}*[ · {environment}]: task replaced[, attempt {attempt}][, {cause:key}]",
    "task-replacement-refused": "🟠 *{subject}*[ · {environment}]: task not replaced[, {cause:key}][ (exit {exit})]",
    "task-given-up": "🔴 *{subject}*[ · {environment}]: given up[ after {attempts} attempts]"
    "[ after {once} attempt][, {cause:key}][ (exit {exit})]",
    "task-given-up.other": "🔴 *{subject}*[ · {environment}]:[ {cause:key}]",
    "crash-loop-opened": "🔴 *{subject}*[ · {environment}]: crash loop[, {count} stops][ in {window}]"
    "[, {cause:key}][ (exit {exit})]",
    "crash-loop-opened.family": "🔴 *{subject}*[ · {environment}]: no more replacements[, {count} failed in a row]"
    "[, {cause:key}][ (exit {exit})]",
    "crash-loop-opened.other": "🔴 *{subject}*[ · {environment}]: in trouble[, {cause:key}]",
    "crash-loop-resolved": "✅ *{subject}*[ · {environment}]: well again[ after {duration}]",
    "crash-loop-resolved.over": "☑️ *{subject}*[ · {environment}]: the trouble is over[ after {duration}]",
    "retirement-announced": "🛠️ *{subject}*[ · {environment}]: AWS ends what runs it[ at {due}][, {cause:key}]",
}

_KINDS = {
    "task-failed": "task failed",
    "task-replaced": "task replaced",
    "task-replacement-refused": "task not replaced",
    "task-given-up": "given up",
    "crash-loop-opened": "in trouble",
    "crash-loop-resolved": "well again",
    "retirement-announced": "retirement announced",
}

_REASONS = {
    "never-started": "none of its code ran, so that another try repeats nothing",
    "idempotent": "it may be run again (`longshore:retry=idempotent`)",
    "family-budget": "the family has had its replacements of this hour",
    "cluster-budget": "the cluster has had its replacements of this hour",
    "paused": "Longshore is paused",
    "not-opted-in": "nothing of it has the tag `longshore:recover=auto`",
    "observe-only": "recover only observes",
    "notify-only": "the configuration says `act: notify`",
    "not-idempotent": "it ran, and nothing says that it may be run again",
    "not-mended": "trying again would not mend it",
    "owned-elsewhere": "somebody else starts it again",
    "task-gone": "ECS does not know the task any more, so that its overrides are lost",
    "definition-inactive": "its revision of the task definition is not active",
    "network-unknown": "its subnets and security groups cannot be known",
    "volumes-unknown": "how its volumes were configured at launch cannot be known",
    "capacity-unknown": "what it ran on cannot be known",
    "group-reserved": "its group is a service's, which RunTask may not use",
    "pass-role-not-granted": "`PassableRoleArns` lacks a role of the task",
    "launch-rejected": "ECS does not accept the launch as it was asked for before",
    "launch-forbidden": "Longshore's role may not launch it",
    "cluster-gone": "its cluster is no more",
    "too-old": "it failed too long ago",
    "next-firing": "its schedule starts it again before a replacement would begin",
    "breaker-open": "replacements of this family failed in a row and are stopped for now",
    "memory-capped": "it needs more memory than the cap or the platform allows",
    "attempts-spent": "every attempt that is allowed has failed",
    "deadline-passed": "it was not brought back within the time that is allowed",
    "nothing-failed": "it ended as it should, or as somebody wanted",
    "silenced": "`longshore:recover=off` silences it",
    "not-final": "it has not stopped yet",
    "already-replaced": "a replacement was launched already",
    "recovery-closed": "its recovery has ended",
    "launched": "a replacement was launched",
    "recovered": "a task of it ended well",
    "rollback": "redeploy is asked to go back to the last known good image",
    "heal": "redeploy is asked for a new deployment, which resolves the tag again",
    "stopped": "the stuck task is stopped, and ECS starts another one",
    "instance-suspected": "the failures are on one instance and not on the others",
    "left-to-breaker": "ECS works on the deployment, and its circuit breaker watches it",
    "no-recent-change": "the service was last changed more than a day ago: not a bad deployment",
    "already-asked": "it was asked for before",
    "rolled-back": "this deployment is the way back that was asked for",
    "image-elsewhere": "the image lies where Longshore cannot look: another registry, or forbidden",
    "no-policy": "the service has no tag `longshore:policy`, so that redeploy does not touch it",
    "too-soon": "another task of the service was stopped less than ten minutes ago",
    "service-event": "ECS tells that the service lacks something, which only people can give",
    "stuck": "it has been in this state for longer than it should",
    "steady": "the service is steady, and nothing failed since",
    "quiet": "nothing failed for long enough",
    "newer-deployment": "a newer deployment took the place of the one that failed",
    "not-wanted": "the service is gone, or wants no tasks any more",
    "moved-on": "no task is stuck there any more",
    "agent-lost": "its agent stayed away, and its machine is impaired or stopped",
    "impaired-instance": "the instance cannot run containers any more",
    "instance-ends": "the instance is about to be taken away",
    "retirement": "the platform is about to stop it: what replaces it starts before",
    "stale-instance": "Cloud Map still names a task that has ended",
    "blast-radius": "as many instances of the cluster as may be were drained lately",
    "widespread": "so many agents are away at once that the instance is not to blame",
    "young": "it was seen only now, and may just be late",
    "last-one": "no task that lives would be left in Cloud Map",
    "starting": "its replacement does not run, or is not healthy, yet",
    "not-permitted": "Longshore's role may not do it",
    "on-premises": "its containers probably still run where Longshore cannot see them",
    "host-well": "its agent stayed away, though its machine is well or says nothing",
    "aws-repairs": "AWS repairs or replaces this by itself",
    "may-end": "EC2 thinks that it may take the instance away, which is not certain",
    "drain-stuck": "it has been draining for long, and tasks are still on it",
    "launcher-unknown": "what was to start it is gone, is not the only one, or makes its input anew each time",
    "reconnected": "the agent came back",
    "draining": "it is draining already",
    "drained": "no task is left on it",
    "gone": "AWS does not know it any more",
    "outdated": "something newer decides",
    "told-before": "nothing has changed since it was told",
    "moved-already": "it was started anew since it was announced",
    "ours": "Longshore asked for it, and goes on from its ledger",
}
"""Why, in words that hold for tasks, services and instances alike; docs/recover.md says which codes each has."""

_FAILURES = (
    "user stop",
    "scheduler stop",
    "Spot notice",
    "Spot stop",
    "host gone",
    "Fargate maintenance",
    "infrastructure health",
    "capacity",
    "placement: no room",
    "placement: mismatch",
    "placement: agent disconnected",
    "quota",
    "quota: throttled",
    "network interface timeout",
    "network interface refused",
    "ephemeral storage timeout",
    "service discovery",
    "volume: no capacity",
    "volume",
    "pull: transient",
    "pull: not found",
    "pull: not allowed",
    "pull: not trusted",
    "pull: unexplained",
    "pull: rate limit",
    "pull: no space",
    "image: wrong platform",
    "secrets or registry login",
    "log driver",
    "resource initialization",
    "role not assumed",
    "dependency",
    "runtime timeout",
    "container not created or started",
    "agent internal",
    "out of memory",
    "log router died",
    "App Mesh proxy died",
    "Service Connect proxy",
    "container health check",
    "load balancer health check",
    "crashed",
    "killed",
    "command not found",
    "application error",
    "lost",
    "unknown",
    "agent lost",
    "agent lost on premises",
    "instance impaired",
    "drain stuck",
    "stuck provisioning",
    "stuck pending",
    "stuck at the load balancer",
    "stuck stopping",
    "stuck deprovisioning",
    "unhealthy",
    "running too long",
    "end missed",
    "clean exit",
    "tasks do not start",
    "deployment failed",
    "hook failed",
    "AWS Health event",
    "stale instances in Cloud Map",
)
"""What failed, as the events' `name` says it."""

_NEXT = {
    "replace": "run again[ at {at}][ with {one:key}][, {two:key}][, {three:key}][, {four:key}]",
    "wait": "decided again[ at {at}]: {reason:key}",
    "redeploy": "deployed anew[ at {at}]",
    "rollback": "back to the last known good image[ at {at}]",
    "drain": "drained[ at {at}], so that its tasks start elsewhere",
    "stop": "stopped[ at {at}], so that another one starts",
    "deregister": "taken out of Cloud Map[ at {at}]",
    "left-alone": "left alone: {reason:key}",
    "not-replaced": "not run again: somebody has to start it",
    "given-up": "nothing more is tried: somebody has to start it",
    "next-firing": "its schedule starts it",
    "changed": "{one:key}[, {two:key}][, {three:key}][, {four:key}]",
}

_CHANGES = {
    "memory": "more memory",
    "cpu": "more CPU",
    "storage": "more disk",
    "subnet": "another subnet",
    "on-demand": "on-demand capacity",
    "instance": "another instance",
}

_FACTS = {"changed": "Changed", "tasks": "Tasks running", "instances": "Instances"}

_LINES = {
    "attempt": "Run {number}: {time}[, {class}][, exit {exit}][, {zone}][, after {ran}][: {why}]",
    "launched": "Attempt {number}: task `{task}`[, with {one:key}][, {two:key}][, {three:key}][, {four:key}]",
    "no-log": "No log lines: {note}",
}


def slug_of(failure: str) -> str:
    """The name of a failure as keys spell it: ``pull-not-found``."""
    return "-".join(failure.lower().replace(":", "").split())


def _keyed(prefix: str, entries: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{key}": text for key, text in entries.items()}


RECOVER: Mapping[str, str] = {
    **_keyed("headline", _HEADLINES),
    **_keyed("kind", _KINDS),
    **_keyed("reason.recover", _REASONS),
    **{f"failure.{slug_of(name)}": name for name in _FAILURES},
    **_keyed("next", _NEXT),
    **_keyed("change", _CHANGES),
    **_keyed("fact", _FACTS),
    **_keyed("link", {"replacement": "Replacement"}),
    **_keyed("line", _LINES),
}
"""Its entries."""
