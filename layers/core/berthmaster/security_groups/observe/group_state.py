"""What a group is at the moment at which its rules are changed, and for how long its interfaces track connections."""

from typing import TYPE_CHECKING

from berthmaster.security_groups.model.group_state import GroupState
from berthmaster.security_groups.model.rules import Group, Rule
from berthmaster.security_groups.observe.ec2_shapes import SecurityGroupRule, Shape, described, rule_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from mypy_boto3_ec2 import EC2Client

    from berthmaster.security_groups.observe.topology_aws import TopologyReader

TRACKED_FOR = 432_000.0
"""Seconds: TcpEstablishedTimeout of an interface that shows none (facts of connection tracking)."""
PAGE = 1_000


class ConnectionTracking(Shape, frozen=True):
    """Of an interface. Timeouts in seconds."""

    tcp_established_timeout: float | None = None


class GroupId(Shape, frozen=True):
    """A group of an interface."""

    group_id: str


class TrackingInterface(Shape, frozen=True):
    """Of DescribeNetworkInterfaces."""

    groups: tuple[GroupId, ...] = ()
    connection_tracking_configuration: ConnectionTracking | None = None


def read_group(reader: "TopologyReader", group: str) -> GroupState:
    """A group and its rules as they are now."""
    seen = reader.of(groups=[group]).seen
    found = seen.get(group)
    return GroupState(
        group=found if isinstance(found, Group) else None,
        rules={one.id: one for one in seen.values() if isinstance(one, Rule)},
    )


def read_rule(ec2: "EC2Client", rule: Rule) -> Rule | None:
    """A rule as it is now, by its id; None if it is not there."""
    answer = ec2.describe_security_group_rules(Filters=[{"Name": "security-group-rule-id", "Values": [rule.id]}])
    where = "DescribeSecurityGroupRules.SecurityGroupRules"
    found = described(SecurityGroupRule, answer["SecurityGroupRules"], where)
    return rule_of(found[0]) if found else None


def tracked_for(ec2: "EC2Client", group: str) -> float:
    """The seconds for which the interfaces that carry a group remember an idle connection; 0 if there are none."""
    shown = _interfaces(ec2, [group])
    return max((_timeout(one) for one in shown), default=0.0)


def attached(ec2: "EC2Client", groups: "Collection[str]") -> set[str]:
    """Those of these groups that an interface carries."""
    if not groups:
        return set()
    carried = {one.group_id for interface in _interfaces(ec2, groups) for one in interface.groups}
    return carried & set(groups)


def _interfaces(ec2: "EC2Client", groups: "Collection[str]") -> list[TrackingInterface]:
    pages = ec2.get_paginator("describe_network_interfaces").paginate(
        Filters=[{"Name": "group-id", "Values": sorted(groups)}], PaginationConfig={"PageSize": PAGE}
    )
    where = "DescribeNetworkInterfaces.NetworkInterfaces"
    return [one for page in pages for one in described(TrackingInterface, page["NetworkInterfaces"], where)]


def _timeout(interface: TrackingInterface) -> float:
    own = interface.connection_tracking_configuration
    found = own.tcp_established_timeout if own else None
    return TRACKED_FOR if found is None else found
