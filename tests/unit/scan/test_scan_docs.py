"""docs/scan.md is true: states, rules, keys, defaults and the gate's truth table are those of the code."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from longshore.gates import GateReason, GateResult, GateTerms
from longshore.redeploy.decide import Candidate, Circumstances, Current, decide
from longshore.redeploy.policy import parse_policy
from longshore.redeploy.profiles import read_profiles
from longshore.redeploy.terms import read_gates
from longshore.scan.findings import ScanState
from longshore.scan.openvex import read_openvex
from longshore.scan.priority import Rule
from longshore.scan.rules import ScanPolicy, read_scan_policy
from longshore.scan.suppressions import NOTICE, Status
from longshore_config.check import check
from longshore_config.compile import compile_config

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "scan.md").read_text(encoding="utf-8")
SCHEMA: dict[str, Any] = json.loads((ROOT / "layers/config/schema.json").read_text(encoding="utf-8"))
SCAN = SCHEMA["properties"]["scan"]["properties"]
TERMS = SCHEMA["$defs"]["gates"]["properties"]["scan"]["properties"]


def rows(first: str) -> list[list[str]]:
    """The body of the table whose first column is called so, cell by cell, without code marks around a whole cell."""
    table = re.search(rf"^\| {first} \|.*\n(?:^\|.*\n)+", PAGE, re.M)
    assert table, first
    lines = table[0].splitlines()[2:]
    return [[re.sub(r"^`([^`]*)`$", r"\1", cell.strip()) for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_state_of_a_scan_is_listed() -> None:
    expected = [[each.value, "yes" if each.finished else "no", each.meaning] for each in ScanState]
    assert rows("state of a scan") == expected


def test_every_rule_is_listed_in_order() -> None:
    assert rows("rule") == [[each.value, each.priority.value, each.meaning] for each in Rule]


def test_every_key_is_listed_with_its_default() -> None:
    told = {key: default for key, default, _ in rows("key")[: len(SCAN)]}
    assert list(told) == list(SCAN)
    policy = ScanPolicy()
    assert (told["report"], told["unknown_as"]) == (policy.report.value, policy.unknown_as.name.lower())
    assert (float(told["epss"]), told["restart_on_reopen"]) == (policy.epss, str(policy.restart_on_reopen).lower())
    sla = ", ".join(f"{priority}: {time.days}d" for priority, time in policy.sla.items())
    assert told["sla"] == f"{{{sla}}}"
    assert (policy.suppressions, policy.vex, policy.schedule) == ((), (), None)
    days = re.findall(r"default `(\w+)` to `(\w+)`", PAGE)
    assert days == [("mon", "fri")]
    schedule = read_scan_policy({"digest": {}}).schedule
    assert schedule is not None and schedule.days == frozenset(range(5))


def test_every_key_of_an_ignore_file_is_listed() -> None:
    table = PAGE.split("Keys that Trivy does not know", 1)[1].split("\n\n", 2)[1]
    listed = re.findall(r"^\| `(\w+)` \| (Trivy|Longshore) \|", table, re.M)
    assert {key for key, _ in listed} == set(SCHEMA["$defs"]["ignored"]["properties"])
    assert {key for key, whose in listed if whose == "Trivy"} == {"id", "paths", "purls", "expired_at", "statement"}
    assert timedelta(days=7) == NOTICE
    assert "Seven days before one ends" in PAGE


def test_every_term_is_listed_with_its_default() -> None:
    listed = {key: default for key, default, _ in rows("term")}
    assert list(listed) == list(TERMS)
    written = {
        "fail": re.findall(r"P\d", listed["fail"]),
        "fixable": listed["fixable"] == "true",
        **{name: listed[name] for name in ("compare", "wait", "no_result", "act")},
    }
    assert read_gates({"scan": written}) == {"scan": GateTerms()}
    assert GateTerms().severity is None
    assert listed["severity"] == "none"


COLUMNS: tuple[dict[str, str], ...] = ({}, {"act": "tell"}, {"no_result": "deploy"})
KEPT = {GateResult.FAIL: "held", GateResult.NO_RESULT: "held", GateResult.WAIT: "waits"}


def test_the_truth_table_is_what_is_decided() -> None:
    expected = []
    for reason in GateReason:
        told = [
            "deployed" if read_gates({"scan": said})["scan"].admit(reason) else KEPT[reason.result] for said in COLUMNS
        ]
        expected.append([reason.value, reason.result.value, *told, reason.meaning])
    assert rows("reason") == expected


def test_the_page_of_policies_says_what_follows_from_each_result() -> None:
    page = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    table = re.search(r"^\| the gate says .*\n(?:^\|.*\n)+", page, re.M)
    assert table
    told = {
        result: (verdict, reason)
        for result, verdict, reason in re.findall(r"^\| ([a-z ]+) \| (\w+) \| (?:`([a-z-]+)`)?", table[0], re.M)
        if result != "the gate says"
    }
    policy = parse_policy("profile:web", read_profiles({"web": {"policy": "digest", "gates": ["scan"]}}))
    a, b = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    for reason in GateReason:
        against = Circumstances(gates={b: {"scan": reason}})
        decision = decide(policy, Current("prod", a), Candidate("prod", b), against)
        verdict, code = told[reason.result.value.replace("-", " ")]
        assert decision.verdict.value == verdict
        assert not code or decision.reason.value == code


@pytest.mark.parametrize("row", rows("status"), ids=lambda row: row[0])
def test_statuses_do_what_the_page_says(row: list[str]) -> None:
    statement = {
        "vulnerability": {"name": "CVE-2026-1"},
        "products": [{"@id": "pkg:oci/web@sha256:" + "a" * 64}],
        "status": row[0],
        "impact_statement": "none",
    }
    head = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "a", "version": 1}
    [read] = read_openvex({**head, "timestamp": "2026-11-01T00:00:00Z", "statements": [statement]})
    assert read.denies is row[1].startswith("never")


def test_every_status_is_listed() -> None:
    assert [row[0] for row in rows("status")] == list(Status)


def test_the_example_is_a_good_configuration(tmp_path: Path) -> None:
    file = tmp_path / "longshore.yaml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", PAGE, re.S)[0], encoding="utf-8")
    assert check(file) == []
    config = compile_config(file)
    assert {name: each for name, each in config["scan"].items() if name in ("report", "epss")} == {
        "report": "P3",
        "epss": 0.1,
    }
