"""Layers far larger than what may be held: memory, and bytes after resets, by the command as people start it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from longshore_local.generated import SIX_GIB, DiscardingStore, GeneratedBlob, GeneratedStore, generated_image
from longshore_local.image_shapes import place
from longshore_local.loopback_proxy import LoopbackProxy
from longshore_local.registry import ECR_MANNERS, Registry
from tests.benchmarks.registries import Measured, measure

MIB = 1024 * 1024
HUGE = os.environ.get("MIRROR_HUGE") == "1"


@contextmanager
def ends(*layers: GeneratedBlob) -> Iterator[tuple[Registry, Registry]]:
    """A source of these layers, and a sink with ECR's manners that keeps nothing."""
    store, sink = GeneratedStore(), DiscardingStore()
    store.add_blobs("large", *layers)
    place(store, "large", "1.0", generated_image(*layers))
    sink.create("large")
    try:
        with Registry(store, manners=replace(ECR_MANNERS, redirect_blobs=False)) as up, Registry(sink) as down:
            yield up, down
    finally:
        store.close()
        sink.close()


def port(registry: Registry) -> int:
    return int(registry.host.rpartition(":")[2])


def command(source: str, destination: str) -> list[str]:
    return [sys.executable, "-m", "longshore_cli", "mirror", "copy", f"{source}/large:1.0", f"{destination}/large"]


def copy(source: str, destination: str, directory: Path) -> Measured:
    return measure(
        command(source, destination), directory, {"PYTHONPATH": ":".join(sys.path), "DOCKER_CONFIG": str(directory)}
    )


def test_memory_does_not_grow_with_the_layer(tmp_path: Path) -> None:
    peaks = []
    for layer in (GeneratedBlob("small", 8 * MIB), GeneratedBlob("large", 384 * MIB)):
        with ends(layer) as (up, down):
            done = copy(up.host, down.host, tmp_path)
        assert done.status == 0, done.output
        peaks.append(done.rss)
    assert peaks[1] - peaks[0] <= 64 * MIB


@pytest.mark.skipif(not HUGE, reason="MIRROR_HUGE=1 copies 6 GiB")
def test_six_gib(tmp_path: Path) -> None:
    with ends(SIX_GIB) as (up, down):
        done = copy(up.host, down.host, tmp_path)
    assert done.status == 0, done.output
    assert done.rss <= 128 * MIB


def test_three_resets_send_little_again(tmp_path: Path) -> None:
    layers = [GeneratedBlob(f"layer {at}", 128 * MIB) for at in range(6)]
    cuts = [80 * MIB] * 3
    with ends(*layers) as (up, down), LoopbackProxy(port(down), cuts=cuts, cut="up") as way:
        done = copy(up.host, way.host, tmp_path)
        assert done.status == 0, done.output
        assert way.cuts_left == []
        assert down.tally.uploaded <= 1.15 * 768 * MIB


def test_killed_and_begun_again_it_goes_on(tmp_path: Path) -> None:
    layer = GeneratedBlob("layer", 320 * MIB)
    with ends(layer) as (up, down), LoopbackProxy(port(down)) as way:
        kill_after(150 * MIB, up.host, way, tmp_path)
        before = down.tally.uploaded
        assert 100 * MIB < before < 300 * MIB
        done = copy(up.host, way.host, tmp_path)
        assert done.status == 0, done.output
        assert down.tally.uploaded <= layer.size + 33 * MIB


def kill_after(size: int, source: str, way: LoopbackProxy, directory: Path) -> None:
    """Begins a copy and kills it when so many bytes went."""
    environment = {"HOME": str(directory), "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(directory)}
    environment |= {"PYTHONPATH": ":".join(sys.path), "DOCKER_CONFIG": str(directory)}
    with subprocess.Popen(
        command(source, way.host), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while way.up < size and process.poll() is None:
            threading.Event().wait(0.005)
        process.kill()
