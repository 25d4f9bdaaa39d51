"""Repositories where this user left platforms out of indexes: only there one is looked into."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


class SparseMarks:
    """One empty file for each repository, in the user's state directory (XDG base directory specification).

    What cannot be written is not kept: then whoever wants the other platforms names them.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def default(cls) -> SparseMarks:
        """Beside the upload sessions."""
        state = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
        return cls(Path(state) / "longshore" / "sparse")

    def has(self, host: str, repository: str) -> bool:
        """Whether platforms were left out there."""
        return self._file(host, repository).exists()

    def add(self, host: str, repository: str) -> None:
        """Platforms are left out there from now on."""
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file(host, repository).touch()

    def _file(self, host: str, repository: str) -> Path:
        return self._directory / hashlib.sha256(f"{host}/{repository}".encode()).hexdigest()
