"""The catalogue in English. `catalogue` tells what the marks mean."""

from __future__ import annotations

from collections.abc import Mapping

from longshore.decisions import Reason
from longshore.notify.catalogue_en_recover import RECOVER
from longshore.notify.catalogue_en_scan import SCAN

_HEADLINES = {
    "deployment-planned": "🔎 *{subject}*[ · {environment}]: would deploy[ `{version}`]",
    "deployment-held": "⏸️ *{subject}*[ · {environment}]:[ `{version}`] held, {reason:key}",
    "deployment-started": "🚀 *{subject}*[ · {environment}]: deploying[ `{version}`]",
    "deployment-started.rollback": "↩️ *{subject}*[ · {environment}]: going back[ to `{version}`]",
    "deployment-started.again": "🚀 *{subject}*[ · {environment}]: deploying again, {reason:key}",
    "deployment-started.soaking": "👀 *{subject}*[ · {environment}]:[ `{version}`] runs, watched[ until {until}]",
    "deployment-succeeded": "✅ *{subject}*[ · {environment}]:[ `{version}`] live[ in {duration}]",
    "deployment-succeeded.rollback": "✅ *{subject}*[ · {environment}]: went back[ to `{version}`][ in {duration}]",
    "deployment-failed": "🔴 *{subject}*[ · {environment}]:[ `{version}`] failed[ after {duration}]",
    "deployment-failed.rollback": "🆘 *{subject}*[ · {environment}]: the way back[ to `{version}`] failed"
    "[ after {duration}]",
    "deployment-failed.inconclusive": "🟠 *{subject}*[ · {environment}]:[ `{version}`] not proven, {reason:key}",
    "deployment-failed.refused": "🔴 *{subject}*[ · {environment}]: cannot be deployed, {reason:key}",
    "deployment-rolled-back": "🔴 *{subject}*[ · {environment}]:[ `{version}`] failed and was rolled back"
    "[ after {duration}]",
    "deployment-rolled-back.rollback": "🆘 *{subject}*[ · {environment}]: the way back[ to `{version}`] failed"
    " and was undone[ after {duration}]",
    "deployment-superseded": "⏭️ *{subject}*[ · {environment}]:[ `{version}`] superseded, {reason:key}",
    "image-mirrored": "📦 *{subject}*: mirrored[ `{version}`][ from {upstream}]",
    "mirror-failed": "🟠 *{subject}*: mirroring failed[ for `{version}`][ from {upstream}]",
    "mirror-reported": "📊 *{subject}*: mirror report",
    "storm": "🌊 *{subject}* notices at once, summed up here",
    "test": "🧪 *{subject}*: a test message from Longshore, nothing happened",
    "approval-requested": "🔐 *{subject}*[ · {environment}]: approve[ `{version}`]?",
    "approval-decided": "✅ *{subject}*[ · {environment}]:[ `{version}`] approved[ by {by}]",
    "approval-decided.refused": "🚫 *{subject}*[ · {environment}]:[ `{version}`] not approved[, {cause}][, {by}]",
    "hold-set": "⏸️ *{subject}*[ · {environment}]: held[, {cause}]",
    "hold-lifted": "▶️ *{subject}*[ · {environment}]: hold lifted[ by {by}]",
    "configuration-rejected": "🔴 *{subject}*: configuration rejected[, {cause}]",
    "channel-failed": "🔴 *{subject}*: channel failed[, {cause}]",
    "events-missed": "🔎 *{subject}*: a sweep found moved tags whose events never came[ ({count})]",
}

_KINDS = {
    "deployment-planned": "deployment planned",
    "deployment-held": "deployment held",
    "deployment-started": "deployment started",
    "deployment-started.soaking": "running, watched",
    "deployment-succeeded": "deployment succeeded",
    "deployment-failed": "deployment failed",
    "deployment-rolled-back": "deployment rolled back",
    "deployment-superseded": "deployment superseded",
    "image-mirrored": "image mirrored",
    "mirror-failed": "mirroring failed",
    "mirror-reported": "mirror report",
    "approval-requested": "approval requested",
    "approval-decided": "approval decided",
    "hold-set": "hold set",
    "hold-lifted": "hold lifted",
    "configuration-rejected": "configuration rejected",
    "channel-failed": "channel failed",
    "events-missed": "events missed",
}

_OUTCOMES = {
    "verified": "it runs what was decided and stayed healthy",
    "alarms": "alarms went off while it was watched",
    "never-started": "the platform never began it",
    "not-completed": "the new version was ready, and the alias could not be moved to it",
    "not-steady": "too few tasks stayed up to tell",
    "not-stopped": "the platform did not stop it when asked",
    "failed": "the platform gave it up",
    "stopped": "it was stopped",
    "gone": "the platform no longer knows it",
    "rollback-failed": "the platform could not roll it back",
    "rolled-back-by-platform": "the platform rolled it back",
    "rolled-back-by-longshore": "it took too long, so Longshore had it rolled back",
    "raced": "the tag moved on while it rolled out",
    "changed-outside": "somebody else deployed meanwhile",
    "workload-gone": "the workload was deleted",
    "refused": "the platform or its API refused",
    "swept": "found by the sweep",
}

