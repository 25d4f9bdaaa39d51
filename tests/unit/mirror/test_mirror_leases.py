"""Leases: short, renewed by who works, lost by who is too slow; and one sender of a blob at a time."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from longshore.errors import ConflictError, LongshoreError, ThrottledError, UpstreamError
from longshore.events import Kind
from longshore.images import Digest
from longshore.manifests import Descriptor, digest_of
from longshore.mirror.errors import BusyError, LeaseLostError
from longshore.mirror.leases import LENGTH, Held
from longshore.mirror.limits import Deadline, Retries
from longshore.mirror.messages import BlobsDue, CopyDue, Wanted, message
from longshore.mirror.orders import MIB
from longshore.mirror.prefetch import Reading
from longshore.mirror.uploads import How, Sender
from longshore.registries.uploads import _FINISH_SECONDS
from longshore_cli.mirror_memory import MemoryLeases
from longshore_local.image_shapes import composed
from longshore_local.images import OCI_LAYER
from tests.fakes import START, FakeClock
from tests.mirror_engine import LARGE, LARGE_DIGEST, EngineWorld, with_large
from tests.mirror_world import REPOSITORY, SMALL, KilledError, World
from tests.mirrors_world import MirrorWorld, digest

if TYPE_CHECKING:
    from concurrent.futures import Future

    from longshore.mirror.ports import ManifestHead
    from longshore.mirror.stores import Lease
    from longshore.outcomes import Outcome

MINUTE = timedelta(minutes=1)
TEMPLATE = yaml_parse((Path(__file__).resolve().parents[3] / "template.yaml").read_text(encoding="utf-8"))
LEASE_OF_LARGE = f"blob down.example/{REPOSITORY}@{LARGE_DIGEST}"


class Leases(MemoryLeases):
    """Counts renewals, and may not answer them."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed = 0
        self.error: LongshoreError | None = None

    def renew(self, lease: Lease, until: datetime) -> Lease | None:
        if self.error is not None:
            raise self.error
        self.renewed += 1
        return super().renew(lease, until)


# -- one lease -------------------------------------------------------------------------------------------------------


def held(leases: MemoryLeases, clock: FakeClock) -> Held:
    found = Held.take(leases, clock, "copy x")
    assert found is not None
    return found


def test_it_is_kept_for_as_long_as_somebody_works_and_ends_soon_after_they_died() -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    for _ in range(180):
        clock.advance(60)
        assert mine.is_kept()
        assert leases.take("copy x", clock.now(), clock.now() + LENGTH) is None
    clock.advance(LENGTH.total_seconds())
    assert leases.take("copy x", clock.now(), clock.now() + LENGTH) is not None


def test_a_short_piece_of_work_costs_no_renewal() -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    for _ in range(5):
        clock.advance(10)
        mine.check()
    assert leases.renewed == 0
    clock.advance(10)
    mine.check()
    mine.check()
    assert leases.renewed == 1


def test_the_longest_silence_of_a_registry_is_sat_out() -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    clock.advance(59)
    assert mine.is_kept()
    clock.advance(_FINISH_SECONDS)
    assert leases.take("copy x", clock.now(), clock.now() + LENGTH) is None


def test_it_is_over_before_the_queue_hands_out_the_message_of_who_died() -> None:
    timeout = TEMPLATE["Resources"]["MirrorFunction"]["Properties"]["Timeout"]
    assert LENGTH.total_seconds() < timeout


def test_who_was_too_slow_is_told_which_lease_and_gives_nothing_of_the_others_back() -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    clock.advance(LENGTH.total_seconds())
    other = held(leases, clock)
    with pytest.raises(LeaseLostError, match="'copy x' went to somebody else"):
        mine.check()
    mine.release()
    assert other.is_kept()
    assert not mine.is_kept()
    assert leases.take("copy x", clock.now(), clock.now() + LENGTH) is None


def test_being_late_alone_loses_nothing() -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    clock.advance(LENGTH.total_seconds() * 3)
    assert mine.is_kept()
    assert leases.take("copy x", clock.now(), clock.now() + LENGTH) is None


@pytest.mark.parametrize("error", [ThrottledError("slow down"), UpstreamError("503")])
def test_a_ledger_that_does_not_answer_takes_nothing_away_before_the_end(error: LongshoreError) -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    leases.error = error
    clock.advance(LENGTH.total_seconds() - 1)
    assert mine.is_kept()
    clock.advance(1)
    assert not mine.is_kept(), "somebody else may have it, and nobody can say"


