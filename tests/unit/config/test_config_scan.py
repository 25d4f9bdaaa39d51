"""The section `scan` and the gates of profiles: checked to the key and the file, compiled, read by the product."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from longshore.gates import GateReason, GateTerms
from longshore.redeploy.profiles import read_profiles
from longshore.redeploy.terms import NO_RESULTS
from longshore.scan.acceptance import read_suppressions
from longshore.scan.openvex import read_documents
from longshore.scan.priority import Priority
from longshore.scan.rules import read_scan_policy
from longshore.scan.suppressions import Justification, Origin, Status
from longshore_config.__main__ import main
from longshore_config.check import check, schema
from longshore_config.compile import canonical, compile_config
from longshore_config.scanning import scan_notes

DIGEST = "sha256:" + "a" * 64
TRIVY = """\
vulnerabilities:
  - id: CVE-2022-40897
    paths:
      - "usr/local/lib/python3.9/site-packages/setuptools-58.1.0.dist-info/METADATA"
      - "usr/**/*.jar"
    statement: Accept the risk
  - id: CVE-2023-2650
  - id: CVE-2023-3446
    purls:
      - "pkg:deb/debian/libssl1.1"
    expired_at: 2026-12-31
    owner: team-shop
    repositories: [shop/*]
    digests: ["sha256:{a}"]
    until_fix: true
    justification: component_not_present
""".replace("{a}", "a" * 64)
VEX: dict[str, Any] = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://example.com/vex-1",
    "author": "Shop",
    "timestamp": "2026-11-01T00:00:00Z",
    "version": 1,
    "statements": [
        {
            "vulnerability": {"name": "CVE-2026-1"},
            "products": [{"@id": f"pkg:oci/web@{DIGEST.replace(':', '%3A')}"}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
    ],
}


def written(folder: Path, body: str, **files: str) -> Path:
    file = folder / "longshore.yaml"
    file.write_text("scan:\n" + "".join(f"  {line}\n" for line in body.splitlines()), encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return file


def problems(folder: Path, body: str, **files: str) -> list[str]:
    return [problem.located("longshore.yaml") for problem in check(written(folder, body, **files))]


GOOD = [
    "report: P1",
    "unknown_as: low",
    "epss: 0.1",
    "epss: 0.05",
    "epss: 1",
    "sla: {P1: 7d, P2: 30d, P3: 13w, P4: 86400}",
    "restart_on_reopen: true",
    "suppressions: []",
    "vex: []",
    "digest: {}",
    'digest: {at: "09:00", on: [mon, sun], zone: Europe/Berlin}',
    'digest: {teams: {shop: {at: "07:30", on: [fri], zone: Asia/Tokyo}, web: {on: [tue]}}}',
]


@pytest.mark.parametrize("body", GOOD)
def test_every_option_is_accepted_and_read(tmp_path: Path, body: str) -> None:
    assert problems(tmp_path, body) == []
    read_scan_policy(compile_config(written(tmp_path, body))["scan"])


def test_durations_are_seconds_and_fractions_are_numbers(tmp_path: Path) -> None:
    config = compile_config(written(tmp_path, "sla: {P1: 1w}\nepss: 0.25"))
    assert config["scan"] == {"sla": {"P1": 604_800}, "epss": 0.25}
    policy = read_scan_policy(config["scan"])
    assert (policy.sla[Priority.P1], policy.epss) == (timedelta(days=7), 0.25)


WRONG = [
    ("reprot: P1", "2:3 scan.reprot: unknown key; did you mean report?"),
    ("report: P5", "2:3 scan.report: 'P5' is not one of P1, P2, P3, P4; the least priority"),
    ("unknown_as: grave", "2:3 scan.unknown_as: 'grave' is not one of low, medium, high"),
    ("epss: 1.5", "2:3 scan.epss: 1.5 is more than 1; write the probability"),
    ("epss: '0.1'", "2:3 scan.epss: text where a number is expected"),
    ("epss: .inf", "2:3 scan.epss: YAML reads .inf as a fraction"),
    ("report: 0.5", "2:3 scan.report: YAML reads 0.5 as a fraction"),
    ("sla: {P0: 1d}", "2:9 scan.sla.P0: unknown key; known here: P1, P2, P3, P4"),
    ("sla: {P1: soon}", "2:9 scan.sla.P1: 'soon' is not valid; write seconds"),
    ("sla: {P1: 0d}", "2:9 scan.sla.P1: is '0'; write a time such as 30d"),
    ("digest: {at: 10:30}", "2:12 scan.digest.at: YAML reads 10:30 as"),
    ('digest: {at: "9:00"}', "2:12 scan.digest.at: '9:00' is not valid; write a time in quotes"),
    ("digest: {on: []}", "2:12 scan.digest.on: the list is empty"),
    ("digest: {on: [monday]}", "2:17 scan.digest.on[0]: 'monday' is not one of mon"),
    ("digest: {zone: Berlin}", "2:12 scan.digest.zone: is 'Berlin'; write an IANA zone"),
    ("digest: {teams: {shop: {zone: Moon}}}", "2:27 scan.digest.teams.shop.zone: is 'Moon'; write an IANA zone"),
    ("suppressions: .trivyignore.yaml", "2:3 scan.suppressions: text where a list is expected; write a list of files"),
    ("suppressions: [../a.yaml]", "2:18 scan.suppressions[0]: '../a.yaml' is not valid; write the name of a file"),
    ("suppressions: [/a.yaml]", "2:18 scan.suppressions[0]: '/a.yaml' is not valid"),
    ("suppressions: [a/../b.yaml]", "2:18 scan.suppressions[0]: 'a/../b.yaml' is not valid"),
    ("suppressions: [.trivyignore]", "2:18 scan.suppressions[0]: '.trivyignore' is not valid"),
    (
        "suppressions: [no.yaml]",
        "2:18 scan.suppressions[0]: no.yaml cannot be read: No such file or directory; files lie",
    ),
    ("vex: [no.json]", "2:9 scan.vex[0]: no.json cannot be read"),
]


@pytest.mark.parametrize(("body", "expected"), WRONG, ids=[body for body, _ in WRONG])
def test_what_is_wrong_is_named_with_place_and_fix(tmp_path: Path, body: str, expected: str) -> None:
    [problem] = problems(tmp_path, body)
    assert problem.startswith(f"longshore.yaml:{expected}")


def test_trivys_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = written(tmp_path, "suppressions: [.trivyignore.yaml]", __trivyignore__yaml=TRIVY)
    assert check(file) == []
    first, second, third = read_suppressions(compile_config(file)["scan"]["suppressions"])
    assert (first.vulnerability, first.reason, first.origin) == ("CVE-2022-40897", "Accept the risk", Origin.FILE)
    assert first.paths[1] == "usr/**/*.jar"
    assert (second.expires, second.until_fix, second.packages) == (None, False, ())
    assert third.packages == ("pkg:deb/debian/libssl1.1",)
    assert third.expires == datetime(2026, 12, 31, tzinfo=UTC)
    assert (third.owner, third.repositories, third.digests) == ("team-shop", ("shop/*",), (DIGEST,))
    assert (third.until_fix, third.justification) == (True, Justification.COMPONENT_NOT_PRESENT)
    assert len({first.id, second.id, third.id}) == 3


@pytest.mark.parametrize("content", ["", "vulnerabilities:\n", "vulnerabilities: []\n", "secrets: {a: 1}\n"])
def test_an_ignore_file_without_vulnerabilities_suppresses_nothing(tmp_path: Path, content: str) -> None:
    file = written(tmp_path, "suppressions: [a.yaml]", a__yaml=content)
    assert check(file) == []
    assert compile_config(file)["scan"]["suppressions"] == []


WRONG_FILES = [
    ("vulnerabilities: {", "a.yaml:2:1: not valid YAML"),
    ("- CVE-2026-1", "a.yaml:1:1: a list where keys with values is expected; write vulnerabilities"),
    ("vulnerabilites: []", "a.yaml:1:1 vulnerabilites: unknown key; did you mean vulnerabilities?"),
    ("vulnerabilities:\n  - CVE-2026-1", "a.yaml:2:5 vulnerabilities[0]: text where keys with values is expected"),
    ("vulnerabilities:\n  - {statement: x}", "a.yaml:2:5 vulnerabilities[0]: the key id is missing"),
    (
        "vulnerabilities:\n  - {id: C, repository: [a]}",
        "a.yaml:2:13 vulnerabilities[0].repository: unknown key; did you mean",
    ),
    ("vulnerabilities:\n  - {id: C, purls: [openssl]}", "a.yaml:2:21 vulnerabilities[0].purls[0]: 'openssl' does not"),
    ("vulnerabilities:\n  - {id: C, paths: ['a{b']}", "a.yaml:2:21 vulnerabilities[0].paths[0]: 'a{b' a brace is not"),
    ("vulnerabilities:\n  - {id: C, paths: a}", "a.yaml:2:13 vulnerabilities[0].paths: text where a list is expected"),
    (
        "vulnerabilities:\n  - {id: C, expired_at: soon}",
        "a.yaml:2:13 vulnerabilities[0].expired_at: 'soon' is not valid",
    ),
    (
        "vulnerabilities:\n  - {id: C, expired_at: 2026-02-30}",
        "a.yaml:2:13 vulnerabilities[0].expired_at: is '2026-02-30'",
    ),
    ("vulnerabilities:\n  - {id: C, until_fix: 'yes'}", "a.yaml:2:13 vulnerabilities[0].until_fix: text where"),
    ("vulnerabilities:\n  - {id: C, digests: [latest]}", "a.yaml:2:23 vulnerabilities[0].digests[0]: 'latest' is no"),
    (
        "vulnerabilities:\n  - {id: C, justification: ok}",
        "a.yaml:2:13 vulnerabilities[0].justification: 'ok' is not one",
    ),
]


@pytest.mark.parametrize(("content", "expected"), WRONG_FILES, ids=[content for content, _ in WRONG_FILES])
def test_a_wrong_ignore_file_is_named_with_its_line_and_key(tmp_path: Path, content: str, expected: str) -> None:
    [problem] = problems(tmp_path, "suppressions: [a.yaml]", a__yaml=content + "\n")
    assert problem.startswith(expected)


def test_the_build_fails_with_the_file_and_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "suppressions: [a.yaml]", a__yaml="vulnerabilities:\n  - {id: C, owners: x}\n")
    assert main([str(file), str(tmp_path / "out.json")]) == 2
    assert not (tmp_path / "out.json").exists()
    assert capsys.readouterr().err.startswith(
        "a.yaml:2:13 vulnerabilities[0].owners: unknown key; did you mean owner?\n"
    )


