"""`make bench-mirror`: copies against skopeo in one run, and fails past the budgets of mirror 7 that design 11 enforces."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from longshore_local.generated import SIX_GIB, DiscardingStore, GeneratedBlob, GeneratedStore, generated_image
from longshore_local.image_shapes import place
from longshore_local.loopback_proxy import LoopbackProxy
from longshore_local.registry import ECR_MANNERS, Registry
from tests.benchmarks.image_sets import MIB, SETS
from tests.benchmarks.registries import (
    Measured,
    Pair,
    crane,
    measure,
    pair,
    rivals,
    same_trees,
    skopeo,
    trust_environment,
)
from tests.registries_world import DOCKER_REGISTRY, NO_DOCKER_REGISTRY, NO_SKOPEO, SKOPEO

GIB: Final = 1024 * MIB
_MEMORY: Final = 64 * MIB
_RTT: Final = (0.020, 0.010)
"""Seconds to the source and to the destination, as in mirror 6.4."""

Command = Callable[[Pair, str, str | None], list[str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One measured thing. Without a budget it is told only."""

    what: str
    measured: str
    budget: str = ""
    held: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The median run of one tool, and what the registries were asked by it."""

    run: Measured
    source: int
    destination: int
    pulls: int

    @property
    def requests(self) -> int:
        """On both sides."""
        return self.source + self.destination


def longshore(between: Pair, repository: str, tag: str | None, *more: str) -> list[str]:
    """Our way of copying a tag, or with None the whole repository; referrers left out, as the others do."""
    source, destination = f"{between.source.host}/{repository}", f"{between.destination.host}/{repository}"
    command = [sys.executable, "-m", "longshore_cli", "mirror", "copy", "--referrers", "none", *more]
    if tag is None:
        return [*command, "--all-tags", source, destination]
    return [*command, f"{source}:{tag}", f"{destination}:{tag}"]


def ran(command: Command, between: Pair, repository: str, tag: str | None, directory: Path) -> Result:
    """One run; AssertionError with its last words when it fails."""
    between.mark()
    environment = {**trust_environment(between), "PYTHONPATH": ":".join(sys.path), "DOCKER_CONFIG": str(directory)}
    done = measure(command(between, repository, tag), directory, environment)
    assert done.status == 0, done.output[-2_000:]
    source, destination = between.requests()
    return Result(done, source.total(), destination.total(), source["GET manifest"])


def cold_and_warm(
    command: Command, between: Pair, name: str, directory: Path, runs: int, *, warm: bool = True
) -> tuple[Result, Result]:
    """The medians, by wall time, of copying a set into an empty registry, and of copying it again."""
    repository, tag = f"bench/{name.lower()}", None if name == "D" else "1.0"
    cold, again = [], []
    for _ in range(runs):
        between.wipe_destination()
        cold.append(ran(command, between, repository, tag, directory))
        references = ["v000", "v099"] if tag is None else [tag]
        assert same_trees(between, repository, references), f"{name} is not the same on both sides"
        again.append(ran(command, between, repository, tag, directory) if warm else cold[-1])
    return _median(cold), _median(again)


def _median(results: Sequence[Result]) -> Result:
    middle = sorted(results, key=lambda each: each.run.wall)[len(results) // 2]
    cpu = statistics.median(each.run.cpu for each in results)
    return replace(middle, run=replace(middle.run, cpu=cpu, rss=max(each.run.rss for each in results)))


def compared(options: argparse.Namespace, directory: Path, *, tls: bool) -> Iterator[Line]:
    """Sets A, B and C without added round-trip time; over TLS B at twice its size, so that bytes count, not the start."""
    names = ("B",) if tls else ("A", "B", "C")
    scale = options.scale * 2 if tls else options.scale
    with pair(directory / "pair", tls=tls) as between:
        sizes = {name: SETS[name](between.near, f"bench/{name.lower()}", scale) for name in names}
        tools = {"longshore": longshore, **{name: command for name, (command, _) in rivals().items()}}
        for name in names:
            found = {
                tool: cold_and_warm(command, between, name, directory, options.runs) for tool, command in tools.items()
            }
            yield from _told(name, found, sizes[name], tls=tls)


def _told(name: str, found: dict[str, tuple[Result, Result]], size: int, *, tls: bool) -> Iterator[Line]:
    (ours, our_warm), (theirs, their_warm) = found["longshore"], found["skopeo"]
    way = " over TLS" if tls else ""
    of = f"{name}{way}"
    for tool, (cold, warm) in found.items():
        yield Line(
            f"{of}: {tool}",
            f"{cold.run.wall:.2f} s, {cold.run.cpu / size * GIB:.2f} CPU-s/GiB, {cold.run.rss / MIB:.0f} MiB, "
            f"{cold.source}+{cold.destination} requests; again {warm.run.wall:.2f} s, {warm.source}+{warm.destination}",
        )
    yield _ratio(f"{of}: wall to skopeo", ours.run.wall, theirs.run.wall, 0.9 if name == "B" else None, enforced=False)
    limit = 0.65 if tls else 0.80
    yield _ratio(f"{of}: CPU to skopeo", ours.run.cpu, theirs.run.cpu, limit if name == "B" else None, enforced=tls)
    if name == "A":
        yield _ratio("A: requests to skopeo", ours.requests, theirs.requests, 0.53)
    yield _ratio(f"{of}: requests in sync to skopeo", our_warm.requests, their_warm.requests)
    yield Line(
        f"{of}: requests in sync, source and destination",
        f"{our_warm.source} + {our_warm.destination}",
        "1 + 1",
        (our_warm.source, our_warm.destination) == (1, 1),
    )
    yield Line(f"{of}: pulls in sync", str(our_warm.pulls), "0", our_warm.pulls == 0)
    yield Line(f"{of}: peak memory", f"{ours.run.rss / MIB:.0f} MiB (skopeo {theirs.run.rss / MIB:.0f})", "64 MiB told")


def many_tags(options: argparse.Namespace, directory: Path) -> Iterator[Line]:
    """Set D, with the round-trip times of mirror 6.4."""
    source_rtt, destination_rtt = _RTT
    with pair(directory / "pair", source_rtt=source_rtt, destination_rtt=destination_rtt) as between:
        SETS["D"](between.near, "bench/d", 1)
        tools = {"longshore": longshore, **{name: command for name, (command, _) in rivals().items()}}
        found = {tool: cold_and_warm(command, between, "D", directory, 1) for tool, command in tools.items()}
        for tool, (cold, warm) in found.items():
            yield Line(
                f"D, 20/10 ms: {tool}",
                f"{cold.run.wall:.2f} s, {cold.source}+{cold.destination} requests; "
                f"again {warm.run.wall:.2f} s, {warm.source}+{warm.destination}",
            )
        (ours, our_warm), (theirs, their_warm) = found["longshore"], found["skopeo"]
        yield _ratio("D: requests to skopeo", ours.requests, theirs.requests, 0.40)
        yield _ratio("D, 20/10 ms: wall to skopeo", ours.run.wall, theirs.run.wall, 0.08, enforced=False)
        yield _ratio(
            "D, 20/10 ms: wall in sync to skopeo", our_warm.run.wall, their_warm.run.wall, 0.04, enforced=False
        )
        yield Line(
            "D: source requests in sync for each tag", f"{our_warm.source / 100:.2f}", "1.01", our_warm.source <= 101
        )
        yield Line("D: pulls in sync", str(our_warm.pulls), "0", our_warm.pulls == 0)


def resets(options: argparse.Namespace, directory: Path) -> Iterator[Line]:
    """Three resets in set B on the way to a registry with ECR's manners: what is sent again."""
    sizes = [int(256 * MIB * options.scale)] * 3
    cuts = [int(150 * MIB * options.scale)] * 3
    total = sum(sizes)
    for tool, command in {"longshore": longshore, "skopeo": skopeo, "crane": crane}.items():
        if tool not in ("longshore", *rivals()):
            continue
        with _generated(sizes) as (source, sink), LoopbackProxy(_port(sink), cuts=cuts, cut="up") as proxy:
            between = _Ends(source.host, proxy.host)
            arguments = command(between, "bench/b", "1.0")  # type: ignore[arg-type]
            if tool == "skopeo":
                arguments.insert(arguments.index("copy") + 1, "--retry-times=3")
            done = measure(arguments, directory, {"PYTHONPATH": ":".join(sys.path)})
            sent, cut = sink.tally.uploaded / total, 3 - len(proxy.cuts_left)
        text = f"{sent:.2f} x ({cut} resets{'' if done.status == 0 else ', FAILED'})"
        if tool == "longshore":
            yield Line("B, 3 resets: bytes sent", text, "1.15 x", done.status == 0 and sent <= 1.15 and cut == 3)
        else:
            yield Line(f"B, 3 resets: bytes sent by {tool}", text)


