"""Mirror's stores, in memory and in DynamoDB: the same promises, so that what the tests of the service prove holds."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from longshore.aws.mirror_manifests import LedgerManifests
from longshore.aws.mirrors import LedgerJobs, LedgerLeases, LedgerMemory, LedgerPulls, LedgerUploads
from longshore.images import Endpoint
from longshore.manifests import Manifest, digest_of
from longshore.mirror.budget import Promise
from longshore.mirror.plan import Known, Sighting
from longshore.mirror.ports import RateLimit, Upload, UploadLedger
from longshore_cli.mirror_memory import MemoryJobs, MemoryLeases, MemoryMirrors, MemoryPulls, MemoryUploads
from longshore_local.images import multi_platform
from tests.contract.aws_account import REGION, ledger_table, mocked, raw_items
from tests.fakes import START, FakeClock

if TYPE_CHECKING:
    from longshore.mirror.stores import Jobs, Leases, Memory, Pulls

PLACE = ("123456789012", REGION)
A = Endpoint("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "mirror/web")
B = Endpoint("public.ecr.aws", "a1/web")
ONE, TWO = digest_of(b"one"), digest_of(b"two")
MINUTE = timedelta(minutes=1)


@dataclass
class Stores:
    """All of one kind."""

    memory: Memory
    pulls: Pulls
    leases: Leases
    jobs: Jobs
    uploads: UploadLedger
    clock: FakeClock
    in_ledger: bool


@pytest.fixture(params=["memory", "dynamodb"])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Empty stores."""
    clock = FakeClock()
    if request.param == "memory":
        yield Stores(MemoryMirrors(), MemoryPulls(), MemoryLeases(), MemoryJobs(), MemoryUploads(), clock, False)
        return
    with mocked():
        table = ledger_table()
        yield Stores(
            LedgerMemory(table, clock, *PLACE),
            LedgerPulls(table, *PLACE),
            LedgerLeases(table, *PLACE),
            LedgerJobs(table, *PLACE),
            LedgerUploads(table, clock, *PLACE),
            clock,
            True,
        )


FULL = Known("v1", ONE, TWO, "linux/arm64|all", "abc", 7, START, START - MINUTE, ONE, "kept x", START)


def test_what_was_copied_is_remembered_by_downstream_and_whole(stores: Stores) -> None:
    stores.memory.remember("web", A, Known("v1", ONE, ONE))
    stores.memory.remember("web", A, FULL)
    stores.memory.remember("web", B, Known("v1"))
    stores.memory.remember("other", A, Known("v9"))
    assert stores.memory.known("web") == {A: {"v1": FULL}, B: {"v1": Known("v1")}}
    stores.memory.forget("web", A, "v1")
    assert stores.memory.known("web").get(A, {}) == {}
    assert stores.memory.known("nothing") == {}


def test_of_one_image_the_first_sighting_stands(stores: Stores) -> None:
    stores.memory.sight("web", {"v1": Sighting(ONE, START), "v2": Sighting(TWO, START)})
    stores.memory.sight("web", {"v1": Sighting(ONE, START + MINUTE), "v2": Sighting(ONE, START + MINUTE)})
    assert stores.memory.sightings("web") == {"v1": Sighting(ONE, START), "v2": Sighting(ONE, START + MINUTE)}
    assert stores.memory.sightings("other") == {}


def test_of_one_tag_the_first_arrival_stands(stores: Stores) -> None:
    stores.memory.sight("web", {"v1": Sighting(ONE, START - MINUTE)})
    stores.memory.arrive("web", {"v1": START, "v2": START})
    stores.memory.arrive("web", {"v1": START + MINUTE, "v3": START + MINUTE})
    assert stores.memory.arrivals("web") == {"v1": START, "v2": START, "v3": START + MINUTE}
    assert stores.memory.arrivals("other") == {}


def test_pulls_are_promised_while_there_are_some(stores: Stores) -> None:
    assert stores.pulls.budget("hub#anonymous").limit is None
    one, other = Promise("one", 5, START + 9 * MINUTE), Promise("other", 5, START + 5 * MINUTE)
    stores.pulls.settle("hub#anonymous", "", RateLimit(100, 30, 21_600, "x"), START)
    for _ in range(3):
        assert stores.pulls.reserve("hub#anonymous", one, START, 10) is not None
    assert stores.pulls.reserve("hub#anonymous", other._replace(pulls=6), START, 10) is None
    assert stores.pulls.reserve("hub#anonymous", other, START, 10) is not None
    budget = stores.pulls.budget("hub#anonymous")
    assert (budget.limit, budget.remaining, budget.reserved(START), budget.told) == (100, 30, 20, START)
    assert budget.promises == (one._replace(pulls=15), other)
    stores.pulls.settle("hub#anonymous", "one", RateLimit(100, 15, 21_600), START + MINUTE)
    assert stores.pulls.budget("hub#anonymous").promises == (other,)
    assert stores.pulls.reserve("quay#anonymous", one._replace(pulls=1000), START, 10) is not None