def test_what_is_not_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (
        "misconfigurations:\n  - id: AVD-1\nvulnerabilities:\n  - {id: C, purls: ['pkg:deb/debian/a?arch=arm64']}\n"
    )
    file = written(tmp_path, "suppressions: [a.yaml]", a__yaml=content)
    assert main([str(file)]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("a.yaml:1 misconfigurations: not read")
    assert second.startswith("a.yaml:4 vulnerabilities[0].purls[0]: matches nothing")
    assert scan_notes(file) == [first, second]


def test_openvex_documents_travel_whole(tmp_path: Path) -> None:
    file = written(tmp_path, "vex: [a.json]", a__json=json.dumps(VEX))
    assert check(file) == []
    config = json.loads(canonical(compile_config(file)))
    assert config["scan"]["vex"] == [VEX]
    [statement] = read_documents(read_scan_policy(config["scan"]).vex)
    assert (statement.vulnerability, statement.status, statement.digests) == (
        "CVE-2026-1",
        Status.NOT_AFFECTED,
        (DIGEST,),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": ', "a.json:1:7: not JSON: Expecting value; OpenVEX documents are JSON"),
        ("[]", "a.json:1:1 document: is not an object"),
        ("[" * 100_000, "a.json:1:1: not JSON: "),
        (json.dumps(VEX | {"version": "1"}, indent=1), "a.json:6:2 version: is not a whole number"),
        (
            json.dumps(VEX | {"statements": [VEX["statements"][0] | {"status": "fine"}]}, indent=1),
            "a.json:17:4 statements[0].status: is 'fine'; one of not_affected, fixed, affected",
        ),
    ],
)
def test_a_wrong_openvex_document_is_named_with_its_line_and_field(tmp_path: Path, content: str, expected: str) -> None:
    [problem] = problems(tmp_path, "vex: [a.json]", a__json=content)
    assert problem.startswith(expected)


