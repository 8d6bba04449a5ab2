"""IPv6 addresses and /80 prefixes of network interfaces, from the /64 of their subnet."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.addresses import Interfaces
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.account import Account, Handlers, Params

PREFIX_LENGTH = 80
FIRST_ADDRESS = 4
"""AWS keeps the first four of a subnet."""


def take_ipv6(account: Account, eni: Any, params: Params) -> tuple[list[str], list[str]]:
    """Give an interface (moto's) what a request asks for; returns the new addresses and prefixes."""
    wanted = [one["Ipv6Address"] if isinstance(one, dict) else one for one in params.get("Ipv6Addresses", [])]
    prefixes = [one["Ipv6Prefix"] if isinstance(one, dict) else one for one in params.get("Ipv6Prefixes", [])]
    count, prefix_count = params.get("Ipv6AddressCount", 0), params.get("Ipv6PrefixCount", 0)
    if not (wanted or prefixes or count or prefix_count):
        return [], []
    block = _block(eni.subnet)
    siblings = account.state(Interfaces).of_subnet(eni.subnet.id)
    taken = {address for one in siblings for address in one.ipv6_addresses}
    used = {prefix for one in siblings for prefix in ipv6_prefixes_of(one)}
    if any(IPv6Address(address) not in block or address in taken for address in wanted):
        raise AwsError("InvalidParameterValue", f"The address '{wanted[0]}' is in use or not in the subnet.")
    free = (text for text in _addresses(block) if text not in taken)
    free_prefixes = (text for text in _prefixes(block) if text not in used)
    addresses = wanted or [next(free) for _ in range(count)]
    prefixes = prefixes or [next(free_prefixes) for _ in range(prefix_count)]
    eni.ipv6_addresses = [*eni.ipv6_addresses, *addresses]
    eni.ipv6_prefixes = [*ipv6_prefixes_of(eni), *prefixes]
    return addresses, prefixes


def ipv6_prefixes_of(eni: Any) -> list[str]:
    """The /80 prefixes delegated to an interface; moto has no such field, so this simulator adds it."""
    prefixes: list[str] = getattr(eni, "ipv6_prefixes", [])
    return prefixes


def _block(subnet: Any) -> IPv6Network:
    for one in subnet.ipv6_cidr_block_associations.values():
        return IPv6Network(one["ipv6CidrBlock"])
    raise AwsError("InvalidParameterValue", f"The subnet '{subnet.id}' does not have an IPv6 CIDR block.")


def _addresses(block: IPv6Network) -> Iterator[str]:
    return (str(block[number]) for number in range(FIRST_ADDRESS, 2**16))


def _prefixes(block: IPv6Network) -> Iterator[str]:
    """All but the first /80, where the addresses are."""
    whole = 1 << (128 - PREFIX_LENGTH)
    return (str(IPv6Network((int(block[number * whole]), PREFIX_LENGTH))) for number in range(1, 2**16))


def assign_ipv6_addresses(account: Account, params: Params) -> dict[str, Any]:
    """AssignIpv6Addresses."""
    eni = account.backend("ec2").get_network_interface(params["NetworkInterfaceId"])
    addresses, prefixes = take_ipv6(account, eni, params)
    return {"NetworkInterfaceId": eni.id, "AssignedIpv6Addresses": addresses, "AssignedIpv6Prefixes": prefixes}


def unassign_ipv6_addresses(account: Account, params: Params) -> dict[str, Any]:
    """UnassignIpv6Addresses."""
    eni = account.backend("ec2").get_network_interface(params["NetworkInterfaceId"])
    addresses, prefixes = params.get("Ipv6Addresses", []), params.get("Ipv6Prefixes", [])
    eni.ipv6_addresses = [one for one in eni.ipv6_addresses if one not in addresses]
    eni.ipv6_prefixes = [one for one in ipv6_prefixes_of(eni) if one not in prefixes]
    return {"NetworkInterfaceId": eni.id, "UnassignedIpv6Addresses": addresses, "UnassignedIpv6Prefixes": prefixes}


HANDLERS: Handlers = {
    "ec2:AssignIpv6Addresses": assign_ipv6_addresses,
    "ec2:UnassignIpv6Addresses": unassign_ipv6_addresses,
}
