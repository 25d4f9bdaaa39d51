"""The facts of a notice: what an event's detail says, labelled, in one fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from longshore.events import Kind
from longshore.images import ImageReference
from longshore.notices import Fact
from longshore.notify import findings, recovery, scanning
from longshore.notify.catalogue_en import ENGLISH
from longshore.notify.fields import Detail, clean, duration, items, mapping, short_digest, shown_time
from longshore.owners import OwnerKind

_CHANGES = 5
_FACTS = 16
_OF_OWNERS = ("gitops-owned", "owned", "iac-revert", "stack-not-updatable")
_FAILURES = (Kind.DEPLOYMENT_FAILED, Kind.DEPLOYMENT_ROLLED_BACK)


class Moved(NamedTuple):
    """One container of a deployment, as its event tells it: what it runs now, and before."""

    container: str
    tag: str
    digest: str
    image: str
    previous: str

    @property
    def version(self) -> str:
        """What people call it: the tag, else the digest."""
        return self.tag or short_digest(self.digest)

    @property
    def reference(self) -> ImageReference | None:
        """The declared image, or None when it is malformed."""
        try:
            return ImageReference.parse(self.image)
        except ValueError:
            return None

    @property
    def shown(self) -> str:
        """The image without its registry, with the tag: ``shop/web:v1.8.3``."""
        reference = self.reference
        name = reference.name if reference else self.image
        return f"{name}:{self.tag}" if self.tag and reference else name or self.tag


def moved(detail: Detail) -> list[Moved]:
    """The changes of a deployment; malformed ones are left out."""
    found = []
    for each in items(detail.get("changes"))[:_CHANGES]:
        change = mapping(each)
        texts = [clean(change.get(name), 300) for name in ("container", "tag", "digest", "image", "previous")]
        if any(texts):
            found.append(Moved(*texts))
    return found


def version(detail: Detail) -> str:
    """The version that an event is about; how many more there are, if they differ."""
    shown = [change.version for change in moved(detail)]
    shown += [clean(mapping(each).get("tag"), 128) for each in items(detail.get("candidates"))]
    shown += [clean(detail.get("tag"), 128), short_digest(detail.get("digest"))]
    known = [text for text in dict.fromkeys(shown) if text]
    several = len({change.version for change in moved(detail)}) - 1
    return f"{known[0]} (+{several})" if known and several > 0 else next(iter(known), "")


def reason_key(code: object) -> str:
    """The catalogue's entry for a reason or an outcome; the code itself when it has none."""
    text = clean(code, 128)
    return next((key for key in (f"reason.{text}", f"outcome.{text}") if key in ENGLISH), text)


def _amount(value: object) -> str:
    return str(len(value)) if isinstance(value, list | Mapping) else clean(value)


def _digests(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{clean(name, 64)}: {short_digest(digest)}" for name, digest in list(value.items())[:_CHANGES]
        )
    return clean(value)


def _last(value: object) -> str:
    return clean(value).rpartition("/")[2]


Form = Callable[[object], str]
_FIELDS: tuple[tuple[str, str, Form], ...] = (
    ("cause", "cause", clean),
    ("class", "class", clean),
    ("evidence", "evidence", clean),
    ("problem", "problem", clean),
    ("error", "error", clean),
    ("key", "key", clean),
    ("field", "field", clean),
    ("fix", "fix", clean),
    ("hint", "fix", clean),
    ("by", "by", clean),
    ("actor", "by", clean),
    ("since", "since", shown_time),
    ("until", "until", shown_time),
    ("to", "back-to", _digests),
    ("running", "serving", _digests),
    ("resolved", "serving", _digests),
    ("alarms", "alarms", clean),
    ("missing", "missing", clean),
    ("offered", "offered", clean),
    ("roles", "roles", clean),
    ("parameter", "parameter", clean),
    ("would", "would", clean),
    ("repository", "repository", clean),
    ("upstream", "upstream", clean),
    ("downstream", "downstream", clean),
    ("tag", "tag", clean),
    ("tags", "tags", clean),
    ("digest", "digest", short_digest),
    ("count", "count", _amount),
    ("task", "task", _last),
    ("replacement", "replacement", _last),
    ("container", "container", clean),
    ("exit_code", "exit-code", clean),
    ("attempt", "attempt", clean),
    ("attempts", "attempts", _amount),
    ("zone", "zone", clean),
    ("due", "due", shown_time),
    ("retry_at", "retry-at", shown_time),
    ("priority", "priority", clean),
    ("new", "new", _amount),
    ("fixed", "fixed", _amount),
    ("worsened", "worsened", _amount),
    ("unchanged", "unchanged", _amount),
    ("suppressed", "suppressed", _amount),
    ("checked", "checked", _amount),
    ("current", "current", _amount),
    ("updated", "updated", _amount),
    ("failing", "failing", _amount),
    ("copied", "copied", _amount),
    ("mounted", "mounted", _amount),
    ("workloads", "running", clean),
    ("gate", "gate", clean),
    ("approvers", "approvers", clean),
    ("expires", "expires", shown_time),
    ("deadline", "deadline", shown_time),
    ("soaks_until", "soaks-until", shown_time),
    ("destination", "destination", clean),
)
"""A member of the detail, its label, and how it is written. The order is that in which people read."""

