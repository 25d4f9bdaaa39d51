"""What `longshore mirror run` copied and saw, where there is no stack whose ledger keeps it: a file for each mirror."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from longshore.images import Endpoint
from longshore.mirror.plan import Known, Sighting
from longshore_cli.mirror_memory import MemoryMirrors

if TYPE_CHECKING:
    from longshore.mirror.rules import Mirror

_EVERY_SECONDS: Final = 5.0
_TIMES: Final = tuple(each.name for each in fields(Known) if "datetime" in str(each.type))


class MirrorFile(MemoryMirrors):
    """`Memory` of one mirror, written now and then and by `save`.

    What cannot be read or written is not known: then more is looked into and copied again than has to be.
    """

    def __init__(self, file: Path, mirror: Mirror, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._file = file
        self._name = mirror.name
        self._monotonic = monotonic
        self._saved = monotonic()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            self._read(json.loads(file.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, mirror: Mirror) -> MirrorFile:
        """In the user's state directory (XDG base directory specification), by the mirror's name and upstream."""
        state = os.environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
        name = hashlib.sha256(f"{mirror.name} {mirror.upstream}".encode()).hexdigest()
        return cls(Path(state) / "longshore" / "mirrors" / f"{name}.json", mirror)

    def remember(self, mirror: str, downstream: Endpoint, known: Known) -> None:
        """See the port."""
        super().remember(mirror, downstream, known)
        if self._monotonic() - self._saved >= _EVERY_SECONDS:
            self.save()

    def save(self) -> None:
        """Writes all of it, in place of what was there."""
        self._saved = self._monotonic()
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._file.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(self._document(), out, default=datetime.isoformat)
            Path(name).replace(self._file)

    def _document(self) -> dict[str, Any]:
        known = [
            {**asdict(each), "downstream": list(endpoint)}
            for endpoint, tags in self.known(self._name).items()
            for each in tags.values()
        ]
        seen = {tag: [each.digest, each.since] for tag, each in self.sightings(self._name).items()}
        return {"known": known, "seen": seen, "listed": self.arrivals(self._name)}

    def _read(self, document: Mapping[str, Any]) -> None:
        """Raises whatever an unlike document leads to."""
        known = [(Endpoint(*each.pop("downstream")), _known(each)) for each in document["known"]]
        seen = {tag: Sighting(digest, datetime.fromisoformat(at)) for tag, (digest, at) in document["seen"].items()}
        listed = {tag: datetime.fromisoformat(at) for tag, at in document["listed"].items()}
        for endpoint, each in known:
            super().remember(self._name, endpoint, each)
        self.sight(self._name, seen)
        self.arrive(self._name, listed)


def _known(members: Mapping[str, Any]) -> Known:
    times = {name: datetime.fromisoformat(members[name]) if members.get(name) else None for name in _TIMES}
    return Known(**{**members, **times})
