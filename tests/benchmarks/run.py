"""`make bench`: measures the budgets of design 11, prints them, and fails past them. Seconds are told, never asserted."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

for _name in [name for name in os.environ if name.startswith(("AWS_", "LONGSHORE_", "POWERTOOLS_"))]:
    del os.environ[_name]  # before boto3 reads them: nothing here may reach a real account
os.environ |= {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}

from tests.benchmarks import burst, decisions, imports, platform_pushes, pushes  # noqa: E402

SIZES = (10, 10_000)
MATCHES = (1, 3)


@dataclass(frozen=True, slots=True)
class Line:
    """One measured thing. Without a budget it is told only."""

    what: str
    measured: str
    budget: str = ""
    held: bool = True


def calls_per_push(_: argparse.Namespace) -> Iterator[Line]:
    """Redeploy's calls for a push are budgeted; the watch's, which follow each deployment, are told."""
    for matches in MATCHES:
        found = [pushes.measure(size, matches) for size in SIZES]
        small, large = (each["RedeployFunction"] for each in found)
        of = f"a push, {matches} of {SIZES[0]} and of {SIZES[1]:,} workloads"
        limit = 4 + 5 * matches
        yield Line(
            f"{of}: platform and ECR", f"{small.platform}, {large.platform}", f"{limit}", large.platform <= limit
        )
        limit = 12 + 8 * matches
        yield Line(f"{of}: ledger, queues, bus", f"{small.beside}, {large.beside}", f"{limit}", large.beside <= limit)
        yield Line(f"{of}: the same calls", str(large.calls == small.calls), "True", large.calls == small.calls)
        watched = [each["WatchFunction"] for each in found]
        same = watched[0].calls == watched[1].calls
        measured = f"{watched[0].platform} + {watched[0].beside}, {watched[1].platform} + {watched[1].beside}"
        yield Line(f"following {matches} to the end: calls", measured, "the same", same)


def calls_per_push_elsewhere(_: argparse.Namespace) -> Iterator[Line]:
    """Redeploy's calls until deployments elsewhere have begun, those to Kubernetes among them.

    What a process asks once and remembers is told beside the budget.
    """
    for platform in platform_pushes.PLATFORMS:
        for matches in MATCHES:
            small, large = (platform_pushes.measure(platform, size, matches) for size in SIZES)
            of = f"a push, {matches} {platform} of {SIZES[0]} and of {SIZES[1]:,} workloads"
            for what, found, limit in (
                ("platform and ECR", (small.platform, large.platform), 4 + 5 * matches),
                ("ledger, queues, bus", (small.beside, large.beside), 12 + 8 * matches),
            ):
                yield Line(f"{of}: {what}", f"{found[0]}, {found[1]}", f"{limit}", max(found) <= limit)
            same = large.calls == small.calls
            yield Line(f"{of}: the same calls", str(same), "True", same)
            if platform in platform_pushes.REMEMBERING:
                new = platform_pushes.measure(platform, SIZES[0], matches, new=True)
                yield Line(f"{of}: platform and ECR, in a new process", str(new.platform))


def decisions_per_second(_: argparse.Namespace) -> Iterator[Line]:
    """Told."""
    for policy, rate in decisions.per_second().items():
        yield Line(f"decisions a second, {policy}", f"{rate:,.0f}")


def import_budget(_: argparse.Namespace) -> Iterator[Line]:
    """A cold start against boto3 and the clients that the function uses."""
    with imports.interpreter() as python:
        for function in imports.COMPOSED:
            cost = imports.cost(python, function)
            what = f"import of {function} (Python {python.version}, {cost.modules} modules)"
            measured = f"{cost.ratio:.2f} x {cost.base * 1000:.0f} ms"
            yield Line(what, measured, f"{imports.BUDGET} x", cost.ratio <= imports.BUDGET)
            found = imports.banned(imports.modules(python, function))
            yield Line(f"banned imports of {function}", ", ".join(found) or "none", "none", not found)


def burst_of_events(options: argparse.Namespace) -> Iterator[Line]:
    """Nothing lost, nothing twice."""
    result = burst.run(options.events)
    of = f"burst of {result.events:,} events, {result.struck:,} faults"
    yield Line(f"{of}: workloads left behind", str(len(result.wrong)), "0", not result.wrong)
    yield Line(f"{of}: deployed twice for one digest", str(len(result.twice)), "0", not result.twice)
    updates = result.updates.total()
    yield Line(f"{of}: deployments", str(updates), f"{result.pairs} pairs", not result.twice)
    yield Line(f"{of}: dead letters", str(result.dead_letters))
    yield Line(f"{of}: calls to ECS", f"{result.calls:,}")


MEASURES: dict[str, Callable[[argparse.Namespace], Iterator[Line]]] = {
    "pushes": calls_per_push,
    "platforms": calls_per_push_elsewhere,
    "decisions": decisions_per_second,
    "imports": import_budget,
    "burst": burst_of_events,
}


def main() -> int:
    """Measures what is asked for, or everything; 1 when a budget does not hold."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"some of: {', '.join(MEASURES)}")
    parser.add_argument("--events", type=int, default=500, help="events in the burst (500; 10000 takes an hour)")
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(MEASURES)}")
    console, held = Console(), True
    for name in options.measures or MEASURES:
        table = Table("what", "measured", "budget", "")
        begun = time.perf_counter()
        for line in MEASURES[name](options):
            table.add_row(
                line.what, line.measured, line.budget, ("held" if line.held else "PAST") if line.budget else ""
            )
            held = held and line.held
        console.print(table, f"measured {name} in {time.perf_counter() - begun:.0f} s", highlight=False)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
