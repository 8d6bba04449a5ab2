"""Who has an address, and when: what decides whether a peer belongs to a referenced group."""

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_network

from berthmaster.security_groups.model.rules import Network
from berthmaster.security_groups.model.topology import ALWAYS, Address, Interface, Span, Topology

type Holders = tuple[tuple[Interface, bool], ...]
"""Interfaces that may have held an address, each with whether it certainly did, all the time."""


class Peers:
    """The interfaces of a topology by their addresses and prefixes, and the blocks of its VPCs."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._by_address: dict[Address, list[Span[Interface]]] = defaultdict(list)
        self._by_prefix: dict[Network, list[Span[Interface]]] = defaultdict(list)
        for spans in topology.interfaces.values():
            for span in spans:
                for address in span.value.addresses:
                    self._by_address[address].append(span)
                for prefix in span.value.prefixes:
                    self._by_prefix[prefix].append(span)
        self._constant: dict[Address, Holders] = {}
        self._lengths = sorted({(prefix.version, prefix.prefixlen) for prefix in self._by_prefix})

    def holders(self, address: Address, since: float, until: float) -> Holders:
        """The interfaces that may have held an address at some time from `since` to `until`."""
        if address in self._constant:
            return self._constant[address]
        spans = tuple(self._spans(address))
        found = [span for span in spans if span.overlaps(since, until)]
        holders = tuple((span.value, span.is_sure(since, until) and _is_alone(span, found)) for span in found)
        if all((span.since, span.until) == ALWAYS for span in spans):
            self._constant[address] = holders
        return holders

    def _spans(self, address: Address) -> Iterator[Span[Interface]]:
        yield from self._by_address.get(address, ())
        for version, length in self._lengths:
            if version == address.version:
                yield from self._by_prefix.get(ip_network((address, length), strict=False), ())

    def may_be_in(self, address: Address, vpc: str) -> bool:
        """Whether an address may be one of a VPC: by its blocks.

        If they are not known, IPv4 that is not public may be, and any IPv6, since a VPC's IPv6 addresses are public.
        """
        known = self._topology.vpcs.get(vpc)
        if known and known.cidrs:
            return any(address in block for block in known.cidrs)
        return address.version == 6 or not address.is_global  # noqa: PLR2004 - IPv6


def _is_alone(span: Span[Interface], found: list[Span[Interface]]) -> bool:
    """Whether nobody else in its VPC may have held the address meanwhile."""
    own = span.value
    return all(other.value.groups == own.groups or other.value.vpc != own.vpc for other in found)


def is_anywhere(network: Network) -> bool:
    """Whether it is 0.0.0.0/0 or ::/0."""
    return network.prefixlen == 0
