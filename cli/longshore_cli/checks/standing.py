"""Checks of workloads: what they follow, what keeps them back, and whether there is a way back for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from longshore.decisions import Reason, Verdict
from longshore.errors import LongshoreError
from longshore.redeploy.policy import PinPolicy
from longshore.workloads import CONTAINERS_TAG, POLICY_TAG, Controller
from longshore_cli.checks.findings import Found, Unseen, why_not
from longshore_cli.checks.tags import tagging

if TYPE_CHECKING:
    from datetime import datetime

    from longshore.workloads import Observation
    from longshore_cli.checks.sight import Sight

_LONG_HOLD: Final = timedelta(days=7)
_LONG_QUARANTINE: Final = timedelta(days=30)
_LONG_PENDING: Final = timedelta(hours=2)
_STUCK: Final = timedelta(hours=1)
_OVERDUE: Final = timedelta(minutes=15)
_TOLD_ELSEWHERE: Final = (
    Reason.INVALID_POLICY,
    Reason.PROFILE_UNKNOWN,
    Reason.PASS_ROLE_NOT_GRANTED,
    Reason.CLUSTER_ENDPOINT_PRIVATE,
    Reason.HELD,
    Reason.QUARANTINED,
    Reason.PAUSED,
    Reason.OBSERVE_ONLY,
    Reason.NOT_RUNNING,
)
"""Holds that a check of their own tells of, with a better fix."""


def held(sight: Sight) -> Iterator[Found | Unseen]:
    """What redeploy would hold now, whatever is pushed."""
    yield from sight.unseen
    for each in sight.observations:
        try:
            decision = sight.looking.evaluate(each).proposal.leading
        except LongshoreError as error:
            yield Unseen(f"{each.workload.arn}: {why_not(error, sight.action)}")
            continue
        if decision is None or decision.verdict is not Verdict.HOLD or decision.reason in _TOLD_ELSEWHERE:
            continue
        why = each.refusal.why if each.refusal and each.refusal.reason is decision.reason else decision.reason.meaning
        fix = f"longshore explain {quote(each.workload.arn)}; docs/policies.md#reasons says what to do"
        yield Found(each.workload.arn, f"is held as {decision.reason}: {why}", fix)


def follows_nothing(sight: Sight) -> Iterator[Found | Unseen]:
    """Workloads that opted in and have no image that can be followed."""
    yield from sight.unseen
    for each in sight.observations:
        if _follows_nothing(each):
            images = ", ".join(sorted(each.workload.images.values())) or "none"
            fix = "mirror the image into ECR (docs/mirror.md) and run it from there, or take the tag away"
            text = f"carries {POLICY_TAG}, but none of its images is in ECR: {images[:120]}"
            yield Found(each.workload.arn, text, fix)


def _follows_nothing(observation: Observation) -> bool:
    """Not so of containers that are named wrongly, which `tag-value` tells, or where others decide what runs."""
    workload = observation.workload
    named = set(workload.tags.get(CONTAINERS_TAG, "").split())
    untold = observation.refusal is None and observation.controller is not Controller.EXTERNAL
    return untold and not workload.followed and (not named or bool(named & set(workload.images)))


def long_hold(sight: Sight) -> Iterator[Found | Unseen]:
    """Holds that have stood for a week."""
    yield from sight.unseen
    for each in sight.observations:
        hold = sight.record(each.workload.arn).hold
        if hold and hold.stands(sight.now) and _old(hold.since, sight, _LONG_HOLD):
            fix = _forget(sight, each.workload.arn, "HOLD")
            text = f"is held since {hold.since:%Y-%m-%d} by {hold.actor} ({hold.reason}): nothing is deployed to it"
            yield Found(each.workload.arn, text, fix)


def long_quarantine(sight: Sight) -> Iterator[Found | Unseen]:
    """Images that have been refused for a month."""
    yield from sight.unseen
    for each in sight.observations:
        for digest, at in sorted(sight.record(each.workload.arn).quarantined.items()):
            if _old(at, sight, _LONG_QUARANTINE):
                fix = f"push a fix; or, if it is good: {_forget(sight, each.workload.arn, f'QUARANTINE#{digest}')}"
                yield Found(each.workload.arn, f"refuses {digest[:19]} since {at:%Y-%m-%d}, when it failed", fix)


def no_baseline(sight: Sight) -> Iterator[Found | Unseen]:
    """Workloads without a last known good image."""
    yield from sight.unseen
    for each in sight.observations:
        if not each.desired or each.refusal or not each.workload.followed or sight.record(each.workload.arn).goods:
            continue
        if isinstance(sight.policy(each.workload), PinPolicy):
            continue
        fix = "bring it to a steady state once; the hourly sweep then remembers what runs"
        yield Found(each.workload.arn, "no image of it is known to be good: a failed deployment has no way back", fix)


def overdue(sight: Sight) -> Iterator[Found | Unseen]:
    """Deployments of Longshore's that should have ended, and pushes that were never looked at again."""
    yield from sight.unseen
    for each in sight.observations:
        record = sight.record(each.workload.arn)
        deployment = record.deployment
        fix = (
            f"longshore explain {quote(each.workload.arn)}, and the log of WatchFunction; WatchDeadLetters may hold it"
        )
        if deployment and deployment.ended is None and sight.now > deployment.deadline + _OVERDUE:
            text = f"a deployment began at {deployment.began:%Y-%m-%dT%H:%MZ} and should have ended: nobody watches it"
            yield Found(each.workload.arn, text, fix)
        waiting = [tag for (_, tag), at in record.pending.items() if _old(at, sight, _LONG_PENDING)]
        if waiting and not (deployment and deployment.ended is None):
            text = f"was to be looked at again for {waiting[0]!r}, and was not"
            yield Found(each.workload.arn, text, "see that RedeployMode is auto; the hourly sweep looks at it")