def test_a_write_that_lost_is_a_lease_that_was_lost() -> None:
    leases, clock = Leases(), FakeClock()
    mine = held(leases, clock)
    leases.error = ConflictError("another was faster")
    clock.advance(LENGTH.total_seconds() / 2 + 1)
    assert not mine.is_kept()


# -- one blob --------------------------------------------------------------------------------------------------------


def shared() -> World:
    """Two images with a large layer, and one without."""
    world = World()
    for name in ("a", "b"):
        world.source.place(with_large(name), name)
    world.source.place(composed([(OCI_LAYER, b"c alone")]), "c")
    return world


def test_a_blob_that_another_invocation_sends_holds_up_only_what_lists_it() -> None:
    world, leases = shared(), MemoryLeases()
    theirs = leases.take(LEASE_OF_LARGE, START, START + LENGTH)
    report = world.copy("a", "b", "c", leases=leases)
    assert [failure.item.tag for failure in report.failures] == ["a", "b"]
    assert [(type(failure.error), failure.side) for failure in report.failures] == [(BusyError, None)] * 2
    assert world.unlike("c") == []
    assert world.destination.count("append") == 0
    assert len(world.destination.repositories[REPOSITORY].blobs) == 4, "all others are there"
    assert theirs is not None
    leases.release(theirs)
    assert world.copy("a", "b", "c", leases=leases).ok
    assert world.unlike("a", "b", "c") == []


def test_it_is_looked_at_again_when_all_else_is_sent() -> None:
    world = shared()

    class Ending(MemoryLeases):
        """The other ends as soon as somebody was turned away."""

        def take(self, what: str, now: datetime, until: datetime) -> Lease | None:
            found = super().take(what, now, until)
            if found is None:
                world.destination.repositories[REPOSITORY].blobs[LARGE_DIGEST] = LARGE
                assert theirs is not None
                self.release(theirs)
            return found

    leases = Ending()
    theirs = leases.take(LEASE_OF_LARGE, START, START + LENGTH)
    assert theirs is not None
    assert world.copy("a", "b", "c", leases=leases).ok
    assert world.unlike("a", "b", "c") == []
    assert world.destination.count("append") == 0
    assert ("has_blob", LARGE_DIGEST) in world.destination.calls


def test_what_arrived_before_its_sender_died_is_not_waited_for() -> None:
    world, leases = shared(), MemoryLeases()
    leases.take(LEASE_OF_LARGE, START, START + LENGTH)
    world.destination.repositories[REPOSITORY].blobs[LARGE_DIGEST] = LARGE
    assert world.copy("a", leases=leases).ok


def test_a_lease_costs_no_request_and_small_blobs_need_none() -> None:
    without, world, leases = shared(), shared(), MemoryLeases()
    without.copy("a", "b", "c")
    small = digest_of(b"small of a")
    assert leases.take(f"blob down.example/{REPOSITORY}@{small}", START, START + LENGTH) is not None
    assert world.copy("a", "b", "c", leases=leases).ok
    for mine, other in ((world.source, without.source), (world.destination, without.destination)):
        assert mine.usage.requests == other.usage.requests
    assert leases.take(LEASE_OF_LARGE, START, START + LENGTH) is not None, "it was given back"


def test_a_lease_is_kept_for_as_long_as_the_blob_takes() -> None:
    world, leases = shared(), MemoryLeases()
    free: list[Lease | None] = []

    def slowly(name: str, about: str) -> None:
        if name == "append":
            world.clock.advance(120)
            free.append(leases.take(LEASE_OF_LARGE, world.clock.now(), world.clock.now() + LENGTH))

    world.destination.after = slowly
    assert world.copy("a", leases=leases).ok
    assert free == [None] * 6


def test_who_lost_the_lease_leaves_the_upload_to_the_other() -> None:
    world, leases = shared(), MemoryLeases()

    def too_slowly(name: str, about: str) -> None:
        if name == "append" and world.destination.count("append") == 3:
            world.clock.advance(LENGTH.total_seconds())
            assert leases.take(LEASE_OF_LARGE, world.clock.now(), world.clock.now() + LENGTH) is not None

    world.destination.after = too_slowly
    (failure,) = world.copy("a", leases=leases).failures
    assert isinstance(failure.error, BusyError)
    assert world.destination.count("append") == 3
    assert world.destination.count("cancel") == 0
    ((_, item),) = world.ledger.items.items()
    assert item["offset"] == 200, "the third chunk is not ours to record"
    assert item["location"] in world.destination.uploads


