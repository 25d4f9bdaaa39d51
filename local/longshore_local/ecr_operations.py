"""The image operations of the ECR API: a request in, an answer in the shapes of botocore's model out."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, timedelta
from typing import TypeVar

from longshore_local.ecr_call import Answer, Call, invalid_parameter
from longshore_local.ecr_images import EcrError, EcrImage, ImageIdError
from longshore_local.ecr_layers import (
    batch_check_layer_availability,
    complete_layer_upload,
    get_download_url_for_layer,
    initiate_layer_upload,
    upload_layer_part,
)
from longshore_local.manifests import ManifestError, MediaTypeMissingError, parse_manifest

_TOKEN_LIFETIME = timedelta(hours=12)
_MAX_IMAGES = 1000
_MAX_REFERRERS = 50

_Item = TypeVar("_Item")


def get_authorization_token(call: Call) -> Answer:
    """A token for 12 hours; the endpoint is the HTTP front while it runs."""
    account, region = call.registry.account_id, call.registry.region
    asked = call.request.get("registryIds") or [account]
    public = f"https://{{}}.dkr.ecr.{region}.amazonaws.com"
    return {
        "authorizationData": [
            {
                "authorizationToken": b64encode(f"AWS:{one}-auth-token".encode()).decode(),
                "expiresAt": call.now + _TOKEN_LIFETIME,
                "proxyEndpoint": call.front.url if call.front and one == account else public.format(one),
            }
            for one in asked
        ]
    }


def put_image(call: Call) -> Answer:
    """Keeps the manifest's bytes as sent; refusals in the order of EcrRegistry.put."""
    call.registry.repository(call.repository)
    try:
        manifest = parse_manifest(call.request["imageManifest"].encode(), call.request.get("imageManifestMediaType"))
    except MediaTypeMissingError as error:
        raise invalid_parameter("imageManifestMediaType", str(error)) from error
    except ManifestError as error:
        raise invalid_parameter("imageManifest", str(error)) from error
    claimed = call.request.get("imageDigest")
    if claimed not in (None, manifest.digest):
        text = f"The provided image digest '{claimed}' does not match the digest '{manifest.digest}' of the manifest"
        raise EcrError("ImageDigestDoesNotMatchException", text)
    tag = call.request.get("imageTag")
    image = call.registry.put(call.repository, tag, manifest)
    call.listener.pushed(call.registry, image, tag)
    return {"image": _image(call, image, tag)}


def batch_get_image(call: Call) -> Answer:
    """Manifests by tag or digest; nothing is converted, a type that is not accepted is not found."""
    accepted = call.request.get("acceptedMediaTypes")
    images, failures = [], []
    call.registry.repository(call.repository)
    for image_id in call.request["imageIds"]:
        try:
            image = call.registry.find(call.repository, **_id(image_id))
            if accepted and image.manifest.media_type not in accepted:
                kind = image.manifest.media_type
                raise ImageIdError("ImageNotFound", f"Requested image has the media type {kind}, which is not accepted")
            images.append(_image(call, image, image_id.get("imageTag")))
        except ImageIdError as error:
            failures.append(_failure(image_id, error))
    return {"images": images, "failures": failures}


def batch_delete_image(call: Call) -> Answer:
    """Deletes tags or images, each id on its own."""
    removed, failures = [], []
    call.registry.repository(call.repository)
    for image_id in call.request["imageIds"]:
        try:
            manifest = call.registry.find(call.repository, **_id(image_id)).manifest
            for removal in call.registry.delete(call.repository, **_id(image_id)):
                removed.append({"imageDigest": removal.digest, "imageTag": removal.tag})
                call.listener.deleted(call.registry, call.repository, removal, manifest)
        except ImageIdError as error:
            failures.append(_failure(image_id, error))
    return {"imageIds": removed, "failures": failures}


def describe_images(call: Call) -> Answer:
    """Details by id, or all pages of those that the filter lets through."""
    asked = call.request.get("imageIds")
    if asked is None:
        page, token = _page(call, _filtered(call), _MAX_IMAGES)
        return {"imageDetails": [_detail(call, image) for image in page], "nextToken": token}
    if "maxResults" in call.request or "nextToken" in call.request:
        raise invalid_parameter("maxResults", "maxResults and nextToken cannot be used with imageIds")
    images = (_described(call, image_id) for image_id in asked)
    return {"imageDetails": [_detail(call, image) for image in dict.fromkeys(images)]}


