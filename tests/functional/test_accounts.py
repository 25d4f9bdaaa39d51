"""A hub and its spokes: events forwarded, deployments in other accounts and Regions, replication awaited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from moto.iam.models import iam_backends

from longshore import wiring
from longshore_local import images
from longshore_local.bundle import Bundle, Sources
from longshore_local.bus import envelope
from longshore_local.spokes import Spoke, role_arn
from tests.functional.conftest import PROFILES
from tests.functional.stage import ACCOUNT, BREAKER, CLUSTER, NETWORK, PASSABLE, REGION, Stage

OTHER = "210987654321"
FAR = "us-east-1"
DENIED = ("333333333333", "eu-west-1")
SPOKES = [(OTHER, REGION), (ACCOUNT, FAR), DENIED]
"""Another account, another Region of the hub's own, and one whose stack nobody has deployed."""


def arn(account: str, region: str, name: str = "web") -> str:
    """The ARN of a service."""
    return f"arn:aws:ecs:{region}:{account}:service/{CLUSTER}/{name}"


class Branch:
    """Whoever works in a spoke: pushes, deploys, and looks at what runs."""

    def __init__(self, spoke: Spoke, hub: Stage) -> None:
        self.spoke, self._hub = spoke, hub
        self.ecs, self.ecr = spoke.client("ecs"), spoke.client("ecr")
        self.ecs.create_cluster(clusterName=CLUSTER)

    @property
    def registry(self) -> str:
        """The host of the registry there."""
        return f"{self.spoke.account}.dkr.ecr.{self.spoke.region}.amazonaws.com"

    def push(self, tag: str, image: str, repository: str = "web") -> str:
        """Pushes an image there."""
        if repository not in {each["repositoryName"] for each in self.ecr.describe_repositories()["repositories"]}:
            self.ecr.create_repository(repositoryName=repository)
        return images.push(self.ecr, repository, tag, images.single(image))

    def service(self, name: str = "web", image: str = "", policy: str | None = "profile:eager") -> str:
        """A steady service there."""
        definition = self.ecs.register_task_definition(
            family=name,
            containerDefinitions=[{"name": "app", "image": image or f"{self.registry}/web:prod"}],
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )["taskDefinition"]["taskDefinitionArn"]
        created = self.ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            deploymentConfiguration=BREAKER,
            tags=[{"key": "longshore:policy", "value": policy}] if policy else [],
        )
        self._hub.run(minutes=5)
        self._hub.forget()
        return str(created["service"]["serviceArn"])

    def running(self, name: str = "web") -> str:
        """The digest that its only container runs."""
        service = self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
        (revision,) = service["currentServiceRevisions"]
        answer = self.ecs.describe_service_revisions(serviceRevisionArns=[revision["arn"]])
        return str(answer["serviceRevisions"][0]["containerImages"][0]["imageDigest"])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bundle, list[Spoke]]]:
    """The hub, with two of its three spokes deployed."""
    config = tmp_path_factory.mktemp("config") / "longshore.yaml"
    config.write_text(PROFILES, encoding="utf-8")
    quiet = {f"{each}Mode": "off" for each in ("Mirror", "Notify", "Recover", "Scan")}
    roles = ",".join(role_arn(*place) for place in SPOKES)
    with Bundle.start(
        parameters={**quiet, "PassableRoleArns": PASSABLE, "Spokes": roles}, sources=Sources(config=config)
    ) as bundle:
        yield bundle, [Spoke.join(bundle, *place) for place in SPOKES if place != DENIED]


@pytest.fixture
def stage(hub: tuple[Bundle, list[Spoke]]) -> Stage:
    """The hub's account, empty."""
    bundle, spokes = hub
    bundle.clear()
    for spoke in spokes:
        spoke.clear()
    return Stage(bundle, {})


@pytest.fixture
def other(hub: tuple[Bundle, list[Spoke]], stage: Stage) -> Branch:
    """Another account, in the hub's Region."""
    return Branch(hub[1][0], stage)


@pytest.fixture
def far(hub: tuple[Bundle, list[Spoke]], stage: Stage) -> Branch:
    """The hub's account, in another Region."""
    return Branch(hub[1][1], stage)


def assumed(stage: Stage) -> set[str]:
    """The roles that functions assumed."""
    calls = stage.bundle.recorder.calls
    return {str(each.params["RoleArn"]) for each in calls if each.operation == "AssumeRole" and not each.error}


def test_a_push_in_a_spoke_deploys_there_and_is_followed_to_its_end(stage: Stage, other: Branch) -> None:
    other.push("prod", "one")
    service = other.service()
    pushed = other.push("prod", "two")
    stage.until_told("Deployment Succeeded")
    assert other.running() == pushed
    assert stage.told() == ["Deployment Started", "Deployment Succeeded"]
    assert {each["workload"] for each in stage.events()} == {service}
    assert stage.failures() == []
    assert stage.dead_letters() == 0


