"""Network interfaces: created where an address is free, described with prefixes, deleted with their addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.addresses import (
    PREFIX_SIZE,
    Interfaces,
    claim,
    insufficient_addresses,
    insufficient_prefixes,
    prefixes_of,
)
from simulator.aws.ec2.connection_tracking import ConnectionTracking, checked, keep
from simulator.aws.ec2.filters import select
from simulator.aws.ec2.ipv6 import ipv6_prefixes_of, take_ipv6
from simulator.aws.ec2.lookup import find_subnet, tag_list, tags_of
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account, Handlers, Params


FIELDS = {
    "network-interface-id": lambda eni: [eni.id],
    "subnet-id": lambda eni: [eni.subnet.id],
    "vpc-id": lambda eni: [eni.subnet.vpc_id],
    "availability-zone": lambda eni: [eni.subnet.availability_zone],
    "status": lambda eni: [eni.status],
    "description": lambda eni: [eni.description],
    "interface-type": lambda eni: [eni.interface_type],
    "owner-id": lambda eni: [eni.owner_id],
    "requester-managed": lambda eni: [str(eni.requester_managed).lower()],
    "requester-id": lambda eni: [eni.requester_id],
    "private-ip-address": lambda eni: [eni.private_ip_address],
    "addresses.private-ip-address": lambda eni: [item["PrivateIpAddress"] for item in eni.private_ip_addresses],
    "ipv6-addresses.ipv6-address": lambda eni: eni.ipv6_addresses,
    "group-id": lambda eni: [group.id for group in eni.group_set],
    "attachment.instance-id": lambda eni: [eni.instance.id] if eni.instance else [],
    "attachment.status": lambda eni: [_attachment(eni)["Status"]] if _attachment(eni) else [],
}


def describe_network_interfaces(account: Account, params: Params) -> dict[str, Any]:
    """DescribeNetworkInterfaces, from moto's state with prefixes added."""
    wanted = params.get("NetworkInterfaceIds", [])
    filters = params.get("Filters", [])
    interfaces = (
        [account.backend("ec2").get_network_interface(eni_id) for eni_id in wanted]
        if wanted
        else _candidates(account, filters)
    )
    chosen = select(interfaces, filters, FIELDS, lambda eni: tags_of(account, eni.id))
    return {"NetworkInterfaces": [described(account, eni) for eni in chosen]}


def _candidates(account: Account, filters: list[Mapping[str, Any]]) -> list[Any]:
    for condition in filters:
        values = condition.get("Values", [])
        if condition["Name"] == "subnet-id":
            return [
                eni for subnet_id in dict.fromkeys(values) for eni in account.state(Interfaces).of_subnet(subnet_id)
            ]
    return list(account.state(Interfaces).values())


def described(account: Account, eni: Any) -> dict[str, Any]:
    """One interface (moto's) as DescribeNetworkInterfaces shows it; kept until the next call that writes to EC2."""
    known = account.state(Interfaces).descriptions(account.writes["ec2"])
    if eni.id not in known:
        known[eni.id] = _describe(account, eni)
    return known[eni.id]


def _describe(account: Account, eni: Any) -> dict[str, Any]:
    answer = {
        "AvailabilityZone": eni.subnet.availability_zone,
        "Description": eni.description,
        "Groups": [{"GroupId": group.id, "GroupName": group.name} for group in eni.group_set],
        "InterfaceType": eni.interface_type,
        "Ipv6Addresses": eni.network_interface_ipv6_addresses_list,
        "MacAddress": eni.mac_address,
        "NetworkInterfaceId": eni.id,
        "OwnerId": eni.owner_id,
        "PrivateIpAddress": eni.private_ip_address,
        "PrivateIpAddresses": [dict(item) for item in eni.private_ip_addresses],
        "RequesterId": eni.requester_id,
        "RequesterManaged": eni.requester_managed,
        "SourceDestCheck": eni.source_dest_check,
        "Status": eni.status,
        "SubnetId": eni.subnet.id,
        "TagSet": tag_list(account, eni.id),
        "VpcId": eni.subnet.vpc_id,
    }
    if prefixes := prefixes_of(eni):
        answer["Ipv4Prefixes"] = [{"Ipv4Prefix": prefix} for prefix in prefixes]
    if prefixes := ipv6_prefixes_of(eni):
        answer["Ipv6Prefixes"] = [{"Ipv6Prefix": prefix} for prefix in prefixes]
    if timeouts := account.state(ConnectionTracking).of(eni):
        answer["ConnectionTrackingConfiguration"] = dict(timeouts)
    if attachment := _attachment(eni):
        answer["Attachment"] = attachment
    if eni.association:
        association = {"PublicIp": eni.public_ip, "PublicDnsName": eni.association["publicDnsName"]}
        answer["Association"] = association | {"IpOwnerId": eni.association["ipOwnerId"]}
    return answer


def _attachment(eni: Any) -> dict[str, Any]:
    simulated: dict[str, Any] | None = getattr(eni, "simulated_attachment", None)
    if simulated is not None:
        return simulated
    if eni.attachment is None:
        return {}
    attachment = eni.attachment
    return {
        "AttachTime": attachment.attach_time,
        "AttachmentId": attachment.attachment_id,
        "DeleteOnTermination": attachment.delete_on_termination,
        "DeviceIndex": attachment.device_index,
        "InstanceId": attachment.instance_id,
        "InstanceOwnerId": attachment.instance_owner_id,
        "NetworkCardIndex": attachment.network_card_index,
        "Status": attachment.status,
    }


