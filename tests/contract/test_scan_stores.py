"""Scan's stores, in memory and in DynamoDB: the same promises, so that what the tests of the service prove holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.aws.gates import LedgerGates
from longshore.aws.scans import LedgerAcceptances, LedgerReports
from longshore.aws.table import expiry
from longshore.errors import ConflictError
from longshore.gates import Gate, GateQuestion, GateReason, GateTerms, GateVerdict
from longshore.images import Repository
from longshore.scan.findings import Key
from longshore.scan.ports import Reported
from longshore.scan.suppressions import Origin, Suppression
from longshore.workloads import Subject
from tests.contract.aws_account import REGION, ledger_table, mocked, raw_items
from tests.fakes import START, FakeClock, FakeGates
from tests.scan_world import MemoryAcceptances, MemoryReports

if TYPE_CHECKING:
    from longshore.ports import Gates
    from longshore.scan.ports import Reports

ACCOUNT = "123456789012"
WEB = Repository(ACCOUNT, REGION, "shop/web")
API = Repository(ACCOUNT, REGION, "shop/api")
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DAY = timedelta(days=1)
TOLD = Reported(WEB, ONE, "f", True, START, "c", {"findings": {"a": "P241000"}, "epss": 0.25, "none": None})
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/web"
QUESTION = GateQuestion(
    SERVICE,
    WEB,
    ONE,
    "prod",
    (ONE, TWO),
    (TWO,),
    GateTerms(frozenset({"P1"}), "HIGH", False, False, timedelta(minutes=5), frozenset({GateReason.UNSUPPORTED}), True),
    START + timedelta(microseconds=7),
    "c",
    Subject("web", "prod", "ecs-service", "shop", None),
)
VERDICT = GateVerdict(GateReason.FINDINGS, START, {"P1": 2}, ({"id": "CVE-2026-1", "epss": 0.91, "kev": None},))


@dataclass
class Stores:
    """All of one kind."""

    reports: Reports
    acceptances: MemoryAcceptances | LedgerAcceptances
    gates: Gates
    clock: FakeClock
    in_ledger: bool


@pytest.fixture(params=["memory", "dynamodb"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Empty stores."""
    clock = FakeClock()
    if request.param == "memory":
        yield Stores(MemoryReports(), MemoryAcceptances(), FakeGates(), clock, False)
        return
    with mocked():
        table = ledger_table()
        yield Stores(
            LedgerReports(table, clock, ACCOUNT, REGION),
            LedgerAcceptances(table, clock, ACCOUNT, REGION),
            LedgerGates(table, clock),
            clock,
            True,
        )


# -- reports --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("runs", "days"), [(True, 180), (False, 14)])
def test_an_image_that_nothing_runs_is_forgotten_soon(runs: bool, days: int) -> None:
    """All that are remembered of a repository are read at each look."""
    with mocked():
        table, clock = ledger_table(), FakeClock()
        LedgerReports(table, clock, ACCOUNT, REGION).put(replace(TOLD, summary={"runs": runs}))
        (item,) = table.query(f"REPORTS#{WEB}")
        assert item["expires"] == expiry(clock.now(), timedelta(days=days))


def test_what_was_told_is_read_whole(stores: Stores) -> None:
    assert stores.reports.get(WEB, ONE) is None
    stores.reports.put(TOLD)
    assert stores.reports.get(WEB, ONE) == replace(TOLD, version=1)
    stores.reports.put(replace(TOLD, digest=TWO, open=False))
    stores.reports.put(replace(TOLD, repository=API))
    assert [each.digest for each in stores.reports.of(WEB)] == [ONE, TWO]
    assert stores.reports.of(API) == [replace(TOLD, repository=API, version=1)]


def test_whoever_writes_second_looks_again(stores: Stores) -> None:
    stores.reports.put(TOLD)
    with pytest.raises(ConflictError):
        stores.reports.put(TOLD)
    stores.reports.put(replace(TOLD, version=1, fingerprint="g"))
    with pytest.raises(ConflictError):
        stores.reports.put(replace(TOLD, version=1))
    told = stores.reports.get(WEB, ONE)
    assert told is not None
    assert (told.version, told.fingerprint) == (2, "g")


