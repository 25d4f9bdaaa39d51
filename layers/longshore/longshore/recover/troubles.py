"""Troubles: what goes wrong with a service again and again, counted in sliding windows: pure (recover O1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

FULL, HALF = 2, 1
"""Weights of a sign. An end with exit code 0 is suspicious for a service, no failure: it counts half (recover 2.3)."""

_MOST = 60  # signs kept: more than any limit asks for


class Sign(NamedTuple):
    """One thing that went wrong: a task that stopped, or an event of ECS. `id` tells duplicates, `young` that the task
    had run for less than the policy's `ran`. `instance` is the container instance, where there is one."""

    id: str
    at: datetime
    weight: int = FULL
    young: bool = True
    cls: str = ""
    container: str = ""
    exit_code: int | None = None
    instance: str = ""


class Limit(NamedTuple):
    """So many full signs in so short a time are trouble; `young`: only those of tasks that ran briefly count."""

    signs: int
    within: timedelta
    young: bool = False


ONCE = Limit(1, timedelta(0))
"""What is trouble when it happens once."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is known of one trouble. `subject` is the ARN of the service or of the task; `key` what is counted
    together, such as ``LOOP#ecs-svc/1``.

    `acted` is when something was last done about it, `act` what; `asking` when redeploy was last about to be asked, so
    that without `acted` nobody knows whether it was. `why` is the reason that was told last. `told` are members of what
    was told, for its end and for what is asked later. `window` is that of the limit that opened it, in seconds.
    `version` fences writers: 0 is not yet written.
    """

    subject: str
    key: str
    signs: tuple[Sign, ...] = ()
    opened: datetime | None = None
    resolved: datetime | None = None
    acted: datetime | None = None
    act: str = ""
    asking: datetime | None = None
    why: str = ""
    window: int = 0
    told: Mapping[str, Any] = field(default_factory=dict)
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it was told and has not ended."""
        return self.opened is not None and self.resolved is None

    @property
    def asked(self) -> datetime | None:
        """When something was done about it, or may have been."""
        return self.acted or self.asking

    @property
    def last(self) -> datetime | None:
        """When it showed last."""
        return self.signs[-1].at if self.signs else None

    def with_sign(self, sign: Sign, keep: timedelta) -> Trouble:
        """With one more sign, in order of time whatever the order of arrival; one that is known changes nothing.

        Signs older than the newest by more than `keep` are dropped.
        """
        if any(each.id == sign.id for each in self.signs):
            return self
        signs = sorted((*self.signs, sign), key=lambda each: (each.at, each.id))
        recent = [each for each in signs if signs[-1].at - each.at <= keep]
        return replace(self, signs=tuple(recent[-_MOST:]))

    def crossed(self, limits: Iterable[Limit], sign: Sign) -> Limit | None:
        """The first limit that the signs since it was last resolved reach, in whatever order they came.

        `sign` is one of those that reach it: what was borne with before is no trouble because of one more, later on.
        """
        for limit in limits:
            if reaches([each for each in self.fresh if abs(each.at - sign.at) <= limit.within], limit):
                return limit
        return None

    @property
    def fresh(self) -> Sequence[Sign]:
        """The signs since it was last resolved."""
        return [each for each in self.signs if self.resolved is None or each.at > self.resolved]

    def may_open(self, now: datetime, again: timedelta) -> bool:
        """Whether it may be told: it is not open, and did not end a moment ago."""
        return not self.is_open and (self.resolved is None or now >= self.resolved + again)

    def begun(self, now: datetime, limit: Limit, told: Mapping[str, Any], why: str = "") -> Trouble:
        """Told; one that is open already stays open since then."""
        window = int(limit.within.total_seconds())
        opened = self.opened if self.is_open else now
        return replace(self, opened=opened, resolved=None, window=window, told=dict(told), why=why)

    def ended(self, now: datetime) -> Trouble:
        """Over."""
        return replace(self, resolved=now)

    def as_json(self) -> dict[str, Any]:
        """What the ledger keeps, less the version, which is its own."""
        return {
            "subject": self.subject,
            "key": self.key,
            "signs": [[each.id, each.at.isoformat(), *each[2:]] for each in self.signs],
            "opened": _text(self.opened),
            "resolved": _text(self.resolved),
            "acted": _text(self.acted),
            "act": self.act,
            "asking": _text(self.asking),
            "why": self.why,
            "window": self.window,
            "told": dict(self.told),
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any], version: int) -> Trouble:
        """What `as_json` made."""
        return cls(
            subject=kept["subject"],
            key=kept["key"],
            signs=tuple(Sign(id, datetime.fromisoformat(at), *rest) for id, at, *rest in kept["signs"]),
            opened=_time(kept["opened"]),
            resolved=_time(kept["resolved"]),
            acted=_time(kept["acted"]),
            act=kept["act"],
            asking=_time(kept.get("asking")),
            why=kept.get("why", ""),
            window=kept["window"],
            told=kept["told"],
            version=version,
        )


def reaches(signs: Sequence[Sign], limit: Limit) -> bool:
    """Whether any window of the limit's length holds as many signs as it allows; `signs` are in order of time."""
    counted = [each for each in signs if each.young or not limit.young]
    first, weight = 0, 0
    for each in counted:
        weight += each.weight
        while each.at - counted[first].at > limit.within:
            weight -= counted[first].weight
            first += 1
        if weight >= limit.signs * FULL:
            return True
    return False


def within(signs: Sequence[Sign], limit: Limit) -> Sequence[Sign]:
    """The signs of the limit's window that ends with the newest."""
    counted = [each for each in signs if each.young or not limit.young]
    return [each for each in counted if counted[-1].at - each.at <= limit.within]


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
