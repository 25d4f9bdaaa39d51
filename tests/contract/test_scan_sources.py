"""Where findings come from: ECR and Inspector on the bundle's scanners, and what only AWS answers by botocore's stubs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from longshore.aws.attestations import EcrAttestations
from longshore.aws.ecr_findings import EcrScans
from longshore.aws.inspector import _REASONS, Inspector
from longshore.errors import AccessDeniedError, ThrottledError, UpstreamError
from longshore.images import Repository
from longshore.scan.arns import image_arn
from longshore.scan.findings import Fix, Scanner, ScanState, Severity
from longshore.scan.ports import Attestations, Runner, Scans
from longshore_local import images
from longshore_local.plugins import Plugins, installed
from longshore_local.scanning.vulnerabilities import Vulnerability
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import REGION, client, mocked

ACCOUNT = "123456789012"
WEB = Repository(ACCOUNT, REGION, "web")
SEEN = datetime(2026, 11, 1, tzinfo=UTC)
GRAVE = Vulnerability(
    "CVE-2026-1", "CRITICAL", fixed_in="3.0.14", exploit=True, score=9.8, epss=0.4, kev_due=date(2026, 12, 5)
)
MILD = Vulnerability("CVE-2026-2", "LOW", "zlib", "1.3")
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
ARN = "arn:aws:inspector2:eu-west-1:123456789012:finding/" + "0" * 32


class World:
    """An account with scanners, and the adapters on it."""

    def __init__(self, plugins: Plugins, timeline: VirtualTimeline) -> None:
        self.scanner, self._timeline = plugins.scanner, timeline
        self.ecr, self.inspector2 = client("ecr"), client("inspector2")
        self.ecr.create_repository(repositoryName="web")
        self.scans: Scans = EcrScans(self.ecr, Inspector(self.inspector2, timeline), (ACCOUNT, REGION))

    def push(self, image: images.SyntheticImage, tag: str | None = "1") -> str:
        digest = images.push(self.ecr, "web", tag, image)
        self.wait()
        return digest

    def wait(self, seconds: float = 60) -> None:
        self._timeline.advance_to(self._timeline.now() + timedelta(seconds=seconds))


@pytest.fixture
def world() -> Iterator[World]:
    timeline = VirtualTimeline()
    with mocked(), installed(timeline, lambda event: None, lambda name, event: None) as plugins:
        yield World(plugins, timeline)


def stubbed(service: str, *answers: tuple[str, Any, Any]) -> Any:
    """A client that answers in turn; a text is an error's code. Requests and answers are held against the model."""
    made = boto3.client(service, region_name=REGION)
    stubber = Stubber(made)
    for operation, answer, expected in answers:
        if isinstance(answer, str):
            stubber.add_client_error(operation, answer, expected_params=expected)
        else:
            stubber.add_response(operation, answer, expected)
    stubber.activate()
    return made


def ecr(*answers: tuple[str, Any, Any]) -> Any:
    """ECR that knows one image, and answers about its scan."""
    described = {"imageDetails": [{"imageDigest": DIGEST, "imageTags": ["b", "a"]}]}
    return stubbed("ecr", ("describe_images", described, None), *answers)


def silent() -> Inspector:
    """Inspector that is not enabled."""
    refusal = "AccessDeniedException"
    return inspector(*[(o, refusal, None) for o in ("list_coverage",) * 9])


def inspector(*answers: tuple[str, Any, Any], clock: VirtualTimeline | None = None) -> Inspector:
    """Inspector that answers in turn."""
    return Inspector(stubbed("inspector2", *answers), clock or VirtualTimeline())


def scan(status: str | None, found: dict[str, Any] | None = None, **members: Any) -> tuple[str, Any, Any]:
    answer: dict[str, Any] = {"imageScanFindings": found} if found else {}
    told = {"imageScanStatus": {"status": status}} if status else {}
    return ("describe_image_scan_findings", answer | told | members, None)


# -- on the bundle ------------------------------------------------------------------------------------------------


def test_basic_scanning_is_read(world: World) -> None:
    world.scanner.use("basic")
    image = images.single("a")
    world.scanner.found("web", image.digest, [GRAVE, MILD])
    world.push(image)
    told = world.scans.assess(WEB, image.digest)
    assert (told.state, told.scanner, told.tags) == (ScanState.COMPLETE, Scanner.BASIC, ("1",))
    assert told.images == (image.digest,)
    assert told.at is not None
    assert [(each.vulnerability, each.severity, each.fix) for each in told.findings] == [
        ("CVE-2026-1", Severity.CRITICAL, Fix.UNKNOWN),
        ("CVE-2026-2", Severity.LOW, Fix.UNKNOWN),
    ]


