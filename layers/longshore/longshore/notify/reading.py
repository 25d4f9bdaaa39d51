"""Reading: one of Longshore's events becomes a notice. Total: a member that is missing or odd is left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from longshore.envelopes import SOURCE
from longshore.events import Kind
from longshore.images import Repository
from longshore.notices import Link, Notice, Phase, Severity, Text
from longshore.notify import findings, findings_text, recovery, scanning
from longshore.notify.facts import Moved, facts, moved, reason_key, version
from longshore.notify.fields import Detail, clean, duration, first, items, mapping, moment, optional, shown_time
from longshore.notify.kinds import HELD_UNTIL, INCONCLUSIVE, MEANINGS, SOAKING, Meaning, entry, slug
from longshore.notify.links import Console
from longshore.redaction import redact_all, tail
from longshore.workload_ids import WorkloadId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ROLLBACK = 5
_THREAD = 512
_LINES = 20
_ALARMS = 3
_GRANTED = frozenset({"", "approved", "approve", "granted", "yes", "true"})


def read(event: object) -> Notice | None:
    """The notice of an event, or None for what concerns nobody or is not Longshore's. Never raises."""
    envelope = mapping(event)
    kind = _kind(envelope)
    if kind is None:
        return None
    told = mapping(redact_all(envelope))
    identity = clean(envelope.get("id"), 256) or _hash(told)
    detail = mapping(envelope.get("detail"))
    detail = {**detail, "correlation": clean(detail.get("correlation"), 256) or identity}
    detail = scanning.prepared(kind, detail) if kind in scanning.KINDS else detail
    meaning = _in_case(kind, MEANINGS[kind], detail)
    at = moment(envelope.get("time")) or moment(detail.get("ended")) or moment(detail.get("began")) or _EPOCH
    told_log = kind not in recovery.KINDS or recovery.logged(kind, detail)
    log = tail(_log(detail)) if told_log and _log(detail) else None
    return Notice(
        id=identity,
        kind=kind,
        severity=meaning.severity,
        phase=meaning.phase,
        thread=_thread(meaning, envelope, detail),
        order=(at.isoformat(timespec="microseconds"), meaning.rank),
        occurred_at=at,
        account=clean(envelope.get("account"), 64),
        region=clean(envelope.get("region"), 64),
        subject=_subject(meaning, detail),
        team=optional(detail, "team"),
        channel=None if kind is Kind.CHANNEL_FAILED else optional(detail, "channel"),
        environment=first(detail, ("environment", "cluster"), 256) or _cluster(detail) or None,
        headline=_headline(kind, meaning, detail),
        facts=facts(kind, {**detail, "cluster": detail.get("cluster") or _cluster(detail)}, meaning.next, at),
        details=tuple(_details(kind, detail, at, log.count if log else 0)),
        links=tuple(_links(kind, envelope, detail, at)),
        log_tail=log.text if log else None,
        correlation=str(detail["correlation"]),
        event=told,
        stage=_stage(kind, detail),
    )


def _kind(envelope: Mapping[str, Any]) -> Kind | None:
    name = envelope.get("detail-type")
    if envelope.get("source", SOURCE) != SOURCE or not isinstance(name, str) or name not in set(Kind):
        return None
    kind = Kind(name)
    if kind not in MEANINGS or scanning.told_by_its_gate(kind, mapping(envelope.get("detail"))):
        return None
    return kind


# -- what the table cannot say: it depends on the detail ----------------------------------------------------------


def _in_case(kind: Kind, meaning: Meaning, detail: Detail) -> Meaning:
    """The kind's row, adjusted to the case at hand."""
    reason = clean(detail.get("reason"), 128)
    if kind in recovery.KINDS:
        return recovery.in_case(kind, meaning, detail)
    if kind in scanning.KINDS:
        return scanning.in_case(kind, meaning, detail)
    if kind is Kind.DEPLOYMENT_HELD:
        return meaning._replace(next=HELD_UNTIL.get(reason, "policy"))
    if kind is Kind.DEPLOYMENT_FAILED and reason in INCONCLUSIVE:
        meaning = meaning._replace(severity=Severity.WARNING, next="inconclusive")
    elif kind is Kind.DEPLOYMENT_FAILED and reason == "refused":
        meaning = meaning._replace(next="tried-again")
    elif _stage(kind, detail):
        meaning = meaning._replace(phase=Phase.PROGRESS, rank=meaning.rank + 1)
    if kind is Kind.APPROVAL_DECIDED and not _granted(detail):
        return meaning._replace(severity=Severity.WARNING, phase=Phase.FAILED)
    return _on_the_way_back(kind, meaning) if detail.get("rollback") is True else meaning


