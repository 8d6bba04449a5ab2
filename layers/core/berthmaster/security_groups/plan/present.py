"""What of a topology holds at one time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from berthmaster.security_groups.model.rules import Group, PrefixList, Rule
from berthmaster.security_groups.model.topology import Interface, Span, Topology, Vpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Groups and who has them, at one time."""

    rules: tuple[Rule, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    prefix_lists: Mapping[str, PrefixList] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)

    def carriers(self) -> dict[str, list[Interface]]:
        """The interfaces of each group that has any."""
        found: dict[str, list[Interface]] = {}
        for interface in self.interfaces:
            for group in interface.groups:
                found.setdefault(group, []).append(interface)
        return found


def present(topology: Topology, at: float) -> Present:
    """What holds at a time, in seconds since the epoch; of spans that overlap, the later one."""
    return Present(
        rules=tuple(_holding(topology.rules.values(), at)),
        interfaces=tuple(_holding(topology.interfaces.values(), at)),
        prefix_lists={one.id: one for one in _holding(topology.prefix_lists.values(), at)},
        groups=topology.groups,
        vpcs=topology.vpcs,
    )


def _holding[T](subjects: Iterable[tuple[Span[T], ...]], at: float) -> Iterator[T]:
    for spans in subjects:
        yield from [span.value for span in spans if span.overlaps(at, at)][-1:]