def test_inspectors_findings_are_read_with_their_details(world: World) -> None:
    world.scanner.use("enhanced")
    image = images.single("a")
    world.scanner.found("web", image.digest, [GRAVE, MILD])
    world.push(image)
    told = world.scans.assess(WEB, image.digest)
    grave, mild = told.findings
    assert (told.state, told.scanner) == (ScanState.COMPLETE, Scanner.ENHANCED)
    assert (grave.kev, grave.kev_due, grave.epss, grave.exploit) == (True, date(2026, 12, 5), 0.4, True)
    assert (grave.fix, grave.fixed_in, grave.score) == (Fix.YES, "3.0.14", 9.8)
    assert (mild.kev, mild.fix, mild.severity) == (False, Fix.NO, Severity.LOW)


def test_all_pages_are_read(world: World) -> None:
    for mode in ("basic", "enhanced"):
        world.scanner.use(mode)
        image = images.single(mode)
        world.scanner.found("web", image.digest, [Vulnerability(f"CVE-2026-{number}") for number in range(230)])
        world.push(image, mode)
        assert len(world.scans.assess(WEB, image.digest).findings) == 230


def test_the_images_of_an_index_are_one(world: World) -> None:
    world.scanner.use("enhanced")
    index = images.multi_platform("a")
    amd, arm = index.children[:2]
    world.scanner.found("web", amd.digest, [GRAVE])
    world.scanner.found("web", arm.digest, [GRAVE, MILD])
    world.push(index)
    told = world.scans.assess(WEB, index.digest)
    assert (told.state, told.images, told.digest) == (ScanState.COMPLETE, (amd.digest, arm.digest), index.digest)
    assert [each.vulnerability for each in told.findings] == ["CVE-2026-1", "CVE-2026-2"]
    alone = world.scans.assess(WEB, index.digest, [amd.digest])
    assert (alone.images, [each.vulnerability for each in alone.findings]) == ((amd.digest,), ["CVE-2026-1"])


def test_an_index_waits_for_its_last_image(world: World) -> None:
    world.scanner.use("enhanced")
    index = images.multi_platform("a")
    world.scanner.found("web", index.children[1].digest, state="PENDING")
    world.push(index)
    told = world.scans.assess(WEB, index.digest)
    assert (told.state, set(told.states)) == (ScanState.PENDING, {ScanState.PENDING, ScanState.COMPLETE})


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("PENDING", ScanState.PENDING),
        ("UNSUPPORTED_IMAGE", ScanState.UNSUPPORTED),
        ("IMAGE_SIZE_EXCEEDED", ScanState.TOO_LARGE),
        ("SCAN_ELIGIBILITY_EXPIRED", ScanState.EXPIRED),
        ("FAILED", ScanState.FAILED),
        ("IMAGE_ARCHIVED", ScanState.ARCHIVED),
    ],
)
def test_no_result_says_why(world: World, state: str, meant: ScanState) -> None:
    world.scanner.use("enhanced")
    image = images.single("a")
    world.scanner.found("web", image.digest, [GRAVE], state=state)
    world.push(image)
    told = world.scans.assess(WEB, image.digest)
    assert (told.state, told.findings) == (meant, ())
    assert told.why


def test_what_nobody_scans_and_what_is_gone(world: World) -> None:
    digest = world.push(images.single("a"))
    assert world.scans.assess(WEB, digest).state is ScanState.NOT_SCANNED
    assert world.scans.assess(WEB, DIGEST).state is ScanState.GONE
    assert world.scans.assess(WEB._replace(name="none"), DIGEST).state is ScanState.GONE
    assert world.scans.assess(WEB, digest, [DIGEST]).state is ScanState.GONE


def test_the_index_of_an_image_is_found(world: World) -> None:
    index, other, alone = images.multi_platform("a"), images.multi_platform("b"), images.single("c")
    for number, image in enumerate((index, other, alone)):
        world.push(image, f"v{number}")
    assert world.scans.index_of(WEB, index.children[0].digest) == [index.digest]
    assert world.scans.index_of(WEB, other.children[1].digest) == [other.digest]
    assert world.scans.index_of(WEB, alone.digest) == []
    assert world.scans.index_of(WEB._replace(name="none"), alone.digest) == []


