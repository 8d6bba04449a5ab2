"""Coverage of one log from several files: in whatever order they come, and however often."""

from collections.abc import Mapping

from berthmaster.security_groups.model.flows import Coverage


def merged(one: Coverage, other: Coverage) -> Coverage:
    """What both say of a log."""
    return Coverage(
        log=one.log,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        longest=max(one.longest, other.longest),
        slots=one.slots | other.slots,
        vpcs=one.vpcs | other.vpcs,
        interfaces={
            interface: _hull([found[interface] for found in (one.interfaces, other.interfaces) if interface in found])
            for interface in one.interfaces.keys() | other.interfaces.keys()
        },
        skipped=_united(one.skipped, other.skipped),
        actions=one.actions | other.actions,
        fields=tuple(field for field in one.fields if field in other.fields),
    )


def _hull(times: list[tuple[float, float]]) -> tuple[float, float]:
    return min(first for first, _ in times), max(last for _, last in times)


def _united(one: Mapping[str, frozenset[int]], other: Mapping[str, frozenset[int]]) -> dict[str, frozenset[int]]:
    nothing = frozenset[int]()
    return {key: one.get(key, nothing) | other.get(key, nothing) for key in one.keys() | other.keys()}