def test_the_first_sight_of_a_finding_stands(stores: Stores) -> None:
    keys = [Key(f"CVE-2026-{n}", "OS", "openssl", "") for n in range(40)]
    first = stores.reports.seen(WEB, keys[:20], START)
    assert first == dict.fromkeys(keys[:20], START)
    later = stores.reports.seen(WEB, keys, START + DAY)
    assert later == {**first, **dict.fromkeys(keys[20:], START + DAY)}
    assert stores.reports.seen(API, keys[:1], START + DAY) == {keys[0]: START + DAY}
    assert stores.reports.seen(WEB, [], START) == {}
    assert stores.reports.seen(WEB, keys[:1], START + 100 * DAY) == {keys[0]: START}


def test_done_is_done_for_as_long_as_it_is_kept(stores: Stores) -> None:
    assert not stores.reports.done("look", START)
    assert stores.reports.once("look", START, START + DAY)
    assert not stores.reports.once("look", START, START + DAY)
    assert stores.reports.done("look", START)
    assert not stores.reports.done("other", START)
    assert not stores.reports.done("look", START + DAY)
    assert stores.reports.once("look", START + DAY, START + 2 * DAY)


def test_the_last_digest_of_each_team_is_kept(stores: Stores) -> None:
    assert stores.reports.digest("") is None
    stores.reports.keep_digest("", {"due": "a", "counts": {"P1": 1}}, START)
    stores.reports.keep_digest("shop", {"due": "b"}, START)
    stores.reports.keep_digest("shop", {"due": "c"}, START)
    assert stores.reports.digest("") == {"due": "a", "counts": {"P1": 1}}
    assert stores.reports.digest("shop") == {"due": "c"}


# -- acceptances ----------------------------------------------------------------------------------------------------


def test_acceptances_are_set_replaced_and_removed(stores: Stores) -> None:
    one = Suppression("a", Origin.SWITCH, "CVE-2026-1", ("pkg:deb/debian/zlib",), expires=START + DAY, owner="shop")
    stores.acceptances.put(one)
    stores.acceptances.put(replace(one, id="b", expires=None, until_fix=True, digests=(ONE,)))
    stores.acceptances.put(replace(one, reason="waits for upstream"))
    assert [(each.id, each.reason) for each in stores.acceptances.all()] == [("a", "waits for upstream"), ("b", "")]
    assert stores.acceptances.all()[0] == replace(one, reason="waits for upstream")
    assert stores.acceptances.remove("a")
    assert not stores.acceptances.remove("a")
    assert [each.id for each in stores.acceptances.all()] == ["b"]


# -- gates ----------------------------------------------------------------------------------------------------------


def test_a_question_is_read_as_it_was_asked(stores: Stores) -> None:
    assert stores.gates.get(WEB, SERVICE, ONE) is None
    stores.gates.ask(QUESTION)
    assert stores.gates.get(WEB, SERVICE, ONE) == Gate(QUESTION)
    plain = replace(QUESTION, workload=SERVICE + "2", terms=GateTerms(), subject=Subject())
    stores.gates.ask(plain)
    found = sorted(stores.gates.of(WEB), key=lambda gate: gate.question.workload)
    assert found == [Gate(QUESTION), Gate(plain)]
    assert list(stores.gates.of(API)) == []


def test_an_answer_stands_beside_its_question(stores: Stores) -> None:
    stores.gates.ask(QUESTION)
    assert stores.gates.judge(QUESTION, VERDICT)
    assert stores.gates.get(WEB, SERVICE, ONE) == Gate(QUESTION, VERDICT)
    assert stores.gates.judge(QUESTION, replace(VERDICT, reason=GateReason.CLEAN, counts={}, findings=()))
    found = stores.gates.get(WEB, SERVICE, ONE)
    assert found is not None
    assert found.verdict == GateVerdict(GateReason.CLEAN, START)


