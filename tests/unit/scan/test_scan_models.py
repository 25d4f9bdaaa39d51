"""Whatever either model allows is normalised or refused with the field named (issue: hypothesis over both models)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import BadEventError
from longshore.scan.basic import read_basic
from longshore.scan.findings import Finding, Fix, Severity
from longshore.scan.inspector import read_details, read_enhanced
from tests.unit.scan.scan_samples import basic, broken, enhanced, inspector, shape, valid

if TYPE_CHECKING:
    from longshore.scan.reading import Reading

ECR_IMAGES = st.sampled_from(({}, {"type": "AWS_ECR_CONTAINER_IMAGE", "id": "x"}, {"type": "AWS_EC2_INSTANCE"}))
EXACT: dict[str, st.SearchStrategy[Any]] = {
    "resources": st.lists(ECR_IMAGES, max_size=3),
    "score": st.floats(0, 1),
    "severity": st.sampled_from(("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNTRIAGED", "UNDEFINED")),
    "status": st.sampled_from(("ACTIVE", "CLOSED", "SUPPRESSED")),
    "type": st.sampled_from(("PACKAGE_VULNERABILITY", "CODE_VULNERABILITY", "NETWORK_REACHABILITY")),
}
WHERE = re.compile(r"(?:findings|enhancedFindings)\[\d+\](?:\.|$)")


def sane(reading: Reading, asked: int) -> None:
    """No finding that nobody can name, no refusal without its field, and never a lost one."""
    assert all(WHERE.match(each.field) for each in reading.refused)
    assert len(reading.refused) <= asked
    for found in reading.findings:
        assert isinstance(found, Finding)
        assert found.vulnerability
        assert all(part.isprintable() for part in found.key)
        assert found.severity is None or found.severity in Severity
        assert found.score is None or 0 <= found.score <= 10
        assert found.epss is None or 0 <= found.epss <= 1
        assert found.fix is not Fix.NO or not found.fixed_in
        assert found.first_seen is None or found.first_seen.tzinfo is not None


@given(st.lists(valid(shape("ecr", "ImageScanFinding"), EXACT), max_size=3))
def test_basic_scanning(raw: list[dict[str, Any]]) -> None:
    reading = read_basic(raw)
    sane(reading, len(raw))
    assert len(reading.findings) + len(reading.refused) == len(raw)


@given(st.lists(valid(shape("ecr", "EnhancedImageScanFinding"), EXACT), max_size=2))
def test_what_ecr_tells_of_inspector(raw: list[dict[str, Any]]) -> None:
    sane(read_enhanced(raw, where="enhancedFindings"), len(raw))


@given(st.lists(valid(shape("inspector2", "Finding"), EXACT), max_size=2))
def test_inspector(raw: list[dict[str, Any]]) -> None:
    sane(read_enhanced(raw), len(raw))


@given(
    st.tuples(
        st.sampled_from(("findings", "enhancedFindings")),
        broken(inspector()) | broken(enhanced()),
        broken(basic()),
    )
)
def test_anything_broken_anywhere_costs_no_other(raw: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    where, of_inspector, of_ecr = raw
    whole = len(read_enhanced([inspector()]).findings)
    reading = read_enhanced([inspector(), of_inspector, inspector()], where=where)
    sane(reading, 1)
    assert len(reading.findings) >= 2 * whole
    simple = read_basic([basic(), of_ecr, basic()])
    sane(simple, 1)
    assert len(simple.findings) + len(simple.refused) == 3


@given(valid(shape("inspector2", "FindingDetail"), {"epssScore": st.floats(0, 1), "findingArn": st.text(min_size=1)}))
def test_details(raw: dict[str, Any]) -> None:
    try:
        arn, details = read_details(raw)
    except BadEventError as error:
        assert error.field.startswith("findingDetails.")
    else:
        assert arn == raw["findingArn"]
        assert details.kev == bool(raw.get("cisaData"))
