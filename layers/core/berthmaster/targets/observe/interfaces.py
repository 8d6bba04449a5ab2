"""Whether network interfaces have the addresses that tasks are said to have."""

from collections.abc import Iterable
from itertools import batched

from berthmaster.clients import Clients
from berthmaster.concurrently import concurrently, results_of
from berthmaster.targets.model import Address

INTERFACES_PER_CALL = 200
"""Values that one filter of EC2 takes."""
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
        parts = list(batched(sorted({eni_id for eni_id, _ in wanted}), INTERFACES_PER_CALL, strict=False))
        found = results_of(concurrently(self._addresses, parts, at_once=AT_ONCE))
        return {one for some in found for one in some} & wanted

    def _addresses(self, eni_ids: Iterable[str]) -> set[tuple[str, str]]:
        pages = self._clients.ec2.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "network-interface-id", "Values": list(eni_ids)}]
        )
        return {
            (interface["NetworkInterfaceId"], address["PrivateIpAddress"])
            for page in pages
            for interface in page["NetworkInterfaces"]
            for address in interface["PrivateIpAddresses"]
        }