def test_the_index_is_looked_for_a_hundred_at_a_time_and_once() -> None:
    indexes = [images.multi_platform(f"i{number}") for number in range(101)]
    held = [
        {
            "imageDigest": index.digest,
            "imageTags": [f"v{number}"],
            "imagePushedAt": SEEN - timedelta(days=number),
            "imageManifestMediaType": index.media_type,
        }
        for number, index in enumerate(indexes)
    ]
    served = [{"imageId": {"imageDigest": i.digest}, "imageManifest": i.manifest.decode()} for i in indexes]
    made = stubbed(
        "ecr",
        ("describe_images", {"imageDetails": held}, None),
        ("batch_get_image", {"images": served[:100]}, None),
        ("batch_get_image", {"images": served[100:]}, None),
        ("describe_images", {"imageDetails": held}, None),
    )
    scans = EcrScans(made, silent())
    assert scans.index_of(WEB, indexes[100].children[0].digest) == [indexes[100].digest]
    assert scans.index_of(WEB, indexes[7].children[1].digest) == [indexes[7].digest]


def test_an_index_that_goes_meanwhile_lists_nothing_and_is_asked_for_again() -> None:
    index = images.multi_platform("a")
    details = {"imageDigest": index.digest, "imageManifestMediaType": index.media_type}
    gone = {"failures": [{"imageId": {"imageDigest": index.digest}, "failureCode": "ImageNotFound"}]}
    served = {"images": [{"imageId": {"imageDigest": index.digest}, "imageManifest": index.manifest.decode()}]}
    made = stubbed(
        "ecr",
        ("describe_images", {"imageDetails": [details]}, None),
        ("batch_get_image", gone, None),
        ("describe_images", {"imageDetails": [details]}, None),
        ("batch_get_image", served, None),
        scan("COMPLETE"),
        scan("COMPLETE"),
    )
    scans = EcrScans(made, silent())
    assert scans.assess(WEB, index.digest).state is ScanState.GONE
    assert scans.assess(WEB, index.digest).state is ScanState.COMPLETE


def test_manifests_that_may_not_be_read_are_told() -> None:
    index = images.multi_platform("a")
    details = {"imageDigest": index.digest, "imageManifestMediaType": index.media_type}
    made = stubbed(
        "ecr",
        ("describe_images", {"imageDetails": [details]}, None),
        ("batch_get_image", "AccessDeniedException", None),
    )
    with pytest.raises(AccessDeniedError):
        EcrScans(made, silent()).assess(WEB, index.digest)


def test_images_are_listed_newest_first_without_signatures(world: World) -> None:
    first, second = images.single("a"), images.single("b")
    world.push(first, "v1")
    world.push(images.signature(first), images.signature_tag(first.digest))
    world.push(second, "v2")
    listed = list(world.scans.images(WEB))
    assert {digest: list(tags) for digest, tags, _ in listed} == {first.digest: ["v1"], second.digest: ["v2"]}
    times = [at for _, _, at in listed]
    assert times == sorted(times, reverse=True)
    assert list(world.scans.images(WEB._replace(name="none"))) == []


# -- what only AWS answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        ("IN_PROGRESS", ScanState.PENDING),
        ("COMPLETE", ScanState.COMPLETE),
        ("FAILED", ScanState.FAILED),
        ("UNSUPPORTED_IMAGE", ScanState.UNSUPPORTED),
        ("ACTIVE", ScanState.COMPLETE),
        ("PENDING", ScanState.PENDING),
        ("SCAN_ELIGIBILITY_EXPIRED", ScanState.EXPIRED),
        ("FINDINGS_UNAVAILABLE", ScanState.NOT_SCANNED),
        ("LIMIT_EXCEEDED", ScanState.FAILED),
        ("IMAGE_ARCHIVED", ScanState.ARCHIVED),
        ("IMAGE_SIZE_EXCEEDED", ScanState.TOO_LARGE),
        ("WORD_OF_NEXT_YEAR", ScanState.FAILED),
        (None, ScanState.FAILED),
    ],
)
def test_every_status_of_ecr_has_a_meaning(status: str | None, meant: ScanState) -> None:
    denied = ("list_coverage", "AccessDeniedException", None)
    found = {"imageScanCompletedAt": SEEN}
    of_inspector = inspector(("list_findings", {"findings": []}, None) if status == "ACTIVE" else denied)
    told = EcrScans(ecr(scan(status, found)), of_inspector).assess(WEB, DIGEST)
    assert (told.state, told.tags) == (meant, ("a", "b"))
    assert told.state is ScanState.COMPLETE or told.why or status is None


