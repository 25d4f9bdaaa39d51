"""OpenVEX 0.2.0 in: statements read into suppressions, with products compared as Trivy does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from longshore.errors import ConfigurationError
from longshore.images import ImageReference, is_digest, is_name
from longshore.scan.acceptance import LONGEST_TEXT, moment_of
from longshore.scan.purls import Purl, PurlError, read_purl
from longshore.scan.suppressions import Justification, Origin, Status, Suppression

if TYPE_CHECKING:
    from longshore.images import Digest

CONTEXT = "https://openvex.dev/ns/v0.2.0"
_NAMESPACE = "https://openvex.dev/ns"
MOST_STATEMENTS = 5_000
MOST_MEMBERS = 1_000
"""Products of a statement, subcomponents of a product, aliases of a vulnerability."""
MOST_SUPPRESSIONS = 20_000
_NOWHERE = "-"
"""A pattern that is of no repository: its name would be too short."""
_Word = TypeVar("_Word", bound=StrEnum)


def read_documents(raw: object, key: str = "scan.vex") -> tuple[Suppression, ...]:
    """The statements of the configuration's documents. Raises ConfigurationError naming the field."""
    if not isinstance(raw, list | tuple):
        raise ConfigurationError(key, "is not a list", "build the configuration again")
    return tuple(each for index, document in enumerate(raw) for each in read_openvex(document, f"{key}[{index}]"))


def read_openvex(document: object, key: str = "", attached: Digest | None = None) -> tuple[Suppression, ...]:
    """The statements of one document, those included that suppress nothing but void what was said before.

    `attached` is the image to which it is attached: statements without products are of that image, and none is of
    another. What names its product in a way that cannot be compared is left out. Raises ConfigurationError that names
    the field, for a document that is not valid or larger than is read.
    """
    return tuple(_Reader(key, attached).document(document))


