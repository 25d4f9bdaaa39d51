"""How tags order: semantic versions, ranges, numbers, calendar versions."""

from __future__ import annotations

from itertools import pairwise

import pytest

from longshore.versions import (
    Level,
    VersionError,
    magnitude,
    parse_calver,
    parse_range,
    parse_semver,
)


@pytest.mark.parametrize(
    ("tag", "core", "prerelease", "variant"),
    [
        ("1.4.2", (1, 4, 2), "", ""),
        ("v1.4.2", (1, 4, 2), "", ""),
        ("1.4.2-rc.10", (1, 4, 2), "rc.10", ""),
        ("1.4.2-rc1", (1, 4, 2), "rc1", ""),
        ("1.4.2-alpha.beta", (1, 4, 2), "alpha.beta", ""),
        ("1.4.2-rc-1-alpine", (1, 4, 2), "rc-1", "alpine"),
        ("1.4.2-rc.1-alpine3.20", (1, 4, 2), "rc.1", "alpine3.20"),
        ("1.4.2-SNAPSHOT", (1, 4, 2), "SNAPSHOT", ""),
        ("1.4.2-alpine", (1, 4, 2), "", "alpine"),
        ("1.4.2-alpine-rc.1", (1, 4, 2), "", "alpine-rc.1"),
        ("1.4.2-main-5", (1, 4, 2), "", "main-5"),
        ("1.4.2-development", (1, 4, 2), "", "development"),
        ("1.4.2-4", (1, 4, 2), "", "4"),
        ("1.4.2-debian_12", (1, 4, 2), "", "debian_12"),
        ("0.0.0", (0, 0, 0), "", ""),
    ],
)
def test_a_semantic_version_is_core_prerelease_and_variant(
    tag: str, core: tuple[int, int, int], prerelease: str, variant: str
) -> None:
    found = parse_semver(tag)
    assert found is not None
    assert (found.core, found.prerelease, found.variant) == (core, prerelease, variant)


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "latest",
        "1",
        "1.4",
        "1.4.2.1",
        "20260821",
        "01.4.2",
        "1.4.02",
        "1.4.2-rc.01",
        "1.4.2-",
        "V1.4.2",
        "vv1.4.2",
        "1.4.2+build",
        "1.4.2\n",
        " 1.4.2",
        "\u0661.٤.٢",
        "1.4.2-é",
        "1." + "9" * 200 + ".0",
        "-1.0.0",
    ],
)
def test_what_is_not_strictly_a_semantic_version_is_none(tag: str) -> None:
    assert parse_semver(tag) is None


def test_precedence_is_that_of_semver_2() -> None:
    ascending = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    places = [found.precedence for tag in ascending if (found := parse_semver(tag))]
    assert len(places) == len(ascending)
    assert all(low < high for low, high in pairwise(places))


@pytest.mark.parametrize(("prerelease", "channel"), [("rc.2", "rc"), ("RC2", "rc"), ("beta-3", "beta"), ("", "")])
def test_the_channel_is_the_first_word(prerelease: str, channel: str) -> None:
    found = parse_semver(f"1.0.0-{prerelease}".rstrip("-"))
    assert found is not None
    assert found.channel == channel


@pytest.mark.parametrize(
    ("level", "same", "outside"),
    [(Level.PATCH, "1.4.9", "1.5.0"), (Level.MINOR, "1.9.0", "2.0.0"), (Level.MAJOR, "9.0.0", None)],
)
def test_a_level_keeps_what_is_above_it(level: Level, same: str, outside: str | None) -> None:
    current = parse_semver("1.4.2")
    inside = parse_semver(same)
    assert current and inside and level.permits(current, inside)
    beyond = parse_semver(outside) if outside else None
    assert beyond is None or not level.permits(current, beyond)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=1.2 <2", "1.2.0 1.99.0", "1.1.9 2.0.0 2.0.0-rc.1 1.2.0-rc.1"),
        (">= 1.2 < 2", "1.2.0 1.99.0", "1.1.9 2.0.0"),
        (">1.2", "1.3.0 2.0.0", "1.2.0 1.2.9"),
        (">1.2.3", "1.2.4", "1.2.3"),
        ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
        ("<=1.2.3", "1.2.3 1.2.3-rc.1", "1.2.4"),
        ("<2.0.0-rc.2", "2.0.0-rc.1 1.9.0", "2.0.0-rc.2 2.0.0"),
        ("~1.4", "1.4.0 1.4.9", "1.3.9 1.5.0"),
        ("~1.4.2", "1.4.2 1.4.9", "1.4.1 1.5.0"),
        ("~1", "1.0.0 1.9.0", "2.0.0"),
        ("^1", "1.0.0 1.9.9", "0.9.0 2.0.0"),
        ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0.0", "0.0.9", "0.1.0"),
        ("^0", "0.9.9", "1.0.0"),
        ("1.x", "1.0.0 1.9.9", "0.9.0 2.0.0"),
        ("1.4.x", "1.4.0 1.4.9", "1.3.0 1.5.0"),
        ("1.4.*", "1.4.0", "1.5.0"),
        ("=1.4.2", "1.4.2", "1.4.1 1.4.3"),
        ("1.4.2", "1.4.2", "1.4.3"),
        (">=1.4.0-rc.1", "1.4.0-rc.1 1.4.0-rc.2", "1.4.0-beta.1"),
    ],
)
def test_a_range_permits_what_all_its_comparators_do(text: str, inside: str, outside: str) -> None:
    bounds = parse_range(text)
    for tag in inside.split() + outside.split():
        version = parse_semver(tag)
        assert version is not None
        assert bounds.permits(version, version) is (tag in inside.split()), tag