def test_every_status_of_the_model_is_known() -> None:
    model = boto3.client("ecr", region_name=REGION).meta.service_model.shape_for("ScanStatus").enum
    tested = [mark.args[1] for mark in test_every_status_of_ecr_has_a_meaning.pytestmark]  # type: ignore[attr-defined]
    assert set(model) <= {status for status, _ in tested[0]}


def test_every_reason_of_ours_is_inspectors() -> None:
    model = boto3.client("inspector2", region_name=REGION).meta.service_model.shape_for("ScanStatusReason").enum
    assert set(_REASONS) <= set(model)
    assert {each for each in model if each.startswith(("UNSUPPORTED", "PENDING_INI", "IMAGE_"))} <= set(_REASONS)


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("ScanNotFoundException", ScanState.NOT_SCANNED),
        ("ImageNotFoundException", ScanState.GONE),
        ("RepositoryNotFoundException", ScanState.GONE),
        ("ValidationException", ScanState.FAILED),
        ("InvalidParameterException", ScanState.FAILED),
    ],
)
def test_every_refusal_of_ecr_has_a_meaning(answer: str, meant: ScanState) -> None:
    scans = EcrScans(ecr(("describe_image_scan_findings", answer, None)), silent())
    assert scans.assess(WEB, DIGEST).state is meant


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ("ThrottlingException", ThrottledError),
        ("ServerException", UpstreamError),
        ("AccessDeniedException", AccessDeniedError),
    ],
)
def test_what_may_pass_is_tried_again_and_a_missing_permission_is_told(answer: str, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        EcrScans(ecr(("describe_image_scan_findings", answer, None)), silent()).assess(WEB, DIGEST)


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("PENDING_INITIAL_SCAN", ScanState.PENDING),
        ("SUCCESSFUL", ScanState.PENDING),
        ("UNSUPPORTED_OS", ScanState.UNSUPPORTED),
        ("SCAN_ELIGIBILITY_EXPIRED", ScanState.EXPIRED),
        ("IMAGE_SIZE_EXCEEDED", ScanState.TOO_LARGE),
        ("ACCESS_DENIED", ScanState.FAILED),
        ("SCAN_FREQUENCY_MANUAL", ScanState.NOT_SCANNED),
    ],
)
def test_inspector_says_why_there_is_no_scan(reason: str, meant: ScanState) -> None:
    covered = {
        "resourceType": "AWS_ECR_CONTAINER_IMAGE",
        "resourceId": image_arn(WEB, DIGEST),
        "accountId": ACCOUNT,
        "scanType": "PACKAGE",
        "scanStatus": {"statusCode": "INACTIVE", "reason": reason},
    }
    asked = {
        "filterCriteria": {
            "resourceId": [{"comparison": "EQUALS", "value": image_arn(WEB, DIGEST)}],
            "resourceType": [{"comparison": "EQUALS", "value": "AWS_ECR_CONTAINER_IMAGE"}],
        }
    }
    of_inspector = inspector(("list_coverage", {"coveredResources": [covered]}, asked))
    scans = EcrScans(ecr(("describe_image_scan_findings", "ScanNotFoundException", None)), of_inspector)
    told = scans.assess(WEB, DIGEST)
    assert (told.state, told.why) == (meant, reason)


def raw_finding(**members: Any) -> dict[str, Any]:
    made = {
        "findingArn": ARN,
        "type": "PACKAGE_VULNERABILITY",
        "severity": "HIGH",
        "status": "ACTIVE",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": "CVE-2026-1",
            "vulnerablePackages": [{"name": "openssl", "version": "3"}],
        },
    }
    return made | members


