"""`longshore explain`: why a workload runs what it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from longshore.gates import SCAN_GATE
from longshore_cli.options import stack_options
from longshore_cli.output import WrongError, columns, json_option, meaning, write_json

if TYPE_CHECKING:
    from longshore.owners import Owner
    from longshore_cli.account import Account
    from longshore_cli.evaluation import Evaluated, Evaluator

_NAME = re.compile(r"[A-Za-z0-9._/-]+")
_PARTNER = "aws.partner/"
"""How the name of a bus begins that has slashes of its own."""
_RESOURCES = {1: "lambda:{}:function:", 2: "ecs:{}:service/", 4: "eks:{}:cluster/"}
"""What comes before a name of so many parts in the ARN of what the index does not know; `{}` is Region and account."""
_UNITS = {"ecs-service": "tasks", "eks-workload": "pods"}
_SHOWN = 12  # candidates that the text shows; the JSON has all


@click.command(short_help="Why a workload runs what it runs.")
@click.argument("workload")
@stack_options
@json_option
def explain(workload: str, stack_name: str, config_file: Path | None, as_json: bool) -> None:
    """Why does WORKLOAD run what it runs, and what would it take to change that?

    WORKLOAD is an ARN, or the name of a workload that opted in: FUNCTION, CLUSTER/SERVICE, CLUSTER/DAEMON, SERVICE (of
    App Runner), CLUSTER/NAMESPACE/KIND/NAME, RULE, BUS/RULE, or GROUP/SCHEDULE. Of what did not opt in, FUNCTION,
    CLUSTER/SERVICE and CLUSTER/NAMESPACE/KIND/NAME will do.
    """
    from longshore_cli.account import Account
    from longshore_cli.evaluation import evaluator

    account = Account(_region(workload))
    looking = evaluator(account, stack_name, config_file)
    arn = workload if workload.startswith("arn:") else _named(workload, account, looking)
    document = describe(looking.evaluate(looking.platform.observe(arn)))
    if as_json:
        write_json(document)
    else:
        _tell(document)


def _region(workload: str) -> str | None:
    """The Region of an ARN; None leaves it to the boto3 chain. Raises WrongError for what can name no workload."""
    from longshore.workloads import WorkloadId

    if not workload.startswith("arn:"):
        parts = workload.count("/") + 1
        if not _NAME.fullmatch(workload) or (parts not in _RESOURCES and not workload.startswith(_PARTNER)):
            raise WrongError(f"{workload!r} is no ARN, and no name of a workload")
        return None
    try:
        return WorkloadId.parse(workload).region
    except ValueError as error:
        raise WrongError(str(error)) from error


def _named(name: str, account: Account, looking: Evaluator) -> str:
    """The ARN of the workload that the index knows by a name, else of what is made up of such parts."""
    from longshore.workloads import WorkloadId

    known = looking.arns_of(name)
    if len(known) > 1:
        raise WrongError(f"{name!r} names {len(known)} workloads, give the ARN: {' '.join(known)}")
    arn = known[0] if known else _arn(name, account.partition, account.region, account.id)
    if not WorkloadId.names(arn):
        raise WrongError(f"{name!r} names no workload that opted in, and can be no other's name")
    return arn


def _arn(name: str, partition: str, region: str, account: str) -> str:
    """The ARN of a workload that is named by its parts."""
    resource = _RESOURCES.get(name.count("/") + 1, "").format(f"{region}:{account}")
    return f"arn:{partition}:{resource}{name}"


def describe(evaluated: Evaluated) -> dict[str, Any]:
    """The document of the command; empty lists stand for what there is none of."""
    from longshore.redeploy.ownership import owner_of
    from longshore.redeploy.plan import ownership_of

    facts, proposal = evaluated.facts, evaluated.proposal
    observation, record = facts.observation, facts.record
    workload = observation.workload
    leading = proposal.leading
    return {
        "workload": workload.arn,
        "platform": workload.platform.value,
        "controller": observation.controller.value if observation.controller else None,
        "policy": workload.policy,
        "owner": _owner(owner_of(workload, ownership_of(facts))),
        "drift": [{**each.told(), "since": each.since.isoformat() if each.since else None} for each in record.drifts],
        "published": dict(record.published),
        "declared": dict(workload.images),
        "running": dict(observation.running),
        "desired": observation.desired,
        "steady": observation.steady,
        "rollout": observation.rollout,
        "decision": leading.as_json() if leading else None,
        "candidates": _candidates(evaluated),
        "gates": _gates(evaluated),
        "holds": [_hold(record.hold)] if record.hold else [],
        "paused": facts.paused,
        "windows": [],
        "quarantined": [{"digest": d, "since": at.isoformat()} for d, at in sorted(record.quarantined.items())],
        "pending": [
            {"repository": str(repository), "tag": tag, "since": at.isoformat()}
            for (repository, tag), at in sorted(record.pending.items())
        ],
        "good": [{"digests": dict(good.digests), "since": good.since.isoformat()} for good in record.goods],
        "deployments": [_deployment(record.deployment)] if record.deployment else [],
    }


def _owner(owner: Owner | None) -> dict[str, str | None] | None:
    if owner is None:
        return None
    named = {"name": owner.name, "stack": owner.stack, "logical_id": owner.logical_id}
    return {"kind": owner.kind.value, **{key: text or None for key, text in named.items()}}


def _candidates(evaluated: Evaluated) -> list[dict[str, Any]]:
    workload = evaluated.facts.observation.workload
    found = []
    for container, candidate, decision in evaluated.proposal.decisions:
        if candidate is None:
            continue
        repository = workload.followed[container].origin
        described = {
            "container": container,
            "repository": str(repository),
            "tag": candidate.tag,
            "digest": candidate.digest or None,
            "moved": candidate.moved_at.isoformat() if candidate.moved_at else None,
        }
        found.append(described | decision.as_json())
    return sorted(found, key=lambda each: (each["container"], each["verdict"] == "skip", _newest_first(each["moved"])))


def _gates(evaluated: Evaluated) -> list[dict[str, Any]]:
    """What is asked of each candidate that only a gate may keep back, and what was answered."""
    facts, proposal = evaluated.facts, evaluated.proposal
    terms = proposal.policy.options.gates.get(SCAN_GATE) if proposal.policy else None
    found = []
    for container, candidate, decision in proposal.decisions:
        repository = facts.observation.workload.followed[container].origin if container else None
        answer = facts.gates.get((repository, candidate.digest)) if repository and candidate else None
        if not (terms and candidate and answer):
            continue
        described = {
            "gate": SCAN_GATE,
            "container": container,
            "repository": str(repository),
            "tag": candidate.tag,
            "digest": candidate.digest,
            "result": answer.reason.result.value,
            "reason": answer.reason.value,
            "meaning": answer.reason.meaning,
            "deploys": terms.admit(answer.reason),
            "judged": answer.at.isoformat() if answer.at else None,
            "until": answer.until.isoformat() if answer.until else None,
            "counts": dict(answer.counts),
            "findings": [dict(each) for each in answer.findings],
            "decision": decision.reason.value,
        }
        found.append(described)
    return found


def _newest_first(moved: str | None) -> tuple[int, ...]:
    return tuple(-ord(character) for character in moved or "")


def _hold(hold: Any) -> dict[str, Any]:
    until = hold.until.isoformat() if hold.until else None
    return {"reason": hold.reason, "by": hold.actor, "since": hold.since.isoformat(), "until": until}


def _deployment(deployment: Any) -> dict[str, Any]:
    plan = deployment.plan
    return {
        "status": deployment.status.value,
        "outcome": deployment.outcome or None,
        "reason": plan.reason,
        "action": plan.action.value,
        "rollback": plan.rollback,
        "began": deployment.began.isoformat(),
        "deadline": deployment.deadline.isoformat(),
        "ended": deployment.ended.isoformat() if deployment.ended else None,
        "rollout": deployment.rollout,
        "changes": [
            {"container": c.container, "image": c.image, "tag": c.tag, "digest": c.digest, "previous": c.previous}
            for c in plan.changes
        ],
        "correlation": plan.correlation,
    }


def _tell(document: dict[str, Any]) -> None:
    from longshore.workloads import WorkloadId

    workload = WorkloadId.parse(document["workload"])
    click.echo(f"{'/'.join(filter(None, (workload.cluster, workload.label)))}  {workload.arn}")
    for line in columns((f"  {label}", text) for label, text in _rows(document)):
        click.echo(line)
    if document["candidates"]:
        click.echo("")
        for line in columns(_candidate_rows(document["candidates"])):
            click.echo(line)


def _rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("follows", document["policy"] or "nothing: the tag longshore:policy is missing")]
    for container, image in document["declared"].items():
        rows.append(("runs", f"{container}: {image} = {document['running'].get(container, 'digest not known')}"))
    if owner := document["owner"]:
        rows.append(("owner", " ".join(filter(None, (owner["kind"], owner["name"] or owner["stack"])))))
    rows += [
        ("drift", f"{each['property']}: declared {each['was']}, deployed {each['now']}") for each in document["drift"]
    ]
    rows.append(("state", _state(document)))
    if decision := document["decision"]:
        rows.append(("now", _verdict(decision)))
    rows += [("gate", _gate(each)) for each in document["gates"]]
    if document["paused"] is not None:
        rows.append(("paused", document["paused"] or "no reason given"))
    rows += [("held", _held(hold)) for hold in document["holds"]]
    rows += [("bad", f"{each['digest']}, failed {_when(each['since'])}") for each in document["quarantined"]]
    rows += [("pending", f"{each['tag']}, since {_when(each['since'])}") for each in document["pending"]]
    rows += [("good", _good(each)) for each in document["good"][:1]]
    rows += [("last", _last(each)) for each in document["deployments"]]
    return rows


def _state(document: dict[str, Any]) -> str:
    units = _UNITS.get(document["platform"])
    if units is None:  # Lambda runs as many as are called
        return "steady" if document["steady"] else "an update is under way, or has failed"
    state = "steady" if document["steady"] else f"a deployment is under way, or {units} are missing"
    return f"{document['desired']} {units} wanted, {state}"


def _verdict(decision: dict[str, Any]) -> str:
    until = f" until {_when(decision['detail']['until'])}" if decision["detail"].get("until") else ""
    return f"{decision['verdict']}{until}: {meaning(decision['reason'])}"


def _gate(gate: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {priority}" for priority, number in sorted(gate["counts"].items()) if number)
    figures = f" ({counts})" if counts else ""
    until = f", awaited until {_when(gate['until'])}" if gate["result"] == "wait" and gate["until"] else ""
    judged = f", judged {_when(gate['judged'])}" if gate["judged"] else ""
    lets = "" if gate["deploys"] or gate["result"] == "wait" else ": not deployed"
    return f"{gate['gate']} of {gate['tag']}: {gate['result']}, {gate['meaning']}{figures}{judged}{until}{lets}"


def _held(hold: dict[str, Any]) -> str:
    until = f" until {_when(hold['until'])}" if hold["until"] else " until it is lifted"
    return f"{hold['reason']}, by {hold['by']} since {_when(hold['since'])}{until}"


def _good(good: dict[str, Any]) -> str:
    digests = ", ".join(f"{container} {digest}" for container, digest in sorted(good["digests"].items()))
    return f"{digests}, since {_when(good['since'])}"


def _last(deployment: dict[str, Any]) -> str:
    ended = f", ended {_when(deployment['ended'])}" if deployment["ended"] else f", due {_when(deployment['deadline'])}"
    changes = "; ".join(f"{c['container']} to {c['tag']} = {c['digest']}" for c in deployment["changes"])
    what = f"{deployment['status']} [{deployment['outcome'] or deployment['reason']}]"
    return f"{what}, began {_when(deployment['began'])}{ended}: {changes or 'the same images again'}"


def _when(moment: str) -> str:
    return moment[:19].replace("T", " ") + " UTC"


def _candidate_rows(candidates: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    yield "  candidate", "digest", "moved", "decision"
    for each in candidates[:_SHOWN]:
        digest = (each["digest"] or "?").removeprefix("sha256:")[:12]
        moved = _when(each["moved"]) if each["moved"] else "?"
        yield f"  {each['container']}: {each['tag']}", digest, moved, _verdict(each)
    if len(candidates) > _SHOWN:
        yield "  ...", "", "", f"and {len(candidates) - _SHOWN} more: see --json"
