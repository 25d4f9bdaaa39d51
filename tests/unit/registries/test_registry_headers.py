"""Headers of registries: what they say, and that nothing they could say raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.mirror.ports import RateLimit
from longshore.registries.headers import (
    ByteRange,
    Challenge,
    challenges,
    content_range,
    next_link,
    number,
    rate_limit,
    received,
    retry_after,
    warnings,
)
from longshore.texts import printable

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-_.", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'Basic realm="ecr",service="ecr.amazonaws.com"',
            [("basic", {"realm": "ecr", "service": "ecr.amazonaws.com"})],
        ),
        ("Bearer", [("bearer", {})]),
        (
            'BEARER realm="a", scope="repository:x:pull,push"',
            [("bearer", {"realm": "a", "scope": "repository:x:pull,push"})],
        ),
        ('Basic realm="x", Bearer realm=y', [("basic", {"realm": "x"}), ("bearer", {"realm": "y"})]),
        ('Bearer realm="a\\"b"', [("bearer", {"realm": 'a"b'})]),
        ('Bearer realm="never closed', [("bearer", {})]),
        ("", []),
        (",,,", []),
    ],
)
def test_challenges(text: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    found = list(challenges([text]))
    assert found[: len(expected)] == [Challenge(scheme, parameters) for scheme, parameters in expected]


@given(TOKENS, st.dictionaries(TOKENS, VALUES, max_size=5))
def test_a_challenge_is_read_as_it_was_written(scheme: str, parameters: dict[str, str]) -> None:
    text = f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
    assert next(challenges([text])) == (scheme, parameters)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('</v2/x/tags/list?n=1&last=a>; rel="next"', "/v2/x/tags/list?n=1&last=a"),
        ("<http://h/v2/a,b>; rel=next", "http://h/v2/a,b"),
        ('<a>; rel="prev", <b>; title="x"; rel="first next"', "b"),
        ("<a>; rel=nextish", None),
        ("a; rel=next", None),
        ("<a>", None),
    ],
)
def test_links(text: str, url: str | None) -> None:
    assert next_link([text]) == url


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(0, 10**12) | st.none())
def test_ranges_are_read_as_they_were_written(first: int, more: int, total: int | None) -> None:
    told = ByteRange(first, first + more, total)
    assert content_range(f"bytes {told.first}-{told.last}/{'*' if total is None else total}") == told
    assert received(f"0-{first}") == received(f"bytes=0-{first}") == first + 1


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "bytes 9-1/10",
        "bytes 0-1",
        "octets 0-1/2",
        "bytes -1/2",
        "bytes 0-99999999999999999999/1",
        "bytes ٣-٤/٥",
    ],
)
def test_what_is_no_range(text: str | None) -> None:
    assert content_range(text) is None


@pytest.mark.parametrize(
    ("text", "message", "seconds"),
    [
        ("30", "", 30.0),
        ("0", "", 0.0),
        ("Mon, 23 Nov 2026 09:01:00 GMT", "", 60.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", "", 0.0),
        ("Mon, 23 Nov 2026 09:01:00 -0000", "", 60.0),
        ("soon", "", None),
        (None, "retry-after: 1m1.5s, allowed: 44000/minute", 61.5),
        (None, "retry-after: 412.33µs, allowed: 44000/minute", 0.00041233),
        (None, "Retry after 2h", 7200.0),
        ("soon", "retry-after: 500ms", 0.5),
        (None, "slow down", None),
    ],
)
def test_how_long_to_stay_away(text: str | None, message: str, seconds: float | None) -> None:
    assert retry_after(text, message, NOW) == (None if seconds is None else pytest.approx(seconds))


def test_budgets() -> None:
    headers = {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "76;w=21600",
        "docker-ratelimit-source": "1.2.3.4",
    }
    assert rate_limit(headers) == RateLimit(100, 76, 21_600, "1.2.3.4")
    assert rate_limit({"ratelimit-limit": "100"}) is None
    assert rate_limit({**headers, "ratelimit-remaining": "none"}) is None


def test_numbers() -> None:
    assert [number(text) for text in ("0", " 12 ", "-1", "1.0", "", None, "٣", "9" * 20)] == [0, 12, *[None] * 6]


def test_warnings_for_people() -> None:
    assert list(warnings(['299 - "gone \\"soon\\""', '199 - "no"', "299 x"])) == ['gone "soon"']


@given(st.text() | st.text('<>;=",\\ bytesrel-nextBearer0123456789', max_size=200))
def test_nothing_raises(text: str) -> None:
    list(challenges([text, text]))
    next_link([text])
    content_range(text)
    received(text)
    number(text)
    rate_limit({"ratelimit-limit": text, "ratelimit-remaining": text})
    retry_after(text, text, NOW)
    list(warnings([text]))
    assert len(printable(text)) <= 300
    assert printable(text).isprintable()