def inspectors(number: int = 0, **members: Any) -> dict[str, Any]:
    needed = {
        "findingArn": f"{ARN[:-4]}{number:04}",
        "awsAccountId": ACCOUNT,
        "description": "x",
        "remediation": {},
        "firstObservedAt": SEEN,
        "lastObservedAt": SEEN,
        "resources": [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": image_arn(WEB, DIGEST)}],
    }
    made = raw_finding() | needed | members
    made["packageVulnerabilityDetails"] = made["packageVulnerabilityDetails"] | {"source": "NVD"}
    return made


@pytest.mark.parametrize("refusal", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
def test_ecrs_word_stands_where_inspector_may_not_be_asked(refusal: str) -> None:
    of_inspector = inspector(("list_findings", refusal, None))
    told = EcrScans(ecr(scan("ACTIVE", {"enhancedFindings": [raw_finding()]})), of_inspector).assess(WEB, DIGEST)
    assert (told.state, told.scanner) == (ScanState.COMPLETE, Scanner.ENHANCED)
    assert [each.vulnerability for each in told.findings] == ["CVE-2026-1"]
    assert told.why.startswith("without EPSS and KEV")


def test_what_inspector_does_not_show_is_not_fixed() -> None:
    of_inspector = inspector(("list_findings", {"findings": []}, None))
    told = EcrScans(ecr(scan("ACTIVE", {"enhancedFindings": [raw_finding()]})), of_inspector).assess(WEB, DIGEST)
    assert (told.state, len(told.findings)) == (ScanState.PENDING, 1)
    assert told.why == "Inspector does not list 1 findings that ECR has"


def test_a_finding_that_cannot_be_read_leaves_the_others_and_no_result() -> None:
    found = {"findings": [{"name": "CVE-1", "severity": "HIGH"}, {"severity": "CRITICAL"}]}
    told = EcrScans(ecr(scan("COMPLETE", found)), silent()).assess(WEB, DIGEST)
    assert (told.state, [each.vulnerability for each in told.findings]) == (ScanState.FAILED, ["CVE-1"])
    assert told.why == "findings[1].name: is missing"


def test_pages_are_counted_through() -> None:
    pages = [
        scan(
            "COMPLETE",
            {"findings": [{"name": "CVE-1"}, {"name": "CVE-2"}], "imageScanCompletedAt": SEEN},
            nextToken="x",
        ),
        scan("COMPLETE", {"findings": [{"name": "CVE-3"}, {}]}),
    ]
    told = EcrScans(ecr(*pages), silent()).assess(WEB, DIGEST)
    assert (len(told.findings), told.at, told.why) == (3, SEEN, "findings[3].name: is missing")


def named(number: int, name: str = "", **members: Any) -> dict[str, Any]:
    """A finding of Inspector of a vulnerability of its own, or of `name`."""
    made = inspectors(number, **members)
    made["packageVulnerabilityDetails"] |= {"vulnerabilityId": name or f"CVE-2026-{number}"}
    return made


def details(*numbers: int, errors: Iterable[tuple[int, str]] = (), **members: Any) -> tuple[str, Any, Any]:
    """An answer of BatchGetFindingDetails: the first is in CISA's list."""
    known: list[dict[str, Any]] = [{"findingArn": arn_of(number)} for number in numbers]
    if known:
        known[0] |= {"cisaData": {"dateDue": SEEN}} | members
    failed = [{"findingArn": arn_of(n), "errorCode": code, "errorMessage": "later"} for n, code in errors]
    return ("batch_get_finding_details", {"findingDetails": known, "errors": failed}, None)


def arn_of(number: int) -> str:
    return f"{ARN[:-4]}{number:04}"


def listed(*found: dict[str, Any]) -> tuple[str, Any, Any]:
    return ("list_findings", {"findings": list(found)}, None)


def test_details_are_asked_for_ten_at_a_time_whatever_the_severity_and_once_for_a_vulnerability() -> None:
    first = [named(n, severity=("LOW", "MEDIUM", "UNTRIAGED")[n % 3]) for n in range(12)]
    again = [named(n, "CVE-2026-0") for n in range(20, 29)]
    arns = [arn_of(n) for n in range(12)]
    asked = {
        "filterCriteria": {
            "awsAccountId": [{"comparison": "EQUALS", "value": ACCOUNT}],
            "ecrImageHash": [{"comparison": "EQUALS", "value": DIGEST}],
            "ecrImageRepositoryName": [{"comparison": "EQUALS", "value": "web"}],
            "resourceType": [{"comparison": "EQUALS", "value": "AWS_ECR_CONTAINER_IMAGE"}],
        },
        "maxResults": 100,
    }
    op, ten, _ = details(*range(9), errors=[(9, "FINDING_DETAILS_NOT_FOUND")])
    _, two, _ = details(10, 11)
    of_inspector = inspector(
        ("list_findings", {"findings": first, "nextToken": "more"}, asked),
        ("list_findings", {"findings": again}, asked | {"nextToken": "more"}),
        (op, ten, {"findingArns": arns[:10]}),
        (op, two, {"findingArns": arns[10:]}),
    )
    (findings, refused), known = of_inspector.findings(WEB, DIGEST)
    assert (len(findings), refused, len(known)) == (21, (), 21)
    assert {each.vulnerability for each in findings if each.kev} == {"CVE-2026-0", "CVE-2026-10"}
    assert sum(each.kev for each in findings) == 11


def test_details_of_a_vulnerability_are_kept_for_five_minutes() -> None:
    clock = VirtualTimeline()
    of_inspector = inspector(
        listed(named(1)), details(1), listed(named(2, "CVE-2026-1")), listed(named(1)), details(1), clock=clock
    )
    for wait in (0, 299, 1):
        clock.advance_to(clock.now() + timedelta(seconds=wait))
        assert [each.kev for each in of_inspector.findings(WEB, DIGEST).reading.findings] == [True]


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "ACCESS_DENIED", "INVALID_INPUT", None])
def test_details_that_fail_are_asked_for_again_and_leave_no_result(code: str | None) -> None:
    failing = details(1, errors=[(2, code)] if code else [])
    served = inspector(listed(named(1), named(2)), failing, details(2))
    told = EcrScans(ecr(scan("ACTIVE")), served).assess(WEB, DIGEST)
    assert (told.state, [each.kev for each in told.findings]) == (ScanState.COMPLETE, [True, True])

    again = details(errors=[(2, code)] if code else [])
    told = EcrScans(ecr(scan("ACTIVE")), inspector(listed(named(1), named(2)), failing, again)).assess(WEB, DIGEST)
    assert (told.state, [each.kev for each in told.findings]) == (ScanState.FAILED, [True, False])
    assert told.why.startswith(f"findingDetails: {code or 'nothing is told of ' + ARN[:-4]}")


