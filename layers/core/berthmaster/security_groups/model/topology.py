"""Who had which interface, address, group and rule, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from berthmaster.security_groups.model.rules import Group, Network, PrefixList, Rule

type Address = IPv4Address | IPv6Address

ALWAYS = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Span[T]:
    """What held from `since` until `until`, in seconds since the epoch.

    Spans of one subject may overlap where it is not known when the change took place: either state may have held.
    surely: when it certainly held, from and until; all the time if None. Outside of that there may have been nothing,
    such as an interface that was deleted between two polls, or another that nobody saw.
    """

    value: T
    since: float = ALWAYS[0]
    until: float = ALWAYS[1]
    surely: tuple[float, float] | None = None

    def overlaps(self, since: float, until: float) -> bool:
        """Whether it may have held at some time from `since` to `until`."""
        return self.since <= until and since <= self.until

    def is_sure(self, since: float, until: float) -> bool:
        """Whether it certainly held all the time from `since` to `until`."""
        first, last = self.surely or (self.since, self.until)
        return first <= since and until <= last


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface. addresses: primary, secondary and IPv6. prefixes: those delegated to it, /28 and /80."""

    id: str
    vpc: str
    subnet: str = ""
    owner: str = ""
    groups: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    prefixes: tuple[Network, ...] = ()
    kind: str = "interface"
    description: str = ""
    requester: str = ""
    instance: str = ""
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpc:
    """A VPC. cidrs: all blocks that are or were associated."""

    id: str
    owner: str = ""
    cidrs: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLog:
    """A flow log. resource: a VPC, subnet or interface. aggregation: seconds. fields: names with hyphens, in order."""

    id: str
    resource: str
    traffic_type: str = "ALL"
    aggregation: int = 600
    fields: tuple[str, ...] = ()
    is_active: bool = True
    failure: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """What was where, over time. Each mapping goes from the id of a subject to its spans, in order of `since`.

    deleted_groups: those of `groups` that the newest survey did not see any more.
    """

    interfaces: Mapping[str, tuple[Span[Interface], ...]] = field(default_factory=dict)
    rules: Mapping[str, tuple[Span[Rule], ...]] = field(default_factory=dict)
    prefix_lists: Mapping[str, tuple[Span[PrefixList], ...]] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    deleted_groups: frozenset[str] = frozenset()
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    flow_logs: Mapping[str, FlowLog] | None = None
    """None if they are not known, as offline without flow-logs.json."""
