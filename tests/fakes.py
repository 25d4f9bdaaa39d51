"""In-memory stores, bus, queue and clock: the ports of design 5, for tests that need no AWS. Contract tests keep them true."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import ConflictError
from longshore.gates import Gate
from longshore.ports import Clock, Good, Head, Record

if TYPE_CHECKING:
    from longshore.events import Announcement, Kind
    from longshore.gates import GateQuestion, GateVerdict
    from longshore.images import Digest, Repository
    from longshore.owners import Drift
    from longshore.places import Place
    from longshore.redeploy.ownership import Stack
    from longshore.workloads import Deployment, Hold, Workload

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
QUARANTINE_KEEP = timedelta(days=90)
PENDING_KEEP = timedelta(days=14)


class FakeClock:
    """Time that moves only when told."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The present."""
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Moves on."""
        return self.advance_to(self._now + timedelta(seconds=seconds))

    def advance_to(self, when: datetime) -> datetime:
        """Moves on to a moment, never back."""
        self._now = max(self._now, when)
        return self._now


class FakePublisher:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.published: list[Announcement] = []

    def publish(self, announcements: Sequence[Announcement]) -> None:
        """Keeps all of them, as JSON would carry them."""
        for each in announcements:
            self.published.append(replace(each, detail=json.loads(json.dumps(each.detail, default=str))))

    def of(self, kind: Kind) -> list[Announcement]:
        """Those of one kind, in order."""
        return [each for each in self.published if each.kind is kind]

    @property
    def kinds(self) -> list[str]:
        """The detail-types, in order."""
        return [each.kind.value for each in self.published]


class FakePostponer:
    """A queue whose messages become visible at their time."""

    def __init__(self) -> None:
        self._waiting: list[tuple[datetime, int, str]] = []
        self._sent = 0

    def postpone(self, body: Mapping[str, Any], until: datetime) -> None:
        """Keeps the message as JSON, as a queue does."""
        self._sent += 1
        heapq.heappush(self._waiting, (until, self._sent, json.dumps(body, default=str)))

    def next_due(self) -> datetime | None:
        """When the next message becomes visible."""
        return self._waiting[0][0] if self._waiting else None

    def receive(self, now: datetime) -> dict[str, Any] | None:
        """Takes the earliest visible message."""
        if not self._waiting or self._waiting[0][0] > now:
            return None
        taken: dict[str, Any] = json.loads(heapq.heappop(self._waiting)[2])
        return taken

    @property
    def waiting(self) -> list[tuple[datetime, dict[str, Any]]]:
        """Every message and its time, the earliest first."""
        return [(until, json.loads(text)) for until, _, text in sorted(self._waiting)]


class FakeHeads:
    """Tag heads in a dictionary."""

    def __init__(self) -> None:
        self._heads: dict[tuple[Repository, str], Head] = {}

    def observe(self, head: Head, cap_seconds: int) -> Head:
        """See `ports.Heads.observe`."""
        key = (head.repository, head.tag)
        old = self._heads.get(key)
        if old is None:
            self._heads[key] = head
        elif head.digest != old.digest and head.moved >= old.moved:
            first = old.first if head.moved < old.settles else head.first
            settles = min(head.settles, first + timedelta(seconds=cap_seconds))
            self._heads[key] = replace(head, first=first, settles=settles, previous=old.digest)
        return self._heads[key]

    def get(self, repository: Repository, tag: str) -> Head | None:
        """One head."""
        return self._heads.get((repository, tag))

    def of(self, repository: Repository) -> Sequence[Head]:
        """Every head of a repository."""
        return [head for (owner, _), head in sorted(self._heads.items()) if owner == repository]

    def forget(self, repository: Repository, tag: str) -> None:
        """Drops one head."""
        self._heads.pop((repository, tag), None)


class FakeIndex:
    """Image -> workload in a dictionary; it keeps the tags that the ledger keeps."""

    def __init__(self) -> None:
        self._workloads: dict[str, Workload] = {}

    def runs(self, repository: Repository) -> Sequence[Workload]:
        """The workloads that follow a repository."""
        return [w for _, w in sorted(self._workloads.items()) if repository in w.repositories]

    def get(self, arn: str) -> Workload | None:
        """One workload."""
        return self._workloads.get(arn)

    def put(self, workload: Workload) -> bool:
        """Records a workload; answers whether anything changed."""
        kept = workload.remembered
        changed = self._workloads.get(workload.arn) != kept
        self._workloads[workload.arn] = kept
        return changed

    def remove(self, arn: str) -> bool:
        """Forgets a workload."""
        return self._workloads.pop(arn, None) is not None

    def all(self, account: str, region: str) -> Iterable[Workload]:
        """Every workload of an account and Region."""
        return [w for _, w in sorted(self._workloads.items()) if (w.account, w.region) == (account, region)]


class FakeRecords:
    """What was done to workloads, in dictionaries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, Record] = {}

    def get(self, arn: str) -> Record:
        """The record, without what has expired."""
        record, now = self._records.get(arn, Record(arn)), self._clock.now()
        quarantined = {d: at for d, at in record.quarantined.items() if now < at + QUARANTINE_KEEP}
        pending = {key: at for key, at in record.pending.items() if now < at + PENDING_KEEP}
        return replace(record, quarantined=quarantined, pending=pending)

    def begin(self, deployment: Deployment, previous: Deployment | None) -> None:
        """Claims the workload."""
        known = self.get(deployment.plan.workload).deployment
        if (known.version if known else None) != (previous.version if previous else None):
            raise ConflictError(f"{deployment.plan.workload} was claimed by somebody else")
        self._change(deployment.plan.workload, deployment=deployment)

    def advance(self, deployment: Deployment) -> Deployment:
        """Writes the next state under the fencing token."""
        known = self.get(deployment.plan.workload).deployment
        if known is None or known.version != deployment.version:
            raise ConflictError(f"version {deployment.version} of {deployment.plan.workload} is outdated")
        advanced = replace(deployment, version=deployment.version + 1)
        self._change(deployment.plan.workload, deployment=advanced)
        return advanced

    def good(self, arn: str, goods: Sequence[Good]) -> None:
        """Replaces the last known good digests."""
        self._change(arn, goods=tuple(goods))

    def quarantine(self, arn: str, digests: Iterable[Digest], reason: str, at: datetime) -> None:
        """Refuses digests."""
        self._change(arn, quarantined={**self.get(arn).quarantined, **dict.fromkeys(digests, at)})

    def hold(self, arn: str, hold: Hold | None) -> None:
        """Sets or lifts a hold."""
        self._change(arn, hold=hold)

    def tell(self, arn: str, what: str) -> None:
        """Keeps what was told last."""
        self._change(arn, told=what)

    def drift(self, arn: str, drifts: Sequence[Drift]) -> None:
        """Replaces what is declared otherwise."""
        self._change(arn, drifts=tuple(drifts))

    def published(self, arn: str, images: Mapping[str, str]) -> None:
        """Keeps what the parameters hold."""
        self._change(arn, published=dict(images))

    def remember(self, arn: str, repository: Repository, tag: str, at: datetime) -> None:
        """Keeps a tag to look at later."""
        self._change(arn, pending={**self.get(arn).pending, (repository, tag): at})

    def forget(self, arn: str, seen: Mapping[tuple[Repository, str], datetime]) -> None:
        """Drops remembered tags, unless they were remembered again since."""
        kept = {key: at for key, at in self.get(arn).pending.items() if seen.get(key) != at}
        self._change(arn, pending=kept)

    def _change(self, arn: str, **members: Any) -> None:
        self._records[arn] = replace(self.get(arn), **members)


