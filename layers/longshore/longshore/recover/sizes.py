"""Sizes of Fargate tasks: which memory goes with which CPU (recover 4; AWS, "Task CPU and memory")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_GIB = 1024


class Size(NamedTuple):
    """CPU units and MiB."""

    cpu: int
    memory: int


MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}
"""The MiB that each number of CPU units goes with."""


def raised(size: Size, wanted: int, cap: int) -> Size | None:
    """The smallest size with `wanted` MiB or more that is larger, else the largest below the cap; None without one.

    The CPU is raised only where it cannot go with that memory.
    """
    larger = [each for each in _from(size.cpu) if size.memory < each.memory <= cap]
    enough = [each for each in larger if each.memory >= wanted]
    if enough:
        return min(enough)
    return max(larger, key=lambda each: (each.memory, -each.cpu), default=None)


def _from(cpu: int) -> Iterator[Size]:
    return (Size(each, memory) for each, memories in MEMORY.items() if each >= cpu for memory in memories)
