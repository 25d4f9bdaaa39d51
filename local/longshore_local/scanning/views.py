"""Findings as each API shows them: ECR's basic and enhanced shapes, and Inspector's (notify 2.1)."""

from datetime import UTC, datetime, time
from typing import Any

from longshore_local.scanning.scans import Held, Scan
from longshore_local.scanning.vulnerabilities import Vulnerability


def basic(one: Vulnerability) -> dict[str, Any]:
    """`ImageScanFinding`: no fix, no exploit, no EPSS."""
    attributes = {"package_name": one.package, "package_version": one.version}
    if one.score is not None:
        attributes["CVSS3_SCORE"] = str(one.score)
    return {
        "name": one.id,
        "description": one.title or f"{one.id} in {one.package}",
        "uri": one.url,
        "severity": one.severity.replace("UNTRIAGED", "UNDEFINED"),
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }


def enhanced(scan: Scan, held: Held) -> dict[str, Any]:
    """`EnhancedImageScanFinding` of ECR: its own names for score and URL, and neither EPSS nor KEV."""
    whole = inspector(scan, held)
    score = whole.pop("inspectorScore", None)
    for name in ("epss", "exploitabilityDetails"):
        whole.pop(name, None)
    whole["remediation"] = {"recommendation": {"text": "None Provided"}}
    for package in whole["packageVulnerabilityDetails"]["vulnerablePackages"]:
        package.pop("remediation", None)
    (resource,) = whole["resources"]
    resource["details"].pop("image", None)
    for name in ("partition", "region", "provider", "providerAccountId"):
        resource.pop(name)
    return whole if score is None else {**whole, "score": score}


def inspector(scan: Scan, held: Held) -> dict[str, Any]:
    """`Finding` of Inspector's API."""
    one = held.worst
    view = {
        "findingArn": held.arn,
        "awsAccountId": scan.account,
        "type": "PACKAGE_VULNERABILITY",
        "description": one.title or f"{one.id} in {one.package}",
        "title": f"{one.id} - {', '.join(each.package for each in held.vulnerabilities)}",
        "remediation": {"recommendation": {"text": "None Provided"}},
        "severity": held.severity,
        "firstObservedAt": held.first,
        "lastObservedAt": held.last,
        "updatedAt": held.last,
        "status": held.status,
        "resources": [_resource(scan)],
        "packageVulnerabilityDetails": _details(held),
        "fixAvailable": _fix(held),
        "exploitAvailable": "YES" if any(each.exploit for each in held.vulnerabilities) else "NO",
        "inspectorScore": one.score,
        "epss": None if one.epss is None else {"score": one.epss},
        "exploitabilityDetails": {"lastKnownExploitAt": held.last} if one.exploited else None,
    }
    return {name: value for name, value in view.items() if value is not None}


def details(held: Held) -> dict[str, Any]:
    """`FindingDetail` of BatchGetFindingDetails: what only Inspector's intelligence knows."""
    one = held.worst
    due = one.kev_due and datetime.combine(one.kev_due, time(), UTC)
    cisa = {"dateAdded": held.first, "dateDue": due, "action": "Apply mitigations per vendor instructions"}
    view = {
        "findingArn": held.arn,
        "cisaData": cisa if due else None,
        "exploitObserved": {"firstSeen": held.first, "lastSeen": held.last} if one.exploited else None,
        "epssScore": one.epss,
        "referenceUrls": [one.url],
        "cwes": [],
        "ttps": [],
        "tools": [],
        "evidences": [],
    }
    return {name: value for name, value in view.items() if value is not None}


def coverage(scan: Scan) -> dict[str, Any]:
    """`CoveredResource` of ListCoverage."""
    view = {
        "resourceType": "AWS_ECR_CONTAINER_IMAGE",
        "resourceId": scan.arn,
        "accountId": scan.account,
        "scanType": "PACKAGE",
        "scanStatus": {"statusCode": code(scan), "reason": scan.reason},
        "resourceMetadata": {
            "ecrRepository": {"name": scan.repository, "scanFrequency": scan.frequency},
            "ecrImage": {"tags": list(scan.image.image_tags)},
        },
        "provider": "AWS",
        "providerAccountId": scan.account,
        "providerRegion": scan.region,
    }
    return view if scan.at is None else {**view, "lastScannedAt": scan.at}


def code(scan: Scan) -> str:
    """Whether Inspector goes on scanning the image: ACTIVE or INACTIVE."""
    return "ACTIVE" if scan.finished or scan.pending else "INACTIVE"


def _fix(held: Held) -> str:
    fixed = [each for each in held.vulnerabilities if each.fixed_in]
    if not fixed:
        return "NO"
    partial = len(fixed) < len(held.vulnerabilities) or any(each.partial for each in fixed)
    return "PARTIAL" if partial else "YES"


def _resource(scan: Scan) -> dict[str, Any]:
    facts = scan.facts()
    image = {name: value for name, value in facts.items() if name != "imageHash"} | {"imageDigest": scan.digest}
    return {
        "type": "AWS_ECR_CONTAINER_IMAGE",
        "id": scan.arn,
        "partition": "aws",
        "region": scan.region,
        "provider": "AWS",
        "providerAccountId": scan.account,
        "details": {"awsEcrContainerImage": facts, "image": image},
    }


def _details(held: Held) -> dict[str, Any]:
    one = held.worst
    cvss = (
        [] if one.score is None else [{"baseScore": one.score, "scoringVector": "", "version": "3.1", "source": "NVD"}]
    )
    return {
        "vulnerabilityId": one.id,
        "source": "NVD",
        "sourceUrl": one.url,
        "vendorSeverity": one.severity,
        "vendorCreatedAt": held.first,
        "cvss": cvss,
        "referenceUrls": [one.url],
        "relatedVulnerabilities": [],
        "vulnerablePackages": [_package(each) for each in held.vulnerabilities],
    }


def _package(one: Vulnerability) -> dict[str, Any]:
    view: dict[str, Any] = {"name": one.package, "version": one.version, "epoch": 0, "arch": "X86_64"}
    more = {
        "packageManager": one.manager,
        "filePath": one.path,
        "sourceLayerHash": one.layer,
        "fixedInVersion": one.fixed_in or "NotAvailable",
    }
    return view | {name: value for name, value in more.items() if value}
