"""Subnets: where they may lie, how many there may be, what they may be asked."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from simulator.aws.ec2.association_rules import overlap, span, within
from simulator.aws.ec2.filters import select
from simulator.aws.ec2.vpcs import live_cidrs
from simulator.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.cloud import Answers, Cloud

type Params = Mapping[str, Any]

SUBNETS_PER_VPC = "L-407747CB"
LARGEST, SMALLEST = 16, 28

FIELDS = {
    "subnet-id": lambda subnet: [subnet.id],
    "vpc-id": lambda subnet: [subnet.vpc_id],
    "state": lambda subnet: [subnet.state],
    "availability-zone": lambda subnet: [subnet.availability_zone],
    "availability-zone-id": lambda subnet: [subnet.availability_zone_id],
    "cidr-block": lambda subnet: [subnet.cidr_block],
    "cidr": lambda subnet: [subnet.cidr_block],
    "default-for-az": lambda subnet: [str(subnet.default_for_az).lower()],
    "map-public-ip-on-launch": lambda subnet: [str(subnet.map_public_ip_on_launch).lower()],
    "owner-id": lambda subnet: [subnet.owner_id],
    "subnet-arn": lambda subnet: [subnet.arn],
}

RESERVATION_FIELDS = {
    "reservationType": lambda item: [item.reservation_type],
    "subnet-id": lambda item: [item.subnet_id],
}

# ModifySubnetAttribute parameter -> (attribute of moto's Subnet, or key of its private DNS options)
ATTRIBUTES = {
    "AssignIpv6AddressOnCreation": "assign_ipv6_address_on_creation",
    "MapPublicIpOnLaunch": "map_public_ip_on_launch",
    "EnableDns64": "enable_dns64",
    "MapCustomerOwnedIpOnLaunch": "map_customer_owned_ip_on_launch",
}
DNS_OPTIONS = {
    "PrivateDnsHostnameTypeOnLaunch": "HostnameType",
    "EnableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecord",
    "EnableResourceNameDnsAAAARecordOnLaunch": "EnableResourceNameDnsAAAARecord",
}


def describe_subnets(cloud: Cloud, params: Params) -> dict[str, Any]:
    """DescribeSubnets, from moto's state and this simulator's address books."""
    wanted = params.get("SubnetIds", [])
    subnets = [cloud.subnet(subnet_id) for subnet_id in wanted] if wanted else cloud.all_subnets()
    chosen = select(subnets, params.get("Filters", []), FIELDS, lambda subnet: cloud.tags(subnet.id))
    return {"Subnets": [described(cloud, subnet) for subnet in chosen]}


def described(cloud: Cloud, subnet: Any) -> dict[str, Any]:
    """One subnet (a moto Subnet) as DescribeSubnets shows it."""
    return {
        "AvailabilityZoneId": subnet.availability_zone_id,
        "MapCustomerOwnedIpOnLaunch": getattr(subnet, "map_customer_owned_ip_on_launch", False),
        "OwnerId": subnet.owner_id,
        "AssignIpv6AddressOnCreation": subnet.assign_ipv6_address_on_creation,
        "Ipv6CidrBlockAssociationSet": [],
        "Tags": cloud.tag_list(subnet.id),
        "SubnetArn": subnet.arn,
        "EnableDns64": getattr(subnet, "enable_dns64", False),
        "Ipv6Native": subnet.ipv6_native,
        "PrivateDnsNameOptionsOnLaunch": dict(subnet.private_dns_name_options_on_launch),
        "SubnetId": subnet.id,
        "State": subnet.state,
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr_block,
        "AvailableIpAddressCount": cloud.interfaces.book(subnet).free,
        "AvailabilityZone": subnet.availability_zone,
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
    }


def create_subnet(cloud: Cloud, params: Params) -> dict[str, Any] | None:
    """CreateSubnet for IPv4: inside an associated block, free of overlap, within the quota; `pending` at first."""
    if params.get("Ipv6Native") or "Ipv4IpamPoolId" in params:
        return None
    vpc = cloud.ec2.get_vpc(params["VpcId"])
    cidr = _checked_cidr(params)
    siblings = cloud.subnets_of(vpc.id)
    if not any(within(span(cidr), span(block)) for block in live_cidrs(vpc, ("associated",))):
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    if any(overlap(span(cidr), span(subnet.cidr_block)) for subnet in siblings):
        raise AwsError("InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet")
    if len(siblings) >= cloud.quotas.value(SUBNETS_PER_VPC):
        raise AwsError("SubnetLimitExceeded", "The maximum number of subnets has been reached.")
    zone = _zone(cloud, params)
    cloud.stop_dry_run(params)
    subnet = cloud.ec2.create_subnet(vpc.id, cidr, availability_zone=zone, tags={"subnet": _tags(params)})
    subnet.default_for_az = subnet.map_public_ip_on_launch = False
    subnet.state = "pending"
    cloud.later(cloud.subnet_delay, lambda: setattr(subnet, "state", "available"))
    return {"Subnet": described(cloud, subnet)}


def _checked_cidr(params: Params) -> str:
    if "CidrBlock" not in params:
        raise AwsError("MissingParameter", "The request must contain the parameter cidrBlock")
    try:
        network = ipaddress.IPv4Network(params["CidrBlock"], strict=False)
    except ValueError:
        message = f"Value ({params['CidrBlock']}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        raise AwsError("InvalidParameterValue", message) from None
    if not LARGEST <= network.prefixlen <= SMALLEST:
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{network}' is invalid.")
    return str(network)


def _zone(cloud: Cloud, params: Params) -> str:
    zones = cloud.ec2.describe_availability_zones()
    name, zone_id = params.get("AvailabilityZone"), params.get("AvailabilityZoneId")
    for zone in zones:
        if zone.name == name or zone.zone_id == zone_id or (name is None and zone_id is None):
            return str(zone.name)
    raise AwsError(
        "InvalidParameterValue",
        f"Value ({name or zone_id}) for parameter availabilityZone is invalid. Subnets can currently only be created "
        f"in the following availability zones: {', '.join(zone.name for zone in zones)}.",
    )


def _tags(params: Params) -> dict[str, str]:
    return {
        tag["Key"]: tag["Value"]
        for specification in params.get("TagSpecifications", [])
        if specification["ResourceType"] == "subnet"
        for tag in specification["Tags"]
    }


def delete_subnet(cloud: Cloud, params: Params) -> dict[str, Any]:
    """DeleteSubnet: refused while a network interface is in it; its associations end with it."""
    subnet = cloud.subnet(params["SubnetId"])
    if cloud.interfaces.of_subnet(subnet.id):
        raise AwsError("DependencyViolation", f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
    cloud.stop_dry_run(params)
    cloud.ec2.delete_subnet(subnet.id)
    cloud.ec2.tags.pop(subnet.id, None)
    for table in cloud.ec2.route_tables.values():
        for association_id, target in list(table._associations.items()):
            if target == subnet.id:
                del table._associations[association_id]
    for acl in cloud.ec2.network_acls.values():
        for association_id, association in list(acl._associations.items()):
            if association.subnet_id == subnet.id:
                del acl._associations[association_id]
    return {}


def modify_subnet_attribute(cloud: Cloud, params: Params) -> dict[str, Any]:
    """ModifySubnetAttribute: every attribute moto leaves out, and one attribute a call, as AWS demands."""
    subnet = cloud.subnet(params["SubnetId"])
    asked = [name for name in (*ATTRIBUTES, *DNS_OPTIONS) if name in params]
    if not asked:
        raise AwsError("InvalidParameterCombination", "No attributes specified.")
    if len(asked) > 1:
        raise AwsError("InvalidParameterCombination", "Only one subnet attribute can be modified at a time.")
    name = asked[0]
    value = params[name] if name == "PrivateDnsHostnameTypeOnLaunch" else params[name]["Value"]
    if name in ATTRIBUTES:
        setattr(subnet, ATTRIBUTES[name], value)
    else:
        subnet.private_dns_name_options_on_launch[DNS_OPTIONS[name]] = value
    return {}


def get_subnet_cidr_reservations(cloud: Cloud, params: Params) -> dict[str, Any]:
    """GetSubnetCidrReservations, from moto's state."""
    cloud.stop_dry_run(params)
    reservations = cloud.subnet(params["SubnetId"])._cidr_reservations
    shown = select(reservations, params.get("Filters", []), RESERVATION_FIELDS, lambda item: cloud.tags(item.id))
    by_version: dict[int, list[dict[str, Any]]] = {4: [], 6: []}
    for item in shown:
        by_version[item.cidr.version].append(
            {
                "SubnetCidrReservationId": item.id,
                "SubnetId": item.subnet_id,
                "Cidr": str(item.cidr),
                "ReservationType": item.reservation_type,
                "OwnerId": item.owner_id,
                "Tags": cloud.tag_list(item.id),
            }
        )
    return {"SubnetIpv4CidrReservations": by_version[4], "SubnetIpv6CidrReservations": by_version[6]}


ANSWERS: Answers = {
    "ec2:GetSubnetCidrReservations": get_subnet_cidr_reservations,
    "ec2:DescribeSubnets": describe_subnets,
    "ec2:CreateSubnet": create_subnet,
    "ec2:DeleteSubnet": delete_subnet,
    "ec2:ModifySubnetAttribute": modify_subnet_attribute,
}