def test_who_lost_it_before_the_first_chunk_ends_no_session() -> None:
    """The other may have read of it in the ledger."""
    world, leases = shared(), MemoryLeases()

    def too_slowly(count: int) -> None:
        if world.destination.count("append") == 1:
            world.clock.advance(LENGTH.total_seconds())
            leases.take(LEASE_OF_LARGE, world.clock.now(), world.clock.now() + LENGTH)

    world.destination.within = too_slowly
    (failure,) = world.copy("a", leases=leases).failures
    assert isinstance(failure.error, BusyError)
    assert world.destination.count("cancel") == 0


class Watched(dict[Digest, "Future[How]"]):
    """Flights of a sender that tell when somebody joined one."""

    joined = threading.Event()

    def setdefault(self, key: Digest, default: Future[How]) -> Future[How]:
        found = super().setdefault(key, default)
        if found is not default:
            self.joined.set()
        return found


def test_threads_that_want_the_same_blob_send_it_once() -> None:
    world = shared()
    sender = Sender(
        Reading(world.source, REPOSITORY, SMALL),
        world.destination,
        REPOSITORY,
        SMALL,
        Deadline(world.clock),
        world.clock,
        lambda: Retries(1),
        world.ledger,
        leases=MemoryLeases(),
    )
    sender._flights = flights = Watched()
    blob, found = Descriptor("x", LARGE_DIGEST, len(LARGE)), list[str]()
    second = threading.Thread(target=lambda: found.append(sender.place(blob, look=False)))

    def join(name: str, about: str) -> None:
        if name == "finish":
            second.start()
            assert flights.joined.wait(10)

    world.destination.before = join
    assert sender.place(blob, look=False) == "sent"
    second.join(10)
    assert found == ["there"]
    assert world.destination.received == len(LARGE)


# -- one copy --------------------------------------------------------------------------------------------------------


def test_who_lost_the_lease_of_a_copy_stops_and_says_so() -> None:
    world = EngineWorld()

    def too_slowly(name: str, about: str) -> None:
        if name == "append" and world.inner.destination.count("append") == 2:
            world.clock.advance(LENGTH.total_seconds())
            assert world.leases.take(world.lease, world.clock.now(), world.clock.now() + LENGTH) is not None

    world.inner.destination.after = too_slowly
    world.sweep()
    with pytest.raises(LeaseLostError, match=rf"the lease of '{world.lease}' went to somebody else"):
        world.run()
    assert world.inner.destination.count("append") == 2
    assert world.inner.destination.count("put_manifest") == 0
    assert world.memory.known("web") == {}
    assert world.publisher.of(Kind.IMAGE_MIRRORED) == []
    assert world.leases.take(world.lease, world.clock.now(), world.clock.now() + LENGTH) is None, "it is theirs"


def test_a_copy_of_hours_keeps_its_lease() -> None:
    world = EngineWorld()
    free: list[Lease | None] = []

    def slowly(name: str, about: str) -> None:
        if name == "append":
            world.clock.advance(240)
            free.append(world.leases.take(world.lease, world.clock.now(), world.clock.now() + LENGTH))

    world.inner.destination.after = slowly
    world.send_event("Mirror Due", {"mirror": "web"})
    body = world.queue.receive(world.clock.now())
    assert body is not None
    world.handle(body, 86_400)
    assert free == [None] * 6
    assert world.inner.unlike("v1") == []


SLOW: dict[str, Any] = {"from": "quay.io/org/web", "to": ["reg.example.com/a", "reg.example.com/b"]}


def slow(world: MirrorWorld, host: str, minutes: float) -> list[Lease | None]:
    """Has every HEAD at a registry take so long; answers what others get who want to look at the mirror then."""
    asked: list[Lease | None] = []
    registry = world.registry(host)
    head = registry.head

    def slowly(repository: str, reference: str) -> ManifestHead | None:
        world.clock.advance(minutes * 60)
        now = world.clock.now()
        asked.append(world.leases.take("mirror web", now, now + LENGTH))
        return head(repository, reference)

    registry.head = slowly  # type: ignore[method-assign]
    return asked


def test_a_long_look_renews_its_lease() -> None:
    world = MirrorWorld(web=SLOW)
    world.upstream().tags["v1"] = digest("v1")
    upstream, downstream = slow(world, "quay.io", 7), slow(world, "reg.example.com", 7)
    world.send_event("Mirror Due", {"mirror": "web"})
    body = world.queue.receive(START)
    assert body is not None
    world.handle(body, 86_400)
    assert upstream + downstream == [None] * 3
    assert world.clock.now() >= START + 20 * MINUTE
    world.run()
    assert world.downstream().tags == world.downstream(place=1).tags == {"v1": digest("v1")}