def test_bad_details_leave_no_result() -> None:
    bad = details(1, epssScore=7.0)
    told = EcrScans(ecr(scan("ACTIVE")), inspector(listed(named(1)), bad, bad)).assess(WEB, DIGEST)
    assert (told.state, len(told.findings)) == (ScanState.FAILED, 1)
    assert told.why.startswith("findingDetails[0].epssScore: ")


# -- Inspector's word and ECR's -----------------------------------------------------------------------------------


def shown(*found: dict[str, Any], **members: Any) -> tuple[str, Any, Any]:
    """What ECR tells of Inspector's findings: it has fewer members."""
    needless = ("awsAccountId", "description", "remediation", "firstObservedAt", "lastObservedAt", "resources")
    kept = [{name: value for name, value in each.items() if name not in needless} for each in found]
    return scan("ACTIVE", {"enhancedFindings": kept, **members})


def test_what_inspector_does_not_list_yet_counts_and_the_scan_goes_on() -> None:
    grave = [named(number, severity="CRITICAL") for number in range(1, 5)]
    mild = named(9, severity="LOW")
    told = EcrScans(ecr(shown(*grave, mild)), inspector(listed(mild), details(9))).assess(WEB, DIGEST)
    assert (told.state, len(told.findings)) == (ScanState.PENDING, 5)
    assert told.why == "Inspector does not list 4 findings that ECR has"


@pytest.mark.parametrize("status", ["CLOSED", "SUPPRESSED"])
def test_what_inspector_lists_as_over_is_over_whatever_ecr_still_shows(status: str) -> None:
    over = named(1) | {"status": status}
    of_inspector = inspector(listed(over, named(2)), details(2))
    told = EcrScans(ecr(shown(named(1), named(2))), of_inspector).assess(WEB, DIGEST)
    assert (told.state, [each.vulnerability for each in told.findings]) == (ScanState.COMPLETE, ["CVE-2026-2"])


def test_what_ecr_does_not_show_yet_counts() -> None:
    of_inspector = inspector(listed(named(1), named(2)), details(1, 2))
    told = EcrScans(ecr(shown(named(1))), of_inspector).assess(WEB, DIGEST)
    assert (told.state, len(told.findings)) == (ScanState.COMPLETE, 2)


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("SUCCESSFUL", ScanState.COMPLETE),
        ("PENDING_INITIAL_SCAN", ScanState.PENDING),
        ("UNSUPPORTED_OS", ScanState.UNSUPPORTED),
        ("", ScanState.PENDING),
    ],
)
def test_no_finding_and_no_time_of_a_scan_is_clean_by_inspectors_coverage_alone(reason: str, meant: ScanState) -> None:
    covered = {
        "resourceType": "AWS_ECR_CONTAINER_IMAGE",
        "resourceId": image_arn(WEB, DIGEST),
        "accountId": ACCOUNT,
        "scanType": "PACKAGE",
        "scanStatus": {"statusCode": "ACTIVE", "reason": reason},
    }
    coverage = ("list_coverage", {"coveredResources": [covered] if reason else []}, None)
    told = EcrScans(ecr(scan("ACTIVE")), inspector(listed(), coverage)).assess(WEB, DIGEST)
    assert (told.state, told.findings) == (meant, ())
    assert told.scanner is (Scanner.ENHANCED if meant is ScanState.COMPLETE else None)
    dated = EcrScans(ecr(shown(imageScanCompletedAt=SEEN)), inspector(listed())).assess(WEB, DIGEST)
    assert dated.state is ScanState.COMPLETE


