"""ECR's rules and events in moto, through boto3 and without sockets."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from longshore_local import images
from longshore_local.blobs import digest_of
from longshore_local.moto_ecr import EcrSimulator, install
from longshore_local.timeline import VirtualTimeline

ACCOUNT = "123456789012"
REGION = "eu-west-1"
WEB = {"repositoryName": "team/web"}


class Account:
    """An ECR client, the clock and the events that its pushes raised."""

    def __init__(self) -> None:
        self.timeline = VirtualTimeline()
        self.events: list[dict[str, Any]] = []
        self.simulator = install(self.timeline, self.events.append)
        self.ecr = boto3.client("ecr", region_name=REGION)

    def create(self, name: str = "team/web", **settings: Any) -> None:
        self.ecr.create_repository(repositoryName=name, **settings)

    def push(self, image: images.SyntheticImage, tag: str | None = None) -> str:
        return images.push(self.ecr, "team/web", tag, image)

    def tags(self) -> dict[str, list[str]]:
        details = self.ecr.describe_images(**WEB)["imageDetails"]
        return {detail["imageDigest"]: detail.get("imageTags", []) for detail in details}

    def code(self, operation: str, **request: Any) -> str:
        with pytest.raises(ClientError) as raised:
            getattr(self.ecr, operation)(**request)
        return str(raised.value.response["Error"]["Code"])

    def put_code(self, image: images.SyntheticImage, **request: Any) -> str:
        return self.code("put_image", **WEB, imageManifest=image.manifest.decode(), **request)


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        made = Account()
        with made.simulator:
            yield made


@pytest.fixture
def web(account: Account) -> Account:
    account.create()
    return account


def test_the_digest_is_the_hash_of_the_exact_manifest_bytes(web: Account) -> None:
    image = images.single("a")
    web.push(image, "1.0")

    found = web.ecr.batch_get_image(**WEB, imageIds=[{"imageDigest": digest_of(image.manifest)}])

    assert found["failures"] == []
    assert found["images"][0]["imageManifest"].encode() == image.manifest
    assert found["images"][0]["imageId"] == {"imageDigest": image.digest}
    assert found["images"][0]["imageManifestMediaType"] == image.media_type


def test_whitespace_in_a_manifest_is_another_image(web: Account) -> None:
    image = images.single("a")
    web.push(image, "1.0")
    spaced = image.manifest.decode().replace(",", ", ")

    answer = web.ecr.put_image(**WEB, imageManifest=spaced, imageTag="2.0")["image"]

    assert answer["imageId"] == {"imageDigest": digest_of(spaced.encode()), "imageTag": "2.0"}
    assert answer["imageManifest"] == spaced
    assert len(web.tags()) == 2


def test_a_push_raises_the_documented_event(web: Account) -> None:
    image = images.single("a")
    web.push(image, "latest")

    [event] = web.events

    assert event == {
        "version": "0",
        "id": event["id"],
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": ACCOUNT,
        "time": "2026-11-23T09:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {
            "result": "SUCCESS",
            "repository-name": "team/web",
            "image-digest": image.digest,
            "action-type": "PUSH",
            "image-tag": "latest",
            "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
            "artifact-media-type": "application/vnd.oci.image.config.v1+json",
        },
    }


def test_children_of_an_index_are_pushed_first_and_their_events_have_no_tag(web: Account) -> None:
    index = images.multi_platform("a")

    web.push(index, "1.0")

    assert [e["detail"]["image-digest"] for e in web.events] == [*(c.digest for c in index.children), index.digest]
    assert ["image-tag" in e["detail"] for e in web.events] == [False] * 4 + [True]
    assert web.events[-1]["detail"]["manifest-media-type"] == "application/vnd.oci.image.index.v1+json"
    assert "artifact-media-type" not in web.events[-1]["detail"]


def test_moving_a_tag_leaves_the_old_image_untagged(web: Account) -> None:
    old, new = images.single("old"), images.single("new")
    web.push(old, "latest")
    web.push(new, "latest")

    assert web.tags() == {old.digest: [], new.digest: ["latest"]}
    found = web.ecr.batch_get_image(**WEB, imageIds=[{"imageTag": "latest"}])["images"]
    assert [image["imageId"] for image in found] == [{"imageDigest": new.digest, "imageTag": "latest"}]
    untagged = web.ecr.list_images(**WEB, filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert untagged == [{"imageDigest": old.digest}]


def test_a_tag_that_moves_back_raises_an_event_each_time(web: Account) -> None:
    first, second = images.single("a"), images.single("b")
    for image in (first, second, first):
        web.push(image, "latest")

    assert [e["detail"]["image-digest"] for e in web.events] == [first.digest, second.digest, first.digest]


def test_pushed_at_is_the_first_push_and_does_not_move_with_a_tag(web: Account) -> None:
    image = images.single("a")
    pushed = web.timeline.now()
    web.push(image, "1.0")
    web.timeline.advance_to(pushed + timedelta(days=1))
    web.push(image, "latest")

    [detail] = web.ecr.describe_images(**WEB)["imageDetails"]

    assert detail["imagePushedAt"] == pushed
    assert detail["imageTags"] == ["1.0", "latest"]


def test_image_details(web: Account) -> None:
    image = images.single("a", layers=2)
    layers = [blob for digest, blob in image.blobs.items() if blob[:2] == b"\x1f\x8b"]
    web.push(image, "1.0")

    [detail] = web.ecr.describe_images(**WEB, imageIds=[{"imageTag": "1.0"}])["imageDetails"]

    assert detail["imageSizeInBytes"] == sum(map(len, layers))
    assert detail["imageManifestMediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert detail["artifactMediaType"] == "application/vnd.oci.image.config.v1+json"
    assert detail["imageStatus"] == "ACTIVE"
    assert detail["registryId"] == ACCOUNT


def test_the_size_of_an_index_is_that_of_its_largest_image(web: Account) -> None:
    index = images.multi_platform("a")
    web.push(index, "1.0")

    sizes = {d["imageDigest"]: d["imageSizeInBytes"] for d in web.ecr.describe_images(**WEB)["imageDetails"]}

    assert sizes[index.digest] == max(sizes[child.digest] for child in index.children) > 0


def test_describe_images_pages_and_filters(web: Account) -> None:
    pushed = [web.push(images.single(str(number)), f"v{number}") for number in range(5)]
    web.push(images.single("child"))

    pages = web.ecr.get_paginator("describe_images").paginate(**WEB, PaginationConfig={"PageSize": 2})
    seen = [detail["imageDigest"] for page in pages for detail in page["imageDetails"]]
    tagged = web.ecr.describe_images(**WEB, filter={"tagStatus": "TAGGED"})["imageDetails"]

    assert len(seen) == 6
    assert {d["imageDigest"] for d in tagged} == set(pushed)
    assert web.ecr.describe_images(**WEB, filter={"imageStatus": "ARCHIVED"})["imageDetails"] == []
    assert web.code("describe_images", **WEB, nextToken="?") == "InvalidParameterException"
    assert (
        web.code("describe_images", **WEB, imageIds=[{"imageTag": "v1"}], maxResults=1) == "InvalidParameterException"
    )


def test_list_images_has_an_id_for_each_tag(web: Account) -> None:
    image = images.single("a")
    web.push(image, "1.0")
    web.push(image, "latest")

    assert web.ecr.list_images(**WEB)["imageIds"] == [
        {"imageDigest": image.digest, "imageTag": "1.0"},
        {"imageDigest": image.digest, "imageTag": "latest"},
    ]


def test_what_is_not_there_is_a_failure_with_its_code(web: Account) -> None:
    image = images.single("a")
    web.push(image, "1.0")
    other = images.single("b").digest
    ids = [
        {"imageTag": "2.0"},
        {"imageDigest": other},
        {"imageDigest": "latest"},
        {},
        {"imageTag": "1.0", "imageDigest": other},
        {"imageTag": "1.0", "imageDigest": image.digest},
    ]

    answer = web.ecr.batch_get_image(**WEB, imageIds=ids)

    assert [failure["failureCode"] for failure in answer["failures"]] == [
        "ImageNotFound",
        "ImageNotFound",
        "InvalidImageDigest",
        "MissingDigestAndTag",
        "ImageTagDoesNotMatchDigest",
    ]
    assert answer["failures"][0]["imageId"] == {"imageTag": "2.0"}
    assert len(answer["images"]) == 1
    assert web.code("describe_images", **WEB, imageIds=[{"imageTag": "2.0"}]) == "ImageNotFoundException"
    assert web.code("list_images", repositoryName="no/such") == "RepositoryNotFoundException"
    assert web.code("describe_images", **WEB, registryId="210987654321") == "RepositoryNotFoundException"


def test_a_media_type_that_is_not_accepted_is_not_found(web: Account) -> None:
    web.push(images.multi_platform("a"), "1.0")
    ask = {**WEB, "imageIds": [{"imageTag": "1.0"}]}

    refused = web.ecr.batch_get_image(**ask, acceptedMediaTypes=["application/vnd.oci.image.manifest.v1+json"])
    given = web.ecr.batch_get_image(**ask, acceptedMediaTypes=["application/vnd.oci.image.index.v1+json"])

    assert refused["failures"][0]["failureCode"] == "ImageNotFound"
    assert len(given["images"]) == 1


def test_the_same_image_and_tag_again_already_exist_and_raise_no_event(web: Account) -> None:
    image = images.single("a")
    web.push(image, "1.0")

    assert web.put_code(image, imageTag="1.0") == "ImageAlreadyExistsException"
    assert web.put_code(image) == "ImageAlreadyExistsException"
    assert len(web.events) == 1


@pytest.mark.parametrize(
    ("setting", "filters", "tag", "moves"),
    [
        ("MUTABLE", None, "1.0", True),
        ("IMMUTABLE", None, "1.0", False),
        ("IMMUTABLE_WITH_EXCLUSION", ["latest*"], "latest-a", True),
        ("IMMUTABLE_WITH_EXCLUSION", ["latest*"], "1.0-latest", False),
        ("MUTABLE_WITH_EXCLUSION", ["v*"], "v1", False),
        ("MUTABLE_WITH_EXCLUSION", ["v*"], "latest", True),
    ],
)
def test_immutable_tags(account: Account, setting: str, filters: list[str] | None, tag: str, moves: bool) -> None:
    more: dict[str, Any] = {}
    if filters:
        more["imageTagMutabilityExclusionFilters"] = [{"filterType": "WILDCARD", "filter": f} for f in filters]
    account.create(imageTagMutability=setting, **more)
    first, second = images.single("a"), images.single("b")
    account.push(first, tag)
    account.push(second)

    if moves:
        account.push(second, tag)
    else:
        assert account.put_code(second, imageTag=tag) == "ImageTagAlreadyExistsException"
        assert account.put_code(first, imageTag=tag) == "ImageTagAlreadyExistsException"

    assert tag in account.tags()[second.digest if moves else first.digest]


def test_refused_manifests(web: Account) -> None:
    image = images.single("a")
    index = images.multi_platform("b")
    assert web.put_code(image, imageTag="1") == "LayersNotFoundException"
    assert web.put_code(index, imageTag="1") == "ReferencedImagesNotFoundException"
    assert web.put_code(image, imageTag="1", imageDigest=index.digest) == "ImageDigestDoesNotMatchException"
    put: dict[str, Any] = {**WEB, "imageTag": "1"}
    for manifest in ("{", "[]", "{}", '{"schemaVersion":2}', '{"schemaVersion":2,"mediaType":"text/plain"}'):
        assert web.code("put_image", **put, imageManifest=manifest) == "InvalidParameterException"
    assert web.events == []
    assert web.tags() == {}


def test_a_layer_is_uploaded_in_order_and_by_its_digest(web: Account) -> None:
    content = b"x" * 100
    part = {"partFirstByte": 0, "partLastByte": 99, "layerPartBlob": content}
    upload = {**WEB, "uploadId": web.ecr.initiate_layer_upload(**WEB)["uploadId"]}
    assert web.code("complete_layer_upload", **upload, layerDigests=[digest_of(content)]) == "EmptyUploadException"
    assert web.ecr.upload_layer_part(**upload, **part)["lastByteReceived"] == 99
    with pytest.raises(ClientError) as raised:
        web.ecr.upload_layer_part(**upload, **part)
    assert raised.value.response["Error"]["Code"] == "InvalidLayerPartException"
    assert raised.value.response["lastValidByteReceived"] == 99
    assert web.code("complete_layer_upload", **upload, layerDigests=[digest_of(b"")]) == "InvalidLayerException"
    assert web.code("complete_layer_upload", **upload, layerDigests=[digest_of(content)]) == "UploadNotFoundException"

    def complete() -> None:
        upload = {**WEB, "uploadId": web.ecr.initiate_layer_upload(**WEB)["uploadId"]}
        web.ecr.upload_layer_part(**upload, **part)
        web.ecr.complete_layer_upload(**upload, layerDigests=[digest_of(content)])

    complete()
    with pytest.raises(web.ecr.exceptions.LayerAlreadyExistsException):
        complete()
    checked = web.ecr.batch_check_layer_availability(**WEB, layerDigests=[digest_of(content), digest_of(b"y"), "no"])
    assert [layer["layerAvailability"] for layer in checked["layers"]] == ["AVAILABLE", "UNAVAILABLE"]
    assert checked["layers"][0]["layerSize"] == 100
    assert checked["failures"][0]["failureCode"] == "InvalidLayerDigest"


def test_small_parts_are_refused_when_the_upload_is_completed(web: Account) -> None:
    upload = {**WEB, "uploadId": web.ecr.initiate_layer_upload(**WEB)["uploadId"]}
    for first in (0, 10):
        web.ecr.upload_layer_part(**upload, partFirstByte=first, partLastByte=first + 9, layerPartBlob=b"0123456789")

    digest = digest_of(b"0123456789" * 2)

    assert web.code("complete_layer_upload", **upload, layerDigests=[digest]) == "LayerPartTooSmallException"


def test_deleting_tags_and_images(web: Account) -> None:
    image = images.single("a")
    for tag in ("1.0", "1", "latest"):
        web.push(image, tag)
    web.events.clear()

    web.ecr.batch_delete_image(**WEB, imageIds=[{"imageTag": "latest"}])
    assert web.tags() == {image.digest: ["1.0", "1"]}
    answer = web.ecr.batch_delete_image(**WEB, imageIds=[{"imageDigest": image.digest}, {"imageTag": "gone"}])

    assert [image_id["imageTag"] for image_id in answer["imageIds"]] == ["1.0", "1"]
    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]
    assert web.tags() == {}
    assert [event["detail"]["image-tag"] for event in web.events] == ["latest", "1.0", "1"]
    assert web.events[0]["detail"] == {
        "result": "SUCCESS",
        "repository-name": "team/web",
        "image-digest": image.digest,
        "action-type": "DELETE",
        "image-tag": "latest",
    }


def test_the_last_tag_takes_the_image_with_it(web: Account) -> None:
    web.push(images.single("a"), "1.0")
    web.ecr.batch_delete_image(**WEB, imageIds=[{"imageTag": "1.0"}])
    assert web.tags() == {}


def test_an_image_that_an_index_lists_stays(web: Account) -> None:
    index = images.multi_platform("a")
    web.push(index, "1.0")

    answer = web.ecr.batch_delete_image(**WEB, imageIds=[{"imageDigest": index.children[0].digest}])

    assert answer["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    assert index.children[0].digest in web.tags()


def test_referrers_are_listed_by_their_subject(web: Account) -> None:
    image = images.single("a")
    sbom = images.artifact("s", "application/spdx+json", image)
    web.push(image, "1.0")
    web.push(sbom)
    web.push(images.signature(image), images.signature_tag(image.digest))
    ask = {**WEB, "subjectId": {"imageDigest": image.digest}}

    [referrer] = web.ecr.list_image_referrers(**ask)["referrers"]

    assert referrer["digest"] == sbom.digest
    assert referrer["artifactType"] == "application/spdx+json"
    assert web.ecr.list_image_referrers(**ask, filter={"artifactTypes": ["text/plain"]})["referrers"] == []
    assert [event["detail-type"] for event in web.events] == [
        "ECR Image Action",
        "ECR Referrer Action",
        "ECR Image Action",
    ]


def test_a_layer_has_no_download_url_without_a_registry(web: Account) -> None:
    image = images.single("a")
    web.push(image, "1.0")
    digest = next(iter(image.blobs))

    with pytest.raises(ClientError, match="no registry serves account 123456789012 in eu-west-1"):
        web.ecr.get_download_url_for_layer(**WEB, layerDigest=digest)
    missing = digest_of(b"")
    assert web.code("get_download_url_for_layer", **WEB, layerDigest=missing) == "LayersNotFoundException"


def test_the_token_lasts_twelve_hours_of_the_bundles_clock(web: Account) -> None:
    [data] = web.ecr.get_authorization_token()["authorizationData"]

    assert data["expiresAt"] == web.timeline.now() + timedelta(hours=12)
    assert data["proxyEndpoint"] == "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"


def test_regions_and_accounts_do_not_mix(web: Account) -> None:
    other = boto3.client("ecr", region_name="us-east-1")
    other.create_repository(**WEB)
    images.push(other, "team/web", "1.0", images.single("a"))

    assert web.tags() == {}
    assert web.events[0]["region"] == "us-east-1"


def test_docker_images_keep_their_media_type(web: Account) -> None:
    web.push(images.single("a", docker=True), "1.0")

    assert web.events[0]["detail"]["manifest-media-type"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert web.events[0]["detail"]["artifact-media-type"] == "application/vnd.docker.container.image.v1+json"


def test_closing_gives_moto_its_own_answers_back() -> None:
    from moto.ecr.responses import ECRResponse

    before = dict(vars(ECRResponse))
    simulator: EcrSimulator = install(VirtualTimeline(), lambda event: None)
    assert dict(vars(ECRResponse)) != before
    simulator.close()

    assert dict(vars(ECRResponse)) == before


def test_it_answers_in_server_mode_as_well(account: Account) -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        ecr = boto3.client("ecr", region_name=REGION, endpoint_url=f"http://{host}:{port}")
        ecr.create_repository(**WEB)
        digest = images.push(ecr, "team/web", "1.0", images.single("a"))
        ecr.close()
    finally:
        server.stop()

    assert account.tags() == {digest: ["1.0"]}
    assert [event["detail"]["image-digest"] for event in account.events] == [digest]
