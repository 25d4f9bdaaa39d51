"""What scan's queue holds: every sample is read, every field checked, and nothing else than a BadEventError comes."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from longshore.errors import BadEventError
from longshore.gates import GATE_DUE
from longshore.images import Repository
from longshore.scan.arns import image_arn, read_image_arn
from longshore.scan.inspector import read_enhanced
from longshore.scan.messages import (
    DIGEST_DUE,
    REPORT_DUE,
    SWEEP_DUE,
    Attached,
    DigestDue,
    FindingsChanged,
    GateDue,
    Image,
    ImageArrived,
    ImageScanned,
    Irrelevant,
    Message,
    ReportDue,
    RepositoriesChanged,
    SweepDue,
    WorkloadMoved,
)
from tests.conftest import EVENTS, LoadEvent
from tests.unit.scan.scan_samples import DIGEST, IMAGE, broken, inspector, shape, valid

SHARED = sorted(
    path.relative_to(EVENTS).as_posix()
    for source in ("ecr", "inspector2", "cloudformation", "longshore")
    for path in (EVENTS / source).glob("*.json")
)
"""Every documented sample of a source that this queue may be sent events of."""
SCANS = [name for name in SHARED if "scan" in name or name.startswith("inspector2/")]
WEB = Repository("123456789012", "eu-west-1", "shop/web")
WORKLOAD = "arn:aws:ecs:eu-west-1:123456789012:service/prod/web"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def sample(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return made


def event(kind: str, detail: dict[str, Any], **members: Any) -> dict[str, Any]:
    made = {
        "version": "0",
        "id": "e1",
        "detail-type": kind,
        "source": "longshore",
        "account": "123456789012",
        "time": "2026-11-23T00:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": detail,
    }
    return made | members


def fact(name: str) -> object:
    return Message.parse(sample(name)).fact


# -- samples ------------------------------------------------------------------------------------------------------


def test_a_basic_scan_names_its_image() -> None:
    digest = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd1234ef56"
    image = Image(Repository("123456789012", "us-east-1", "my-repository-name"), digest)
    assert fact("ecr/image-scan-complete.json") == fact("ecr/image-scan-clean.json") == ImageScanned(image)


def test_a_scan_of_inspector_names_its_repository_by_arn_or_by_name() -> None:
    raw = sample("inspector2/scan-ecr.json")
    raw["detail"]["image-digest"] = DIGEST
    image = Image(Repository("123456789012", "us-east-2", "amazon/amazon-ecs-sample"), DIGEST)
    assert Message.parse(raw).fact == ImageScanned(image)
    raw["detail"] |= {"repository-name": "amazon/amazon-ecs-sample", "version": "1.0"}
    assert Message.parse(raw).fact == ImageScanned(image)


def test_the_documented_digest_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(BadEventError) as caught:
        Message.parse(sample("inspector2/scan-ecr.json"))
    assert caught.value.field == "detail.image-digest"


@pytest.mark.parametrize("name", ["inspector2/finding-ecr.json", "inspector2/finding-ecr-closed.json"])
def test_a_finding_of_inspector_names_images_and_nothing_more(name: str) -> None:
    raw = sample(name)
    repository = Repository("123456789012", "eu-central-1", "inspector2")
    image = Image(repository, "sha256:84f507df33c6864d49c296fb734192696e4cb6f78166ac51ac8b9b118181085d")
    assert Message.parse(raw).fact == FindingsChanged((image,))
    for member in ("severity", "firstObservedAt", "packageVulnerabilityDetails", "status", "epss"):
        del raw["detail"][member]
    assert Message.parse(raw).fact == FindingsChanged((image,))


@pytest.mark.parametrize(
    ("change", "heard"),
    [
        ({}, False),
        ({"artifact-media-type": "application/vnd.openvex+json"}, True),
        ({"artifact-media-type": "application/vnd.dev.sigstore.bundle.v0.3+json", "action-type": "DELETE"}, True),
        ({"artifact-media-type": None}, True),
        ({"artifact-media-type": None, "result": "FAILURE"}, False),
    ],
)
def test_what_is_attached_is_looked_at_where_it_may_be_a_statement(change: dict[str, Any], heard: bool) -> None:
    raw = sample("ecr/referrer-push.json")
    raw["detail"] |= change
    said = Message.parse(raw).fact
    assert said == Attached(Repository("123456789012", "us-east-1", "my-repository-name")) if heard else True
    assert isinstance(said, Irrelevant) is not heard


def test_the_findings_of_the_samples_normalise() -> None:
    (first, second), refused = read_enhanced([sample("inspector2/finding-ecr.json")["detail"]])
    assert not refused
    assert [first.package, second.package] == ["libssl3t64", "openssl"]
    assert first.first_seen == datetime(2024, 9, 4, 16, 55, 38, 411000, UTC)
    assert (first.title, first.fixed_in) == ("CVE-2024-6119 - libssl3t64, openssl", "3.0.13-0ubuntu3.4")
    assert read_enhanced([sample("inspector2/finding-ecr-closed.json")["detail"]]) == ((), ())


def test_coverage_of_an_image_or_of_a_repository_is_looked_at() -> None:
    raw = sample("inspector2/coverage-ecr.json")
    digest = raw["resources"][0].rpartition("/")[2]
    repository = Repository("123456789012", "us-east-1", "inspector2")
    assert Message.parse(raw).fact == FindingsChanged((Image(repository, digest),))
    raw["resources"] = [raw["resources"][0].rpartition("/")[0]]
    assert Message.parse(raw).fact == RepositoriesChanged((repository,))


@pytest.mark.parametrize("name", ["inspector2/coverage-ec2.json", "inspector2/scan-lambda.json"])
def test_what_inspector_says_of_other_things_is_irrelevant(name: str) -> None:
    assert isinstance(fact(name), Irrelevant)


@pytest.mark.parametrize(
    "resource",
    [
        {"type": "AWS_EC2_INSTANCE", "id": "i-087d63509b8c97098"},
        {"type": "AWS_LAMBDA_FUNCTION", "id": "arn:aws:lambda:us-west-2:123456789012:function:x"},
        {"type": "Microsoft.ContainerRegistry/registry/containerImage", "id": "/subscriptions/1"},
        {"type": "artifactregistry.googleapis.com/DockerImage", "id": "projects/x"},
    ],
)
def test_findings_of_other_things_are_irrelevant(resource: dict[str, Any]) -> None:
    raw = event("Inspector2 Finding", inspector(resources=[resource]), source="aws.inspector2")
    assert isinstance(Message.parse(raw).fact, Irrelevant)
    raw["detail"]["resources"].append({"type": "AWS_ECR_CONTAINER_IMAGE", "id": IMAGE})
    assert Message.parse(raw).fact == FindingsChanged((Image(WEB, DIGEST),))


def test_repositories_that_are_scanned_otherwise_are_named() -> None:
    here = [Repository("123456789012", "us-east-1", f"repository-{n}") for n in (1, 2, 3)]
    assert fact("ecr/scan-resource-change.json") == RepositoriesChanged(tuple(here))


@pytest.mark.parametrize("name", ["deployment-succeeded", "deployment-rolled-back"])
def test_a_workload_that_runs_another_image_is_looked_at(name: str) -> None:
    message = Message.parse(sample(f"longshore/{name}.json"))
    assert message.fact == WorkloadMoved(WORKLOAD, (WEB,))
    assert message.correlation == "7f0c1a52-6d1e-4b0e-9a53-0c8b1e1f2a34"


def test_a_workload_whose_images_are_elsewhere_is_irrelevant() -> None:
    raw = sample("longshore/deployment-succeeded.json")
    raw["detail"]["changes"][0]["image"] = "public.ecr.aws/nginx/nginx:1"
    assert isinstance(Message.parse(raw).fact, Irrelevant)
    del raw["detail"]["changes"]
    assert isinstance(Message.parse(raw).fact, Irrelevant)


def test_a_mirrored_image_is_looked_at_where_ecr_scans_it() -> None:
    raw = sample("longshore/image-mirrored.json")
    repository = Repository("123456789012", "eu-west-1", "mirror/nginx")
    assert Message.parse(raw).fact == ImageArrived(repository, "1.27", "sha256:" + "1f" * 32)
    raw["detail"]["downstream"] = "public.ecr.aws/mine/nginx"
    assert isinstance(Message.parse(raw).fact, Irrelevant)


def test_a_new_stack_is_swept() -> None:
    assert fact("cloudformation/stack-status-change.json") == SweepDue()


@pytest.mark.parametrize(
    ("kind", "detail", "meant"),
    [
        (REPORT_DUE, {"repository": str(WEB), "digest": DIGEST}, ReportDue(Image(WEB, DIGEST))),
        (
            GATE_DUE,
            {"workload": WORKLOAD, "repository": str(WEB), "digest": DIGEST},
            GateDue(WORKLOAD, Image(WEB, DIGEST)),
        ),
        (DIGEST_DUE, {}, DigestDue()),
        (SWEEP_DUE, {}, SweepDue()),
        (SWEEP_DUE, {"repository": str(WEB)}, SweepDue(WEB)),
    ],
)
def test_messages_of_our_own_are_read_as_they_are_written(kind: str, detail: dict[str, Any], meant: object) -> None:
    asked = Message.parse(event(DIGEST_DUE, {}))
    message = Message.parse(asked.message(kind, detail, NOW))
    assert (message.fact, message.correlation) == (meant, "e1")
    if isinstance(meant, ReportDue | GateDue):
        assert meant.detail() == detail


def test_each_member_of_our_own_kinds_comes_from_us() -> None:
    with pytest.raises(BadEventError) as caught:
        Message.parse(event(REPORT_DUE, {"repository": str(WEB), "digest": DIGEST}, source="aws.ecr"))
    assert caught.value.field == "source"


@pytest.mark.parametrize("correlation", [7, "", "a\nb", "x" * 2000, None])
def test_a_correlation_that_is_none_is_the_events_id(correlation: object) -> None:
    assert Message.parse(event(SWEEP_DUE, {"correlation": correlation})).correlation == "e1"


# -- refusals -----------------------------------------------------------------------------------------------------

SCAN = {"scan-status": "COMPLETE", "repository-name": "shop/web", "image-digest": DIGEST}
FINDING: dict[str, Any] = {
    "type": "PACKAGE_VULNERABILITY",
    "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": IMAGE}],
}
GATE = {"workload": WORKLOAD, "repository": str(WEB), "digest": DIGEST}


@pytest.mark.parametrize(
    ("kind", "detail", "field"),
    [
        ("ECR Image Scan", SCAN | {"scan-status": None}, "detail.scan-status"),
        ("ECR Image Scan", SCAN | {"repository-name": "Shop"}, "detail.repository-name"),
        ("ECR Image Scan", SCAN | {"repository-name": "x" * 5000}, "detail.repository-name"),
        ("ECR Image Scan", SCAN | {"repository-name": "arn:aws:s3:::bucket"}, "detail.repository-name"),
        ("ECR Image Scan", SCAN | {"repository-name": IMAGE}, "detail.repository-name"),
        ("ECR Image Scan", SCAN | {"image-digest": "sha256:x"}, "detail.image-digest"),
        ("ECR Image Scan", SCAN | {"image-digest": None}, "detail.image-digest"),
        ("Inspector2 Scan", {"scan-status": "x", "image-digest": DIGEST}, "detail.repository-name"),
        ("Inspector2 Scan", {"scan-status": "x", "repository-name": "shop/web"}, "detail.image-digest"),
        ("Inspector2 Finding", FINDING | {"type": None}, "detail.type"),
        ("Inspector2 Finding", FINDING | {"resources": []}, "detail.resources"),
        ("Inspector2 Finding", FINDING | {"resources": {}}, "detail.resources"),
        ("Inspector2 Finding", FINDING | {"resources": FINDING["resources"] * 11}, "detail.resources"),
        ("Inspector2 Finding", FINDING | {"resources": ["x"]}, "detail.resources[0]"),
        ("Inspector2 Finding", FINDING | {"resources": [{"id": IMAGE}]}, "detail.resources[0].type"),
        (
            "Inspector2 Finding",
            FINDING | {"resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": "x"}]},
            "detail.resources[0].id",
        ),
        (
            "Inspector2 Finding",
            FINDING | {"resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": IMAGE.rpartition("/")[0]}]},
            "detail.resources[0].id",
        ),
        ("Inspector2 Coverage", {"scanStatus": {"reason": "SUCCESSFUL"}}, "resources"),
        ("ECR Scan Resource Change", {"repositories": [{"repository-name": "x"}]}, "detail.resource-type"),
        ("ECR Scan Resource Change", {"resource-type": "REPOSITORY"}, "detail.repositories"),
        ("ECR Scan Resource Change", {"resource-type": "REPOSITORY", "repositories": [5]}, "detail.repositories[0]"),
        (
            "ECR Scan Resource Change",
            {"resource-type": "REPOSITORY", "repositories": [{}]},
            "detail.repositories[0].repository-name",
        ),
        ("Deployment Succeeded", {"changes": []}, "detail.workload"),
        ("Deployment Succeeded", {"workload": WORKLOAD, "changes": 5}, "detail.changes"),
        ("Deployment Succeeded", {"workload": WORKLOAD, "changes": [{}]}, "detail.changes[0].image"),
        ("Deployment Succeeded", {"workload": WORKLOAD, "changes": [{"image": "A B"}]}, "detail.changes[0].image"),
        ("Image Mirrored", {"tag": "1", "digest": DIGEST}, "detail.downstream"),
        ("Image Mirrored", {"downstream": "A B", "tag": "1", "digest": DIGEST}, "detail.downstream"),
        ("Image Mirrored", {"downstream": "a.b/c", "tag": "a b", "digest": DIGEST}, "detail.tag"),
        ("Image Mirrored", {"downstream": "a.b/c", "tag": "1"}, "detail.digest"),
        (REPORT_DUE, {"digest": DIGEST}, "detail.repository"),
        (REPORT_DUE, {"repository": "shop/web", "digest": DIGEST}, "detail.repository"),
        (REPORT_DUE, {"repository": str(WEB) + "/" + DIGEST, "digest": DIGEST}, "detail.repository"),
        (GATE_DUE, GATE | {"workload": ""}, "detail.workload"),
        (GATE_DUE, GATE | {"digest": 5}, "detail.digest"),
        (SWEEP_DUE, {"repository": "x"}, "detail.repository"),
        ("ECR Image Action", {}, "detail-type"),
    ],
)
def test_what_is_wrong_is_named(kind: str, detail: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEventError) as caught:
        Message.parse(event(kind, detail))
    assert caught.value.field == field


def test_a_malformed_arn_of_ecr_is_bad_and_not_irrelevant() -> None:
    raw = sample("inspector2/coverage-ecr.json")
    raw["resources"] = ["arn:aws:ecr:us-east-1:123456789012:repository/x"]
    with pytest.raises(BadEventError, match=r"resources\[0\]"):
        Message.parse(raw)


def test_a_scan_of_something_in_ecr_that_names_no_image_is_bad_and_not_irrelevant() -> None:
    raw = sample("inspector2/scan-ecr.json")
    del raw["detail"]["repository-name"]
    del raw["detail"]["image-digest"]
    with pytest.raises(BadEventError) as caught:
        Message.parse(raw)
    assert caught.value.field == "detail.repository-name"


def test_every_partition_has_images() -> None:
    raw = sample("inspector2/coverage-ecr.json")
    raw["resources"] = [f"arn:aws-cn:ecr:cn-north-1:123456789012:repository/web/{DIGEST}"]
    image = Image(Repository("123456789012", "cn-north-1", "web"), DIGEST)
    assert Message.parse(raw).fact == FindingsChanged((image,))


@pytest.mark.parametrize("body", [None, [], "x", 5, {}])
def test_what_is_no_event_is_bad(body: object) -> None:
    with pytest.raises(BadEventError):
        Message.parse(body)


# -- properties ---------------------------------------------------------------------------------------------------


@given(st.sampled_from(SCANS).map(sample).flatmap(broken) | st.sampled_from(SHARED).map(sample).flatmap(broken))
def test_every_variant_of_every_sample_is_read_or_refused_by_name(raw: dict[str, Any]) -> None:
    before = copy.deepcopy(raw)
    try:
        message = Message.parse(raw)
    except BadEventError as error:
        assert error.field
        assert error.problem
    else:
        assert message.fact is not None
    assert json.dumps(raw, default=str) == json.dumps(before, default=str)


@given(valid(shape("inspector2", "Finding")))
def test_whatever_inspector_may_send_names_images_or_is_refused(detail: dict[str, Any]) -> None:
    try:
        told = Message.parse(event("Inspector2 Finding", detail, source="aws.inspector2")).fact
    except BadEventError as error:
        assert error.field.startswith("detail.")
    else:
        assert isinstance(told, FindingsChanged | Irrelevant)


REGIONS = st.sampled_from(("eu-west-1", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "ap-southeast-4"))


@given(REGIONS, st.from_regex(r"\A[a-z0-9]+([._/-][a-z0-9]+){0,4}\Z"), st.from_regex(r"\Asha256:[0-9a-f]{64}\Z"))
def test_arns_of_images_are_read_as_they_are_written(region: str, name: str, digest: str) -> None:
    assume(2 <= len(name) <= 256)
    repository = Repository("123456789012", region, name)
    arn = image_arn(repository, digest)
    assert read_image_arn(arn, "x") == (repository, digest)
    assert read_image_arn(arn.rpartition("/")[0], "x") == (repository, None)


@pytest.mark.parametrize("path", sorted(Path(EVENTS / "inspector2").glob("*.json")), ids=lambda p: p.stem)
def test_no_documented_event_of_inspector_is_a_crash(path: Path, load_event: LoadEvent) -> None:
    try:
        Message.parse(load_event(f"inspector2/{path.stem}"))
    except BadEventError as error:
        assert (path.stem, error.field) == ("scan-ecr", "detail.image-digest")