def test_who_lost_the_mirror_does_nothing_with_what_was_seen() -> None:
    world = MirrorWorld(web=SLOW)
    world.upstream().tags["v1"] = digest("v1")
    asked = slow(world, "quay.io", 12)
    world.send_event("Mirror Due", {"mirror": "web"})
    body = world.queue.receive(START)
    assert body is not None
    with pytest.raises(LeaseLostError):
        world.handle(body, 86_400)
    assert len([lease for lease in asked if lease is not None]) == 1
    assert world.copies == []
    assert world.queue.next_due() is None


def test_a_mirror_may_be_looked_at_while_it_is_copied() -> None:
    world = EngineWorld()
    free: list[Lease | None] = []

    def look(name: str, about: str) -> None:
        if name == "append":
            now = world.clock.now()
            free.append(world.leases.take(f"mirror web{len(free) or ''}", now, now + MINUTE))

    world.inner.destination.after = look
    world.sweep()
    world.run()
    assert free[0] is not None, "who is killed on the way holds up no look"


def ordered(world: MirrorWorld, *tags: str) -> CopyDue:
    endpoint = world.mirrors["web"].downstreams[0].endpoint
    found = world.upstream().tags
    return CopyDue("web", endpoint, tuple(Wanted(tag, found[tag], "new") for tag in tags), START)


def test_a_command_that_is_killed_holds_the_function_up_for_minutes() -> None:
    world = EngineWorld()

    def dies(name: str, about: str) -> None:
        if name == "append":
            raise KilledError

    world.inner.destination.after = dies
    body = message(ordered(world, "v1"), "c", START)
    release, world.leases.release = world.leases.release, lambda lease: None  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        world.handle(body, 86_400)
    world.leases.release = release  # type: ignore[method-assign]
    world.inner.destination.after = lambda name, about: None
    world.queue.postpone(body, world.clock.now())
    world.run(minutes=LENGTH.total_seconds() / 60 - 1)
    assert world.inner.unlike("v1") == ["v1"]
    world.run(minutes=1)
    assert world.inner.unlike("v1") == []


# -- who waits for a blob --------------------------------------------------------------------------------------------


def test_a_copy_that_waits_for_another_s_blob_makes_no_try_of_it() -> None:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web"})
    world.upstream().tags["v1"] = digest("v1")
    world.refuses["v1"] = [BusyError("somebody else is sending it") for _ in range(40)]
    world.sweep()
    (waiting,) = [outcome for outcome in world.run() if outcome.verdict == "wait"]
    assert (waiting.reason, waiting.detail["until"]) == ("busy", (START + MINUTE).isoformat())
    world.run(minutes=41)
    assert world.downstream().tags == {"v1": digest("v1")}
    assert world.publisher.of(Kind.MIRROR_FAILED) == []


def test_a_parcel_waits_for_another_s_blob_and_counts_no_try() -> None:
    world = MirrorWorld(web={"from": "quay.io/org/web", "to": "ecr:mirror/web"})
    world.upstream().tags["v1"] = digest("v1")
    layers = [Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", digest(f"l{i}"), 700 * MIB) for i in range(2)]
    world.large[digest("v1")] = layers
    world.sending[layers[0].digest] = [BusyError("somebody else is sending it") for _ in range(12)]
    world.stuck = True
    world.sweep()
    world.run()
    assert world.queue.next_due() == START + MINUTE
    assert world.downstream().tags == {}
    world.run(minutes=11)
    assert world.downstream().blobs == {layer.digest for layer in layers} - {layers[0].digest}
    world.run(minutes=2)
    assert world.downstream().tags == {"v1": digest("v1")}
    assert world.publisher.of(Kind.MIRROR_FAILED) == []


def test_two_parcels_that_share_a_layer_send_it_once() -> None:
    world = EngineWorld()
    blob = Descriptor("x", LARGE_DIGEST, len(LARGE))
    then = ordered(world, "v1")
    parcels = [BlobsDue(f"job{number}", (blob,), then) for number in range(2)]
    outcomes: list[Outcome] = []

    def join(name: str, about: str) -> None:
        if name == "append" and not outcomes:
            outcomes.extend(world.handle(message(parcels[1], "c", world.clock.now())))

    world.inner.destination.after = join
    world.handle(message(parcels[0], "c", world.clock.now()))
    assert [outcome.reason for outcome in outcomes] == ["busy"]
    assert world.inner.destination.received == len(LARGE)
    assert world.run(minutes=1) == []
    assert world.inner.destination.received == len(LARGE)
