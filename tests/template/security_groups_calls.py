"""Scenarios of security_groups that leave no AWS call out."""

from collections.abc import Iterator

from simulator.calls import Call
from tests.support.security_groups.topology import every_topology_call


def security_groups_calls() -> list[Call]:
    """Every call while the topology is recorded."""
    return [call for scenario in (_recording,) for call in scenario()]


def _recording() -> Iterator[Call]:
    yield from every_topology_call()
