"""Upload sessions in files, so that a copy that was ended goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longshore.mirror.ports import Upload

if TYPE_CHECKING:
    from longshore.images import Digest

_OLDEST_SECONDS: Final = 24 * 3600
"""Registries forget sessions; ECR does within a day."""


class UploadFiles:
    """`longshore.mirror.ports.UploadLedger`: one file for each session, readable by its owner alone.

    A session that another process is at is left to it: two that send to one would spoil it.
    A session's location is a secret for as long as it lives. What cannot be written is not kept: it costs bytes only.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def default(cls) -> UploadFiles:
        """In the user's state directory (XDG base directory specification)."""
        state = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
        return cls(Path(state) / "longshore" / "uploads")

    def load(self, host: str, repository: str, digest: Digest) -> Upload | None:
        """See the port."""
        file = self._file(host, repository, digest)
        try:
            if time.time() - file.stat().st_mtime > _OLDEST_SECONDS:
                file.unlink()
                return None
            item = json.loads(file.read_text(encoding="utf-8"))
            return None if _is_another_s(item.get("process")) else Upload.parse(item)
        except (AttributeError, OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, host: str, digest: Digest, upload: Upload) -> None:
        """See the port."""
        file = self._file(host, upload.repository, digest)
        with contextlib.suppress(OSError):
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._directory)  # nobody else may read it
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump({**upload.item(), "process": os.getpid()}, out)
            Path(name).replace(file)

    def forget(self, host: str, repository: str, digest: Digest) -> None:
        """See the port."""
        with contextlib.suppress(OSError):
            self._file(host, repository, digest).unlink(missing_ok=True)

    def _file(self, host: str, repository: str, digest: Digest) -> Path:
        name = hashlib.sha256(f"{host}/{repository}@{digest}".encode()).hexdigest()
        return self._directory / f"{name}.json"


def _is_another_s(process: object) -> bool:
    """Whether a process that wrote of a session, other than this one, still runs."""
    if not isinstance(process, int) or process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    except OSError:
        return True  # it runs, and is another user's
    return True
