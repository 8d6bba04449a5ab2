"""What rules name although it is gone: groups and peerings as EC2 knows them, and prefix lists that are not there."""

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from berthmaster.concurrently import concurrently
from berthmaster.errors import code_of
from berthmaster.security_groups.model.references import Stale
from berthmaster.security_groups.model.rules import Direction
from berthmaster.security_groups.observe.references import reason
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

AT_ONCE = 4
STALE_PAGE = 255
LIST_PAGE = 100
"""The largest pages of DescribeStaleSecurityGroups and DescribeManagedPrefixLists."""


def read_stale(
    ec2: "EC2Client", vpcs: Collection[str], prefix_lists: Collection[str], may_begin: Callable[[], bool]
) -> Stale:
    """Ask for each VPC, and for the lists. prefix_lists: ids of those that rules name."""
    reads = [partial(_stale_in, ec2, vpc) for vpc in sorted(vpcs)]
    outcomes = concurrently(lambda read: read(), reads, at_once=AT_ONCE, may_begin=may_begin)
    unread = [(vpc, one.error) for vpc, one in zip(sorted(vpcs), outcomes, strict=True) if one.error]
    gone = frozenset[str]()
    if prefix_lists:
        (lists,) = concurrently(lambda _: _lists(ec2), [""], at_once=1, may_begin=may_begin)
        gone = frozenset(prefix_lists) - lists.value if lists.value is not None else gone
        unread += [("prefix lists", lists.error)] if lists.error else []
    for what, error in unread:
        logger.warning("stale rules not read", what=what, error=repr(error))
    return Stale(
        references=frozenset(reference for one in outcomes for reference in one.value or ()),
        prefix_lists=gone,
        unread=tuple((what, reason(error)) for what, error in unread),
    )


def _stale_in(ec2: "EC2Client", vpc: str) -> list[tuple[str, Direction, str]]:
    """Groups of a VPC, and what their rules name; nothing if the VPC is gone."""
    pages = ec2.get_paginator("describe_stale_security_groups").paginate(
        VpcId=vpc, PaginationConfig={"PageSize": STALE_PAGE}
    )
    try:
        groups = [group for page in pages for group in page["StaleSecurityGroupSet"]]
    except ClientError as error:
        if code_of(error) == "InvalidVpcID.NotFound":
            return []
        raise
    return [
        (group["GroupId"], direction, pair["GroupId"])
        for group in groups
        for direction, permissions in (
            (Direction.INGRESS, group.get("StaleIpPermissions", [])),
            (Direction.EGRESS, group.get("StaleIpPermissionsEgress", [])),
        )
        for permission in permissions
        for pair in permission.get("UserIdGroupPairs", [])
        if "GroupId" in pair
    ]


def _lists(ec2: "EC2Client") -> frozenset[str]:
    """All prefix lists that the account sees, its own, shared ones and AWS's."""
    pages = ec2.get_paginator("describe_managed_prefix_lists").paginate(PaginationConfig={"PageSize": LIST_PAGE})
    return frozenset(one["PrefixListId"] for page in pages for one in page["PrefixLists"])
