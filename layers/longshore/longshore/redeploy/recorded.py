"""What runs where a platform cannot tell: what Longshore recorded of it, for as long as nobody deployed since."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from longshore.redeploy.looks import UNPROVEN
from longshore.workloads import DeploymentStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from longshore.images import Digest
    from longshore.ports import Heads, Record, Records
    from longshore.workloads import Deployment, Observation

_DEPLOYED = (DeploymentStatus.SOAKING, DeploymentStatus.VERIFIED)
_EVENT = "event"


def recalled(observation: Observation, records: Records, heads: Heads) -> Observation:
    """The observation with the digests that the ledger can answer for; the others stay unknown (design 6.1).

    It answers for what Longshore deployed or saw to work since `since`, and for a declared tag that has not moved since
    then: of that an event is the better witness, for a tag may move between a decision and its deployment. Which image
    a failed deployment left behind, what is declared does not say. What was seen to run before a deployment that
    nothing has run of yet is not what runs next.
    """
    workload, since = observation.workload, observation.since
    followed = workload.followed
    if since is None or workload.policy is None or all(image.digest for image in followed.values()):
        return observation
    record = records.get(workload.arn)
    own = _own(record, observation)
    late = own if record.deployment and record.deployment.outcome == UNPROVEN else {}
    seen = {name: digest for name, digest in observation.running.items() if name not in late or followed[name].digest}
    observation = replace(observation, running=seen)
    unknown = {name: image for name, image in followed.items() if name not in seen}
    found = {name: own[name] for name in unknown if name in own}
    for name, image in unknown.items():
        tag, origin = image.effective_tag, image.origin
        head = heads.get(origin, tag) if origin and tag and observation.steady else None
        if head and head.moved < since and (name not in own or head.source == _EVENT):
            found[name] = head.digest
    return replace(observation, running={**observation.running, **found})


def _own(record: Record, observation: Observation) -> Mapping[str, Digest]:
    """What Longshore itself deployed last, or saw to work, if that is what was deployed last at all.

    What declares another image by now is somebody else's, though it was taken for Longshore's own.
    """
    last, since = record.deployment, observation.since
    if last and last.status in _DEPLOYED and _newest(last, observation):
        declared = observation.workload.images
        found = {
            each.container: each.digest for each in last.plan.changes if declared.get(each.container) == each.image
        }
        if found:
            return found
    newest = record.goods[0] if record.goods else None
    return newest.digests if newest and since and newest.since >= since else {}


def _newest(last: Deployment, observation: Observation) -> bool:
    """Whether nobody deployed after it: a platform that names no deployments tells only when what it runs was made."""
    if observation.rollout is not None or observation.since is None:
        return last.rollout == observation.rollout
    done = last.ended or last.soaking
    return done is not None and done >= observation.since