@pytest.mark.parametrize("place", [{"account": "210987654321"}, {"region": "us-east-1"}])
def test_the_registry_of_another_account_or_region_is_not_asked(place: dict[str, str]) -> None:
    scans = EcrScans(stubbed("ecr"), silent(), (ACCOUNT, REGION))
    foreign = WEB._replace(**place)
    told = scans.assess(foreign, DIGEST)
    assert (told.state, told.states, told.images) == (ScanState.NOT_SCANNED, (ScanState.NOT_SCANNED,), ())
    assert "another account or Region" in told.why
    assert (list(scans.index_of(foreign, DIGEST)), list(scans.images(foreign))) == ([], [])


# -- clusters -----------------------------------------------------------------------------------------------------

CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod"
EKS = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/kube"


def in_ecs(group: str, running: int | None = 2) -> dict[str, Any]:
    about = {"detailsGroup": group, "taskDefinitionArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/etl:3"}
    made = {"lastInUse": SEEN, "clusterMetadata": {"awsEcsMetadataDetails": about}}
    return made if running is None else made | {"runningUnitCount": running}


def test_clusters_name_what_runs_an_image() -> None:
    kube = {
        "lastInUse": SEEN,
        "runningUnitCount": 3,
        "clusterMetadata": {
            "awsEksMetadataDetails": {"namespace": "shop", "workloadInfoList": [{"name": "web", "type": "Deployment"}]}
        },
    }
    first = {
        "cluster": [
            {"clusterArn": CLUSTER, "clusterDetails": [in_ecs("service:web"), in_ecs("service:old", 0)]},
            {"clusterArn": EKS, "clusterDetails": [kube]},
        ]
    }
    second = {
        "cluster": [{"clusterArn": CLUSTER, "clusterDetails": [in_ecs("service:web", 1), in_ecs("family:etl", None)]}]
    }
    made = stubbed(
        "inspector2",
        ("get_clusters_for_image", first, {"filter": {"resourceId": image_arn(WEB, DIGEST)}, "maxResults": 100}),
        ("get_clusters_for_image", second, {"filter": {"resourceId": image_arn(WEB, OTHER)}, "maxResults": 100}),
    )
    assert Inspector(made, VirtualTimeline()).clusters(WEB, [DIGEST, OTHER]) == [
        Runner("shop/web", "", "kube", units=3),
        Runner("etl", "", "prod", units=None),
        Runner("web", f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web", "prod", units=3),
    ]


def test_clusters_are_unknown_where_inspector_is_not_enabled() -> None:
    made = stubbed("inspector2", ("get_clusters_for_image", "AccessDeniedException", None))
    assert list(Inspector(made, VirtualTimeline()).clusters(WEB, [DIGEST, OTHER])) == []


# -- OpenVEX ------------------------------------------------------------------------------------------------------

VEX = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "statements": []}
TYPE = "application/vnd.openvex+json"


