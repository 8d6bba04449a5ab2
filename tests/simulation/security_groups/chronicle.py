"""What was where, and when, exactly: no poll sees that much, so it tells what the engine itself makes of records."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import ceil, floor
from typing import Any

from berthmaster.security_groups.model.rules import PrefixList
from berthmaster.security_groups.model.topology import ALWAYS, Interface, Span, Topology
from berthmaster.security_groups.observe import ec2_shapes as shapes
from simulator.cloud import Cloud

CHANGING = (
    *("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
    *("RevokeSecurityGroupEgress", "ModifySecurityGroupRules", "ModifyManagedPrefixList", "CreateNetworkInterface"),
    *("ModifyNetworkInterfaceAttribute", "DeleteNetworkInterface", "AssignPrivateIpAddresses"),
)


class Chronicle:
    """Follows the interfaces, rules and prefix lists of an account."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._open: dict[tuple[str, str], tuple[Any, float]] = {}
        self._spans: dict[tuple[str, str], list[Span[Any]]] = {}
        self._held: frozenset[str] = frozenset()
        for operation in CHANGING:
            cloud.add_patch(f"ec2:{operation}", lambda *_: self.look())
        cloud.tasks.watchers.append(lambda _: self._look_at_interfaces())
        self.look()

    def look(self) -> None:
        """Note what has changed."""
        now = self._cloud.clock.timestamp()
        self._held = frozenset(self._cloud.interfaces)
        found = dict(self._found())
        for key in [key for key, (value, _) in self._open.items() if found.get(key) != value]:
            value, since = self._open.pop(key)
            self._spans.setdefault(key, []).append(Span(value, since, now))
        for key, value in found.items():
            self._open.setdefault(key, (value, now))

    def topology(self) -> Topology:
        """Everything until now, with spans; what is there now holds on."""
        spans = {key: list(known) for key, known in self._spans.items()}
        for key, (value, since) in self._open.items():
            spans.setdefault(key, []).append(Span(value, since, ALWAYS[1]))

        def of(kind: str) -> dict[str, tuple[Span[Any], ...]]:
            return {identifier: tuple(found) for (what, identifier), found in spans.items() if what == kind}

        ec2 = self._cloud.client("ec2")
        groups = map(
            shapes.group_of, _described(shapes.SecurityGroup, ec2.describe_security_groups()["SecurityGroups"])
        )
        vpcs = map(shapes.vpc_of, _described(shapes.VpcShape, ec2.describe_vpcs()["Vpcs"]))
        logs = map(shapes.flow_log_of, _described(shapes.FlowLogShape, ec2.describe_flow_logs()["FlowLogs"]))
        return Topology(
            interfaces=of("interface"),
            rules=of("rule"),
            prefix_lists=of("prefix list"),
            groups={one.id: one for one in groups},
            vpcs={one.id: one for one in vpcs},
            flow_logs={one.id: one for one in logs},
        )

    def _look_at_interfaces(self) -> None:
        if self._held != self._cloud.interfaces.keys():
            self.look()

    def _found(self) -> Iterable[tuple[tuple[str, str], Any]]:
        ec2 = self._cloud.client("ec2")
        interfaces = ec2.describe_network_interfaces()["NetworkInterfaces"]
        for interface in map(shapes.interface_of, _described(shapes.NetworkInterface, interfaces)):
            yield ("interface", interface.id), interface
        rules = ec2.describe_security_group_rules()["SecurityGroupRules"]
        for rule in map(shapes.rule_of, _described(shapes.SecurityGroupRule, rules)):
            yield ("rule", rule.id), rule
        for one in ec2.describe_managed_prefix_lists()["PrefixLists"]:
            if version := one.get("Version"):
                identifier = one["PrefixListId"]
                entries = ec2.get_managed_prefix_list_entries(PrefixListId=identifier)["Entries"]
                known = shapes.entries_of(_described(shapes.PrefixListEntry, entries))
                yield ("prefix list", identifier), PrefixList(id=identifier, version=version, entries=known)


def polled(topology: Topology, period: float) -> Topology:
    """What somebody knows of a topology who looks every so many seconds, and at nothing else."""
    return replace(
        topology,
        interfaces=_polled(topology.interfaces, period),
        rules=_polled(topology.rules, period),
        prefix_lists=_polled(topology.prefix_lists, period),
    )


def at_the_end(topology: Topology) -> Topology:
    """What a topology is now, taken for what it always was."""
    return replace(
        topology,
        interfaces=_newest(topology.interfaces),
        rules=_newest(topology.rules),
        prefix_lists=_newest(topology.prefix_lists),
    )


def _polled[T](subjects: Mapping[str, tuple[Span[T], ...]], period: float) -> dict[str, tuple[Span[T], ...]]:
    found = {}
    for identifier, spans in subjects.items():
        seen = [_seen(span, period) for span in spans]
        if known := tuple(one for one in seen if one):
            found[identifier] = known
    return found


def _seen[T](span: Span[T], period: float) -> Span[T] | None:
    """A span between the looks before and after it, certain between those within; None if no look met it."""
    first, last = ceil(span.since / period) * period, _before(span.until, period)
    if first > last:
        return None
    return Span(span.value, first - period, last + period, surely=(first, last))


def _before(when: float, period: float) -> float:
    return when if when == ALWAYS[1] else floor(when / period) * period


def _newest[T](subjects: Mapping[str, tuple[Span[T], ...]]) -> dict[str, tuple[Span[T], ...]]:
    return {one: (Span(spans[-1].value),) for one, spans in subjects.items() if spans[-1].until == ALWAYS[1]}


def with_last_group(topology: Topology) -> Topology:
    """As if an interface had the last of its groups only."""

    def cut(span: Span[Interface]) -> Span[Interface]:
        return replace(span, value=replace(span.value, groups=span.value.groups[-1:]))

    return replace(topology, interfaces={one: tuple(map(cut, spans)) for one, spans in topology.interfaces.items()})


def _described[Item](kind: type[Item], items: object) -> list[Item]:
    return shapes.described(kind, items, kind.__name__)
