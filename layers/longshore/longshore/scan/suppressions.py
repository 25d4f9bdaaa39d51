"""Suppressions: findings that somebody accepted, with an owner, a reason and an end (notify 2.2, N12)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Origin(StrEnum):
    """Where a suppression comes from."""

    FILE = "file"
    """``.trivyignore.yaml`` beside the configuration."""
    VEX = "vex"
    """An OpenVEX document, of the configuration or attached to the image."""
    SWITCH = "switch"
    """Set at run time, by `longshore suppress`."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One finding, or several, that somebody accepted.

    `vulnerability` is its id, as CVE-2026-1. Empty `packages` (package URLs, a version only where one is written),
    `paths`, `repositories` (globs) or `digests` leave that open. `expires` is the moment from which it no longer counts,
    None: never; `until_fix`: it ends by itself when a fix exists.
    """

    id: str
    origin: Origin
    vulnerability: str
    packages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    expires: datetime | None = None
    until_fix: bool = False
    owner: str = ""
    reason: str = ""
