"""What a hostile registry can cost: no more time than the invocation has, no more memory than the limits say."""

from __future__ import annotations

import itertools
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from longshore.errors import LongshoreError, UnsupportedError
from longshore.manifests import digest_of
from longshore.mirror.copier import Copier, all_tags
from longshore.mirror.errors import ProtocolError, UnfinishedError
from longshore.mirror.limits import Deadline
from longshore.mirror.orders import Bounds, Copy, Item
from longshore.registries.connect import connect
from longshore_local.image_shapes import composed
from longshore_local.images import OCI_LAYER
from longshore_local.loopback import LoopbackServer, Reply, Request
from longshore_local.registry import ECR_MANNERS, SPEC_MANNERS
from longshore_local.registry_faults import Fault, HangUpError, Rule, Script
from longshore_local.registry_hostile import Instead
from tests.distribution import REPOSITORY, Stage, stage
from tests.mirror_world import MemoryLedger

if TYPE_CHECKING:
    from longshore.mirror.report import Report
    from longshore.registries.client import DistributionRegistry

MIB = 1024 * 1024
CHUNK = 5 * MIB
ITEMS = (Item("1.0", "1.0"),)
IMAGE = composed([(OCI_LAYER, bytes(3 * CHUNK + 17))])
LAYER = digest_of(bytes(3 * CHUNK + 17))
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Silent(Fault):
    """The registry does what was asked, and says nothing until it is `over`."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def head(self, block: bytes) -> Iterator[bytes]:
        self.over.wait(30)
        raise HangUpError
        yield block


class TestSilence:
    """A function that is held past its deadline has written nothing of where it was."""

    @pytest.mark.parametrize("kind", ["PATCH upload", "PUT upload", "PUT manifest", "POST upload"])
    def test_it_ends_with_the_invocation_and_what_was_kept_is_gone_on_with(self, kind: str) -> None:
        with stage() as up, stage(SPEC_MANNERS) as down:
            up.push(IMAGE)
            down.store.create(REPOSITORY)
            ledger, fault = MemoryLedger(), Silent()
            path = LAYER if kind == "PUT upload" else ""
            down.registry.script = Script(Rule(kind, fault, None, skip=int(kind == "PATCH upload"), path=path))
            begun = time.monotonic()
            report = self._run(up, down, ledger, 0.5)
            assert time.monotonic() - begun < 10  # 60 s of silence would have been waited for, and more for a PUT
            assert {type(failure.error) for failure in report.failures} == {UnfinishedError}
            fault.over.set()
            kept = [session["offset"] for session in ledger.items.values()]
            assert kept == {"PATCH upload": [CHUNK], "PUT upload": [3 * CHUNK]}.get(kind, [])
            down.registry.script = Script()
            down.registry.tally.clear()
            assert self._run(up, down, ledger, 60.0).ok
            assert down.store.manifest(REPOSITORY, "1.0").digest == IMAGE.digest
            if kept:
                assert down.registry.tally.uploaded <= sum(map(len, IMAGE.blobs.values())) - kept[0]

    @pytest.mark.parametrize("kind", ["GET manifest", "GET blob"])
    def test_the_source_s_too(self, kind: str) -> None:
        with stage() as up, stage(ECR_MANNERS) as down:
            up.push(IMAGE)
            down.store.create(REPOSITORY)
            up.registry.script = Script(Rule(kind, Instead(Reply(fate="hang")), None))
            begun = time.monotonic()
            report = self._run(up, down, MemoryLedger(), 0.3)
            assert time.monotonic() - begun < 10
            assert {type(failure.error) for failure in report.failures} == {UnfinishedError}

    def _run(self, up: Stage, down: Stage, ledger: MemoryLedger, seconds: float) -> Report:
        near, far = up.network(), down.network()
        near.patience.limit.begin(seconds)
        far.patience.limit.begin(seconds)
        copier = Copier(
            up.client("source", network=near),
            down.client("destination", network=far),
            down.clock,
            bounds=Bounds(chunk=CHUNK, small=1024),
            ledger=ledger,
            deadline=Deadline(down.clock, down.clock.now() + timedelta(hours=1)),
            sleep=down.waits.append,
        )
        return copier.run(Copy(REPOSITORY, REPOSITORY, ITEMS, referrers="none"))


@contextmanager
def hostile(answer: Callable[[Request], Reply]) -> Iterator[tuple[str, Stage]]:
    """A source that answers as told, beside an honest downstream."""
    with ExitStack() as stack:
        server = stack.enter_context(LoopbackServer(answer))
        down = stack.enter_context(stage(ECR_MANNERS))
        down.store.create(REPOSITORY)
        yield server.url.removeprefix("http://"), down


def document(**members: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, **members}).encode()


def page(request: Request) -> int:
    """Which page of a list is asked for; the first is 0."""
    return int(request.path.rpartition("page=")[2]) if "page=" in request.path else 0


def linked(request: Request, body: bytes, media_type: str = "application/json") -> Reply:
    link = f'<{request.path.partition("?")[0]}?page={page(request) + 1}>; rel="next"'
    return Reply(200, body, {"Link": link, "Content-Type": media_type})


class TestTags:
    def test_a_quarter_of_a_million_is_the_most(self) -> None:
        def answer(request: Request) -> Reply:
            first = page(request) * 25_000
            return linked(request, document(tags=[f"t{first + number}" for number in range(25_000)]))

        with hostile(answer) as (host, down):
            client = connected(host, down)
            with pytest.raises(ProtocolError, match=rf"source {host}/team/web: GET tags: more than 250000 tags"):
                all_tags(client, Copy(REPOSITORY, REPOSITORY, ()))
            assert client.usage.requests["GET tags"] == 11

    def test_exactly_so_many_are_fine(self) -> None:
        def answer(request: Request) -> Reply:
            first = page(request) * 25_000
            body = document(tags=[f"t{first + number}" for number in range(25_000)])
            return linked(request, body) if page(request) < 9 else Reply(200, body)

        with hostile(answer) as (host, down):
            order = all_tags(connected(host, down), Copy(REPOSITORY, REPOSITORY, ()))
            assert len(order.items) == 250_000


class TestReferrers:
    @pytest.mark.parametrize(("each", "size"), [(40, 60_000), (4, 1_000_000), (1_500, 10)])
    def test_eight_mebibytes_or_ten_thousand_are_the_most(self, each: int, size: int) -> None:
        asked: list[int] = []

        def answer(request: Request) -> Reply:
            asked.append(page(request))
            entries = [entry(page(request) * each + number, padding="x" * size) for number in range(each)]
            return linked(request, document(manifests=entries), INDEX)

        with hostile(answer) as (host, down):
            client = connected(host, down)
            with pytest.raises(
                ProtocolError,
                match=rf"source {host}/team/web@.*: GET referrers: .* more than 10000 entries or 8388608 bytes",
            ):
                client.referrers(REPOSITORY, "sha256:" + "0" * 64)
            assert len(asked) <= 9

    def test_a_page_of_more_than_a_manifest(self) -> None:
        with (
            hostile(lambda request: Reply(200, b" " * (5 * MIB))) as (host, down),
            pytest.raises(ProtocolError, match=r"source .*GET referrers: an answer of 5242880 bytes, .* 4194304"),
        ):
            connected(host, down).referrers(REPOSITORY, "sha256:" + "0" * 64)

    def test_long_lists_are_gathered_one_at_a_time(self) -> None:
        """Eight threads that each gather 8 MiB would hold them all."""
        gathering, most = set[str](), [0]
        lock = threading.Lock()

        def answer(request: Request) -> Reply:
            digest = request.path.rpartition("/")[2].partition("?")[0]
            at = page(request)
            with lock:
                if at >= 2:
                    gathering.add(digest)
                    most[0] = max(most[0], len(gathering))
                if at == 6:
                    gathering.discard(digest)
            entries = [entry(at, padding="x" * 600_000)]
            return (
                linked(request, document(manifests=entries), INDEX)
                if at < 6
                else Reply(200, document(manifests=entries))
            )

        with hostile(answer) as (host, down):
            client = connected(host, down)
            found = together(8, lambda n: client.referrers(REPOSITORY, f"sha256:{n:064x}"))
            assert [len(each) for each in found] == [7] * 8
            assert most == [1]


class TestTrees:
    @pytest.mark.parametrize(("count", "limits"), [(7, {32 * MIB}), (12, {32 * MIB, 64 * MIB})])
    def test_what_one_tag_may_hold_and_what_all_may_at_once(self, count: int, limits: set[int]) -> None:
        """An index of children that are all as large as may be; none of them gets downstream."""
        children = {digest_of(content): content for content in map(padded, range(count))}
        listed = [{"mediaType": MANIFEST, "digest": each, "size": len(children[each])} for each in children]
        index = document(mediaType=INDEX, manifests=listed)

        def answer(request: Request) -> Reply:
            reference = request.path.rpartition("/")[2]
            content = index if reference == "1.0" else children.get(reference)
            if content is None:
                return Reply(404, b"{}")
            return Reply(200, content, {"Content-Type": INDEX if content is index else MANIFEST})

        with hostile(answer) as (host, down):
            copier = Copier(connected(host, down), down.client("destination"), down.clock)
            report = copier.run(Copy(REPOSITORY, REPOSITORY, ITEMS, referrers="none"))
            (failure,) = report.failures
            assert isinstance(failure.error, UnsupportedError)
            assert failure.side == "source"
            assert any(f"{limit} bytes" in str(failure) for limit in limits)
            assert "PUT manifest" not in down.registry.tally.requests


class TestReaders:
    def test_one_large_manifest_is_held_at_a_time(self) -> None:
        """Sixteen readers of 3 MiB each: what is understood is let go before the next is read."""
        content = padded(0, 3 * MIB)

        with hostile(lambda request: Reply(200, content, {"Content-Type": MANIFEST})) as (host, down):
            client = connected(host, down)

            def read(number: int) -> int:
                return client.manifest(REPOSITORY, "1.0").size

            tracemalloc.start()
            try:
                assert together(16, read) == [len(content)] * 16
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 8 * 3 * MIB

    def test_a_reader_that_fails_lets_the_next_begin(self) -> None:
        replies = itertools.cycle([b"{" + b" " * MIB, b"x" * MIB, padded(0, MIB)])
        lock = threading.Lock()

        def answer(request: Request) -> Reply:
            with lock:
                return Reply(200, next(replies), {"Content-Type": MANIFEST})

        with hostile(answer) as (host, down):
            client = connected(host, down)

            def read(number: int) -> bool:
                try:
                    return client.manifest(REPOSITORY, "1.0").size > MIB
                except LongshoreError:
                    return False

            assert sorted(together(9, read)) == [False] * 6 + [True] * 3


def connected(host: str, down: Stage) -> DistributionRegistry:
    """A client of the hostile source; closed with the stage."""
    client = connect(host, "source", down.network())
    down.clients.append(client)
    return client


def together(count: int, function: Callable[[int], Any]) -> list[Any]:
    """Each in a thread of its own."""
    found: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: function(n)})) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found[number] for number in range(count)]


def entry(number: int, padding: str) -> dict[str, Any]:
    return {"mediaType": MANIFEST, "digest": f"sha256:{number:064x}", "size": 2, "annotations": {"x": padding}}


def padded(number: int, size: int = 3 * MIB) -> bytes:
    """A manifest as large as that, which says nothing else."""
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{number:064x}", "size": 2}
    return document(mediaType=MANIFEST, config=config, layers=[], annotations={"x": "x" * size})
