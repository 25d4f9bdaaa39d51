"""Children of an index become one image: the gravest of each finding, and the state furthest from complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import UnsupportedError
from longshore.images import Repository
from longshore.manifests import ManifestError
from longshore.scan.findings import Assessment, Finding, Fix, Scanner, ScanState, Severity
from longshore.scan.merging import FURTHEST, children, gravest, merged
from longshore_local import images
from tests.unit.scan.scan_samples import DIGEST, OTHER

if TYPE_CHECKING:
    import random

REPOSITORY = Repository("123456789012", "eu-west-1", "shop/web")
INDEX = "sha256:" + "f" * 64
NOW = datetime(2026, 11, 23, tzinfo=UTC)
BASE = Finding("CVE-1", "openssl", "1.0", "OS", severity=Severity.LOW)

FINDINGS = st.builds(
    Finding,
    vulnerability=st.sampled_from(("CVE-1", "CVE-2")),
    package=st.sampled_from(("a", "b")),
    version=st.sampled_from(("1", "2")),
    severity=st.none() | st.sampled_from(list(Severity)),
    score=st.none() | st.floats(0, 10),
    fix=st.sampled_from(list(Fix)),
    fixed_in=st.sampled_from(("", "2", "3")),
    exploit=st.booleans(),
    exploited=st.booleans(),
    kev=st.booleans(),
    kev_due=st.none() | st.dates(),
    epss=st.none() | st.floats(0, 1),
    arn=st.sampled_from(("", "x", "y")),
    first_seen=st.none() | st.datetimes(timezones=st.just(UTC)),
)


def part(digest: str, state: ScanState = ScanState.COMPLETE, *findings: Finding, why: str = "") -> Assessment:
    return Assessment(REPOSITORY, digest, state, Scanner.BASIC, findings, (digest,), at=NOW, why=why)


def test_a_finding_of_several_children_is_as_grave_as_any_of_them() -> None:
    first = replace(BASE, severity=Severity.HIGH, score=7.0, fix=Fix.YES, fixed_in="1.1", epss=0.1, first_seen=NOW)
    second = replace(
        BASE,
        score=9.0,
        fix=Fix.NO,
        exploit=True,
        kev=True,
        kev_due=date(2026, 12, 5),
        epss=0.2,
        first_seen=datetime(2026, 1, 1, tzinfo=UTC),
    )
    whole = merged(
        REPOSITORY, INDEX, [part(DIGEST, ScanState.COMPLETE, first), part(OTHER, ScanState.COMPLETE, second)]
    )
    (found,) = whole.findings
    assert (found.severity, found.score, found.epss) == (Severity.HIGH, 9.0, 0.2)
    assert (found.fix, found.fixed_in) == (Fix.PARTIAL, "1.1")
    assert (found.exploit, found.kev, found.kev_due) == (True, True, date(2026, 12, 5))
    assert found.first_seen == datetime(2026, 1, 1, tzinfo=UTC)
    assert (whole.digest, whole.images, whole.at, whole.scanner) == (INDEX, (DIGEST, OTHER), NOW, Scanner.BASIC)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ((Severity.LOW, None), None),
        ((Severity.MEDIUM, None), Severity.MEDIUM),
        ((None, None), None),
    ],
)
def test_an_unknown_severity_is_graver_than_low(told: tuple[Severity | None, ...], meant: Severity | None) -> None:
    assert gravest(replace(BASE, severity=each) for each in told)[0].severity is meant


@given(st.lists(FINDINGS, max_size=8), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(findings: list[Finding], randomness: random.Random) -> None:
    shuffled = [*findings, *findings]
    randomness.shuffle(shuffled)
    once = gravest(findings)
    assert gravest(shuffled) == once
    assert gravest(once) == once
    assert {each.key for each in once} == {each.key for each in findings}
    assert len({each.key for each in once}) == len(once)
    for found in once:
        same = [each for each in findings if each.key == found.key]
        assert found.kev == any(each.kev for each in same)
        assert found.score == max((each.score for each in same if each.score is not None), default=None)
        assert found.severity is not None or all((each.severity or 0) < Severity.MEDIUM for each in same)


def test_every_state_has_its_place() -> None:
    assert sorted(FURTHEST) == sorted(ScanState)
    assert FURTHEST[-1] is ScanState.COMPLETE
    assert FURTHEST[0] is ScanState.PENDING


@pytest.mark.parametrize("state", [each for each in ScanState if each is not ScanState.COMPLETE])
def test_one_child_that_is_not_complete_is_enough(state: ScanState) -> None:
    whole = merged(REPOSITORY, INDEX, [part(DIGEST), part(OTHER, state, why="so"), part(INDEX)])
    assert (whole.state, whole.why) == (state, "so")
    assert whole.states == (state, ScanState.COMPLETE)
    assert not whole.state.finished


def test_no_state_hides_another() -> None:
    whole = merged(REPOSITORY, INDEX, [part(DIGEST, ScanState.UNSUPPORTED), part(OTHER, ScanState.TOO_LARGE)])
    assert (whole.state, set(whole.states)) == (ScanState.TOO_LARGE, {ScanState.TOO_LARGE, ScanState.UNSUPPORTED})


def test_an_index_without_images_was_never_scanned() -> None:
    whole = merged(REPOSITORY, INDEX, [], ("latest",))
    assert (whole.state, whole.tags, whole.why) == (ScanState.UNSUPPORTED, ("latest",), "the index lists no image")


def test_attestations_are_no_children() -> None:
    index = images.multi_platform("x", ["linux/amd64", "linux/arm64"], attestations=True)
    found = children(index.manifest, index.media_type)
    assert len(index.children) == 4
    assert list(found) == [images.single("x", platform=p).digest for p in ("linux/amd64", "linux/arm64")]


def test_children_of_one_platform_are_all_looked_at() -> None:
    """Windows has several: one for each build."""
    first, second = images.single("a"), images.single("b")
    index = (
        b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":['
        + b",".join(
            b'{"mediaType":"%s","digest":"%s","size":%d,"platform":{"os":"windows","architecture":"amd64"}}'
            % (each.media_type.encode(), each.digest.encode(), len(each.manifest))
            for each in (first, second, first)
        )
        + b"]}"
    )
    assert children(index) == (first.digest, second.digest)


def test_what_is_no_index_has_no_children() -> None:
    image = images.single("x")
    assert children(image.manifest, image.media_type) == ()
    with pytest.raises((ManifestError, UnsupportedError)):
        children(b"x")
