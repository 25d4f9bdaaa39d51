"""Every platform behind one: each workload's own adapter answers for it, and is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from longshore.errors import LongshoreError, TransientError, UnsupportedError
from longshore.redeploy.ports import Discovery, Overview, Platform
from longshore.workloads import PlatformKind, WorkloadId

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.workloads import Observation, Plan, Rollout


class Adapter(Platform, Discovery, Protocol):
    """What each kind of platform needs: the two ports of redeploy."""


class PlatformsOfPlace(Platform, Overview, Protocol):
    """All the platforms of one place."""


class Platforms:
    """See `ports.Platform` and `ports.Overview`. Raises UnsupportedError for a kind without an adapter."""

    def __init__(self, adapters: Mapping[PlatformKind, Callable[[], Adapter]]) -> None:
        """`adapters` answer the adapter of a kind, the same one each time."""
        self._adapters = adapters
        self._unasked: dict[PlatformKind, str] = {}

    def _of(self, arn: str) -> Adapter:
        return self._adapter(WorkloadId.parse(arn).platform)

    def _adapter(self, kind: PlatformKind) -> Adapter:
        if kind not in self._adapters:
            raise UnsupportedError(f"this stack deploys to no {kind}")
        return self._adapters[kind]()

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

    def arns(self) -> Iterable[str]:
        """Who opted in, on one platform after the other; one that cannot be asked holds up no other.

        Raises an error where several cannot be asked and the others find nobody: then the place cannot be looked into.
        """
        self._unasked.clear()
        errors: list[LongshoreError] = []
        found = False
        for kind, made in self._adapters.items():
            try:
                for arn in made().arns():
                    found = True
                    yield arn
            except LongshoreError as error:
                self._unasked[kind] = str(error)
                errors.append(error)
        if len(errors) > 1 and not found:
            raise next((each for each in errors if isinstance(each, TransientError)), errors[0])

    @property
    def unasked(self) -> Mapping[str, str]:
        """See the port."""
        return {kind.value: why for kind, why in self._unasked.items()}

    @property
    def kinds(self) -> Sequence[PlatformKind]:
        """The kinds that there is an adapter for."""
        return list(self._adapters)

    def arns_of(self, kind: PlatformKind) -> Iterable[str]:
        """Who opted in on one kind of platform."""
        return self._adapter(kind).arns()

    def unseen(self, arn: str) -> str:
        """Why the last `arns` could not look there."""
        kind = WorkloadId.parse(arn).platform
        if kind in self._unasked:
            return self._unasked[kind]
        return self._adapter(kind).unseen(arn) if kind in self._adapters else ""

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Many workloads, those of each platform together; what is of no kind that the stack has is left out."""
        kinds: dict[PlatformKind, list[str]] = {}
        for arn in arns:
            kinds.setdefault(WorkloadId.parse(arn).platform, []).append(arn)
        return [
            seen
            for kind, named in kinds.items()
            if kind in self._adapters
            for seen in self._adapter(kind).survey(named)
        ]
