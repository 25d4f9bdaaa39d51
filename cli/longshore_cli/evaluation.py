"""Decides on workloads as redeploy would at this moment, from what AWS and the ledger say, and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore.aws.clock import SystemClock
from longshore.aws.ecr import EcrRegistry
from longshore.aws.gates import LedgerGates
from longshore.aws.ledger import LedgerHeads, LedgerIndex, LedgerRecords
from longshore.aws.platforms import platforms
from longshore.aws.stacks import Stacks
from longshore.aws.switches import LedgerSwitches
from longshore.aws.table import Table
from longshore.decisions import Verdict
from longshore.errors import AccessDeniedError, TransientError
from longshore.images import PUBLIC_HOST, Repository, is_artifact_tag
from longshore.ports import Head, Record
from longshore.redeploy.gating import gated
from longshore.redeploy.plan import Facts, Proposal, propose
from longshore.redeploy.recorded import recalled
from longshore.redeploy.stacks import with_stack
from longshore.redeploy.state import Candidate
from longshore.workloads import WorkloadId
from longshore_cli.config import DEFAULT, profiles_of
from longshore_cli.output import note

if TYPE_CHECKING:
    from longshore.ports import Clock
    from longshore.redeploy.policy import Profile
    from longshore.redeploy.ports import Registry
    from longshore.workloads import Observation
    from longshore_cli.account import Account, Stack

_RESOLUTIONS = 4  # as in redeploy: winners whose tag is gone are passed over this often
_ANYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was decided on a workload, and all that it was decided on."""

    facts: Facts
    proposal: Proposal


