"""What VPC IPAM knows of an organization's VPCs; an account without an IPAM has no scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Params

SCOPE = "ipam-scope-0a1b2c3d4e5f60718"


class Discovered:
    """The VPCs that IPAM has discovered; a test adds them with `add`, and with the first there is an IPAM."""

    def __init__(self, _: Account) -> None:
        self.cidrs: list[tuple[str, str]] = []

    def add(self, vpc_id: str, cidr: str) -> None:
        """Let IPAM discover a VPC, of whatever account and Region."""
        self.cidrs.append((vpc_id, cidr))


def describe_ipam_scopes(account: Account, params: Params) -> dict[str, Any]:
    """DescribeIpamScopes: the private default scope; a filter for public ones finds none."""
    kinds = {value for one in params.get("Filters", []) for value in one["Values"]}
    scope = {
        "OwnerId": account.account_id,
        "IpamScopeId": SCOPE,
        "IpamScopeType": "private",
        "IsDefault": True,
        "State": "create-complete",
    }
    return {"IpamScopes": [scope] if account.state(Discovered).cidrs and kinds <= {"private"} else []}


def get_ipam_resource_cidrs(account: Account, params: Params) -> dict[str, Any]:
    """GetIpamResourceCidrs: the VPCs, which are all that is discovered here."""
    if params["IpamScopeId"] != SCOPE:
        raise AwsError("InvalidIpamScopeId.NotFound", f"The IPAM scope ID '{params['IpamScopeId']}' does not exist.")
    return {
        "IpamResourceCidrs": [
            {"IpamScopeId": SCOPE, "ResourceId": vpc_id, "VpcId": vpc_id, "ResourceCidr": cidr, "ResourceType": "vpc"}
            for vpc_id, cidr in account.state(Discovered).cidrs
            if params.get("ResourceType", "vpc") == "vpc"
        ]
    }


HANDLERS: Handlers = {
    "ec2:DescribeIpamScopes": describe_ipam_scopes,
    "ec2:GetIpamResourceCidrs": get_ipam_resource_cidrs,
}
