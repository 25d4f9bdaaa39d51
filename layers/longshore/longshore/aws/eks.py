"""What runs in EKS clusters: observe, apply, follow and stop rollouts of what Kubernetes keeps up (aws.md F)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from longshore.aws import eks_objects as objects
from longshore.aws import eks_pods as pods_say
from longshore.aws.ecs_definitions import human_tag
from longshore.aws.eks_nodes import platforms, slim
from longshore.aws.tagging import opted_in
from longshore.decisions import Reason
from longshore.errors import (
    AccessDeniedError,
    ConflictError,
    GoneError,
    LongshoreError,
    UnsupportedError,
)
from longshore.owners import recognise
from longshore.workloads import Action, Observation, Refusal, Rollout, RolloutStatus, Workload, WorkloadId

if TYPE_CHECKING:
    from longshore.aws.eks_connections import Connections
    from longshore.aws.eks_objects import Object
    from longshore.aws.kubernetes import Kubernetes
    from longshore.images import Digest
    from longshore.ports import Clock
    from longshore.workloads import Change, Plan

_NODES_KNOWN: Final = timedelta(minutes=5)
_TOLD: Final = 10
_WHY: Final = 300
_BY_HAND: Final = "its updateStrategy is OnDelete: pods take a new image only when somebody deletes them"
_IN_PART: Final = "its updateStrategy has a partition: pods below it keep the image that they have"


class EksWorkloads:
    """The platform and the discovery of Deployments, StatefulSets, DaemonSets and CronJobs."""

    def __init__(
        self,
        connections: Connections,
        tagging: Callable[[], Any],
        clock: Clock,
    ) -> None:
        self._connections = connections
        self._tagging = tagging  # built only for a sweep
        self._clock = clock
        self._nodes: dict[str, tuple[Sequence[Object], datetime]] = {}
        self._left_out: dict[str, LongshoreError] = {}

    # -- the platform -----------------------------------------------------------------------------------------------

    def observe(self, arn: str) -> Observation:
        """One request for the workload, one for its pods, and now and then one for the nodes."""
        id = WorkloadId.parse(arn)
        return self._observation(id, self._get(id))

    def _observation(self, id: WorkloadId, found: Object) -> Observation:
        template = objects.template_of(id.kind, found)
        images = {str(c["name"]): str(c.get("image", "")) for c in objects.containers_of(template)}
        standing = objects.standing(id.kind, found)
        pods, running = self._running(id, found)
        cron = id.kind == "cronjob"
        return Observation(
            workload=Workload(
                arn=id.arn,
                platform=id.platform,
                account=id.account,
                region=id.region,
                cluster=id.cluster,
                name=id.label,
                tags=objects.tags_of(found),
                images=images,
            ),
            running=running,
            human_tags=objects.human_tags(found, images),
            platforms=platforms(template, self._all_nodes(id.cluster), pods),
            rollout=objects.fingerprint(template),
            rollout_active=standing.rolling,
            desired=int(bool(running)) if cron else standing.desired,
            steady=standing.complete,
            active="deletionTimestamp" not in found["metadata"],
            refusal=_refusal(id.kind, found),
            revision=str(found["metadata"].get("resourceVersion", "")),
        )

    def apply(self, observation: Observation, plan: Plan, *, resumed: bool = False) -> str | None:
        """A strategic merge patch of the images alone, or of the template's restart annotation.

        Raises ConflictError when the pod template is no longer the one that was decided on: somebody else's change is
        respected. `resumed` makes no difference, because an image that is there already is no change.
        """
        id = WorkloadId.parse(plan.workload)
        found = self._get(id)
        if refusal := _refusal(id.kind, found):
            raise UnsupportedError(refusal.why)
        owner = recognise(objects.tags_of(found))
        if owner and owner.kind.undoes:
            raise UnsupportedError(f"{owner.kind.label} owns the workload and would undo the change")
        template = objects.template_of(id.kind, found)
        if objects.POLICY not in objects.notes(found):
            raise ConflictError(f"{id.arn} has opted out")
        if objects.fingerprint(template) != observation.rollout:
            raise ConflictError(f"{id.arn} was changed after it was looked at")
        noted: dict[str, str | None] = {}
        if plan.action is Action.REFRESH:
            _pulls_again(template, plan.changes)
            changed: Object = {"metadata": {"annotations": {objects.RESTARTED: self._clock.now().isoformat()}}}
        else:
            changed = {"spec": {"containers": [{"name": c.container, "image": c.image} for c in plan.changes]}}
            tag = human_tag(plan, observation) or None
            if objects.notes(found).get(objects.HUMAN) != tag:
                noted[objects.HUMAN] = tag
        after = self._patch(id, found, noted, objects.patch_of(id.kind, changed))
        if plan.rollback and id.kind == "statefulset":
            self._unblock(id, after)
        begun = objects.fingerprint(objects.template_of(id.kind, after))
        return begun if begun != observation.rollout else None

    def _patch(
        self, id: WorkloadId, found: Object, noted: Mapping[str, str | None], spec: Object | None
    ) -> dict[str, Any]:
        meta: dict[str, Any] = {"resourceVersion": found["metadata"]["resourceVersion"]}
        if noted:
            meta["annotations"] = dict(noted)
        patch = {"metadata": meta, **({"spec": spec} if spec else {})}
        return self._connections.ask(
            id.cluster, lambda api: api.patch(objects.path(id.kind, id.namespace, id.name), patch)
        )

    def _unblock(self, id: WorkloadId, found: Object) -> None:
        """Deletes the pods that do not come up with another template.

        A StatefulSet that keeps its pods in order waits for them for ever, even after the way back
        (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
        """
        wanted = {c["name"]: c.get("image") for c in objects.containers_of(objects.template_of(id.kind, found))}
        for pod in self._own_pods(id, found):
            has = {c["name"]: c.get("image") for c in pod["spec"]["containers"] if c["name"] in wanted}
            if not pods_say.is_ready(pod) and has != wanted:
                meta = pod["metadata"]
                where = f"/api/v1/namespaces/{id.namespace}/pods/{meta['name']}"
                with suppress(GoneError, ConflictError, AccessDeniedError):  # the latter: its role leaves pods alone
                    self._connections.ask(id.cluster, lambda api, w=where, u=meta["uid"]: api.delete(w, u))  # type: ignore[misc]

    def find(self, arn: str, since: datetime, other_than: str | None) -> str | None:
        """The current template, when it was written since."""
        id = WorkloadId.parse(arn)
        found = self._get(id)
        current = objects.fingerprint(objects.template_of(id.kind, found))
        recent = objects.changed_at(id.kind, found) >= since - objects.GRACE
        return current if recent and current != other_than else None

    def rollout(self, arn: str, id: str) -> Rollout:
        """How the pods stand that have the template of this rollout."""
        workload = WorkloadId.parse(arn)
        try:
            found = self._get(workload)
        except GoneError as error:
            return Rollout(id, RolloutStatus.GONE, str(error))
        if objects.fingerprint(objects.template_of(workload.kind, found)) != id:
            return Rollout(id, RolloutStatus.STOPPED, "another pod template has taken its place")
        standing = objects.standing(workload.kind, found)
        stopped = objects.notes(found).get(objects.STOPPED) == id
        failed = standing.failed or ("it ran out of time" if stopped and not standing.complete else "")
        if failed:
            pods, _ = self._running(workload, found)
            return Rollout(id, RolloutStatus.FAILED, failed, evidence=tuple(pods_say.complaints(pods))[:_TOLD])
        if not standing.complete:
            return Rollout(id, RolloutStatus.RUNNING)
        return Rollout(id, RolloutStatus.SUCCEEDED, digests=self._running(workload, found)[1])

    def stop(self, arn: str, id: str) -> None:
        """Marks the rollout as failed. Kubernetes keeps at it until the pod template changes: by the way back."""
        workload = WorkloadId.parse(arn)
        found = self._get(workload)
        if objects.fingerprint(objects.template_of(workload.kind, found)) != id:
            raise GoneError(f"{arn} has another pod template than {id}")
        standing = objects.standing(workload.kind, found)
        if standing.complete or standing.failed:
            raise ConflictError(f"rollout {id} of {arn} is over")
        self._patch(workload, found, {objects.STOPPED: id}, None)

    def complete(self, arn: str, id: str) -> None:
        """Kubernetes completes its rollouts by itself."""

    # -- the discovery ----------------------------------------------------------------------------------------------

    def arns(self) -> Iterable[str]:
        """The annotated workloads of every cluster that carries the tag `longshore:policy`.

        A cluster that cannot be looked into, or a kind in it, holds up nobody else; `unseen` tells of it.
        """
        self._left_out.clear()
        for arn in opted_in(self._tagging(), "eks:cluster"):
            for kind in objects.ROOTS:
                try:
                    yield from self._annotated(arn, kind)
                except LongshoreError as error:
                    self._left_out[f"{arn}/{kind}"] = error

    def unseen(self, arn: str) -> str:
        """What stood in the way of the last discovery, in this cluster and for this kind."""
        id = WorkloadId.parse(arn)
        cluster = arn.removesuffix(f"/{id.label}")
        return str(self._left_out.get(f"{cluster}/{id.kind}", ""))[:_WHY]

    def _annotated(self, arn: str, kind: str) -> Iterator[str]:
        name = arn.rpartition("/")[2]

        def marked(api: Kubernetes) -> list[Object]:
            """Of a page no more is kept than what is asked for: a cluster may have thousands."""
            return [
                found for found in api.list(objects.path(kind), metadata=True) if objects.POLICY in objects.notes(found)
            ]

        for found in self._connections.ask(name, marked):
            meta = found["metadata"]
            id = f"{arn}/{meta.get('namespace')}/{kind}/{meta.get('name')}"
            if WorkloadId.names(id):
                yield id

    def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
        """Two requests a workload: pods are asked for by their workload's selector, not by the thousand."""
        found: list[Observation] = []
        for arn in arns:
            with suppress(GoneError):
                found.append(self.observe(arn))
        return found

    # -- reading ----------------------------------------------------------------------------------------------------

    def _get(self, id: WorkloadId) -> dict[str, Any]:
        return self._connections.ask(id.cluster, lambda api: api.get(objects.path(id.kind, id.namespace, id.name)))

    def _running(self, id: WorkloadId, found: Object) -> tuple[Sequence[Object], Mapping[str, Digest]]:
        """The pods, and what they run; nothing where the role may not see pods."""
        try:
            if id.kind != "cronjob":
                pods = self._own_pods(id, found)
                return pods, pods_say.running(pods)
            template = objects.template_of(id.kind, found)
            pods = self._last_run(id, found, template)
        except AccessDeniedError:
            return (), {}
        images = {str(c["name"]): str(c.get("image", "")) for c in objects.containers_of(template)}
        written = {name: image.partition("@")[2] for name, image in images.items() if "@" in image}
        return pods, {**pods_say.running(pods, ended=True), **written}

    def _last_run(self, id: WorkloadId, found: Object, template: Object) -> Sequence[Object]:
        """The pods of the newest job that has the CronJob's template of now."""
        uid, wanted = found["metadata"]["uid"], _identity(template)
        where = f"/apis/batch/v1/namespaces/{id.namespace}/jobs"

        def mine(api: Kubernetes) -> list[Object]:
            return [
                job
                for job in api.list(where)
                if any(r.get("uid") == uid for r in job["metadata"].get("ownerReferences") or [])
                and _identity(job["spec"]["template"]) == wanted
            ]

        jobs = self._connections.ask(id.cluster, mine)
        if not jobs:
            return ()
        newest = max(jobs, key=lambda job: (job["metadata"]["creationTimestamp"], job["metadata"]["name"]))
        return self._pods(id, f"job-name={newest['metadata']['name']}")

    def _own_pods(self, id: WorkloadId, found: Object) -> Sequence[Object]:
        return pods_say.owned(found, self._pods(id, pods_say.selector_of(found)))

    def _pods(self, id: WorkloadId, selector: str) -> Sequence[Object]:
        if not selector:
            return ()  # would select every pod of the namespace
        where = f"/api/v1/namespaces/{id.namespace}/pods"
        found = self._connections.ask(id.cluster, lambda api: list(api.list(where, {"labelSelector": selector})))
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def _all_nodes(self, cluster: str) -> Sequence[Object]:
        known, until = self._nodes.get(cluster, ((), self._clock.now()))
        if self._clock.now() >= until:
            try:
                known = self._connections.ask(cluster, lambda api: [slim(each) for each in api.list("/api/v1/nodes")])
            except AccessDeniedError:
                known = ()  # then nothing is required of an image but what the pod template says
            self._nodes[cluster] = (known, self._clock.now() + _NODES_KNOWN)
        return known


def _refusal(kind: str, found: Object) -> Refusal | None:
    if objects.by_hand(kind, found):
        return Refusal(Reason.UNSUPPORTED_PLATFORM, _BY_HAND)
    return Refusal(Reason.UNSUPPORTED_PLATFORM, _IN_PART) if objects.partition(kind, found) else None


def _pulls_again(template: Object, changes: Iterable[Change]) -> None:
    """A node that has an image of the declared tag starts it again, unless the container says that it is to ask."""
    policies = {c["name"]: c.get("imagePullPolicy", "Always") for c in objects.containers_of(template)}
    for change in changes:
        if policies.get(change.container, "Always") != "Always":
            raise UnsupportedError(
                f"container {change.container}: with imagePullPolicy {policies[change.container]} a node keeps the "
                f"image that it has of this tag; set Always, or a profile with `write: digest`"
            )


def _identity(template: Object) -> tuple[Any, ...]:
    """What of a pod template tells which images a job was to run."""
    noted = objects.notes(template).get(objects.RESTARTED)
    return noted, tuple(sorted((c["name"], c.get("image")) for c in objects.containers_of(template)))
