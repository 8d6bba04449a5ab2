"""The sizes a Fargate task may have.

Source: Amazon ECS Developer Guide, task size, Linux.
"""

from berthmaster.batch.model.sizes import Size

_GIB = 1024
_MEMORY = {
    256: (512, 1024, 2048),
    512: range(1 * _GIB, 4 * _GIB + 1, _GIB),
    1024: range(2 * _GIB, 8 * _GIB + 1, _GIB),
    2048: range(4 * _GIB, 16 * _GIB + 1, _GIB),
    4096: range(8 * _GIB, 30 * _GIB + 1, _GIB),
    8192: range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB),
    16384: range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB),
}


SIZES = tuple(Size(cpu, memory) for cpu, memories in _MEMORY.items() for memory in memories)
"""All sizes, the smallest first."""


def next_memory(cpu: int, memory: int) -> Size | None:
    """The smallest size with more memory and no less CPU: the same CPU if it allows more, else the next one.

    None if Fargate has no larger one.
    """
    return next((size for size in SIZES if size.cpu >= cpu and size.memory > memory), None)
