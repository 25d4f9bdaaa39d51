"""The layer's budget: each fault is found."""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path

import pytest

import measure_layer

TRUSTED = bytes.fromhex("f30d0d0a01000000")


def layer(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_a_pure_layer_with_trusted_bytecode_has_no_faults(tmp_path: Path) -> None:
    files = {"python/a.py": b"", "python/__pycache__/a.cpython-313.pyc": TRUSTED + b"rest"}
    measured = measure_layer.measure(layer(tmp_path, files))
    assert (measured.faults, measured.modules, measured.compiled) == ((), 1, 1)


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"python/a.so": b""}, "native code"),
        ({"python/a.bin": b"\x7fELF..."}, "native code"),
        ({"python/a.py": b"", "python/__pycache__/a.pyc": bytes.fromhex("f30d0d0a00000000")}, "unchecked-hash"),
        ({"python/a.py": b"", "python/__pycache__/a.pyc": bytes.fromhex("a70d0d0a01000000")}, "unchecked-hash"),
        ({"python/a.py": b"", "python/b.py": b"", "python/__pycache__/a.pyc": TRUSTED}, "all or none"),
        ({}, "nothing was built"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, files: dict[str, bytes], fault: str) -> None:
    assert fault in " ".join(measure_layer.measure(layer(tmp_path, files)).faults)


def test_bytecode_that_trusts_time_stamps_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert any(sys.implementation.cache_tag in fault for fault in measure_layer.measure(tmp_path).faults)


def test_a_layer_over_the_budget_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer(tmp_path, {"models/big": os.urandom(measure_layer.BUDGET_BYTES)})
    assert measure_layer.main([str(tmp_path)]) == 1
    assert "budget" in capsys.readouterr().err


def test_no_layer_at_all_fails() -> None:
    assert measure_layer.main([]) == 1
