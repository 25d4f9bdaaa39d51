"""What channels share that can neither edit a message nor answer in its thread."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from longshore.errors import UnsupportedError

if TYPE_CHECKING:
    from longshore.notify.ports import Rendered


class PostOnly:
    """A channel that gets the first and the last notice of a thread (design 6.5)."""

    kind = ""
    edits = False

    def update(self, message: str, rendered: Rendered) -> NoReturn:
        """Refused: what was posted stays."""
        raise UnsupportedError(f"{self.kind} cannot change a message")

    def reply(
        self, message: str, rendered: Rendered, *, idempotency: str = "", since: datetime | None = None
    ) -> NoReturn:
        """Refused: there are no threads."""
        raise UnsupportedError(f"{self.kind} has no threads")