class Attached:
    """A repository with artifacts that refer to an image, served by stubs."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.log: list[str] = []
        self._answers: list[tuple[str, Any, Any]] = []
        self._listed: list[dict[str, Any]] = []

    def artifact(self, content: bytes, subject: str = DIGEST, size: int | None = None, predicate: str = "") -> str:
        blob = _descriptor(TYPE, content) | ({} if size is None else {"size": size})
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "artifactType": TYPE,
                "config": _descriptor("application/vnd.oci.empty.v1+json", b"{}"),
                "layers": [blob],
                "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1},
            }
        )
        digest = _digest(manifest.encode())
        annotations = {"in-toto.io/predicate-type": predicate} if predicate else {}
        self._listed.append(
            {"digest": digest, "mediaType": "x", "artifactType": TYPE, "size": 1, "annotations": annotations}
        )
        self._answers.append(("batch_get_image", {"images": [{"imageManifest": manifest}]}, None))
        if subject == DIGEST and blob["size"] == len(content):
            url = f"https://s3.example/{digest}"
            self.blobs[url] = content
            asked = {"registryId": ACCOUNT, "repositoryName": "web", "layerDigest": blob["digest"]}
            self._answers.append(("get_download_url_for_layer", {"downloadUrl": url}, asked))
        return digest

    def port(self) -> Attestations:
        pages = [("list_image_referrers", {"referrers": self._listed}, _referrers_of(DIGEST))]
        return EcrAttestations(stubbed("ecr", *pages, *self._answers), self._fetch, self.log.append)

    def _fetch(self, url: str, limit: int) -> bytes:
        if url not in self.blobs:
            raise UpstreamError("no answer")
        assert len(self.blobs[url]) <= limit
        return self.blobs[url]


def unused(url: str, limit: int) -> bytes:
    raise AssertionError(url)


def _referrers_of(digest: str, **more: str) -> dict[str, Any]:
    types = [
        "application/vnd.openvex+json",
        "application/openvex+json",
        "application/vnd.in-toto+json",
        "application/vnd.dsse.envelope.v1+json",
        "application/vnd.dev.sigstore.bundle.v0.3+json",
    ]
    about = {"registryId": ACCOUNT, "repositoryName": "web", "subjectId": {"imageDigest": digest}}
    return {**about, "filter": {"artifactTypes": types}, "maxResults": 50, **more}


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def test_openvex_that_is_attached_is_read() -> None:
    attached = Attached()
    attached.artifact(json.dumps(VEX).encode())
    assert attached.port().vex(WEB, DIGEST) == [VEX]
    assert attached.log == []


def test_what_cannot_be_read_is_left_out_and_logged() -> None:
    attached = Attached()
    bad = attached.artifact(b"no JSON")
    foreign = attached.artifact(b"{}", subject=OTHER)
    large = attached.artifact(b"[]", size=2 * 1024 * 1024)
    attached.artifact(json.dumps(VEX).encode())
    assert attached.port().vex(WEB, DIGEST) == [VEX]
    assert [digest in line for digest, line in zip((bad, foreign, large), attached.log, strict=True)] == [True] * 3
    assert "no JSON" in attached.log[0]
    assert "another image" in attached.log[1]
    assert "2097152 bytes" in attached.log[2]


def test_a_blob_that_is_another_is_left_out() -> None:
    attached = Attached()
    attached.artifact(json.dumps(VEX).encode())
    (url,) = attached.blobs
    attached.blobs[url] = attached.blobs[url].replace(b"statements", b"Statements")
    assert attached.port().vex(WEB, DIGEST) == []
    assert "is not that" in attached.log[0]


def test_a_blob_that_does_not_come_suppresses_nothing() -> None:
    attached = Attached()
    attached.artifact(json.dumps(VEX).encode())
    attached.blobs.clear()
    assert attached.port().vex(WEB, DIGEST) == []
    assert "no answer" in attached.log[0]


def test_other_attestations_are_not_fetched() -> None:
    attached = Attached()
    attached.artifact(b"{}", predicate="https://slsa.dev/provenance/v1")
    assert attached.port().vex(WEB, DIGEST) == []


def test_all_pages_of_referrers_are_read() -> None:
    pages = [
        ("list_image_referrers", {"referrers": [], "nextToken": "x"}, _referrers_of(DIGEST)),
        ("list_image_referrers", {"referrers": []}, _referrers_of(DIGEST, nextToken="x")),
    ]
    assert EcrAttestations(stubbed("ecr", *pages), unused, print).vex(WEB, DIGEST) == []


@pytest.mark.parametrize(
    ("answer", "logged"),
    [
        ("RepositoryNotFoundException", 0),
        ("AccessDeniedException", 1),
        ("InvalidParameterException", 1),
        ("UnableToListUpstreamImageReferrersException", 1),
    ],
)
def test_referrers_that_cannot_be_listed_suppress_nothing(answer: str, logged: int) -> None:
    log: list[str] = []
    port = EcrAttestations(stubbed("ecr", ("list_image_referrers", answer, None)), unused, log.append)
    assert port.vex(WEB, DIGEST) == []
    assert len(log) == logged


def test_throttling_on_the_way_is_tried_again() -> None:
    listed = {"referrers": [{"digest": OTHER, "mediaType": "x", "size": 1}]}
    answers = (("list_image_referrers", listed, None), ("batch_get_image", "ThrottlingException", None))
    with pytest.raises(ThrottledError):
        EcrAttestations(stubbed("ecr", *answers), unused, print).vex(WEB, DIGEST)


def test_throttling_is_tried_again() -> None:
    ecr_client = stubbed("ecr", ("list_image_referrers", "ThrottlingException", None))
    with pytest.raises(ThrottledError):
        EcrAttestations(ecr_client, unused, print).vex(WEB, DIGEST)
