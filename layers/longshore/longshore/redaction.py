"""Redaction: secrets and signed addresses leave text before anybody is told (design 10).

Known shapes only: a secret without a shape or a name beside it cannot be told from a word. Every pattern is linear in
the text, and the text is cut first, so hostile logs cost no more than honest ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

MARK = "[redacted]"
LINES = 40
"""Lines of a log's tail that are told (notify 6, mock a)."""
_LIMIT = 64_000
_LINE = 2_000
_DEPTH = 32

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret(?:[_-]?(?:access)?[_-]?key)?|token|api[_-]?key|access[_-]?key|auth[_-]?token|"
    r"client[_-]?secret|private[_-]?key|signing[_-]?secret|credentials?|connection[_-]?string|session[_-]?token"
)
_PATTERNS = (
    # a PEM block, to its end or to the end of what is left of it
    (r"-----BEGIN [A-Z0-9 ]{1,40}-----(?s:.*?)(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", 0),
    # and the rest of one whose beginning was cut off
    (r"\A[A-Za-z0-9+/=\r\n]*-----END [A-Z0-9 ]{1,40}-----", 0),
    # webhooks of Slack, Teams (connectors and workflows) and Discord are secrets as a whole
    (r"https://hooks\.slack(?:-gov)?\.com/[^\s\"'<>]{1,2000}", 1),
    (r"https://[a-z0-9.-]{1,200}\.webhook\.office\.com/[^\s\"'<>]{1,2000}", 1),
    (r"https://[a-z0-9.-]{1,200}\.(?:logic\.azure\.com|powerplatform\.com)[^\s\"'<>]{1,2000}", 1),
    (r"https://discord(?:app)?\.com/api/webhooks/[^\s\"'<>]{1,2000}", 1),
    # signed addresses: only the signature and the credentials go
    (
        r"(?P<keep>[?&](?:X-Amz-(?:Signature|Credential|Security-Token)|sig|signature|AWSAccessKeyId)=)[^&\s\"'<>]+",
        1,
    ),
    # the password of an address that names its user
    (r"(?P<keep>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{0,200}:)[^\s@/\"'<>]{1,500}(?=@)", 1),
    (r"(?P<keep>\b(?:proxy-)?authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\r\n\"']{1,4000}", 1),
    (r"(?P<keep>\bset-cookie[\"']?\s{0,4}[:=]\s{0,4}|\bcookie[\"']?\s{0,4}:\s{0,4})[^\r\n]{1,4000}", 1),
    (r"(?P<keep>\bbearer\s{1,4})[A-Za-z0-9._~+/=-]{8,4000}", 1),
    (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?", 0),
    (r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b", 0),
    (r"\bxox[abeprs](?:\.xox[bp])?-[A-Za-z0-9-]{8,}|\bxapp-[A-Za-z0-9-]{8,}", 0),
    (r"\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}", 0),
    (r"\bdckr_pat_[A-Za-z0-9_-]{16,}|\bwhsec_[A-Za-z0-9+/=]{16,}|\b(?:sk|rk)_live_[A-Za-z0-9]{16,}", 0),
    # NAME=value, "name": "value", --name value, with any prefix to the name (DB_PASSWORD); the ARN of a secret is none
    (
        rf"(?P<keep>(?<!:[0-9]{{12}}:)(?:{_NAMES})[\"']?\s{{0,4}}[:=]\s{{0,4}})(?:\"[^\"\r\n]{{1,4000}}\"?|'[^'\r\n]{{1,4000}}'?|[^\s\"'&,;]+)",
        1,
    ),
    (rf"(?P<keep>--(?:[a-z0-9]{{1,20}}-){{0,4}}(?:{_NAMES})\s{{1,4}})[^\s\"']+", 1),
    # a secret access key is forty characters of base64 and nothing else; a digest is hexadecimal, so it stays
    (
        r"(?<![A-Za-z0-9+/=_-])(?=[A-Za-z0-9+/]{0,39}[G-Zg-z+/])(?=[A-Za-z0-9+/]{0,39}[A-Z])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_-])",
        0,
    ),
)
"""Each with whether case is of no matter in it."""


@cache
def _compiled() -> tuple[re.Pattern[str], ...]:
    """When the first text comes: a cold start does not wait for it."""
    return tuple(re.compile(pattern, re.IGNORECASE if anyhow else re.NOFLAG) for pattern, anyhow in _PATTERNS)


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text that may be told, and how many secrets were taken out of it."""

    text: str
    count: int = 0


def redact(text: str) -> Redacted:
    """Text without its secrets. What is longer than 64,000 characters loses its beginning."""
    kept, count = text[-_LIMIT:], 0
    for pattern in _compiled():
        kept, found = _replaced(pattern, kept)
        count += found
    return Redacted(kept, count)


def tail(text: str, lines: int = LINES) -> Redacted:
    """The last lines of a log, redacted. A block that begins before them is redacted as well."""
    redacted = redact("\n".join(line[:_LINE] for line in text[-4 * _LIMIT :].splitlines()))
    kept = "\n".join(redacted.text.rstrip("\n").split("\n")[-lines:]) if lines > 0 else ""
    return Redacted(kept, redacted.count)


def redact_all(value: object, depth: int = _DEPTH) -> object:
    """Every string of a JSON value redacted, and what stands under a name that means a secret."""
    if isinstance(value, str):
        return redact(value).text
    if depth <= 0:
        return MARK if isinstance(value, Mapping | list) else value
    if isinstance(value, Mapping):
        return {str(key): _member(str(key), member, depth) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [redact_all(member, depth - 1) for member in value]
    return value


_SECRET_NAME = re.compile(rf"(?:.*[_-])?(?:{_NAMES})", re.IGNORECASE | re.DOTALL)


def _member(key: str, value: object, depth: int) -> object:
    if isinstance(value, str) and value and _SECRET_NAME.fullmatch(key):
        return MARK
    return redact_all(value, depth - 1)


def _replaced(pattern: re.Pattern[str], text: str) -> tuple[str, int]:
    found = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal found
        kept = match.groupdict().get("keep") or ""
        if match[0][len(kept) :].strip("\"'") == MARK:
            return match[0]  # an earlier pattern saw it
        found += 1
        return kept + MARK

    return pattern.sub(mark, text), found
