"""Flows → who talks to whom, on which port.

Each end is named after the interface that held its address then, by its groups or by who has it; else by the narrowest
block that a rule names, else by a block of the VPC or of private addresses, else it is the internet. Attempts that
nobody answered are no talk.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import product

from berthmaster.security_groups.model.documentation import Party, PartyKind, Talk
from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import Network, PrefixListReference
from berthmaster.security_groups.model.topology import Address, Interface, Topology
from berthmaster.security_groups.plan.peers import Peers
from berthmaster.security_groups.plan.users import user_of

BROADEST = {4: 8, 6: 16}
"""Blocks of rules that are broader name nobody."""
BLOCK = {4: 16, 6: 48}
"""Private addresses that nothing names are summed up in blocks of this length."""
FIRST_EPHEMERAL = 32_768
"""Where Linux begins to take ports for the side that opens; a service has a lower one more often than not."""

UNRECORDED = Party(PartyKind.INTERFACE, ("interfaces that nobody recorded",))

type Key = tuple[Party, Party, int, tuple[int, int], bool]


def talks(flows: Iterable[Flow], topology: Topology) -> list[Talk]:
    """Who talks to whom, in an order that depends on nothing else."""
    parties = _Parties(topology)
    return merged(_talk(flow, parties) for flow in flows if flow.quality is not Quality.KNOCK)


def merged(found: Iterable[Talk]) -> list[Talk]:
    """Talks of several sources of records: counts add up."""
    by_key: dict[Key, Talk] = {}
    for talk in found:
        key = talk.source, talk.target, talk.protocol, talk.ports, talk.is_certain
        known = by_key.get(key)
        by_key[key] = talk if known is None else _together(known, talk)
    return [by_key[key] for key in sorted(by_key)]


def of_one_group(found: Iterable[Talk], topology: Topology) -> list[Talk]:
    """Each end that has several groups by the one that says most: that is carried in the fewest combinations."""
    combinations: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for spans in topology.interfaces.values():
        for span in spans:
            for group in span.value.groups:
                combinations[group].add(tuple(sorted(span.value.groups)))

    def narrowed(party: Party) -> Party:
        if party.kind is not PartyKind.GROUP:
            return party
        return replace(party, ids=(min(party.ids, key=lambda group: (len(combinations[group]), group)),))

    return merged(replace(talk, source=narrowed(talk.source), target=narrowed(talk.target)) for talk in found)


def _together(one: Talk, other: Talk) -> Talk:
    return replace(
        one,
        logged_at_source=one.logged_at_source + other.logged_at_source,
        logged_at_target=one.logged_at_target + other.logged_at_target,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
    )


def _talk(flow: Flow, parties: "_Parties") -> Talk:
    local, vpc = parties.of_interface(flow)
    peer = parties.of_peer(flow, vpc)
    is_inbound = flow.is_inbound
    ports = flow.ports
    if is_inbound is None:
        is_inbound = _is_service(flow)
        ports = flow.ports if is_inbound else flow.peer_ports
    return Talk(
        source=peer if is_inbound else local,
        target=local if is_inbound else peer,
        protocol=flow.protocol,
        ports=ports,
        is_certain=flow.is_inbound is not None,
        logged_at_source=0 if is_inbound else flow.records,
        logged_at_target=flow.records if is_inbound else 0,
        first=flow.first,
        last=flow.last,
    )


def _is_service(flow: Flow) -> bool:
    """Whether the interface's side looks like the one that was asked: it has the lower port, and no range of them."""
    return (_looks_ephemeral(flow.ports), flow.ports) <= (_looks_ephemeral(flow.peer_ports), flow.peer_ports)


def _looks_ephemeral(ports: tuple[int, int]) -> bool:
    return ports[0] != ports[1] or ports[0] >= FIRST_EPHEMERAL


class _Parties:
    """Who an address is."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._peers = Peers(topology)
        rules = [span.value for spans in topology.rules.values() for span in spans]
        blocks: dict[Network, Party] = {}
        for rule in rules:
            if isinstance(rule.peer, IPv4Network | IPv6Network):
                blocks[rule.peer] = Party(PartyKind.NETWORK, (str(rule.peer),))
        lists = {rule.peer.prefix_list for rule in rules if isinstance(rule.peer, PrefixListReference)}
        for id_ in sorted(lists):
            for span in topology.prefix_lists.get(id_, ()):
                blocks |= {entry: Party(PartyKind.PREFIX_LIST, (id_,)) for entry in span.value.entries}
        for vpc in topology.vpcs.values():
            for block in vpc.cidrs:
                blocks.setdefault(block, Party(PartyKind.NETWORK, (str(block),)))
        self._blocks: Mapping[Network, Party] = {
            block: party for block, party in blocks.items() if block.prefixlen >= BROADEST[block.version]
        }
        self._lengths = sorted({(block.version, block.prefixlen) for block in self._blocks}, reverse=True)
        self._outside: dict[Address, Party] = {}

    def of_interface(self, flow: Flow) -> tuple[Party, str]:
        """The end that has the interface of the record, and its VPC."""
        spans = self._topology.interfaces.get(flow.interface, ())
        found = max(
            (span for span in spans if span.overlaps(flow.first, flow.last)), key=lambda span: span.since, default=None
        )
        if found is None:
            return UNRECORDED, flow.vpc
        return _party(found.value), found.value.vpc

    def of_peer(self, flow: Flow, vpc: str) -> Party:
        """The other end. An address that several VPCs have is that of the interface's own VPC, if it has it."""
        # A record often ends after the interface of its peer was deleted.
        for address, since, until in product((*flow.vias, flow.peer), (flow.last, flow.first), (flow.last,)):
            holders = {one.vpc: one for one, _ in self._peers.holders(address, since, until)}
            holder = holders.get(vpc) or (next(iter(holders.values())) if len(holders) == 1 else None)
            if holder:
                return _party(holder)
        known = self._outside.get(flow.peer)
        if known is None:
            known = self._outside[flow.peer] = self._of_address(flow.peer)
        return known

    def _of_address(self, address: Address) -> Party:
        for block in self._blocks_of(address):
            if party := self._blocks.get(block):
                return party
        if address.is_global:
            return Party(PartyKind.INTERNET)
        return Party(PartyKind.NETWORK, (str(ip_network((address, BLOCK[address.version]), strict=False)),))

    def _blocks_of(self, address: Address) -> Iterator[Network]:
        """The narrowest first."""
        for version, length in self._lengths:
            if version == address.version:
                yield ip_network((address, length), strict=False)


def _party(interface: Interface) -> Party:
    if interface.groups:
        return Party(PartyKind.GROUP, tuple(sorted(interface.groups)))
    user = user_of(interface)
    return Party(PartyKind.INTERFACE, (f"{user.kind} {user.name}".strip(),))
