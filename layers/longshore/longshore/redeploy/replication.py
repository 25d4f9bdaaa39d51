"""Replication: a push in one place is awaited in the others, where ECR copies it to, before anybody there deploys.

ECR tells of a finished replica in its destination, at best effort, so it is asked as well (redeploy 8.2, aws.md A1).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from longshore.decisions import Reason
from longshore.events import Cause
from longshore.images import Repository, is_artifact_tag
from longshore.outcomes import Outcome
from longshore.redeploy.ports import ReplicaStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.events import Event, ImageMoved, ReplicationDue
    from longshore.places import Place
    from longshore.redeploy.ports import Ports, Replica
    from longshore.redeploy.telling import Teller
    from longshore.workloads import Workload

_FIRST_LOOK = timedelta(minutes=1)
_LONGEST = timedelta(minutes=15)
_PATIENCE = timedelta(hours=2)
"""Most images are replicated within half an hour (aws.md A1); what takes longer is told, and left to ECR's event."""


class Replication:
    """Sees to it that an image which was pushed in one place is looked for in the others."""

    def __init__(self, ports: Ports, teller: Teller) -> None:
        self._places = ports.places.all if ports.places else ()
        self._replicas = ports.replicas
        self._index = ports.index
        self._heads = ports.heads
        self._postponer = ports.postponer
        self._clock = ports.clock
        self._teller = teller

    def expect(self, event: Event, moved: ImageMoved) -> None:
        """After a push: comes back for every other place of the stack where somebody follows a repository so named."""
        if self._replicas is None or moved.cause is not Cause.PUSH or event.deferral or not moved.digest:
            return
        if moved.tag is None or is_artifact_tag(moved.tag):
            return
        now = self._clock.now()
        for place in self._elsewhere(moved.repository):
            if self._index.runs(_replica_of(moved.repository, place)):
                detail = {**_image(moved.repository, moved.tag, moved.digest), "to": str(place)}
                self._postponer.postpone(event.message("Replication Due", detail, now), now + _FIRST_LOOK)

    def _elsewhere(self, repository: Repository) -> Iterator[Place]:
        return (place for place in self._places if place != (repository.account, repository.region))

    def look(self, event: Event, due: ReplicationDue) -> list[Outcome]:
        """Asks how far a replica is: hands it on when it is there, comes back while it is not, tells when it failed."""
        replica = _replica_of(due.repository, due.to)
        followers = self._index.runs(replica)
        head = self._heads.get(replica, due.tag)
        if self._replicas is None or not followers or (head and head.digest == due.digest):
            return [_skipped(event, due, Reason.NOT_FOLLOWED if not followers else Reason.SUPERSEDED)]
        found = self._replicas.of(due.repository, due.digest).get(due.to)
        if found is None:
            return [_skipped(event, due, Reason.IMAGE_MISSING)]  # no rule of the registry replicates it there
        if found.status is ReplicaStatus.COMPLETE:
            now = self._clock.now()
            detail = {**_image(replica, due.tag, due.digest), "result": "SUCCESS", "action-type": "REPLICATE"}
            self._postponer.postpone(event.message("ECR Replication Action", detail, now, due.to), now)
            return []
        if found.status is ReplicaStatus.FAILED:
            return self._held(event, due, followers, Reason.REPLICATION_FAILED, _why(due, found))
        return self._come_back(event, due, followers, found)

    def _come_back(
        self, event: Event, due: ReplicationDue, followers: Sequence[Workload], found: Replica
    ) -> list[Outcome]:
        now, waited = self._clock.now(), event.waited(Reason.REPLICATING.value)
        first, count = (waited.first, waited.deferrals) if waited else (now, 0)
        if now - first >= _PATIENCE:
            return self._held(event, due, followers, Reason.REPLICATING, _why(due, found))
        until = min(now + min(_FIRST_LOOK * 2**count, _LONGEST), first + _PATIENCE)
        self._postponer.postpone(event.deferred(until, Reason.REPLICATING.value, now), until)
        return [_skipped(event, due, Reason.REPLICATING)]

    def _held(
        self, event: Event, due: ReplicationDue, followers: Sequence[Workload], reason: Reason, why: str
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for each in followers:
            outcomes += self._teller.tell_held(event, each, reason, why, f"{reason} {due.digest}")
        return outcomes


def _replica_of(repository: Repository, place: Place) -> Repository:
    """ECR keeps a repository's name in every registry that it replicates to."""
    return Repository(place.account, place.region, repository.name)


def _image(repository: Repository, tag: str, digest: str) -> dict[str, Any]:
    return {"repository-name": repository.name, "image-tag": tag, "image-digest": digest}


def _why(due: ReplicationDue, found: Replica) -> str:
    code = f" ({found.code})" if found.code else ""
    return f"ECR says {found.status} of the replication of {due.repository}:{due.tag} to {due.to}{code}"


def _skipped(event: Event, due: ReplicationDue, reason: Reason) -> Outcome:
    detail = {"repository": str(due.repository), "tag": due.tag, "digest": due.digest, "to": str(due.to)}
    return Outcome(reason.verdict.value, reason.value, event.correlation, detail=detail)
