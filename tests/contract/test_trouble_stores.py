"""What recover keeps and reads of services, on the fakes and on AWS's side alike (design 5, 12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.aws.inventory import EcrImages, EcsInventory, EcsServiceStates
from longshore.aws.recovery import LedgerRecipes
from longshore.aws.troubles import LedgerTroubles, LedgerWatched
from longshore.errors import ConflictError
from longshore.images import Repository
from longshore.recover.crash_loops import CrashLoopPolicy
from longshore.recover.recipe import LaunchRecipe
from longshore.recover.troubles import Sign, Trouble
from tests.contract.aws_account import REGION, client, ledger_table, mocked, raw_items
from tests.fake_tasks import ACCOUNT, ARN, FakeRecipes
from tests.fakes import FakeClock
from tests.service_world import SERVICE, FakeImages, FakeTroubles, FakeWatched

if TYPE_CHECKING:
    from longshore.recover.ports import Recipes
    from longshore.recover.service_ports import Images, Troubles, Watched

LIMIT = CrashLoopPolicy().limits[0]
OTHER = f"{ARN}:service/shop/api"
TASKS = [f"{ARN}:task/shop/{number:032x}" for number in range(3)]


@dataclass(frozen=True)
class Stores:
    clock: FakeClock
    troubles: Troubles
    recipes: Recipes
    watched: Watched


@pytest.fixture(params=["fake", "ledger"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    clock = FakeClock()
    if request.param == "fake":
        recipes = FakeRecipes()
        yield Stores(clock, FakeTroubles(), recipes, FakeWatched(recipes))
        return
    with mocked():
        table = ledger_table()
        troubles = LedgerTroubles(table, clock, ACCOUNT, REGION)
        yield Stores(clock, troubles, LedgerRecipes(table, clock), LedgerWatched(table, ACCOUNT, REGION))


def trouble(stores: Stores, subject: str = SERVICE, key: str = "LOOP#ecs-svc/1") -> Trouble:
    sign = Sign(TASKS[0], stores.clock.now(), cls="G4", container="app", exit_code=1, instance="i")
    return stores.troubles.get(subject, key).with_sign(sign, timedelta(hours=1))


def test_what_nobody_wrote_is_empty(stores: Stores) -> None:
    assert stores.troubles.get(SERVICE, "LOOP#1") == Trouble(SERVICE, "LOOP#1")
    assert list(stores.troubles.of(SERVICE)) == []
    assert list(stores.troubles.open()) == []


def test_what_was_written_is_read(stores: Stores) -> None:
    now = stores.clock.now()
    opened = replace(trouble(stores).begun(now, LIMIT, {"family": "web"}), acted=now, act="rollback")
    saved = stores.troubles.save(opened)
    assert (saved.version, replace(saved, version=0)) == (1, opened)
    assert stores.troubles.get(SERVICE, saved.key) == saved
    assert list(stores.troubles.of(SERVICE)) == [saved]
    assert list(stores.troubles.of(OTHER)) == []


def test_whoever_writes_second_reads_again(stores: Stores) -> None:
    first = trouble(stores)
    stores.troubles.save(first)
    with pytest.raises(ConflictError):
        stores.troubles.save(first)
    again = stores.troubles.get(SERVICE, first.key)
    stores.troubles.save(again)
    with pytest.raises(ConflictError):
        stores.troubles.save(again)


def test_the_open_ones_are_listed(stores: Stores) -> None:
    now = stores.clock.now()
    stores.troubles.save(trouble(stores, key="LOOP#2"))
    opened = stores.troubles.save(trouble(stores).begun(now, LIMIT, {}))
    stores.troubles.save(trouble(stores, OTHER).begun(now, LIMIT, {}))
    assert sorted(stores.troubles.open()) == [(OTHER, opened.key), (SERVICE, opened.key)]
    ended = stores.troubles.save(opened.ended(now))
    assert list(stores.troubles.open()) == [(OTHER, opened.key)]
    stores.troubles.save(ended.begun(now, LIMIT, {}))
    assert len(list(stores.troubles.open())) == 2


def test_recorded_tasks_are_listed_until_they_are_dropped_or_forgotten(stores: Stores) -> None:
    recipe = LaunchRecipe(source="task", launch_type="FARGATE")
    for each in TASKS:
        stores.recipes.put(each, recipe)
    assert sorted(stores.watched.all()) == TASKS
    stores.watched.drop(TASKS[0])
    stores.recipes.forget(TASKS[1])
    assert list(stores.watched.all()) == [TASKS[2]]
    assert stores.recipes.get(TASKS[0]) == recipe


def test_troubles_do_not_stay_for_ever() -> None:
    with mocked():
        clock = FakeClock()
        store = LedgerTroubles(ledger_table(), clock, ACCOUNT, REGION)
        store.save(Trouble(SERVICE, "LOOP#1").begun(clock.now(), LIMIT, {}))
        items = raw_items()
    assert len(items) == 2
    assert {int(each["expires"]["N"]) for each in items} == {int((clock.now() + timedelta(days=30)).timestamp())}
    assert {each["schema"]["N"] for each in items} == {"1"}


# -- images ---------------------------------------------------------------------------------------------------------


def pushed() -> dict[str, Any]:
    ecr = client("ecr")
    ecr.create_repository(repositoryName="shop/web")
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1, "digest": "sha256:" + "1" * 64}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 1, "digest": "sha256:" + "2" * 64}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config,
        "layers": [layer],
    }
    answer: dict[str, Any] = ecr.put_image(
        repositoryName="shop/web", imageManifest=json.dumps(manifest), imageTag="prod"
    )
    return answer["image"]["imageId"]  # type: ignore[no-any-return]


@pytest.fixture(params=["fake", "ecr"])
def images(request: pytest.FixtureRequest) -> Iterator[tuple[Images, str]]:
    with mocked():
        digest = pushed()["imageDigest"]
        if request.param == "ecr":
            yield EcrImages(lambda: client("ecr")), digest
            return
    fake = FakeImages()
    fake.tags["shop/web", "prod"] = digest
    fake.kept.add(digest)
    yield fake, digest


def test_an_image_is_found_by_tag_and_by_digest(images: tuple[Images, str]) -> None:
    store, digest = images
    web = Repository(ACCOUNT, REGION, "shop/web")
    assert store.digest(web, "prod") == store.digest(web, digest) == digest
    assert store.digest(web, "gone") is None
    assert store.digest(web, "sha256:" + "0" * 64) is None
    assert store.digest(Repository(ACCOUNT, REGION, "shop/none"), "prod") is None


# -- services, clusters, tasks --------------------------------------------------------------------------------------


def shop(services: int) -> list[str]:
    ecs = client("ecs")
    ecs.create_cluster(clusterName="shop")
    container = {"name": "app", "image": "app:1", "memory": 128}
    ecs.register_task_definition(family="web", containerDefinitions=[container])
    return [
        str(
            ecs.create_service(
                cluster="shop",
                serviceName=f"web{number}",
                taskDefinition="web",
                desiredCount=2,
                tags=[{"key": "longshore:policy", "value": "digest"}],
            )["service"]["serviceArn"]
        )
        for number in range(services)
    ]


def test_services_are_read_ten_at_a_time_over_clusters() -> None:
    with mocked():
        arns = shop(12)
        store = EcsServiceStates(client("ecs"))
        missing = [f"{ARN}:service/shop/none", f"{ARN}:service/other/none"]
        found = store.survey([*arns, *missing])
        assert sorted(found) == sorted(arns)
        one = store.get(arns[0])
        assert one is not None
        assert (one.name, one.active, one.desired) == ("web0", True, 2)
        assert one.tags == {"longshore:policy": "digest"}
        assert one.deployment.startswith("ecs-svc/")
        assert one.changed is not None
        assert store.get(missing[0]) is None


def test_clusters_and_tasks_come_in_pages() -> None:
    with mocked():
        shop(0)
        store = EcsInventory(client("ecs"))
        assert store.clusters("").arns == (f"{ARN}:cluster/shop",)
        assert store.tasks("shop", "RUNNING", "").arns == ()
        assert store.tasks("none", "RUNNING", "") == ((), "")
