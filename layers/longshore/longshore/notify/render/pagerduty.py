"""PagerDuty: failures are alerts that their recovery resolves, deployments and the rest are change events.

Events API v2, "Trigger Events" and "Change Events"; the channel adds the routing key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from longshore.notices import Notice, Severity
from longshore.notify.escape import Plain, clean, cut
from longshore.notify.incidents import failed, incident, recovered
from longshore.notify.kinds import slug
from longshore.notify.ports import Rendered
from longshore.notify.render import limits
from longshore.notify.render.story import Story, pack

_FACTS = 20
_LINES = 3000
_DEPLOYMENT = "Deployment "


def render(story: Story) -> Rendered:
    """An alert, a change, or both: never neither."""
    inner = story.in_style(Plain(500))
    notice = story.notice
    alert = _trigger(inner) if failed(notice) else _resolve(notice) if recovered(notice) else None
    body: dict[str, object] = {} if alert is None else {"alert": alert}
    if alert is None or notice.kind.value.startswith(_DEPLOYMENT):
        body["change"] = _change(inner)
    return Rendered(body, _summary(inner))


def dedup_key(thread: str) -> str:
    """The name of an incident; where that is too long or not printable, its first word and a hash."""
    if thread and thread.isascii() and thread.isprintable() and len(thread) <= limits.PAGERDUTY_DEDUP:
        return thread
    name = "".join(each for each in thread.partition("/")[0][:40] if each.isascii() and each.isalnum())
    return f"{name}/{hashlib.sha256(thread.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _trigger(story: Story) -> dict[str, Any]:
    notice = story.notice
    severity = Severity.INFO if notice.severity is Severity.OK else notice.severity
    words = {
        "component": notice.subject,
        "group": notice.environment or notice.team or notice.region,
        "class": slug(notice.kind),
    }
    return {
        "event_action": "trigger",
        "dedup_key": dedup_key(incident(notice)),
        "client": "Longshore",
        "payload": {
            **_payload(story),
            "severity": severity.value,
            **{name: text for name, raw in words.items() if (text := clean(raw, 255).strip())},
        },
        "links": _links(story),
    }


def _resolve(notice: Notice) -> dict[str, Any]:
    return {"event_action": "resolve", "dedup_key": dedup_key(incident(notice))}


def _change(story: Story) -> dict[str, Any]:
    return {"payload": _payload(story), "links": _links(story)}


def _payload(story: Story) -> dict[str, Any]:
    notice = story.notice
    source = "/".join(each for each in (notice.account, notice.region, notice.subject) if each)
    return {
        "summary": _summary(story),
        "source": clean(source, 255).strip() or "longshore",
        "timestamp": notice.occurred_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "custom_details": _details(story),
    }


def _details(story: Story) -> dict[str, str]:
    """Facts by their label; lines and the rest of the story under the names of the catalogue."""
    facts = {(story.label(fact.label) or "?"): story.value(fact) for fact in story.facts()[:_FACTS]}
    chunks, left = pack(story.details(), _LINES, _LINES, 1)
    if left:
        chunks.append(story.more(left, threaded=False))
    extra = {"details": "\n".join(chunks), "correlation": clean(story.notice.correlation, 255).strip()}
    return {**facts, **{name: text for name, text in extra.items() if text}}


def _links(story: Story) -> list[dict[str, str]]:
    return [{"href": url, "text": label} for label, url in story.links()]


def _summary(story: Story) -> str:
    why = next((story.value(fact) for fact in story.facts() if fact.label == "fact.why"), "")
    headline = story.headline().strip() or "Longshore"
    return cut(f"{headline}: {why}" if why and failed(story.notice) else headline, limits.PAGERDUTY_SUMMARY)
