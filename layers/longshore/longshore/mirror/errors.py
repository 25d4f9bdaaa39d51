"""The errors of copying; each message names the side, the host, the repository and what was asked of it.

PermanentError
├── IntegrityError           a registry's bytes are not what their digest or size says; nothing of them was kept
├── AddressError             an address that may not be spoken to: private, or without TLS
├── ProtocolError            an answer that the distribution specification does not allow
├── RefusedError             the registry does not take it; `codes` are its own
│   └── ImmutableTagError    the tag exists and may not move
├── AccessDeniedError        401 or 403, after credentials were tried
└── GoneError
    └── RepositoryGoneError  the repository does not exist: create it, then try again
TransientError
├── NotReadyError
│   └── MissingError         the registry lacks what a manifest lists; `digests` where it said
├── ConflictError
│   ├── UploadLostError      the upload session is no more: begin anew
│   ├── UploadOffsetError    the session goes on elsewhere: at `offset`
│   ├── BusyError            somebody else is sending the blob: look again later
│   └── LeaseLostError       somebody else has taken the work over: stop, and leave it to them
├── ThrottledError
│   └── PutOffError          come back at `until`: too far away to wait for
├── UnfinishedError          the time is up, or somebody stopped it: begin again, what arrived is kept
└── UpstreamError            failed or could not be reached, for as often as it was tried
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from longshore.errors import ConflictError, GoneError, NotReadyError, PermanentError, ThrottledError, TransientError

if TYPE_CHECKING:
    from longshore.images import Digest


class IntegrityError(PermanentError):
    """Content is not what its digest, its size or its own headers say."""


class AddressError(PermanentError):
    """A host, redirect, upload location or token realm that Longshore must not speak to (design 10)."""


class ProtocolError(PermanentError):
    """An answer that no correct registry gives: a list without end, a location that is no URL."""


class RefusedError(PermanentError):
    """The registry refuses what was sent; `codes` are those of its error list, `status` the HTTP status."""

    def __init__(self, text: str, status: int = 400, codes: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.codes = codes


class ImmutableTagError(RefusedError):
    """The tag exists and is immutable. ECR says so even when it has the same digest (mirror 3): look before a retry."""


class RepositoryGoneError(GoneError):
    """The repository does not exist."""


class MissingError(NotReadyError):
    """Blobs or children that a manifest lists are not in the registry; `digests` is empty when it did not say which."""

    def __init__(self, text: str, digests: tuple[Digest, ...] = ()) -> None:
        super().__init__(text)
        self.digests = digests


class UploadLostError(ConflictError):
    """The registry knows the upload session no longer."""


class UploadOffsetError(ConflictError):
    """The registry has `offset` bytes of the upload, not as many as were sent before."""

    def __init__(self, text: str, offset: int) -> None:
        super().__init__(text)
        self.offset = offset


class BusyError(ConflictError):
    """Another invocation or process is sending the blob to the same repository now."""


class LeaseLostError(ConflictError):
    """What was worked on belongs to somebody else since: this one took too long between two renewals."""


class PutOffError(ThrottledError):
    """The registry asked to stay away for longer than may be waited here; `until` is when to come back, in UTC."""

    def __init__(self, text: str, retry_after: float, until: datetime) -> None:
        super().__init__(text, retry_after)
        self.until = until


class UnfinishedError(TransientError):
    """The deadline is near or the run was stopped. Nothing is lost: a new run goes on with what has arrived."""