def test_a_push_in_the_hub_deploys_in_a_spoke_that_pulls_across_accounts(stage: Stage, other: Branch) -> None:
    """A central registry is the commonest reason for several accounts; nothing is replicated."""
    stage.push("prod", "one")
    central = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web:prod"
    other.service(image=central)
    pushed = stage.push("prod", "two")
    stage.until_told("Deployment Succeeded")
    assert other.running() == pushed


def test_the_same_names_in_two_accounts_are_two_workloads(stage: Stage, other: Branch) -> None:
    first = stage.push("prod", "one")
    stage.service(policy="profile:eager")
    other.push("prod", "one")
    there = other.service()
    assert there != arn(ACCOUNT, REGION)
    pushed = other.push("prod", "two")
    stage.run(minutes=15)
    assert (stage.running(), other.running()) == (first, pushed)
    again = stage.push("prod", "three")
    stage.run(minutes=15)
    assert (stage.running(), other.running()) == (again, pushed)
    assert {each["workload"] for each in stage.events("Deployment Started")} == {there, arn(ACCOUNT, REGION)}


def replicate(stage: Stage, *places: tuple[str, str]) -> None:
    """The hub's registry replicates everything to these places."""
    destinations = [{"region": region, "registryId": account} for account, region in places]
    stage.ecr.put_replication_configuration(replicationConfiguration={"rules": [{"destinations": destinations}]})


@pytest.mark.parametrize("tells", [True, False], ids=["ECR tells", "the event is lost"])
def test_another_region_deploys_once_the_replica_is_there(stage: Stage, far: Branch, tells: bool) -> None:
    replicate(stage, (ACCOUNT, FAR))
    first = stage.push("prod", "one")
    stage.run(minutes=2)
    far.service()
    stage.bundle.replication.delay = timedelta(minutes=20)
    stage.bundle.replication.tells = tells
    pushed = stage.push("prod", "two")
    stage.run(minutes=19)
    assert far.running() == first
    assert stage.events("Deployment Started") == []
    stage.run(minutes=25)
    assert far.running() == pushed
    assert len(stage.events("Deployment Started")) == 1
    assert stage.failures() == []


def test_an_index_whose_images_are_not_replicated_yet_is_waited_for(stage: Stage, far: Branch) -> None:
    replicate(stage, (ACCOUNT, FAR))
    first = stage.push("prod", images.multi_platform("one", attestations=False))
    stage.run(minutes=2)
    far.service()
    second = images.multi_platform("two", attestations=False)
    stage.bundle.replication.delays[second.children[0].digest] = timedelta(minutes=4)
    pushed = stage.push("prod", second)
    stage.run(minutes=3)
    assert "incomplete-index" in stage.reasons()
    assert far.running() == first
    stage.run(minutes=15)
    assert far.running() == pushed


def test_a_replication_that_failed_is_told_of_whoever_waits_for_it(stage: Stage, far: Branch) -> None:
    replicate(stage, (ACCOUNT, FAR))
    first = stage.push("prod", "one")
    stage.run(minutes=2)
    service = far.service()
    stage.bundle.replication.failing[images.single("two").digest] = "RepositoryPolicyDenied"
    stage.push("prod", "two")
    stage.run(minutes=30)
    (held,) = stage.events("Deployment Held")
    assert (held["workload"], held["verdict"], held["reason"]) == (service, "hold", "replication-failed")
    assert "RepositoryPolicyDenied" in held["why"]
    assert far.running() == first


def test_a_replication_that_takes_too_long_is_told_once(stage: Stage, far: Branch) -> None:
    replicate(stage, (ACCOUNT, FAR))
    stage.push("prod", "one")
    stage.run(minutes=2)
    far.service()
    stage.bundle.replication.delay = timedelta(hours=3)
    pushed = stage.push("prod", "two")
    stage.run(minutes=150)
    (held,) = stage.events("Deployment Held")
    assert (held["verdict"], held["reason"]) == ("wait", "replicating")
    stage.run(minutes=60)
    assert far.running() == pushed


def test_the_sweep_finds_what_spokes_run_and_one_that_denies_stops_no_other(stage: Stage, other: Branch) -> None:
    other.push("prod", "one")
    other.service(policy=None)
    other.ecs.tag_resource(resourceArn=arn(OTHER, REGION), tags=[{"key": "longshore:policy", "value": "profile:eager"}])
    stage.bundle.queues.poll()
    stage.run(minutes=70)
    unreached = [each for each in stage.outcomes() if each["reason"] == "spoke-unreached"]
    assert {each["detail"]["spoke"] for each in unreached} == {"/".join(DENIED)}
    assert "AccessDenied" in unreached[0]["detail"]["why"]
    assert stage.metric("SpokeUnreached") == len(unreached)
    assert stage.failures() == []
    assert stage.dead_letters() == 0
    pushed = other.push("prod", "two")
    stage.run(minutes=15)
    assert other.running() == pushed


