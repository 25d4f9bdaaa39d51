"""Who follows what: found by tag, kept current by events, and put right by the sweep when events are lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.functional.stage import ACCOUNT, CLUSTER, REGION, Stage, uri

ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/web"
POLICY = [{"key": "longshore:policy", "value": "profile:steady"}]
SUCCESS = ["Deployment Started", "Deployment Succeeded"]


@contextmanager
def lost(stage: Stage, *rules: str) -> Iterator[None]:
    """Events that these rules would deliver are lost."""
    events = stage.client("events")
    names = [stage.bundle.stack.physical_ids[rule] for rule in rules]
    for name in names:
        events.disable_rule(Name=name)
    try:
        yield
    finally:
        for name in names:
            events.enable_rule(Name=name)


def test_a_tag_that_is_added_later_is_followed_from_then_on(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy=None)
    stage.ecs.tag_resource(resourceArn=ARN, tags=POLICY)
    stage.run(minutes=1)
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (stage.running(), stage.told()) == (digest, SUCCESS)


def test_a_service_that_opts_in_while_it_lags_is_brought_up_to_date(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service(policy=None)
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    stage.ecs.tag_resource(resourceArn=ARN, tags=POLICY)
    stage.run(minutes=20)
    assert (stage.running(), stage.told()) == (digest, SUCCESS)


def test_a_tag_that_is_removed_ends_it(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    stage.ecs.untag_resource(resourceArn=ARN, tagKeys=["longshore:policy"])
    stage.run(minutes=1)
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert stage.running() == first
    stage.untouched()


def test_a_tag_that_is_removed_in_silence_ends_it_too(stage: Stage) -> None:
    """The index still names the service; what the platform says now decides."""
    first = stage.push("prod", "one")
    stage.service()
    with lost(stage, "WorkloadTagged"):
        stage.ecs.untag_resource(resourceArn=ARN, tagKeys=["longshore:policy"])
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert stage.running() == first
    stage.untouched()


def test_a_changed_policy_holds_from_then_on(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    stage.ecs.tag_resource(resourceArn=ARN, tags=[{"key": "longshore:policy", "value": "pin"}])
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert stage.running() == first
    stage.untouched()


def test_a_policy_that_cannot_be_read_is_told_once_and_deploys_nothing(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service(policy="semver:sometimes", settle=False)
    stage.push("prod", "two")
    stage.run(minutes=150)
    assert (stage.running(), stage.writes()) == (stage.running(), [])
    held = stage.events()
    assert [each["reason"] for each in held] == ["invalid-policy"]
    assert first


def test_a_service_that_is_deleted_is_let_go(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.ecs.delete_service(cluster=CLUSTER, service="web", force=True)
    stage.run(minutes=5)
    stage.push("prod", "two")
    stage.run(minutes=150)
    stage.untouched()


def test_a_service_that_is_deleted_and_made_again_is_followed(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    stage.ecs.delete_service(cluster=CLUSTER, service="web", force=True)
    stage.run(minutes=5)
    stage.service()
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert stage.running() == digest


def test_a_revision_of_another_repository_moves_the_index(stage: Stage) -> None:
    stage.push("prod", "one")
    other = stage.push("prod", "api one", repository="api")
    stage.service()
    stage.update(taskDefinition=stage.register("web", uri("api:prod")))
    stage.run(minutes=5)
    stage.forget()
    stage.push("prod", "two")
    stage.run(minutes=20)
    assert stage.running() == other
    stage.untouched()
    newer = stage.push("prod", "api two", repository="api")
    stage.run(minutes=20)
    assert (stage.running(), stage.told()) == (newer, SUCCESS)


def test_a_lost_push_event_is_made_good_by_the_sweep_and_told(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    with lost(stage, "ImageMoved"):
        digest = stage.push("prod", "two")
    stage.run(minutes=40)
    stage.untouched()
    stage.run(minutes=40)
    assert stage.running() == digest
    assert stage.told() == ["Events Missed", *SUCCESS]
    missed = stage.events("Events Missed")[0]
    assert (missed["repository"], missed["tags"], missed["count"]) == (f"{ACCOUNT}/{REGION}/web", ["prod"], 1)
    assert stage.metric("EventsMissed") == 1


def test_a_lost_event_of_a_new_tag_is_made_good_too(stage: Stage) -> None:
    stage.push("1.0.0", "1.0.0")
    stage.service(image="web:1.0.0", policy="profile:versions")
    with lost(stage, "ImageMoved"):
        stage.push("1.0.1", "1.0.1")
        digest = stage.push("1.1.0", "1.1.0")
    stage.run(minutes=80)
    assert stage.running() == digest
    assert stage.told() == ["Events Missed", *SUCCESS]


def test_a_lost_tag_event_is_made_good_by_the_sweep(stage: Stage) -> None:
    stage.push("prod", "one")
    with lost(stage, "WorkloadTagged"):
        stage.service()
        digest = stage.push("prod", "two")
    stage.run(minutes=40)
    assert stage.writes() == []  # nobody knew it
    stage.run(minutes=60)
    assert (stage.running(), stage.told()) == (digest, SUCCESS)


def test_lost_deployment_events_are_made_good_by_the_watchdog(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.service()
    with lost(stage, "DeploymentChanged"):
        digest = stage.push("prod", "two")
        stage.run(minutes=30)
    assert (stage.running(), stage.told()) == (digest, SUCCESS)


def test_a_lost_event_of_a_persons_deployment_is_made_good_by_the_sweep(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.push("prod", "api one", repository="api")
    stage.service()
    with lost(stage, "DeploymentChanged"):
        stage.update(taskDefinition=stage.register("web", uri("api:prod")))
        stage.run(minutes=70)
    digest = stage.push("prod", "api two", repository="api")
    stage.run(minutes=20)
    assert stage.running() == digest


def test_a_sweep_that_finds_nothing_tells_nothing_and_costs_little(stage: Stage) -> None:
    stage.push("prod", "one")
    stage.push("prod", "api", repository="api")
    for number in range(12):
        stage.service(f"web-{number}", settle=False)
    stage.service("api", "api:prod")
    stage.run(minutes=2)
    stage.forget()
    stage.run(minutes=60)
    calls = stage.bundle.recorder
    assert stage.reasons().count("swept") == 1
    assert (calls.count("ecr", "DescribeImages"), calls.count("ecr", "BatchGetImage")) == (2, 0)
    assert (calls.count("ecs", "DescribeServices"), calls.count("ecs", "DescribeServiceRevisions")) == (2, 2)
    asked = [call.params["ResourceTypeFilters"] for call in calls.calls if call.service == "resourcegroupstaggingapi"]
    kinds = ["apprunner:service", "ecs:service", "eks:cluster", "events:rule", "lambda:function"]
    assert sorted(asked) == [[kind] for kind in (*kinds, "scheduler:schedule-group")]  # each once
    assert calls.count("ecs", "DescribeTaskDefinition") <= 13
    stage.untouched()


def test_the_same_name_in_two_clusters_is_two_workloads(stage: Stage) -> None:
    stage.ecs.create_cluster(clusterName="staging")
    stage.push("prod", "one")
    first = stage.push("staging", "one, for staging")
    stage.service()
    stage.service(definition=stage.register("web", uri("web:staging")), cluster="staging")
    digest = stage.push("prod", "two")
    stage.run(minutes=20)
    assert (stage.running(), stage.running(cluster="staging")) == (digest, first)
    assert {each["workload"] for each in stage.events()} == {ARN}
    stage.push_bad("staging", "three")
    stage.run(minutes=20)
    better = stage.push("prod", "three")  # quarantined there, and welcome here
    stage.bundle.ecs.mend(better)
    stage.run(minutes=20)
    assert (stage.running(), stage.running(cluster="staging")) == (better, first)


def test_another_regions_or_accounts_repository_of_the_same_name_is_another(stage: Stage) -> None:
    first = stage.push("prod", "one")
    stage.service()
    with lost(stage, "ImageMoved"):
        stage.push("prod", "two")
    detail = stage.moved("sha256:" + "a" * 64, "prod")
    stage.emit("aws.ecr", "ECR Image Action", detail, region="us-east-1")
    stage.emit("aws.ecr", "ECR Image Action", detail, account="210987654321")
    stage.run(minutes=40)
    assert stage.running() == first
    stage.untouched()
