"""OpenVEX 0.2.0 out: what is suppressed of an image, as a document for other readers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from longshore.scan.openvex import CONTEXT
from longshore.scan.suppressions import Status

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.images import Digest, Repository
    from longshore.scan.findings import Finding
    from longshore.scan.suppressions import Suppression


def write_openvex(
    repository: Repository,
    digest: Digest,
    suppressed: Sequence[tuple[Finding, Suppression]],
    *,
    host: str,
    author: str,
    at: datetime,
) -> dict[str, Any]:
    """What is suppressed of an image, as a document.

    Only who claims that the image is not affected, by a justification or in OpenVEX, is made to say so. A risk that was
    taken is `affected`, with its owner, reason and end as the action: another reader is not to take it for harmless,
    nor for ever. A claim about some paths alone is left out, because OpenVEX cannot say it. The same content has the
    same ``@id``. `host` is the registry's.
    """
    name = repository.name.rpartition("/")[2]
    url = f"{host}/{repository.name}".replace("/", "%2F")
    product = f"pkg:oci/{name}@{digest.replace(':', '%3A')}?repository_url={url}"
    grouped: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for finding, by in suppressed:
        statement = _statement(finding, by, at)
        if by.paths and not by.packages and statement["status"] != Status.AFFECTED.value:
            continue
        packages = grouped.setdefault(json.dumps(statement, sort_keys=True), (statement, []))[1]
        packages += [each for each in by.packages if each not in packages]
    statements = []
    for statement, packages in grouped.values():
        inner = {"subcomponents": [{"@id": each} for each in sorted(packages)]} if packages else {}
        statements.append({**statement, "products": [{"@id": product, **inner}]})
    statements.sort(key=lambda each: (each["vulnerability"]["name"], each["status"]))
    content = hashlib.sha256(json.dumps([author, product, statements], sort_keys=True).encode()).hexdigest()
    return {
        "@context": CONTEXT,
        "@id": f"https://openvex.dev/docs/longshore/vex-{content}",
        "author": author,
        "timestamp": at.isoformat(),
        "version": 1,
        "tooling": "longshore",
        "statements": statements,
    }


def _statement(finding: Finding, by: Suppression, at: datetime) -> dict[str, Any]:
    vulnerability: dict[str, Any] = {"name": finding.vulnerability}
    if others := [name for name in by.names if name != finding.vulnerability]:
        vulnerability["aliases"] = others
    stated = {"timestamp": by.stated.isoformat()} if by.stated else {}
    claim = by.status or (Status.NOT_AFFECTED if by.justification else Status.AFFECTED)
    said: dict[str, Any] = {"vulnerability": vulnerability, "status": claim.value, **stated}
    if claim is Status.NOT_AFFECTED:
        if by.justification:
            said["justification"] = by.justification.value
        if by.reason or not by.justification:
            said["impact_statement"] = by.reason or by.id
    elif claim is Status.AFFECTED:
        said["action_statement"] = _accepted(by)
        said["action_statement_timestamp"] = at.isoformat()
    return said


def _accepted(by: Suppression) -> str:
    """A risk that was taken, as a sentence."""
    until = f" until {by.expires.isoformat()}" if by.expires else ""
    fix = " until a fix exists" if by.until_fix else ""
    owner = f" by {by.owner}" if by.owner else ""
    return f"Accepted{owner}{until}{fix}" + (f": {by.reason}" if by.reason else "")
