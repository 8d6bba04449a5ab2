"""A topology as the outputs of the AWS CLI that `make audit` reads."""

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    Direction,
    GroupReference,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import FlowLog, Interface, Span, Topology, Vpc

PROTOCOLS = {ANY: "-1", 6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6"}


def write(topology: Topology, directory: Path) -> Path:
    """The directory with all files."""
    directory.mkdir(parents=True)
    _dump(
        directory / "network-interfaces.json", NetworkInterfaces=map(_interface, newest(topology.interfaces.values()))
    )
    _dump(directory / "security-group-rules.json", SecurityGroupRules=map(_rule, newest(topology.rules.values())))
    groups = ({"GroupId": one.id, "VpcId": one.vpc, "OwnerId": one.owner} for one in topology.groups.values())
    _dump(directory / "security-groups.json", SecurityGroups=groups)
    _dump(directory / "vpcs.json", Vpcs=map(_vpc, topology.vpcs.values()))
    if topology.flow_logs is not None:
        _dump(directory / "flow-logs.json", FlowLogs=map(_flow_log, topology.flow_logs.values()))
    (directory / "prefix-lists").mkdir()
    for one in newest(topology.prefix_lists.values()):
        _dump(directory / f"prefix-lists/{one.id}.json", Entries=({"Cidr": str(entry)} for entry in one.entries))
    return directory


def newest[T](subjects: Iterable[tuple[Span[T], ...]]) -> Iterable[T]:
    """Each as it is now."""
    return (spans[-1].value for spans in subjects)


def _dump(path: Path, **items: Iterable[dict[str, Any]]) -> None:
    path.write_text(json.dumps({key: list(found) for key, found in items.items()}))


def _interface(one: Interface) -> dict[str, Any]:
    four = [str(address) for address in one.addresses if isinstance(address, IPv4Address)]
    six = [str(address) for address in one.addresses if not isinstance(address, IPv4Address)]
    return {
        "NetworkInterfaceId": one.id,
        "VpcId": one.vpc,
        "SubnetId": one.subnet,
        "InterfaceType": one.kind,
        "Groups": [{"GroupId": group} for group in one.groups],
        "PrivateIpAddresses": [{"PrivateIpAddress": address} for address in four],
        "Ipv6Addresses": [{"Ipv6Address": address} for address in six],
        "Ipv4Prefixes": [{"Ipv4Prefix": str(p)} for p in one.prefixes if isinstance(p, IPv4Network)],
        "Ipv6Prefixes": [{"Ipv6Prefix": str(p)} for p in one.prefixes if not isinstance(p, IPv4Network)],
    }


def _rule(one: Rule) -> dict[str, Any]:
    first, last = one.icmp if one.protocol in {ICMP, ICMPV6} else (ANY, ANY) if one.ports == ALL_PORTS else one.ports
    found: dict[str, Any] = {
        "SecurityGroupRuleId": one.id,
        "GroupId": one.group,
        "IsEgress": one.direction is Direction.EGRESS,
        "IpProtocol": PROTOCOLS.get(one.protocol, str(one.protocol)),
        "FromPort": first,
        "ToPort": last,
    }
    match one.peer:
        case GroupReference(group, owner):
            return {**found, "ReferencedGroupInfo": {"GroupId": group, "UserId": owner}}
        case PrefixListReference(prefix_list):
            return {**found, "PrefixListId": prefix_list}
        case IPv4Network():
            return {**found, "CidrIpv4": str(one.peer)}
    return {**found, "CidrIpv6": str(one.peer)}


def _vpc(one: Vpc) -> dict[str, Any]:
    return {
        "VpcId": one.id,
        "CidrBlockAssociationSet": [{"CidrBlock": str(cidr)} for cidr in one.cidrs if cidr.version == 4],
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": str(cidr)} for cidr in one.cidrs if cidr.version == 6],
    }


def _flow_log(one: FlowLog) -> dict[str, Any]:
    return {
        "FlowLogId": one.id,
        "ResourceId": one.resource,
        "TrafficType": one.traffic_type,
        "MaxAggregationInterval": one.aggregation,
        "LogFormat": " ".join(f"${{{name}}}" for name in one.fields),
    }
