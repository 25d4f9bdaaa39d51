"""What mirror's queue holds: events that make mirrors due, and the work that Longshore sends itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.envelopes import DEFERRAL, SOURCE, parse_time
from longshore.errors import BadEventError
from longshore.events import Cause, Event, ImageMoved, Kind, SweepDue
from longshore.images import Endpoint, ImageReference, Repository, is_name
from longshore.manifests import Descriptor, is_digest

if TYPE_CHECKING:
    from longshore.images import Digest

MIRROR_DUE: Final = "Mirror Due"
COPY_DUE: Final = "Copy Due"
BLOBS_DUE: Final = "Blobs Due"
_LONGEST: Final = 1024
_MOST: Final = 1000


class MirrorDue(NamedTuple):
    """A mirror is to be looked at: all of it, or some tags, or some of its downstreams.

    `tries` counts looks that a registry put off, one after the other.
    """

    mirror: str
    tags: tuple[str, ...] = ()
    downstreams: tuple[str, ...] = ()
    tries: int = 0

    def detail(self) -> dict[str, Any]:
        """For the message."""
        names = {"tags": list(self.tags), "downstreams": list(self.downstreams)}
        return {"mirror": self.mirror, **names, "tries": self.tries}


class Wanted(NamedTuple):
    """One tag to be copied, and the image that it named upstream when that was planned."""

    tag: str
    digest: Digest
    reason: str
    pulls: int = 1
    previous: str = ""
    referrers: str = ""

    def item(self) -> list[Any]:
        """For the message."""
        return list(self)


@dataclass(frozen=True, slots=True)
class CopyDue:
    """Tags to be copied to one downstream, as they were planned at `planned`.

    `tries` counts those that failed, `fanned` how often their blobs were sent ahead by others.
    """

    mirror: str
    downstream: Endpoint
    wanted: tuple[Wanted, ...]
    planned: datetime
    tries: int = 0
    fanned: int = 0

    def detail(self) -> dict[str, Any]:
        """For the message."""
        return {
            "mirror": self.mirror,
            "downstream": str(self.downstream),
            "wanted": [each.item() for each in self.wanted],
            "planned": self.planned.isoformat(),
            "tries": self.tries,
            "fanned": self.fanned,
        }

    def again(self, wanted: tuple[Wanted, ...]) -> CopyDue:
        """The same for fewer tags, one try later."""
        return replace(self, wanted=wanted, tries=self.tries + 1)


@dataclass(frozen=True, slots=True)
class BlobsDue:
    """Blobs that go ahead of a copy; who sends the last of a job sends `then`.

    `tries` counts those in which nothing at all arrived before the time was up.
    """

    job: str
    blobs: tuple[Descriptor, ...]
    then: CopyDue
    tries: int = 0

    def detail(self) -> dict[str, Any]:
        """For the message."""
        blobs = [[each.media_type, each.digest, each.size] for each in self.blobs]
        return {"job": self.job, "blobs": blobs, "then": self.then.detail(), "tries": self.tries}


class ImagePushed(NamedTuple):
    """An image came to a repository that may be an upstream."""

    upstream: Endpoint | None
    repository: Repository | None
    tag: str | None


class FindingsSeen(NamedTuple):
    """Something grave is known of an image in a repository that may be a downstream: upstream may have mended it."""

    repository: Repository


class Nothing(NamedTuple):
    """A well-formed event that makes nothing due."""


Work = MirrorDue | CopyDue | BlobsDue | ImagePushed | FindingsSeen | SweepDue | Nothing


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the queue, read."""

    body: Mapping[str, Any]
    correlation: str
    work: Work
    not_before: datetime | None = None

    @classmethod
    def parse(cls, body: object) -> Message:
        """Reads a message. Raises BadEventError with the path of the first offending field."""
        if not isinstance(body, Mapping):
            raise BadEventError("event", f"must be an object, not {type(body).__name__}")
        reader = _READERS.get(str(body.get("detail-type")))
        if reader is None:
            event = Event.parse(body)
            return cls(body, event.correlation, _work(event.fact), event.deferral and event.deferral.not_before)
        if body.get("source") != SOURCE:
            raise BadEventError("source", f"must be {SOURCE}")
        detail = body.get("detail")
        if not isinstance(detail, Mapping):
            raise BadEventError("detail", "must be an object")
        work = reader(detail)
        waits = body.get(DEFERRAL)
        until = parse_time(_text(waits, "not_before", DEFERRAL), DEFERRAL) if isinstance(waits, Mapping) else None
        return cls(body, str(detail.get("correlation") or _text(body, "id", "event")), work, until)


