"""Healing: a service whose image is gone is deployed anew from its tag, or goes back to one that exists (recover P2).

ECS pins the images of a deployment to digests. Once such a digest is deleted, no task of the service can be started any
more, though its tag may name another image: only a new deployment resolves it again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from longshore.errors import AccessDeniedError
from longshore.images import Digest, ImageReference
from longshore.recover.caring import described, quiet
from longshore.recover.crash_loops import IMAGE, Care, stands, undecided
from longshore.recover.diagnose import diagnose
from longshore.recover.diagnosis import Owner, Remedy
from longshore.recover.service_reasons import CareReason
from longshore.recover.services import service_arn
from longshore.recover.troubles import ONCE, Sign

if TYPE_CHECKING:
    from datetime import timedelta

    from longshore.outcomes import Outcome
    from longshore.recover.caring import Caretaker
    from longshore.recover.crash_loops import CrashLoopPolicy
    from longshore.recover.ports import Ports
    from longshore.recover.reading import Message
    from longshore.recover.service_ports import Images, ServicePorts
    from longshore.recover.telling import Incident
    from longshore.recover.troubles import Trouble

_NOT_FOUND = "P2"
_NAMED = re.compile(r"([a-z0-9][a-z0-9._:/-]{1,400})@(sha256:[0-9a-f]{64})")


class ImageState(StrEnum):
    """What became of an image that could not be pulled."""

    THERE = "there"
    """It is there: it was not found for another reason."""
    MOVED = "moved"
    """The digest is gone, its tag names another image."""
    GONE = "gone"
    """There is nothing left to deploy under that name."""
    ELSEWHERE = "elsewhere"
    """It cannot be looked for: another registry, another Region, or forbidden."""


class Missing(NamedTuple):
    """An image that was not found: the container's, as it is declared, and the digest that was asked for, if any."""

    container: str
    declared: ImageReference
    digest: Digest | None

    @property
    def shown(self) -> str:
        """What tells it apart: the digest, else the image."""
        return self.digest or str(self.declared)


def missing_image(incident: Incident) -> Missing | None:
    """The image that a stopped task could not pull, by what ECS says and what the task definition declares."""
    declared = {
        str(each.get("name")): str(each.get("image", ""))
        for each in incident.definition.get("containerDefinitions") or []
    }
    for container in incident.task.containers:
        declared.setdefault(container.name, container.image)
    reasons = " ".join((incident.task.stopped_reason, *(each.reason for each in incident.task.containers)))
    pinned = {_bare(image): digest for image, digest in _NAMED.findall(reasons)}
    found = [each for name, image in sorted(declared.items()) if (each := _missing(name, image, pinned)) is not None]
    if pinned:
        found = [each for each in found if each.digest is not None]
    elif len(found) > 1:
        blamed = {each.name for each in incident.task.containers if "CannotPull" in each.reason}
        found = [each for each in found if each.container in blamed]
    return found[0] if found else None


def _missing(name: str, image: str, pinned: dict[str, Digest]) -> Missing | None:
    try:
        declared = ImageReference.parse(image)
    except ValueError:
        return None
    names = (f"{declared.host}/{declared.name}", declared.name, f"{declared.host}/library/{declared.name}")
    digest = next((pinned[each] for each in names if each in pinned), declared.digest)
    return Missing(name, declared, digest)


def _bare(image: str) -> str:
    """An image without its tag."""
    head, _, last = image.rpartition("/")
    return f"{head}/{last.partition(':')[0]}" if head else last.partition(":")[0]


def state_of(missing: Missing, images: Images, region: str) -> ImageState:
    """What is in the registry now of an image that was not found."""
    repository = missing.declared.repository
    if repository is None or repository.region != region:
        return ImageState.ELSEWHERE
    tag = None if missing.declared.digest else missing.declared.effective_tag
    try:
        if missing.digest and images.digest(repository, missing.digest):
            return ImageState.THERE
        current = images.digest(repository, tag) if tag else None
    except AccessDeniedError:
        return ImageState.ELSEWHERE
    if current is None:
        return ImageState.GONE
    return ImageState.MOVED if missing.digest else ImageState.THERE


def care_for_image(state: ImageState, owner: Owner) -> Care | None:
    """What an image's state asks for; None when it is there, so that the failure is one like others."""
    if state is ImageState.THERE:
        return None
    if state is ImageState.ELSEWHERE:
        return Care(Remedy.NOTIFY, CareReason.IMAGE_ELSEWHERE)
    if owner is Owner.CONTROLLER:
        return Care(Remedy.NOTIFY, CareReason.OWNED_ELSEWHERE)
    heals = state is ImageState.MOVED
    return Care(Remedy.REDEPLOY, CareReason.HEAL) if heals else Care(Remedy.ROLLBACK, CareReason.ROLLBACK)


class Healer:
    """Has services whose image is gone deployed anew, once for each service and image."""

    def __init__(self, ports: Ports, care: ServicePorts, policy: CrashLoopPolicy, caretaker: Caretaker) -> None:
        self._clock = ports.clock
        self._services = care.services
        self._images = care.images
        self._troubles = care.troubles
        self._keep: timedelta = policy.keep
        self._again: timedelta = policy.again
        self._caretaker = caretaker

    def stopped(self, incident: Incident) -> list[Outcome] | None:
        """What follows from a task of a service that did not find its image; None when that is not what befell it."""
        missing = missing_image(incident) if incident.diagnosis.cls == _NOT_FOUND else None
        if missing is None:
            return None
        message, task, arn, now = incident.message, incident.task, service_arn(incident.task), self._clock.now()
        known = self._troubles.get(arn, IMAGE + missing.shown)
        sign = Sign(task.arn, min(task.stopped or now, now), cls=_NOT_FOUND, container=missing.container)
        if known.acted is not None:
            return self._counted(message, known, sign, CareReason.ALREADY_ASKED.value)
        if not (known.may_open(now, self._again) or undecided(known, now)):
            return self._counted(message, known, sign, known.why if known.is_open else "counted")
        service = self._services.get(arn)
        if service is None or not service.wanted or service.silenced:
            return quiet(message, arn, "silenced" if service and service.silenced else "not-wanted", task=task.arn)
        asked = care_for_image(state_of(missing, self._images, task.region), service.owner)
        if asked is None:
            return None
        care = self._caretaker.allowed(asked, service, incident.definition_tags)
        if stands(known, care):
            return self._counted(message, known, sign, known.why)
        diagnosis = diagnose(
            task, definition=incident.definition, service=service.described, definition_tags=incident.definition_tags
        )
        diagnosis = diagnosis._replace(remedy=asked.remedy)
        detail = {
            **described(service, diagnosis, task, incident.definition_tags),
            "task": task.arn,
            "container": missing.container,
            "image": str(missing.declared),
            "digest": missing.digest or "",
        }
        trouble = replace(known.with_sign(sign, self._keep))
        return self._caretaker.open(message, trouble, ONCE, care, detail)

    def _counted(self, message: Message, trouble: Trouble, sign: Sign, reason: str) -> list[Outcome]:
        """One more that did not find it, of which nothing new is to be told."""
        self._caretaker.keep(trouble, lambda each: each.with_sign(sign, self._keep))
        shown = trouble.key.removeprefix(IMAGE)
        return quiet(message, trouble.subject, reason or "counted", task=sign.id, digest=shown)
