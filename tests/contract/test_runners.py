"""Who runs an image: the adapter over the bundle's ECS, ECR and Inspector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from longshore.aws.clock import SystemClock
from longshore.aws.ecr import EcrRegistry
from longshore.aws.inspector import Inspector
from longshore.aws.ledger import LedgerIndex
from longshore.aws.platforms import ecs_adapter
from longshore.aws.runners import WorkloadRunners
from longshore.errors import AccessDeniedError
from longshore.images import Repository
from longshore.workloads import PlatformKind
from longshore_local import images
from longshore_local.plugins import HOME, Plugins, installed
from longshore_local.timeline import VirtualTimeline
from tests.contract.aws_account import REGION, client, ledger_table, mocked

if TYPE_CHECKING:
    from longshore.workloads import Observation

ACCOUNT = HOME[0]
WEB = Repository(ACCOUNT, REGION, "web")
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


class World:
    """An account with followed services of images in `web`."""

    def __init__(self, plugins: Plugins, timeline: VirtualTimeline) -> None:
        self.plugins, self.timeline = plugins, timeline
        self.ecr, self.ecs = client("ecr"), client("ecs")
        self.ecr.create_repository(repositoryName="web")
        self.ecs.create_cluster(clusterName="shop")
        self.services = ecs_adapter(
            {"ecs": self.ecs, "resourcegroupstaggingapi": client("resourcegroupstaggingapi")}.__getitem__
        )
        self.index = LedgerIndex(ledger_table())
        inspector = Inspector(client("inspector2"), timeline)
        registry = EcrRegistry(self.ecr)
        self.runners = WorkloadRunners(self.index, lambda: self.services, lambda: registry, inspector, ACCOUNT, REGION)

    def follow(self, name: str, digest: str, image: str = "web:prod", host: str = HOST, **tags: str) -> str:
        """A steady service of two tasks that runs a digest and is in the index."""
        self.ecs.register_task_definition(
            family=name, containerDefinitions=[{"name": "app", "image": f"{host}/{image}", "memory": 128}]
        )
        arn = self.plugins.ecs.add_steady_service(
            ACCOUNT,
            REGION,
            {"app": digest},
            cluster="shop",
            serviceName=name,
            taskDefinition=name,
            desiredCount=2,
            tags=[{"key": f"longshore:{key}", "value": value} for key, value in {"policy": "digest", **tags}.items()],
        )
        (seen,) = self.services.survey([arn])
        self.index.put(seen.workload)
        return arn


@pytest.fixture
def world() -> Iterator[World]:
    timeline = VirtualTimeline()
    with mocked(), installed(timeline, lambda event: None, lambda name, event: None) as plugins:
        yield World(plugins, timeline)


def test_what_runs_is_named_with_whom_it_concerns(world: World) -> None:
    digest = images.push(world.ecr, "web", "prod", images.single("one"))
    arn = world.follow("web", digest, team="payments", channel="ops")
    (runner,) = world.runners.of(WEB)[digest]
    assert (runner.name, runner.arn, runner.cluster) == ("web", arn, "shop")
    assert (runner.team, runner.channel, runner.units) == ("payments", "ops", 2)


def test_an_index_and_its_images_are_run_by_the_same(world: World) -> None:
    index = images.multi_platform("one")
    images.push(world.ecr, "web", "prod", index)
    world.follow("web", index.digest)
    running = world.runners.of(WEB)
    assert set(running) == {index.digest, *(each.digest for each in index.children[:2])}
    assert len({tuple(each) for each in running.values()}) == 1


def test_services_of_one_digest_are_all_named_and_others_are_not(world: World) -> None:
    digest = images.push(world.ecr, "web", "prod", images.single("one"))
    other = images.push(world.ecr, "web", "next", images.single("two"))
    world.follow("web", digest)
    world.follow("api", digest)
    world.follow("new", other, "web:next")
    running = world.runners.of(WEB)
    assert sorted(each.name for each in running[digest]) == ["api", "web"]
    assert [each.name for each in running[other]] == ["new"]


def test_a_service_that_is_gone_runs_nothing(world: World) -> None:
    digest = images.push(world.ecr, "web", "prod", images.single("one"))
    world.follow("web", digest)
    world.ecs.delete_service(cluster="shop", service="web", force=True)
    assert world.runners.of(WEB) == {}
    assert world.runners.of(Repository(ACCOUNT, REGION, "unknown")) == {}


def test_the_index_names_the_repositories_once(world: World) -> None:
    digest = images.push(world.ecr, "web", "prod", images.single("one"))
    world.ecr.create_repository(repositoryName="api")
    images.push(world.ecr, "api", "1", images.single("one"))
    for name, image in (("web", "web:prod"), ("again", "web:prod"), ("api", "api:1")):
        world.follow(name, digest, image)
    assert [each.name for each in world.runners.repositories()] == ["api", "web"]


@pytest.mark.parametrize("host", [HOST.replace(REGION, "us-east-1"), HOST.replace(ACCOUNT, "210987654321")])
def test_repositories_elsewhere_are_not_swept_and_their_indexes_not_read(world: World, host: str) -> None:
    digest = images.push(world.ecr, "web", "prod", images.multi_platform("one"))
    arn = world.follow("far", digest, host=host)
    assert list(world.runners.repositories()) == []
    account, _, _, region, *_ = host.split(".")
    assert [each.arn for each in world.runners.of(Repository(account, region, "web"))[digest]] == [arn]
    assert set(world.runners.of(Repository(account, region, "web"))) == {digest}


def test_inspector_knows_the_clusters_of_an_image_and_of_its_index(world: World) -> None:
    index = images.multi_platform("one")
    images.push(world.ecr, "web", "prod", index)
    world.follow("web", index.digest)
    children = [each.digest for each in index.children[:2]]
    assert world.runners.clusters(WEB, children) == [], "not enabled"
    world.plugins.scanner.use("enhanced")
    found = world.runners.clusters(WEB, children)
    assert [(each.name, each.cluster, each.units) for each in found] == [("web", "shop", 2)]


def test_an_index_is_read_once(world: World) -> None:
    index = images.multi_platform("one")
    images.push(world.ecr, "web", "prod", index)
    world.follow("web", index.digest)
    first = world.runners.of(WEB)
    world.ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageDigest": index.digest}])
    assert world.runners.of(WEB) == first


def test_a_kubernetes_cluster_that_lets_nobody_in_keeps_no_report_waiting(world: World) -> None:
    prod = images.push(world.ecr, "web", "prod", images.single("one"))
    arn = world.follow("web", prod)
    (seen,) = world.services.survey([arn])
    pods = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shop/default/deployment/web"
    world.index.put(replace(seen.workload, arn=pods, platform=PlatformKind.EKS_WORKLOAD))

    class Closed:
        def survey(self, arns: Sequence[str]) -> Sequence[Observation]:
            if pods in arns:
                raise AccessDeniedError("403")
            return world.services.survey(arns)

    registry, inspector = EcrRegistry(world.ecr), Inspector(client("inspector2"), SystemClock())
    closed: Any = Closed()
    runners = WorkloadRunners(world.index, lambda: closed, lambda: registry, inspector, ACCOUNT, REGION)
    assert [each.arn for each in runners.of(WEB)[prod]] == [arn]
