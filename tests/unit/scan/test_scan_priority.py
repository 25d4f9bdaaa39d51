"""Priorities by their table, what is material, and comparisons (notify 2.2, 2.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.scan.compare import Material, compare, fingerprint, materials, short
from longshore.scan.findings import Finding, Fix, Severity
from longshore.scan.priority import Priority, Rule, rank, ranked
from longshore.scan.rules import ScanPolicy

POLICY = ScanPolicy()
DUE = date(2026, 12, 5)
C, H, M, L, INFO = (Severity[name] for name in ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"))
YES, PARTIAL, NO, UNKNOWN = Fix.YES, Fix.PARTIAL, Fix.NO, Fix.UNKNOWN

TABLE = [
    # severity, fix, epss, exploit, exploited, kev; the rule when it runs, and when it does not
    (L, NO, None, False, False, True, Rule.KEV, Rule.KEV),
    (L, NO, None, False, True, False, Rule.EXPLOITED, Rule.EXPLOITED),
    (C, NO, None, True, False, False, Rule.EXPLOIT, Rule.GRAVE),
    (H, NO, None, True, False, False, Rule.EXPLOIT, Rule.GRAVE),
    (M, YES, None, True, False, False, Rule.REST, Rule.REST),
    (C, YES, None, False, False, False, Rule.CRITICAL, Rule.GRAVE),
    (C, PARTIAL, 0.9, False, False, False, Rule.CRITICAL, Rule.GRAVE),
    (C, NO, 0.9, False, False, False, Rule.GRAVE, Rule.GRAVE),
    (C, UNKNOWN, None, False, False, False, Rule.CRITICAL, Rule.GRAVE),  # basic scanning
    (H, UNKNOWN, None, False, False, False, Rule.GRAVE, Rule.GRAVE),  # basic scanning
    (H, YES, 0.1, False, False, False, Rule.LIKELY, Rule.GRAVE),
    (H, YES, 0.0999, False, False, False, Rule.GRAVE, Rule.GRAVE),
    (H, NO, 0.9, False, False, False, Rule.GRAVE, Rule.GRAVE),
    (M, YES, 0.99, False, False, False, Rule.REST, Rule.REST),
    (INFO, YES, None, False, False, False, Rule.REST, Rule.REST),
    (None, YES, 0.99, False, False, False, Rule.REST, Rule.REST),  # unknown counts as medium
]


@pytest.mark.parametrize(("severity", "fix", "epss", "exploit", "exploited", "kev", "runs", "not_running"), TABLE)
def test_the_table(
    severity: Severity | None,
    fix: Fix,
    epss: float | None,
    exploit: bool,
    exploited: bool,
    kev: bool,
    runs: Rule,
    not_running: Rule,
) -> None:
    finding = Finding(
        "CVE-1", "p", severity=severity, fix=fix, epss=epss, exploit=exploit, exploited=exploited, kev=kev
    )
    assert rank(finding, POLICY, running=True).rule is runs
    assert rank(finding, POLICY, running=False).rule is not_running


def test_every_rule_is_in_the_table() -> None:
    assert {row[6] for row in TABLE} == set(Rule)


def test_the_rule_is_told_with_what_it_rests_on() -> None:
    listed = Finding("CVE-1", "p", kev=True, kev_due=DUE)
    assert rank(listed, POLICY, running=False).text == "P1: in CISA KEV, due 2026-12-05"
    assert rank(replace(listed, kev_due=None), POLICY, running=False).text == "P1: in CISA KEV"
    likely = Finding("CVE-1", "p", severity=H, fix=YES, epss=0.42)
    assert rank(likely, POLICY, running=True).arguments == {"epss": 0.42}


def test_bounds_are_configured() -> None:
    unknown = Finding("CVE-1", "p", fix=YES)
    assert rank(unknown, ScanPolicy(unknown_as=C), running=True).priority is Priority.P2
    likely = Finding("CVE-1", "p", severity=H, fix=YES, epss=0.2)
    assert rank(likely, ScanPolicy(epss=0.3), running=True).priority is Priority.P3


findings = st.builds(
    Finding,
    vulnerability=st.sampled_from([f"CVE-{n}" for n in range(4)]),
    package=st.sampled_from(["a", "b"]),
    manager=st.sampled_from(["", "OS"]),
    path=st.sampled_from(["", "app/x.jar"]),
    severity=st.none() | st.sampled_from(list(Severity)),
    fix=st.sampled_from(list(Fix)),
    exploit=st.booleans(),
    exploited=st.booleans(),
    kev=st.booleans(),
    epss=st.none() | st.floats(0, 1),
)
lists = st.lists(findings, max_size=8, unique_by=lambda each: each.key)


@given(lists, st.booleans(), st.randoms())
def test_order_does_not_matter(found: list[Finding], running: bool, random: st.DataObject) -> None:
    other = list(found)
    random.shuffle(other)  # type: ignore[attr-defined]
    one, two = (ranked(each, POLICY, running=running) for each in (found, other))
    assert one == two
    assert sorted(each.priority for each in one) == [each.priority for each in one]
    assert fingerprint(materials(one, POLICY.epss)) == fingerprint(materials(two, POLICY.epss))


@given(findings)
def test_running_never_makes_it_less_grave(finding: Finding) -> None:
    assert rank(finding, POLICY, running=True).priority <= rank(finding, POLICY, running=False).priority


@given(findings, st.booleans())
def test_what_is_material_is_read_as_it_was_written(finding: Finding, running: bool) -> None:
    material = Material.of(rank(finding, POLICY, running=running), POLICY.epss)
    assert Material.parse(material.text) == material
    assert len(material.text) == 8
    assert not material.worse_than(material)


@given(lists, lists)
def test_the_four_sets_are_all_and_disjoint(now: list[Finding], then: list[Finding]) -> None:
    found = ranked(now, POLICY, running=True)
    before = materials(ranked(then, POLICY, running=True), POLICY.epss)
    new, worsened, unchanged, fixed = compare(found, before, POLICY.epss)
    assert sorted([*new, *worsened, *unchanged], key=lambda each: each.order) == found
    assert len(new) + len(worsened) + len(unchanged) == len(found)
    keys = {short(each.finding.key) for each in found}
    assert set(fixed) == before.keys() - keys
    assert {short(each.finding.key) for each in new} == keys - before.keys()


@given(lists)
def test_the_same_image_has_no_news(found: list[Finding]) -> None:
    now = ranked(found, POLICY, running=True)
    assert compare(now, materials(now, POLICY.epss), POLICY.epss) == ((), (), tuple(now), ())


@pytest.mark.parametrize(("epss", "bucket"), [(None, 0), (0.0, 0), (0.09, 0), (0.1, 1), (0.49, 1), (0.5, 2), (1.0, 2)])
def test_epss_is_material_by_bucket(epss: float | None, bucket: int) -> None:
    finding = Finding("CVE-1", "p", severity=L, epss=epss)
    assert Material.of(rank(finding, POLICY, running=True), 0.1).epss == bucket