def memory(options: argparse.Namespace, directory: Path) -> Iterator[Line]:
    """A generated layer of many GiB into a sink that keeps nothing, against one of 64 MiB."""
    big = SIX_GIB if options.gib == 6 else GeneratedBlob("big", int(options.gib * GIB))
    peaks = []
    for blob in (GeneratedBlob("small", 64 * MIB), big):
        with _generated([], blob) as (source, sink):
            command = longshore(_Ends(source.host, sink.host), "bench/b", "1.0")  # type: ignore[arg-type]
            done = measure(command, directory, {"PYTHONPATH": ":".join(sys.path)})
            assert done.status == 0, done.output[-2_000:]
            peaks.append(done.rss)
    growth = peaks[1] - peaks[0]
    text = f"{growth / MIB:.0f} MiB, to {peaks[1] / MIB:.0f} MiB"
    yield Line(f"memory growth of a layer of {big.size / GIB:g} GiB", text, "64 MiB", growth <= _MEMORY)


def throttled(options: argparse.Namespace, directory: Path) -> Iterator[Line]:
    """One layer from a source that gives 20 MB/s to each connection."""
    size = int(256 * MIB * options.scale)
    walls = {}
    for tool, command in {"longshore": longshore, "skopeo": skopeo}.items():
        with _generated([size]) as (source, sink), LoopbackProxy(_port(source), bytes_per_second=20e6) as proxy:
            between = _Ends(proxy.host, sink.host)
            done = measure(command(between, "bench/b", "1.0"), directory, {"PYTHONPATH": ":".join(sys.path)})  # type: ignore[arg-type]
            assert done.status == 0, done.output[-2_000:]
            walls[tool] = done
    text = f"{walls['skopeo'].wall / walls['longshore'].wall:.1f} x ({walls['longshore'].wall:.1f} s, "
    text += f"{walls['longshore'].rss / MIB:.0f} MiB)"
    yield Line("20 MB/s for each connection: faster than skopeo", text, "4 x told")


