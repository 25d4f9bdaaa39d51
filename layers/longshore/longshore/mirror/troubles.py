"""What can never be done as things are, for a mirror or a step of it: told once, and nothing else waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from longshore.mirror import telling
from longshore.mirror.plan import Known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.errors import PermanentError
    from longshore.mirror.rules import Downstream, Mirror
    from longshore.mirror.stores import Memory
    from longshore.mirror.telling import Teller
    from longshore.outcomes import Outcome

LOOK: Final = "*"
DESCRIBE: Final = "* describe"
DELETE: Final = "* delete"
COPY: Final = "* copy"
"""In place of a tag: what concerns no single one. No tag is called so."""
_MOST: Final = 500


class Troubles:
    """Permanent errors of steps, remembered beside the tags of the downstream that they concern."""

    def __init__(self, memory: Memory, teller: Teller) -> None:
        self._memory = memory
        self._teller = teller

    def tell(
        self, correlation: str, mirror: Mirror, downstream: Downstream | None, step: str, error: PermanentError
    ) -> list[Outcome]:
        """Told once for the same error until the step is `over` it. No `downstream`: it concerns all of the mirror."""
        endpoint = (downstream or mirror.downstreams[0]).endpoint
        known = self._memory.known(mirror.name).get(endpoint, {}).get(step, Known(step))
        told = f"{type(error).__name__}: {error}"[:_MOST]
        outcome = telling.failed(correlation, mirror, downstream, "", error)
        if known.told == told:
            return [replace(outcome, kind=None)]
        self._teller.tell([outcome])
        self._memory.remember(mirror.name, endpoint, replace(known, told=told))
        return [outcome]

    def over(self, mirror: Mirror, downstream: Downstream, step: str, known: Mapping[str, Known]) -> None:
        """The step went well: what is in its way another time is told anew."""
        if step in known:
            self._memory.forget(mirror.name, downstream.endpoint, step)
