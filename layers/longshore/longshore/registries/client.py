"""A registry that speaks the OCI distribution API: manifests, tags and referrers (mirror 4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from longshore.errors import AccessDeniedError, GoneError, UnsupportedError
from longshore.images import is_tag
from longshore.manifests import ACCEPT, MAX_MANIFEST, Descriptor, Manifest, ManifestError, is_digest, read_object
from longshore.mirror.errors import IntegrityError, ProtocolError, RefusedError, RepositoryGoneError
from longshore.mirror.ports import ManifestHead, Stored
from longshore.mirror.referrers import fallback_tag, listed
from longshore.registries.answers import Refusal
from longshore.registries.headers import next_link
from longshore.registries.transport import Request, joined
from longshore.registries.uploads import Uploads
from longshore.registries.wire import Origin

if TYPE_CHECKING:
    from longshore.images import Digest
    from longshore.registries.transport import Answer

T = TypeVar("T")
_PAGE: Final = 1000
"""Tags asked for at once: ECR refuses more (mirror 3)."""
_LARGEST_PAGE: Final = 2 * 1024 * 1024
"""Bytes: 15,000 of the longest tags, from a registry that knows no pages."""
_MOST_PAGES: Final = 1_000
_MOST_TAGS: Final = 250_000
_MOST_REFERRERS: Final = 10_000
_MOST_LISTED: Final = 8 * 1024 * 1024
"""Bytes of one list of referrers, all pages."""
_LONG_LIST: Final = 512 * 1024
"""Bytes from which on a list goes on alone: many are asked for at once."""
_PUT_SECONDS: Final = 120.0
_NO_HEADS: Final = frozenset({405, 501})
_NO_REFERRERS: Final = frozenset({400, 404, 405, 501})


class DistributionRegistry(Uploads):
    """`longshore.mirror.ports.Registry` over HTTP."""

    _takes_many_tags: bool | None = None
    _lists_referrers: bool | None = None

    def head(self, repository: str, reference: str) -> ManifestHead | None:
        """See the port."""
        what, url = "HEAD manifest", self._manifest_url(repository, reference)
        answer = self.ask(repository, reference, Request("HEAD", url, "manifest", {"Accept": ACCEPT}))
        answer.discard()
        if answer.status == 404:  # noqa: PLR2004
            return None
        if answer.status in _NO_HEADS:
            return self._head_by_get(repository, reference)
        if answer.status != 200:  # noqa: PLR2004
            raise self.refusal(repository, reference, what, Refusal.of(answer))
        told = answer.headers.get("docker-content-digest", "").strip()
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        if not is_digest(told) or not kind:
            return self._head_by_get(repository, reference)
        if is_digest(reference) and told.partition(":")[0] == reference.partition(":")[0] and told != reference:
            raise IntegrityError(f"{self.where(repository, reference)}: {what}: the registry says it is {told}")
        return ManifestHead(told, kind, answer.length)

    def _head_by_get(self, repository: str, reference: str) -> ManifestHead | None:
        try:
            manifest = self.manifest(repository, reference)
        except GoneError:
            return None
        return ManifestHead(manifest.digest, manifest.media_type, manifest.size)

    def manifest(self, repository: str, reference: str) -> Manifest:
        """See the port."""
        url = self._manifest_url(repository, reference)
        request = Request("GET", url, "manifest", {"Accept": ACCEPT}, limit=MAX_MANIFEST)
        answer = self.ask(repository, reference, request)
        if answer.status != 200:  # noqa: PLR2004
            raise self.refusal(repository, reference, "GET manifest", Refusal.of(answer))
        try:
            with self.telling(repository, reference, "GET manifest"):
                return self._read_manifest(answer, reference)
        finally:
            answer.forget()

    def _read_manifest(self, answer: Answer, reference: str) -> Manifest:
        content = answer.content
        self.count_received(len(content))
        asked = reference if is_digest(reference) else None
        manifest = _parsed(content, answer.headers.get("content-type"), asked)
        told = answer.headers.get("docker-content-digest", "").strip()
        if is_digest(told) and told != manifest.digest:
            _parsed(content, answer.headers.get("content-type"), told)  # may be of another algorithm
        return manifest

    def _manifest_url(self, repository: str, reference: str) -> str:
        if not is_tag(reference) and not is_digest(reference):
            text = f"{self.where(repository)}: {reference[:200]!r} is neither tag nor digest"
            raise RefusedError(text, codes=("TAG_INVALID",))
        return self.url(repository, f"manifests/{reference}")

    def put_manifest(self, repository: str, manifest: Manifest, tags: Sequence[str] = ()) -> Stored:
        """See the port."""
        for tag in tags:
            if not is_tag(tag):
                raise RefusedError(f"{self.where(repository)}: {tag[:150]!r} is no tag", codes=("TAG_INVALID",))
        if len(tags) > 1 and self._takes_many_tags is not False:
            stored = self._put_many(repository, manifest, tags)
            if stored is not None:
                return stored
        return [self._put(repository, manifest, each, "")[0] for each in tags or (manifest.digest,)][-1]

    def _put_many(self, repository: str, manifest: Manifest, tags: Sequence[str]) -> Stored | None:
        """All tags with one request (mirror 4.24); None when the registry did not take them all."""
        try:
            stored, taken = self._put(
                repository, manifest, manifest.digest, "?" + "&".join(f"tag={tag}" for tag in tags)
            )
        except RefusedError:  # 414 and 431 most of all; one by one it shows which tag it was
            return None
        except (AccessDeniedError, GoneError, UnsupportedError):  # of the query, perhaps
            self._takes_many_tags = False
            return None
        self._takes_many_tags = bool(taken)
        return stored if taken >= set(tags) else None

    def _put(self, repository: str, manifest: Manifest, reference: str, query: str) -> tuple[Stored, set[str]]:
        what = "PUT manifest"
        url = self.url(repository, f"manifests/{reference}{query}")
        headers = {"Content-Type": manifest.media_type}
        request = Request("PUT", url, "manifest", headers, manifest.content, patience=_PUT_SECONDS)
        answer = self.ask(repository, reference, request)
        if answer.status not in (200, 201, 202, 204):
            error = self.refusal(repository, reference, what, Refusal.of(answer))
            if isinstance(error, UnsupportedError) and not manifest.declares_media_type:
                hint = "the manifest has no mediaType, which this registry needs; it cannot be stored byte for byte"
                raise UnsupportedError(f"{error} ({hint})") from None
            raise error
        answer.discard()
        told = answer.headers.get("docker-content-digest", "").strip()
        if is_digest(told) and told.partition(":")[0] == manifest.digest.partition(":")[0] and told != manifest.digest:
            raise IntegrityError(
                f"{self.where(repository, reference)}: {what}: the registry stored {told} in place of {manifest.digest}"
            )
        subject = answer.headers.get("oci-subject", "").strip()
        taken = {tag.strip() for header in answer.every("oci-tag") for tag in header.split(",")}
        return Stored(manifest.digest, subject if is_digest(subject) else None), taken - {""}

    def tags(self, repository: str) -> Iterator[str]:
        """See the port."""
        seen: set[str] = set()
        for page, linked in self._tag_pages(repository):
            fresh = [tag for tag in dict.fromkeys(page) if is_tag(tag) and tag not in seen]
            seen.update(fresh)
            if len(seen) > _MOST_TAGS:
                raise ProtocolError(f"{self.where(repository)}: GET tags: more than {_MOST_TAGS} tags")
            if linked and page and not fresh:
                raise ProtocolError(f"{self.where(repository)}: GET tags: the list has no end, its pages come again")
            yield from fresh

    def _tag_pages(self, repository: str) -> Iterator[tuple[Sequence[str], bool]]:
        """Pages; with each, whether a link led there."""
        first = url = self.url(repository, f"tags/list?n={_PAGE}")
        last, linked = "", False
        for _ in range(_MOST_PAGES):
            try:
                page, link, _ = self._page(repository, "", Request("GET", url, "tags", limit=_LARGEST_PAGE), _tags)
            except _PageError as error:
                refused = self.refusal(repository, "", "GET tags", error.refusal)
                raise RepositoryGoneError(str(refused)) if type(refused) is GoneError else refused from None
            if last and page[-1:] == [last]:
                return  # a registry that does not know `last` says the same again
            yield page, linked
            if link:
                url, last, linked = link, "", True
            elif not linked and len(page) == _PAGE and is_tag(page[-1]):
                url, last = f"{first}&last={page[-1]}", page[-1]
            else:
                return
        raise ProtocolError(f"{self.where(repository)}: GET tags: more than {_MOST_PAGES} pages")

    def referrers(
        self, repository: str, digest: Digest, known_tags: Collection[str] | None = None
    ) -> Sequence[Descriptor]:
        """See the port."""
        if self._lists_referrers is not False:
            found = self._referrers_api(repository, digest)
            if found is not None:
                return found
        tag = fallback_tag(digest)
        if known_tags is not None and tag not in known_tags:
            return ()
        try:
            index = self.manifest(repository, tag)
        except GoneError:
            return ()
        with self.telling(repository, tag, "GET referrers"):
            return tuple(_bare(entry) for entry in listed(index))

    def _referrers_api(self, repository: str, digest: Digest) -> Sequence[Descriptor] | None:
        with ExitStack() as held:
            return self._all_referrers(repository, digest, held)

    def _all_referrers(self, repository: str, digest: Digest, held: ExitStack) -> Sequence[Descriptor] | None:
        found: dict[str, Descriptor] = {}
        total = 0
        url = self.url(repository, f"referrers/{digest}")
        for _ in range(_MOST_PAGES):
            try:
                request = Request("GET", url, "referrers", limit=MAX_MANIFEST)
                entries, link, size = self._page(repository, digest, request, _descriptors)
            except _PageError as error:
                if error.refusal.status not in _NO_REFERRERS or found:
                    raise self.refusal(repository, digest, "GET referrers", error.refusal) from None
                return self._without_referrers(repository, digest, error.refusal)
            before = len(found)
            found.update((entry.digest, entry) for entry in entries)
            self._lists_referrers = True
            if link is None:
                return tuple(found.values())
            if total <= _LONG_LIST < total + size:
                self._long_lists.take()
                held.callback(self._long_lists.give_back)
            total += size
            if len(found) > _MOST_REFERRERS or total >= _MOST_LISTED:
                raise self._endless(repository, digest, f"more than {_MOST_REFERRERS} entries or {_MOST_LISTED} bytes")
            if len(found) == before:
                raise self._endless(repository, digest, "its pages come again")
            url = link
        raise self._endless(repository, digest, f"more than {_MOST_PAGES} pages")

    def _endless(self, repository: str, digest: Digest, text: str) -> ProtocolError:
        return ProtocolError(f"{self.where(repository, digest)}: GET referrers: the list has no end: {text}")

    def _without_referrers(self, repository: str, digest: Digest, refusal: Refusal) -> Sequence[Descriptor] | None:
        if "NAME_UNKNOWN" in refusal.codes:
            return ()
        if refusal.status != 404 and "UNSUPPORTED" not in refusal.codes and refusal.status == 400:  # noqa: PLR2004
            raise self.refusal(repository, digest, "GET referrers", refusal)
        if self._lists_referrers is None and "MANIFEST_UNKNOWN" not in refusal.codes:
            self._lists_referrers = False
        return None

    def _page(
        self, repository: str, reference: str, request: Request, taken: Callable[[dict[str, Any]], Sequence[T]]
    ) -> tuple[Sequence[T], str | None, int]:
        """What is `taken` from a page, the URL of the next, and the page's bytes. Raises _PageError for a refusal."""
        answer = self.ask(repository, reference, request)
        if answer.status != 200:  # noqa: PLR2004
            raise _PageError(Refusal.of(answer))
        try:
            with self.telling(repository, reference, f"GET {request.kind}"):
                return taken(_document(answer.content)), self._next(answer), len(answer.content)
        finally:
            answer.forget()

    def _next(self, answer: Answer) -> str | None:
        link = next_link(answer.every("link"))
        url = joined(answer.url, link) if link else None
        if url and Origin.of(url) != self.origin:
            raise ProtocolError("the next page is on another host")
        return url


class _PageError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def _parsed(content: bytes, served_as: str | None, digest: str | None) -> Manifest:
    try:
        return Manifest.parse(content, served_as, digest)
    except ManifestError as error:
        raise IntegrityError(str(error)) from None


def _document(content: bytes) -> dict[str, Any]:
    try:
        return read_object(content)
    except ManifestError as error:
        raise ProtocolError(str(error)) from None


def _tags(document: dict[str, Any]) -> list[str]:
    told = document.get("tags")
    return [tag for tag in told if isinstance(tag, str)] if isinstance(told, list) else []


def _descriptors(document: dict[str, Any]) -> list[Descriptor]:
    entries = document.get("manifests") or []
    if not isinstance(entries, list):
        raise ProtocolError("manifests is no list")
    first = entries[: _MOST_REFERRERS + 1]
    return [_bare(Descriptor.parse(entry, f"manifests[{at}]")) for at, entry in enumerate(first)]


def _bare(referrer: Descriptor) -> Descriptor:
    """Without what nobody asks of a list, and what could fill the memory."""
    return replace(referrer, annotations={}, urls=())
