"""Gate terms: what profiles may demand, what they mean, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from longshore.gates import GateReason, GateResult, GateTerms
from longshore.redeploy.policy import Options
from longshore.redeploy.profiles import read_profiles
from longshore.redeploy.terms import NO_RESULTS, TermsError, read_gates


def terms(**members: Any) -> GateTerms:
    return read_gates({"scan": members})["scan"]


@pytest.mark.parametrize("raw", [["scan"], {"scan": None}, {"scan": {}}])
def test_the_name_alone_means_the_defaults(raw: object) -> None:
    assert read_gates(raw) == {"scan": GateTerms()}


@pytest.mark.parametrize("raw", [[], {}, ()])
def test_no_gate_is_no_gate(raw: object) -> None:
    assert read_gates(raw) == {}


def test_every_member_is_read() -> None:
    read = terms(
        fail=["P3", "P1", "P2"],
        severity="high",
        fixable=False,
        compare="all",
        wait="2h",
        no_result={"timed-out": "deploy", "unsupported": "deploy", "off": "hold"},
        act="tell",
    )
    assert read == GateTerms(
        priorities=frozenset({"P1", "P2", "P3"}),
        severity="HIGH",
        fixable_only=False,
        new_only=False,
        wait=timedelta(hours=2),
        no_result=frozenset({GateReason.TIMED_OUT, GateReason.UNSUPPORTED}),
        tell_only=True,
    )
    assert terms(wait=90).wait == timedelta(seconds=90)


def test_no_result_is_named_reason_by_reason() -> None:
    assert terms(no_result="deploy").no_result == frozenset(NO_RESULTS.values())
    assert terms(no_result="hold").no_result == frozenset()
    assert all(reason.result is GateResult.NO_RESULT for reason in NO_RESULTS.values())
    for reason in NO_RESULTS:
        assert terms(no_result={reason: "deploy"}).no_result == {NO_RESULTS[reason]}


ADMITTED: Mapping[GateResult, Callable[[Mapping[str, str]], bool]] = {
    GateResult.PASS: lambda said: True,
    GateResult.WAIT: lambda said: False,
    GateResult.FAIL: lambda said: said["act"] == "tell",
    GateResult.NO_RESULT: lambda said: said["no_result"] == "deploy",
}


@pytest.mark.parametrize("reason", GateReason)
@pytest.mark.parametrize(("act", "no_result"), list(product(("hold", "tell"), ("hold", "deploy"))))
def test_what_terms_let_through(reason: GateReason, act: str, no_result: str) -> None:
    said = {"act": act, "no_result": no_result}
    assert terms(**said).admit(reason) is ADMITTED[reason.result](said)


@pytest.mark.parametrize(
    ("raw", "key", "fix"),
    [
        ("scan", "gates", "gates: [scan]"),
        (["scan", 1], "gates", "gates: [scan]"),
        (["tests"], "gates", "the only gate is scan"),
        ({"tests": {}}, "gates", "the only gate is scan"),
        ({"scan": "yes"}, "gates.scan", "{fail: [P1, P2], wait: 30m}"),
        ({"scan": {"fali": []}}, "gates.scan.fali", "known here: fail"),
        ({"scan": {"fail": "P1"}}, "gates.scan.fail", "P1, P2, P3, P4"),
        ({"scan": {"fail": ["P0"]}}, "gates.scan.fail", "P1, P2, P3, P4"),
        ({"scan": {"fail": [["P1"]]}}, "gates.scan.fail", "P1, P2, P3, P4"),
        ({"scan": {"fail": ["P3"]}}, "gates.scan.fail", "write [P1, P2, P3]"),
        ({"scan": {"fail": ["P4", "P1", "P2"]}}, "gates.scan.fail", "write [P1, P2, P3, P4]"),
        ({"scan": {"fail": []}}, "gates.scan.fail", "name priorities, or a severity"),
        ({"scan": {"severity": "GRAVE"}}, "gates.scan.severity", "CRITICAL, HIGH, MEDIUM, LOW"),
        ({"scan": {"severity": 4}}, "gates.scan.severity", "CRITICAL"),
        ({"scan": {"fixable": "yes"}}, "gates.scan.fixable", "true or false"),
        ({"scan": {"compare": "old"}}, "gates.scan.compare", "new or all"),
        ({"scan": {"wait": "long"}}, "gates.scan.wait", "text such as 90s, 5m, 2h"),
        ({"scan": {"wait": "2d"}}, "gates.scan.wait", "86400"),
        ({"scan": {"wait": True}}, "gates.scan.wait", "86400"),
        ({"scan": {"no_result": "pass"}}, "gates.scan.no_result", "hold or deploy"),
        ({"scan": {"no_result": ["timed-out"]}}, "gates.scan.no_result", "{timed-out: deploy}"),
        ({"scan": {"no_result": {"scanning": "deploy"}}}, "gates.scan.no_result", "timed-out"),
        ({"scan": {"no_result": {"gone": "pass"}}}, "gates.scan.no_result.gone", "hold or deploy"),
        ({"scan": {"act": "block"}}, "gates.scan.act", "hold or tell"),
    ],
)
def test_wrong_terms_name_the_key_and_the_fix(raw: object, key: str, fix: str) -> None:
    with pytest.raises(TermsError) as caught:
        read_gates(raw)
    assert caught.value.key == key
    assert fix in caught.value.fix


def test_options_with_gates_can_still_be_keys() -> None:
    gated = read_profiles({"web": {"policy": "digest", "gates": ["scan"]}})["web"].options
    assert hash(gated) == hash(Options())
    assert gated != Options()
    assert gated.gated
