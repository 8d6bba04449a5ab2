"""Filters of those EC2 reads that have no handler: of several values moto demands all, AWS any.

The filters are withheld from moto, so that it returns everything, and applied to what it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.filters import select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simulator.account import Account, Params, Parsed, Patch, Patches

type Item = Mapping[str, Any]


@dataclass(frozen=True)
class Filtered:
    """Where an operation's items are, and what its filters look at."""

    items: str
    fields: Mapping[str, Callable[[Item], Iterable[str]]]


def _at(*path: str) -> Callable[[Item], Iterable[str]]:
    """The values at a path; a list on the way means each of its elements."""

    def read(item: Item) -> Iterable[str]:
        found: list[Any] = [item]
        for key in path:
            found = [value for one in found if key in one for value in _each(one[key])]
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in found]

    return read


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Names and meanings: the operations' pages in the EC2 API reference.
FILTERED: dict[str, Filtered] = {
    "ec2:DescribeRouteTables": Filtered(
        "RouteTables",
        {
            "vpc-id": _at("VpcId"),
            "owner-id": _at("OwnerId"),
            "route-table-id": _at("RouteTableId"),
            "association.main": _at("Associations", "Main"),
            "association.subnet-id": _at("Associations", "SubnetId"),
            "association.gateway-id": _at("Associations", "GatewayId"),
            "association.route-table-id": _at("Associations", "RouteTableId"),
            "association.route-table-association-id": _at("Associations", "RouteTableAssociationId"),
            "route.destination-cidr-block": _at("Routes", "DestinationCidrBlock"),
            "route.destination-prefix-list-id": _at("Routes", "DestinationPrefixListId"),
            "route.gateway-id": _at("Routes", "GatewayId"),
            "route.nat-gateway-id": _at("Routes", "NatGatewayId"),
            "route.transit-gateway-id": _at("Routes", "TransitGatewayId"),
            "route.vpc-peering-connection-id": _at("Routes", "VpcPeeringConnectionId"),
            "route.origin": _at("Routes", "Origin"),
            "route.state": _at("Routes", "State"),
        },
    ),
    "ec2:DescribeNetworkAcls": Filtered(
        "NetworkAcls",
        {
            "vpc-id": _at("VpcId"),
            "owner-id": _at("OwnerId"),
            "network-acl-id": _at("NetworkAclId"),
            "default": _at("IsDefault"),
            "association.subnet-id": _at("Associations", "SubnetId"),
            "association.association-id": _at("Associations", "NetworkAclAssociationId"),
            "association.network-acl-id": _at("Associations", "NetworkAclId"),
            "entry.cidr": _at("Entries", "CidrBlock"),
            "entry.egress": _at("Entries", "Egress"),
            "entry.rule-action": _at("Entries", "RuleAction"),
            "entry.rule-number": _at("Entries", "RuleNumber"),
        },
    ),
    "ec2:DescribeVpcPeeringConnections": Filtered(
        "VpcPeeringConnections",
        {
            "vpc-peering-connection-id": _at("VpcPeeringConnectionId"),
            "status-code": _at("Status", "Code"),
            "requester-vpc-info.vpc-id": _at("RequesterVpcInfo", "VpcId"),
            "requester-vpc-info.owner-id": _at("RequesterVpcInfo", "OwnerId"),
            "requester-vpc-info.cidr-block": _at("RequesterVpcInfo", "CidrBlock"),
            "accepter-vpc-info.vpc-id": _at("AccepterVpcInfo", "VpcId"),
            "accepter-vpc-info.owner-id": _at("AccepterVpcInfo", "OwnerId"),
            "accepter-vpc-info.cidr-block": _at("AccepterVpcInfo", "CidrBlock"),
        },
    ),
}


def _applied(filtered: Filtered) -> Patch:
    def apply_filters(_: Account, params: Params, response: Parsed) -> None:
        found = response.get(filtered.items, [])
        response[filtered.items] = select(found, params.get("Filters", []), filtered.fields, _tags)

    return apply_filters


def _tags(item: Item) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


PATCHES: Patches = {operation: _applied(filtered) for operation, filtered in FILTERED.items()}
WITHHELD = dict.fromkeys(FILTERED, "Filters")
