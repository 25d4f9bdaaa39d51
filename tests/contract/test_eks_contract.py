"""The platform of EKS on the stand-in: every case for each kind of workload that rolls (redeploy 8.8, aws.md F)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.credentials import Credentials

from longshore.decisions import Reason
from longshore.errors import (
    ConflictError,
    EndpointPrivateError,
    GoneError,
    ThrottledError,
    UnsupportedError,
    UpstreamError,
)
from longshore.workloads import Action, Change, Observation, Plan, RolloutStatus
from longshore_local.kubernetes.kinds import POD
from longshore_local.kubernetes.pods import is_ready
from tests.contract.aws_account import client
from tests.contract.eks_cluster import SIDECAR, EksDriver, eks
from tests.fake_platform import HOST, WEB, digest, image

ONE, TWO, THREE = digest("one"), digest("two"), digest("three")
ROLLING = ["deployment", "statefulset", "daemonset"]


@pytest.fixture(params=ROLLING)
def driver(request: pytest.FixtureRequest) -> Iterator[EksDriver]:
    with eks(request.param) as made:
        yield made


@pytest.fixture
def arn(driver: EksDriver) -> str:
    driver.push("prod", ONE)
    return driver.create("web", policy="digest")


@pytest.fixture
def deployments() -> Iterator[EksDriver]:
    with eks() as made:
        made.push("prod", ONE)
        yield made


@pytest.fixture
def jobs() -> Iterator[EksDriver]:
    with eks("cronjob") as made:
        made.push("prod", ONE)
        yield made


def refresh(seen: Observation, pushed: str) -> Plan:
    declared = seen.workload.images["app"]
    change = Change("app", declared, pushed, "prod", (), seen.running.get("app"), declared)
    return Plan(seen.workload.arn, Action.REFRESH, (change,), "moved", "event-1")


def revise(seen: Observation, declared: str, pushed: str, tag: str, *, rollback: bool = False) -> Plan:
    change = Change("app", declared, pushed, tag, (), None, seen.workload.images["app"])
    return Plan(seen.workload.arn, Action.REVISE, (change,), "newer", "event-1", rollback=rollback)


def begin(driver: EksDriver, plan: Plan, seen: Observation) -> str:
    id = driver.platform.apply(seen, plan)
    assert id
    return id


def test_a_steady_workload_is_observed(driver: EksDriver, arn: str) -> None:
    seen = driver.platform.observe(arn)
    assert (seen.workload.arn, seen.workload.cluster) == (arn, "shop")
    assert seen.workload.name == f"default/{driver.kind}/web"
    assert seen.workload.policy == "digest"
    assert dict(seen.workload.images) == {"app": image(WEB, "prod"), "envoy": SIDECAR}
    assert dict(seen.running) == {"app": ONE, "envoy": digest(SIDECAR)}
    assert (seen.desired, seen.steady, seen.rollout_active, seen.active) == (2, True, False, True)
    assert seen.platforms == {"linux/arm64"}
    assert seen.refusal is None
    assert driver.platform.rollout(arn, str(seen.rollout)).status is RolloutStatus.SUCCEEDED


def test_what_does_not_exist_is_gone(driver: EksDriver, arn: str) -> None:
    with pytest.raises(GoneError):
        driver.platform.observe(driver.arn("nobody"))
    with pytest.raises(GoneError):
        driver.platform.observe(arn.replace("cluster/shop/", "cluster/nowhere/"))


def test_a_refresh_restarts_the_pods_and_changes_no_image(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("prod", TWO)
    id = begin(driver, refresh(before, TWO), before)
    during = driver.platform.observe(arn)
    assert (during.rollout, during.rollout_active, during.steady) == (id, True, False)
    assert driver.platform.rollout(arn, id).status is RolloutStatus.RUNNING
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert (after.rollout, after.steady, after.running["app"]) == (id, True, TWO)
    assert after.workload == before.workload
    rollout = driver.platform.rollout(arn, id)
    assert (rollout.status, rollout.digests["app"]) == (RolloutStatus.SUCCEEDED, TWO)


def test_a_revision_changes_the_image_and_nothing_else(driver: EksDriver, arn: str) -> None:
    before, was = driver.platform.observe(arn), driver.object(arn)
    driver.push("1.1.0", TWO)
    begin(driver, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    now = driver.object(arn)
    was["spec"]["template"]["spec"]["containers"][0]["image"] = image(WEB, "1.1.0")
    assert now["spec"] == was["spec"]  # the sidecar, its environment, every other field
    assert now["metadata"]["annotations"] == was["metadata"]["annotations"]
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert dict(after.workload.images) == {"app": image(WEB, "1.1.0"), "envoy": SIDECAR}
    assert (after.running["app"], dict(after.human_tags)) == (TWO, {})


def test_a_written_digest_keeps_the_tag_that_people_know(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    begin(driver, revise(before, f"{HOST}/{WEB.name}@{TWO}", TWO, "1.1.0"), before)
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert dict(after.human_tags) == {"app": "1.1.0"}
    assert driver.object(arn)["metadata"]["annotations"]["longshore.dev/tag"] == "app=1.1.0"
    driver.push("prod", THREE)
    begin(driver, revise(after, image(WEB, "prod"), THREE, "prod"), after)
    assert "longshore.dev/tag" not in driver.object(arn)["metadata"]["annotations"]


def test_somebody_elses_change_is_respected(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("other", THREE)
    driver.edit(arn, image=image(WEB, "other"))
    with pytest.raises(ConflictError):
        driver.platform.apply(before, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"))
    assert driver.platform.observe(arn).workload.images["app"] == image(WEB, "other")


def test_a_change_between_reading_and_writing_is_a_conflict(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)

    def meanwhile(method: str, path: str) -> None:
        if method == "PATCH":
            driver.cluster.server.fault = lambda method, path: None
            driver.edit(arn, image=image(WEB, "other"))

    driver.cluster.server.fault = meanwhile
    with pytest.raises(ConflictError):
        driver.platform.apply(before, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"))
    assert driver.platform.observe(arn).workload.images["app"] == image(WEB, "other")


def test_scaling_is_no_deployment(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    if driver.kind == "daemonset":
        driver.cluster.add_node("three", "arm64")
    else:
        driver.edit(arn, by="horizontal-pod-autoscaler", spec={"replicas": 3})
    driver.run(60)
    after = driver.platform.observe(arn)
    assert (after.rollout, after.desired, after.steady) == (before.rollout, 3, True)
    driver.push("1.1.0", TWO)
    assert driver.platform.apply(before, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"))


def test_somebody_elses_deployment_takes_the_place_of_the_one_before(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("prod", TWO)
    id = begin(driver, refresh(before, TWO), before)
    driver.push("other", THREE)
    driver.edit(arn, image=image(WEB, "other"))
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert after.rollout not in (id, before.rollout)
    assert after.running["app"] == THREE
    assert driver.platform.rollout(arn, id).status is RolloutStatus.STOPPED
    with pytest.raises(GoneError):
        driver.platform.stop(arn, id)


def test_what_was_begun_is_found_again_and_what_was_before_is_not(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.run(60)
    since = driver.now()
    assert driver.platform.find(arn, since, None) is None
    driver.push("prod", TWO)
    id = begin(driver, refresh(before, TWO), before)
    assert driver.platform.find(arn, since, before.rollout) == id
    assert driver.platform.find(arn, since, id) is None
    driver.finish(arn)
    assert driver.platform.find(arn, since, before.rollout) == id
    assert driver.platform.find(arn, driver.now(), before.rollout) is None


def test_a_failed_deployment_goes_back_to_the_last_verified_digest(driver: EksDriver, arn: str) -> None:
    before = driver.platform.observe(arn)
    driver.push("1.1.0", TWO)
    driver.cluster.kubelet.failing.add(TWO)
    id = begin(driver, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    driver.run(1800)
    if driver.kind != "deployment":  # nobody but Longshore ends these
        assert driver.platform.rollout(arn, id).status is RolloutStatus.RUNNING
        driver.platform.stop(arn, id)
    rollout = driver.platform.rollout(arn, id)
    assert rollout.status is RolloutStatus.FAILED
    assert rollout.reason
    assert rollout.evidence == ("app: CrashLoopBackOff: back-off 10s restarting failed container",)
    failed = driver.platform.observe(arn)
    assert (failed.steady, failed.running["app"]) == (False, ONE)
    back = revise(failed, f"{HOST}/{WEB.name}@{ONE}", ONE, "prod", rollback=True)
    id = begin(driver, back, failed)
    driver.finish(arn)
    after = driver.platform.observe(arn)
    assert (after.running["app"], after.steady, dict(after.human_tags)) == (ONE, True, {"app": "prod"})
    assert driver.platform.rollout(arn, id).status is RolloutStatus.SUCCEEDED


def test_an_image_that_cannot_be_pulled_is_evidence(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    before = deployments.platform.observe(arn)
    id = begin(deployments, revise(before, image(WEB, "gone"), TWO, "gone"), before)
    deployments.run(700)
    rollout = deployments.platform.rollout(arn, id)
    assert rollout.status is RolloutStatus.FAILED
    assert "ProgressDeadlineExceeded" in rollout.reason
    assert rollout.evidence[0].startswith("app: ImagePullBackOff")


def test_a_deployment_that_is_over_cannot_be_stopped(driver: EksDriver, arn: str) -> None:
    with pytest.raises(ConflictError):
        driver.platform.stop(arn, str(driver.platform.observe(arn).rollout))
    with pytest.raises(GoneError):
        driver.platform.stop(arn, "0123456789abcdef")


def test_who_opted_in_is_found_and_nobody_else(driver: EksDriver, arn: str) -> None:
    driver.create("other", team="web")
    empty = driver.create("empty", policy="")
    assert set(driver.discovery.arns()) == {arn, empty}
    assert driver.platform.unseen(arn) == ""
    client("eks").untag_resource(resourceArn=driver.cluster_arn, tagKeys=["longshore:policy"])
    assert set(driver.discovery.arns()) == set()


def test_many_are_observed_without_those_that_do_not_exist(driver: EksDriver, arn: str) -> None:
    more = driver.create("more", policy="pin")
    found = {seen.workload.arn: seen for seen in driver.discovery.survey([arn, driver.arn("nobody"), more])}
    assert set(found) == {arn, more}
    assert found[arn] == driver.platform.observe(arn)


def test_who_opted_out_meanwhile_is_left_alone(deployments: EksDriver) -> None:
    arn = deployments.create("web")
    seen = deployments.platform.observe(arn)
    assert seen.workload.policy is None
    with pytest.raises(ConflictError, match="opted out"):
        deployments.platform.apply(seen, revise(seen, image(WEB, "1.1.0"), TWO, "1.1.0"))


@pytest.mark.parametrize(
    "by",
    [
        {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:default/web"}},
        {"labels": {"argocd.argoproj.io/instance": "shop"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
        {"labels": {"helm.toolkit.fluxcd.io/name": "shop"}},
        {"by": "argocd-controller", "image": image(WEB, "other")},
        {"by": "kustomize-controller", "image": image(WEB, "other")},
    ],
)
def test_what_argo_cd_or_flux_owns_is_told_and_not_touched(deployments: EksDriver, by: dict[str, object]) -> None:
    arn = deployments.create("web", policy="digest")
    deployments.edit(arn, **by)  # type: ignore[arg-type]
    seen = deployments.platform.observe(arn)
    assert seen.workload.owner is not None
    assert seen.workload.owner.kind.undoes
    with pytest.raises(UnsupportedError, match=seen.workload.owner.kind.label):
        deployments.platform.apply(seen, revise(seen, image(WEB, "1.1.0"), TWO, "1.1.0"))


def test_pods_that_only_people_replace_are_refused() -> None:
    with eks("daemonset") as driver:
        driver.push("prod", ONE)
        arn = driver.create("web", policy="digest")
        driver.edit(arn, spec={"updateStrategy": {"type": "OnDelete"}})
        refusal = driver.platform.observe(arn).refusal
        assert refusal is not None
        assert refusal.reason is Reason.UNSUPPORTED_PLATFORM


def test_a_stateful_set_in_parts_is_refused() -> None:
    """Pods below the partition would lag behind for ever, and be deployed to again and again."""
    with eks("statefulset") as driver:
        driver.push("prod", ONE)
        arn = driver.create("web", policy="digest")
        driver.edit(arn, spec={"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}})
        seen = driver.platform.observe(arn)
        assert seen.refusal is not None
        assert (seen.refusal.reason, "partition" in seen.refusal.why) == (Reason.UNSUPPORTED_PLATFORM, True)
        with pytest.raises(UnsupportedError, match="partition"):
            driver.platform.apply(seen, revise(seen, image(WEB, "1.1.0"), TWO, "1.1.0"))


def canary(driver: EksDriver, arn: str) -> None:
    """Another workload of more pods, which carry the label that the first one selects by."""
    other = driver.object(arn)
    labels = {"app": "web", "track": "canary"}
    template = {**other["spec"]["template"], "metadata": {"labels": labels}}
    template["spec"]["containers"][0]["image"] = image(WEB, "canary")
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}, "template": template}
    if driver.kind != "daemonset":
        spec["replicas"] = 5
    driver.cluster.create(driver.of_kind, "default", {"metadata": {"name": "web-canary"}, "spec": spec})
    driver.run(120)


def test_a_canary_with_the_same_label_is_another_workload(driver: EksDriver, arn: str) -> None:
    driver.push("canary", THREE)
    canary(driver, arn)
    assert driver.platform.observe(driver.arn("web-canary")).running["app"] == THREE
    seen = driver.platform.observe(arn)
    assert seen.running["app"] == ONE


def test_the_way_back_deletes_no_pod_of_another_workload() -> None:
    with eks("statefulset") as driver:
        driver.push("prod", ONE)
        arn = driver.create("web", policy="digest")
        driver.push("canary", THREE)
        driver.cluster.kubelet.failing.add(THREE)
        canary(driver, arn)
        before = {pod["metadata"]["uid"] for pod in driver.cluster.store.all(POD)}
        assert len(before) > 2
        seen = driver.platform.observe(arn)
        driver.platform.apply(seen, revise(seen, f"{HOST}/{WEB.name}@{ONE}", ONE, "prod", rollback=True))
        assert before <= {pod["metadata"]["uid"] for pod in driver.cluster.store.all(POD)}


def test_the_deadline_of_the_rollout_before_says_nothing_against_the_way_back(deployments: EksDriver) -> None:
    """Kubernetes keeps the condition until the way back makes progress (syncRolloutStatus)."""
    arn = deployments.create("web", policy="digest")
    before = deployments.platform.observe(arn)
    deployments.push("1.1.0", TWO)
    deployments.cluster.kubelet.failing.add(TWO)
    failed = begin(deployments, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    deployments.run(1800)
    assert deployments.platform.rollout(arn, failed).status is RolloutStatus.FAILED
    late = deployments.object(arn)["status"]["conditions"]
    seen = deployments.platform.observe(arn)
    id = begin(deployments, revise(seen, image(WEB, "prod"), ONE, "prod", rollback=True), seen)
    standing = deployments.object(arn)
    observed = {"observedGeneration": standing["metadata"]["generation"], "replicas": 3, "updatedReplicas": 2}
    deployments.cluster.store.set_status(deployments.of_kind, "default", "web", {**observed, "conditions": late})
    assert deployments.platform.rollout(arn, id).status is RolloutStatus.RUNNING


def test_a_paused_deployment_is_somebodys_work(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    deployments.edit(arn, spec={"paused": True})
    assert deployments.platform.observe(arn).rollout_active


def test_a_refresh_that_would_pull_nothing_is_refused(deployments: EksDriver) -> None:
    arn = deployments.create("web", pull="IfNotPresent", policy="digest")
    before = deployments.platform.observe(arn)
    deployments.push("prod", TWO)
    with pytest.raises(UnsupportedError, match="imagePullPolicy"):
        deployments.platform.apply(before, refresh(before, TWO))
    heal = replace(refresh(before, TWO), changes=())
    assert deployments.platform.apply(before, heal)
    deployments.finish(arn)
    assert deployments.platform.observe(arn).running["app"] == ONE  # a node keeps what it has: why it is refused


def test_a_cron_job_runs_the_new_image_next_time(jobs: EksDriver) -> None:
    arn = jobs.create("nightly", policy="digest")
    before = jobs.platform.observe(arn)
    assert (before.running["app"], before.desired, before.steady) == (ONE, 1, True)
    jobs.push("1.1.0", TWO)
    id = begin(jobs, revise(before, image(WEB, "1.1.0"), TWO, "1.1.0"), before)
    assert jobs.platform.rollout(arn, id).status is RolloutStatus.SUCCEEDED
    unknown = jobs.platform.observe(arn)  # nothing ran yet
    assert (dict(unknown.running), unknown.desired) == ({}, 0)
    jobs.finish(arn)
    after = jobs.platform.observe(arn)
    assert (after.running["app"], after.workload.images["envoy"], after.desired) == (TWO, SIDECAR, 1)
    assert list(jobs.discovery.arns()) == [arn]


def test_a_cron_job_that_declares_a_digest_runs_that(jobs: EksDriver) -> None:
    arn = jobs.create("nightly", policy="digest")
    before = jobs.platform.observe(arn)
    begin(jobs, revise(before, f"{HOST}/{WEB.name}@{TWO}", TWO, "1.1.0"), before)
    assert jobs.platform.observe(arn).running["app"] == TWO


def test_a_throttled_call_is_tried_later_and_a_failed_one_too(driver: EksDriver, arn: str) -> None:
    driver.cluster.server.fault = lambda method, path: (429, {"Retry-After": "7"})
    with pytest.raises(ThrottledError) as throttled:
        driver.platform.observe(arn)
    assert throttled.value.retry_after == 7
    driver.cluster.server.fault = lambda method, path: (500, {})
    with pytest.raises(UpstreamError):
        driver.platform.observe(arn)


def test_a_token_that_is_no_longer_taken_is_signed_anew(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    deployments.platform.observe(arn)
    deployments.credentials = Credentials("AKIAROTATED", "secret")
    deployments.admit()
    assert deployments.platform.observe(arn).workload.arn == arn


def test_a_private_endpoint_that_cannot_be_reached_is_told_so(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    deployments.cluster.close()
    with pytest.raises(UpstreamError):
        deployments.platform.observe(arn)
    vpc = {"endpointPublicAccess": False, "endpointPrivateAccess": True}
    _backend_cluster().resources_vpc_config.update(vpc)
    with pytest.raises(EndpointPrivateError, match="SubnetIds"):
        deployments.platform.observe(arn)
    assert list(deployments.discovery.arns()) == []
    assert "SubnetIds" in deployments.platform.unseen(arn)


def test_a_cluster_that_does_not_answer_hides_nothing(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    deployments.cluster.server.fault = lambda method, path: (503, {}) if "deployments" in path else None
    assert list(deployments.discovery.arns()) == []
    assert "503" in deployments.platform.unseen(arn)
    assert deployments.platform.unseen(arn.replace("/deployment/", "/daemonset/")) == ""
    deployments.cluster.server.fault = lambda method, path: None
    assert list(deployments.discovery.arns()) == [arn]
    assert deployments.platform.unseen(arn) == ""


def test_a_server_of_another_authority_is_not_believed(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    other = client("eks").create_cluster(
        name="other", roleArn="arn:aws:iam::123456789012:role/eks", resourcesVpcConfig={"subnetIds": ["s"]}
    )
    assert other["cluster"]["certificateAuthority"]["data"]
    foreign = _foreign_authority()
    _backend_cluster().certificate_authority = {"data": foreign}
    with pytest.raises(UpstreamError, match="certificate"):
        deployments.platform.observe(arn)


def test_the_shipped_rbac_is_what_is_used_and_no_more() -> None:
    used: set[tuple[str, str]] = set()
    for kind in (*ROLLING, "cronjob"):
        with eks(kind) as driver:
            driver.push("prod", ONE)
            arn = driver.create("web", policy="digest")
            driver.push("1.1.0", TWO)
            driver.cluster.kubelet.failing.add(TWO)
            seen = driver.platform.observe(arn)
            begin(driver, revise(seen, image(WEB, "1.1.0"), TWO, "1.1.0"), seen)
            driver.run(1800)
            seen = driver.platform.observe(arn)
            begin(driver, revise(seen, image(WEB, "prod"), ONE, "prod", rollback=True), seen)
            assert list(driver.discovery.arns()) == [arn]
            used |= driver.cluster.api.allowed
            granted = _granted(driver)
    assert used == granted


def test_who_has_no_access_entry_is_refused(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    deployments.cluster.access.entries.clear()
    with pytest.raises(Exception, match="401"):
        deployments.platform.observe(arn)
    assert list(deployments.discovery.arns()) == []
    assert "401" in deployments.platform.unseen(arn)


def test_pods_that_may_not_be_seen_are_unknown(deployments: EksDriver) -> None:
    arn = deployments.create("web", policy="digest")
    for name in ("longshore", "longshore-statefulsets"):
        _forbid(deployments, name, "pods")
    seen = deployments.platform.observe(arn)
    assert dict(seen.running) == {}
    assert seen.steady


def test_without_the_right_to_delete_pods_a_stateful_set_waits_for_somebody() -> None:
    with eks("statefulset") as driver:
        driver.push("prod", ONE)
        arn = driver.create("web", policy="digest")
        driver.push("1.1.0", TWO)
        driver.cluster.kubelet.failing.add(TWO)
        seen = driver.platform.observe(arn)
        begin(driver, revise(seen, image(WEB, "1.1.0"), TWO, "1.1.0"), seen)
        driver.run(60)
        _forbid(driver, "longshore-statefulsets", "pods")
        seen = driver.platform.observe(arn)
        id = begin(driver, revise(seen, image(WEB, "prod"), ONE, "prod", rollback=True), seen)
        driver.finish(arn)
        assert driver.platform.rollout(arn, id).status is RolloutStatus.RUNNING  # as Kubernetes says it does
        assert [is_ready(pod) for pod in driver.cluster.store.all(POD)].count(False) == 1


def _granted(driver: EksDriver) -> set[tuple[str, str]]:
    from longshore_local.kubernetes.kinds import CLUSTER_ROLE

    rules = [rule for role in driver.cluster.store.all(CLUSTER_ROLE) for rule in role["rules"]]
    return {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def _forbid(driver: EksDriver, role: str, resource: str) -> None:
    from longshore_local.kubernetes.kinds import CLUSTER_ROLE

    def without(found: dict[str, object]) -> dict[str, object]:
        rules = found["rules"]
        assert isinstance(rules, list)
        return {**found, "rules": [rule for rule in rules if resource not in rule["resources"]]}

    driver.cluster.edit(CLUSTER_ROLE, "", role, without)


def _backend_cluster() -> Any:
    from moto.eks.models import eks_backends

    return eks_backends["123456789012"]["eu-west-1"].clusters["shop"]


def _foreign_authority() -> str:
    import base64
    import tempfile
    from pathlib import Path

    from longshore_local.certificates import make_certificate

    with tempfile.TemporaryDirectory() as directory:
        return base64.b64encode(make_certificate(Path(directory)).ca.read_bytes()).decode()
