"""The `recover` section of `longshore.yaml`: checked to the key, compiled to seconds, read by the product."""

from __future__ import annotations

from pathlib import Path

import pytest

from longshore.recover.retry import Backoff, RetryPolicy
from longshore.recover.rules import read_retry_policy
from longshore_config.check import check, schema
from longshore_config.compile import compile_config


def written(tmp_path: Path, body: str) -> Path:
    file = tmp_path / "longshore.yaml"
    file.write_text("recover:\n" + "".join(f"  {line}\n" for line in body.splitlines()), encoding="utf-8")
    return file


def problems(tmp_path: Path, body: str) -> list[str]:
    return [problem.located("longshore.yaml") for problem in check(written(tmp_path, body))]


GOOD = [
    "attempts: {infra: 5, app: 3}",
    "attempts: {app: 20}",
    "backoff: {base: 15s, factor: 2, max: 15m}",
    "slow: {base: 2m, max: 1800}",
    "stable: 10m\nmax_age: 6h\ndeadline: 1d",
    "budgets: {family_per_hour: 10, cluster_per_hour: 60}",
    "breaker: {failures: 5, half_open_after: 30m}",
    "fallback: []",
    "fallback: [other-subnet, on-demand, next-size]",
    "memory: {raise: 50, cap: 8192}",
    "memory: {raise: 0}",
    "rules: []",
    "networks: {etl: {subnets: [subnet-01234567]}}",
    "networks: {'etl-*': {subnets: [subnet-01234567], security_groups: [sg-0123456789abcdef0], public_ip: true}}",
    "rules:\n  - {match: {class: [S2, 'I*']}, retry: now, counts: infra, attempts: 5}",
    "rules:\n  - {match: {exit_code: 75, family: 'etl-*'}, retry: backoff}",
    "rules:\n  - {match: {exit_code: [1-125, 255], cluster: c, owner: scheduled, container: app, reason: '*x*'}, retry: slow}",
    "rules:\n  - {match: {class: M1}, retry: backoff, memory: {cap: 16384}, fallback: [on-demand], backoff: {base: 1m}}",
    "rules:\n  - {match: {class: G2}, retry: never}\n  - {retry: never}",
]


@pytest.mark.parametrize("body", GOOD)
def test_every_option_is_accepted_and_read(tmp_path: Path, body: str) -> None:
    assert problems(tmp_path, body) == []
    read_retry_policy(compile_config(written(tmp_path, body))["recover"])


WRONG = [
    ("atempts: {app: 1}", "2:3 recover.atempts: unknown key; did you mean attempts?"),
    ("attempts: 3", "2:3 recover.attempts: a whole number where keys with values is expected"),
    ("attempts: {}", "2:3 recover.attempts: nothing is written below it"),
    ("attempts: {app: 0}", "2:14 recover.attempts.app: 0 is less than 1; write a whole number, 1 to 20"),
    ("attempts: {spot: 1}", "2:14 recover.attempts.spot: unknown key; known here: app, infra"),
    ("stable: 0", "2:3 recover.stable: 0 is less than 1"),
    ("stable: 0s", "2:3 recover.stable: is '0'; write a whole number, 1 to 86400"),
    ("deadline: 2d", "2:3 recover.deadline: is '172800'; write a whole number, 1 to 86400"),
    ("max_age: soon", "2:3 recover.max_age: 'soon' is not valid; write seconds"),
    ("backoff: {factor: 1.5}", "2:13 recover.backoff.factor: YAML reads 1.5 as a fraction"),
    ("backoff: {base: 1h}", "2:3 recover.backoff: begins with 3600s, more than its max of 900s; raise max"),
    ("fallback: [ondemand]", "2:14 recover.fallback[0]: 'ondemand' is not one of other-subnet, on-demand, next-size"),
    ("memory: {cap: 8GB}", "2:12 recover.memory.cap: text where a whole number is expected; write the most MiB"),
    ("rules:\n  - {match: {class: S2}}", "3:7 recover.rules[0]: the key retry is missing; write now (at once first)"),
    ("rules:\n  - {retry: always}", "3:8 recover.rules[0].retry: 'always' is not one of now, backoff, slow, never"),
    ("rules:\n  - {retry: now, match: {exitcode: 1}}", "3:28 recover.rules[0].match.exitcode: unknown key; did you mean"),
    ("rules:\n  - {retry: now, match: {exit_code: 256}}", "3:28 recover.rules[0].match.exit_code: 256 is more than 255"),
    ("rules:\n  - {retry: now, match: {exit_code: 9-1}}", "3:28 recover.rules[0].match.exit_code: is '9-1'; write exit codes"),
    ("networks: {etl: {}}", "2:14 recover.networks.etl: the key subnets is missing; write a list of subnets' ids"),
    ("networks: {etl: {subnets: [a]}}", "2:30 recover.networks.etl.subnets[0]: 'a' is not valid; write the id of a subnet"),
    ("networks: {etl: {subnets: [subnet-01234567], public: true}}", "2:48 recover.networks.etl.public: unknown key; did you mean"),
    ("rules:\n  - {retry: never, attempts: 2}", "3:22 recover.rules[0].attempts: "),
    ("rules:\n  - {retry: now}\n  - {retry: never}", "4:7 recover.rules[1]: no failure ever gets here: rules[0] takes"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), WRONG, ids=[body for body, _ in WRONG])
def test_a_wrong_option_is_named_with_place_and_fix(tmp_path: Path, body: str, expected: str) -> None:
    [problem] = problems(tmp_path, body)
    assert problem.startswith(f"longshore.yaml:{expected}")


def test_durations_become_seconds_at_any_depth(tmp_path: Path) -> None:
    body = "stable: 5m\nbackoff: {base: 1m, max: 1h}\nrules:\n  - {retry: slow, backoff: {base: 3m}}"
    compiled = compile_config(written(tmp_path, body))["recover"]
    assert compiled["stable"] == 300
    policy = read_retry_policy(compiled)
    assert policy.backoff == Backoff(60, 2, 3600)
    assert policy.rules[0].backoff == Backoff(180, 2, 1800)


def test_an_empty_section_is_the_default(tmp_path: Path) -> None:
    assert problems(tmp_path, "") == []
    assert read_retry_policy(compile_config(written(tmp_path, "")).get("recover")) == RetryPolicy()


def test_every_option_is_explained() -> None:
    options = schema()["properties"]["recover"]["properties"]
    assert {name for name, rule in options.items() if not (rule.get("description") or rule.get("$ref"))} == set()
