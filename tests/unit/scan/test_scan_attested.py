"""OpenVEX is found in every wrapping, and nothing else is taken for it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.scan.attested import ARTIFACT_TYPES, MOST_BYTES, may_be_vex, openvex_of
from tests.unit.scan.scan_samples import DIGEST, OTHER

VEX: dict[str, Any] = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "statements": []}
IN_TOTO = "application/vnd.in-toto+json"


def statement(digest: str = DIGEST, **members: Any) -> dict[str, Any]:
    algorithm, _, value = digest.partition(":")
    made = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://openvex.dev/ns/v0.2.0",
        "subject": [{"name": "web", "digest": {algorithm: value}}],
        "predicate": VEX,
    }
    return made | members


def envelope(document: Any, **members: Any) -> dict[str, Any]:
    payload = base64.b64encode(json.dumps(document).encode()).decode()
    return {"payloadType": IN_TOTO, "payload": payload, "signatures": []} | members


@pytest.mark.parametrize(
    "document",
    [
        VEX,
        statement(),
        statement(predicateType="https://openvex.dev/ns"),
        envelope(statement()),
        {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": envelope(statement())},
    ],
    ids=["bare", "in-toto", "cosign-2", "dsse", "bundle"],
)
def test_it_is_unwrapped(document: dict[str, Any]) -> None:
    assert openvex_of(json.dumps(document).encode(), DIGEST) == VEX


def test_either_alphabet_of_base64_is_read() -> None:
    document = statement(predicate=VEX | {"author": "\u00ff\u00fe?>" * 9})
    raw = json.dumps(document, ensure_ascii=False).encode()
    plain, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    assert plain != safe
    for payload in (plain, safe):
        wrapped = envelope(None, payload=payload)
        assert openvex_of(json.dumps(wrapped).encode(), DIGEST) == document["predicate"]


@pytest.mark.parametrize(
    "document",
    [
        {"spdxVersion": "SPDX-2.3"},
        statement(predicateType="https://slsa.dev/provenance/v1"),
        envelope(statement(predicateType="https://spdx.dev/Document", subject=[])),
    ],
)
def test_attestations_of_other_kinds_are_none(document: dict[str, Any]) -> None:
    assert openvex_of(json.dumps(document).encode(), DIGEST) is None


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (statement(OTHER), "another image"),
        (statement(subject=None), "another image"),
        (statement(subject=["x", {"digest": "x"}]), "another image"),
        (statement(predicate="x"), "predicate"),
        (envelope(statement(), payloadType="text/plain"), "payloadType"),
        (envelope(statement(), payload="%"), "base64"),
        (envelope(statement(), payload="\u00e9"), "base64"),
        (envelope([]), "no JSON object"),
        ([], "no JSON object"),
    ],
)
def test_what_cannot_be_believed_is_refused(document: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        openvex_of(json.dumps(document).encode(), DIGEST)


@pytest.mark.parametrize("content", [b"", b"x", b"\xff", b"[" * 100_000, b"1" * 5000, b" " * (MOST_BYTES + 1)])
def test_what_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        openvex_of(content, DIGEST)


JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9), lambda each: st.lists(each, max_size=3), max_leaves=9
)


@given(
    st.dictionaries(
        st.sampled_from(
            ("@context", "payloadType", "payload", "dsseEnvelope", "predicateType", "subject", "predicate")
        ),
        JSON | st.just(IN_TOTO) | st.just("https://openvex.dev/ns/v0.2.0") | st.just(VEX),
    )
)
def test_nothing_but_a_document_none_or_a_refusal_comes_out(document: dict[str, Any]) -> None:
    try:
        found = openvex_of(json.dumps(document).encode(), DIGEST)
    except ValueError as error:
        assert str(error)
    else:
        assert found is None or isinstance(found, dict)


def test_annotations_save_reading_other_attestations() -> None:
    assert may_be_vex({})
    assert may_be_vex({"in-toto.io/predicate-type": "https://openvex.dev/ns/v0.2.0"})
    assert may_be_vex({"dev.sigstore.bundle.predicateType": "https://openvex.dev/ns"})
    assert not may_be_vex({"in-toto.io/predicate-type": "https://slsa.dev/provenance/v1"})


def test_ecr_takes_the_filter() -> None:
    assert len(ARTIFACT_TYPES) <= 5