@dataclass(frozen=True, slots=True)
class _End:
    host: str
    ca_file: str | None = None


class _Ends:
    """Two registries without a server that could be asked for its log."""

    def __init__(self, source: str, destination: str) -> None:
        self.source, self.destination = _End(source), _End(destination)


@contextmanager
def _generated(sizes: Sequence[int], *blobs: GeneratedBlob) -> Iterator[tuple[Registry, Registry]]:
    """A source of an image of generated layers, and a sink with ECR's manners."""
    store, sink = GeneratedStore(), DiscardingStore()
    sink.create("bench/b")
    layers = [*blobs, *(GeneratedBlob(f"layer {at}", size) for at, size in enumerate(sizes))]
    store.add_blobs("bench/b", *layers)
    place(store, "bench/b", "1.0", generated_image(*layers))
    try:
        with Registry(store, manners=replace(ECR_MANNERS, redirect_blobs=False)) as up, Registry(sink) as down:
            yield up, down
    finally:
        store.close()
        sink.close()


def _port(registry: Registry) -> int:
    return int(registry.host.rpartition(":")[2])


def _ratio(what: str, ours: float, theirs: float, limit: float | None = None, *, enforced: bool = True) -> Line:
    ratio = ours / theirs
    budget = "" if limit is None else f"{limit} x" + ("" if enforced else " told")
    return Line(what, f"{ratio:.3f} x", budget, limit is None or not enforced or ratio <= limit)


MEASURES: dict[str, Callable[[argparse.Namespace, Path], Iterator[Line]]] = {
    "plain": lambda options, directory: compared(options, directory, tls=False),
    "tls": lambda options, directory: compared(options, directory, tls=True),
    "tags": many_tags,
    "resets": resets,
    "memory": memory,
    "throttled": throttled,
}


def main() -> int:
    """Measures what is asked for, or everything; 1 when an enforced budget does not hold."""
    parser = argparse.ArgumentParser(prog="make bench-mirror ARGS=...", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"some of: {', '.join(MEASURES)}")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes of layers (1)")
    parser.add_argument("--runs", type=int, default=3, help="of each tool, for the median (3)")
    parser.add_argument("--gib", type=float, default=6, help="size of the large generated layer (6)")
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(MEASURES)}")
    if DOCKER_REGISTRY is None or SKOPEO is None:
        parser.error(NO_DOCKER_REGISTRY if DOCKER_REGISTRY is None else NO_SKOPEO)
    console, held = Console(), True
    versions = ", ".join(f"{name} {version}" for name, (_, version) in rivals().items())
    console.print(f"Against {versions}; told: printed, not enforced.", highlight=False)
    memory_disk = Path("/dev/shm")
    for name in options.measures or MEASURES:
        place_ = memory_disk if memory_disk.is_dir() else None
        with tempfile.TemporaryDirectory(dir=place_) as directory:
            table = Table("what", "measured", "budget", "")
            for line in MEASURES[name](options, Path(directory)):
                enforced = line.budget and not line.budget.endswith("told")
                table.add_row(
                    line.what, line.measured, line.budget, ("held" if line.held else "PAST") if enforced else ""
                )
                held = held and line.held
        console.print(table, highlight=False)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
