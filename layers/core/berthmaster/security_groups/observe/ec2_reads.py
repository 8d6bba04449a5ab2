"""Pages of EC2's descriptions → the nouns, by id."""

from collections.abc import Collection, Iterable, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from berthmaster.errors import is_denied
from berthmaster.security_groups.model.rules import Group, Network, Rule
from berthmaster.security_groups.model.topology import Interface, Vpc
from berthmaster.security_groups.observe.ec2_shapes import (
    NetworkInterface,
    PrefixListEntry,
    SecurityGroup,
    SecurityGroupRule,
    VpcShape,
    described,
    entries_of,
    group_of,
    interface_of,
    rule_of,
    vpc_of,
)
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import FilterTypeDef

PAGE = 1_000
"""The most items of a page that EC2 has."""
LIST_PAGE = 100
FILTER_VALUES = 200
"""The most values of a filter."""
_HIDDEN_TOO = "IncludeManagedResources"

type Filters = Sequence["FilterTypeDef"]


def interfaces(ec2: "EC2Client", filters: Filters = ()) -> dict[str, Interface]:
    """Network interfaces, those that AWS services manage included."""
    operation = "DescribeNetworkInterfaces"
    shape = ec2.meta.service_model.operation_model(operation).input_shape
    # An account may hide interfaces that AWS services manage, which have groups like all others. SDKs without this
    # parameter are older than that.
    everything: Any = {_HIDDEN_TOO: True} if shape is not None and _HIDDEN_TOO in shape.members else {}
    pages = ec2.get_paginator("describe_network_interfaces").paginate(
        Filters=list(filters), PaginationConfig={"PageSize": PAGE}, **everything
    )
    return {
        one.network_interface_id: interface_of(one)
        for page in pages
        for one in described(NetworkInterface, page["NetworkInterfaces"], f"{operation}.NetworkInterfaces")
    }


def rules(ec2: "EC2Client", filters: Filters = ()) -> dict[str, Rule]:
    """Rules of security groups."""
    pages = ec2.get_paginator("describe_security_group_rules").paginate(
        Filters=list(filters), PaginationConfig={"PageSize": PAGE}
    )
    where = "DescribeSecurityGroupRules.SecurityGroupRules"
    return {
        one.security_group_rule_id: rule_of(one)
        for page in pages
        for one in described(SecurityGroupRule, page["SecurityGroupRules"], where)
    }


def groups(ec2: "EC2Client", filters: Filters = ()) -> dict[str, Group]:
    """Security groups, without their rules."""
    pages = ec2.get_paginator("describe_security_groups").paginate(
        Filters=list(filters), PaginationConfig={"PageSize": PAGE}
    )
    return {
        one.group_id: group_of(one)
        for page in pages
        for one in described(SecurityGroup, page["SecurityGroups"], "DescribeSecurityGroups.SecurityGroups")
    }


def vpcs(ec2: "EC2Client") -> dict[str, Vpc]:
    """All VPCs."""
    pages = ec2.get_paginator("describe_vpcs").paginate(PaginationConfig={"PageSize": PAGE})
    return {one.vpc_id: vpc_of(one) for page in pages for one in described(VpcShape, page["Vpcs"], "DescribeVpcs.Vpcs")}


def entries(ec2: "EC2Client", prefix_list: str, version: int = 0) -> frozenset[Network] | None:
    """The entries of a prefix list; None if its owner does not let them be read. version: the newest one if 0."""
    target: Any = {"TargetVersion": version} if version else {}
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(
        PrefixListId=prefix_list, PaginationConfig={"PageSize": LIST_PAGE}, **target
    )
    try:
        items = [item for page in pages for item in page.get("Entries", [])]
    except ClientError as error:
        if not is_denied(error):
            raise
        logger.warning("entries of a prefix list not read", prefix_list=prefix_list, error=str(error))
        return None
    return entries_of(described(PrefixListEntry, items, f"GetManagedPrefixListEntries({prefix_list}).Entries"))


def batches_of(values: Collection[str]) -> Iterable[list[str]]:
    """As many values as a filter takes at a time."""
    return map(list, batched(sorted(values), FILTER_VALUES, strict=False))


def filter_by(name: str, values: Iterable[str]) -> "FilterTypeDef":
    """Any of some values."""
    return {"Name": name, "Values": list(values)}
