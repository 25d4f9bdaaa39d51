"""The ECR Public API: what it shares with ECR, and its own registries, repositories, catalog data and tokens."""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from typing import cast

from longshore_local import ecr_operations
from longshore_local.ecr_call import Answer, Call, invalid_parameter
from longshore_local.ecr_images import EcrError
from longshore_local.ecr_layers import (
    batch_check_layer_availability,
    complete_layer_upload,
    initiate_layer_upload,
    upload_layer_part,
)
from longshore_local.ecr_public_registry import HOST, PublicRegistry, PublicRepositories

_TOKEN_LIFETIME = timedelta(hours=12)
# Of repositoryName in botocore's model of ecr-public.
_NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
_LONGEST_NAME = 205


def get_authorization_token(call: Call) -> Answer:
    """A token for 12 hours; one, for there is one registry."""
    token = b64encode(f"AWS:{call.registry.account_id}-public-token".encode()).decode()
    return {"authorizationData": {"authorizationToken": token, "expiresAt": call.now + _TOKEN_LIFETIME}}


def describe_registries(call: Call) -> Answer:
    """The account's registry with its one alias."""
    held = _held(call)
    return {
        "registries": [
            {
                "registryId": held.account,
                "registryArn": f"arn:aws:ecr-public::{held.account}:registry/{held.account}",
                "registryUri": f"{HOST}/{held.alias}",
                "verified": False,
                "aliases": [
                    {
                        "name": held.alias,
                        "status": "ACTIVE",
                        "primaryRegistryAlias": True,
                        "defaultRegistryAlias": True,
                    }
                ],
            }
        ]
    }


def create_repository(call: Call) -> Answer:
    """Makes a repository, with what the gallery is to show of it."""
    held, name = _held(call), call.repository
    if len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise invalid_parameter("repositoryName", f"must satisfy regular expression '{_NAME.pattern}'")
    if name in held.repositories:
        text = f"The repository with name '{name}' already exists in the registry with id '{held.account}'"
        raise EcrError("RepositoryAlreadyExistsException", text)
    held.make(name)
    held.tags[name] = {tag["Key"]: tag["Value"] for tag in call.request.get("tags", [])}
    catalog = _put_catalog(call, call.request.get("catalogData") or {})
    return {"repository": _described(held, name), "catalogData": catalog}


def describe_repositories(call: Call) -> Answer:
    """All repositories, or those that are asked for."""
    names = call.request.get("repositoryNames") or call.registry.repositories()
    for name in names:
        call.registry.repository(name)
    return {"repositories": [_described(_held(call), name) for name in names]}


def delete_repository(call: Call) -> Answer:
    """Deletes a repository; one that holds images only by force."""
    found, held = call.registry.repository(call.repository), _held(call)
    if found.images and not call.request.get("force"):
        text = f"The repository with name '{found.name}' in registry with id '{held.account}' cannot be deleted"
        raise EcrError("RepositoryNotEmptyException", f"{text} because it still contains images")
    described = _described(held, found.name)
    held.remove(found.name)
    return {"repository": described}


def get_repository_catalog_data(call: Call) -> Answer:
    """What the gallery shows; an error where nothing was ever put."""
    call.registry.repository(call.repository)
    found = _held(call).catalogs.get(call.repository)
    if not found:
        text = f"The repository catalog data with name '{call.repository}' does not exist"
        # In the model of ecr-public only.
        raise EcrError("RepositoryCatalogDataNotFoundException", text)
    return {"catalogData": found}


def put_repository_catalog_data(call: Call) -> Answer:
    """Puts it, all of it: what is left out is gone, but for the logo."""
    call.registry.repository(call.repository)
    return {"catalogData": _put_catalog(call, call.request["catalogData"])}


def describe_images(call: Call) -> Answer:
    """As ECR's, without what archiving and referrers added there."""
    answer = ecr_operations.describe_images(call)
    later = ("imageStatus", "subjectManifestDigest")
    details = [{key: value for key, value in each.items() if key not in later} for each in answer["imageDetails"]]
    return {**answer, "imageDetails": details}


def describe_image_tags(call: Call) -> Answer:
    """Every tag with its image."""
    found = [
        {
            "imageTag": tag,
            "createdAt": image.pushed_at.astimezone(UTC),
            "imageDetail": {
                "imageDigest": image.manifest.digest,
                "imageSizeInBytes": call.registry.size(call.repository, image.manifest),
                "imagePushedAt": image.pushed_at.astimezone(UTC),
                "imageManifestMediaType": image.manifest.media_type,
                "artifactMediaType": image.manifest.artifact_type,
            },
        }
        for image in call.registry.images(call.repository)
        for tag in image.image_tags
    ]
    return {"imageTagDetails": sorted(found, key=lambda each: str(each["imageTag"]))}


def list_tags_for_resource(call: Call) -> Answer:
    """The tags of a repository, by its ARN."""
    name = str(call.request["resourceArn"]).partition(":repository/")[2]
    call.registry.repository(name)
    return {"tags": [{"Key": key, "Value": value} for key, value in sorted(_held(call).tags[name].items())]}


OPERATIONS: Mapping[str, Callable[[Call], Answer]] = {
    operation.__name__: operation
    for operation in (
        get_authorization_token,
        describe_registries,
        create_repository,
        describe_repositories,
        delete_repository,
        get_repository_catalog_data,
        put_repository_catalog_data,
        describe_images,
        describe_image_tags,
        list_tags_for_resource,
        ecr_operations.put_image,
        ecr_operations.batch_delete_image,
        initiate_layer_upload,
        upload_layer_part,
        complete_layer_upload,
        batch_check_layer_availability,
    )
}


def _held(call: Call) -> PublicRepositories:
    return cast("PublicRegistry", call.registry).held


def _described(held: PublicRepositories, name: str) -> Answer:
    found = held.repositories[name]
    return {
        "repositoryArn": found.arn,
        "registryId": held.account,
        "repositoryName": name,
        "repositoryUri": found.uri,
        "createdAt": found.created_at.replace(tzinfo=UTC),
    }


def _put_catalog(call: Call, given: Mapping[str, object]) -> Answer:
    held = _held(call)
    known = held.catalogs.get(call.repository, {})
    catalog = {key: value for key, value in given.items() if key != "logoImageBlob"}
    if "logoImageBlob" in given:
        catalog["logoUrl"] = f"https://{HOST}/logos/{held.alias}/{call.repository}"
    elif "logoUrl" in known:
        catalog["logoUrl"] = known["logoUrl"]
    if catalog:
        catalog["marketplaceCertified"] = False
    held.catalogs[call.repository] = catalog
    return catalog
