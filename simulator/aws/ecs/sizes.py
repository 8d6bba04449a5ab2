"""The sizes of Fargate tasks on Linux: which memory goes with which CPU.

Source: "Task CPU and memory" of the ECS guide. That RunTask words its refusal as RegisterTaskDefinition does is
unverified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params

GIB = 1024
MEMORY: dict[int, frozenset[int]] = {
    256: frozenset({512, GIB, 2 * GIB}),
    512: frozenset(range(GIB, 4 * GIB + 1, GIB)),
    1024: frozenset(range(2 * GIB, 8 * GIB + 1, GIB)),
    2048: frozenset(range(4 * GIB, 16 * GIB + 1, GIB)),
    4096: frozenset(range(8 * GIB, 30 * GIB + 1, GIB)),
    8192: frozenset(range(16 * GIB, 60 * GIB + 1, 4 * GIB)),
    16384: frozenset(range(32 * GIB, 120 * GIB + 1, 8 * GIB)),
}
"""MiB by CPU units."""


def check_size(cpu: str, memory: str) -> None:
    """Refuse a size that Fargate does not have."""
    if _number(memory, "GB", GIB) not in MEMORY.get(_number(cpu, "vCPU", 1024), ()):
        message = f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
        raise AwsError("ClientException", message)


def check_definition(_: Account, params: Params) -> dict[str, Any] | None:
    """RegisterTaskDefinition refuses, for Fargate, a size that it does not have."""
    if "FARGATE" in params.get("requiresCompatibilities", []) and "cpu" in params and "memory" in params:
        check_size(params["cpu"], params["memory"])
    return None


def cpu_units(cpu: str) -> int:
    """CPU units of a size as users write it: `256`, `.25 vCPU`."""
    return _number(cpu, "vCPU", 1024)


def mebibytes(memory: str) -> int:
    """MiB of memory as users write it: `512`, `0.5 GB`."""
    return _number(memory, "GB", GIB)


def _number(value: str, unit: str, size: int) -> int:
    try:
        if value.lower().endswith(unit.lower()):
            return round(float(value[: -len(unit)]) * size)
        return int(value)
    except ValueError:
        return 0


HANDLERS: Handlers = {"ecs:RegisterTaskDefinition": check_definition}
