"""Sliding windows: the order in which stops arrive, and how often, changes nothing (recover O1)."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.errors import ConfigurationError
from longshore.recover.crash_loops import Act, CrashLoopPolicy
from longshore.recover.loop_policy import read_crash_loop_policy
from longshore.recover.troubles import FULL, HALF, Limit, Sign, Trouble, reaches
from tests.fakes import START

POLICY = CrashLoopPolicy()
SIGNS = st.lists(
    st.builds(
        Sign,
        id=st.uuids().map(str),
        at=st.integers(0, 3600).map(lambda seconds: START + timedelta(seconds=seconds)),
        weight=st.sampled_from([FULL, HALF]),
        young=st.booleans(),
    ),
    max_size=25,
)
LIMITS = st.builds(
    Limit, st.integers(1, 6), st.integers(0, 3600).map(lambda seconds: timedelta(seconds=seconds)), st.booleans()
)


def counted(signs: list[Sign]) -> Trouble:
    trouble = Trouble("service", "LOOP#1")
    for each in signs:
        trouble = trouble.with_sign(each, POLICY.keep)
    return trouble


@given(SIGNS, st.integers(), st.lists(st.integers(0, 24), max_size=10))
def test_neither_order_nor_duplicates_matter(signs: list[Sign], seed: int, again: list[int]) -> None:
    """All within an hour: any order, any of them twice, leads to the same."""
    shuffled = [*signs, *(signs[number] for number in again if number < len(signs))]
    Random(seed).shuffle(shuffled)
    assert counted(shuffled) == counted(signs)
    for each in signs:
        assert counted(shuffled).crossed(POLICY.limits, each) == counted(signs).crossed(POLICY.limits, each)
    assert len(counted(shuffled).signs) == len(signs)


@given(SIGNS, LIMITS)
def test_a_window_is_what_it_says(signs: list[Sign], limit: Limit) -> None:
    """Against the plain definition: some window that ends with a sign holds enough."""
    ordered = sorted((each for each in signs if each.young or not limit.young), key=lambda each: each.at)
    plainly = any(
        sum(each.weight for each in ordered if timedelta(0) <= last.at - each.at <= limit.within) >= limit.signs * FULL
        for last in ordered
    )
    assert reaches(sorted(signs, key=lambda each: each.at), limit) is plainly


@given(SIGNS, LIMITS)
def test_more_signs_never_end_a_loop(signs: list[Sign], limit: Limit) -> None:
    ordered = sorted(signs, key=lambda each: each.at)
    found = [reaches(ordered[:count], limit) for count in range(len(ordered) + 1)]
    assert found == sorted(found)


@given(SIGNS)
def test_the_ledger_keeps_all_of_it(signs: list[Sign]) -> None:
    trouble = counted(signs).begun(START, POLICY.limits[0], {"family": "web"}).ended(START + timedelta(minutes=1))
    assert Trouble.read(json.loads(json.dumps(trouble.as_json())), trouble.version) == trouble


def test_what_is_kept_is_bounded() -> None:
    signs = [Sign(str(number), START + timedelta(seconds=number)) for number in range(500)]
    assert len(counted(signs).signs) == 60
    assert counted(signs).signs[-1].id == "499"
    old = Sign("old", START - timedelta(hours=2))
    assert old not in counted([*signs, old]).signs


def test_signs_before_the_end_do_not_open_it_again() -> None:
    signs = [Sign(str(number), START + timedelta(seconds=number)) for number in range(3)]
    over = counted(signs).begun(START, POLICY.limits[0], {}).ended(START + timedelta(seconds=10))
    assert over.crossed(POLICY.limits, signs[-1]) is None
    late = Sign("9", START + timedelta(seconds=11))
    assert over.with_sign(late, POLICY.keep).crossed(POLICY.limits, late) is None


@given(SIGNS.filter(bool), LIMITS)
def test_what_opens_a_loop_is_part_of_it(signs: list[Sign], limit: Limit) -> None:
    """Against the plain definition: some window that holds the sign holds enough."""
    ordered = [each for each in counted(signs).signs if each.young or not limit.young]
    for sign in signs:
        windows = [
            [each for each in ordered if timedelta(0) <= last.at - each.at <= limit.within]
            for last in ordered
            if timedelta(0) <= last.at - sign.at <= limit.within
        ]
        plainly = any(sum(each.weight for each in window) >= limit.signs * FULL for window in windows)
        assert (counted(signs).crossed((limit,), sign) == limit) is plainly


# -- the configuration ----------------------------------------------------------------------------------------------


def test_without_configuration_the_defaults_hold() -> None:
    assert read_crash_loop_policy(None) == read_crash_loop_policy({}) == CrashLoopPolicy()


def test_every_key_is_read() -> None:
    section = {
        "act": "rollback",
        "stops": 4,
        "within": 300,
        "ran": 120,
        "slow_stops": 9,
        "slow_within": 7200,
        "quiet": 1200,
        "again": 600,
    }
    seconds = [timedelta(seconds=each) for each in (300, 120, 7200, 1200, 600)]
    expected = CrashLoopPolicy(Act.ROLLBACK, 4, seconds[0], seconds[1], 9, *seconds[2:])
    assert read_crash_loop_policy({"crash_loop": section}) == expected


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("rollback", "recover.crash_loop"),
        ({"act": "panic"}, "recover.crash_loop.act"),
        ({"act": ["notify"]}, "recover.crash_loop.act"),
        ({"stops": 0}, "recover.crash_loop.stops"),
        ({"stops": True}, "recover.crash_loop.stops"),
        ({"slow_stops": 21}, "recover.crash_loop.slow_stops"),
        ({"within": "10m"}, "recover.crash_loop.within"),
        ({"quiet": 90000}, "recover.crash_loop.quiet"),
    ],
)
def test_a_wrong_key_is_named(section: object, key: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_crash_loop_policy({"crash_loop": section})
    assert error.value.key == key
    assert error.value.fix
