"""The HTTP headers that registries speak in, read without trust: what cannot be read is None, never an exception."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from longshore.mirror.ports import RateLimit
from longshore.texts import printable

_LONGEST: Final = 16_384
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME: Final = re.compile(rf"[\s,]*({_TOKEN})(?=\s|,|$)\s*")
_PARAMETER: Final = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)')
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_RELATION: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)
_CONTENT_RANGE: Final = re.compile(r"bytes\s+(\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII | re.IGNORECASE)
_RANGE: Final = re.compile(r"(?:bytes=)?0-(\d{1,19})", re.ASCII | re.IGNORECASE)
_RATE: Final = re.compile(r"(\d{1,12})(?:\s*;\s*w\s*=\s*(\d{1,12}))?", re.ASCII)
_NUMBER: Final = re.compile(r"\d{1,19}", re.ASCII)
_WARNING: Final = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(h|ms|m|s|us|µs|μs|ns)", re.ASCII)
_TOLD_DURATION: Final = re.compile(
    r"retry[- ]after:?\s*((?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|m|s|us|µs|μs|ns))+)", re.IGNORECASE
)
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


class Challenge(NamedTuple):
    """One way to authenticate, from WWW-Authenticate: the scheme and its parameters' names are lower case."""

    scheme: str
    parameters: Mapping[str, str]


class ByteRange(NamedTuple):
    """Content-Range: `first` and `last` are offsets, `total` is None for ``*``."""

    first: int
    last: int
    total: int | None


def challenges(values: Iterable[str]) -> Iterator[Challenge]:
    """What WWW-Authenticate offers, also when several headers or one list say it (RFC 9110 11.6.1)."""
    for value in values:
        text, at = value[:_LONGEST], 0
        while scheme := _SCHEME.match(text, at):
            at, parameters = scheme.end(), dict[str, str]()
            while parameter := _PARAMETER.match(text, at):
                parameters.setdefault(parameter[1].lower(), _unquoted(parameter[2]))
                at = parameter.end()
            yield Challenge(scheme[1].lower(), parameters)


def next_link(values: Iterable[str]) -> str | None:
    """The URL of the next page, as it stands (RFC 8288)."""
    for value in values:
        for target, parameters in _LINK.findall(value[:_LONGEST]):
            relation = _RELATION.search(parameters)
            if relation and "next" in (relation[1] or relation[2] or "").lower().split():
                return str(target).strip()
    return None


def content_range(text: str | None) -> ByteRange | None:
    """Which bytes a 206 brings."""
    match = _CONTENT_RANGE.fullmatch((text or "").strip())
    if match is None or int(match[1]) > int(match[2]):
        return None
    return ByteRange(int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3]))


def received(text: str | None) -> int | None:
    """How many bytes of an upload the Range of a registry's answer acknowledges; `0-0` reads as one byte."""
    match = _RANGE.fullmatch((text or "").strip())
    return int(match[1]) + 1 if match else None


def number(text: str | None) -> int | None:
    """A size or a count."""
    stripped = (text or "").strip()
    return int(stripped) if _NUMBER.fullmatch(stripped) else None


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Docker Hub's ratelimit headers, from headers with lower-case names; None unless both are there."""
    limit = _RATE.fullmatch(headers.get("ratelimit-limit", "").strip())
    remaining = _RATE.fullmatch(headers.get("ratelimit-remaining", "").strip())
    if limit is None or remaining is None:
        return None
    window = int(limit[2] or remaining[2] or 0)
    return RateLimit(int(limit[1]), int(remaining[1]), window, headers.get("docker-ratelimit-source", "")[:200])


def retry_after(text: str | None, message: str, now: datetime) -> float | None:
    """Seconds to stay away: by Retry-After in either form, else by what ghcr.io writes in its message (mirror 4.30)."""
    value = (text or "").strip()
    if number(value) is not None:
        return float(value)
    if value:
        try:
            return max((_utc(parsedate_to_datetime(value)) - now).total_seconds(), 0.0)
        except (ValueError, TypeError, OverflowError):
            pass
    told = _TOLD_DURATION.search(message[:_LONGEST])
    if told is None:
        return None
    return sum(float(amount) * _UNITS[unit.lower()] for amount, unit in _DURATION.findall(told[1].lower()))


def warnings(values: Iterable[str]) -> Iterator[str]:
    """What the registry wants its users to read (mirror 4.32)."""
    for value in values:
        for text in _WARNING.findall(value[:_LONGEST]):
            yield printable(re.sub(r"\\(.)", r"\1", text))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
