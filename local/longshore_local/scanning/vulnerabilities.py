"""What a scanner may be told to find in an image."""

from dataclasses import dataclass
from datetime import date

SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
UNKNOWN = ("UNDEFINED", "UNTRIAGED")
"""What basic scanning and Inspector call a severity that nobody has judged yet."""


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One vulnerability of one package; several of the same `id` in an image are one finding of Inspector's.

    `severity` is one of SEVERITIES, or UNDEFINED. `fixed_in` empty: no fix; `partial`: for some packages only. `score`
    is CVSS 0 to 10, `epss` 0 to 1. `kev_due` puts it into CISA's list, to be mended by then; `exploited`: it was seen
    in use. `layer` is the digest of the layer with the package. Basic scanning shows a part of it.
    """

    id: str
    severity: str = "HIGH"
    package: str = "openssl"
    version: str = "3.0.13"
    manager: str = "OS"
    path: str = ""
    fixed_in: str = ""
    partial: bool = False
    exploit: bool = False
    exploited: bool = False
    kev_due: date | None = None
    epss: float | None = None
    score: float | None = None
    layer: str = ""
    title: str = ""

    def __post_init__(self) -> None:
        if self.severity not in (*SEVERITIES, *UNKNOWN):
            raise ValueError(f"severity is one of {', '.join((*SEVERITIES, *UNKNOWN))}, got {self.severity!r}")

    @property
    def rank(self) -> int:
        """The greater, the graver; unknown is -1."""
        return SEVERITIES.index(self.severity) if self.severity in SEVERITIES else -1

    @property
    def url(self) -> str:
        """Where it is described."""
        return f"https://www.cve.org/CVERecord?id={self.id}"