def test_a_spoke_that_denies_for_a_while_is_not_forgotten(stage: Stage, other: Branch) -> None:
    other.push("prod", "one")
    other.service()
    roles = iam_backends[OTHER]["aws"].roles
    (id,) = (key for key, role in roles.items() if "-spoke-" in role.name)
    taken = roles.pop(id)
    wiring.reset()  # its credentials are still good for a while
    stage.run(minutes=65)
    roles[id] = taken
    unreached = {each["detail"]["spoke"] for each in stage.outcomes() if each["reason"] == "spoke-unreached"}
    assert unreached == {f"{OTHER}/{REGION}", "/".join(DENIED)}
    pushed = other.push("prod", "two")
    stage.run(minutes=15)
    assert other.running() == pushed


def forwarded(stage: Stage, account: str, region: str, workload: str) -> dict[str, Any]:
    """A tag change on a workload, as a spoke's rule would forward it."""
    detail = {"changed-tag-keys": ["longshore:policy"], "service": "ecs", "resource-type": "service", "version": 1}
    now = stage.bundle.timeline.now()
    return envelope(
        "aws.tag", "Tag Change on Resource", detail, account=account, region=region, moment=now, resources=[workload]
    )


@pytest.mark.parametrize(
    ("place", "workload", "bad"),
    [
        ((OTHER, REGION), arn(ACCOUNT, REGION), 1),
        ((OTHER, REGION), arn(OTHER, FAR), 1),
        ((OTHER, FAR), arn(OTHER, FAR), 1),
        (("444444444444", REGION), arn("444444444444", REGION), 0),
    ],
    ids=["the hub's workload", "another Region's workload", "a pair that is no spoke", "an account that is no spoke"],
)
def test_a_spoke_speaks_for_itself_alone(stage: Stage, place: tuple[str, str], workload: str, bad: int) -> None:
    stage.bundle.bus.put(forwarded(stage, *place, workload), "longshore", ACCOUNT, REGION)
    stage.run(minutes=2)
    assert stage.metric("BadEvents") == bad
    stage.untouched()


def test_the_bus_takes_no_word_of_our_own_from_a_spoke(stage: Stage, other: Branch) -> None:
    """A rule of the spoke's people that forwards their own `longshore` events, in the forwarding role."""
    events = other.spoke.client("events")
    events.put_rule(Name="forged", EventPattern='{"source": ["longshore"]}')
    role = role_arn(OTHER, REGION).replace("-spoke-", "-forward-")
    bus = stage.bundle.stack.outputs["BusArn"]
    events.put_targets(Rule="forged", Targets=[{"Id": "hub", "Arn": bus, "RoleArn": role}])
    detail = json.dumps({"workload": arn(OTHER, REGION), "reason": "rollback"})
    entry = {"Source": "longshore", "DetailType": "Redeploy Requested", "Detail": detail}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    stage.run(minutes=2)
    assert stage.bundle.events == []
    stage.untouched()


def test_each_place_is_acted_on_in_its_own_role(stage: Stage, other: Branch, far: Branch) -> None:
    other.push("prod", "one")
    other.service()
    far.push("prod", "one")
    far.service()
    stage.forget()
    for name in ("two", "three"):
        other.push("prod", name)
        far.push("prod", name)
        stage.run(minutes=15)
    assert len(stage.events("Deployment Succeeded")) == 4
    assert assumed(stage) == {role_arn(OTHER, REGION), role_arn(ACCOUNT, FAR)}
    asked = [each for each in stage.bundle.recorder.calls if each.operation == "AssumeRole"]
    assert len(asked) <= 2 * len(stage.bundle.invocations), "once for each place, in each environment of a function"


def test_a_throttled_spoke_is_tried_again_and_keeps_nobody_waiting(stage: Stage, other: Branch) -> None:
    stage.push("prod", "one")
    stage.service(policy="profile:eager")
    other.push("prod", "one")
    other.service()
    wiring.reset()
    stage.faults.add("sts", "AssumeRole", "ThrottlingException", count=2)
    there = other.push("prod", "two")
    here = stage.push("prod", "two again")
    stage.run(minutes=5)
    assert stage.running() == here
    stage.run(minutes=40)
    assert other.running() == there
    assert stage.dead_letters() == 0
