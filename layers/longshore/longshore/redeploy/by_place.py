"""The platforms of the hub and of every spoke behind one: a workload's account and Region choose who answers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from longshore.errors import GoneError, LongshoreError
from longshore.places import Place

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.redeploy.platforms import PlatformsOfPlace
    from longshore.redeploy.ports import Overview
    from longshore.workloads import Observation, Plan, Rollout


class PlatformsByPlace:
    """See `ports.Platform` and `ports.Discovery`. What is in no place of the stack (any more) is gone: GoneError."""

    def __init__(self, home: Place, made: Mapping[Place, Callable[[], PlatformsOfPlace]]) -> None:
        """`made` answer the platforms of a place, the same ones each time."""
        self._home = home
        self._made = made
        self._unreached: dict[Place, str] = {}

    def _in(self, place: Place) -> PlatformsOfPlace:
        if place not in self._made:
            raise GoneError(f"{place} is neither this stack's place nor one of its spokes")
        return self._made[place]()

    def _of(self, arn: str) -> PlatformsOfPlace:
        return self._in(Place.of_arn(arn))

    def observe(self, arn: str) -> Observation:
        """What runs now."""
        return self._of(arn).observe(arn)

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """Begins the deployment of a plan."""
        return self._of(plan.workload).apply(observation, plan, resumed=resumed)

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The deployment that began since."""
        return self._of(arn).find(arn, since, other_than)

    def rollout(self, arn: str, id: str) -> Rollout:
        """How one deployment stands."""
        return self._of(arn).rollout(arn, id)

    def complete(self, arn: str, id: str) -> None:
        """Does the last step of a deployment."""
        self._of(arn).complete(arn, id)

    def stop(self, arn: str, id: str) -> None:
        """Stops a deployment."""
        self._of(arn).stop(arn, id)

    def at(self, place: Place) -> Overview:
        """See the port."""
        return self._in(place)

    def arns(self) -> Iterable[str]:
        """Who opted in, the hub's first; a spoke that cannot be reached is passed over, and `unseen` says why."""
        self._unreached.clear()
        for place in self._made:
            try:
                yield from list(self._in(place).arns())
            except LongshoreError as error:
                if place == self._home:
                    raise
                self._unreached[place] = str(error)

    def unseen(self, arn: str) -> str:
        """Why the last `arns` could not look there."""
        place = Place.of_arn(arn)
        if place in self._unreached:
            return self._unreached[place]
        return self._in(place).unseen(arn) if place in self._made else ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Many workloads, those of each place together; what is in no place of the stack is left out."""
        places: dict[Place, list[str]] = {}
        for arn in arns:
            places.setdefault(Place.of_arn(arn), []).append(arn)
        return [
            seen for place, named in places.items() if place in self._made for seen in self._in(place).survey(named)
        ]
