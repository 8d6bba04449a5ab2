"""How a VPC is wired to others, and who outside its own CIDR list names address ranges."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.capacity.model import Mention, NetworkAcl, Route, RouteTable
from berthmaster.capacity.observe.network import PAGE, ipv4
from berthmaster.errors import MissingEvidence, code_of, is_final

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        IpPermissionOutputTypeDef,
        NetworkAclTypeDef,
        PaginatorConfigTypeDef,
        RouteTableTypeDef,
        RouteTypeDef,
        VpcPeeringConnectionVpcInfoTypeDef,
    )

ANYWHERE = IPv4Network("0.0.0.0/0")
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_PAGE_OF_100: "PaginatorConfigTypeDef" = {"PageSize": 100}
"""The most that DescribeRouteTables and GetManagedPrefixListEntries give."""


class PrefixLists:
    """Prefix lists of one observation, each read once."""

    def __init__(self, ec2: "EC2Client") -> None:
        self._ec2 = ec2
        self._entries: dict[str, tuple[IPv4Network, ...]] = {}

    def entries(self, prefix_list_id: str) -> tuple[IPv4Network, ...]:
        """The IPv4 blocks of a customer's or AWS's prefix list."""
        if prefix_list_id not in self._entries:
            pages = self._ec2.get_paginator("get_managed_prefix_list_entries").paginate(
                PrefixListId=prefix_list_id, PaginationConfig=_PAGE_OF_100
            )
            self._entries[prefix_list_id] = ipv4(entry["Cidr"] for page in pages for entry in page["Entries"])
        return self._entries[prefix_list_id]


# Route tables


def route_tables_of(ec2: "EC2Client", vpc_id: str, prefix_lists: PrefixLists) -> tuple[RouteTable, ...]:
    """All route tables of the VPC, gateway route tables and propagated routes included."""
    return tuple(
        RouteTable(
            id=table["RouteTableId"],
            main=any(association.get("Main") for association in table["Associations"]),
            subnet_ids=tuple(
                association["SubnetId"] for association in table["Associations"] if "SubnetId" in association
            ),
            routes=tuple(
                Route(destination=destination, target=_target(route))
                for route in table["Routes"]
                if route.get("GatewayId") != "local"
                for destination in _destinations(route, prefix_lists)
            ),
        )
        for table in _route_tables(ec2, [{"Name": "vpc-id", "Values": [vpc_id]}])
    )


def _route_tables(ec2: "EC2Client", filters: "Sequence[FilterTypeDef]") -> "Iterator[RouteTableTypeDef]":
    pages = ec2.get_paginator("describe_route_tables").paginate(Filters=filters, PaginationConfig=_PAGE_OF_100)
    for page in pages:
        yield from page["RouteTables"]


def _destinations(route: "RouteTypeDef", prefix_lists: PrefixLists) -> tuple[IPv4Network, ...]:
    if "DestinationPrefixListId" in route:
        return prefix_lists.entries(route["DestinationPrefixListId"])
    return (IPv4Network(route["DestinationCidrBlock"]),) if route.get("DestinationCidrBlock") else ()


def _target(route: "RouteTypeDef") -> str:
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


# Network ACLs


def network_acls_of(ec2: "EC2Client", vpc_id: str) -> tuple[tuple[NetworkAcl, ...], tuple[Mention, ...]]:
    """The network ACLs of the VPC, and the ranges their entries name."""
    pages = ec2.get_paginator("describe_network_acls").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}], PaginationConfig=PAGE
    )
    acls = [acl for page in pages for acl in page["NetworkAcls"]]
    return (
        tuple(
            NetworkAcl(
                id=acl["NetworkAclId"],
                subnet_ids=tuple(association["SubnetId"] for association in acl["Associations"]),
            )
            for acl in acls
        ),
        tuple(mention for acl in acls for mention in _acl_mentions(acl)),
    )


def _acl_mentions(acl: "NetworkAclTypeDef") -> Iterator[Mention]:
    for entry in acl["Entries"]:
        direction = "outbound" if entry["Egress"] else "inbound"
        where = f"network ACL {acl['NetworkAclId']} {direction} rule {entry['RuleNumber']}"
        yield from _mentions(where, ipv4([entry["CidrBlock"]] if entry.get("CidrBlock") else []))


# Peerings


@dataclass(frozen=True, slots=True, kw_only=True)
class Peerings:
    """The VPC's peerings: `ids` of those that carry traffic, and their peers' blocks."""

    ids: tuple[str, ...] = ()
    peer_cidrs: tuple[IPv4Network, ...] = ()
    request_pending: bool = False
    """Whether this VPC has asked for a peering that is not accepted yet."""


def peerings_of(ec2: "EC2Client", vpc_id: str) -> Peerings:
    """Both the peerings it asked for and those it was asked for."""
    paginator = ec2.get_paginator("describe_vpc_peering_connections")
    peers: dict[str, tuple[IPv4Network, ...]] = {}
    pending = False
    for role in ("requester", "accepter"):
        filters: list[FilterTypeDef] = [{"Name": f"{role}-vpc-info.vpc-id", "Values": [vpc_id]}]
        for page in paginator.paginate(Filters=filters, PaginationConfig=PAGE):
            for peering in page["VpcPeeringConnections"]:
                state = peering["Status"]["Code"]
                asked_by_it = peering["RequesterVpcInfo"]["VpcId"] == vpc_id
                if state in {"active", "provisioning"}:
                    other = peering["AccepterVpcInfo" if asked_by_it else "RequesterVpcInfo"]
                    peers[peering["VpcPeeringConnectionId"]] = _cidrs(other, peering["VpcPeeringConnectionId"])
                pending = pending or (asked_by_it and state in {"initiating-request", "pending-acceptance"})
    return Peerings(
        ids=tuple(peers), peer_cidrs=tuple(cidr for cidrs in peers.values() for cidr in cidrs), request_pending=pending
    )


def _cidrs(side: "VpcPeeringConnectionVpcInfoTypeDef", peering_id: str) -> tuple[IPv4Network, ...]:
    every = [block["CidrBlock"] for block in side.get("CidrBlockSet", ())] or [
        block for block in [side.get("CidrBlock")] if block
    ]
    if not every:
        raise MissingEvidence(f"peering {peering_id} does not tell the CIDRs of the other side")
    return ipv4(every)


# Who names address ranges


def security_group_mentions(ec2: "EC2Client", vpc_id: str, prefix_lists: PrefixLists) -> Iterator[Mention]:
    """The ranges in rules of the VPC's security groups."""
    pages = ec2.get_paginator("describe_security_groups").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}], PaginationConfig=PAGE
    )
    for page in pages:
        for group in page["SecurityGroups"]:
            name = f"security group {group['GroupId']}"
            for permission in group["IpPermissions"]:
                yield from _mentions(f"{name} inbound", _ranges(permission, prefix_lists))
            for permission in group["IpPermissionsEgress"]:
                yield from _mentions(f"{name} outbound", _ranges(permission, prefix_lists))


