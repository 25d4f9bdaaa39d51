"""The stores of the ledger: one suite, run on the fakes and on the table (design 5, 12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from longshore.aws.ledger import LedgerHeads, LedgerIndex, LedgerRecords
from longshore.aws.switches import LedgerSwitches
from longshore.errors import ConflictError
from longshore.images import Repository
from longshore.ports import Good, Head, Heads, Index, Record, Records, Switches
from longshore.workloads import Action, Change, Deployment, DeploymentStatus, Hold, Plan, PlatformKind, Workload
from tests.contract.aws_account import client, ledger_table, mocked, raw_items
from tests.fake_platform import ACCOUNT, HOST, REGION, digest
from tests.fakes import FakeClock, FakeHeads, FakeIndex, FakeRecords, FakeSwitches

WEB = Repository(ACCOUNT, REGION, "team/web")
API = Repository(ACCOUNT, REGION, "team/api")
OTHER = Repository("210987654321", "us-east-1", "team/web")
ONE, TWO, THREE = digest("one"), digest("two"), digest("three")


@dataclass(frozen=True)
class Stores:
    clock: FakeClock
    heads: Heads
    index: Index
    records: Records
    switches: Switches


@pytest.fixture(params=["fake", "ledger"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    clock = FakeClock()
    if request.param == "fake":
        yield Stores(clock, FakeHeads(), FakeIndex(), FakeRecords(clock), FakeSwitches())
        return
    with mocked():
        table = ledger_table()
        switches = LedgerSwitches(table, ACCOUNT, REGION)
        yield Stores(clock, LedgerHeads(table), LedgerIndex(table), LedgerRecords(table, clock), switches)


@pytest.fixture
def ledger() -> Iterator[Stores]:
    clock = FakeClock()
    with mocked():
        table = ledger_table()
        switches = LedgerSwitches(table, ACCOUNT, REGION)
        yield Stores(clock, LedgerHeads(table), LedgerIndex(table), LedgerRecords(table, clock), switches)


def arn(name: str, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:ecs:{region}:{account}:service/shop/{name}"


def workload(name: str = "web", *repositories: str, tags: dict[str, str] | None = None) -> Workload:
    images = {f"c{n}": f"{HOST}/{r}:prod" for n, r in enumerate(repositories or ("team/web",))}
    labels = {"longshore:policy": "digest", **(tags or {})}
    return Workload(arn(name), PlatformKind.ECS_SERVICE, ACCOUNT, REGION, "shop", name, labels, images, f"{name}:1")


# -- heads ----------------------------------------------------------------------------------------------------------


def head(stores: Stores, pushed: str, *, after: float = 0, settle: float = 5, tag: str = "prod") -> Head:
    at = stores.clock.now() + timedelta(seconds=after)
    return Head(WEB, tag, pushed, at, at + timedelta(seconds=settle), at)


def test_an_unknown_head_is_none(stores: Stores) -> None:
    assert stores.heads.get(WEB, "prod") is None
    assert list(stores.heads.of(WEB)) == []


def test_a_first_observation_is_the_head(stores: Stores) -> None:
    seen = head(stores, ONE)
    assert stores.heads.observe(seen, 120) == seen
    assert stores.heads.get(WEB, "prod") == seen
    assert list(stores.heads.of(WEB)) == [seen]


def test_the_same_digest_again_changes_nothing(stores: Stores) -> None:
    first = stores.heads.observe(head(stores, ONE), 120)
    assert stores.heads.observe(head(stores, ONE, after=60), 120) == first


def test_an_older_move_changes_nothing(stores: Stores) -> None:
    newer = stores.heads.observe(head(stores, TWO, after=60), 120)
    assert stores.heads.observe(head(stores, ONE), 120) == newer


def test_another_digest_at_the_same_second_is_a_move(stores: Stores) -> None:
    stores.heads.observe(head(stores, ONE), 120)
    moved = stores.heads.observe(head(stores, TWO), 120)
    assert (moved.digest, moved.previous) == (TWO, ONE)


def test_a_move_restarts_the_settling_up_to_the_cap(stores: Stores) -> None:
    start = stores.heads.observe(head(stores, ONE), 120)
    for number in range(1, 35):
        moved = stores.heads.observe(head(stores, digest(f"build {number}"), after=4 * number), 120)
        if 4 * number < 120:
            assert moved.settles == min(moved.moved + timedelta(seconds=5), start.first + timedelta(seconds=120))
            assert moved.first == start.first
    assert moved.first > start.first


def test_a_move_after_the_settling_begins_anew(stores: Stores) -> None:
    stores.heads.observe(head(stores, ONE), 120)
    later = head(stores, TWO, after=600)
    assert stores.heads.observe(later, 120) == replace(later, previous=ONE)


def test_a_tag_may_return_to_an_earlier_digest(stores: Stores) -> None:
    for number, pushed in enumerate((ONE, TWO, ONE)):
        moved = stores.heads.observe(head(stores, pushed, after=600 * number), 120)
    assert (moved.digest, moved.previous) == (ONE, TWO)


def test_heads_of_repositories_and_tags_are_apart(stores: Stores) -> None:
    stores.heads.observe(head(stores, ONE), 120)
    stores.heads.observe(head(stores, TWO, tag="canary"), 120)
    stores.heads.observe(replace(head(stores, THREE), repository=OTHER), 120)
    assert {each.tag: each.digest for each in stores.heads.of(WEB)} == {"prod": ONE, "canary": TWO}
    assert [each.digest for each in stores.heads.of(OTHER)] == [THREE]


# -- index ----------------------------------------------------------------------------------------------------------


def test_a_workload_is_found_by_each_of_its_repositories(stores: Stores) -> None:
    both = workload("web", "team/web", "team/api")
    assert stores.index.put(both)
    assert stores.index.put(workload("other"))
    assert [each.name for each in stores.index.runs(API)] == ["web"]
    assert sorted(each.name for each in stores.index.runs(WEB)) == ["other", "web"]
    assert stores.index.get(both.arn) == both
    assert {each.name for each in stores.index.all(ACCOUNT, REGION)} == {"web", "other"}
    assert list(stores.index.all("210987654321", REGION)) == []


def test_putting_the_same_again_changes_nothing(stores: Stores) -> None:
    assert stores.index.put(workload())
    assert not stores.index.put(workload())


def test_tags_of_others_are_neither_kept_nor_a_change(stores: Stores) -> None:
    assert stores.index.put(workload(tags={"team": "a"}))
    assert not stores.index.put(workload(tags={"team": "b"}))
    found = stores.index.get(arn("web"))
    assert found is not None
    assert found.tags == {"longshore:policy": "digest"}


def test_a_repository_that_is_no_longer_followed_is_forgotten(stores: Stores) -> None:
    stores.index.put(workload("web", "team/web", "team/api"))
    assert stores.index.put(workload("web", "team/api"))
    assert list(stores.index.runs(WEB)) == []
    assert [each.name for each in stores.index.runs(API)] == ["web"]


def test_a_removed_workload_leaves_no_trace(stores: Stores) -> None:
    stores.index.put(workload("web", "team/web", "team/api"))
    assert stores.index.remove(arn("web"))
    assert not stores.index.remove(arn("web"))
    assert stores.index.get(arn("web")) is None
    assert [list(stores.index.runs(r)) for r in (WEB, API)] == [[], []]
    assert list(stores.index.all(ACCOUNT, REGION)) == []


# -- records --------------------------------------------------------------------------------------------------------


def deployment(stores: Stores, pushed: str = TWO, version: int = 1, name: str = "web") -> Deployment:
    now = stores.clock.now()
    change = Change("app", f"{HOST}/team/web:prod", pushed, "prod", (THREE,), ONE, f"{HOST}/team/web:old")
    plan = Plan(arn(name), Action.REVISE, (change,), "newer", "event-1", rollback=True)
    return Deployment(
        plan,
        DeploymentStatus.STARTING,
        now,
        now + timedelta(minutes=20),
        soak_seconds=60,
        lease=now + timedelta(seconds=150),
        soaking=now + timedelta(seconds=60),
        version=version,
        before="before",
    )


def test_a_workload_never_touched_has_an_empty_record(stores: Stores) -> None:
    assert stores.records.get(arn("web")) == Record(arn("web"))


def test_a_deployment_is_read_as_it_was_written(stores: Stores) -> None:
    begun = deployment(stores)
    stores.records.begin(begun, None)
    assert stores.records.get(arn("web")).deployment == begun
    ended = replace(begun, rollout="r1").ends(DeploymentStatus.VERIFIED, stores.clock.now(), "verified")
    advanced = stores.records.advance(ended)
    assert advanced == replace(ended, version=2)
    assert stores.records.get(arn("web")).deployment == advanced


def test_only_one_of_two_begins_claims_a_workload(stores: Stores) -> None:
    stores.records.begin(deployment(stores), None)
    with pytest.raises(ConflictError):
        stores.records.begin(deployment(stores, THREE), None)
    read = stores.records.get(arn("web")).deployment
    assert read is not None
    stores.records.begin(deployment(stores, THREE, version=read.version + 1), read)
    with pytest.raises(ConflictError):
        stores.records.begin(deployment(stores, ONE, version=read.version + 1), read)
    found = stores.records.get(arn("web")).deployment
    assert found is not None
    assert found.plan.digests == {"app": THREE}


def test_who_reads_before_another_writes_may_not_write(stores: Stores) -> None:
    begun = deployment(stores)
    with pytest.raises(ConflictError):
        stores.records.advance(begun)
    stores.records.begin(begun, None)
    mine = stores.records.get(arn("web")).deployment
    assert mine is not None
    theirs = stores.records.advance(mine)
    with pytest.raises(ConflictError):
        stores.records.advance(replace(mine, rollout="mine"))
    with pytest.raises(ConflictError):
        stores.records.begin(deployment(stores, THREE, version=2), mine)
    assert stores.records.get(arn("web")).deployment == theirs


def test_goods_are_replaced(stores: Stores) -> None:
    goods = [Good({"app": ONE}, stores.clock.now(), {"app": "1.4.2"}), Good({"app": TWO}, stores.clock.now())]
    stores.records.good(arn("web"), goods)
    assert stores.records.get(arn("web")).goods == tuple(goods)
    stores.records.good(arn("web"), goods[:1])
    assert stores.records.get(arn("web")).goods == tuple(goods[:1])


def test_a_hold_is_set_and_lifted(stores: Stores) -> None:
    until = stores.clock.now() + timedelta(days=1)
    for hold in (Hold("incident", "alice", stores.clock.now(), until), Hold("other", "bob", stores.clock.now())):
        stores.records.hold(arn("web"), hold)
        assert stores.records.get(arn("web")).hold == hold
    stores.records.hold(arn("web"), None)
    stores.records.hold(arn("web"), None)
    assert stores.records.get(arn("web")).hold is None


def test_quarantines_add_up_and_end_after_ninety_days(stores: Stores) -> None:
    first = stores.clock.now()
    stores.records.quarantine(arn("web"), [ONE, TWO], "failed", first)
    second = stores.clock.advance(86400)
    stores.records.quarantine(arn("web"), [THREE], "failed", second)
    assert stores.records.get(arn("web")).quarantined == {ONE: first, TWO: first, THREE: second}
    stores.clock.advance(89 * 86400)
    assert stores.records.get(arn("web")).quarantined == {THREE: second}


def test_remembered_tags_are_forgotten_as_they_were_seen(stores: Stores) -> None:
    first = stores.clock.now()
    stores.records.remember(arn("web"), WEB, "prod", first)
    stores.records.remember(arn("web"), API, "1.0.0", first)
    seen = stores.records.get(arn("web")).pending
    assert seen == {(WEB, "prod"): first, (API, "1.0.0"): first}
    again = stores.clock.advance(0.000001)
    stores.records.remember(arn("web"), WEB, "prod", again)
    stores.records.forget(arn("web"), seen)
    assert stores.records.get(arn("web")).pending == {(WEB, "prod"): again}
    stores.records.forget(arn("web"), stores.records.get(arn("web")).pending)
    stores.records.forget(arn("web"), seen)
    assert stores.records.get(arn("web")).pending == {}


def test_remembered_tags_end_after_a_fortnight(stores: Stores) -> None:
    stores.records.remember(arn("web"), WEB, "prod", stores.clock.now())
    stores.clock.advance(15 * 86400)
    assert stores.records.get(arn("web")).pending == {}


def test_what_was_told_is_kept(stores: Stores) -> None:
    stores.records.tell(arn("web"), "held []")
    stores.records.tell(arn("web"), "paused []")
    assert stores.records.get(arn("web")).told == "paused []"


def test_records_of_workloads_are_apart(stores: Stores) -> None:
    stores.records.begin(deployment(stores), None)
    stores.records.tell(arn("web"), "x")
    for other in (arn("web2"), arn("web", account="210987654321"), arn("web", region="us-east-1")):
        assert stores.records.get(other) == Record(other)


# -- switches -------------------------------------------------------------------------------------------------------


def test_nothing_is_paused_at_first(stores: Stores) -> None:
    assert stores.switches.paused() is None


def test_an_hour_counts_up_to_its_limit(stores: Stores) -> None:
    now = stores.clock.now()
    assert [stores.switches.count("all", now, 2) for _ in range(4)] == [True, True, False, False]
    assert stores.switches.count("all", now, 3)
    assert stores.switches.count("cluster/shop", now, 1)
    assert stores.switches.count("all", now + timedelta(hours=1), 1)


# -- the table alone ------------------------------------------------------------------------------------------------


def filled(stores: Stores) -> None:
    now = stores.clock.now()
    stores.heads.observe(head(stores, ONE), 120)
    stores.index.put(workload())
    stores.records.begin(deployment(stores), None)
    stores.records.good(arn("web"), [Good({"app": ONE}, now)])
    stores.records.hold(arn("web"), Hold("incident", "alice", now))
    stores.records.quarantine(arn("web"), [TWO], "failed", now)
    stores.records.remember(arn("web"), WEB, "prod", now)
    stores.records.tell(arn("web"), "held")
    stores.switches.count("all", now, 5)


def test_every_key_carries_account_and_region_and_every_item_a_schema(ledger: Stores) -> None:
    filled(ledger)
    items = raw_items()
    assert len(items) == 10
    for item in items:
        assert ACCOUNT in item["pk"]["S"], item
        assert REGION in item["pk"]["S"], item
        assert item["schema"] == {"N": "1"}


def test_what_ends_has_a_time_to_live(ledger: Stores) -> None:
    filled(ledger)
    now = int(ledger.clock.now().timestamp())
    lasting = {item["sk"]["S"].partition("#")[0] for item in raw_items() if "expires" not in item}
    assert lasting == {"RUNS", arn("web"), "HOLD"}
    assert all(int(item["expires"]["N"]) > now for item in raw_items() if "expires" in item)


def test_a_head_of_an_old_image_does_not_end_at_once(ledger: Stores) -> None:
    now = ledger.clock.now()
    ledger.heads.observe(Head(WEB, "prod", ONE, now - timedelta(days=900), now, now), 0)
    (item,) = raw_items()
    assert int(item["expires"]["N"]) > now.timestamp()


def rewrite(schema: str) -> None:
    for item in raw_items():
        client("dynamodb").put_item(TableName="ledger", Item={**item, "schema": {"N": schema}})


def test_an_unknown_schema_is_not_read(ledger: Stores) -> None:
    filled(ledger)
    rewrite("2")
    assert ledger.heads.get(WEB, "prod") is None
    assert list(ledger.heads.of(WEB)) == []
    assert ledger.index.get(arn("web")) is None
    assert list(ledger.index.runs(WEB)) == []
    assert ledger.records.get(arn("web")) == Record(arn("web"))


def test_what_is_not_read_is_not_overwritten(ledger: Stores) -> None:
    filled(ledger)
    rewrite("2")
    with pytest.raises(ConflictError):
        ledger.records.begin(deployment(ledger, THREE), None)
    with pytest.raises(ConflictError):
        ledger.heads.observe(head(ledger, TWO, after=60), 120)


def test_the_schema_before_is_read(ledger: Stores) -> None:
    filled(ledger)
    before = ledger.records.get(arn("web"))
    rewrite("0")
    assert ledger.records.get(arn("web")) == before
    assert ledger.index.get(arn("web")) == workload()


def test_what_has_expired_is_gone_though_it_was_not_deleted(ledger: Stores) -> None:
    filled(ledger)
    ledger.clock.advance(401 * 86400)
    record = ledger.records.get(arn("web"))
    assert (record.deployment, record.goods, record.quarantined, record.pending, record.told) == (None, (), {}, {}, "")
    assert record.hold is not None
    ledger.records.begin(deployment(ledger, THREE), None)
    found = ledger.records.get(arn("web")).deployment
    assert found is not None
    assert found.plan.digests == {"app": THREE}


def test_a_pause_is_read(ledger: Stores) -> None:
    item = {"pk": f"SWITCH#{ACCOUNT}/{REGION}", "sk": "PAUSE", "reason": "incident", "schema": "1"}
    values = {key: {"N" if key == "schema" else "S": value} for key, value in item.items()}
    client("dynamodb").put_item(TableName="ledger", Item=values)
    assert ledger.switches.paused() == "incident"


def test_more_than_a_page_is_read(ledger: Stores) -> None:
    for number in range(30):
        big = workload(f"web-{number:02}", tags={"longshore:note": "x" * 40_000})
        ledger.index.put(big)
    assert len(ledger.index.runs(WEB)) == 30
