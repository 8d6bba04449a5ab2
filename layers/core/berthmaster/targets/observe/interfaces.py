"""Which network interfaces have addresses now."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from itertools import batched
from typing import TYPE_CHECKING, Any

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently, results_of
from berthmaster.targets.model import Address, Destination, TargetGroup

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

VALUES_PER_CALL = 200
"""Interfaces or addresses that one filter of EC2 takes."""
INTERFACES_PER_PAGE = 1_000
AT_ONCE = 4


class Interfaces:
    """The network interfaces of one account and Region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def holding(self, addresses: Iterable[Address]) -> set[tuple[str, str]]:
        """The interfaces, by id, that have these addresses now, each with its address.

        Those of pods, which share interfaces, are not asked about.
        """
        wanted = {(one.eni_id, one.ip) for one in addresses if one.eni_id}
        parts = list(batched(sorted({eni_id for eni_id, _ in wanted}), VALUES_PER_CALL, strict=False))
        found = results_of(concurrently(self._addresses, parts, at_once=AT_ONCE))
        return {one for some in found for one in some} & wanted

    def having(self, ips: Iterable[str], destination: Destination) -> dict[str, list[str]]:
        """The ids of the interfaces that have addresses, by address.

        Within the destination's VPC where it is known to contain the address: addresses repeat between VPCs.
        """
        group = destination.body if isinstance(destination.body, TargetGroup) else None
        by_vpc: dict[str, list[str]] = defaultdict(list)
        for ip in sorted(set(ips)):
            by_vpc[group.vpc_id if group and group.contains(ip) else ""].append(ip)
        found: dict[str, list[str]] = defaultdict(list)
        for vpc_id, some in by_vpc.items():
            for batch in batched(some, VALUES_PER_CALL, strict=False):
                chosen: FilterTypeDef = {"Name": "addresses.private-ip-address", "Values": list(batch)}
                for interface in self._described([chosen, *_within(vpc_id)]):
                    for address in interface["PrivateIpAddresses"]:
                        found[address["PrivateIpAddress"]].append(interface["NetworkInterfaceId"])
        return found

    def prefixes(self, vpc_id: str) -> list[IPv4Network]:
        """The prefixes that interfaces of a VPC have: pods use their addresses, and no filter finds these."""
        return [
            IPv4Network(prefix["Ipv4Prefix"])
            for interface in self._described(_within(vpc_id))
            for prefix in interface.get("Ipv4Prefixes", ())
        ]

    def _addresses(self, eni_ids: Iterable[str]) -> set[tuple[str, str]]:
        chosen: FilterTypeDef = {"Name": "network-interface-id", "Values": list(eni_ids)}
        return {
            (interface["NetworkInterfaceId"], address["PrivateIpAddress"])
            for interface in self._described([chosen])
            for address in interface["PrivateIpAddresses"]
        }

    def _described(self, filters: "list[FilterTypeDef]") -> Iterator[Any]:
        pages = self._clients.ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=filters, PaginationConfig={"PageSize": INTERFACES_PER_PAGE}
        )
        for page in pages:
            yield from page["NetworkInterfaces"]


def _within(vpc_id: str) -> "list[FilterTypeDef]":
    return [{"Name": "vpc-id", "Values": [vpc_id]}] if vpc_id else []