def _on_the_way_back(kind: Kind, meaning: Meaning) -> Meaning:
    """A rollback goes on in the thread of what failed, even within the same second."""
    later = meaning._replace(rank=meaning.rank + _AFTER_ROLLBACK)
    if kind is Kind.DEPLOYMENT_STARTED:
        return later._replace(severity=Severity.WARNING, phase=Phase.PROGRESS)
    if meaning.phase is Phase.FAILED and meaning.severity is Severity.ERROR:
        return later._replace(severity=Severity.CRITICAL, next="held")
    return later


def _stage(kind: Kind, detail: Detail) -> str:
    return SOAKING if kind is Kind.DEPLOYMENT_STARTED and detail.get("stage") == SOAKING else ""


def _granted(detail: Detail) -> bool:
    return first(detail, ("decision", "reason")).lower() in _GRANTED


def _headline(kind: Kind, meaning: Meaning, detail: Detail) -> Text:
    args = {
        "subject": _subject(meaning, detail),
        "environment": first(detail, ("environment", "cluster"), 256) or _cluster(detail),
        "version": version(detail),
        "reason": reason_key(detail.get("reason")),
        "duration": duration(detail),
        "cause": first(detail, ("cause", "why", "problem", "error", "class"), 200),
        "by": first(detail, ("by", "actor"), 128),
        "due": shown_time(detail.get("due")),
        "until": shown_time(detail.get("soaks_until")),
        "upstream": clean(detail.get("upstream"), 256),
        "attempt": clean(detail.get("attempt"), 16),
    }
    args |= {name: _number(detail.get(name)) for name in ("count", "new", "fixed")}
    args |= recovery.headline(detail) if kind in recovery.KINDS else {}
    args |= scanning.headline(kind, detail) if kind in scanning.KINDS else {}
    return Text(f"headline.{slug(kind)}{_variant(kind, detail)}", {name: text for name, text in args.items() if text})


def _variant(kind: Kind, detail: Detail) -> str:
    reason = clean(detail.get("reason"), 128)
    if kind in recovery.KINDS:
        return recovery.variant(kind, detail)
    if kind in scanning.KINDS:
        return scanning.variant(kind, detail)
    if kind is Kind.APPROVAL_DECIDED:
        return "" if _granted(detail) else ".refused"
    if kind is Kind.DEPLOYMENT_FAILED and reason in INCONCLUSIVE:
        return ".inconclusive"
    if kind is Kind.DEPLOYMENT_FAILED and reason == "refused":
        return ".refused"
    if stage := _stage(kind, detail):
        return f".{stage}"
    if kind in _THERE_AND_BACK and detail.get("rollback") is True:
        return ".rollback"
    return ".again" if kind is Kind.DEPLOYMENT_STARTED and not moved(detail) else ""


_THERE_AND_BACK = frozenset(
    {Kind.DEPLOYMENT_STARTED, Kind.DEPLOYMENT_SUCCEEDED, Kind.DEPLOYMENT_FAILED, Kind.DEPLOYMENT_ROLLED_BACK}
)


def _number(value: object) -> str:
    return str(len(value)) if isinstance(value, list | Mapping) else clean(value, 32)


# -- names --------------------------------------------------------------------------------------------------------


def _subject(meaning: Meaning, detail: Detail) -> str:
    names = (*meaning.subject, "workload_name", "workload", "service", "name", "repository")
    found = first(detail, names, 512)
    repository = _repository(detail)
    if repository and found == clean(detail.get("repository"), 512):
        return repository.name
    if workload := _workload(found):
        return workload.label
    if found.startswith("arn:"):
        return found.rpartition("/")[2] or "Longshore"
    cluster = clean(detail.get("cluster"), 256)  # a name may have it too, and it is told beside the subject
    return found.removeprefix(f"{cluster}/").removesuffix(f" ({cluster})") or "Longshore"


def _thread(meaning: Meaning, envelope: Detail, detail: Detail) -> str:
    parts = [_part(names, envelope, detail) for names in meaning.of]
    if not any(parts):
        parts = [str(detail["correlation"])]
    name = "/".join((meaning.thread, *(part for part in parts if part)))
    if len(name.encode()) <= _THREAD:
        return name
    return f"{meaning.thread}/{hashlib.sha256(name.encode()).hexdigest()}"


def _part(names: str, envelope: Detail, detail: Detail) -> str:
    if names.startswith("@"):
        return clean(envelope.get(names[1:]), 64)
    return first(detail, names.split("|"), 2048)


def _hash(told: Detail) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _workload(arn: str) -> WorkloadId | None:
    return WorkloadId.parse(arn) if WorkloadId.names(arn) else None