class Evaluator:
    """Looks at one account and Region, at one moment."""

    def __init__(
        self, account: Account, stack: Stack | None, profiles: Mapping[str, Profile], clock: Clock | None = None
    ) -> None:
        self.platform = platforms(account.client, recall=self._recalled)
        self._account = account
        self._stack = stack
        self.profiles = profiles
        self._clock = clock or SystemClock()
        self._table = Table(account.client("dynamodb"), stack.ledger) if stack else None
        self._heads: dict[Repository, dict[str, Head]] = {}
        self._resolved: dict[tuple[Repository, str], Candidate | None] = {}
        self._followed: set[str] = set()

    def registry(self, repository: Repository) -> Registry:
        """The registry that holds a repository."""
        if repository.is_public:
            return self._public
        return EcrRegistry(self._account.client("ecr", repository.region))

    @cached_property
    def _public(self) -> Registry:
        """ECR Public with what `docker login` knows, or as anybody reads it."""
        from longshore.aws.ecr_public import REGION, PublicRepositories
        from longshore.aws.public_images import PublicImages
        from longshore_cli.registry_sides import registry

        gallery = registry(PUBLIC_HOST, "source", insecure=False)
        click.get_current_context().call_on_close(gallery.close)
        repositories = PublicRepositories(self._account.client("ecr-public", REGION))
        return PublicImages(lambda: gallery, lambda: repositories, self._clock)

    def _recalled(self, observation: Observation) -> Observation:
        """With the digests that the ledger knows, where there is one."""
        if self._table is None:
            return observation
        return recalled(observation, LedgerRecords(self._table, self._clock), LedgerHeads(self._table))

    def observations(self, repository: Repository) -> list[Observation]:
        """Every workload that opted in and follows the repository."""
        found = self.platform.survey(sorted(set(self.platform.arns())))
        for platform, why in self.platform.unasked.items():
            note(f"{platform}: left out, for it cannot be asked who opted in: {why}")
        return [
            o for o in found if o.active and o.workload.policy is not None and repository in o.workload.repositories
        ]

    def arns_of(self, name: str) -> list[str]:
        """The workloads that the stack's index knows by a name: the label, behind the cluster where there is one."""
        if self._table is None:
            return []
        known = LedgerIndex(self._table).all(self._account.id, self._account.region)
        ids = (WorkloadId.parse(each.arn) for each in known)
        return sorted(id.arn for id in ids if name == "/".join(filter(None, (id.cluster, id.label))))

    def suppose(self, repository: Repository, pushed: Candidate) -> None:
        """Adds a candidate, or takes it instead of what the registry holds under its tag; it moves now."""
        now = self._clock.now()
        self._heads_of(repository)[pushed.tag] = Head(repository, pushed.tag, pushed.digest, now, now, now)
        self._resolved[repository, pushed.tag] = pushed

    def evaluate(self, observation: Observation) -> Evaluated:
        """Decides on every candidate of every container that the workload follows."""
        workload = observation.workload
        self._followed = {tag for each in workload.followed.values() if (tag := each.effective_tag)}
        facts = Facts(
            observation=observation,
            record=self._record(workload.arn),
            candidates={repository: self._candidates(repository) for repository in workload.repositories},
            now=self._clock.now(),
            heads={(h.repository, h.tag): h for r in workload.repositories for h in self._heads_of(r).values()},
            contents=self._contents(observation),
            profiles=self.profiles,
            passable=self._stack.passable if self._stack else _ANYTHING,
            updatable=self._stack.updatable if self._stack else _ANYTHING,
            paused=self._paused,
            observe_only=bool(self._stack and self._stack.mode == "observe"),
        )
        proposal = propose(facts, "")
        for _ in range(_RESOLUTIONS):
            if not self._resolve_winners(observation, proposal):
                break
            candidates = {repository: self._candidates(repository) for repository in workload.repositories}
            facts = replace(facts, candidates=candidates, contents=self._contents(observation))
            proposal = propose(facts, "")
        if self._stack and self._table:
            gates = LedgerGates(self._table, self._clock) if self._stack.scan != "off" else None
            facts, proposal = gated(facts, proposal, "", gates)
        facts, proposal = with_stack(facts, proposal, "", Stacks(self._cloudformation))
        return Evaluated(facts, proposal)

    def _cloudformation(self, arn: str) -> Any:
        return self._account.client("cloudformation", WorkloadId.parse(arn).region)

    def _resolve_winners(self, observation: Observation, proposal: Proposal) -> bool:
        """Asks the registry about what would be deployed, and about what runs where an index would take its place."""
        asked = False
        for container, candidate, decision in proposal.decisions:
            repository = observation.workload.followed[container].origin if container else None
            if not repository or not candidate or decision.verdict is Verdict.SKIP:
                continue
            running = observation.running.get(container) if candidate.platforms else None
            for name in filter(None, (candidate.tag, running)):
                if (repository, name) not in self._resolved:
                    found = self.registry(repository).resolve(repository, name)
                    self._resolved[repository, name] = found.candidate if found and found.is_image else None
                    asked = True
        return asked

    def _contents(self, observation: Observation) -> dict[str, Candidate]:
        digests = set(observation.running.values())
        return {name: found for (_, name), found in self._resolved.items() if found and name in digests}

    def _candidates(self, repository: Repository) -> list[Candidate]:
        found = []
        for head in self._heads_of(repository).values():
            if is_artifact_tag(head.tag):
                continue
            known = self._resolved.get((repository, head.tag), Candidate(head.tag, head.digest))
            if known:
                found.append(replace(known, moved_at=head.moved))
        return found

    def _heads_of(self, repository: Repository) -> dict[str, Head]:
        """What the ledger knows, brought up to date in memory as a sweep would do it in the ledger."""
        if repository not in self._heads:
            stored: Sequence[Head] = LedgerHeads(self._table).of(repository) if self._table else ()
            self._heads[repository] = self._updated(repository, {head.tag: head for head in stored})
        return self._heads[repository]

    def _updated(self, repository: Repository, stored: dict[str, Head]) -> dict[str, Head]:
        now = self._clock.now()
        current: dict[str, Head] = {}
        try:
            for tag, digest, pushed in self.registry(repository).tags(repository, {*stored, *self._followed}):
                known = stored.get(tag)
                moved = now if known else min(pushed, now)
                same = known is not None and known.digest == digest
                current[tag] = known if known and same else Head(repository, tag, digest, moved, now, now)
        except (AccessDeniedError, TransientError) as error:
            if isinstance(error, TransientError) and not repository.is_public:
                raise
            note(f"The tags of {repository} cannot be listed ({error}): only those in the ledger are known.")
            return stored
        return current

    def _record(self, arn: str) -> Record:
        return LedgerRecords(self._table, self._clock).get(arn) if self._table else Record(arn)

    @cached_property
    def _paused(self) -> str | None:
        if self._table is None:
            return None
        return LedgerSwitches(self._table, self._account.id, self._account.region).paused()


def evaluator(account: Account, stack_name: str, config_file: Path | None) -> Evaluator:
    """An evaluator with the stack's ledger and parameters, and the profiles of the configuration file."""
    profiles = profiles_of(config_file or (DEFAULT if DEFAULT.is_file() else None))
    stack = account.stack(stack_name)
    if stack and stack.mode != "auto":
        note(f"The stack {stack.name} has RedeployMode {stack.mode}: nothing is deployed whatever is decided here.")
    return Evaluator(account, stack, profiles)
