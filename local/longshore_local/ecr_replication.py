"""Replication of ECR: images pushed to a registry with replication rules appear in other ones, with the event."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from moto.core.responses import ActionResult
from moto.ecr.models import ecr_backends
from moto.ecr.responses import ECRResponse

from longshore_local.bus import envelope
from longshore_local.ecr_images import EcrRegistry
from longshore_local.moto_ecr import EcrSimulator, Emit
from longshore_local.timeline import Timeline

Place = tuple[str, str]


@dataclass(slots=True)
class Replica:
    """How far one image is on its way to one place."""

    status: str = "IN_PROGRESS"
    code: str = ""


class Replication:
    """What `PutReplicationConfiguration` asks for, done after `delay`, or after an image's own one.

    `tells` False: the event is lost, as ECR's events may be.
    """

    def __init__(self, timeline: Timeline, emit: Emit, ecr: EcrSimulator) -> None:
        self._timeline = timeline
        self._emit = emit
        self._ecr = ecr
        self._replicas: dict[tuple[str, str, str, str], dict[Place, Replica]] = {}
        self.forget()

    def forget(self) -> None:
        """As it was at first: half a minute, nothing fails, and every event comes."""
        self._replicas.clear()
        self.delay = timedelta(seconds=30)
        self.delays: dict[str, timedelta] = {}
        """Those of single images, by digest."""
        self.failing: dict[str, str] = {}
        """The codes with which images cannot be replicated, by digest."""
        self.tells = True

    def observe(self, event: dict[str, Any]) -> None:
        """A push begins the replication to every destination of the rules that its repository meets."""
        detail = event["detail"]
        if event["source"] != "aws.ecr" or detail.get("action-type") != "PUSH":
            return
        account, region, name = event["account"], event["region"], detail["repository-name"]
        image, tag = str(detail["image-digest"]), detail.get("image-tag")
        for to in _destinations(account, region, name):
            self._replicas.setdefault((account, region, name, image), {})[to] = Replica()
            when = self._timeline.now() + self.delays.get(image, self.delay)
            source = self._ecr.registry(account, region)
            self._timeline.at(when, partial(self._arrive, source, to, name, image, tag))

    def _arrive(self, source: EcrRegistry, to: Place, name: str, digest: str, tag: str | None) -> None:
        replica = self._replicas[source.account_id, source.region, name, digest][to]
        if digest in self.failing:
            replica.status, replica.code = "FAILED", self.failing[digest]
            return
        _copy(source, self._ecr.registry(*to), name, digest, tag)
        replica.status = "COMPLETE"
        if self.tells:
            detail = {
                "result": "SUCCESS",
                "repository-name": name,
                "image-digest": digest,
                "source-account": source.account_id,
                "action-type": "REPLICATE",
                "source-region": source.region,
                "image-tag": tag or "",
            }
            moment = self._timeline.now()
            kind = "ECR Replication Action"
            self._emit(envelope("aws.ecr", kind, detail, account=to[0], region=to[1], moment=moment))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While open, DescribeImageReplicationStatus tells of this."""

        def describe(response: ECRResponse) -> ActionResult:
            request = json.loads(response.body)
            account, region = request.get("registryId") or response.current_account, response.region
            name, wanted = request["repositoryName"], request["imageId"]
            found = self._ecr.registry(account, region).find(
                name, tag=wanted.get("imageTag"), digest=wanted.get("imageDigest")
            )
            replicas = self._replicas.get((account, region, name, found.manifest.digest), {})
            return ActionResult(
                {
                    "repositoryName": name,
                    "imageId": wanted,
                    "replicationStatuses": [_described(to, replica) for to, replica in replicas.items()],
                }
            )

        name = "describe_image_replication_status"  # moto has none
        setattr(ECRResponse, name, describe)
        try:
            yield
        finally:
            delattr(ECRResponse, name)


def _described(to: Place, replica: Replica) -> dict[str, str]:
    told = {"registryId": to[0], "region": to[1], "status": replica.status}
    return {**told, **({"failureCode": replica.code} if replica.code else {})}


def _destinations(account: str, region: str, repository: str) -> Iterator[Place]:
    for rule in ecr_backends[account][region].replication_config["rules"]:
        filters = rule.get("repositoryFilters") or []
        if not filters or any(repository.startswith(each["filter"]) for each in filters):
            for to in rule["destinations"]:
                yield to["registryId"], to["region"]


def _copy(source: EcrRegistry, to: EcrRegistry, name: str, digest: str, tag: str | None) -> None:
    """One manifest with its layers, before its images as may be; the repository is made where there is none."""
    if name not in to.repositories():
        ecr_backends[to.account_id][to.region].create_repository(name, None, {}, None, "MUTABLE", [])
    there = to.repository(name)
    held: Any = source.repository(name)
    with to.lock:
        there.layers.update({key: size for key, size in held.layers.items() if key not in there.layers})
        manifest = source.find(name, digest=digest).manifest
        to.place(name, tag, manifest)
