"""What scan's queue holds: events about images, and what scan and redeploy ask of it; every field checked.

An event names an image and nothing more (design 4): what was found is read from the scanner's API. Events of
Inspector about anything but images of ECR are irrelevant, not bad.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from longshore.envelopes import SOURCE, Envelope, json_object, optional_text, text
from longshore.errors import BadEventError
from longshore.events import Kind
from longshore.gates import GATE_DUE
from longshore.images import Digest, ImageReference, Repository, is_digest, is_repository_name, is_tag
from longshore.scan.arns import is_ecr, read_image_arn
from longshore.scan.attested import ARTIFACT_TYPES
from longshore.scan.checks import MOST, members
from longshore.scan.inspector import ECR_IMAGE, MOST_RESOURCES, PACKAGE_VULNERABILITY

REPORT_DUE: Final = "Report Due"
DIGEST_DUE: Final = "Digest Due"
SWEEP_DUE: Final = "Sweep Due"
_MOST_CHANGES: Final = 100


class Image(NamedTuple):
    """An image by digest."""

    repository: Repository
    digest: Digest


class ImageScanned(NamedTuple):
    """A scan of an image is over: it is looked at now."""

    image: Image


class FindingsChanged(NamedTuple):
    """Something about images changed, one of perhaps hundreds of events: they are looked at a little later."""

    images: tuple[Image, ...]


class RepositoriesChanged(NamedTuple):
    """Repositories are scanned in another way than before."""

    repositories: tuple[Repository, ...]


class WorkloadMoved(NamedTuple):
    """A workload runs other images of some repositories now, or the earlier ones again."""

    workload: str
    repositories: tuple[Repository, ...]


class ImageArrived(NamedTuple):
    """Mirror brought an image: what its upstream fixed is fixed here."""

    repository: Repository
    tag: str
    digest: Digest


class Attached(NamedTuple):
    """Something that may speak of an image's findings was attached to it; AWS does not tell to which."""

    repository: Repository


class ReportDue(NamedTuple):
    """It is time to look at an image about which many events came."""

    image: Image

    def detail(self) -> dict[str, Any]:
        """For the message."""
        return {"repository": str(self.image.repository), "digest": self.image.digest}


class GateDue(NamedTuple):
    """Redeploy waits for a verdict, or the time to wait for one is over."""

    workload: str
    image: Image

    def detail(self) -> dict[str, Any]:
        """For the message."""
        return {"workload": self.workload, "repository": str(self.image.repository), "digest": self.image.digest}


class DigestDue(NamedTuple):
    """It is time to look whether some team's digest is due."""


class SweepDue(NamedTuple):
    """It is time to look for what events missed: in all repositories that something runs, or in one."""

    repository: Repository | None = None


class Irrelevant(NamedTuple):
    """A well-formed event that asks for nothing."""

    why: str


Fact = (
    ImageScanned
    | FindingsChanged
    | RepositoriesChanged
    | WorkloadMoved
    | ImageArrived
    | Attached
    | ReportDue
    | GateDue
    | DigestDue
    | SweepDue
    | Irrelevant
)


@dataclass(frozen=True, slots=True)
class Message(Envelope):
    """A message of scan's queue, with what it says."""

    fact: Fact

    @classmethod
    def parse(cls, body: object) -> Message:
        """Reads a message. Raises BadEventError with the path of the first offending field."""
        envelope = Envelope.read(body, _READERS)
        if envelope.kind in _OWN and envelope.body.get("source") != SOURCE:
            raise BadEventError("source", f"must be {SOURCE}")
        return cls(**envelope.members(), fact=_READERS[envelope.kind](envelope, envelope.detail))

    @property
    def correlation(self) -> str:
        """The id that everything which follows carries: that of the first event, which an event of ours names."""
        told = self.detail.get("correlation") if self.kind in _OWN else None
        return told if isinstance(told, str) and 0 < len(told) <= MOST and told.isprintable() else self.id


