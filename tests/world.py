"""Redeploy and watch on fakes, with the queues and rules between them: an event in, the end state out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.errors import TransientError
from longshore.events import Event, Kind
from longshore.gates import GateReason, GateResult, GateVerdict
from longshore.images import Repository
from longshore.redeploy.group_watch import GroupWatcher
from longshore.redeploy.ownership import reapplying
from longshore.redeploy.ports import Ports
from longshore.redeploy.profiles import read_profiles
from longshore.redeploy.service import Redeployer, Rules
from longshore.redeploy.watch import Watcher
from tests.boundaries import Bounded, Crash
from tests.fake_platform import WEB, FakePlatform, FakeRegistry, digest, image
from tests.fakes import (
    FakeGates,
    FakeGroups,
    FakeHeads,
    FakeIndex,
    FakePostponer,
    FakePublisher,
    FakeRecords,
    FakeStacks,
    FakeSwitches,
    FakeTruths,
)

if TYPE_CHECKING:
    from longshore.gates import GateQuestion
    from longshore.images import Digest
    from longshore.outcomes import Outcome

INDEX = "application/vnd.oci.image.index.v1+json"
VISIBILITY = timedelta(seconds=720)
"""After how long a message that failed is received again, as the template sets it."""


class World(Bounded):
    """One account and Region. `passable` and `profiles` are the operator's; `observe_only` is the mode.

    `scanning` False: the capability scan is off.
    """

    def __init__(
        self,
        *,
        profiles: Mapping[str, Any] | None = None,
        passable: tuple[str, ...] = ("*",),
        observe_only: bool = False,
        scanning: bool = True,
        updatable: tuple[str, ...] = ("*",),
    ) -> None:
        super().__init__()
        self.registry = FakeRegistry(self.clock)
        self.platform = FakePlatform(self.clock, self.registry)
        self.platform.changed = self.deployment_changed
        self.heads, self.index, self.switches = FakeHeads(), FakeIndex(), FakeSwitches()
        self.records = FakeRecords(self.clock)
        self.publisher = FakePublisher()
        self.queue, self.watch_queue, self.scan_queue = FakePostponer(), FakePostponer(), FakePostponer()
        self.gates = FakeGates()
        self.stacks, self.truths, self.groups = FakeStacks(), FakeTruths(), FakeGroups()
        self.outcomes: list[Outcome] = []
        self.failures: list[BaseException] = []
        self.visibility = VISIBILITY
        self._routed = 0
        ports = Ports(
            platform=self._port(self.platform),
            stacks=self._port(self.stacks),
            registry=self._port(self.registry),
            discovery=lambda _: self._port(self.platform),
            heads=self._port(self.heads),
            index=self._port(self.index),
            records=self._port(self.records),
            switches=self._port(self.switches),
            postponer=self._port(self.queue),
            reminder=self._port(self.watch_queue),
            gates=self._port(self.gates),
            asker=self._port(self.scan_queue) if scanning else None,
            publisher=self._port(self.publisher),
            clock=self.clock,
        )
        self.ports = ports
        self.rules = Rules(read_profiles(profiles or {}), passable, observe_only, updatable)
        self.redeployer = Redeployer(ports, self.rules)
        watcher = Watcher(
            platform=ports.platform,
            index=ports.index,
            records=ports.records,
            reminder=ports.reminder,
            publisher=ports.publisher,
            truths=self._port(self.truths),
            clock=ports.clock,
            reapplies=reapplying(profiles),
        )
        self.watcher = GroupWatcher(watcher, self._port(self.groups))

    # -- what happens in the account --------------------------------------------------------------------------------

    def service(self, name: str = "web", policy: str = "digest", **members: Any) -> str:
        """A steady service that is known to the index and whose repositories were looked at."""
        images = members.pop("images", None) or {"app": image(WEB, "prod")}
        tags = {"longshore:policy": policy, **members.pop("tags", {})}
        arn = self.platform.create(name, images, tags, **members)
        self.deliver(self.envelope("Sweep Due", {"workloads": [arn]}))
        self.outcomes.clear()
        return arn

    def push(
        self,
        tag: str,
        pushed: Digest,
        *,
        repository: Repository = WEB,
        index: bool = False,
        send: bool = True,
        **members: Any,
    ) -> dict[str, Any]:
        """Pushes an image and sends ECR's event of it."""
        self.registry.push(repository, tag, pushed, **members)
        event = self.pushed(tag, pushed, repository=repository, index=index)
        if send:
            self.queue.postpone(event, self.clock.now())
        return event

    def pushed(
        self, tag: str | None, pushed: Digest, *, repository: Repository = WEB, index: bool = False, **detail: Any
    ) -> dict[str, Any]:
        """ECR's event of a push, now."""
        members = {"image-tag": tag} if tag else {}
        media = {"manifest-media-type": INDEX} if index else {}
        named = {"repository-name": repository.name, "image-digest": pushed, **members, **media}
        return self.envelope("ECR Image Action", {"result": "SUCCESS", "action-type": "PUSH", **named, **detail})

    def deployment_changed(self, arn: str, name: str) -> None:
        """The rule from ECS's deployment events to the watch."""
        event = self.envelope("ECS Deployment State Change", {"eventName": name, "eventType": "INFO"}, arn)
        self.watch_queue.postpone(event, self.clock.now())

    def request(self, arn: str, reason: str) -> None:
        """Somebody asks for a redeployment."""
        event = self.envelope("Redeploy Requested", {"workload": arn, "reason": reason})
        self.queue.postpone(event, self.clock.now())

    def judge(self, reason: GateReason) -> list[GateQuestion]:
        """What scan does with what it was asked: every question gets the same answer."""
        asked = []
        while (body := self.scan_queue.receive(self.clock.now())) is not None:
            detail = body["detail"]
            gate = self.gates.get(Repository.parse(detail["repository"]), detail["workload"], detail["digest"])
            assert gate is not None
            asked.append(gate.question)
            self.answer(gate.question, reason)
        return asked

    def answer(self, question: GateQuestion, reason: GateReason) -> None:
        """Scan records a verdict, and tells it where it is one."""
        assert self.gates.judge(question, GateVerdict(reason, self.clock.now()))
        if reason.result is not GateResult.WAIT:
            kind = Kind.GATE_OPENED if question.terms.admit(reason) else Kind.GATE_CLOSED
            detail = {**question.named, "correlation": question.correlation}
            self.queue.postpone(self.envelope(kind.value, detail), self.clock.now())

    # -- delivery ---------------------------------------------------------------------------------------------------

    def deliver(self, body: Mapping[str, Any], to: str = "queue") -> list[Outcome]:
        """One message to redeploy (or the watch); its announcements go by the rules."""
        event = Event.parse(json.loads(json.dumps(body)))
        handle = self.redeployer.handle if to == "queue" else self.watcher.handle
        try:
            outcomes = handle(event)
            self.outcomes += outcomes
        finally:
            self._route()
        return outcomes

    def _route(self) -> None:
        for each in self.publisher.published[self._routed :]:
            if each.kind is Kind.REDEPLOY_REQUESTED:
                detail = {**each.detail, "correlation": each.correlation}
                self.queue.postpone(self.envelope(each.kind.value, detail), self.clock.now())
        self._routed = len(self.publisher.published)

    def run(self, minutes: float = 0, *, until: datetime | None = None) -> None:
        """Delivers everything that becomes due within a time, in order; failed messages come back."""
        end = until or self.clock.now() + timedelta(minutes=minutes)
        while (due := self._due()) is not None and due[0] <= end:
            self.clock.advance_to(due[0])
            queue = self.queue if due[1] == "queue" else self.watch_queue
            body = queue.receive(self.clock.now())
            assert body is not None
            try:
                self.deliver(body, due[1])
            except (TransientError, Crash) as error:
                self.failures.append(error)
                self.crash_at = None
                queue.postpone(body, self.clock.now() + self.visibility)
        self.clock.advance_to(end)

    def _due(self) -> tuple[datetime, str] | None:
        dues = [(self.queue.next_due(), "queue"), (self.watch_queue.next_due(), "watch")]
        found = [(due, name) for due, name in dues if due is not None]
        return min(found) if found else None

    def forget_telling(self) -> None:
        """Starts the list of what was told anew."""
        self.publisher.published.clear()
        self.outcomes.clear()
        self._routed = 0

    @property
    def told(self) -> list[str]:
        """The detail-types that were published, less progress and what the parts ask of each other."""
        told = [each for each in self.publisher.published if each.kind is not Kind.REDEPLOY_REQUESTED]
        return [each.kind.value for each in told if each.detail.get("stage") != "soaking"]

    @property
    def stages(self) -> list[str]:
        """The stages of deployments that were published."""
        return [str(each.detail["stage"]) for each in self.publisher.published if "stage" in each.detail]

    @property
    def reasons(self) -> list[str]:
        """The reasons of every outcome, in order."""
        return [outcome.reason for outcome in self.outcomes]


def one_service(policy: str = "digest", **members: Any) -> tuple[World, str]:
    """A world in which `web` runs `team/web:prod` as it was first pushed (`digest("one")`)."""
    world = World(**members)
    world.registry.push(WEB, "prod", digest("one"))
    world.clock.advance(3600)
    return world, world.service(policy=policy)


__all__ = ["INDEX", "VISIBILITY", "WEB", "Crash", "World", "digest", "image", "one_service", "replace"]
