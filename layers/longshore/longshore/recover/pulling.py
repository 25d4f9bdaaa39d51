"""Classes of images that cannot be pulled, by what the registry or the runtime answered (recover 2.4, P1 to P6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.recover.diagnosis import Remedy
from longshore.recover.entry import Entry, Found, Question, any_of, pull, says
from longshore.recover.grounds import Ground

if TYPE_CHECKING:
    from longshore.recover.case import Case

_NONE, _NOTIFY, _REPLACE = Remedy.NONE, Remedy.NOTIFY, Remedy.REPLACE
_REDEPLOY, _ROLLBACK, _DRAIN = Remedy.REDEPLOY, Remedy.ROLLBACK, Remedy.DRAIN

_STATUS = r"(?<![\w:./@-])"
_TRANSIENT = (
    r"i/o timeout|\bEOF\b|invalid argument|TLS handshake timeout|connection reset"
    r"|request canceled|context canceled|context deadline exceeded|Client\.Timeout"
    r"|no such host|server misbehaving|temporary failure in name resolution"
    r"|connection refused|no route to host|network is unreachable"
    r"|connection issue between the task and"
    rf"|status(?: code)?:? {_STATUS}5\d\d\b"
    rf"|{_STATUS}5\d\d (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)"
)
_REFUSED = (
    rf"\bdenied\b|{_STATUS}403\b|not authorized to perform: ecr|no basic auth|{_STATUS}401\b|\bunauthorized\b"
    r"|authentication required"
)
_LIMITED = rf"toomanyrequests|{_STATUS}429\b|pull rate limit|\bThrottlingException\b|\bRate exceeded\b"
_FULL = r"no space left on device|devmapper: Thin Pool"
_FOREIGN = (
    r"no match(?:ing)? (?:manifest|for platform)|does not contain descriptor matching platform|exec format error"
    r"|does not match the (?:specified|detected host) platform"
)
_UNTRUSTED = r"\bx509\b|certificate signed by unknown authority"
_MISSING = (
    r"\bnot found\b|can(?:.t|not) find the image|manifest unknown|name unknown|does not exist in the registry"
    r"|Check (?:whether|if) the image exists|RepositoryNotFoundException"
)
_UNRESOLVED = r"failed to resolve ref"
_ELSE = rf"{_REFUSED}|{_LIMITED}|{_FULL}|{_FOREIGN}|{_UNTRUSTED}"


def _written_by_digest(question: Question) -> Question:
    """Narrows a pull down to an image that the task definition itself names by its digest."""

    def ask(case: Case) -> Found | None:
        found = question(case)
        written = [each.image for each in case.task.containers if "@sha256:" in each.image]
        return found if found and any(each in line for each in written for line in found.evidence) else None

    return ask


PULL = (
    Entry(
        "P1", "pull: transient", _REPLACE, _NONE,
        "The registry or the way to it failed for a moment. If it stays: NAT, VPC endpoints, security groups, DNS.",
        pull(_TRANSIENT, unless=rf"{_LIMITED}|{_FULL}|{_UNTRUSTED}"),
    ),
    Entry(
        "P2", "pull: not found", _NOTIFY, _ROLLBACK,
        "The task definition names a digest that the registry does not have any more: deploy an image that exists.",
        _written_by_digest(pull(rf"{_MISSING}|{_UNRESOLVED}", also=r"@sha256", unless=_ELSE)), Ground.IMAGE_GONE,
    ),
    Entry(
        "P2", "pull: not found", _NOTIFY, _REDEPLOY,
        "The digest that ECS pinned is gone. A new deployment resolves the tag; keep lifecycle policies off what runs.",
        pull(rf"{_MISSING}|{_UNRESOLVED}", also=r"@sha256", unless=_ELSE), Ground.DIGEST_GONE,
    ),
    Entry(
        "P2", "pull: not found", _NOTIFY, _ROLLBACK,
        "The registry has no such image: push it, or correct its name and tag.",
        pull(_MISSING, unless=_ELSE), Ground.IMAGE_GONE,
    ),
    Entry(
        "P2", "pull: not found", _NOTIFY, _REDEPLOY,
        "The image's name did not lead to an image: see whether the tag, and the digest that ECS pinned, still exist.",
        pull(_UNRESOLVED, unless=_ELSE), Ground.UNRESOLVED,
    ),
    Entry(
        "P3", "pull: not allowed", _NOTIFY, _NOTIFY,
        "Look at the execution role, the repository's policy, the VPC endpoint's policy and the image's name.",
        pull(_REFUSED, unless=rf"{_LIMITED}|{_UNTRUSTED}"),
    ),
    Entry(
        "P3", "pull: not trusted", _NOTIFY, _NOTIFY,
        "The registry's certificate is not trusted: look at its chain, its name and its dates, and at proxies between.",
        pull(_UNTRUSTED),
    ),
    Entry(
        "P4", "pull: rate limit", _REPLACE, _NOTIFY,
        "The registry limits pulls: mirror the image to ECR with `longshore mirror`, or log in to the registry.",
        pull(_LIMITED),
    ),
    Entry(
        "P5", "pull: no space", _REPLACE, _DRAIN,
        "The disk is full: on Fargate raise ephemeralStorage (21-200 GiB), on an instance clean up its disk.",
        any_of(pull(_FULL), says(_FULL, also=r"\bCannotCreateContainerError\b")), Ground.SUSPECT_INSTANCE,
    ),
    Entry(
        "P6", "image: wrong platform", _NOTIFY, _ROLLBACK,
        "The image is not built for this architecture: build it for the platform, or set runtimePlatform.",
        any_of(pull(_FOREIGN), says(r"exec format error")), Ground.NEW_REVISION,
    ),
    Entry(
        "P1", "pull: unexplained", _REPLACE, _NOTIFY,
        "The image could not be pulled, and the text tells no known reason: read it, and tell us.",
        pull(r""),
    ),
)  # fmt: skip