def test_one_at_a_time(stores: Stores) -> None:
    lease = stores.leases.take("copy", START, START + MINUTE)
    assert lease is not None
    assert stores.leases.take("copy", START, START + MINUTE) is None
    assert stores.leases.take("other", START, START + MINUTE) is not None
    stores.leases.release(lease)
    assert stores.leases.take("copy", START, START + MINUTE) is not None


def test_a_lease_ends_by_itself_and_cannot_be_given_back_twice(stores: Stores) -> None:
    old = stores.leases.take("copy", START, START + MINUTE)
    new = stores.leases.take("copy", START + MINUTE, START + 2 * MINUTE)
    assert old is not None
    assert new is not None
    stores.leases.release(old)
    assert stores.leases.take("copy", START + MINUTE, START + 2 * MINUTE) is None, "it belongs to another"


def test_a_lease_is_renewed_by_its_holder_alone(stores: Stores) -> None:
    old = stores.leases.take("copy", START, START + MINUTE)
    assert old is not None
    longer = stores.leases.renew(old, START + 3 * MINUTE)
    assert longer == old._replace(until=START + 3 * MINUTE)
    assert stores.leases.take("copy", START + 2 * MINUTE, START + 9 * MINUTE) is None
    again = stores.leases.renew(longer, START + 4 * MINUTE)
    assert again is not None
    late = stores.leases.renew(again, START + 6 * MINUTE)
    assert late is not None, "it was over, but nobody had taken it"
    new = stores.leases.take("copy", START + 6 * MINUTE, START + 7 * MINUTE)
    assert new is not None
    assert stores.leases.renew(late, START + 9 * MINUTE) is None
    assert stores.leases.take("copy", START + 7 * MINUTE, START + 8 * MINUTE) is not None, "it was not made longer"
    assert stores.leases.renew(new, START + 9 * MINUTE) is None


def test_what_was_done_stays_known_when_a_lease_is_renewed_and_given_back(stores: Stores) -> None:
    lease = stores.leases.take("mirror web", START, START + MINUTE)
    assert lease is not None
    stores.leases.done("mirror web", START)
    renewed = stores.leases.renew(lease, START + 2 * MINUTE)
    assert renewed is not None
    stores.leases.release(renewed)
    assert stores.leases.last("mirror web") == START


def test_who_was_late_renews_nothing_though_it_was_given_back_since(stores: Stores) -> None:
    late = stores.leases.take("blob x", START, START + MINUTE)
    other = stores.leases.take("blob x", START + MINUTE, START + 2 * MINUTE)
    assert late is not None
    assert other is not None
    stores.leases.release(other)
    assert stores.leases.renew(late, START + 3 * MINUTE) is None
    third = stores.leases.take("blob x", START + 2 * MINUTE, START + 3 * MINUTE)
    assert third is not None
    assert stores.leases.renew(late, START + 4 * MINUTE) is None
    assert stores.leases.renew(third, START + 4 * MINUTE) is not None


def test_a_lease_that_was_given_back_leaves_no_item(stores: Stores) -> None:
    lease = stores.leases.take("blob x", START, START + MINUTE)
    assert lease is not None
    stores.leases.release(lease)
    if stores.in_ledger:
        assert raw_items() == []


def test_what_was_done_is_told_whoever_holds_it(stores: Stores) -> None:
    assert stores.leases.last("mirror web") is None
    lease = stores.leases.take("mirror web", START, START + MINUTE)
    stores.leases.done("mirror web", START)
    assert stores.leases.take("mirror web", START, START + MINUTE) is None
    assert lease is not None
    stores.leases.release(lease)
    assert stores.leases.take("mirror web", START, START + MINUTE) is not None
    assert stores.leases.last("mirror web") == START
    stores.leases.done("pulls web", START + MINUTE)
    assert stores.leases.last("pulls web") == START + MINUTE


