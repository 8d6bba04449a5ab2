"""Subnets and tags in moto's state of EC2, and AWS's error for what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account


def all_subnets(account: Account) -> list[Any]:
    """Every subnet (moto's) of the region."""
    return [subnet for zone in account.backend("ec2").subnets.values() for subnet in zone.values()]


def subnets_of(account: Account, vpc_id: str) -> list[Any]:
    """The subnets (moto's) of one VPC."""
    return [subnet for subnet in all_subnets(account) if subnet.vpc_id == vpc_id]


def find_subnet(account: Account, subnet_id: str) -> Any:
    """One subnet (moto's), or AWS's error."""
    for zone in account.backend("ec2").subnets.values():
        if subnet_id in zone:
            return zone[subnet_id]
    raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")


def acl_association(account: Account, subnet_id: str) -> str:
    """The id by which a subnet is associated with its network ACL."""
    acls = account.backend("ec2").network_acls.values()
    associations = ((identifier, one.subnet_id) for acl in acls for identifier, one in acl._associations.items())
    return next(str(identifier) for identifier, where in associations if where == subnet_id)


def tags_of(account: Account, resource_id: str) -> dict[str, str]:
    """The tags of an EC2 resource."""
    found: dict[str, str] = account.backend("ec2").tags.get(resource_id, {})
    return found


def tag_list(account: Account, resource_id: str) -> list[dict[str, str]]:
    """The tags of an EC2 resource as its API shows them."""
    return [{"Key": key, "Value": value} for key, value in tags_of(account, resource_id).items()]