def drifted(sight: Sight) -> Iterator[Found | Unseen]:
    """Workloads that declare otherwise than their owner does, since Longshore deployed in place."""
    yield from sight.unseen
    for each in sight.observations:
        for drift in sight.record(each.workload.arn).drifts:
            text = f"{drift.owner} {drift.stack} declares {drift.was} for {drift.container}, it runs {drift.now}"
            fix = (
                f"write {drift.now} into {drift.property}, or have it read what Longshore publishes in Parameter Store"
            )
            yield Found(each.workload.arn, " ".join(text.split()), fix)


def stuck(sight: Sight) -> Iterator[Found | Unseen]:
    """ECS deployments, opted in or not, that neither end nor fail."""
    yield from sight.unlisted
    for service in sight.services:
        for deployment in service.get("deployments", []):
            began = deployment.get("createdAt")
            if deployment.get("rolloutState") != "IN_PROGRESS" or not began or not _old(began, sight, _STUCK):
                continue
            failed = int(deployment.get("failedTasks", 0))
            count = f"{deployment.get('runningCount', 0)} of {deployment.get('desiredCount', 0)} tasks run"
            text = f"its deployment is in progress since {began:%Y-%m-%dT%H:%MZ}: {count}, {failed} failed"
            yield Found(service["serviceArn"], text, f"{_see(service)}; its events say why")
            break


def breaker_off(sight: Sight) -> Iterator[Found | Unseen]:
    """Services that opted in and whose failed deployments ECS would not end."""
    yield from sight.unlisted
    opted = set(sight.arns)
    for service in sight.services:
        controller = service.get("deploymentController", {}).get("type", "ECS")
        if service["serviceArn"] not in opted or controller != Controller.ECS.value:
            continue
        breaker = service.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
        if not (breaker.get("enable") and breaker.get("rollback")):
            state = "off" if not breaker.get("enable") else "on without rollback"
            where = f"--cluster {quote(service['clusterArn'])} --service {quote(service['serviceName'])}"
            fix = (
                f"aws ecs update-service {where} "
                "--deployment-configuration 'deploymentCircuitBreaker={enable=true,rollback=true}'"
            )
            text = f"its circuit breaker is {state}: a bad image is found out by Longshore's timeout alone, 20 minutes"
            yield Found(service["serviceArn"], text, fix)


def unfollowed(sight: Sight) -> Iterator[Found | Unseen]:
    """Services on mutable tags of ECR that did not opt in."""
    yield from sight.unlisted
    opted = set(sight.arns)
    for service in sight.services:
        if service["serviceArn"] in opted:
            continue
        tags = _tags_in_ecr(sight.definition(service))
        if tags:
            text = (
                f"runs {tags[0]}, a tag that may move, and nothing follows it: tasks that start later run another image"
            )
            yield Found(service["serviceArn"], text, tagging(service["serviceArn"], POLICY_TAG, "digest"))


def _tags_in_ecr(definition: Mapping[str, Any]) -> list[str]:
    images = [str(c.get("image", "")) for c in definition.get("containerDefinitions", [])]
    return [image for image in images if ".dkr.ecr." in image and "@" not in image]


def _old(at: datetime, sight: Sight, than: timedelta) -> bool:
    return sight.now - at > than


def _see(service: Mapping[str, Any]) -> str:
    cluster, name = quote(service["clusterArn"]), quote(service["serviceName"])
    return f"aws ecs describe-services --cluster {cluster} --services {name}"


def _forget(sight: Sight, arn: str, what: str) -> str:
    key = f'{{"pk": {{"S": "WORKLOAD#{arn}"}}, "sk": {{"S": "{what}"}}}}'
    return f"aws dynamodb delete-item --table-name {quote(sight.stack.ledger)} --key {quote(key)}"
