"""How a VPC is connected: its route tables, the prefix lists in them, and its peerings."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.model import Route, RouteTable
from berthmaster.capacity.observe.network import PAGE, ipv4
from berthmaster.errors import MissingEvidence, is_transient
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


class PrefixLists:
    """Prefix lists for one snapshot, each read once."""

    def __init__(self, ec2: "EC2Client") -> None:
        self._ec2 = ec2
        self._entries: dict[str, tuple[IPv4Network, ...]] = {}

    def entries(self, prefix_list_id: str) -> tuple[IPv4Network, ...]:
        """The IPv4 blocks of a prefix list, the customer's or AWS's."""
        if prefix_list_id not in self._entries:
            pages = self._ec2.get_paginator("get_managed_prefix_list_entries").paginate(
                PrefixListId=prefix_list_id, PaginationConfig=_PAGE_OF_100
            )
            self._entries[prefix_list_id] = ipv4(entry["Cidr"] for page in pages for entry in page["Entries"])
        return self._entries[prefix_list_id]

    def entries_if_readable(self, prefix_list_id: str) -> tuple[IPv4Network, ...]:
        """As `entries`; none of a list that is no longer shared with this account, where they only lead to warnings."""
        try:
            return self.entries(prefix_list_id)
        except ClientError as error:
            if is_transient(error):
                raise
            logger.warning("prefix list not read", prefix_list=prefix_list_id, error=str(error))
            return ()


def route_tables_of(ec2: "EC2Client", vpc_id: str, prefix_lists: PrefixLists) -> tuple[RouteTable, ...]:
    """All route tables of the VPC, also gateway route tables and propagated routes."""
    return tuple(
        RouteTable(
            id=table["RouteTableId"],
            main=any(association.get("Main") for association in table["Associations"]),
            subnet_ids=tuple(
                association["SubnetId"] for association in table["Associations"] if "SubnetId" in association
            ),
            routes=tuple(
                Route(destination=destination, target=target_of(route))
                for route in table["Routes"]
                if route.get("GatewayId") != "local"
                for destination in destinations_of(route, prefix_lists.entries)
            ),
        )
        for table in describe_route_tables(ec2, [{"Name": "vpc-id", "Values": [vpc_id]}])
    )


def describe_route_tables(ec2: "EC2Client", filters: "Sequence[FilterTypeDef]") -> "Iterator[RouteTableTypeDef]":
    """Route tables as EC2 returns them."""
    pages = ec2.get_paginator("describe_route_tables").paginate(Filters=filters, PaginationConfig=_PAGE_OF_100)
    for page in pages:
        yield from page["RouteTables"]


def destinations_of(
    route: "RouteTypeDef", entries: "Callable[[str], tuple[IPv4Network, ...]]"
) -> tuple[IPv4Network, ...]:
    """The IPv4 destinations of a route: many if it names a prefix list, none if it is an IPv6 route.

    entries: of a prefix list.
    """
    if "DestinationPrefixListId" in route:
        return entries(route["DestinationPrefixListId"])
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
