"""Notify's stores in the ledger: outboxes and threads, what was said, what covers a workload, and whose turn it is.

Keys (pk / sk), each with account and Region:
THREAD#<account>/<region>#<destination>#<thread> / STATE              how far the telling has come
THREAD#<account>/<region>#<destination>#<thread> / NOTICE#<order>#<id>  a notice that waits, or the trace of one told
OPEN#<account>/<region>#<workload> / <destination>                    the thread that tells what happens to a workload
OPEN#<account>/<region>#<incident> / <destination>                    who heard of a trouble (see `notify.incidents`)
SAID#<account>/<region> / <what>                                      what was said once
PACE#<account>/<region> / <gate>                                      when a gate opens, and where its line ends
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.table import Table, expiry
from longshore.errors import ConflictError
from longshore.events import Kind
from longshore.notices import Order, Severity
from longshore.notify.life import Life
from longshore.notify.pacing import Gate
from longshore.notify.threads import Call, State, Thread, Waiting

if TYPE_CHECKING:
    from longshore.ports import Clock

_OUTBOX_KEEP = timedelta(days=15)  # a message lives fourteen days at most, and may bring a notice again until then
_STATE_KEEP = timedelta(days=90)
_PACE_KEEP = timedelta(days=1)
_TRIES = 5


class LedgerThreads:
    """See `notify.threads.Threads`."""

    def __init__(self, table: Table, clock: Clock, account: str, region: str) -> None:
        self._table = table
        self._clock = clock
        self._place = f"{account}/{region}"

    def add(self, destination: str, thread: str, waiting: Waiting) -> bool:
        """Puts a notice into an outbox, unless it is or was there."""
        item = {
            "pk": self._key(destination, thread),
            "sk": _notice_key(waiting),
            "order": list(waiting.order),
            "id": waiting.id,
            "event": json.dumps(waiting.event, ensure_ascii=False, separators=(",", ":"), default=str),
            "since": waiting.since.isoformat(),
            "mention": waiting.mention,
            "child": waiting.child,
            "expires": expiry(waiting.since, _OUTBOX_KEEP),
        }
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except ConflictError:
            return False
        return True

    def load(self, destination: str, thread: str) -> Thread:
        """State and outbox: one Query."""
        state, waiting = State(), []
        for item in self._table.query(self._key(destination, thread)):
            if item["sk"] == "STATE":
                state = _state(item)
            elif "event" in item:
                waiting.append(_waiting(item))
        return Thread(destination, thread, state, tuple(sorted(waiting, key=lambda each: (each.order, each.id))))

    def save(self, thread: Thread) -> Thread:
        """Writes the state under its fencing token."""
        state = replace(thread.state, version=thread.state.version + 1)
        item = {"pk": self._key(thread.destination, thread.name), "sk": "STATE", **_members(state)}
        item["expires"] = expiry(self._clock.now(), _STATE_KEEP)
        if thread.state.version:
            self._table.put(item, "version = :version", {":version": thread.state.version})
        else:
            self._table.put(item, "attribute_not_exists(pk)")
        return replace(thread, state=state)

    def told(self, thread: Thread, waiting: Waiting) -> None:
        """Leaves a trace in the notice's place, so that its event may come again and change nothing."""
        pk, expires = self._key(thread.destination, thread.name), expiry(self._clock.now(), _OUTBOX_KEEP)
        self._table.put({"pk": pk, "sk": _notice_key(waiting), "expires": expires})

    def drop(self, thread: Thread, waiting: Waiting) -> None:
        """Takes a notice out of the outbox, without a trace."""
        self._table.delete(self._key(thread.destination, thread.name), _notice_key(waiting))

    def said(self, what: str, now: datetime) -> bool:
        """Whether it was said, and its time is not over."""
        item = self._table.get(f"SAID#{self._place}", what)
        return item is not None and datetime.fromisoformat(item["until"]) > now

    def say(self, what: str, until: datetime) -> None:
        """Remembers that it was said."""
        expires = expiry(until, timedelta())
        self._table.put({"pk": f"SAID#{self._place}", "sk": what, "until": until.isoformat(), "expires": expires})

    def open(self, workload: str, destination: str, thread: str, until: datetime) -> None:
        """Has a thread cover a workload."""
        item = {"pk": self._open_key(workload), "sk": destination, "thread": thread, "until": until.isoformat()}
        self._table.put({**item, "expires": expiry(until, timedelta())})

    def close(self, workload: str, destination: str, thread: str) -> None:
        """Ends the cover, unless another thread took over."""
        item = self._table.get(self._open_key(workload), destination)
        if item and item.get("thread") == thread:
            self._table.delete(self._open_key(workload), destination)

    def opened(self, workload: str, now: datetime) -> Mapping[str, str]:
        """The covering threads by destination: one Query."""
        items = self._table.query(self._open_key(workload))
        return {item["sk"]: item["thread"] for item in items if datetime.fromisoformat(item["until"]) > now}

    def _key(self, destination: str, thread: str) -> str:
        return f"THREAD#{self._place}#{destination}#{thread}"

    def _open_key(self, workload: str) -> str:
        return f"OPEN#{self._place}#{workload}"


