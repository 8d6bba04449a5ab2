"""VPCs of other accounts and Regions, as far as the account's IPAM knows them."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from berthmaster.capacity.observe.network import PAGE, ipv4

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


def vpcs_in_ipam(ec2: "EC2Client", vpc_id: str) -> Iterator[IPv4Network]:
    """The blocks of all other VPCs in the private scopes of the account's IPAM; none if it has no IPAM here.

    IPAM is read in its home Region and, in an organization, by its delegated administrator.
    """
    scopes = ec2.get_paginator("describe_ipam_scopes").paginate(
        Filters=[{"Name": "ipam-scope-type", "Values": ["private"]}], PaginationConfig=PAGE
    )
    for scope_id in [scope["IpamScopeId"] for page in scopes for scope in page["IpamScopes"]]:
        resources = ec2.get_paginator("get_ipam_resource_cidrs").paginate(
            IpamScopeId=scope_id, ResourceType="vpc", PaginationConfig=PAGE
        )
        for page in resources:
            yield from ipv4(one["ResourceCidr"] for one in page["IpamResourceCidrs"] if one.get("ResourceId") != vpc_id)
