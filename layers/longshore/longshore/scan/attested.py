"""OpenVEX documents unwrapped from what is attached to an image: bare, in-toto, DSSE or a Sigstore bundle.

Signatures are not checked: who may push to the repository may say something about its images.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from longshore.images import Digest

ARTIFACT_TYPES: Final = (
    "application/vnd.openvex+json",
    "application/openvex+json",
    "application/vnd.in-toto+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
)
"""What `oras attach`, Docker Scout and cosign name such artifacts; ListImageReferrers takes five."""
PREDICATE_TYPES: Final = ("in-toto.io/predicate-type", "dev.sigstore.bundle.predicateType")
"""Annotations that tell what a statement is about before it is read."""
MOST_BYTES: Final = 1024 * 1024
_NAMESPACE: Final = "https://openvex.dev/ns"
_STANDARD: Final = str.maketrans("-_", "+/")
_IN_TOTO: Final = "application/vnd.in-toto+json"


def may_be_vex(annotations: Mapping[str, str]) -> bool:
    """Whether an artifact may hold OpenVEX: one type covers every kind of attestation."""
    told = [annotations[key] for key in PREDICATE_TYPES if key in annotations]
    return not told or any(each.startswith(_NAMESPACE) for each in told)


def openvex_of(content: bytes, digest: Digest) -> Mapping[str, Any] | None:
    """The document about an image; None where it is an attestation of another kind.

    Raises ValueError for what cannot be read, and for a statement whose subject is another image.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    document = _object(content)
    bundle = document.get("dsseEnvelope")
    if isinstance(bundle, dict):
        document = bundle
    if "payloadType" in document:
        document = _payload(document)
    if "predicateType" in document:
        return _predicate(document, digest)
    return document if str(document.get("@context", "")).startswith(_NAMESPACE) else None


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except ValueError:
        raise ValueError("it is no JSON document") from None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    return document


def _payload(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    if envelope["payloadType"] != _IN_TOTO:
        raise ValueError(f"payloadType is {str(envelope['payloadType'])[:80]!r}, not in-toto")
    try:
        # Either alphabet is allowed (DSSE, protocol.md).
        content = base64.b64decode(str(envelope.get("payload", "")).translate(_STANDARD), validate=True)
    except ValueError:
        raise ValueError("payload is not base64") from None
    return _object(content)


def _predicate(statement: Mapping[str, Any], digest: Digest) -> Mapping[str, Any] | None:
    if not str(statement["predicateType"]).startswith(_NAMESPACE):
        return None
    subjects = statement.get("subject")
    digests = [each.get("digest") for each in subjects if isinstance(each, dict)] if isinstance(subjects, list) else []
    algorithm, _, value = digest.partition(":")
    if not any(isinstance(each, dict) and each.get(algorithm) == value for each in digests):
        raise ValueError("its subject is another image")
    predicate = statement.get("predicate")
    if not isinstance(predicate, dict):
        raise ValueError("predicate is no object")
    return predicate