class FakeGates:
    """Questions and answers by workload and digest."""

    def __init__(self) -> None:
        self._gates: dict[tuple[Repository, str, Digest], Gate] = {}

    def get(self, repository: Repository, workload: str, digest: Digest) -> Gate | None:
        """See `ports.Gates.get`."""
        return self._gates.get((repository, workload, digest))

    def of(self, repository: Repository) -> Sequence[Gate]:
        """See `ports.Gates.of`."""
        return [gate for (where, _, _), gate in sorted(self._gates.items()) if where == repository]

    def ask(self, question: GateQuestion) -> None:
        """See `ports.Gates.ask`."""
        self._gates[question.repository, question.workload, question.digest] = Gate(question)

    def judge(self, question: GateQuestion, verdict: GateVerdict) -> bool:
        """See `ports.Gates.judge`."""
        key = question.repository, question.workload, question.digest
        if key not in self._gates or self._gates[key].question != question:
            return False
        self._gates[key] = Gate(question, verdict)
        return True

    def retire(self, question: GateQuestion) -> None:
        """See `ports.Gates.retire`."""
        key = question.repository, question.workload, question.digest
        if key in self._gates and self._gates[key].question == question:
            del self._gates[key]


class FakeStacks:
    """CloudFormation stacks by name; `updated` is told of every update, `error` is raised instead."""

    def __init__(self) -> None:
        self.stacks: dict[str, Stack] = {}
        self.values: dict[str, dict[str, str]] = {}
        self.requests: set[str] = set()
        self.updated: Callable[[str, Mapping[str, str]], None] = lambda *_: None
        self.error: Exception | None = None

    def get(self, arn: str, name: str) -> Stack | None:
        """See `ports.Stacks.get`."""
        return self.stacks.get(name)

    def update(
        self, arn: str, name: str, parameters: Mapping[str, str], request: str, *, resumed: bool = False
    ) -> None:
        """See `ports.Stacks.update`."""
        if self.error is not None:
            raise self.error
        if request not in self.requests:
            self.requests.add(request)
            self.values.setdefault(name, {}).update(parameters)
            self.updated(arn, parameters)


class FakeGroups:
    """The workloads of CodeDeploy deployment groups, by place, application and group."""

    def __init__(self) -> None:
        self.served: dict[tuple[Place, str, str], list[str]] = {}

    def workloads(self, place: Place, application: str, group: str) -> Sequence[str]:
        """See `ports.Groups.workloads`."""
        return self.served.get((place, application, group), [])


class FakeTruths:
    """Parameters by name; `error` is raised instead."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0
        self.error: Exception | None = None

    def publish(self, arn: str, name: str, image: str) -> None:
        """See `ports.Truths.publish`."""
        if self.error is not None:
            raise self.error
        self.writes += 1
        self.values[name] = image


class FakeSwitches:
    """Run-time switches in memory."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._counts: dict[tuple[str, str], int] = {}

    def paused(self) -> str | None:
        """Why everything is paused, or None."""
        return self.reason

    def count(self, counter: str, at: datetime, limit: int) -> bool:
        """Counts one more in the hour of `at`, never past `limit`."""
        key = (counter, f"{at:%Y-%m-%dT%H}")
        if self._counts.get(key, 0) >= limit:
            return False
        self._counts[key] = self._counts.get(key, 0) + 1
        return True
