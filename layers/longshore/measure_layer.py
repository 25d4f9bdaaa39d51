"""Measures built layers against their budget: size zipped, no native code, bytecode that Lambda trusts.

python3 layers/longshore/measure_layer.py .aws-sam/build/LongshoreLayer ...
"""

from __future__ import annotations

import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

BUDGET_BYTES = 5_000_000
NATIVE_SUFFIXES = frozenset({".so", ".pyd", ".dylib", ".dll", ".a"})
NATIVE_MAGIC = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
# CPython 3.13's magic number, then the flags of PEP 552: hash-based, source not checked.
BYTECODE_HEADER = bytes.fromhex("f30d0d0a") + (1).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a built layer weighs, and what is wrong with it."""

    name: str
    zipped: int
    files: int
    modules: int
    compiled: int
    faults: tuple[str, ...]

    def __str__(self) -> str:
        bytecode = f"bytecode for {self.compiled} of {self.modules} modules" if self.modules else "no modules"
        size = f"{self.zipped / 1e6:.2f} MB zipped of {BUDGET_BYTES / 1e6:.0f} MB"
        return f"{self.name}: {size}, {self.files} files, {bytecode}"


def measure(layer: Path) -> Measurement:
    """Measures the directory that `sam build` made of a layer."""
    files = sorted(path for path in layer.rglob("*") if path.is_file())
    modules = [path for path in files if path.suffix == ".py"]
    compiled = [path for path in files if path.suffix == ".pyc"]
    zipped = zipped_size(layer, files)
    faults = [f"{path.relative_to(layer)}: native code" for path in files if is_native(path)]
    faults += [
        f"{path.relative_to(layer)}: not unchecked-hash bytecode of Python 3.13"
        for path in compiled
        if not is_trusted(path)
    ]
    if compiled and len(compiled) != len(modules):
        faults.append(f"bytecode for {len(compiled)} of {len(modules)} modules: all or none")
    if zipped > BUDGET_BYTES:
        faults.append(f"{zipped} bytes zipped, the budget is {BUDGET_BYTES}")
    if not files:
        faults.append("nothing was built")
    return Measurement(layer.name, zipped, len(files), len(modules), len(compiled), tuple(faults))


def zipped_size(layer: Path, files: list[Path]) -> int:
    """The size of the zip that is uploaded."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(layer))
    return buffer.tell()


def is_native(path: Path) -> bool:
    """Whether a file is machine code, which would tie the layer to one architecture."""
    with path.open("rb") as file:
        return path.suffix in NATIVE_SUFFIXES or file.read(4).startswith(NATIVE_MAGIC)


def is_trusted(bytecode: Path) -> bool:
    """Whether Lambda's Python 3.13 takes the bytecode without looking at its source's time stamp."""
    with bytecode.open("rb") as file:
        return file.read(len(BYTECODE_HEADER)) == BYTECODE_HEADER


def main(layers: list[str]) -> int:
    """Prints one line for each layer, and its faults."""
    measurements = [measure(Path(layer)) for layer in layers]
    for measurement in measurements:
        print(measurement)
        for fault in measurement.faults:
            print(f"  {fault}", file=sys.stderr)
    return 1 if not measurements or any(measurement.faults for measurement in measurements) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