def list_images(call: Call) -> Answer:
    """Ids: one for each tag, and one for an image without any."""
    ids = [
        {"imageDigest": image.manifest.digest, "imageTag": tag}
        for image in _filtered(call)
        for tag in image.tags_or_none
    ]
    page, token = _page(call, ids, _MAX_IMAGES)
    return {"imageIds": page, "nextToken": token}


def list_image_referrers(call: Call) -> Answer:
    """The artifacts attached to a digest, by type."""
    types = (call.request.get("filter") or {}).get("artifactTypes")
    call.registry.repository(call.repository)
    found = [
        {
            "digest": referrer.digest,
            "mediaType": referrer.media_type,
            "artifactType": referrer.artifact_type,
            "size": len(referrer.content),
            "annotations": referrer.annotations,
            "artifactStatus": "ACTIVE",
        }
        for referrer in call.registry.referrers(call.repository, call.request["subjectId"]["imageDigest"])
        if not types or referrer.artifact_type in types
    ]
    page, token = _page(call, found, _MAX_REFERRERS)
    return {"referrers": page, "nextToken": token}


OPERATIONS: tuple[Callable[[Call], Answer], ...] = (
    get_authorization_token,
    put_image,
    batch_get_image,
    batch_delete_image,
    describe_images,
    list_images,
    list_image_referrers,
    initiate_layer_upload,
    upload_layer_part,
    complete_layer_upload,
    batch_check_layer_availability,
    get_download_url_for_layer,
)


def _id(image_id: Mapping[str, str]) -> dict[str, str | None]:
    return {"tag": image_id.get("imageTag"), "digest": image_id.get("imageDigest")}


def _failure(image_id: Mapping[str, str], error: ImageIdError) -> Answer:
    return {"imageId": dict(image_id), "failureCode": error.code, "failureReason": error.reason}


def _image(call: Call, image: EcrImage, tag: str | None) -> Answer:
    return {
        **call.place(),
        "imageId": {"imageDigest": image.manifest.digest, "imageTag": tag},
        "imageManifest": image.manifest.text,
        "imageManifestMediaType": image.manifest.media_type,
    }


def _described(call: Call, image_id: Mapping[str, str]) -> EcrImage:
    try:
        return call.registry.find(call.repository, **_id(image_id))
    except ImageIdError as error:
        if error.code not in ("ImageNotFound", "ImageTagDoesNotMatchDigest"):
            raise invalid_parameter("imageIds", error.reason) from error
        asked = (
            f"{{imageDigest:'{image_id.get('imageDigest', 'null')}', imageTag:'{image_id.get('imageTag', 'null')}'}}"
        )
        where = f"the repository with name '{call.repository}' in the registry with id '{call.registry.account_id}'"
        text = f"The image with imageId {asked} does not exist within {where}"
        raise EcrError("ImageNotFoundException", text) from error


def _detail(call: Call, image: EcrImage) -> Answer:
    return {
        **call.place(),
        "imageDigest": image.manifest.digest,
        "imageTags": list(image.image_tags) or None,
        "imageSizeInBytes": call.registry.size(call.repository, image.manifest),
        "imagePushedAt": image.pushed_at.astimezone(UTC),
        "imageManifestMediaType": image.manifest.media_type,
        "artifactMediaType": image.manifest.artifact_type,
        "subjectManifestDigest": image.manifest.subject,
        "imageStatus": "ACTIVE",
    }


def _filtered(call: Call) -> Iterable[EcrImage]:
    chosen = call.request.get("filter") or {}
    images = call.registry.images(call.repository)
    if chosen.get("imageStatus", "ACTIVE") not in ("ACTIVE", "ANY"):
        return []
    match chosen.get("tagStatus", "ANY"):
        case "TAGGED":
            return [image for image in images if image.image_tags]
        case "UNTAGGED":
            return [image for image in images if not image.image_tags]
        case _:
            return images


def _page(call: Call, everything: Iterable[_Item], at_most: int) -> tuple[Sequence[_Item], str | None]:
    items = list(everything)
    start = _offset(call.request.get("nextToken"))
    end = start + call.request.get("maxResults", at_most)
    token = b64encode(str(end).encode()).decode() if end < len(items) else None
    return items[start:end], token


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(b64decode(token, validate=True))
    except (binascii.Error, ValueError) as error:
        raise invalid_parameter("nextToken", "a token from an earlier answer") from error