class _Reader:
    """Reads one document."""

    def __init__(self, key: str, attached: Digest | None) -> None:
        self._key = key
        self._attached = attached

    def document(self, raw: object) -> Iterator[Suppression]:
        document = self._object("", raw)
        context = self._text(document, "", "@context")
        if not context.startswith(_NAMESPACE):
            raise self._error("@context", f"is {context[:80]!r}", f"write {CONTEXT}")
        name, author = self._text(document, "", "@id"), self._text(document, "", "author")
        version = document.get("version")
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise self._error("version", "is not a whole number, 1 or more", "count the document's versions from 1")
        issued = self._moment(document, "", "timestamp")
        if issued is None:
            raise self._error("timestamp", "is missing", "say when the document was issued")
        statements = self._list(document, "", "statements", MOST_STATEMENTS)
        if "statements" not in document:
            raise self._error("statements", "is missing", "write a list of statements")
        made = 0
        for index, statement in enumerate(statements):
            for each in self._statement(f"statements[{index}]", statement, name, author, issued):
                made += 1
                if made > MOST_SUPPRESSIONS:
                    raise self._error("statements", "speak of too many products", f"at most {MOST_SUPPRESSIONS}")
                yield each

    def _statement(self, key: str, raw: object, document: str, author: str, issued: datetime) -> Iterator[Suppression]:
        statement = self._object(key, raw)
        vulnerability = self._object(f"{key}.vulnerability", statement.get("vulnerability"))
        status = self._word(statement, key, "status", Status)
        if status is None:
            raise self._error(f"{key}.status", "is missing", "one of " + ", ".join(Status))
        justification = self._word(statement, key, "justification", Justification)
        impact = self._text(statement, key, "impact_statement", needed=False)
        if status is Status.NOT_AFFECTED and justification is None and not impact:
            raise self._error(f"{key}.justification", "is missing", "not_affected needs it, or an impact_statement")
        notes = self._text(statement, key, "status_notes", needed=False)
        said = _Said(
            name=self._text(vulnerability, f"{key}.vulnerability", "name"),
            aliases=tuple(self._texts(vulnerability, f"{key}.vulnerability", "aliases")),
            status=status,
            justification=justification,
            stated=self._moment(statement, key, "timestamp") or issued,
            author=author[:LONGEST_TEXT],
            reason=(impact or notes or (justification or status).value)[:LONGEST_TEXT],
        )
        for index, subject in enumerate(self._subjects(key, statement)):
            if subject.image or subject.packages or self._attached:
                made = said.of(subject, f"{document[:200]}#{key}.{index}")
                yield replace(made, attached=self._attached is not None)

    def _subjects(self, key: str, statement: Mapping[str, Any]) -> Iterator[_Subject]:
        products = self._list(statement, key, "products", MOST_MEMBERS)
        if not products and self._attached is None:
            raise self._error(f"{key}.products", "is missing", "name the image: pkg:oci/NAME@sha256:...")
        if not products:
            yield _Subject(digests=(self._attached or "",), image=True)
        status = statement.get("status")
        for index, raw in enumerate(products):
            at = f"{key}.products[{index}]"
            product = self._object(at, raw)
            inner = [
                self._purl(f"{at}.subcomponents[{place}]", self._object(f"{at}.subcomponents[{place}]", each))
                for place, each in enumerate(self._list(product, at, "subcomponents", MOST_MEMBERS))
            ]
            outer = self._purl(at, product)
            if outer is not None and None not in inner and not (status == Status.FIXED and not outer[1].version):
                yield from self._bound(outer, [each for each in inner if each])

    def _bound(self, product: tuple[str, Purl], inner: list[tuple[str, Purl]]) -> Iterator[_Subject]:
        """Whose finding a product names; nothing when that cannot be told."""
        text, purl = product
        packages = tuple(text for text, _ in inner)
        if purl.type != "oci":
            if not packages:  # whether a package got there through another one, no scanner tells
                yield _Subject(packages=(text,), digests=(self._attached,) if self._attached else ())
            return
        known = {"repository_url", "tag"} | ({"arch"} if purl.version else set())
        if (
            purl.subpath
            or {key for key, _ in purl.qualifiers} - known
            or (purl.version and not is_digest(purl.version))
        ):
            return
        digest = purl.version or self._attached
        # An image that was copied has another registry, and the digest that the statement is about.
        here = self._attached is not None and purl.version == self._attached
        yield _Subject(
            image=True,
            packages=packages,
            digests=(digest,) if digest else (),
            repositories=() if here else _repositories(purl),
        )

    def _purl(self, key: str, component: Mapping[str, Any]) -> tuple[str, Purl] | None:
        """The package URL of a component; None where it is named in another way."""
        identifiers = self._object(f"{key}.identifiers", component.get("identifiers") or {})
        for at, text in ((f"{key}.identifiers.purl", identifiers.get("purl")), (f"{key}.@id", component.get("@id"))):
            if text is None:
                continue
            if not isinstance(text, str):
                raise self._error(at, "is not text", "write a package URL")
            if text.startswith("pkg:"):
                try:
                    return text, read_purl(text)
                except PurlError as error:
                    raise self._error(at, f"{text[:80]!r} {error}", "write a package URL") from error
        return None

    def _object(self, key: str, raw: object) -> Mapping[str, Any]:
        if not isinstance(raw, Mapping):
            raise self._error(key, "is not an object", "as OpenVEX 0.2.0 has it")
        return raw

    def _list(self, raw: Mapping[str, Any], key: str, name: str, most: int) -> Sequence[object]:
        value = raw.get(name)
        if value is None:
            return ()
        at = f"{key}.{name}".removeprefix(".")
        if not isinstance(value, list | tuple):
            raise self._error(at, "is not a list", "as OpenVEX 0.2.0 has it")
        if len(value) > most:
            raise self._error(at, f"has {len(value)} entries", f"at most {most} are read")
        return value

    def _texts(self, raw: Mapping[str, Any], key: str, name: str) -> Iterator[str]:
        for index, each in enumerate(self._list(raw, key, name, MOST_MEMBERS)):
            yield self._checked(f"{key}.{name}[{index}]", each)

    def _text(self, raw: Mapping[str, Any], key: str, name: str, *, needed: bool = True) -> str:
        at = f"{key}.{name}".removeprefix(".")
        if raw.get(name) is None and not needed:
            return ""
        return self._checked(at, raw.get(name), needed=needed)

    def _checked(self, at: str, value: object, *, needed: bool = True) -> str:
        if value is None:
            raise self._error(at, "is missing", "OpenVEX 0.2.0 needs it")
        if not isinstance(value, str) or (needed and not value.strip()):
            raise self._error(at, "is not text", "as OpenVEX 0.2.0 has it")
        return value

    def _word(self, raw: Mapping[str, Any], key: str, name: str, words: type[_Word]) -> _Word | None:
        value = raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in list(words):
            raise self._error(f"{key}.{name}", f"is {str(value)[:80]!r}", "one of " + ", ".join(words))
        return words(value)

    def _moment(self, raw: Mapping[str, Any], key: str, name: str) -> datetime | None:
        text = self._text(raw, key, name, needed=False)
        if not text:
            return None
        try:
            return moment_of(text)
        except ValueError as error:
            at = f"{key}.{name}".removeprefix(".")
            raise self._error(at, f"is {text[:80]!r}", "a moment as in RFC 3339: 2026-11-23T10:00:00Z") from error

    def _error(self, key: str, problem: str, fix: str) -> ConfigurationError:
        return ConfigurationError(".".join(part for part in (self._key, key) if part) or "document", problem, fix)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What one product of a statement comes to."""

    packages: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    image: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """A statement without its products."""

    name: str
    aliases: tuple[str, ...]
    status: Status
    justification: Justification | None
    stated: datetime
    author: str
    reason: str

    def of(self, subject: _Subject, name: str) -> Suppression:
        """The statement about one product."""
        return Suppression(
            id=name,
            origin=Origin.VEX,
            vulnerability=self.name,
            aliases=self.aliases,
            packages=subject.packages,
            repositories=subject.repositories,
            digests=subject.digests,
            owner=self.author,
            reason=self.reason,
            justification=self.justification,
            status=self.status,
            stated=self.stated,
        )


def _repositories(purl: Purl) -> tuple[str, ...]:
    """Which repositories a product of type `oci` is in: those of its name, or the one that it names."""
    url = dict(purl.qualifiers).get("repository_url", "").removeprefix("https://")
    if not url:
        return (purl.name, f"*/{purl.name}") if is_name(purl.name) else (_NOWHERE,)
    if url.rpartition("/")[2] != purl.name:
        url = f"{url.rstrip('/')}/{purl.name}"
    try:
        repository = ImageReference.parse(url).repository
    except ValueError:
        return (_NOWHERE,)
    return (str(repository),) if repository else (_NOWHERE,)
