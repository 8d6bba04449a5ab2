"""Pagination as AWS has it, where moto returns everything at once."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.errors import AwsError

if TYPE_CHECKING:
    from simulator.account import Account, Params, Parsed, Patch, Patches


@dataclass(frozen=True)
class Pages:
    """How one operation pages: where its items are, how many a page holds unless asked, and the limits.

    `ids` is the parameter that excludes MaxResults, if there is one; `next_token` is the response's name of the token,
    where it is not the request's.
    """

    items: str
    default: int = 1000
    largest: int = 1000
    smallest: int = 1
    limit: str = "MaxResults"
    token: str = "NextToken"  # noqa: S105 - the name of a parameter
    ids: str = ""
    next_token: str = ""


def _ec2(items: str, ids: str, largest: int = 1000) -> Pages:
    return Pages(items, default=largest, largest=largest, smallest=5, ids=ids)


def _ecs(items: str, default: int = 100) -> Pages:
    return Pages(items, default=default, largest=100, limit="maxResults", token="nextToken")  # noqa: S106 - as above


def _elbv2(items: str) -> Pages:
    return Pages(items, default=400, largest=400, limit="PageSize", token="Marker", next_token="NextMarker")  # noqa: S106 - as above


# Sources: the operations' pages in the EC2, ECS and Cloud Map API references. moto pages EventBridge and its Scheduler
# by itself.
PAGED: dict[str, Pages] = {
    "ec2:DescribeVpcs": _ec2("Vpcs", "VpcIds"),
    "ec2:DescribeSubnets": _ec2("Subnets", "SubnetIds"),
    "ec2:DescribeNetworkInterfaces": _ec2("NetworkInterfaces", "NetworkInterfaceIds"),
    "ec2:DescribeRouteTables": _ec2("RouteTables", "RouteTableIds", largest=100),
    "ec2:DescribeNetworkAcls": _ec2("NetworkAcls", "NetworkAclIds"),
    "ec2:DescribeSecurityGroups": _ec2("SecurityGroups", "GroupIds"),
    "ec2:DescribeSecurityGroupRules": _ec2("SecurityGroupRules", "SecurityGroupRuleIds"),
    "ec2:DescribeStaleSecurityGroups": _ec2("StaleSecurityGroupSet", "", largest=255),
    "ec2:GetSecurityGroupsForVpc": _ec2("SecurityGroupForVpcs", ""),
    "ec2:DescribeLaunchTemplateVersions": Pages("LaunchTemplateVersions", default=200, largest=200),
    "ec2:DescribeVpcPeeringConnections": _ec2("VpcPeeringConnections", "VpcPeeringConnectionIds"),
    "ec2:DescribeManagedPrefixLists": Pages("PrefixLists", default=100, largest=100),
    "ec2:GetManagedPrefixListEntries": Pages("Entries", default=100, largest=100),
    "ec2:DescribeFlowLogs": Pages("FlowLogs", ids="FlowLogIds"),
    "ec2:DescribeIpamPools": _ec2("IpamPools", ""),
    "ec2:GetIpamPoolCidrs": _ec2("IpamPoolCidrs", ""),
    "ec2:GetIpamPoolAllocations": _ec2("IpamPoolAllocations", ""),
    "ec2:DescribeIpamScopes": _ec2("IpamScopes", ""),
    "ec2:GetIpamResourceCidrs": _ec2("IpamResourceCidrs", ""),
    "ecs:ListClusters": _ecs("clusterArns"),
    "ecs:ListServices": _ecs("serviceArns", default=10),
    "ecs:ListServiceDeployments": _ecs("serviceDeployments", default=20),
    "ecs:ListTasks": _ecs("taskArns"),
    "elbv2:DescribeTargetGroups": _elbv2("TargetGroups"),
    "elbv2:DescribeAccountLimits": _elbv2("Limits"),
    "resourcegroupstaggingapi:GetResources": Pages(
        "ResourceTagMappingList",
        default=50,
        largest=100,
        limit="ResourcesPerPage",
        token="PaginationToken",  # noqa: S106
    ),
    "servicediscovery:ListInstances": Pages("Instances", default=100, largest=100),
    "servicediscovery:ListServices": Pages("Services", default=100, largest=100),
}


def paginate(pages: Pages, params: Params, response: Parsed) -> None:
    """Cut a response down to one page, in place, and name the next one."""
    if pages.items not in response:
        return
    size = params.get(pages.limit)
    if pages.ids and params.get(pages.ids):
        if size is not None:
            message = f"The parameter {pages.ids} cannot be used with the parameter {pages.limit}"
            raise AwsError("InvalidParameterCombination", message)
        return
    if size is not None and not pages.smallest <= size <= pages.largest:
        expected = f"Expecting a value between {pages.smallest} and {pages.largest}."
        message = f"Value ( {size} ) for parameter {pages.limit} is invalid. {expected}"
        raise AwsError("InvalidParameterValue", message)
    start = _start(params.get(pages.token))
    everything = response[pages.items]
    end = start + (size or pages.default)
    response.pop(pages.token, None)
    if start or end < len(everything):
        response[pages.items] = everything[start:end]
    if end < len(everything):
        response[pages.next_token or pages.token] = base64.urlsafe_b64encode(f"from:{end}".encode()).decode()


def _paged(pages: Pages) -> Patch:
    def patch(_: Account, params: Params, response: Parsed) -> None:
        paginate(pages, params, response)

    return patch


def _start(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("from:"))
    except ValueError:
        raise AwsError("InvalidNextToken", f"The token '{token}' is invalid.") from None


PATCHES: Patches = {operation: _paged(pages) for operation, pages in PAGED.items()}
