"""How a VPC is connected: its route tables, the prefix lists in them, and its peerings."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.capacity.model.vpc import Route, RouteTable
from berthmaster.capacity.observe.network import PAGE, ipv4
from berthmaster.capacity.observe.unread import Unread
from berthmaster.errors import MissingEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        PaginatorConfigTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
        VpcPeeringConnectionVpcInfoTypeDef,
    )

_PAGE_OF_100: "PaginatorConfigTypeDef" = {"PageSize": 100}
"""The largest page of DescribeRouteTables and GetManagedPrefixListEntries."""
_PROPAGATED = "EnableVgwRoutePropagation"


class PrefixLists:
    """Prefix lists for one snapshot, each read once. One that cannot be read has no entries, and is `unread`.

    A list of another account that is no longer shared stays in the routes and rules that name it.
    """

    def __init__(self, ec2: "EC2Client", unread: Unread) -> None:
        self._ec2 = ec2
        self._unread = unread
        self._entries: dict[str, tuple[IPv4Network, ...]] = {}
        self.unread: set[str] = set()

    def entries(self, prefix_list_id: str) -> tuple[IPv4Network, ...]:
        """The IPv4 blocks of a prefix list, the customer's or AWS's."""
        if prefix_list_id not in self._entries:
            try:
                self._entries[prefix_list_id] = self._read(prefix_list_id)
            except (ClientError, BotoCoreError) as error:
                self._unread.add(f"prefix list {prefix_list_id}", error)
                self.unread.add(prefix_list_id)
                self._entries[prefix_list_id] = ()
        return self._entries[prefix_list_id]

    def _read(self, prefix_list_id: str) -> tuple[IPv4Network, ...]:
        pages = self._ec2.get_paginator("get_managed_prefix_list_entries").paginate(
            PrefixListId=prefix_list_id, PaginationConfig=_PAGE_OF_100
        )
        return ipv4(entry["Cidr"] for page in pages for entry in page["Entries"])


def route_tables_of(ec2: "EC2Client", vpc_id: str, prefix_lists: PrefixLists) -> tuple[RouteTable, ...]:
    """All route tables of the VPC, also gateway route tables and propagated routes."""
    tables = describe_route_tables(ec2, [{"Name": "vpc-id", "Values": [vpc_id]}])
    return tuple(_route_table(table, prefix_lists) for table in tables)


def _route_table(table: "RouteTableTypeDef", prefix_lists: PrefixLists) -> RouteTable:
    associations = table["Associations"]
    destinations = [(route, destinations_of(route, prefix_lists)) for route in table["Routes"]]
    listed = {route["DestinationPrefixListId"] for route in table["Routes"] if "DestinationPrefixListId" in route}
    return RouteTable(
        id=table["RouteTableId"],
        main=any(association.get("Main") for association in associations),
        subnet_ids=tuple(one["SubnetId"] for one in associations if "SubnetId" in one),
        gateway_ids=tuple(one["GatewayId"] for one in associations if "GatewayId" in one),
        routes=tuple(
            Route(destination=destination, target=target_of(route))
            for route, found in destinations
            if route.get("GatewayId") != "local"
            for destination in found
        ),
        unread_lists=tuple(sorted(listed & prefix_lists.unread)),
        size=sum(len(found) for route, found in destinations if route.get("Origin") != _PROPAGATED),
    )


def describe_route_tables(ec2: "EC2Client", filters: "Sequence[FilterTypeDef]") -> "Iterator[RouteTableTypeDef]":
    """Route tables as EC2 returns them."""
    pages = ec2.get_paginator("describe_route_tables").paginate(Filters=filters, PaginationConfig=_PAGE_OF_100)
    for page in pages:
        yield from page["RouteTables"]


def destinations_of(route: "RouteTypeDef", prefix_lists: PrefixLists) -> tuple[IPv4Network, ...]:
    """The IPv4 destinations of a route: many if it names a prefix list, none if it is an IPv6 route."""
    if "DestinationPrefixListId" in route:
        return prefix_lists.entries(route["DestinationPrefixListId"])
    return (IPv4Network(route["DestinationCidrBlock"]),) if route.get("DestinationCidrBlock") else ()


def target_of(route: "RouteTypeDef") -> str:
    """The id of what a route leads to; "" for a kind of target that is not known here."""
    return (
        route.get("VpcPeeringConnectionId")
        or route.get("TransitGatewayId")
        or route.get("NatGatewayId")
        or route.get("NetworkInterfaceId")
        or route.get("CoreNetworkArn")
        or route.get("LocalGatewayId")
        or route.get("CarrierGatewayId")
        or route.get("GatewayId")
        or ""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peerings:
    """The VPC's peerings.

    ids: of those that carry traffic. peer_cidrs: their peers' blocks. request_pending: whether this VPC has requested a
    peering that is not accepted yet.
    """

    ids: tuple[str, ...] = ()
    peer_cidrs: tuple[IPv4Network, ...] = ()
    request_pending: bool = False


def peerings_of(ec2: "EC2Client", vpc_id: str) -> Peerings:
    """The peerings that the VPC has requested or accepted."""
    paginator = ec2.get_paginator("describe_vpc_peering_connections")
    peers: dict[str, tuple[IPv4Network, ...]] = {}
    pending = False
    for role in ("requester", "accepter"):
        filters: list[FilterTypeDef] = [{"Name": f"{role}-vpc-info.vpc-id", "Values": [vpc_id]}]
        for page in paginator.paginate(Filters=filters, PaginationConfig=PAGE):
            for peering in page["VpcPeeringConnections"]:
                state = peering["Status"]["Code"]
                is_requester = peering["RequesterVpcInfo"]["VpcId"] == vpc_id
                if state in {"active", "provisioning"}:
                    other = peering["AccepterVpcInfo" if is_requester else "RequesterVpcInfo"]
                    peers[peering["VpcPeeringConnectionId"]] = _cidrs(other, peering["VpcPeeringConnectionId"])
                pending = pending or (is_requester and state in {"initiating-request", "pending-acceptance"})
    return Peerings(
        ids=tuple(peers), peer_cidrs=tuple(cidr for cidrs in peers.values() for cidr in cidrs), request_pending=pending
    )


def _cidrs(side: "VpcPeeringConnectionVpcInfoTypeDef", peering_id: str) -> tuple[IPv4Network, ...]:
    every = [block["CidrBlock"] for block in side.get("CidrBlockSet", ())] or [
        block for block in [side.get("CidrBlock")] if block
    ]
    if not every:
        raise MissingEvidence(f"EC2 does not return the CIDRs of the other side of peering {peering_id}")
    return ipv4(every)