def create_network_interface(account: Account, params: Params) -> dict[str, Any]:
    """CreateNetworkInterface: every address and prefix is free, or nothing is made."""
    subnet = find_subnet(account, params["SubnetId"])
    pool = account.state(Interfaces).pool_of(subnet)
    addresses = _asked_addresses(params)
    for address in addresses:
        if address and not pool.is_free(int(IPv4Address(address))):
            raise AwsError("InvalidIPAddress.InUse", f"The IP address '{address}' is in use or invalid in the subnet.")
    prefix_count = params.get("Ipv4PrefixCount", 0)
    if len(addresses) > pool.free:
        raise insufficient_addresses(subnet.id)
    if prefix_count > pool.free_prefixes:
        raise insufficient_prefixes()
    timeouts = checked(params)
    stop_dry_run(params)
    addresses[0] = addresses[0] or str(IPv4Address(pool.pick()))
    eni = account.backend("ec2").create_network_interface(
        subnet,
        None,
        [{"Primary": index == 0, "PrivateIpAddress": address} for index, address in enumerate(addresses)],
        params.get("Groups", []),
        params.get("Description"),
        _tags(params),
    )
    eni.interface_type = params.get("InterfaceType", "interface")
    eni.ipv4_prefixes = _take_prefixes(pool, prefix_count)
    keep(eni, timeouts)
    take_ipv6(account, eni, params)
    return {"NetworkInterface": described(account, eni)}


def _asked_addresses(params: Params) -> list[str | None]:
    asked = [item["PrivateIpAddress"] for item in params.get("PrivateIpAddresses", [])]
    if not asked:
        asked = [params.get("PrivateIpAddress")]
    return asked + [None] * params.get("SecondaryPrivateIpAddressCount", 0)


def _tags(params: Params) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for item in params.get("TagSpecifications", []) for tag in item["Tags"]}


def _take_prefixes(pool: Any, count: int) -> list[str]:
    return [f"{IPv4Address(pool.take_prefix())}/28" for _ in range(count)]


def delete_network_interface(account: Account, params: Params) -> dict[str, Any]:
    """DeleteNetworkInterface: refused while it is attached."""
    eni = account.backend("ec2").get_network_interface(params["NetworkInterfaceId"])
    if _attachment(eni):
        raise AwsError("InvalidNetworkInterface.InUse", f"Network interface '{eni.id}' is currently in use.")
    stop_dry_run(params)
    account.backend("ec2").delete_network_interface(eni.id)
    return {}


def assign_private_ip_addresses(account: Account, params: Params) -> dict[str, Any]:
    """AssignPrivateIpAddresses: more addresses or prefixes for an interface, all of them or none."""
    eni = account.backend("ec2").get_network_interface(params["NetworkInterfaceId"])
    pool = account.state(Interfaces).pool_of(eni.subnet)
    wanted = params.get("PrivateIpAddresses") or [None] * params.get("SecondaryPrivateIpAddressCount", 0)
    prefix_count = params.get("Ipv4PrefixCount", 0)
    if len(wanted) > pool.free:
        raise insufficient_addresses(eni.subnet.id)
    if prefix_count * PREFIX_SIZE > pool.free:
        # Cilium's error taxonomy, confirmed by AWS support in cilium/cilium#31016: at capacity, not merely fragmented.
        raise AwsError("InvalidParameterValue", "There aren't sufficient free Ipv4 addresses or prefixes")
    if prefix_count > pool.free_prefixes:
        raise insufficient_prefixes()
    added = [{"Primary": False, "PrivateIpAddress": claim(pool, address)} for address in wanted]
    eni.private_ip_addresses.extend(added)
    prefixes = _take_prefixes(pool, prefix_count)
    eni.ipv4_prefixes = [*prefixes_of(eni), *prefixes]
    return {
        "NetworkInterfaceId": eni.id,
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": item["PrivateIpAddress"]} for item in added],
        "AssignedIpv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in prefixes],
    }


def unassign_private_ip_addresses(account: Account, params: Params) -> dict[str, Any]:
    """UnassignPrivateIpAddresses: secondary addresses and prefixes go back to the subnet."""
    eni = account.backend("ec2").get_network_interface(params["NetworkInterfaceId"])
    pool = account.state(Interfaces).pool_of(eni.subnet)
    for address in params.get("PrivateIpAddresses", []):
        if address == eni.private_ip_address:
            raise AwsError("InvalidParameterValue", "The primary private IP address cannot be unassigned.")
        eni.private_ip_addresses = [item for item in eni.private_ip_addresses if item["PrivateIpAddress"] != address]
        pool.give_back(int(IPv4Address(address)))
    for prefix in params.get("Ipv4Prefixes", []):
        eni.ipv4_prefixes = [have for have in prefixes_of(eni) if have != prefix]
        pool.give_back_prefix(int(IPv4Network(prefix).network_address))
    return {}


HANDLERS: Handlers = {
    "ec2:DescribeNetworkInterfaces": describe_network_interfaces,
    "ec2:CreateNetworkInterface": create_network_interface,
    "ec2:DeleteNetworkInterface": delete_network_interface,
    "ec2:AssignPrivateIpAddresses": assign_private_ip_addresses,
    "ec2:UnassignPrivateIpAddresses": unassign_private_ip_addresses,
}
