"""What the decisions on one event share, and what of it only the registry can tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.decisions import Reason, Verdict
from longshore.images import is_artifact_tag
from longshore.redeploy.state import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from longshore.events import Event
    from longshore.images import Digest, Repository
    from longshore.ports import Head
    from longshore.redeploy.arrivals import Arrival
    from longshore.redeploy.plan import Proposal
    from longshore.redeploy.ports import Registry
    from longshore.workloads import Observation


class Batch:
    """What the decisions on one event share: heads, resolved candidates, the pause, and how many began."""

    def __init__(self, event: Event, paused: str | None, arrival: Arrival | None = None) -> None:
        self.event = event
        self.paused = paused
        self.begun = 0
        self.tag = arrival.candidate.tag if arrival else None
        self.heads: dict[Repository, Sequence[Head]] = {}
        self._resolved: dict[tuple[Repository, str], Candidate | None] = {}
        if arrival:
            self.heads[arrival.repository] = arrival.heads
            self._resolved[arrival.repository, arrival.candidate.tag] = arrival.candidate

    def candidates(self, repository: Repository) -> list[Candidate]:
        """Every tag that the ledger knows, each as the registry resolved it where that was asked."""
        found = []
        for head in self.heads[repository]:
            key = (repository, head.tag)
            if key not in self._resolved:
                found.append(Candidate(head.tag, head.digest, moved_at=head.moved))
            elif resolved := self._resolved[key]:
                found.append(replace(resolved, moved_at=head.moved))
        return [candidate for candidate in found if not is_artifact_tag(candidate.tag)]

    def contents(self, observation: Observation) -> dict[Digest, Candidate]:
        """The running images that the registry was asked for, by digest."""
        digests = set(observation.running.values())
        return {key: found for (_, key), found in self._resolved.items() if found and key in digests}

    def unresolved(self, proposal: Proposal, observation: Observation) -> list[tuple[Repository, str]]:
        """What a proposal hangs on, though the registry was not asked for it.

        That is each candidate that something is wanted of, and what runs where an index would take its place: only both
        indexes together tell whether the content differs.
        """
        followed = observation.workload.followed
        gated = proposal.policy is not None and proposal.policy.options.gated
        wanted: list[tuple[Repository, str]] = []
        for container, candidate, decision in proposal.decisions:
            repository = followed[container].origin if container else None
            uncompared = decision.reason is Reason.CURRENT_NOT_COMPARABLE  # true of every tag, whatever it names
            if repository and candidate and decision.verdict is not Verdict.SKIP and not uncompared:
                wanted.append((repository, candidate.tag))
                if candidate.platforms or gated:
                    wanted += _beside(observation, repository if gated else None, container)
        return [key for key in wanted if key not in self._resolved]

    def resolve(self, registry: Registry, key: tuple[Repository, str]) -> bool:
        """Asks the registry for a tag or a digest; what is no image is no candidate. False for what is gone."""
        resolved = registry.resolve(*key)
        self._resolved[key] = resolved.candidate if resolved and resolved.is_image else None
        return resolved is not None


def _beside(
    observation: Observation, repository: Repository | None, container: str
) -> Iterator[tuple[Repository, Digest]]:
    """What runs where a candidate would take its place; with a `repository`, in all containers of it."""
    for name, reference in observation.workload.followed.items():
        origin, running = reference.origin, observation.running.get(name)
        if running and origin and (name == container or origin == repository):
            yield origin, running
