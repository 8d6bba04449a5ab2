"""VPCs, subnets, interfaces, reservations and IPAM pools: EC2's answers as values, read in pages of 1,000."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.capacity.model.tags import BLOCK_TAG, CIDR_TAG, EXPANSION_TAG, MANAGED, MANAGED_TAG, SIBLING_TAG
from berthmaster.capacity.model.vpc import Association, IpamPool, Reservation, Subnet, SubnetAttributes
from berthmaster.errors import code_of, is_denied, is_transient

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import (
        FilterTypeDef,
        IpamPoolTypeDef,
        PaginatorConfigTypeDef,
        SubnetTypeDef,
        VpcTypeDef,
    )
    from mypy_boto3_sts import STSClient

PAGE: "PaginatorConfigTypeDef" = {"PageSize": 1000}
_UNUSABLE_POOL = frozenset(
    {
        "create-in-progress",
        "create-failed",
        "delete-in-progress",
        "delete-complete",
        "isolate-in-progress",
        "isolate-complete",
    }
)
_OF_ADDED = frozenset({BLOCK_TAG, CIDR_TAG, EXPANSION_TAG, SIBLING_TAG})
VALUES_PER_FILTER = 200
"""EC2 takes at most 200 values in one filter."""


def managed_vpcs(ec2: "EC2Client") -> "list[VpcTypeDef]":
    """Every VPC that Berthmaster may manage."""
    return _vpcs(ec2, [{"Name": f"tag:{MANAGED_TAG}", "Values": [MANAGED]}])


def tags_of_vpcs(ec2: "EC2Client") -> dict[str, dict[str, str]]:
    """The tags of every VPC of the account and Region, managed or not, by its id."""
    return {vpc["VpcId"]: tags_of(vpc.get("Tags", ())) for vpc in _vpcs(ec2, [])}


def neighbours_of(ec2: "EC2Client", vpc_id: str) -> Iterator[IPv4Network]:
    """The CIDRs of all other VPCs in the account and Region."""
    for page in ec2.get_paginator("describe_vpcs").paginate(PaginationConfig=PAGE):
        others = (vpc for vpc in page["Vpcs"] if vpc["VpcId"] != vpc_id)
        yield from (one.cidr for vpc in others for one in associations_of(vpc) if one.holds_space)


def one_vpc(ec2: "EC2Client", vpc_id: str) -> "VpcTypeDef | None":
    """The VPC with this id, managed or not; None if it is gone."""
    return next(iter(_vpcs(ec2, [{"Name": "vpc-id", "Values": [vpc_id]}])), None)


def _vpcs(ec2: "EC2Client", filters: "Sequence[FilterTypeDef]") -> "list[VpcTypeDef]":
    pages = ec2.get_paginator("describe_vpcs").paginate(Filters=filters, PaginationConfig=PAGE)
    return [vpc for page in pages for vpc in page["Vpcs"]]


def associations_of(vpc: "VpcTypeDef") -> tuple[Association, ...]:
    """Its IPv4 blocks, the primary one first."""
    found = (
        Association(
            id=association["AssociationId"],
            cidr=IPv4Network(association["CidrBlock"]),
            state=association["CidrBlockState"]["State"],
        )
        for association in vpc["CidrBlockAssociationSet"]
    )
    primary = IPv4Network(vpc["CidrBlock"])
    return tuple(sorted(found, key=lambda association: association.cidr != primary))


def subnets_of(ec2: "EC2Client", vpc_ids: Iterable[str]) -> list[Subnet]:
    """The subnets of these VPCs that have IPv4 addresses."""
    return with_ipv4(describe_subnets(ec2, vpc_ids))


def describe_subnets(ec2: "EC2Client", vpc_ids: Iterable[str]) -> "list[SubnetTypeDef]":
    """The subnets of these VPCs as EC2 returns them."""
    paginator = ec2.get_paginator("describe_subnets")
    return [
        subnet
        for filters in _by_vpc(vpc_ids)
        for page in paginator.paginate(Filters=filters, PaginationConfig=PAGE)
        for subnet in page["Subnets"]
    ]


def with_ipv4(subnets: "Iterable[SubnetTypeDef]") -> list[Subnet]:
    """Those that have IPv4 addresses: an IPv6-only subnet has none that could run out."""
    return [_subnet(subnet) for subnet in subnets if subnet.get("CidrBlock")]


def ipv6_of(resource: "SubnetTypeDef | VpcTypeDef") -> tuple[IPv6Network, ...]:
    """The IPv6 ranges of a subnet or a VPC."""
    return tuple(
        IPv6Network(one["Ipv6CidrBlock"])
        for one in resource.get("Ipv6CidrBlockAssociationSet", ())
        if one["Ipv6CidrBlockState"]["State"] in {"associating", "associated"}
    )


def own_account(sts: "STSClient") -> Iterator[str]:
    """The account that this function runs in."""
    yield sts.get_caller_identity()["Account"]


def _subnet(subnet: "SubnetTypeDef") -> Subnet:
    hostnames = subnet.get("PrivateDnsNameOptionsOnLaunch", {})
    return Subnet(
        id=subnet["SubnetId"],
        vpc_id=subnet["VpcId"],
        zone=subnet["AvailabilityZone"],
        cidr=IPv4Network(subnet["CidrBlock"]),
        free=subnet["AvailableIpAddressCount"],
        state=subnet["State"],
        attributes=SubnetAttributes(
            map_public_ip_on_launch=subnet.get("MapPublicIpOnLaunch", False),
            enable_dns64=subnet.get("EnableDns64", False),
            private_dns_hostname_type=hostnames.get("HostnameType", "ip-name"),
            resource_name_dns_a_record=hostnames.get("EnableResourceNameDnsARecord", False),
            resource_name_dns_aaaa_record=hostnames.get("EnableResourceNameDnsAAAARecord", False),
            assign_ipv6_address_on_creation=subnet.get("AssignIpv6AddressOnCreation", False),
        ),
        tags=_without_copied(tags_of(subnet.get("Tags", ())), subnet["CidrBlock"]),
        outpost_arn=subnet.get("OutpostArn", ""),
        ipv6_cidrs=ipv6_of(subnet),
    )


def _without_copied(tags: Mapping[str, str], cidr: str) -> Mapping[str, str]:
    """The tags of a subnet, without those that a person has copied from a subnet that Berthmaster added."""
    if tags.get(CIDR_TAG, cidr) == cidr:
        return tags
    return {key: value for key, value in tags.items() if key not in _OF_ADDED}


def interface_pages_of(ec2: "EC2Client", vpc_ids: Iterable[str]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """The network interfaces of these VPCs, page by page; a page is read when it is asked for."""
    paginator = ec2.get_paginator("describe_network_interfaces")
    # An account may hide interfaces that EKS Auto Mode and other services manage; they use addresses all the same. If
    # the boto3 of the Lambda runtime is older than this parameter, so is the account setting.
    known = ec2.meta.service_model.operation_model("DescribeNetworkInterfaces").input_shape
    also_hidden: dict[str, Any] = {}
    if known and "IncludeManagedResources" in known.members:
        also_hidden["IncludeManagedResources"] = True
    for filters in _by_vpc(vpc_ids):
        pages = paginator.paginate(Filters=filters, PaginationConfig=PAGE, **also_hidden)
        yield from (page["NetworkInterfaces"] for page in pages)


def uses_prefixes(subnet: Subnet, holding_prefixes: Collection[str]) -> bool:
    """Whether its free prefixes matter: an interface has one there, or Berthmaster added the subnet."""
    return subnet.id in holding_prefixes or EXPANSION_TAG in subnet.tags


def reservations_of(ec2: "EC2Client", subnet_id: str) -> tuple[Reservation, ...]:
    """The IPv4 reservations of one subnet; the API takes one subnet per call."""
    found: list[Reservation] = []
    token: dict[str, str] = {}
    while True:
        page = ec2.get_subnet_cidr_reservations(SubnetId=subnet_id, **token)  # type: ignore[arg-type]
        found += (
            Reservation(
                subnet_id=reservation["SubnetId"],
                cidr=IPv4Network(reservation["Cidr"]),
                kind=reservation["ReservationType"],
            )
            for reservation in page["SubnetIpv4CidrReservations"]
        )
        if not page.get("NextToken"):
            return tuple(found)
        token = {"NextToken": page["NextToken"]}


def ipam_pool_of(ec2: "EC2Client", pool_id: str) -> IpamPool:
    """The pool; one without space, and with AWS's reason, if it is gone or may not be read.

    Space inside the VPC can be used all the same.
    """
    try:
        return _read_ipam_pool(ec2, pool_id)
    except ClientError as error:
        if is_transient(error):
            raise
        return IpamPool(id=pool_id, provisioned=(), allocated=(), problem=f"the pool cannot be read: {code_of(error)}")


def _read_ipam_pool(ec2: "EC2Client", pool_id: str) -> IpamPool:
    """The IPv4 CIDRs provisioned to the pool and allocated from it, also by other accounts, and its rules."""
    rules = _ipam_rules(ec2, pool_id)
    if problem := _pool_problem(rules, ec2.meta.region_name):
        return IpamPool(id=pool_id, provisioned=(), allocated=(), problem=problem)
    provisioned = ec2.get_paginator("get_ipam_pool_cidrs").paginate(IpamPoolId=pool_id, PaginationConfig=PAGE)
    allocations = ec2.get_paginator("get_ipam_pool_allocations").paginate(IpamPoolId=pool_id, PaginationConfig=PAGE)
    return IpamPool(
        id=pool_id,
        provisioned=ipv4(
            cidr["Cidr"] for page in provisioned for cidr in page["IpamPoolCidrs"] if _is_provisioned(cidr)
        ),
        allocated=ipv4(entry["Cidr"] for page in allocations for entry in page["IpamPoolAllocations"]),
        shortest=rules.get("AllocationMinNetmaskLength", 0),
        longest=rules.get("AllocationMaxNetmaskLength", 32),
        required_tags=tags_of(rules.get("AllocationResourceTags", ())),
    )


def _ipam_rules(ec2: "EC2Client", pool_id: str) -> "IpamPoolTypeDef | Mapping[str, Any]":
    """What the pool is for; nothing if the owner of a shared pool does not let this account read that."""
    try:
        return ec2.describe_ipam_pools(IpamPoolIds=[pool_id])["IpamPools"][0]
    except ClientError as error:
        if not is_denied(error):
            raise
        return {}


def _pool_problem(rules: Mapping[str, Any], region: str) -> str:
    """Why nobody can allocate from the pool here; "" if somebody can."""
    if (state := rules.get("State", "")) in _UNUSABLE_POOL:
        return f"the pool is in the state {state}"
    # AWS's own value for a pool that is bound to no Region is the word None.
    if (locale := rules.get("Locale", "None")) not in {"None", region}:
        return f"the pool's locale is {locale}"
    return ""


def _is_provisioned(cidr: Mapping[str, Any]) -> bool:
    return bool(cidr["State"] == "provisioned")


def ipv4(cidrs: Iterable[str]) -> tuple[IPv4Network, ...]:
    """The blocks that are IPv4."""
    return tuple(IPv4Network(cidr) for cidr in cidrs if ":" not in cidr)


def tags_of(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """A list of tags as AWS returns it, as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def _by_vpc(vpc_ids: Iterable[str]) -> "Iterator[list[FilterTypeDef]]":
    for some in batched(vpc_ids, VALUES_PER_FILTER, strict=False):
        yield [{"Name": "vpc-id", "Values": list(some)}]