def test_the_last_blob_of_a_job_is_known_however_often_it_arrives(stores: Stores) -> None:
    stores.jobs.begin("job", [ONE, TWO, ONE], START)
    assert stores.jobs.arrived("job", [ONE]) == 1
    assert stores.jobs.arrived("job", [ONE]) == 1
    assert stores.jobs.arrived("job", [TWO]) == 0
    stores.jobs.end("job")
    assert stores.jobs.arrived("job", [TWO]) is None


def test_a_job_has_any_number_of_blobs(stores: Stores) -> None:
    blobs = [f"sha512:{number:0128x}" for number in range(6_000)]
    stores.jobs.begin("job", blobs, START)
    assert stores.jobs.arrived("job", [*blobs[:2_499], *blobs[2_600:]]) == 101
    assert stores.jobs.arrived("job", blobs[2_500:2_600]) == 1
    assert stores.jobs.arrived("job", [blobs[2_499]]) == 0
    stores.jobs.end("job")
    assert stores.jobs.arrived("job", blobs) is None


def test_an_upload_rests(stores: Stores) -> None:
    upload = Upload("mirror/web", "/v2/mirror/web/blobs/uploads/1?state=x", 33_554_432, 5 << 20, True)
    stores.uploads.save(A.host, ONE, upload)
    stores.uploads.save(A.host, TWO, upload.at(7))
    assert stores.uploads.load(A.host, "mirror/web", ONE) == upload
    assert stores.uploads.load(B.host, "mirror/web", ONE) is None
    stores.uploads.forget(A.host, "mirror/web", ONE)
    assert stores.uploads.load(A.host, "mirror/web", ONE) is None
    assert stores.uploads.load(A.host, "mirror/web", TWO) == upload.at(7)


def test_an_old_upload_is_of_no_use(stores: Stores) -> None:
    if not stores.in_ledger:
        pytest.skip("memory does not live that long")
    stores.uploads.save(A.host, ONE, Upload("mirror/web", "/x"))
    stores.clock.advance(86_400)
    assert stores.uploads.load(A.host, "mirror/web", ONE) is None


def test_every_item_ends_and_names_its_account_and_region(stores: Stores) -> None:
    stores.memory.remember("web", A, FULL)
    stores.memory.sight("web", {"v1": Sighting(ONE, START)})
    stores.memory.arrive("web", {"v1": START})
    stores.pulls.reserve("hub#anonymous", Promise("one", 1, START), START, 0)
    stores.leases.take("copy", START, START + MINUTE)
    stores.jobs.begin("job", [ONE], START)
    stores.uploads.save(A.host, ONE, Upload("mirror/web", "/x"))
    if not stores.in_ledger:
        return
    items = raw_items()
    assert len(items) == 7
    for item in items:
        assert int(item["expires"]["N"]) > START.timestamp()
        assert "123456789012/eu-west-1" in item["pk"]["S"]
        assert item["schema"]["N"] == "1"


def test_a_manifest_that_was_pulled_is_kept_for_two_days() -> None:
    clock, image = FakeClock(), multi_platform("x")
    manifest = Manifest.parse(image.manifest, image.media_type)
    with mocked():
        table = ledger_table()
        kept = LedgerManifests(table, clock, *PLACE)
        kept.keep(A, [manifest])
        found = kept.load(A, manifest.digest)
        assert (found, found and found.content, found and found.children) == (
            manifest,
            image.manifest,
            manifest.children,
        )
        assert kept.load(B, manifest.digest) is None, "another upstream may not let it be read"
        (item,) = raw_items()
        assert int(item["expires"]["N"]) == (START + timedelta(days=2)).timestamp()


def test_a_manifest_that_is_spoilt_or_too_large_is_pulled_again() -> None:
    clock, image = FakeClock(), multi_platform("x")
    manifest = Manifest.parse(image.manifest, image.media_type)
    with mocked():
        table = ledger_table()
        kept = LedgerManifests(table, clock, *PLACE)
        for content in (zlib.compress(b"{}"), b"no zlib"):
            key = {"pk": f"MANIFEST#{PLACE[0]}/{PLACE[1]}#{A}", "sk": manifest.digest}
            table.put({**key, "content": content, "media_type": manifest.media_type})
            assert kept.load(A, manifest.digest) is None
        document = json.dumps({**json.loads(image.manifest), "annotations": {"x": os.urandom(400_000).hex()}})
        large = Manifest.parse(document.encode(), image.media_type)
        kept.keep(A, [large, manifest])
        assert (kept.load(A, large.digest), kept.load(A, manifest.digest)) == (None, manifest)
