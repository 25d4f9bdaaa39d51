"""`longshore plan`: what a push of an image would do now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore_cli.options import stack_options
from longshore_cli.output import columns, json_option, meaning, note, write_json

if TYPE_CHECKING:
    from longshore.decisions import Decision
    from longshore.images import ImageReference, Repository
    from longshore.workloads import Observation
    from longshore_cli.evaluation import Evaluator


@dataclass(frozen=True, slots=True)
class _Push:
    """The push that is supposed: `refusal` is why no workload would even be looked at."""

    repository: Repository
    tag: str | None
    digest: str | None
    refusal: Decision | None = None


@click.command(short_help="What a push of an image would do now.")
@click.argument("image")
@stack_options
@json_option
def plan(image: str, stack_name: str, config_file: Path | None, as_json: bool) -> None:
    """What would a push of IMAGE do now? Nothing is changed.

    IMAGE is a reference into ECR; REPOSITORY:TAG alone is one in this account and Region. A tag that is not in the
    registry yet is decided on as if it were pushed. Exit 0 whenever there is an answer.
    """
    from longshore_cli.account import Account
    from longshore_cli.evaluation import evaluator
    from longshore_cli.references import ecr_reference

    account = Account()
    reference = ecr_reference(image, account)
    looking = evaluator(account, stack_name, config_file)
    push = _suppose(reference, looking)
    decisions = [_described(o, _decided(o, push, looking)) for o in looking.observations(push.repository)]
    if as_json:
        write_json({"image": str(reference), "digest": push.digest, "decisions": decisions})
    else:
        _tell(str(reference), push, decisions)


def _suppose(reference: ImageReference, looking: Evaluator) -> _Push:
    """Puts the image in front of the evaluator as if it were pushed now."""
    from longshore.decisions import Decision, Reason
    from longshore.images import is_artifact_tag
    from longshore.redeploy.state import Candidate

    repository, tag = reference.origin, reference.effective_tag
    assert repository is not None
    if tag is None:
        return _Push(repository, None, reference.digest, Decision(Reason.UNTAGGED))
    found = looking.registry(repository).resolve(repository, tag)
    if is_artifact_tag(tag) or (found and not found.is_image):
        digest = found.candidate.digest if found else reference.digest
        return _Push(repository, tag, digest, Decision(Reason.ARTIFACT, {"tag": tag}))
    if found and reference.digest in (None, found.candidate.digest):
        return _Push(repository, tag, found.candidate.digest)
    note(f"{reference} is not in the registry: decided as if it were pushed now, whatever platforms it offers.")
    looking.suppose(repository, Candidate(tag, reference.digest or ""))
    return _Push(repository, tag, reference.digest)


def _decided(observation: Observation, push: _Push, looking: Evaluator) -> tuple[str, Decision]:
    """The decision that says most of the workload, among those on the pushed tag, and its container."""
    from longshore.decisions import Decision, Reason

    if push.refusal:
        return "", push.refusal
    proposal = looking.evaluate(observation).proposal
    about = [
        (container, decision)
        for container, candidate, decision in proposal.decisions
        if candidate is None or (candidate.tag == push.tag and _follows(observation, container, push.repository))
    ]
    order = ("deploy", "hold", "wait", "skip")
    ranked = sorted(about, key=lambda each: order.index(each[1].verdict))
    return ranked[0] if ranked else ("", Decision(Reason.SUPERSEDED))


def _follows(observation: Observation, container: str, repository: Repository) -> bool:
    return observation.workload.followed[container].origin == repository


def _described(observation: Observation, decided: tuple[str, Decision]) -> dict[str, Any]:
    container, decision = decided
    workload = observation.workload
    owner = workload.owner
    owned = {"owner": owner.kind.value, "stack": owner.stack or None} if owner else {}
    detail = {**({"container": container} if container else {}), **owned, **decision.detail}
    return {
        "workload": workload.arn,
        "platform": workload.platform.value,
        "verdict": decision.verdict.value,
        "reason": decision.reason.value,
        "detail": detail,
    }


def _tell(image: str, push: _Push, decisions: list[dict[str, Any]]) -> None:
    click.echo(f"A push of {image} ({push.digest or 'digest not known'}) would now do this:")
    if not decisions:
        click.echo(f"  nothing: no workload with the tag longshore:policy follows {push.repository.name}")
    rows = [(f"  {d['verdict']}", d["workload"].partition(":service/")[2], meaning(d["reason"])) for d in decisions]
    for line in columns(rows):
        click.echo(line)
