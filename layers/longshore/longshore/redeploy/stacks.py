"""Plans that hang on the owner's CloudFormation stack: it is looked at once nothing else stands against them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.redeploy.ownership import Stack
from longshore.redeploy.plan import Facts, Proposal, propose
from longshore.workloads import Action

if TYPE_CHECKING:
    from longshore.redeploy.ports import Stacks


def with_stack(facts: Facts, proposal: Proposal, correlation: str, stacks: Stacks) -> tuple[Facts, Proposal]:
    """The same, or what is proposed now that the stack is known."""
    plan, leading = proposal.plan, proposal.leading
    if plan is None or plan.action is not Action.STACK or leading is None or not leading.deploys:
        return facts, proposal
    name = plan.subject.stack
    found = stacks.get(plan.workload, name) or Stack(name, "gone", frozenset(plan.parameters))
    facts = replace(facts, stack=found)
    return facts, propose(facts, correlation)
