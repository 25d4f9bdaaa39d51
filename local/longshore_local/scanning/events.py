"""What ECR and Inspector announce of scans, as under events/ (aws A1, A2)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from longshore_local.bus import Event, envelope
from longshore_local.scanning import views
from longshore_local.scanning.scans import Held, Scan

_TOLD = ("CRITICAL", "HIGH", "MEDIUM")


def scanned(scan: Scan, now: datetime) -> Event:
    """`ECR Image Scan` or `Inspector2 Scan`: the first scan of an image has ended."""
    named = {"image-digest": scan.digest, "image-tags": list(scan.image.image_tags)}
    counts = scan.counts()
    if not scan.enhanced:
        detail = {
            "scan-status": scan.status,
            "repository-name": scan.repository,
            "finding-severity-counts": counts,
            **named,
        }
        return _event("aws.ecr", "ECR Image Scan", scan, [scan.repository_arn], detail, now)
    told: dict[str, int] = {name: counts[name] for name in _TOLD if name in counts}
    detail = {
        "scan-status": "INITIAL_SCAN_COMPLETE",
        "repository-name": scan.repository_arn,
        "finding-severity-counts": {**told, "TOTAL": sum(counts.values())},
        **named,
    }
    return _event("aws.inspector2", "Inspector2 Scan", scan, [scan.repository_arn], detail, now)


def finding(scan: Scan, held: Held, now: datetime) -> Event:
    """`Inspector2 Finding`: a finding was created, updated or closed."""
    detail = _with_told_times(views.inspector(scan, held))
    return _event("aws.inspector2", "Inspector2 Finding", scan, [scan.arn], detail, now)


def covered(scan: Scan, now: datetime) -> Event:
    """`Inspector2 Coverage`: whether the image is scanned, and why not."""
    detail = {
        "scanStatus": {"reason": scan.reason, "statusCodeValue": views.code(scan)},
        "scanType": "PACKAGE",
        "provider": "AWS",
        "providerAccountId": scan.account,
        "providerRegion": scan.region,
        "eventTimestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "version": "1.0",
    }
    return _event("aws.inspector2", "Inspector2 Coverage", scan, [scan.arn], detail, now)


def frequency_changed(account: str, region: str, changes: Sequence[tuple[str, str, str]], now: datetime) -> Event:
    """`ECR Scan Resource Change` for (repository, frequency before, frequency now)."""
    listed = [
        {
            "repository-name": name,
            "repository-arn": f"arn:aws:ecr:{region}:{account}:repository/{name}",
            "scan-frequency": after,
            "previous-scan-frequency": before,
        }
        for name, before, after in changes
    ]
    detail = {
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "repositories": listed,
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    }
    return envelope("aws.ecr", "ECR Scan Resource Change", detail, account=account, region=region, moment=now)


def _event(source: str, kind: str, scan: Scan, resources: list[str], detail: dict[str, Any], now: datetime) -> Event:
    where = {"account": scan.account, "region": scan.region}
    return envelope(source, kind, detail, moment=now, resources=resources, **where)


def _with_told_times(value: Any) -> Any:
    """Times as Inspector's events write them: `Wed Sep 04 16:55:38.411 UTC 2024`."""
    if isinstance(value, dict):
        return {name: _with_told_times(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_told_times(each) for each in value]
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return f"{at:%a %b %d %H:%M:%S}.{at.microsecond // 1000:03d} UTC {at.year}"
    return value