_NEXT = {
    "watched": "followed until it has proven itself",
    "rolling-back": "goes back to the last known good image; this one is refused until a new push",
    "new-push": "refused until a new push, or until it is cleared",
    "inconclusive": "nothing is undone; have a look",
    "tried-again": "tried again at the next push or sweep",
    "held": "held until somebody lifts it: nothing more is deployed here",
    "lifted": "nothing is deployed until the hold is lifted",
    "policy": "nothing is deployed until the tag or the configuration is put right",
    "unpaused": "goes on when the pause is lifted",
    "thawed": "goes on when the freeze ends",
    "parameter": "nothing is deployed until the stack's parameter allows it",
    "owner": "left to whoever rolls this workload out",
    "complete": "goes on when the image is complete",
    "observing": "nothing is done: Longshore only observes",
    "caught-up": "caught up; nothing is lost",
    "retried": "tried again",
    "fallback": "told by the fallback instead",
}

_PLATFORMS = {
    "ecs-service": "ECS service",
    "lambda-function": "Lambda function",
    "eks-workload": "EKS workload",
}

_FACTS = {
    "image": "Image",
    "now": "Digest",
    "failed": "Failed",
    "was": "Was",
    "change": "Container",
    "cluster": "Cluster",
    "platform": "Platform",
    "reason": "Reason",
    "next": "Next",
    "duration": "Took",
    "deadline": "Deadline",
    "soaks-until": "Watched until",
    "why": "Why",
    "by": "By",
    "since": "Since",
    "until": "Until",
    "back-to": "Back to",
    "serving": "Serving",
    "alarms": "Alarms",
    "missing": "Missing",
    "offered": "Offered",
    "roles": "Roles",
    "parameter": "Parameter",
    "problem": "Problem",
    "fix": "Fix",
    "error": "Error",
    "would": "Would",
    "repository": "Repository",
    "tags": "Tags",
    "tag": "Tag",
    "digest": "Digest",
    "count": "Count",
    "task": "Task",
    "replacement": "Replacement",
    "class": "Class",
    "cause": "Cause",
    "evidence": "Evidence",
    "container": "Failed container",
    "exit-code": "Exit code",
    "attempt": "Attempt",
    "attempts": "Attempts",
    "zone": "Zone",
    "due": "Due",
    "upstream": "Upstream",
    "downstream": "Downstream",
    "copied": "Copied",
    "mounted": "Reused",
    "checked": "Checked",
    "current": "Current",
    "updated": "Updated",
    "failing": "Failing",
    "retry-at": "Next try",
    "priority": "Priority",
    "new": "New",
    "fixed": "Fixed",
    "worsened": "Worsened",
    "unchanged": "Unchanged",
    "suppressed": "Suppressed",
    "running": "Runs in",
    "gate": "Gate",
    "approvers": "Approvers",
    "expires": "Expires",
    "key": "Key",
    "field": "Field",
    "destination": "Channel",
    "severities": "By severity",
    "kinds": "By kind",
    "latest": "Latest",
}

_LINKS = {
    "service": "Service",
    "function": "Function",
    "cluster": "Cluster",
    "deployment": "Deployment",
    "task": "Task",
    "image": "Image",
    "repository": "Repository",
    "logs": "Logs",
    "alarm": "Alarm",
}

_LINES = {
    "when": "{time} · {what:key}",
    "reason": "{reason:key}",
    "outcome": "Reason: {reason:key}",
    "decision": "Deployed because: {reason:key}",
    "change": "{container}: [`{image}` ]`{now}`[, was `{was}`]",
    "candidate": "[{container}: ]`{tag}`: {reason:key}",
    "why": "Why: {why}",
    "evidence": "{evidence}",
    "summed-up": "{time} {what}[ (`{correlation}`)]",
    "redacted": "The log's tail has {count} redacted values.",
    "correlation": "Correlation `{correlation}`",
    "more": "… +{count} more",
    "more-in-thread": "… +{count} more in the thread",
}


def _keyed(prefix: str, entries: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{key}": text for key, text in entries.items()}


ENGLISH: Mapping[str, str] = {
    **_keyed("headline", _HEADLINES),
    **_keyed("kind", _KINDS),
    **_keyed("reason", {reason.value: reason.meaning for reason in Reason}),
    **_keyed("outcome", _OUTCOMES),
    **_keyed("next", _NEXT),
    **_keyed("platform", _PLATFORMS),
    **_keyed("fact", _FACTS),
    **_keyed("link", _LINKS),
    **_keyed("line", _LINES),
    **RECOVER,
    **SCAN,
}
"""Every entry in English."""