class LedgerTurns:
    """See `notify.threads.Turns`."""

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._pk = f"PACE#{account}/{region}"

    def take(self, gate: str, every: timedelta, now: datetime, *, waited: bool) -> datetime | None:
        """Takes a turn, or a place in the line; in a crowd of others it answers to come back soon."""
        for _ in range(_TRIES):
            version, known = self._read(gate)
            until, then = known.turn(every, now, waited=waited)
            if self._written(gate, version, known, then):
                return until
        return now + every

    def shut(self, gate: str, until: datetime) -> None:
        """Keeps the gate shut; a later moment that is recorded stays."""
        for _ in range(_TRIES):
            version, known = self._read(gate)
            if self._written(gate, version, known, known.shut(until)):
                return

    def _read(self, gate: str) -> tuple[int, Gate]:
        item = self._table.get(self._pk, gate)
        if item is None:
            return 0, Gate()
        return item["version"], Gate(datetime.fromisoformat(item["opens"]), datetime.fromisoformat(item["line"]))

    def _written(self, gate: str, version: int, known: Gate, then: Gate) -> bool:
        if then == known:
            return True
        item: dict[str, Any] = {
            "pk": self._pk,
            "sk": gate,
            "opens": then.opens.isoformat(),
            "line": then.line.isoformat(),
        }
        item |= {"version": version + 1, "expires": expiry(max(then.opens, then.line), _PACE_KEEP)}
        try:
            if version:
                self._table.put(item, "version = :version", {":version": version})
            else:
                self._table.put(item, "attribute_not_exists(pk)")
        except ConflictError:
            return False
        return True


def _notice_key(waiting: Waiting) -> str:
    at, rank = waiting.order
    return f"NOTICE#{at}#{rank:03}#{waiting.id}"


def _order(raw: Any) -> Order | None:
    return (str(raw[0]), int(raw[1])) if raw else None


def _time(raw: Any) -> datetime | None:
    return datetime.fromisoformat(raw) if raw else None


def _waiting(item: Mapping[str, Any]) -> Waiting:
    order = (str(item["order"][0]), int(item["order"][1]))
    since = datetime.fromisoformat(item["since"])
    event = json.loads(item["event"])
    return Waiting(order, item["id"], event, since, item.get("mention", ""), item.get("child", False))


def _members(state: State) -> dict[str, Any]:
    call = state.call
    return {
        "version": state.version,
        "lease": state.lease.isoformat() if state.lease else None,
        "root": state.root,
        "roots": state.roots,
        "posted": state.posted,
        "first": state.first,
        "shown": list(state.shown) if state.shown else None,
        "gravest": state.gravest.value if state.gravest else None,
        "digest": state.digest,
        "life": state.life.to_record(),
        "closed": list(state.closed) if state.closed else None,
        "last_kind": state.last_kind.value if state.last_kind else None,
        "last_at": state.last_at.isoformat() if state.last_at else None,
        "call": [call.key, call.since.isoformat(), call.notice] if call else None,
        "done": list(state.done),
        "wake": state.wake.isoformat() if state.wake else None,
        "turn": str(state.turn),
        "failures": state.failures,
        "window": state.window,
        "storm": dict(state.storm),
    }


def _state(item: Mapping[str, Any]) -> State:
    call = item.get("call")
    return State(
        version=item["version"],
        lease=_time(item.get("lease")),
        root=item.get("root"),
        roots=item.get("roots", 0),
        posted=item.get("posted", False),
        first=item.get("first", ""),
        shown=_order(item.get("shown")),
        gravest=Severity(item["gravest"]) if item.get("gravest") else None,
        digest=item.get("digest", ""),
        life=Life.from_record(item.get("life") or {}),
        closed=_order(item.get("closed")),
        last_kind=Kind(item["last_kind"]) if item.get("last_kind") else None,
        last_at=_time(item.get("last_at")),
        call=Call(call[0], datetime.fromisoformat(call[1]), call[2]) if call else None,
        done=tuple(item.get("done") or ()),
        wake=_time(item.get("wake")),
        turn=item.get("turn", ""),
        failures=item.get("failures", 0),
        window=item.get("window", ""),
        storm=item.get("storm") or {},
    )
