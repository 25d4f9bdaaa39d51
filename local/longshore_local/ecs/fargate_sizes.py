"""The sizes of Fargate tasks: which memory goes with which CPU (AWS, "Task CPU and memory")."""

from longshore_local.ecs.tasks import mebibytes

_GIB = 1024
_SIZES: dict[int, list[int]] = {
    256: [512, _GIB, 2 * _GIB],
    512: [size * _GIB for size in range(1, 5)],
    1024: [size * _GIB for size in range(2, 9)],
    2048: [size * _GIB for size in range(4, 17)],
    4096: [size * _GIB for size in range(8, 31)],
    8192: [size * _GIB for size in range(16, 61, 4)],
    16384: [size * _GIB for size in range(32, 121, 8)],
    32768: [size * _GIB for size in range(60, 245, 8)],
}


def exists(cpu: object, memory: object) -> bool:
    """Whether Fargate runs tasks of this size; both as a task definition or an override states them."""
    return mebibytes(memory) in _SIZES.get(units(cpu), [])


def units(cpu: object) -> int:
    """CPU units of `1024`, `1 vCPU` or `.5 vCPU`."""
    text = str(cpu).strip().lower()
    return int(float(text.removesuffix("vcpu")) * 1024) if text.endswith("vcpu") else int(float(text))