def _ranges(permission: "IpPermissionOutputTypeDef", prefix_lists: PrefixLists) -> Iterator[IPv4Network]:
    yield from ipv4(entry["CidrIp"] for entry in permission.get("IpRanges", ()))
    for entry in permission.get("PrefixListIds", ()):
        yield from prefix_lists.entries(entry["PrefixListId"])


def routes_elsewhere(
    ec2: "EC2Client",
    vpc_id: str,
    *,
    peering_ids: Sequence[str],
    gateway_ids: Sequence[str],
    prefix_lists: PrefixLists,
) -> Iterator[Mention]:
    """The destinations that other VPCs of the account send to this VPC's peerings and transit gateways."""
    targets = {"route.vpc-peering-connection-id": peering_ids, "route.transit-gateway-id": gateway_ids}
    for name, ids in targets.items():
        if not ids:
            continue
        for table in _route_tables(ec2, [{"Name": name, "Values": list(ids)}]):
            if table["VpcId"] == vpc_id:
                continue
            where = f"route table {table['RouteTableId']} of {table['VpcId']}"
            for route in table["Routes"]:
                if _target(route) in ids:
                    yield from _mentions(where, _destinations(route, prefix_lists))


def transit_gateways_of(ec2: "EC2Client", vpc_id: str) -> tuple[str, ...]:
    """The transit gateways the VPC is attached to; none where that may not be read."""
    with _unless_unreadable():
        pages = ec2.get_paginator("describe_transit_gateway_vpc_attachments").paginate(
            Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "state", "Values": ["available"]}],
            PaginationConfig=PAGE,
        )
        attachments = [one for page in pages for one in page["TransitGatewayVpcAttachments"]]
        return tuple(sorted({one["TransitGatewayId"] for one in attachments}))
    return ()


def transit_routes(ec2: "EC2Client", vpc_id: str, gateway_ids: Sequence[str]) -> Iterator[Mention]:
    """The ranges that transit gateway route tables send to the VPC; none where those may not be read."""
    if not gateway_ids:
        return
    with _unless_unreadable():
        pages = ec2.get_paginator("describe_transit_gateway_route_tables").paginate(
            Filters=[{"Name": "transit-gateway-id", "Values": list(gateway_ids)}], PaginationConfig=PAGE
        )
        for table_id in [
            table["TransitGatewayRouteTableId"] for page in pages for table in page["TransitGatewayRouteTables"]
        ]:
            answer = ec2.search_transit_gateway_routes(
                TransitGatewayRouteTableId=table_id,
                Filters=[{"Name": "attachment.resource-id", "Values": [vpc_id]}],
            )
            destinations = (route.get("DestinationCidrBlock", "") for route in answer["Routes"])
            yield from _mentions(f"transit gateway route table {table_id}", ipv4(filter(None, destinations)))


@contextmanager
def _unless_unreadable() -> Iterator[None]:
    """Go on without what this account may not read; transit gateways often belong to another one."""
    try:
        yield
    except ClientError as error:
        if not is_final(error) and code_of(error) not in _DENIED:
            raise


def _mentions(where: str, cidrs: Iterable[IPv4Network]) -> Iterator[Mention]:
    return (Mention(where=where, cidr=cidr) for cidr in cidrs if cidr != ANYWHERE)
