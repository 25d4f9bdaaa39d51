"""Lambda functions of container images: observed, updated, published, and their alias moved. The facts are aws.md G."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from longshore.aws.errors import aws_errors
from longshore.aws.remembered import recalled, remembered
from longshore.aws.tagging import opted_in
from longshore.decisions import Reason
from longshore.errors import ConflictError, GoneError, UnsupportedError
from longshore.images import ImageReference
from longshore.workloads import (
    ALIAS_TAG,
    FUNCTION,
    HUMAN_TAG,
    Observation,
    Refusal,
    Rollout,
    RolloutStatus,
    Workload,
    WorkloadId,
)

if TYPE_CHECKING:
    from longshore.workloads import Change, Plan

_LATEST = "$LATEST"
_ARCHITECTURES = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_ZIP = Refusal(Reason.UNSUPPORTED_PLATFORM, "its code is a zip archive; only container images are followed")
_WELL = {RolloutStatus.SUCCEEDED}
_NAMES_NOTHING = ("ResourceNotFoundException",)


class LambdaFunctions:
    """The platform and the discovery of functions.

    A deployment is a published version; its id is the version's number, followed by ``/<alias>/<revision>`` where the
    function's callers use one, with the alias's RevisionId from before. Without an alias they use the unpublished
    version, which the same update changes.
    """

    def __init__(self, functions: Any, tagging: Callable[[], Any]) -> None:
        """`functions` is Lambda's boto3 client; `tagging` answers that of the tagging API, built only for a sweep."""
        self._lambda = functions
        self._tagging = tagging

    def arns(self) -> Iterable[str]:
        """See the port."""
        return (arn for arn in opted_in(self._tagging(), "lambda:function") if WorkloadId.names(arn))

    def unseen(self, arn: str) -> str:
        """Tags are all that there is to see."""
        return ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Lambda describes one function at a time."""
        found = []
        for arn in arns:
            try:
                found.append(self.observe(arn))
            except GoneError:
                continue
        return found

    def observe(self, arn: str) -> Observation:
        """GetFunction; with an alias also GetAlias, and GetFunction of the version that it names."""
        id = WorkloadId.parse(arn)
        latest = self._function(id.name)
        configuration, tags = latest["Configuration"], dict(latest.get("Tags") or {})
        served, refusal, shifting, revisions = latest, None, False, [str(configuration.get("RevisionId", ""))]
        if configuration.get("PackageType") != "Image":
            refusal = _ZIP
        elif name := tags.get(ALIAS_TAG, "").strip():
            try:
                alias = self._alias(id.name, name)
            except GoneError:
                refusal = Refusal(Reason.ALIAS_MISSING, f"the function has no alias {name}")
            else:
                revisions.append(str(alias["RevisionId"]))
                shifting = bool((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"))
                if alias["FunctionVersion"] != _LATEST:
                    served = self._function(id.name, alias["FunctionVersion"])
        # Whoever goes back after a failed update has to take back what it declared, though callers never got it.
        declared = latest if _status(configuration) is RolloutStatus.FAILED else served
        image = str(declared.get("Code", {}).get("ImageUri") or "")
        images = {FUNCTION: image} if image else {}
        digest = str(served.get("Code", {}).get("ResolvedImageUri", "")).partition("@")[2]
        busy = shifting or _status(configuration) is RolloutStatus.RUNNING
        architecture = _ARCHITECTURES.get(next(iter(configuration.get("Architectures") or ["x86_64"])))
        return Observation(
            workload=Workload(arn, id.platform, id.account, id.region, id.cluster, id.label, tags, images),
            running={FUNCTION: digest} if digest else {},
            human_tags={FUNCTION: tag} if (tag := recalled(image, tags)) else {},
            platforms=frozenset({architecture} if architecture else ()),
            rollout_active=busy,
            desired=1,
            steady=not busy and {_status(each["Configuration"]) for each in (latest, served)} == _WELL,
            refusal=refusal,
            revision="/".join(revisions),
        )

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """UpdateFunctionCode: first as a dry run, then unless the function has changed since it was observed.

        Lambda takes no index (aws.md G), so of one the image for the function's architecture is written. A way back
        first moves the alias to the newest version of that image, so that callers need not wait.
        """
        if not plan.changes:
            raise UnsupportedError("a function's code is deployed when its image changes, not anew")
        (change,) = plan.changes
        name, tags = observation.workload.name, observation.workload.tags
        alias = tags.get(ALIAS_TAG, "").strip()
        image = _image(change)
        revision, _, named = observation.revision.partition("/")
        request = {"FunctionName": name, "ImageUri": image, "RevisionId": revision}
        good = self._version_of(name, image) if plan.rollback and alias else None
        with aws_errors(gone=_NAMES_NOTHING):
            self._lambda.update_function_code(**request, DryRun=True)
            known = remembered(image, change.tag, tags.get(HUMAN_TAG, ""))
            if known is not None and known != tags.get(HUMAN_TAG):
                self._lambda.tag_resource(Resource=plan.workload, Tags={HUMAN_TAG: known})
            if good:
                self._move(name, alias, good, named)
            answer = self._lambda.update_function_code(**request, Publish=good is None)
        return _id(good or str(answer["Version"]), alias, named)

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The newest version published since, with a second of grace for rounded times."""
        name = WorkloadId.parse(arn).name
        alias = str((self._function(name).get("Tags") or {}).get(ALIAS_TAG, "")).strip()
        named = str(self._alias(name, alias)["RevisionId"]) if alias else ""
        begun = (v for v in self._versions(name) if _moment(v["LastModified"]) >= since - timedelta(seconds=1))
        found = [id for v in begun if (id := _id(str(v["Version"]), alias, named)) != other_than]
        return found[-1] if found else None

    def rollout(self, arn: str, id: str) -> Rollout:
        """How a version stands, and whether the alias names it yet."""
        name = WorkloadId.parse(arn).name
        version, alias, revision = _parts(id)
        try:
            found = self._function(name, version)
        except GoneError:
            return Rollout(id, RolloutStatus.GONE, "the function has no such version")
        configuration = found["Configuration"]
        status = _status(configuration)
        if status is not RolloutStatus.SUCCEEDED:
            return Rollout(id, status, _reason(configuration))
        digest = str(found["Code"].get("ResolvedImageUri", "")).partition("@")[2]
        if alias:
            status = self._stands(name, alias, version, revision)
        why = f"somebody else moved the alias {alias}" if status is RolloutStatus.REPLACED else ""
        return Rollout(id, status, why, digests={FUNCTION: digest} if digest else {})

    def complete(self, arn: str, id: str) -> None:
        """UpdateAlias. Raises ConflictError when somebody else moved it since the deployment began."""
        version, alias, revision = _parts(id)
        with aws_errors(gone=_NAMES_NOTHING):
            self._move(WorkloadId.parse(arn).name, alias, version, revision)

    def stop(self, arn: str, id: str) -> None:
        """Always raises ConflictError, for Lambda lets no update be stopped; GoneError without the version."""
        self._function(WorkloadId.parse(arn).name, id.partition("/")[0])
        raise ConflictError("an update of a function cannot be stopped")

    def _function(self, name: str, version: str | None = None) -> Mapping[str, Any]:
        qualifier = {"Qualifier": version} if version else {}
        with aws_errors(gone=_NAMES_NOTHING):
            found: Mapping[str, Any] = self._lambda.get_function(FunctionName=name, **qualifier)
        return found

    def _alias(self, name: str, alias: str) -> Mapping[str, Any]:
        with aws_errors(gone=_NAMES_NOTHING):
            found: Mapping[str, Any] = self._lambda.get_alias(FunctionName=name, Name=alias)
        return found

    def _stands(self, name: str, alias: str, version: str, revision: str) -> RolloutStatus:
        """Whether the alias names a version that is ready, is still to be moved, or was moved by somebody else."""
        try:
            found = self._alias(name, alias)
        except GoneError:
            return RolloutStatus.READY  # moving it will tell
        if found["FunctionVersion"] == version:
            return RolloutStatus.SUCCEEDED
        return RolloutStatus.READY if revision in ("", found["RevisionId"]) else RolloutStatus.REPLACED

    def _move(self, name: str, alias: str, version: str, revision: str) -> None:
        """Unless it is no longer what it was at `revision`; an id of an earlier release knows none."""
        found = self._alias(name, alias)
        if found["FunctionVersion"] != version:
            before = revision or found["RevisionId"]
            self._lambda.update_alias(FunctionName=name, Name=alias, FunctionVersion=version, RevisionId=before)

    def _versions(self, name: str) -> Iterable[Mapping[str, Any]]:
        """ListVersionsByFunction, the oldest first and the unpublished one left out."""
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(FunctionName=name)
        with aws_errors(gone=_NAMES_NOTHING):
            for page in pages:
                yield from (each for each in page["Versions"] if each["Version"] != _LATEST)

    def _version_of(self, name: str, image: str) -> str | None:
        """The newest version that is ready to run an image: Lambda gives the digest as the hash of the code."""
        _, _, digest = image.partition("@sha256:")
        ready = (v for v in self._versions(name) if v["CodeSha256"] == digest and _status(v) is RolloutStatus.SUCCEEDED)
        return max((str(v["Version"]) for v in ready), key=int, default=None)


def _id(version: str, alias: str, revision: str) -> str:
    return f"{version}/{alias}/{revision}" if alias else version


def _parts(id: str) -> tuple[str, str, str]:
    version, _, rest = id.partition("/")
    alias, _, revision = rest.partition("/")
    return version, alias, revision


def _image(change: Change) -> str:
    """What to write: as it is declared, or the one image of an index that fits the function."""
    if not change.accepts:
        return change.image
    return str(ImageReference.parse(change.image).with_digest(change.accepts[0]))


def _status(configuration: Mapping[str, Any]) -> RolloutStatus:
    """State and LastUpdateStatus; an idle version is Inactive, and wakes when it is called."""
    states = configuration.get("State"), configuration.get("LastUpdateStatus")
    if "Failed" in states:
        return RolloutStatus.FAILED
    return RolloutStatus.RUNNING if {"Pending", "InProgress"} & set(states) else RolloutStatus.SUCCEEDED


def _reason(configuration: Mapping[str, Any]) -> str:
    for member in ("LastUpdateStatusReason", "StateReason"):
        if why := configuration.get(member):
            return f"{configuration.get(f'{member}Code', '')}: {why}".removeprefix(": ")
    return ""


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