def test_an_answer_keeps_since_when_and_until_when_it_holds(stores: Stores) -> None:
    said = replace(VERDICT, until=START + DAY, since=START - DAY)
    stores.gates.ask(QUESTION)
    assert stores.gates.judge(QUESTION, said)
    assert stores.gates.get(WEB, SERVICE, ONE) == Gate(QUESTION, said)


def test_a_question_is_retired_unless_another_took_its_place(stores: Stores) -> None:
    other = replace(QUESTION, asked=START + DAY)
    stores.gates.retire(QUESTION)
    stores.gates.ask(QUESTION)
    stores.gates.judge(QUESTION, VERDICT)
    stores.gates.retire(other)
    assert stores.gates.get(WEB, SERVICE, ONE) == Gate(QUESTION, VERDICT)
    stores.gates.retire(QUESTION)
    assert stores.gates.get(WEB, SERVICE, ONE) is None
    assert list(stores.gates.of(WEB)) == []


@pytest.mark.parametrize("members", [{"asked": START + DAY}, {"running": ()}, {"terms": GateTerms()}])
def test_another_question_voids_the_answer(stores: Stores, members: dict[str, object]) -> None:
    other = replace(QUESTION, **members)  # type: ignore[arg-type]
    assert not stores.gates.judge(QUESTION, VERDICT)
    assert stores.gates.get(WEB, SERVICE, ONE) is None
    stores.gates.ask(QUESTION)
    stores.gates.judge(QUESTION, VERDICT)
    stores.gates.ask(other)
    assert not stores.gates.judge(QUESTION, VERDICT)
    assert stores.gates.get(WEB, SERVICE, ONE) == Gate(other)


# -- the ledger alone -----------------------------------------------------------------------------------------------


def test_nothing_stays_for_ever_and_every_key_names_the_place() -> None:
    with mocked():
        clock = FakeClock()
        table = ledger_table()
        reports = LedgerReports(table, clock, ACCOUNT, REGION)
        reports.put(TOLD)
        reports.seen(WEB, [Key("CVE-2026-1", "", "a", "")], START)
        reports.once("look", START, START + DAY)
        reports.keep_digest("shop", {}, START)
        gates = LedgerGates(table, clock)
        gates.ask(QUESTION)
        gates.judge(QUESTION, VERDICT)
        ending = Suppression("a", Origin.SWITCH, "CVE-2026-1", expires=START + DAY)
        acceptances = LedgerAcceptances(table, clock, ACCOUNT, REGION)
        acceptances.put(ending)
        items = raw_items()
        for each in items:
            assert int(each["expires"]["N"]) > clock.now().timestamp()
            assert each["schema"]["N"] == "1"
            assert f"{ACCOUNT}/{REGION}" in each["pk"]["S"]
        acceptances.put(replace(ending, expires=None))
        kept = [each for each in raw_items() if each["pk"]["S"].startswith("ACCEPTED#")]
        assert "expires" not in kept[0]
    assert len(items) == 6


def test_sights_that_nobody_saw_for_long_are_dropped_and_a_race_is_won_by_the_first() -> None:
    with mocked():
        table = ledger_table()
        reports = LedgerReports(table, FakeClock(), ACCOUNT, REGION)
        key = Key("CVE-2026-1", "", "a", "")
        reports.seen(WEB, [key], START)
        assert reports.seen(WEB, [key], START + 399 * DAY) == {key: START}
        assert reports.seen(WEB, [key], START + 798 * DAY) == {key: START}

        class Raced(type(table)):  # type: ignore[misc]
            """Somebody writes between reading and writing."""

            raced = False

            def put(self, item: dict[str, object], *condition: object) -> None:
                if not self.raced:
                    Raced.raced = True
                    LedgerReports(table, FakeClock(), ACCOUNT, REGION).seen(API, [key], START)
                table.put(item, *condition)  # type: ignore[arg-type]

        raced = Raced(table._dynamodb, table._name)
        assert LedgerReports(raced, FakeClock(), ACCOUNT, REGION).seen(API, [key], START + DAY) == {key: START}