def _cluster(detail: Detail) -> str:
    workload = _workload(clean(detail.get("workload"), 1024))
    return workload.cluster if workload else ""


def _repository(detail: Detail) -> Repository | None:
    try:
        return Repository.parse(clean(detail.get("repository"), 512))
    except ValueError:
        return None


# -- the thread's lines -------------------------------------------------------------------------------------------


def _details(kind: Kind, detail: Detail, at: datetime, redactions: int) -> Iterator[Text]:
    yield Text("line.when", {"time": f"{at:%H:%M:%S} UTC", "what": entry(kind, _stage(kind, detail))})
    if kind in recovery.KINDS:
        yield from recovery.lines(kind, detail)
    elif kind in scanning.KINDS:
        yield from findings_text.lines(kind, detail)
    elif not _stage(kind, detail):  # else the thread has told it already
        yield from _why(kind, detail)
    if redactions:
        yield Text("line.redacted", {"count": str(redactions)})
    yield Text("line.correlation", {"correlation": str(detail["correlation"])})


def _why(kind: Kind, detail: Detail) -> Iterator[Text]:
    reason, decision = reason_key(detail.get("reason")), reason_key(detail.get("decision"))
    if reason and decision and reason != decision:
        yield Text("line.outcome", {"reason": reason})
        yield Text("line.decision", {"reason": decision})
    elif reason or decision:
        yield Text("line.reason", {"reason": reason or decision})
    for change in moved(detail):
        yield _changed(change)
    for each in items(detail.get("candidates"))[:_LINES]:
        yield from _candidate(mapping(each))
    if said := scanning.held_by_gate(kind, detail):
        yield Text("line.reason", {"reason": said})
    elif why := clean(detail.get("why"), 2000):
        yield Text("line.why", {"why": why})
    for each in items(detail.get("evidence"))[:_LINES]:
        if evidence := clean(each):
            yield Text("line.evidence", {"evidence": evidence})


def _changed(change: Moved) -> Text:
    args = {"container": change.container, "image": change.shown, "now": change.digest, "was": change.previous}
    return Text("line.change", args)


def _candidate(candidate: Detail) -> Iterator[Text]:
    version = first(candidate, ("tag", "digest"), 128)
    if version:
        container, reason = clean(candidate.get("container"), 128), reason_key(candidate.get("reason"))
        yield Text("line.candidate", {"container": container, "tag": version, "reason": reason})


# -- where to look ------------------------------------------------------------------------------------------------


def _links(kind: Kind, envelope: Detail, detail: Detail, at: datetime) -> Iterator[Link]:
    region, arn = clean(envelope.get("region"), 64), first(detail, ("workload", "task"), 1024)
    console = Console(region, arn)
    workload = _workload(clean(detail.get("workload"), 1024))
    found = [console.workload(workload)] if workload else []
    if workload and detail.get("rollout"):
        found.append(console.deployments(workload))
    found += _task_links(console, detail)
    found += findings.links(kind, detail, region) if kind in scanning.KINDS else _image_links(arn, detail)
    log = mapping(detail.get("log"))
    group, stream = detail.get("log_group") or log.get("group"), detail.get("log_stream") or log.get("stream")
    found.append(console.logs(clean(group, 512), clean(stream, 512), at))
    found += [console.alarm(clean(name, 255)) for name in items(detail.get("alarms"))[:_ALARMS]]
    yield from dict.fromkeys(link for link in found if link)


def _task_links(console: Console, detail: Detail) -> list[Link | None]:
    found = []
    for member in ("replacement", "task"):
        _, _, name = clean(detail.get(member), 1024).partition(":task/")
        cluster, _, task = name.rpartition("/")
        link = console.task(cluster, task)
        found.append(link._replace(label=f"link.{member}") if link else None)
    return found


def _image_links(arn: str, detail: Detail) -> list[Link | None]:
    for change in moved(detail):
        repository = change.reference.repository if change.reference else None
        if repository:
            return [Console(repository.region, arn).image(repository.account, repository.name, change.digest)]
    repository = _repository(detail)
    if repository is None:
        return []
    console, digest = Console(repository.region, arn), clean(detail.get("digest"), 80)
    image = console.image(repository.account, repository.name, digest)
    return [image or console.repository(repository.account, repository.name)]


def _log(detail: Detail) -> str:
    log = detail.get("log_tail") or detail.get("logs") or mapping(detail.get("log")).get("lines")
    if isinstance(log, list | tuple):
        return "\n".join(line for line in log if isinstance(line, str))
    return log if isinstance(log, str) else ""
