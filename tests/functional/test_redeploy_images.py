"""What is an image and what is not: indexes, platforms, artifacts, and the other ways in which an image arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from longshore_local import images
from tests.functional.stage import REGION, Stage, uri

if TYPE_CHECKING:
    from longshore_local.images import SyntheticImage

ARM = {"runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}}
BOTH = ("linux/amd64", "linux/arm64")


def indexed(stage: Stage, image: SyntheticImage, **members: object) -> str:
    """A service of an index; answers the index's digest."""
    digest = stage.push("prod", image)
    stage.service(definition=stage.register("web", uri("web:prod"), **members))
    return digest


def test_a_pushed_index_is_one_deployment_and_its_children_none(stage: Stage) -> None:
    indexed(stage, images.multi_platform("one"))
    pushed = images.multi_platform("two")
    stage.push("prod", pushed)
    stage.run(minutes=30)
    assert stage.running() in {pushed.digest, *(child.digest for child in pushed.children)}
    assert stage.deployments() == 2
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]
    assert stage.reasons().count("untagged") == 4  # two images and their attestations


@pytest.mark.parametrize("members", [{}, ARM])
def test_attestations_alone_are_the_same_content(stage: Stage, members: dict[str, object]) -> None:
    indexed(stage, images.multi_platform("one", attestations=False), **members)
    stage.push("prod", images.multi_platform("one"))
    stage.run(minutes=150)
    stage.untouched()


def test_another_platforms_image_alone_is_the_same_content(stage: Stage) -> None:
    indexed(stage, images.multi_platform("one", ["linux/arm64"], attestations=False), **ARM)
    stage.push("prod", images.multi_platform("one", BOTH, attestations=False))
    stage.run(minutes=150)
    stage.untouched()
    assert "same-content" in stage.reasons("/web")


@pytest.mark.parametrize(("members", "missing"), [({}, "linux/amd64"), (ARM, "linux/arm64")])
def test_an_index_without_the_services_platform_is_held_until_a_whole_one_comes(
    stage: Stage, members: dict[str, object], missing: str
) -> None:
    indexed(stage, images.multi_platform("one"), **members)
    (other,) = set(BOTH) - {missing}
    stage.push("prod", images.multi_platform("two", [other]))
    stage.run(minutes=20)
    assert stage.writes() == []
    held = stage.events("Deployment Held")
    assert [(each["reason"], each["missing"]) for each in held] == [("platform", [missing])]
    whole = images.multi_platform("two")
    stage.push("prod", whole)
    stage.run(minutes=20)
    assert stage.running() in {whole.digest, *(child.digest for child in whole.children)}
    assert stage.told() == ["Deployment Held", "Deployment Started", "Deployment Succeeded"]


def test_an_index_whose_images_are_still_on_their_way_waits_for_them(stage: Stage) -> None:
    indexed(stage, images.multi_platform("one", attestations=False))
    whole = images.multi_platform("two", attestations=False)
    images.push(stage.ecr, "web", "prod", whole)
    child = {"imageDigest": whole.children[0].digest}
    held = stage.bundle.ecr.registry(stage.bundle.account, REGION)
    # ECR refuses to delete what an index names; the image is hidden behind its API's back for a while.
    kept = [image for image in held.images("web") if image.manifest.digest == child["imageDigest"]]
    repository = held.repository("web")
    repository.images = [image for image in repository.images if image not in kept]
    stage.run(minutes=2)
    assert (stage.writes(), stage.told()) == ([], [])
    assert "incomplete-index" in stage.reasons()
    repository.images += kept
    stage.run(minutes=20)
    assert stage.running() in {whole.digest, *(each.digest for each in whole.children)}
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]


def test_signatures_sboms_and_referrers_are_nobodys_business(stage: Stage) -> None:
    image = images.single("one")
    stage.push("1.0", image)
    stage.service(image="web:1.0", policy="newest:1.")
    signature = images.signature(image)
    stage.push(images.signature_tag(image.digest), signature)
    for kind in ("att", "sbom"):
        stage.push(f"{image.digest.replace(':', '-')}.{kind}", images.artifact(kind, f"application/{kind}"))
    stage.push("1.0-sbom", images.artifact("spdx", "application/spdx+json"))
    stage.push(None, images.artifact("referrer", "application/vnd.cncf.notary.signature", subject=image))
    stage.push(image.digest.replace(":", "-"), images.artifact("referrers", "application/json"))
    stage.push("longshore-keep-web-1", "kept for the way back")
    stage.run(minutes=150)
    stage.untouched()
    assert stage.reasons().count("artifact") == 6