def message(work: MirrorDue | CopyDue | BlobsDue, correlation: str, now: datetime) -> dict[str, Any]:
    """A message to mirror's own queue, shaped as an event."""
    kind = {MirrorDue: MIRROR_DUE, CopyDue: COPY_DUE, BlobsDue: BLOBS_DUE}[type(work)]
    return {
        "version": "0",
        "id": correlation,
        "detail-type": kind,
        "source": SOURCE,
        "time": now.isoformat(),
        "resources": [],
        "detail": work.detail(),
    }


def waiting(body: Mapping[str, Any], until: datetime) -> dict[str, Any]:
    """A later copy of a message."""
    return {**body, DEFERRAL: {"not_before": until.isoformat()}}


def _work(fact: object) -> Work:
    if isinstance(fact, SweepDue):
        return fact
    if isinstance(fact, ImageMoved) and fact.cause is not Cause.SWEEP:
        return ImagePushed(None, fact.repository, fact.tag)
    return Nothing()


def _mirror_due(detail: Mapping[str, Any]) -> MirrorDue:
    def texts(key: str) -> tuple[str, ...]:
        return tuple(map(str, _list(detail, key, "detail"))) if detail.get(key) else ()

    tries = _number(detail, "tries", "detail")
    return MirrorDue(_text(detail, "mirror", "detail"), texts("tags"), texts("downstreams"), tries)


def _copy_due(detail: Mapping[str, Any], where: str = "detail") -> CopyDue:
    wanted = tuple(_wanted(each, f"{where}.wanted[{at}]") for at, each in enumerate(_list(detail, "wanted", where)))
    return CopyDue(
        mirror=_text(detail, "mirror", where),
        downstream=_endpoint(detail, "downstream", where),
        wanted=wanted,
        planned=parse_time(_text(detail, "planned", where), f"{where}.planned"),
        tries=_number(detail, "tries", where),
        fanned=_number(detail, "fanned", where),
    )


def _blobs_due(detail: Mapping[str, Any]) -> BlobsDue:
    then = detail.get("then")
    if not isinstance(then, Mapping):
        raise BadEventError("detail.then", "must be an object")
    blobs = tuple(_blob(each, f"detail.blobs[{at}]") for at, each in enumerate(_list(detail, "blobs", "detail")))
    tries = _number(detail, "tries", "detail")
    return BlobsDue(_text(detail, "job", "detail"), blobs, _copy_due(then, "detail.then"), tries)


def _image_mirrored(detail: Mapping[str, Any]) -> ImagePushed:
    tag = detail.get("tag")
    return ImagePushed(_endpoint(detail, "downstream", "detail"), None, tag if isinstance(tag, str) else None)


def _findings(detail: Mapping[str, Any]) -> FindingsSeen | Nothing:
    if detail.get("report") != "scan" or detail.get("reason") == "mended-upstream":
        return Nothing()
    name, account, region = (_text(detail, key, "detail") for key in ("repository", "registry", "region"))
    if not is_name(name):
        raise BadEventError("detail.repository", "cannot name an ECR repository")
    return FindingsSeen(Repository(account, region, name))


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Work]]] = {
    MIRROR_DUE: _mirror_due,
    COPY_DUE: _copy_due,
    BLOBS_DUE: _blobs_due,
    Kind.IMAGE_MIRRORED.value: _image_mirrored,
    Kind.FINDINGS_REPORTED.value: _findings,
}


def _wanted(raw: object, where: str) -> Wanted:
    match raw:
        case [str(tag), str(digest), str(reason), int(pulls), str(previous), str(referrers)] if is_digest(digest):
            return Wanted(tag, digest, reason, pulls, previous, referrers)
    raise BadEventError(where, "must be a tag, its digest, a reason, pulls, what was there, and what refers to it")


def _blob(raw: object, where: str) -> Descriptor:
    match raw:
        case [str(media_type), str(digest), int(size)] if is_digest(digest) and size >= 0:
            return Descriptor(media_type, digest, size)
    raise BadEventError(where, "must be a media type, a digest and a size")


def _endpoint(container: Mapping[str, Any], key: str, where: str) -> Endpoint:
    host, _, name = _text(container, key, where).partition("/")
    if not host or not is_name(name):
        raise BadEventError(f"{where}.{key}", "must be a host and a repository")
    return Endpoint(host, name)


def _list(container: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = container.get(key)
    if not isinstance(value, list) or not 0 < len(value) <= _MOST:
        raise BadEventError(f"{where}.{key}", f"must be a list of 1 to {_MOST}")
    return value


def _number(container: Mapping[str, Any], key: str, where: str) -> int:
    value = container.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadEventError(f"{where}.{key}", "must be a number of times")
    return value


def _text(container: Mapping[str, Any], key: str, where: str) -> str:
    value = container.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise BadEventError(f"{where}.{key}", f"must be a string of 1 to {_LONGEST} characters")
    return value


def is_private(endpoint: Endpoint) -> bool:
    """Whether ECR sends an event of its own for what is pushed there."""
    return ImageReference(endpoint.host, endpoint.name).repository is not None