def _ecr_scan(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    text(detail, "scan-status", where="detail", limit=64)
    return ImageScanned(Image(_repository(envelope, detail), _digest(detail, "image-digest")))


def _inspector_scan(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    """Of an image when it names a repository or is about something of ECR's; Lambda functions are scanned too."""
    about_ecr = any(is_ecr(arn) for arn in envelope.resources)
    if not about_ecr and "repository-name" not in detail and "image-digest" not in detail:
        return Irrelevant("no image of ECR")
    return _ecr_scan(envelope, detail)


def _finding(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    kind = text(detail, "type", where="detail", limit=64)
    if kind != PACKAGE_VULNERABILITY:
        return Irrelevant(f"{kind} is not about packages")
    resources = members(detail, "resources", "detail", MOST_RESOURCES)
    if not resources:
        raise BadEventError("detail.resources", f"must name 1 to {MOST_RESOURCES} resources")
    images = [image for n, each in enumerate(resources) if (image := _resource(each, f"detail.resources[{n}]"))]
    return FindingsChanged(tuple(dict.fromkeys(images))) if images else Irrelevant("no image of ECR")


def _resource(raw: object, where: str) -> Image | None:
    resource = json_object(raw, where)
    if text(resource, "type", where=where, limit=128) != ECR_IMAGE:
        return None
    repository, digest = read_image_arn(text(resource, "id", where=where), f"{where}.id")
    if digest is None:
        raise BadEventError(f"{where}.id", "must be the ARN of an image, with its digest")
    return Image(repository, digest)


def _coverage(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    if not envelope.resources:
        raise BadEventError("resources", "must name what is covered")
    arn = envelope.resources[0]
    if not is_ecr(arn):
        return Irrelevant("no image of ECR")
    text(json_object(detail.get("scanStatus"), "detail.scanStatus"), "reason", where="detail.scanStatus", limit=128)
    repository, digest = read_image_arn(arn, "resources[0]")
    return FindingsChanged((Image(repository, digest),)) if digest else RepositoriesChanged((repository,))


def _scan_resource_change(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    if text(detail, "resource-type", where="detail", limit=64) != "REPOSITORY":
        return Irrelevant("not about repositories")
    listed = _filled(detail, "repositories", MOST)
    named = [_changed(envelope, each, f"detail.repositories[{n}]") for n, each in enumerate(listed)]
    return RepositoriesChanged(tuple(dict.fromkeys(named)))


def _changed(envelope: Envelope, raw: object, where: str) -> Repository:
    return _repository(envelope, json_object(raw, where), where)


def _deployment(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    workload = text(detail, "workload", where="detail")
    changes = members(detail, "changes", "detail", _MOST_CHANGES)
    found = [repository for n, each in enumerate(changes) if (repository := _change(each, f"detail.changes[{n}]"))]
    return WorkloadMoved(workload, tuple(dict.fromkeys(found))) if found else Irrelevant("no image of ECR changed")


def _change(raw: object, where: str) -> Repository | None:
    image = text(json_object(raw, where), "image", where=where)
    try:
        return ImageReference.parse(image).repository
    except ValueError as error:
        raise BadEventError(f"{where}.image", str(error)) from None


def _mirrored(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    downstream = text(detail, "downstream", where="detail")
    tag = text(detail, "tag", where="detail", limit=128)
    if not is_tag(tag):
        raise BadEventError("detail.tag", f"{tag[:64]!r} cannot be a tag")
    digest = _digest(detail, "digest")
    try:
        repository = ImageReference.parse(downstream).repository
    except ValueError as error:
        raise BadEventError("detail.downstream", str(error)) from None
    return ImageArrived(repository, tag, digest) if repository else Irrelevant("not in private ECR")


def _referrer(envelope: Envelope, detail: Mapping[str, Any]) -> Fact:
    """One that was pushed, or deleted: then what it said is void."""
    action, result = (text(detail, key, where="detail", limit=64) for key in ("action-type", "result"))
    kind = optional_text(detail, "artifact-media-type", "detail")
    if result != "SUCCESS" or (kind is not None and kind not in ARTIFACT_TYPES):
        return Irrelevant(f"{action} of {(kind or 'something')[:64]}: {result}")
    return Attached(_repository(envelope, detail))


def _report_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return ReportDue(_image(detail))


def _gate_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    return GateDue(text(detail, "workload", where="detail"), _image(detail))


def _digest_due(_: Envelope, __: Mapping[str, Any]) -> Fact:
    return DigestDue()


def _sweep_due(_: Envelope, detail: Mapping[str, Any]) -> Fact:
    named = optional_text(detail, "repository", "detail")
    return SweepDue(_whole(named) if named else None)


def _stack_deployed(_: Envelope, __: Mapping[str, Any]) -> Fact:
    return SweepDue()  # a new stack has seen no image yet, an updated one may have missed events


_PUBLISHED: Final[Mapping[str, Callable[[Envelope, Mapping[str, Any]], Fact]]] = {
    "ECR Image Scan": _ecr_scan,
    "ECR Scan Resource Change": _scan_resource_change,
    "ECR Referrer Action": _referrer,
    "Inspector2 Scan": _inspector_scan,
    "Inspector2 Finding": _finding,
    "Inspector2 Coverage": _coverage,
    "CloudFormation Stack Status Change": _stack_deployed,
}
_OWN: Final[Mapping[str, Callable[[Envelope, Mapping[str, Any]], Fact]]] = {
    Kind.DEPLOYMENT_SUCCEEDED.value: _deployment,
    Kind.DEPLOYMENT_ROLLED_BACK.value: _deployment,
    Kind.IMAGE_MIRRORED.value: _mirrored,
    REPORT_DUE: _report_due,
    GATE_DUE: _gate_due,
    DIGEST_DUE: _digest_due,
    SWEEP_DUE: _sweep_due,
}
_READERS: Final = {**_PUBLISHED, **_OWN}


def _repository(envelope: Envelope, container: Mapping[str, Any], where: str = "detail") -> Repository:
    """`repository-name`: ECR writes the name, Inspector the ARN."""
    name, path = text(container, "repository-name", where=where), f"{where}.repository-name"
    if name.startswith("arn:"):
        repository, digest = read_image_arn(name, path)
        if digest is not None:
            raise BadEventError(path, "must be the ARN of a repository, without a digest")
        return repository
    if not is_repository_name(name):
        raise BadEventError(path, f"{name[:64]!r} cannot name an ECR repository")
    return Repository(envelope.account, envelope.region, name)


def _image(detail: Mapping[str, Any]) -> Image:
    return Image(_whole(text(detail, "repository", where="detail")), _digest(detail, "digest"))


def _whole(written: str) -> Repository:
    """What `str` of a Repository wrote."""
    account, _, rest = written.partition("/")
    region, _, name = rest.partition("/")
    repository, digest = read_image_arn(f"arn:aws:ecr:{region}:{account}:repository/{name}", "detail.repository")
    if digest is not None:
        raise BadEventError("detail.repository", "must name a repository, without a digest")
    return repository


def _digest(detail: Mapping[str, Any], key: str) -> Digest:
    digest = text(detail, key, where="detail", limit=256)
    if not is_digest(digest):
        raise BadEventError(f"detail.{key}", f"{digest[:80]!r} is not a sha256 digest")
    return digest


def _filled(detail: Mapping[str, Any], key: str, most: int) -> Sequence[Any]:
    listed = members(detail, key, "detail", most)
    if not listed:
        raise BadEventError(f"detail.{key}", f"must name 1 to {most}")
    return listed