@pytest.mark.parametrize(
    "text", ["", " ", "1 || 2", ">=1,<2", "1.0.0 - 2.0.0", "latest", ">>1", "x", "^", "01", "1" * 129]
)
def test_a_malformed_range_is_an_error(text: str) -> None:
    with pytest.raises(VersionError):
        parse_range(text)


def test_numbers_of_any_length_compare_exactly() -> None:
    """Redeploy 4, defect 6: as floats, two 17-digit timestamps that differ in the last digit are equal."""
    low, high = magnitude("20260821123456781"), magnitude("20260821123456782")
    assert low is not None and high is not None and low < high
    long, longer = magnitude("9" * 5000), magnitude("1" + "0" * 5000)
    assert long is not None and longer is not None and long < longer
    assert magnitude("007") == magnitude("7")
    assert magnitude("000") == magnitude("0")


@pytest.mark.parametrize("text", ["", "-1", "+1", "1_000", "1.0", "1e3", " 1", "\u0661\u0662", "\u00b2", "0x1"])
def test_only_ascii_digits_are_a_number(text: str) -> None:
    assert magnitude(text) is None


@pytest.mark.parametrize(
    ("pattern", "older", "newer"),
    [
        ("YYYY.MM.DD", "2026.8.21", "2026.11.01"),
        ("YYYY.0M.0D", "2026.08.21", "2026.11.01"),
        ("YYYYMMDD", "20260821", "20261101"),
        ("YYYYMMDD-MICRO", "20260821-9", "20260821-10"),
        ("YYYYMMDDMICRO", "202608219", "2026082110"),
        ("YY.MM.MICRO", "26.8.9", "26.8.10"),
        ("YYYY.WW", "2026.9", "2026.10"),
        ("YYYY.MINOR.MICRO", "2026.9.9", "2026.10.0"),
        ("build-YYYY.MM", "build-2026.9", "build-2026.10"),
    ],
)
def test_calendar_versions_compare_as_numbers(pattern: str, older: str, newer: str) -> None:
    calver = parse_calver(pattern)
    low, high = calver.key(older), calver.key(newer)
    assert low is not None and high is not None and low < high


@pytest.mark.parametrize(
    ("pattern", "tag"),
    [
        ("YYYY.MM.DD", "2026.13.1"),
        ("YYYY.MM.DD", "2026.0.1"),
        ("YYYY.MM.DD", "2026.1.32"),
        ("YYYY.MM.DD", "2026-01-01"),
        ("YYYY.MM.DD", "1.4.2"),
        ("YYYY.MM.DD", "\u0662026.1.1"),
        ("YYYY.0M", "2026.8"),
        ("YYYYMMDD", "2026811"),
        ("YYYY.MM", ""),
    ],
)
def test_what_does_not_have_the_pattern_has_no_key(pattern: str, tag: str) -> None:
    assert parse_calver(pattern).key(tag) is None


@pytest.mark.parametrize(
    "pattern",
    ["", "DD.MM.YYYY", "MM.DD", "YYYY.YYYY", "yyyy.mm", "YYYY.MODIFIER", "YYYY.HH", "YYYY.MINORMICRO", "YYYY MM"],
)
def test_a_calendar_pattern_must_have_one_reading(pattern: str) -> None:
    with pytest.raises(VersionError):
        parse_calver(pattern)
