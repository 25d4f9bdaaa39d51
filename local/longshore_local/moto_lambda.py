"""The Lambda of the bundle: moto's, with functions of container images that are updated as Lambda updates them."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.awslambda.exceptions import (
    InvalidParameterValueException,
    LambdaClientError,
    PreconditionFailedException,
)
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.utils import get_backend
from moto.core.resource_tagging import TaggedResource
from moto.ecr.models import ecr_backends

from longshore_local.ecr_images import EcrImage
from longshore_local.ecs.events import Event, envelope
from longshore_local.ecs.images import image_place, repository_of, resolve_in_ecr
from longshore_local.ecs.patches import Patches
from longshore_local.manifests import INDEX_TYPES
from longshore_local.timeline import Timeline

UPDATE = timedelta(seconds=8)
"""How long Lambda prepares an image before it says that the update succeeded, or failed."""

_LATEST = "$LATEST"


@dataclass(frozen=True, slots=True)
class Pulled:
    """What an image reference stands for in a registry."""

    digest: str
    is_index: bool = False


Pull = Callable[[str, str, str], Pulled | None]
"""(image, account, region) -> what it stands for; None when there is none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What Lambda says of the last update of a function, or of a version; a new revision with each change."""

    status: str = "Successful"
    code: str = ""
    reason: str = ""
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))


class ResourceConflictException(LambdaClientError):
    """Another update of the function is in progress."""

    code = 409

    def __init__(self, arn: str) -> None:
        message = f"The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        super().__init__("ResourceConflictException", message)


def pull_from_ecr(image: str, account: str, region: str) -> Pulled | None:
    """What a reference stands for in moto's ECR."""
    digest = resolve_in_ecr(image, account, region)
    place = image_place(image)
    if digest is None or place is None:
        return None
    repository = ecr_backends[place.account][place.region].repositories[place.repository]
    held = next(each for each in repository.images if each.image_digest == digest)
    return Pulled(digest, isinstance(held, EcrImage) and held.manifest.media_type in INDEX_TYPES)


