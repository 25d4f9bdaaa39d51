"""Which events a hub with spokes takes for its own business: an event names a thing in its own place (design 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longshore.envelopes import SOURCE
from longshore.errors import BadEventError
from longshore.places import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from longshore.events import Event, Fact
    from longshore.places import Places


def admitted(event: Event, places: Places) -> Event:
    """The same event. Raises BadEventError for one of another place than the hub's and the spokes'.

    What AWS tells in one account and Region may name workloads of that one alone. Longshore's own messages carry the
    place of the event that led to them, and may name workloads in any place of the stack.
    """
    here = Place(event.account, event.region)
    if here not in places.all:
        raise BadEventError("account", f"{here} is neither this stack's place nor one of its parameter Spokes")
    ours = event.body.get("source") == SOURCE
    for arn in _named(event.fact):
        place = Place.of_arn(arn)
        if place not in places.all if ours else place != here:
            raise BadEventError("detail" if ours else "resources", f"{arn[:128]} is of {place}, the event of {here}")
    return event


def _named(fact: Fact) -> Sequence[str]:
    """The ARNs of the workloads that a fact names."""
    arn = getattr(fact, "arn", None)
    return [arn] if arn else getattr(fact, "arns", ())
