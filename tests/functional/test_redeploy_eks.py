"""Workloads in EKS: found by the sweep, followed, rolled out and taken back; what others own is left to them."""

from __future__ import annotations

import pytest

from longshore_local.kubernetes.kinds import STATEFUL_SET
from tests.functional.people_clusters import People
from tests.functional.stage import Stage, uri

ROLLING = ["Deployment Started", "Deployment Succeeded"]
WEB = "PATCH /apis/apps/v1/namespaces/default/deployments/web"


@pytest.fixture
def people(stage: Stage) -> People:
    stage.push("prod", "one")
    return People(stage)


def clean(stage: Stage) -> None:
    assert (stage.failures(), stage.dead_letters()) == ([], 0)


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "daemonset"])
def test_a_push_is_followed(stage: Stage, people: People, kind: str) -> None:
    id = people.apply(kind=kind)
    second = stage.push("prod", "two")
    stage.run(minutes=30)
    assert (people.running(), people.declared(kind=kind)) == (second, uri("web:prod"))
    assert (stage.told(), len(people.writes())) == (ROLLING, 1)
    started, succeeded = stage.events()
    assert (started["workload"], started["platform"], started["action"]) == (id, "eks-workload", "refresh")
    assert (succeeded["reason"], succeeded["workload_name"], succeeded["cluster"]) == (
        "verified",
        f"default/{kind}/web",
        "kube",
    )
    clean(stage)


def test_one_push_reaches_a_service_and_a_deployment(stage: Stage, people: People) -> None:
    stage.service()
    people.apply()
    second = stage.push("prod", "two")
    stage.run(minutes=30)
    assert (people.running(), stage.running()) == (second, second)
    assert sorted(stage.told()) == sorted(ROLLING * 2)
    clean(stage)


def test_a_new_version_is_written_and_an_older_one_is_not(stage: Stage, people: People) -> None:
    stage.push("1.4.2", "one")
    people.apply(image="web:1.4.2", policy="profile:versions")
    newer = stage.push("1.5.0", "two")
    stage.run(minutes=30)
    assert (people.running(), people.declared(), people.writes()) == (newer, uri("web:1.5.0"), [WEB])
    stage.forget()
    people.cluster.server.requests.clear()
    stage.push("1.4.3", "three")
    stage.run(minutes=10)
    assert (people.running(), people.writes()) == (newer, [])
    assert "downgrade" in stage.reasons("/web")
    clean(stage)


def test_a_cron_job_gets_the_new_version(stage: Stage, people: People) -> None:
    stage.push("1.4.2", "one")
    people.apply(image="web:1.4.2", policy="profile:versions", kind="cronjob")
    stage.push("1.5.0", "two")
    stage.run(minutes=30)
    assert people.declared(kind="cronjob") == uri("web:1.5.0")
    assert stage.told() == ROLLING
    clean(stage)


@pytest.mark.parametrize("kind", ["deployment", "statefulset"])
def test_a_rollout_that_fails_goes_back_to_what_was_verified(stage: Stage, people: People, kind: str) -> None:
    people.apply(kind=kind)
    first = people.running()
    bad = stage.push("prod", "two, which crashes")
    people.cluster.kubelet.failing.add(bad)
    stage.run(minutes=150)
    assert people.running() == first
    assert people.declared(kind=kind) == uri(f"web@{first}")
    assert stage.told()[:4] == ["Deployment Started", "Deployment Failed", "Deployment Started", "Deployment Succeeded"]
    assert [each["reason"] for each in stage.events("Deployment Held")] == ["quarantined"]  # told once
    failed = stage.events("Deployment Failed")[0]
    assert failed["evidence"] == ["app: CrashLoopBackOff: back-off 10s restarting failed container"]
    people.cluster.server.requests.clear()
    stage.run(minutes=120)  # sweeps
    assert (people.running(), people.writes()) == (first, [])
    clean(stage)


def test_what_argo_cd_owns_is_told_once_and_not_touched(stage: Stage, people: People) -> None:
    people.apply()
    people.edit(labels={"argocd.argoproj.io/instance": "shop"})
    stage.push("prod", "two")
    stage.run(minutes=200)
    assert (people.writes(), stage.told()) == ([], ["Deployment Held"])
    assert stage.events()[0]["reason"] == "gitops-owned"
    clean(stage)


def test_a_stateful_set_in_parts_is_told_once_and_not_touched(stage: Stage, people: People) -> None:
    people.apply(kind="statefulset")
    parts = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    people.cluster.edit(STATEFUL_SET, "default", "web", lambda f: {**f, "spec": {**f["spec"], **parts}}, "kubectl")
    stage.push("prod", "two")
    stage.run(minutes=200)
    assert (people.writes(), stage.told()) == ([], ["Deployment Held"])
    assert "partition" in stage.events()[0]["why"]
    clean(stage)


def test_one_workload_that_cannot_be_read_holds_up_no_other(stage: Stage, people: People) -> None:
    """They share a page of the sweep, by which they are found."""
    people.apply()
    broken = "/apis/apps/v1/namespaces/default/deployments/web"
    people.cluster.server.fault = lambda method, path: (500, {}) if path.startswith(broken) else None
    people.apply("zebra")
    second = stage.push("prod", "two")
    stage.run(minutes=20)
    assert people.running("zebra") == second
    assert stage.told() == ROLLING


def test_who_did_not_opt_in_is_left_alone(stage: Stage, people: People) -> None:
    people.apply(policy=None)
    stage.push("prod", "two")
    stage.run(minutes=90)
    assert people.writes() == []
    stage.untouched()


def test_a_cluster_that_did_not_opt_in_is_not_even_described(stage: Stage) -> None:
    stage.push("prod", "one")
    people = People(stage, policy=None)
    people.apply()
    stage.push("prod", "two")
    stage.run(minutes=90)
    assert people.cluster.server.requests == []
    stage.untouched()


@pytest.mark.parametrize(("method", "status"), [("PATCH", 429), ("PATCH", 500), ("GET", 429), ("GET", 503)])
def test_a_call_that_fails_is_made_again(stage: Stage, people: People, method: str, status: int) -> None:
    people.apply()
    faults = [status]

    def fault(asked: str, path: str) -> tuple[int, dict[str, str]] | None:
        return (faults.pop(), {"Retry-After": "5"}) if faults and asked == method else None

    people.cluster.server.fault = fault
    second = stage.push("prod", "two")
    stage.run(minutes=60)
    assert (people.running(), stage.told()) == (second, ROLLING)
    assert stage.dead_letters() == 0


def test_somebody_elses_rollout_ends_first(stage: Stage, people: People) -> None:
    people.apply()
    stage.push("other", "three")
    people.edit(image="web:other")
    second = stage.push("prod", "two")
    stage.run(minutes=5)
    assert people.declared() == uri("web:other")
    assert second != people.running()
    clean(stage)


def test_a_private_endpoint_is_a_hold(stage: Stage, people: People) -> None:
    from moto.eks.models import eks_backends

    from tests.functional.stage import ACCOUNT, REGION

    people.apply()
    cluster = eks_backends[ACCOUNT][REGION].clusters["kube"]
    cluster.resources_vpc_config["endpointPublicAccess"] = False
    people.cluster.close()
    stage.push("prod", "two")
    stage.run(minutes=10)
    assert stage.told() == ["Deployment Held"]
    assert stage.events()[0]["reason"] == "cluster-endpoint-private"
    assert "SubnetIds" in stage.events()[0]["why"]
    clean(stage)
