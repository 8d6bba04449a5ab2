"""The size of a Fargate task."""

from typing import NamedTuple


class Size(NamedTuple):
    """CPU units (1024 are a vCPU) and MiB, as in a task definition."""

    cpu: int
    memory: int

    def __str__(self) -> str:
        """`0.5 vCPU and 2 GB`."""
        return f"{self.cpu / 1024:g} vCPU and {self.memory / 1024:g} GB"
