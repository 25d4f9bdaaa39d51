"""Notify's stores, in memory and in DynamoDB: the same promises, so that what the tests of delivery prove holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from longshore.aws.table import Table
from longshore.aws.threads import LedgerThreads, LedgerTurns
from longshore.errors import ConflictError
from longshore.events import Kind
from longshore.notices import Fact, Severity
from longshore.notify.life import Life, Step
from longshore.notify.threads import Call, State, Threads, Turns, Waiting
from tests.boundaries import ACCOUNT, REGION
from tests.fakes import START, FakeClock
from tests.notify_world import MemoryThreads, MemoryTurns, NotifyWorld

SECOND = timedelta(seconds=1)


@dataclass
class Stores:
    """Both stores of one kind; `client` is DynamoDB's where there is one."""

    threads: Threads
    turns: Turns
    client: Any = None


@pytest.fixture(params=["memory", "dynamodb"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Empty stores."""
    if request.param == "memory":
        yield Stores(MemoryThreads(), MemoryTurns())
        return
    with mock_aws():
        yield ledger()


def ledger() -> Stores:
    client = boto3.client("dynamodb", region_name=REGION)
    client.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    table = Table(client, "ledger")
    return Stores(LedgerThreads(table, FakeClock(), ACCOUNT, REGION), LedgerTurns(table, ACCOUNT, REGION), client)


def waiting(second: int, rank: int = 0, **members: Any) -> Waiting:
    event = {**NotifyWorld().event("Deployment Failed"), "id": f"e{second}-{rank}", "x": {"deep": [1, 2.5, None, "ü"]}}
    at = (START + second * SECOND).isoformat(timespec="microseconds")
    return Waiting((at, rank), event["id"], event, START, **members)


def test_a_thread_that_never_was_is_empty(stores: Stores) -> None:
    thread = stores.threads.load("ops", "t")
    assert (thread.state, thread.waiting) == (State(), ())


def test_what_waits_is_loaded_in_order_and_whole(stores: Stores) -> None:
    for each in (waiting(2), waiting(1, 2), waiting(1, 1), waiting(10, child=True, mention="@here")):
        assert stores.threads.add("ops", "t", each)
    loaded = stores.threads.load("ops", "t").waiting
    assert [each.id for each in loaded] == ["e1-1", "e1-2", "e2-0", "e10-0"]
    assert loaded[3] == waiting(10, child=True, mention="@here")
    assert loaded[0].notice.subject == "web"


def test_what_is_or_was_there_is_not_added_again(stores: Stores) -> None:
    assert stores.threads.add("ops", "t", waiting(1))
    assert not stores.threads.add("ops", "t", waiting(1))
    thread = stores.threads.load("ops", "t")
    stores.threads.told(thread, thread.waiting[0])
    assert not stores.threads.add("ops", "t", waiting(1))
    assert stores.threads.load("ops", "t").waiting == ()


def test_what_was_dropped_may_come_again(stores: Stores) -> None:
    stores.threads.add("ops", "t", waiting(1))
    thread = stores.threads.load("ops", "t")
    stores.threads.drop(thread, thread.waiting[0])
    assert stores.threads.load("ops", "t").waiting == ()
    assert stores.threads.add("ops", "t", waiting(1))


def test_threads_and_destinations_are_apart(stores: Stores) -> None:
    stores.threads.add("ops", "t", waiting(1))
    assert stores.threads.load("ops", "t2").waiting == ()
    assert stores.threads.load("dev", "t").waiting == ()


FULL = State(
    lease=START + SECOND,
    root="C1/1.2",
    roots=3,
    posted=True,
    first="e1",
    shown=("2026-11-23T09:00:00.000000+00:00", 2),
    gravest=Severity.ERROR,
    digest="abc",
    life=Life(
        (Step(START, Kind.DEPLOYMENT_STARTED), Step(START, Kind.DEPLOYMENT_STARTED, "soaking")),
        (Fact("fact.why", "because", code=True, short=False),),
    ),
    closed=("2026-11-23T09:00:01.000000+00:00", 3),
    last_kind=Kind.DEPLOYMENT_FAILED,
    last_at=START,
    call=Call("key", START, "e2"),
    done=("e1", "e2#reply"),
    wake=START + 5 * SECOND,
    turn="post",
    failures=2,
    window="2026-11-23T09:00Z",
    storm={"severities": {"error": 3}, "kinds": {"Task Failed": 3}, "lines": [["t", "Task Failed", "web"]]},
)


def test_a_state_is_kept_whole(stores: Stores) -> None:
    saved = stores.threads.save(replace(stores.threads.load("ops", "t"), state=FULL))
    assert saved.state == replace(FULL, version=1)
    assert stores.threads.load("ops", "t").state == saved.state


def test_who_read_an_older_state_cannot_write(stores: Stores) -> None:
    old = stores.threads.load("ops", "t")
    new = stores.threads.save(old)
    with pytest.raises(ConflictError):
        stores.threads.save(old)
    stores.threads.save(new)
    with pytest.raises(ConflictError):
        stores.threads.save(new)


def test_what_was_said_is_forgotten_in_time(stores: Stores) -> None:
    assert not stores.threads.said("x", START)
    stores.threads.say("x", START + SECOND)
    assert stores.threads.said("x", START)
    assert not stores.threads.said("x", START + SECOND)
    assert not stores.threads.said("y", START)


def test_a_thread_covers_a_workload_until_it_is_over(stores: Stores) -> None:
    stores.threads.open("arn:web", "ops", "t1", START + SECOND)
    stores.threads.open("arn:web", "dev", "t2", START + 9 * SECOND)
    assert stores.threads.opened("arn:web", START) == {"ops": "t1", "dev": "t2"}
    assert stores.threads.opened("arn:web", START + SECOND) == {"dev": "t2"}
    assert stores.threads.opened("arn:we", START) == {}
    stores.threads.close("arn:web", "dev", "t1")
    stores.threads.close("arn:web", "ops", "t1")
    assert stores.threads.opened("arn:web", START) == {"dev": "t2"}


def test_turns_are_taken_one_by_one(stores: Stores) -> None:
    take = stores.turns.take
    assert take("g", SECOND, START, waited=False) is None
    later = take("g", SECOND, START, waited=False)
    assert later == START + SECOND
    assert take("other", SECOND, START, waited=False) is None
    last = take("g", SECOND, START, waited=False)
    assert last is not None
    assert last > later
    assert take("g", SECOND, later, waited=True) is None


def test_a_gate_that_was_shut_stays_shut_as_long_as_the_longest_wish(stores: Stores) -> None:
    stores.turns.shut("g", START + 60 * SECOND)
    stores.turns.shut("g", START + 30 * SECOND)
    assert stores.turns.take("g", SECOND, START, waited=False) == START + 60 * SECOND


class OthersFirst:
    """A DynamoDB in which somebody else always writes between the read and the write."""

    def __init__(self, client: Any, turns: list[datetime]) -> None:
        self._client = client
        self._turns = turns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_item(self, **request: Any) -> Any:
        answer = self._client.get_item(**request)
        if self._turns:
            LedgerTurns(Table(self._client, "ledger"), ACCOUNT, REGION).take(
                "g", SECOND, self._turns.pop(), waited=True
            )
        return answer


@pytest.mark.parametrize("others", [1, 9])
def test_of_two_who_see_an_open_gate_one_passes(others: int) -> None:
    with mock_aws():
        client = ledger().client
        crowd = [START + (each + 1) * 2 * SECOND for each in range(others)][::-1]
        ours = LedgerTurns(Table(OthersFirst(client, crowd), "ledger"), ACCOUNT, REGION)
        until = ours.take("g", SECOND, START + 2 * SECOND, waited=False)
    assert until is not None
    assert until >= START + 3 * SECOND


def test_every_item_ends_some_day(stores: Stores) -> None:
    if stores.client is None:
        pytest.skip("memory ends with the process")
    stores.threads.add("ops", "t", waiting(1))
    thread = stores.threads.save(stores.threads.load("ops", "t"))
    stores.threads.told(thread, thread.waiting[0])
    stores.threads.say("x", START)
    stores.threads.open("arn", "ops", "t", START)
    stores.turns.take("g", SECOND, START, waited=False)
    items = stores.client.scan(TableName="ledger")["Items"]
    assert len(items) == 5
    assert all(int(item["expires"]["N"]) >= START.timestamp() for item in items)
    assert all(f"{ACCOUNT}/{REGION}" in item["pk"]["S"] for item in items)
