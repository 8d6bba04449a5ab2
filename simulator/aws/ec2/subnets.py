"""Subnets: their CIDR rules, their quota, their attributes and CIDR reservations."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from moto.ec2.models.availability_zones_and_regions import Zone

from simulator.aws.ec2.addresses import Interfaces
from simulator.aws.ec2.association_rules import overlap, span, within
from simulator.aws.ec2.filters import select
from simulator.aws.ec2.lookup import all_subnets, find_subnet, subnets_of, tag_list, tags_of
from simulator.aws.ec2.vpcs import live_cidrs, owner_of
from simulator.aws.service_quotas.quotas import Quotas
from simulator.errors import AwsError, stop_dry_run

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params


SUBNETS_PER_VPC = "L-407747CB"
LARGEST, SMALLEST = 16, 28
LOCAL_ZONES = {"ham-1a": "local-zone", "wl1-ber-wlz-1": "wavelength-zone"}
"""Zones outside the Region that the account has opted into, by the end of their names."""


class Creations:
    """How subnets are created. delay: seconds for which a new one stays `pending`."""

    def __init__(self, _: Account) -> None:
        self.delay = 2.0


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


def describe_subnets(account: Account, params: Params) -> dict[str, Any]:
    """DescribeSubnets, from moto's state and this simulator's address pools."""
    wanted = params.get("SubnetIds", [])
    subnets = [find_subnet(account, subnet_id) for subnet_id in wanted] if wanted else all_subnets(account)
    chosen = select(subnets, params.get("Filters", []), FIELDS, lambda subnet: tags_of(account, subnet.id))
    return {"Subnets": [described(account, subnet) for subnet in chosen]}


def described(account: Account, subnet: Any) -> dict[str, Any]:
    """One subnet (a moto Subnet) as DescribeSubnets shows it."""
    return {
        "AvailabilityZoneId": subnet.availability_zone_id,
        "MapCustomerOwnedIpOnLaunch": getattr(subnet, "map_customer_owned_ip_on_launch", False),
        "OwnerId": subnet.owner_id,
        "AssignIpv6AddressOnCreation": subnet.assign_ipv6_address_on_creation,
        "Ipv6CidrBlockAssociationSet": [
            {
                "AssociationId": one["associationId"],
                "Ipv6CidrBlock": cidr,
                "Ipv6CidrBlockState": {"State": "associated"},
            }
            for cidr, one in _ipv6_associations(subnet).items()
        ],
        "Tags": tag_list(account, subnet.id),
        "SubnetArn": subnet.arn,
        "EnableDns64": getattr(subnet, "enable_dns64", False),
        "Ipv6Native": subnet.ipv6_native,
        "PrivateDnsNameOptionsOnLaunch": dict(subnet.private_dns_name_options_on_launch),
        "SubnetId": subnet.id,
        "State": subnet.state,
        "VpcId": subnet.vpc_id,
        "CidrBlock": subnet.cidr_block,
        "AvailableIpAddressCount": account.state(Interfaces).pool_of(subnet).free,
        "AvailabilityZone": subnet.availability_zone,
        "DefaultForAz": subnet.default_for_az,
        "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
        **({"OutpostArn": subnet.outpost_arn} if hasattr(subnet, "outpost_arn") else {}),
    }


def _ipv6_associations(subnet: Any) -> dict[str, Any]:
    return {one["ipv6CidrBlock"]: one for one in subnet.ipv6_cidr_block_associations.values()}


def create_subnet(account: Account, params: Params) -> dict[str, Any] | None:
    """CreateSubnet for IPv4: inside an associated block, free of overlap, within the quota; `pending` at first."""
    if params.get("Ipv6Native") or "Ipv4IpamPoolId" in params:
        return None
    vpc = account.backend("ec2").get_vpc(params["VpcId"])
    if owner_of(vpc) != account.account_id:
        raise AwsError("UnauthorizedOperation", "You are not authorized to perform this operation.")
    cidr = _checked_cidr(params)
    siblings = subnets_of(account, vpc.id)
    if not any(within(span(cidr), span(block)) for block in live_cidrs(vpc, ("associated",))):
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")
    if any(overlap(span(cidr), span(subnet.cidr_block)) for subnet in siblings):
        raise AwsError("InvalidSubnet.Conflict", f"The CIDR '{cidr}' conflicts with another subnet")
    if len(siblings) >= account.state(Quotas).value(SUBNETS_PER_VPC):
        raise AwsError("SubnetLimitExceeded", "The maximum number of subnets has been reached.")
    zone = _zone(account, params)
    ipv6 = _checked_ipv6(vpc, siblings, params)
    stop_dry_run(params)
    subnet = account.backend("ec2").create_subnet(
        vpc.id, cidr, availability_zone=f"{account.region}a", tags={"subnet": _tags(params)}
    )
    subnet._availability_zone = zone
    if ipv6:
        subnet.attach_ipv6_cidr_block_associations(ipv6)
    if "OutpostArn" in params:
        subnet.outpost_arn = params["OutpostArn"]
    subnet.default_for_az = subnet.map_public_ip_on_launch = False
    subnet.state = "pending"
    account.later(account.state(Creations).delay, lambda: setattr(subnet, "state", "available"))
    return {"Subnet": described(account, subnet)}


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


def _checked_ipv6(vpc: Any, siblings: list[Any], params: Params) -> str:
    """The /64 that is asked for; "" for none."""
    if "Ipv6CidrBlock" not in params:
        return ""
    network = ipaddress.IPv6Network(params["Ipv6CidrBlock"])
    blocks = [ipaddress.IPv6Network(item["cidr_block"]) for item in vpc.get_cidr_block_association_set(ipv6=True)]
    taken = [ipaddress.IPv6Network(cidr) for subnet in siblings for cidr in _ipv6_associations(subnet)]
    if not any(network.subnet_of(block) for block in blocks):
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{network}' is invalid.")
    if any(network.overlaps(other) for other in taken):
        raise AwsError("InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet")
    return str(network)


def _zone(account: Account, params: Params) -> Zone:
    local = [
        Zone(f"{account.region}-{name}", account.region, f"{account.region}-{name}", zone_type=kind)
        for name, kind in LOCAL_ZONES.items()
    ]
    zones = [*account.backend("ec2").describe_availability_zones(), *local]
    name, zone_id = params.get("AvailabilityZone"), params.get("AvailabilityZoneId")
    zone: Zone
    for zone in zones:
        if zone.name == name or zone.zone_id == zone_id or (name is None and zone_id is None):
            return zone
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


def delete_subnet(account: Account, params: Params) -> dict[str, Any]:
    """DeleteSubnet: refused while a network interface is in it; its associations end with it."""
    subnet = find_subnet(account, params["SubnetId"])
    if account.state(Interfaces).of_subnet(subnet.id):
        raise AwsError("DependencyViolation", f"The subnet '{subnet.id}' has dependencies and cannot be deleted.")
    stop_dry_run(params)
    account.backend("ec2").delete_subnet(subnet.id)
    account.backend("ec2").tags.pop(subnet.id, None)
    for table in account.backend("ec2").route_tables.values():
        for association_id, target in list(table._associations.items()):
            if target == subnet.id:
                del table._associations[association_id]
    for acl in account.backend("ec2").network_acls.values():
        for association_id, association in list(acl._associations.items()):
            if association.subnet_id == subnet.id:
                del acl._associations[association_id]
    return {}


def modify_subnet_attribute(account: Account, params: Params) -> dict[str, Any]:
    """ModifySubnetAttribute: every attribute moto leaves out, and one attribute a call, as AWS demands."""
    subnet = find_subnet(account, params["SubnetId"])
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


def get_subnet_cidr_reservations(account: Account, params: Params) -> dict[str, Any]:
    """GetSubnetCidrReservations, from moto's state."""
    stop_dry_run(params)
    reservations = find_subnet(account, params["SubnetId"])._cidr_reservations
    shown = select(reservations, params.get("Filters", []), RESERVATION_FIELDS, lambda item: tags_of(account, item.id))
    by_version: dict[int, list[dict[str, Any]]] = {4: [], 6: []}
    for item in shown:
        by_version[item.cidr.version].append(
            {
                "SubnetCidrReservationId": item.id,
                "SubnetId": item.subnet_id,
                "Cidr": str(item.cidr),
                "ReservationType": item.reservation_type,
                "OwnerId": item.owner_id,
                "Tags": tag_list(account, item.id),
            }
        )
    return {"SubnetIpv4CidrReservations": by_version[4], "SubnetIpv6CidrReservations": by_version[6]}


HANDLERS: Handlers = {
    "ec2:GetSubnetCidrReservations": get_subnet_cidr_reservations,
    "ec2:DescribeSubnets": describe_subnets,
    "ec2:CreateSubnet": create_subnet,
    "ec2:DeleteSubnet": delete_subnet,
    "ec2:ModifySubnetAttribute": modify_subnet_attribute,
}
