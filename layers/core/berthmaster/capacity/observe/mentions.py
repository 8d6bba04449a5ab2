"""What names address ranges: rules of security groups and network ACLs, routes of other VPCs and transit gateways."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from berthmaster.capacity.model.vpc import Mention, NetworkAcl
from berthmaster.capacity.observe.network import PAGE, ipv4
from berthmaster.capacity.observe.routing import PrefixLists, describe_route_tables, destinations_of, target_of
from berthmaster.errors import MissingEvidence

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import IpPermissionOutputTypeDef, NetworkAclTypeDef, TransitGatewayRouteTypeDef

_MOST_TRANSIT_ROUTES = 1000
"""SearchTransitGatewayRoutes returns as many by default, and never more."""
ANYWHERE = IPv4Network("0.0.0.0/0")


def network_acls_of(ec2: "EC2Client", vpc_id: str) -> tuple[tuple[NetworkAcl, ...], tuple[Mention, ...]]:
    """The network ACLs of the VPC, and the ranges in their entries."""
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


def security_group_mentions(ec2: "EC2Client", vpc_id: str, prefix_lists: PrefixLists) -> Iterator[Mention]:
    """The ranges in rules of the VPC's security groups."""
    pages = ec2.get_paginator("describe_security_groups").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}], PaginationConfig=PAGE
    )
    for page in pages:
        for group in page["SecurityGroups"]:
            name = f"security group {group['GroupId']}"
            for permission in group["IpPermissions"]:
                yield from _mentions(f"{name} inbound {_traffic(permission)}", _ranges(permission, prefix_lists))
            for permission in group["IpPermissionsEgress"]:
                yield from _mentions(f"{name} outbound {_traffic(permission)}", _ranges(permission, prefix_lists))


def _traffic(permission: "IpPermissionOutputTypeDef") -> str:
    """Which traffic a rule is about; other rules of the group may name other ranges for other traffic."""
    protocol = permission["IpProtocol"]
    if protocol == "-1":
        return "all traffic"
    first, last = permission.get("FromPort", -1), permission.get("ToPort", -1)
    ports = str(first) if first == last else f"{first}-{last}"
    return protocol if first == -1 else f"{protocol} {ports}"


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
    """The destinations that other VPCs of the account route to this VPC's peerings and transit gateways."""
    targets = {"route.vpc-peering-connection-id": peering_ids, "route.transit-gateway-id": gateway_ids}
    for name, ids in targets.items():
        if not ids:
            continue
        for table in describe_route_tables(ec2, [{"Name": name, "Values": list(ids)}]):
            if table["VpcId"] == vpc_id:
                continue
            where = f"route table {table['RouteTableId']} of {table['VpcId']}"
            for route in table["Routes"]:
                if target_of(route) in ids:
                    yield from _mentions(where, destinations_of(route, prefix_lists))


def transit_gateways_of(ec2: "EC2Client", vpc_id: str) -> Iterator[str]:
    """The transit gateways that the VPC is attached to."""
    pages = ec2.get_paginator("describe_transit_gateway_vpc_attachments").paginate(
        Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "state", "Values": ["available"]}],
        PaginationConfig=PAGE,
    )
    for page in pages:
        yield from (one["TransitGatewayId"] for one in page["TransitGatewayVpcAttachments"])


def transit_routes(
    ec2: "EC2Client", vpc_id: str, gateway_ids: Sequence[str], prefix_lists: PrefixLists
) -> Iterator[Mention]:
    """The ranges that transit gateway route tables route to the VPC; the tables are often another account's.

    AWS documents that a VPC attachment propagates the VPC's blocks, and not when it propagates one that is added later.
    """
    if not gateway_ids:
        return
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
        for route in answer["Routes"]:
            how = " (propagated)" if route.get("Type") == "propagated" else ""
            yield from _mentions(f"transit gateway route table {table_id}{how}", _transit_ranges(route, prefix_lists))
        if answer.get("AdditionalRoutesAvailable"):
            raise MissingEvidence(f"{table_id} has more than {_MOST_TRANSIT_ROUTES} routes to {vpc_id}")


def _transit_ranges(route: "TransitGatewayRouteTypeDef", prefix_lists: PrefixLists) -> tuple[IPv4Network, ...]:
    if destination := route.get("DestinationCidrBlock"):
        return ipv4([destination])
    return prefix_lists.entries(route["PrefixListId"]) if "PrefixListId" in route else ()


def _mentions(where: str, cidrs: Iterable[IPv4Network]) -> Iterator[Mention]:
    return (Mention(where=where, cidr=cidr) for cidr in cidrs if cidr != ANYWHERE)
