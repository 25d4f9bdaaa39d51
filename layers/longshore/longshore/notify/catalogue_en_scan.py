"""What scan tells, in English: findings, acceptances, gates, digests. `catalogue` tells what the marks mean."""

from __future__ import annotations

from collections.abc import Mapping

from longshore.gates import GateReason

_HEADLINES = {
    "findings-reported": "🛡️ *{subject}*[ `{version}`] — {count} new[ {priority}][ ({new} new in all)]"
    "[, {worsened} worsened][ to {worst}][, {reopened} no longer accepted][ ({again})][, running in {environment}]",
    "findings-reported.worsened": "🛡️ *{subject}*[ `{version}`] — {worsened} worsened[ to {worst}]"
    "[, {reopened} no longer accepted][ ({again})][, running in {environment}]",
    "findings-reported.reopened": "🛡️ *{subject}*[ `{version}`] — {reopened} no longer accepted[ ({again})]"
    "[, running in {environment}]",
    "findings-reported.mended": "🩹 *{subject}*[ `{version}`] — [{mended} of {open} findings fixed in `{by}`]"
    "[, running in {environment}]",
    "findings-reported.other": "🛡️ *{subject}*[ `{version}`] — findings[, running in {environment}]",
    "findings-reported.expiring": "⏳ *{subject}*[ (+{others})]: acceptance ends[ {due}][ from {first} on]",
    "findings-reported.digest": "📋 *{subject}*: digest of findings[, {overdue} overdue][, {p1} P1][, {p2} P2]"
    "[, {unscanned} not scanned]",
    "findings-resolved": "✅ *{subject}*[ `{version}`] — all findings fixed[, open {duration}]",
    "findings-resolved.accepted": "☑️ *{subject}*[ `{version}`] — what was left is accepted[, open {duration}]",
    "findings-resolved.replaced": "✅ *{subject}*[ `{version}`] — runs no more[, replaced by `{by}`]"
    "[, open {duration}]",
    "findings-resolved.gone": "☑️ *{subject}*[ `{version}`] — the image is gone[, open {duration}]",
    "gate-closed": "⛔ *{subject}*[ · {environment}]: gate closed[ for `{version}`]"
    "[, {p1} P1][, {p2} P2][, {p3} P3][, {p4} P4]",
    "gate-closed.no-result": "⛔ *{subject}*[ · {environment}]: gate closed[ for `{version}`], no result: {reason:key}",
    "gate-opened": "✅ *{subject}*[ · {environment}]: gate open[ for `{version}`]",
    "gate-opened.failed": "⚠️ *{subject}*[ · {environment}]:[ `{version}`] failed its gate and is let through"
    "[, {p1} P1][, {p2} P2][, {p3} P3][, {p4} P4]",
    "gate-opened.no-result": "⚠️ *{subject}*[ · {environment}]:[ `{version}`] is let through without a result, "
    "{reason:key}",
}

_KINDS = {
    "findings-reported": "findings",
    "findings-resolved": "findings settled",
    "gate-opened": "gate open",
    "gate-closed": "gate closed",
}

_RULES = {
    "kev": "in CISA KEV",
    "exploited": "exploitation was observed",
    "exploit": "an exploit is known, and it runs",
    "critical": "critical, and it runs",
    "likely": "high, likely to be exploited, and it runs",
    "grave": "high or critical",
    "rest": "nothing that is urgent",
}

_STATES = {
    "pending": "the scan has not finished",
    "failed": "the scan failed",
    "unsupported": "the scanner cannot read it",
    "too-large": "too large for the scanner",
    "archived": "archived, so not scanned",
    "expired": "no longer scanned",
    "gone": "not in the registry any more",
    "not-scanned": "nobody scans it",
}
"""Of scans that did not come to an end."""

_FINDINGS = {
    "line": "[{package}][ {version}][ → {fixed_in}][ ({fix:key})][ · {severity}][ · {kev}][, due {kev_due}]"
    "[ · EPSS {epss}][ · {exploit:key}][ · {change:key}][ ({accepted_by})]",
    "late": "[{priority}][ · {package}][ · {image}][ · {running}][ · due since {due}]",
    "acceptance": "ends {due}[ · {repositories}][ · {owner}][ · {reason}]",
    "no-fix": "no fix",
    "partly": "not for all of it",
    "exploit": "exploit known",
    "worsened": "worsened",
    "reopened": "acceptance ended",
    "not-running": "nothing yet",
    "compared": "{fixed} fixed, {unchanged} unchanged[, compared to {compared}]",
    "suppressed": "{count}[ (ending within 7 days: {ending})]",
    "cure": "{fixed} of {of} fixed in {version}",
    "fixable": "a fix exists for {fixable}[ of {of}]",
}

_NEXT = {
    "gate-failed": "not deployed until a new push, or until the findings are accepted (longshore suppress)",
    "gate-scan": "judged again by itself when a scan finishes; a new push or other terms help as well",
    "gate-image": "not deployed until a new push, or until the profile's terms allow it",
    "gate-passed": "deployed, if nothing else holds it",
    "gate-let-through": "deployed all the same, as the profile's terms say",
    "acceptance-ends": "its findings are then told again, and count for gates",
}

_FACTS = {
    "open": "Open in all",
    "idle": "Runs in",
    "compared": "Besides",
    "scan": "Scan",
    "cure": "Fix",
    "mend-by": "Mend by",
    "waited": "Waited until",
    "replaced-by": "Replaced by",
    "settled": "Findings",
    "images": "Images running",
    "overdue": "Overdue",
    "unscanned": "Not scanned",
    "behind": "Behind",
    "ending": "Acceptances ending",
    "more-findings": "More",
}

_LINES = {
    "finding": "*{id}*[ {priority}][, {rule:key}][: {package}][ {version}][ → {fixed_in}][ ({fix:key})]"
    "[ · {severity}][ · {change:key}][ ({accepted_by})][ · mend by {due}][ · {path}][ · {title}]",
    "findings-more": "… +{count} more: `{command}` lists all",
    "runs": "Runs in {running}",
    "unscanned": "Not scanned: `{image}`[, {state:key}][, {why}][, runs in {running}]",
    "behind": "Behind: `{image}`[, runs in {running}][, {fixed}][ of {of} fixed][ in `{version}`]",
    "acceptance": "*{id}*: accepted until {due}[, {repositories}][, {owner}][: {reason}]",
}


def _keyed(prefix: str, entries: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{key}": text for key, text in entries.items()}


SCAN: Mapping[str, str] = {
    **_keyed("headline", _HEADLINES),
    **_keyed("kind", _KINDS),
    **_keyed("reason.gate", {reason.value: reason.meaning for reason in GateReason}),
    **_keyed("rule", _RULES),
    **_keyed("state", _STATES),
    **_keyed("findings", _FINDINGS),
    **_keyed("next", _NEXT),
    **_keyed("fact", _FACTS),
    **_keyed("line", _LINES),
}
"""Its entries."""
