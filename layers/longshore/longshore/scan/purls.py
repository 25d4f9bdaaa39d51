"""Package URLs: read, and compared with what a scanner says of a package (purl specification; Trivy's manner)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from longshore.scan.findings import Finding

LONGEST = 1024
"""Characters."""
_TYPE = re.compile(r"[a-z][a-z0-9.+-]*")
_EPOCH = re.compile(r"(?:(?P<epoch>\d+):)?(?P<rest>.*)", re.DOTALL)
_OS = frozenset({"deb", "rpm", "apk", "alpm"})
_SYSTEMS = {
    "alpm": ("ARCH",),
    "apk": ("ALPINE", "CHAINGUARD", "WOLFI"),
    "deb": ("DEBIAN", "UBUNTU"),
    "rpm": (
        "ALMA",
        "AMAZON",
        "CENTOS",
        "FEDORA",
        "OPENSUSE",
        "ORACLE",
        "PHOTON",
        "RED_HAT",
        "REDHAT",
        "RHEL",
        "ROCKY",
        "SLES",
        "SUSE",
    ),
}
"""How the names of systems begin, by the type of their packages; an unknown name is any."""
_MANAGERS = {
    "cargo": {"cargo"},
    "composer": {"composer"},
    "gem": {"bundler", "gemspec"},
    "golang": {"gobinary", "gomod"},
    "maven": {"jar", "pom"},
    "npm": {"npm", "yarn", "nodepkg", "pnpm"},
    "nuget": {"nuget", "dotnet_core"},
    "pypi": {"pip", "pipenv", "poetry", "pythonpkg"},
}
"""Which of Inspector's package managers hold packages of a type; basic scanning names none: packages of the system."""


class PurlError(ValueError):
    """A text is no package URL; it says why."""


class Purl(NamedTuple):
    """One package URL. `version` is empty where none is written, which stands for every version."""

    type: str
    namespace: str
    name: str
    version: str
    qualifiers: tuple[tuple[str, str], ...]
    subpath: str

    @property
    def comparable(self) -> bool:
        """Whether scanners tell enough to compare: neither a subpath nor qualifiers, but for an epoch.

        What cannot be compared never matches, so that nothing is hidden that was not meant.
        """
        return not self.subpath and all(key == "epoch" for key, _ in self.qualifiers)


@lru_cache(maxsize=4096)
def read_purl(text: str) -> Purl:
    """Reads ``pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS#SUBPATH``. Raises PurlError."""
    if not text.startswith("pkg:"):
        raise PurlError("does not begin with pkg:")
    if len(text) > LONGEST:
        raise PurlError(f"is longer than {LONGEST} characters")
    rest, _, subpath = text[4:].partition("#")
    rest, _, query = rest.partition("?")
    kind, _, path = rest.strip("/").partition("/")
    if not _TYPE.fullmatch(kind.lower()):
        raise PurlError("has no type, as in pkg:deb/debian/openssl")
    namespace, name, version = _named(path)
    if not name:
        raise PurlError("has no name, as in pkg:deb/debian/openssl")
    return Purl(kind.lower(), namespace, name, version, _qualifiers(query), unquote(subpath.strip("/")))


def _named(path: str) -> tuple[str, str, str]:
    """The version follows the last at-sign, unless that begins a segment, as in @scope/name."""
    head, _, last = path.strip("/").rpartition("/")
    at = last.find("@", 1)
    name, version = (last, "") if at < 0 else (last[:at], last[at + 1 :])
    return unquote(head), unquote(name), unquote(version)


def _qualifiers(query: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return tuple(sorted((key.lower(), unquote(value)) for key, _, value in pairs if value))


def matches_package(purl: Purl, finding: Finding) -> bool:
    """Whether a finding is about this package; a version counts only where one is written.

    Of a package of the system its type must be that of the image's system, where Inspector tells it; its namespace, the
    distribution, is not compared.
    """
    manager = finding.manager.lower()
    if not purl.comparable:
        return False
    if purl.type in _OS:
        same = manager in ("", "os") and _folded(purl, purl.name) == _folded(purl, finding.package)
        same = same and purl.type in _types_of(finding.platform)
    else:
        same = manager in _MANAGERS.get(purl.type, ()) and _folded(purl, _full(purl)) == _folded(purl, finding.package)
    return same and _same_version(purl, finding.version)


def _types_of(platform: str) -> frozenset[str]:
    """The types of package that an image's system may have."""
    told = frozenset(kind for kind, names in _SYSTEMS.items() if platform.upper().startswith(names))
    return told or _OS


def _full(purl: Purl) -> str:
    separator = ":" if purl.type == "maven" else "/"
    return f"{purl.namespace}{separator}{purl.name}" if purl.namespace else purl.name


def _folded(purl: Purl, name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower()) if purl.type == "pypi" else name.lower()


def _same_version(purl: Purl, version: str) -> bool:
    """Package URLs have the epoch of a version beside it; Go writes a v that Inspector may leave out."""
    wanted = dict(purl.qualifiers).get("epoch")
    parts = _EPOCH.fullmatch(version)
    epoch, rest = (parts["epoch"] or "0", parts["rest"]) if parts else ("0", version)
    if wanted is not None and wanted != epoch:
        return False
    if not purl.version:
        return True
    if purl.type == "golang":
        return purl.version.removeprefix("v") == version.removeprefix("v")
    return purl.version in (version, rest)
