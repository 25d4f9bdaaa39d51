"""`longshore.yaml`: every mistake is found at its line, column and key, and says what to write instead."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from longshore.redeploy.profiles import read_profiles
from longshore_config import check as checking
from longshore_config.check import check, read, schema
from longshore_config.document import read_document

DEFAULT = Path(__file__).parents[3] / "layers/config/longshore.yaml"


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "longshore.yaml"
    file.write_text(text, encoding="utf-8")
    return [problem.located(file.name) for problem in check(file)]


def profile(body: str) -> str:
    return "profiles:\n  web:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def test_the_schema_is_a_schema_that_explains_every_option() -> None:
    Draft202012Validator.check_schema(schema())
    options = schema()["$defs"]["profile"]["properties"]
    assert {name for name, rule in options.items() if not (rule.get("description") or rule.get("$ref"))} == set()


def test_the_file_that_is_shipped_is_good() -> None:
    assert check(DEFAULT) == []


def test_the_example_in_the_shipped_file_is_good_too(tmp_path: Path) -> None:
    lines = DEFAULT.read_text().splitlines()
    begin = lines.index("# profiles:")
    example = [line.removeprefix("# ") for line in lines[begin:] if line.startswith("# ")]
    assert len(example) > 10
    assert problems(tmp_path, "\n".join(example)) == []


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "profiles:\n", "profiles: {}\n", "---\nprofiles: {}\n", "\ufeffprofiles: {}\n"]
)
def test_an_empty_configuration_is_good(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


POLICIES = [
    "digest", "digest:prod", "semver:patch", "semver:minor", "semver:major", "semver:1.x", "semver:1.4.x", "semver:^1", "semver:~1.4",
    "semver:>=1.2 <2", "newest", "newest:main-", "numeric", "numeric:build-", "calver:YYYY.MM.DD", "calver:YYYY.0M.MICRO", "pin",
]  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_of_the_grammar_is_accepted(tmp_path: Path, policy: str) -> None:
    assert problems(tmp_path, profile(f"policy: '{policy}'")) == []


@pytest.mark.parametrize(
    "policy",
    ["latest", "profile:other", "semver:", "semver:1.2.3.x", "digest:", "digest:a b", "pin:1", "calver:DD.MM", "calver:YYYY.QQ", "newest:", "semver:>=1 || 2", "Digest"],
)  # fmt: skip
def test_what_is_no_policy_is_refused_at_its_line(tmp_path: Path, policy: str) -> None:
    [problem] = problems(tmp_path, profile(f"soak: 5m\npolicy: '{policy}'"))
    assert problem.startswith("longshore.yaml:4:5 profiles.web.policy: ")


OPTIONS = [
    "allow: '^v?[0-9.]+$'",
    "allow: ['^a$', '^b.*$']",
    "deny: ['-debug$']\nsearch: true",
    "extract: '^app-(?P<key>[0-9.]+)$'",
    *[f"prerelease: {value}" for value in ("exclude", "include", "channel:rc")],
    "max_major_jump: 0",
    *[f"immutable_retag: {value}" for value in ("alert", "deploy", "ignore")],
    *[f"on_unknown: {value}" for value in ("deploy", "hold")],
    *[f"redeploy_on: {value}" for value in ("content", "index")],
    *[f"write: {value}" for value in ("declared", "digest")],
    *[f"{key}: {value}" for key in ("soak", "timeout", "cooldown") for value in ("60", "90", "90s", "5m", "2h", "1d")],
    "cooldown: 0\nsoak: 0s",
    "limits: {per_push: 20}",
    "limits: {per_push: 20, per_hour: 60}",
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_accepted(tmp_path: Path, option: str) -> None:
    assert problems(tmp_path, profile(f"policy: semver:minor\n{option}")) == []


def test_a_range_may_stand_apart_from_its_policy(tmp_path: Path) -> None:
    assert problems(tmp_path, profile("policy: semver\nrange: '>=1.2 <2'")) == []
    [missing] = problems(tmp_path, profile("policy: semver"))
    assert missing.startswith("longshore.yaml:2:3 profiles.web: the key range is missing; write comparators such as")
    [wrong] = problems(tmp_path, profile("policy: semver\nrange: '>=1.2.3.4'"))
    assert wrong.startswith("longshore.yaml:3:5 profiles.web.policy: ")


WRONG = [
    ("range: '>=1 <2'", "4:5 profiles.web.range: '>=1 <2' is not allowed here; it goes with policy: semver only"),
    ("timeout: 30", "4:5 profiles.web.timeout: 30 is less than 60"),
    ("timeout: 30s", "4:5 profiles.web.timeout: is '30s'; write 60 to 86400 seconds"),
    ("wirte: digest", "4:5 profiles.web.wirte: unknown key; did you mean write?"),
    ("write: tag", "4:5 profiles.web.write: 'tag' is not one of declared, digest"),
    ("soak: 5 minutes", "4:5 profiles.web.soak: '5 minutes' is not valid; write seconds, or text"),
    ("soak: -1", "4:5 profiles.web.soak: -1 is less than 0"),
    ("cooldown: 100000", "4:5 profiles.web.cooldown: 100000 is more than 86400"),
    ("max_major_jump: '1'", "4:5 profiles.web.max_major_jump: text where a whole number is expected"),
    ("max_major_jump: true", "4:5 profiles.web.max_major_jump: true or false where a whole number is expected"),
    ("prerelease: rc", "4:5 profiles.web.prerelease: 'rc' is not valid; write exclude"),
    ("allow: []", "4:5 profiles.web.allow: the list is empty"),
    ("allow:\n  - '^a$'\n  - 7", "6:9 profiles.web.allow[1]: a whole number where text is expected"),
    ("allow: '('", "4:5 profiles.web.allow: '(' is not a valid regex"),
    ("allow: 'v1'", "4:5 profiles.web.allow: 'v1' is not anchored"),
    ("deny: '^(?=a)a$'", "4:5 profiles.web.deny: '^(?=a)a$' uses assert, which is not supported"),
    (
        "extract: '^a$'",
        "4:5 profiles.web.extract: '^a$' is not valid; write a regular expression with one group named key",
    ),
    (
        "allow_downgrade: true",
        "4:5 profiles.web.allow_downgrade: true is not allowed here; it goes with policy newest only",
    ),
    ("limits: {}", "4:5 profiles.web.limits: nothing is written below it"),
    ("limits: {per_day: 1}", "4:14 profiles.web.limits.per_day: unknown key"),
    ("limits: {per_hour: 0}", "4:14 profiles.web.limits.per_hour: 0 is less than 1; write a whole number, 1 or more"),
    ("approvals: 1", "4:5 profiles.web.approvals: unknown key; known here: allow,"),
]


@pytest.mark.parametrize(("option", "expected"), WRONG, ids=[option for option, _ in WRONG])
def test_a_wrong_option_is_named_with_place_and_fix(tmp_path: Path, option: str, expected: str) -> None:
    [problem] = problems(tmp_path, profile(f"policy: semver:minor\n{option}"))
    assert problem.startswith(f"longshore.yaml:{expected}")


STRUCTURE = [
    ("secrets: []", "1:1 secrets: unknown key; known here: channels, mirrors, profiles, recover, routes, scan"),
    ("profils: {}", "1:1 profils: unknown key; did you mean profiles?"),
    ("- a", "1:1: a list where keys with values is expected"),
    ("profiles: []", "1:1 profiles: a list where keys with values is expected"),
    ("profiles:\n  web:", "2:3 profiles.web: nothing where keys with values is expected"),
    ("profiles:\n  web: {}", "2:3 profiles.web: the key policy is missing; write digest"),
    ("profiles:\n  a b: {policy: pin}", "2:3 profiles.a b: 'a b' is not a valid name; use 1 to 64"),
]

TRAPS = [
    ("profiles:\n  on: {policy: pin}", "2:3 profiles: YAML reads the key on as bool, not text; quote it: 'on'"),
    ("profiles:\n  1.10: {policy: pin}", "2:3 profiles: YAML reads the key 1.10 as float, not text; quote it: '1.10'"),
    ("profiles:\n  ? [a]\n  : {policy: pin}", "2:5 profiles: a key must be text"),
    (profile("policy: 1.10"), "3:5 profiles.web.policy: YAML reads 1.10 as a fraction"),
    (profile("policy: 2026-11-23"), "3:5 profiles.web.policy: YAML reads 2026-11-23 as a date"),
    (profile("policy: pin\nsoak: 1:30"), "4:5 profiles.web.soak: YAML reads 1:30 as another number"),
    (profile("policy: pin\nsoak: 010"), "4:5 profiles.web.soak: YAML reads 010 as another number"),
    (
        profile("policy: pin\nsearch: no"),
        "4:5 profiles.web.search: YAML reads no as true or false; quote it: 'no'",
    ),
    (profile("policy: pin\nsoak: .inf"), "4:5 profiles.web.soak: YAML reads .inf as a fraction"),
    (profile("policy: !Ref Policy"), "3:5 profiles.web.policy: the YAML tag !Ref is not understood"),
    (profile("policy: !!python/name:os.system x"), "3:5 profiles.web.policy: the YAML tag"),
    (profile("policy: pin\nsoak: 5m\nsoak: 6m"), "5:5 profiles.web.soak: the key is there twice, first in line 4"),
    ("profiles:\n  a: &a {policy: pin}\n  b:\n    <<: *a", "4:5 profiles.b: merge keys (<<) are not supported"),
    ("profiles: &a\n  web: *a", "2:3 profiles.web: an alias that contains itself"),
    ("profiles: {", "1:12: not valid YAML"),
    ("profiles:\n\tweb: 1", "2:1: not valid YAML"),
    ("a: 1\n---\nb: 2", "2:1: not valid YAML"),
]


@pytest.mark.parametrize(("text", "expected"), STRUCTURE + TRAPS, ids=[text for text, _ in STRUCTURE + TRAPS])
def test_a_wrong_structure_is_named_with_place_and_fix(tmp_path: Path, text: str, expected: str) -> None:
    [problem] = problems(tmp_path, text)
    assert problem.startswith(f"longshore.yaml:{expected}")


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = profile("policy: latest\nsoak: soon\nwirte: digest") + "  api:\n    write: digest\n"
    assert [problem.split(" ")[0] for problem in problems(tmp_path, text)] == [
        "longshore.yaml:3:5",
        "longshore.yaml:4:5",
        "longshore.yaml:5:5",
        "longshore.yaml:6:3",
    ]


def test_an_alias_that_does_not_contain_itself_is_good(tmp_path: Path) -> None:
    assert problems(tmp_path, "profiles:\n  a: &a {policy: pin}\n  b: *a\n") == []


def test_aliases_that_multiply_beyond_measure_are_refused(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    [problem] = problems(tmp_path, "\n".join(levels))
    assert "multiplied by aliases" in problem


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000 + "}" * 5_000, "x" * 300_000])
def test_hostile_sizes_are_refused(tmp_path: Path, text: str) -> None:
    assert len(problems(tmp_path, text)) == 1


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_content_raises(content: bytes) -> None:
    document = read_document(content)
    assert document.problems or isinstance(document.data, dict | list | str | int | float | bool | None)


VALUES = st.sampled_from(
    [*POLICIES, "latest", "^a$", "^(?P<key>[0-9]+)$", "a|b", "(", "channel:rc", "include", "digest", "hold", "index", "alert", "5m", "", 0, 1, -1, True, False, None]
)  # fmt: skip
KEYS = st.sampled_from([*schema()["$defs"]["profile"]["properties"], "gates", "approvals", "range", "loose"])


@given(
    st.dictionaries(KEYS, VALUES | st.lists(VALUES, max_size=2), max_size=5),
    st.sampled_from(["web", "a.b-c", "on", "x" * 65]),
)
def test_what_the_check_accepts_the_product_can_read(
    tmp_path_factory: pytest.TempPathFactory, body: dict[str, object], name: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "generated.yaml"
    file.write_text(json.dumps({"profiles": {name: body}}))  # JSON is YAML
    config, found = read(file)
    if not found:
        assert set(read_profiles(config["profiles"])) == {name}


def test_without_the_product_the_schema_alone_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "find_spec", lambda _: None)
    assert problems(tmp_path, profile("policy: pin\nallow: 'v1'")) == []
    assert len(problems(tmp_path, profile("policy: latest"))) == 1


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "longshore_config", *arguments], capture_output=True, text=True, check=False
    )


def test_the_build_fails_with_line_and_key_and_writes_nothing(tmp_path: Path) -> None:
    file, out = tmp_path / "longshore.yaml", tmp_path / "out" / "config.json"
    file.write_text(profile("policy: pin\nwrite: tag"))
    done = run(str(file), str(out))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("longshore.yaml:4:5 profiles.web.write: 'tag' is not one of")
    assert not out.exists()


def test_wrong_usage_and_a_missing_file_are_exit_2(tmp_path: Path) -> None:
    assert run().returncode == 2
    done = run(str(tmp_path / "absent.yaml"))
    assert (done.returncode, "No such file" in done.stderr) == (2, True)