_CODE = frozenset(
    {"back-to", "serving", "repository", "upstream", "downstream", "tag", "digest", "task", "replacement"}
)
_LONG = frozenset({"cause", "evidence", "problem", "error", "fix", "roles", "alarms", "tags"})


def facts(kind: Kind, detail: Detail, following: str, at: datetime) -> tuple[Fact, ...]:
    """At most sixteen facts; `following` is the catalogue's entry for what happens next, `at` the event's time."""
    found: dict[str, Fact] = {}
    for fact in _told(kind, detail, following, at):
        if fact.value:
            found.setdefault(fact.label, fact)
    kept = list(found.values())
    last = [fact for fact in kept if fact.label == "fact.next"]
    others = [fact for fact in kept if fact.label != "fact.next"]
    return (*others[: _FACTS - len(last)], *last)


def _told(kind: Kind, detail: Detail, following: str, at: datetime) -> Iterator[Fact]:
    if kind in scanning.KINDS:
        return findings.facts(kind, detail, following)
    return _recovery(kind, detail, following, at) if kind in recovery.KINDS else _all(kind, detail, following)


def _all(kind: Kind, detail: Detail, following: str) -> Iterator[Fact]:
    if why := scanning.held_by_gate(kind, detail) or clean(detail.get("why")):
        yield Fact("fact.why", why, short=False)
    if reason := reason_key(detail.get("reason")):
        yield Fact("fact.reason", reason, short=False)
    yield from _changes(kind, moved(detail))
    yield from _owned(detail)
    for name in ("cluster", "platform"):
        if text := clean(detail.get(name), 256):
            keyed = f"platform.{text}"
            yield Fact(f"fact.{name}", keyed if name == "platform" and keyed in ENGLISH else text)
    if took := duration(detail):
        yield Fact("fact.duration", took)
    for member, label, form in _FIELDS:
        if text := form(detail.get(member)):
            yield Fact(f"fact.{label}", text, code=label in _CODE, short=label not in _LONG)
    if following:
        yield Fact("fact.next", f"next.{following}", short=False)


def _owned(detail: Detail) -> Iterator[Fact]:
    """Who owns the workload, where that matters, and what now differs from what the owner declares."""
    drifts = [mapping(each) for each in items(detail.get("drift"))[:_CHANGES]]
    if not drifts and detail.get("reason") not in _OF_OWNERS:
        return
    kind, stack = clean(detail.get("owner"), 64), clean(detail.get("stack"), 128)
    label = OwnerKind(kind).label if kind in list(OwnerKind) else kind
    yield Fact("fact.owner", f"{label} ({stack})" if label and stack else label)
    told = (f"{clean(d.get('property'), 128)}: {clean(d.get('was'), 256)} → {clean(d.get('now'), 256)}" for d in drifts)
    yield Fact("fact.drift", "; ".join(told), code=True, short=False)


def _recovery(kind: Kind, detail: Detail, following: str, at: datetime) -> Iterator[Fact]:
    yield from recovery.facts(kind, detail)
    for fact in _all(kind, recovery.others(detail), ""):
        yield replace(fact, args=recovery.named(detail)) if fact.label == "fact.fix" else fact
    yield from recovery.following(kind, detail, at)
    if following:
        yield Fact("fact.next", f"next.{following}", short=False)


def _changes(kind: Kind, changes: list[Moved]) -> Iterator[Fact]:
    if len(changes) > 1:
        yield Fact("fact.change", "; ".join(_summary(change) for change in changes), code=True, short=False)
    elif changes:
        yield from _change(kind, changes[0])


def _change(kind: Kind, change: Moved) -> Iterator[Fact]:
    if change.shown:
        yield Fact("fact.image", change.shown, code=True)
    if change.digest:
        yield Fact("fact.failed" if kind in _FAILURES else "fact.now", short_digest(change.digest), code=True)
    if change.previous:
        yield Fact(
            "fact.back-to" if kind is Kind.DEPLOYMENT_ROLLED_BACK else "fact.was",
            short_digest(change.previous),
            code=True,
        )


def _summary(change: Moved) -> str:
    was = f" ← {short_digest(change.previous)}" if change.previous else ""
    return f"{change.container} {change.version} {short_digest(change.digest)}{was}"
