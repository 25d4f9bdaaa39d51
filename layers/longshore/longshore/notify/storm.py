"""The storm guard: when too much begins at once, one summary that is edited stands for all of it (notify 6, N5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.notices import Fact, Notice, Phase, Severity, Text
from longshore.notify import catalogue
from longshore.notify.messages import Due

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.notify.fanout import Ports
    from longshore.notify.threads import Waiting

LIMIT: Final = 20
"""New messages that one destination gets in one window."""
_WINDOW: Final = timedelta(minutes=10)
_THREAD: Final = "storm/"
_LINES: Final = 10
_WORDS: Final = 200
TOGETHER: Final = 20
"""Notices that one answer in a summary's thread tells."""
COMPANY: Final = timedelta(seconds=15)
"""How long a notice waits for others to be told with: a storm should not use up the channel's pace."""


def window(now: datetime) -> str:
    """The window that a moment belongs to, named by its beginning."""
    seconds = int(_WINDOW.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")


def thread(of: str) -> str:
    """The name of the thread that sums up a window."""
    return f"{_THREAD}{of}"


def window_of(name: str) -> str:
    """The window of a summary's thread, nothing of another."""
    return name.removeprefix(_THREAD) if is_summary(name) else ""


def absorbing(of: str) -> str:
    """The key of the call that puts a notice into a summary; no channel's name can begin like it."""
    return f"#{thread(of)}"


def absorbed_by(key: str) -> str:
    """The window of such a call, nothing for any other."""
    return window_of(key[1:]) if key.startswith("#") else ""


def ends(name: str) -> datetime:
    """When the window of a summary's thread is over."""
    return datetime.strptime(window_of(name), "%Y-%m-%dT%H:%M%z") + _WINDOW


def is_summary(name: str) -> bool:
    """Whether a thread sums up others."""
    return name.startswith(_THREAD)


def absorb(ports: Ports, destination: str, of: str, waiting: Waiting, now: datetime) -> None:
    """Puts a notice into the summary's outbox. Doing it again changes nothing."""
    ports.threads.add(destination, thread(of), replace(waiting, since=now, child=False))
    Due(destination, thread(of), waiting.notice.correlation).send(ports.postponer, now)


def together(record: Mapping[str, Any], waiting: Sequence[Waiting], most: int) -> tuple[Waiting, ...]:
    """What of the outbox is told at once: what an earlier try began to tell, else the first so many."""
    begun = [each for each in waiting if each.id in record.get("telling", ())]
    return tuple(begun or waiting[:most])


def folded(record: Mapping[str, Any], waiting: Sequence[Waiting]) -> dict[str, Any]:
    """The counts with more notices in them: by severity, by kind, and the gravest lines, of those the newest."""
    severities, kinds = Counter(record.get("severities") or {}), Counter(record.get("kinds") or {})
    lines = list(record.get("lines") or ())
    for each in waiting:
        notice = each.notice
        severities[notice.severity.value] += 1
        kinds[notice.kind.value] += 1
        lines.append(_entry(each))
    return {"severities": dict(severities), "kinds": dict(kinds), "lines": sorted(lines, key=_weight)[-_LINES:]}


def _entry(waiting: Waiting) -> list[str]:
    notice = waiting.notice
    return [notice.occurred_at.isoformat(), notice.kind.value, notice.subject[:100], notice.severity.value]


def _weight(line: Sequence[str]) -> tuple[int, str]:
    """The gravest last, and of those the newest."""
    severity = Severity(line[3]) if len(line) > 3 else Severity.INFO  # noqa: PLR2004  # lines of the version before
    return -tuple(Severity).index(severity), line[0]


def summary(record: Mapping[str, Any], told: Sequence[Waiting], of: str, language: str, *, threaded: bool) -> Notice:
    """One notice that stands for all: the gravest severity, counts, ten lines, and in its details those of `told`.

    `of` is the summary's own thread; where it has no answers, details do not repeat the ten. It opens nothing that
    another notice could close, and closes nothing.
    """
    newest, severities, kinds = told[-1].notice, record["severities"], record["kinds"]
    total = str(sum(severities.values()))
    gravest = next((each for each in Severity if each.value in severities), newest.severity)
    named = {catalogue.label(f"kind.{slug_of(name)}", language): count for name, count in kinds.items()}
    by_kind = ", ".join(f"{name} {count}" for name, count in sorted(named.items(), key=lambda item: -item[1]))
    by_severity = ", ".join(f"{each.value} {severities[each.value]}" for each in Severity if each.value in severities)
    lines = [Fact("fact.latest", _line(line, language), short=False) for line in reversed(record["lines"])]
    return replace(
        newest,
        severity=gravest,
        phase=Phase.OPENED,
        stage="",
        thread=of,
        headline=Text("headline.storm", {"subject": total}),
        facts=(Fact("fact.severities", by_severity), Fact("fact.kinds", by_kind, short=False), *lines),
        details=tuple(_told(each.notice, language) for each in told if threaded or _entry(each) not in record["lines"]),
        links=(),
        log_tail=None,
    )


def _told(notice: Notice, language: str) -> Text:
    what = catalogue.say(notice.headline, language)[:_WORDS]
    args = {"time": f"{notice.occurred_at:%H:%M:%S}", "what": what, "correlation": notice.correlation[:_WORDS]}
    return Text("line.summed-up", args)


def slug_of(kind: str) -> str:
    """As `kinds.slug`, of a kind's name."""
    return kind.lower().replace(" ", "-")


def _line(line: Sequence[str], language: str) -> str:
    at, kind, subject = line[:3]
    return f"{datetime.fromisoformat(at):%H:%M:%S} {subject}: {catalogue.label(f'kind.{slug_of(kind)}', language)}"