# -- gates ----------------------------------------------------------------------------------------------------------


def profile(folder: Path, gates: str) -> Path:
    file = folder / "longshore.yaml"
    file.write_text(f"profiles:\n  web:\n    policy: digest\n    gates: {gates}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("gates", "terms"),
    [
        ("[scan]", GateTerms()),
        ("{scan: }", GateTerms()),
        ("{scan: {wait: 2h}}", GateTerms(wait=timedelta(hours=2))),
        ("{scan: {wait: 90}}", GateTerms(wait=timedelta(seconds=90))),
        ("{scan: {fail: [], severity: HIGH}}", GateTerms(priorities=frozenset(), severity="HIGH")),
        ("{scan: {no_result: {timed-out: deploy}}}", GateTerms(no_result=frozenset({GateReason.TIMED_OUT}))),
        (
            "{scan: {fixable: false, compare: all, act: tell}}",
            GateTerms(fixable_only=False, new_only=False, tell_only=True),
        ),
    ],
)
def test_gates_are_compiled_and_read(tmp_path: Path, gates: str, terms: GateTerms) -> None:
    file = profile(tmp_path, gates)
    assert check(file) == []
    profiles = read_profiles(compile_config(file)["profiles"])
    assert profiles["web"].options.gates == {"scan": terms}


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ("scan", "4:5 profiles.web.gates: text where a list or keys with values is expected; write [scan]"),
        ("[]", "4:5 profiles.web.gates: the list is empty"),
        ("[tests]", "4:13 profiles.web.gates[0]: 'tests' is not one of scan"),
        ("{tests: {}}", "4:13 profiles.web.gates.tests: unknown key"),
        ("{scan: {fali: [P1]}}", "4:20 profiles.web.gates.scan.fali: unknown key; did you mean fail?"),
        ("{scan: {fail: [P9]}}", "4:27 profiles.web.gates.scan.fail[0]: 'P9' is not one of P1"),
        ("{scan: {fail: [P3]}}", "4:20 profiles.web.gates.scan.fail: is \"['P3']\"; what is graver must fail too"),
        ("{scan: {fail: []}}", "4:20 profiles.web.gates.scan.fail: is empty, so that nothing fails"),
        ("{scan: {wait: 2d}}", "4:20 profiles.web.gates.scan.wait: is '2d'; write 0 to 86400 seconds"),
        ("{scan: {no_result: pass}}", "4:20 profiles.web.gates.scan.no_result: 'pass' is not valid; write hold"),
        ("{scan: {no_result: {gone: pass}}}", "4:32 profiles.web.gates.scan.no_result.gone: 'pass' is not one of"),
        (
            "{scan: {no_result: {timeout: deploy}}}",
            "4:32 profiles.web.gates.scan.no_result.timeout: unknown key; did you",
        ),
    ],
)
def test_wrong_gates_are_named_with_place_and_fix(tmp_path: Path, gates: str, expected: str) -> None:
    [problem] = [each.located("longshore.yaml") for each in check(profile(tmp_path, gates))]
    assert problem.startswith(f"longshore.yaml:{expected}")


def test_gates_and_a_declared_tag_exclude_each_other(tmp_path: Path) -> None:
    file = profile(tmp_path, "[scan]\n    write: declared")
    [problem] = check(file)
    assert (problem.key_path, problem.line) == ("profiles.web.write", 5)


def test_the_schema_knows_the_reasons_of_the_product() -> None:
    scan = schema()["$defs"]["gates"]["properties"]["scan"]["properties"]
    assert list(scan["no_result"]["properties"]) == list(NO_RESULTS)
    assert schema()["$defs"]["ignored"]["properties"]["justification"]["enum"] == list(Justification)
