"""Profiles' regular expressions: the same matches as Python's, and never slow."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.patterns import PatternError, compile_pattern

_SOUND = [
    r"^v?\d+\.\d+\.\d+$",
    r"^(?P<key>[0-9]+)-(?:alpine|debian)$",
    r"^main-[0-9a-f]{2,4}$",
    r"^main-(?P<key>\d{1,3})(-.*)?$",
    r"^[^a-c]+[^\d]*\w\W?$",
    r"^(?:a|ab)(?:c|bcd)(?P<key>d*)$",
    r"^a*?(?P<key>a*)$",
    r"^(?P<key>a??)a*$",
    r"^(?:(?P<key>a|b)c?){1,3}$",
    r"^.{3}$",
    r"^$",
]


@pytest.mark.parametrize("text", _SOUND)
@given(tag=st.text("abcdmin-.0123", max_size=12))
def test_matches_and_keys_are_those_of_python(text: str, tag: str) -> None:
    pattern, reference = compile_pattern(text), re.compile(text).fullmatch(tag)
    assert pattern.matches(tag) is (reference is not None)
    if pattern.has_key:
        assert pattern.key(tag) == (reference["key"] if reference else None)


@given(tag=st.text("abcrc-.0123", max_size=12))
def test_a_search_finds_what_python_finds(tag: str) -> None:
    text = r"(?P<key>rc[.-]?\d*)"
    found = re.compile(text).search(tag)
    assert compile_pattern(text, search=True).key(tag) == (found["key"] if found else None)


@pytest.mark.parametrize("text", [r"^(a|a)*b$", r"^(a|ab|aa)*c$", r"^a*a*a*a*a*a*a*a*b$", r"^(?:a?){60}a{60}$"])
def test_what_takes_python_for_ever_ends(text: str) -> None:
    pattern = compile_pattern(text)
    assert pattern.matches("a" * 128) is False


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (r"\d+", "not anchored"),
        (r"^a|b$", "not anchored"),
        (r"", "not anchored"),
        (r"^(a+)+$", "within another"),
        (r"^((a*)b)*$", "within another"),
        (r"^(a)\1$", "groupref"),
        (r"^(?=a)a$", "assert"),
        (r"^(?<!a)a$", "assert"),
        (r"^(?i)a$", "not a regular expression"),
        (r"(?i)^a$", "flags"),
        (r"^(?i:a)$", "flags"),
        (r"^a++$", "possessive"),
        (r"^(?>a)$", "atomic"),
        (r"^\ba$", "word boundary"),
        (r"^(a{1,100}){1,100}$", "too large"),
        (r"^(?:(?:){99}){99}$", "too large"),
        (r"^(a$", "not a regular expression"),
        (r"^[[a]$", "not a regular expression"),
        ("^" + "a" * 300 + "$", "longer than"),
        ("^" + "(" * 120 + ")" * 120 + "$", None),
    ],
)
def test_patterns_outside_the_syntax_are_refused(text: str, problem: str | None) -> None:
    if problem is None:
        assert compile_pattern(text).matches("")
        return
    with pytest.raises(PatternError, match=problem):
        compile_pattern(text)


@pytest.mark.parametrize("tag", ["1" * 129, "\u0661\u0662", "1\n"])
def test_what_cannot_be_a_tag_matches_nothing(tag: str) -> None:
    assert not compile_pattern(r"^.*$").matches(tag)
