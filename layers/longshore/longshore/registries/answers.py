"""What a registry's refusal means: one error of Longshore's tree for a status, the registry's codes and its words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from longshore.errors import AccessDeniedError, GoneError, LongshoreError, UnsupportedError, UpstreamError
from longshore.mirror.errors import (
    ImmutableTagError,
    IntegrityError,
    MissingError,
    RefusedError,
    RepositoryGoneError,
    UploadLostError,
    UploadOffsetError,
)
from longshore.registries.headers import received
from longshore.texts import printable

if TYPE_CHECKING:
    from longshore.registries.transport import Answer

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_IMMUTABLE: Final = re.compile(r"immutable|cannot be overwritten|is not mutable", re.IGNORECASE)
_QUOTA: Final = re.compile(
    r"quota|limit ?exceeded|exceeds? the limit|maximum number|reached (?:the|its) (?:\w+ )?limit", re.IGNORECASE
)
_UNKNOWN_BLOBS: Final = frozenset({"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"})
_LOST_UPLOADS: Final = frozenset({"BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID"})
_MISSING_DIGESTS: Final = 100
_LONGEST: Final = 10_000


class Where(NamedTuple):
    """What an error is about: side and host, repository, and a reference or a digest."""

    side: str
    host: str
    repository: str = ""
    reference: str = ""

    def __str__(self) -> str:
        place = f"{self.host}/{self.repository}" if self.repository else self.host
        if self.reference:
            place += ("@" if ":" in self.reference else ":") + self.reference
        return f"{self.side} {place}"


class Refusal(NamedTuple):
    """An answer that is no success, in the registry's own words."""

    status: int
    codes: tuple[str, ...]
    message: str
    range: str | None = None

    @classmethod
    def of(cls, answer: Answer) -> Refusal:
        """Reads and releases an answer; any body will do."""
        codes, message = _errors(answer.excerpt())
        return cls(answer.status, codes, message, answer.headers.get("range"))

    @property
    def text(self) -> str:
        """Status, codes and message for people."""
        said = ": ".join(part for part in (" ".join(self.codes), self.message) if part)
        return f"{self.status} {said}".strip()


def _errors(body: bytes) -> tuple[tuple[str, ...], str]:
    try:
        document = json.loads(body)
        entries = document.get("errors") if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        return (), printable(body.decode("utf-8", "replace"))
    if not isinstance(entries, list):
        return (), printable(body.decode("utf-8", "replace"))
    found = [entry for entry in entries[:_MISSING_DIGESTS] if isinstance(entry, dict)]
    codes = dict.fromkeys(printable(str(entry.get("code") or ""), 60).upper() for entry in found)
    texts = dict.fromkeys(_words(entry) for entry in found)
    return tuple(filter(None, codes)), "; ".join(filter(None, texts))[:_LONGEST]


def _words(entry: dict[str, Any]) -> str:
    message, detail = str(entry.get("message") or ""), entry.get("detail")
    shown, told = printable(message), message + (json.dumps(detail) if detail else "")
    named = dict.fromkeys(_DIGEST.findall(told[:_LONGEST]))  # what is missing, however many there are
    return " ".join([shown, *(digest for digest in named if digest not in shown)])


def refused(where: Where, what: str, refusal: Refusal) -> LongshoreError:
    """The error for an answer to `what` was asked; throttling and uploads have their own."""
    text = f"{where}: {what}: {refusal.text}"[:1_500]
    status, codes = refusal.status, set(refusal.codes)
    if status >= 500 or status in (408, 425):  # noqa: PLR2004
        return UpstreamError(text)
    if "NAME_UNKNOWN" in codes:
        return RepositoryGoneError(text)
    if codes & _UNKNOWN_BLOBS and what.startswith("PUT manifest"):
        return MissingError(text, tuple(dict.fromkeys(_DIGEST.findall(refusal.message)))[:_MISSING_DIGESTS])
    if _IMMUTABLE.search(refusal.message) and what.startswith("PUT manifest"):
        return ImmutableTagError(text, status, refusal.codes)
    if "DIGEST_INVALID" in codes and what.startswith("PUT"):
        return IntegrityError(text)
    return _by_status(text, refusal)


def _by_status(text: str, refusal: Refusal) -> LongshoreError:
    match refusal.status:
        case 401:
            return AccessDeniedError(text)
        case 403 if not _QUOTA.search(refusal.message):
            return AccessDeniedError(text)
        case 404 | 410:
            return GoneError(text)
        case 405 | 415 | 501:
            return UnsupportedError(text)
    if refusal.status < 400:  # noqa: PLR2004
        return UpstreamError(f"{text}: not an answer to this")
    return RefusedError(text, refusal.status, refusal.codes)


def upload_refused(where: Where, what: str, refusal: Refusal) -> LongshoreError:
    """The error for an answer within an upload session."""
    text = f"{where}: {what}: {refusal.text}"[:1_500]
    if refusal.status == 416:  # noqa: PLR2004
        has = received(refusal.range)
        return UploadOffsetError(text, has) if has is not None else UploadLostError(text)
    gone = refusal.status == 404 and "NAME_UNKNOWN" not in refusal.codes  # noqa: PLR2004
    if gone or (_LOST_UPLOADS & set(refusal.codes) and refusal.status < 500):  # noqa: PLR2004
        return UploadLostError(text)
    return refused(where, what, refusal)