class LambdaSimulator:
    """Handle on the installed simulator: which images no function can run."""

    def __init__(self, timeline: Timeline, emit: Callable[[Event], None], pull: Pull = pull_from_ecr) -> None:
        self._timeline = timeline
        self._emit = emit
        self._pull = pull
        self._patches = Patches()
        self._failing: dict[str, tuple[str, str]] = {}
        self._versions: dict[str, int] = {}
        self._plug_in()

    def fail(self, digest: str, code: str = "InvalidImage", reason: str = "The image cannot be run.") -> None:
        """Lets updates to an image fail with one of LastUpdateStatusReasonCode, until `mend`."""
        self._failing[digest] = (code, reason)

    def mend(self, digest: str) -> None:
        """Lets updates to an image succeed again."""
        self._failing.pop(digest, None)

    def clear(self) -> None:
        """Lets updates to every image succeed again; functions go with moto's."""
        self._failing.clear()
        self._versions.clear()

    def close(self) -> None:
        """Gives Lambda back to moto."""
        self._patches.undo()

    # -- a function -------------------------------------------------------------------------------------------------

    def _set_image(self, function: Any, image: str, *, dry: bool) -> str:
        """Checks what an image reference stands for, and takes it over unless dry; answers the digest."""
        place = image_place(image)
        if place is None or place.region != function.region:
            raise InvalidParameterValueException(
                f"Source image {image} is not valid. Provide a valid source image: the repository must be in ECR, in "
                f"{function.region}."
            )
        pulled = self._pull(image, function.account_id, function.region)
        if pulled is None:
            raise InvalidParameterValueException(f"Source image {image} does not exist. Provide a valid source image.")
        if pulled.is_index:
            raise InvalidParameterValueException(
                f"The image manifest, config or layer media type for the source image {image} is not supported."
            )
        if not dry:
            resolved = f"{repository_of(image)}@{pulled.digest}"
            function.code = {**function.code, "ImageUri": image, "Resolved": resolved}
            function.code_sha_256, function.code_size = pulled.digest.removeprefix("sha256:"), 0
        return pulled.digest

    def _update_code(self, backend: LambdaBackend, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """UpdateFunctionCode of an image."""
        latest: Any = backend.get_function(name)
        standing = _standing(latest)
        if body.get("RevisionId") not in (None, standing.revision):
            raise PreconditionFailedException(
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
                "retrieve the latest Revision Id"
            )
        if standing.status == "InProgress":
            raise ResourceConflictException(latest.function_arn)
        before = latest.code_sha_256
        digest = self._set_image(latest, body["ImageUri"], dry=bool(body.get("DryRun")))
        if body.get("DryRun"):
            return _configuration(latest)
        latest.last_modified = self._now()
        latest.code_or_config_updated = latest.code_or_config_updated or latest.code_sha_256 != before
        latest.standing = Standing("InProgress")
        answered: Any = backend.publish_version(name) if body.get("Publish") else latest
        changed = [latest]
        if answered.last_modified == latest.last_modified:  # else nothing had changed since an older version
            changed.append(answered)
        self._timeline.at(self._timeline.now() + UPDATE, lambda: self._finish(changed, digest))
        return _configuration(answered)

    def _finish(self, changed: list[Any], digest: str) -> None:
        code, reason = self._failing.get(digest, ("", ""))
        for each in changed:
            each.standing = Standing("Failed" if code else "Successful", code, reason)

    def _now(self) -> str:
        moment: datetime = self._timeline.now()
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}+0000"

    def _tagged(self, arn: str, before: dict[str, str], after: dict[str, str]) -> None:
        changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        if not changed or ":function:" not in arn:
            return
        version = self._versions[arn] = self._versions.get(arn, 0) + 1
        detail = {
            "changed-tag-keys": changed,
            "service": "lambda",
            "resource-type": "function",
            "version": version,
            "tags": after,
        }
        self._emit(envelope("aws.tag", "Tag Change on Resource", arn, self._timeline.now(), detail))

    # -- in moto's place --------------------------------------------------------------------------------------------

    def _plug_in(self) -> None:
        put = self._patches.put
        put(LambdaFunction, "get_configuration", self._get_configuration())
        put(LambdaFunction, "get_code", self._get_code())
        put(LambdaFunction, "_set_function_code", self._set_function_code())
        put(LambdaFunction, "update_configuration", self._update_configuration())
        put(LambdaFunction, "set_version", self._set_version())
        put(LambdaBackend, "update_function_code", self._update_function_code())
        put(LambdaBackend, "iter_tagged_resources", _iter_tagged)
        put(LambdaBackend, "create_function", self._create_function())
        for name in ("tag_resource", "untag_resource"):
            put(LambdaBackend, name, self._tag_operation(getattr(LambdaBackend, name)))
        put(LambdaResponse, "update_alias", _update_alias(LambdaResponse.update_alias))

    def _get_configuration(self) -> Callable[..., dict[str, Any]]:
        original = LambdaFunction.get_configuration

        def get_configuration(function: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
            return original(function, on_create) | _told(function)

        return get_configuration

    def _get_code(self) -> Callable[..., dict[str, Any]]:
        original = LambdaFunction.get_code

        def get_code(function: LambdaFunction) -> dict[str, Any]:
            answer = original(function)
            if "Resolved" in function.code:
                answer["Code"]["ResolvedImageUri"] = function.code["Resolved"]
            return answer

        return get_code

    def _set_function_code(self) -> Callable[..., None]:
        original = LambdaFunction._set_function_code

        def set_function_code(function: LambdaFunction, spec: dict[str, Any]) -> None:
            if "ImageUri" in spec:
                self._set_image(function, spec["ImageUri"], dry=False)
            else:
                original(function, spec)

        return set_function_code

    def _update_configuration(self) -> Callable[..., dict[str, Any]]:
        original = LambdaFunction.update_configuration

        def update_configuration(function: Any, updates: dict[str, Any]) -> dict[str, Any]:
            original(function, updates)
            function.standing = replace(_standing(function), revision=str(uuid.uuid4()))
            function.last_modified = self._now()
            return _configuration(function)

        return update_configuration

    def _set_version(self) -> Callable[..., None]:
        original = LambdaFunction.set_version

        def set_version(function: Any, version: int) -> None:
            modified = function.last_modified
            original(function, version)
            function.last_modified = modified  # that of what is published
            function.standing = replace(_standing(function), revision=str(uuid.uuid4()))

        return set_version

    def _update_function_code(self) -> Callable[..., Any]:
        original = LambdaBackend.update_function_code

        def update_function_code(backend: LambdaBackend, name: str, qualifier: str, body: dict[str, Any]) -> Any:
            if "ImageUri" in body:
                return self._update_code(backend, name, body)
            return original(backend, name, qualifier, body)

        return update_function_code

    def _create_function(self) -> Callable[..., LambdaFunction]:
        original = LambdaBackend.create_function

        def create_function(backend: LambdaBackend, spec: dict[str, Any]) -> LambdaFunction:
            function = original(backend, spec)
            function.last_modified = self._now()
            self._tagged(function.function_arn, {}, dict(function.tags))
            return function

        return create_function

    def _tag_operation(self, original: Callable[..., None]) -> Callable[..., None]:
        def operation(backend: LambdaBackend, resource_arn: str, tags: Any = None, tag_keys: Any = None) -> None:
            before = dict(backend.list_tags(resource_arn))
            original(backend, resource_arn, tags if tag_keys is None else tag_keys)
            self._tagged(resource_arn, before, dict(backend.list_tags(resource_arn)))

        return operation


def _standing(function: Any) -> Standing:
    if "standing" not in function.__dict__:
        function.standing = Standing()
    standing: Standing = function.standing
    return standing


def _told(function: Any) -> dict[str, Any]:
    """The members of a FunctionConfiguration that say how the function stands."""
    standing = _standing(function)
    why = {"LastUpdateStatusReason": standing.reason, "LastUpdateStatusReasonCode": standing.code}
    told = {"RevisionId": standing.revision, "LastUpdateStatus": standing.status, **(why if standing.code else {})}
    if function.version == _LATEST:
        return told
    state = {"Successful": "Active", "InProgress": "Pending", "Failed": "Failed"}[standing.status]
    why = {"StateReason": standing.reason, "StateReasonCode": standing.code}
    return told | {"State": state, **(why if standing.code else {})}


def _configuration(function: Any) -> dict[str, Any]:
    configuration: dict[str, Any] = function.get_configuration()
    return configuration


def _iter_tagged(backend: LambdaBackend) -> Iterator[TaggedResource]:
    """Functions by the ARN that no version is part of."""
    for function in get_backend(backend.account_id, backend.region_name).list_functions():  # moto has two of them
        arn = function.function_arn.removesuffix(f":{_LATEST}")
        yield TaggedResource(arn=arn, tags=function.tags, resource_type="lambda:function")


def _update_alias(original: Callable[..., Any]) -> Callable[..., Any]:
    def update_alias(response: LambdaResponse) -> Any:
        name, alias = response.path.split("/")[-3], response.path.rsplit("/", 1)[-1]
        found = response.backend.get_alias(alias, name)
        if response.json_body.get("RevisionId") not in (None, found.revision_id):
            raise PreconditionFailedException("The RevisionId provided does not match the latest RevisionId.")
        found.revision_id = str(uuid.uuid4())
        return original(response)

    return update_alias


def install(timeline: Timeline, emit: Callable[[Event], None], pull: Pull = pull_from_ecr) -> LambdaSimulator:
    """Puts the simulator into moto, for as long as it is not closed."""
    return LambdaSimulator(timeline, emit, pull)
