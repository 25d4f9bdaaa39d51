"""Checks of the images that run: does anybody scan them, will they still be there tomorrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from longshore.aws.clock import SystemClock
from longshore.aws.ecr_findings import EcrScans
from longshore.aws.errors import aws_errors
from longshore.aws.inspector import Inspector
from longshore.errors import GoneError
from longshore.scan.findings import ScanState
from longshore_cli.checks.findings import Found, Unseen, batches
from longshore_cli.checks.lifecycle import Image, doomed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from longshore.images import Digest, Repository
    from longshore_cli.checks.sight import Sight

_AT_ONCE: Final = 25  # repositories of one BatchGetRepositoryScanningConfiguration
_FIXES: Final = {
    ScanState.UNSUPPORTED: "build it on a base that the scanner knows; docs/scan.md",
    ScanState.TOO_LARGE: "make the image smaller, or scan it in your pipeline and attach the result",
    ScanState.ARCHIVED: "restore it: aws ecr update-image-storage-class --target-storage-class STANDARD",
    ScanState.EXPIRED: "lengthen the scan duration in Amazon Inspector, or push a new build",
    ScanState.FAILED: "scan it again",
    ScanState.NOT_SCANNED: "scan it",
}
_HORIZON: Final = timedelta(days=7)


def repository_unscanned(sight: Sight) -> Iterator[Found | Unseen]:
    """Repositories of running images that nobody scans."""
    yield from sight.unseen
    for name, arn in sorted(_unscanned(sight).items()):
        fix = (
            f"aws ecr put-image-scanning-configuration --repository-name {quote(name)} "
            "--image-scanning-configuration scanOnPush=true, or a filter in the registry's scanning rules"
        )
        yield Found(arn, "is scanned by nobody, and its images run", fix)


def _unscanned(sight: Sight) -> Mapping[str, str]:
    """The ARNs of repositories of running images that nobody scans, by name; asked once for both checks."""
    known: dict[str, str] | None = vars(sight).get("_unscanned")
    if known is None:
        known = {}
        names = sorted({r.name for r, _ in sight.in_use if not r.is_public and sight.at_home(r)})
        for some in batches(names, _AT_ONCE):
            with aws_errors():
                answer = sight.client("ecr").batch_get_repository_scanning_configuration(repositoryNames=list(some))
            for each in answer.get("scanningConfigurations", []):
                if each.get("scanFrequency", "MANUAL") == "MANUAL" and not each.get("scanOnPush"):
                    known[each["repositoryName"]] = each["repositoryArn"]
        vars(sight)["_unscanned"] = known
    return known


def image_unscanned(sight: Sight) -> Iterator[Found | Unseen]:
    """Running images without a result."""
    for repository, digest, state, why in _assessed(sight):
        if state.finished or state in (ScanState.GONE, ScanState.PENDING):
            continue
        if state is ScanState.NOT_SCANNED and repository.name in _unscanned(sight):
            continue  # told of the repository
        arn = sight.in_use[repository, digest]
        image = f"--repository-name {quote(repository.name)} --image-id imageDigest={digest}"
        fix = f"{_FIXES[state]} (aws ecr describe-image-scan-findings {image})"
        yield Found(
            f"{repository}@{digest}",
            f"has no result ({state.meaning}{f': {why}' if why else ''}), and {arn} runs it",
            fix,
        )
    yield from sight.unseen


def image_gone(sight: Sight) -> Iterator[Found | Unseen]:
    """Running images that are no longer in the registry."""
    for repository, digest, state, _ in _assessed(sight):
        if state is ScanState.GONE:
            arn = sight.in_use[repository, digest]
            fix = "push it again, or deploy another image; then see that the lifecycle policy keeps what runs"
            text = f"is not in the registry any more, and {arn} runs it: no further task of it can start"
            yield Found(f"{repository}@{digest}", text, fix)
    yield from sight.unseen


def _assessed(sight: Sight) -> Sequence[tuple[Repository, Digest, ScanState, str]]:
    """What scan itself says of every image that runs and is in this registry; asked once for both checks."""
    known: list[tuple[Repository, Digest, ScanState, str]] | None = vars(sight).get("_assessed")
    if known is None:
        scans = _scans(sight)
        known = []
        for repository, digest in sorted(sight.in_use, key=str):
            if not repository.is_public and sight.at_home(repository):
                found = scans.assess(repository, digest)
                known.append((repository, digest, found.state, found.why))
        vars(sight)["_assessed"] = known
    return known


def _scans(sight: Sight) -> EcrScans:
    inspector = Inspector(sight.client("inspector2"), SystemClock())
    return EcrScans(sight.client("ecr"), inspector, (sight.account.id, sight.account.region))


def lifecycle_expires(sight: Sight) -> Iterator[Found | Unseen]:
    """Lifecycle policies that would delete what runs, or what Longshore would go back to."""
    scans = _scans(sight)
    needed = _needed(sight)
    for repository in sorted({r for r, _ in needed}, key=str):
        rules = _rules(sight, repository)
        if not rules:
            continue
        ends = doomed(rules, _images(sight, repository), sight.now + _HORIZON)
        for digest in sorted(d for r, d in needed if r == repository and d in ends):
            indexes = scans.index_of(repository, digest)
            if any(index not in ends for index in indexes):
                continue  # an image of an index stays as long as that does
            arn, what = needed[repository, digest]
            fix = f"raise the count or the days of rule {ends[digest]}, or give the image a tag that it does not match"
            yield Found(
                f"{repository}@{digest}",
                f"rule {ends[digest]} of the lifecycle policy deletes it within a week, and {what} {arn}",
                f"{fix} (aws ecr get-lifecycle-policy --repository-name {quote(repository.name)})",
            )
    yield from sight.unseen


def _needed(sight: Sight) -> dict[tuple[Repository, Digest], tuple[str, str]]:
    """The digests of this registry that must stay: what runs, and the last known good of each workload."""
    found = {key: (arn, "it runs in") for key, arn in sight.in_use.items()}
    for each in sight.observations:
        for good in sight.record(each.workload.arn).goods:
            for container, digest in good.digests.items():
                reference = each.workload.followed.get(container)
                if reference and reference.origin:
                    found.setdefault((reference.origin, digest), (each.workload.arn, "it is a way back for"))
    return {key: value for key, value in found.items() if not key[0].is_public and sight.at_home(key[0])}


def _rules(sight: Sight, repository: Repository) -> list[dict[str, Any]]:
    try:
        with aws_errors(gone=("LifecyclePolicyNotFoundException",)):
            answer = sight.client("ecr").get_lifecycle_policy(repositoryName=repository.name)
    except GoneError:
        return []
    return list(json.loads(answer["lifecyclePolicyText"]).get("rules", []))


def _images(sight: Sight, repository: Repository) -> list[Image]:
    pages = sight.client("ecr").get_paginator("describe_images").paginate(repositoryName=repository.name)
    with aws_errors():
        return [
            Image(str(each["imageDigest"]), tuple(each.get("imageTags", ())), each["imagePushedAt"])
            for page in pages
            for each in page["imageDetails"]
        ]