def test_an_artifact_under_the_very_tag_is_not_deployed(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.push("prod", images.artifact("chart", "application/vnd.cncf.helm.config.v1+json"))
    stage.run(minutes=150)
    assert stage.writes() == []
    assert "Deployment Started" not in stage.told()


def test_a_docker_manifest_is_an_image_too(stage: Stage) -> None:
    stage.push("prod", images.single("one", docker=True))
    stage.service()
    digest = stage.push("prod", images.single("two", docker=True))
    stage.run(minutes=20)
    assert stage.running() == digest


def test_deletion_and_archiving_provoke_nothing(stage: Stage) -> None:
    digest = stage.push("prod", "one")
    stage.service()
    archived = stage.moved(digest, "prod", action_type="UPDATE_STORAGE_CLASS", target_storage_class="ARCHIVE")
    stage.emit("aws.ecr", "ECR Image Action", archived)
    stage.emit("aws.ecr", "ECR Image Action", stage.moved(digest, "prod", result="FAILURE"))
    stage.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "prod"}])
    stage.send("RedeployQueue", _event(stage, archived))  # past the rule, too
    stage.run(minutes=150)
    stage.untouched()


def _event(stage: Stage, detail: dict[str, object]) -> dict[str, object]:
    return {
        "version": "0",
        "id": "e-1",
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": stage.bundle.account,
        "time": stage.bundle.timeline.now().isoformat(),
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


ARRIVALS = {
    "restored": ("ECR Image Action", {"action-type": "UPDATE_STORAGE_CLASS", "target-storage-class": "STANDARD"}),
    "replicated": (
        "ECR Replication Action",
        {"action-type": "REPLICATE", "source-account": "123456789012", "source-region": "us-west-2"},
    ),
    "cached": (
        "ECR Pull Through Cache Action",
        {"sync-status": "SUCCESS", "ecr-repository-prefix": "docker-hub", "rule-version": "1"},
    ),
}


@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("named", [True, False])
def test_an_image_that_arrives_otherwise_is_followed(stage: Stage, arrival: str, named: bool) -> None:
    """Replication and the cache name the tag; a restored image is named by its digest."""
    stage.push("prod", "one")
    stage.service()
    kind, more = ARRIVALS[arrival]
    events = stage.client("events")
    rule = stage.bundle.stack.physical_ids["ImageMoved"]
    events.disable_rule(Name=rule)  # no push event: the image comes another way
    digest = stage.push("prod", "two")
    events.enable_rule(Name=rule)
    tag = {"image-tag": "prod"} if named else {}
    detail = {"result": "SUCCESS", "repository-name": "web", "image-digest": digest, **tag, **more}
    if arrival == "cached":
        del detail["result"]
    stage.emit("aws.ecr", kind, detail)
    stage.run(minutes=20)
    if named or arrival == "restored":
        assert stage.running() == digest
        assert stage.told() == ["Deployment Started", "Deployment Succeeded"]
    else:
        stage.untouched()


def test_an_event_that_lies_about_the_digest_deploys_what_the_tag_names(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    stage.emit("aws.ecr", "ECR Image Action", stage.moved("sha256:" + "f" * 64, "prod"))
    stage.run(minutes=20)
    assert stage.running() == first
    stage.untouched()


@pytest.mark.parametrize("tag", ["nothing", "prod"])
def test_an_event_of_an_image_that_is_not_there_provokes_nothing(stage: Stage, tag: str) -> None:
    stage.push("other", "one")
    stage.push("prod", "one")
    stage.service()
    stage.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "prod"}])
    stage.emit("aws.ecr", "ECR Image Action", stage.moved("sha256:" + "f" * 64, tag))
    stage.emit("aws.ecr", "ECR Image Action", stage.moved("sha256:" + "f" * 64, tag, repository_name="no/such"))
    stage.run(minutes=150)
    stage.untouched()
