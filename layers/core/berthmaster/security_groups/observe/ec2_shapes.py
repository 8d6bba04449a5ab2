"""EC2's descriptions as boto3 returns them and the AWS CLI prints them → the nouns.

>>> shapes = described(NetworkInterface, page["NetworkInterfaces"], "NetworkInterfaces")
>>> interfaces = [interface_of(one) for one in shapes]

Fields that are not used here are not looked at.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from berthmaster.errors import InvalidInput, located
from berthmaster.network_codec import AnyAddress, AnyNetwork, network_from
from berthmaster.security_groups.model.rules import (
    ALL_PORTS,
    ANY,
    ICMP,
    ICMPV6,
    TCP,
    UDP,
    Direction,
    Group,
    GroupReference,
    PrefixListReference,
    Rule,
)
from berthmaster.security_groups.model.topology import FlowLog, Interface, Vpc

if TYPE_CHECKING:
    from berthmaster.security_groups.model.rules import Network, Peer
    from berthmaster.security_groups.model.topology import Address

PROTOCOLS = {"-1": ANY, "tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6}
"""By the names that EC2 has for them; it returns all others as numbers."""
LAST_PROTOCOL = 255
DEFAULT_FIELDS = (
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
)
"""Of a flow log without a LogFormat: version 2."""


class Shape(Struct, frozen=True, rename="pascal"):
    """One item of a description."""


class Tag(Shape, frozen=True):
    """A tag."""

    key: str
    value: str = ""


class PrivateIpAddress(Shape, frozen=True):
    """A primary or secondary address."""

    private_ip_address: AnyAddress


class Ipv6Address(Shape, frozen=True):
    """An IPv6 address."""

    ipv6_address: AnyAddress


class Ipv4Prefix(Shape, frozen=True):
    """A /28 delegated to an interface."""

    ipv4_prefix: AnyNetwork


class Ipv6Prefix(Shape, frozen=True):
    """A /80 delegated to an interface."""

    ipv6_prefix: AnyNetwork


class GroupIdentifier(Shape, frozen=True):
    """A group of an interface."""

    group_id: str


class Attachment(Shape, frozen=True):
    """To an instance, or to something that AWS manages."""

    instance_id: str = ""


class NetworkInterface(Shape, frozen=True):
    """Of DescribeNetworkInterfaces."""

    network_interface_id: str
    vpc_id: str = ""
    subnet_id: str = ""
    owner_id: str = ""
    groups: tuple[GroupIdentifier, ...] = ()
    private_ip_address: AnyAddress | None = None
    private_ip_addresses: tuple[PrivateIpAddress, ...] = ()
    ipv6_addresses: tuple[Ipv6Address, ...] = ()
    ipv4_prefixes: tuple[Ipv4Prefix, ...] = ()
    ipv6_prefixes: tuple[Ipv6Prefix, ...] = ()
    interface_type: str = "interface"
    description: str | None = ""
    requester_id: str | None = ""
    attachment: Attachment | None = None
    tag_set: tuple[Tag, ...] = ()


class ReferencedGroupInfo(Shape, frozen=True):
    """The group that a rule names."""

    group_id: str
    user_id: str = ""
    vpc_id: str = ""
    vpc_peering_connection_id: str = ""
    peering_status: str = ""


class SecurityGroupRule(Shape, frozen=True):
    """Of DescribeSecurityGroupRules."""

    security_group_rule_id: str
    group_id: str
    is_egress: bool
    ip_protocol: str
    from_port: int | None = None
    to_port: int | None = None
    cidr_ipv4: AnyNetwork | None = None
    cidr_ipv6: AnyNetwork | None = None
    prefix_list_id: str | None = None
    referenced_group_info: ReferencedGroupInfo | None = None
    description: str | None = ""
    tags: tuple[Tag, ...] = ()


class Named(Shape, frozen=True):
    """A peer in an `IpPermission`; only how many there are matters."""


class IpPermission(Shape, frozen=True):
    """Rules as DescribeSecurityGroups groups them, without their ids."""

    ip_ranges: tuple[Named, ...] = ()
    ipv6_ranges: tuple[Named, ...] = ()
    prefix_list_ids: tuple[Named, ...] = ()
    user_id_group_pairs: tuple[Named, ...] = ()

    @property
    def rules(self) -> int:
        """How many rules it stands for."""
        return sum(map(len, (self.ip_ranges, self.ipv6_ranges, self.prefix_list_ids, self.user_id_group_pairs)))


class SecurityGroup(Shape, frozen=True):
    """Of DescribeSecurityGroups."""

    group_id: str
    group_name: str = ""
    vpc_id: str = ""
    owner_id: str = ""
    description: str | None = ""
    ip_permissions: tuple[IpPermission, ...] = ()
    ip_permissions_egress: tuple[IpPermission, ...] = ()
    tags: tuple[Tag, ...] = ()

    @property
    def rules(self) -> int:
        """How many rules it has."""
        return sum(one.rules for one in (*self.ip_permissions, *self.ip_permissions_egress))


class PrefixListEntry(Shape, frozen=True):
    """Of GetManagedPrefixListEntries."""

    cidr: AnyNetwork


class CidrBlock(Shape, frozen=True):
    """An IPv4 block of a VPC."""

    cidr_block: AnyNetwork


class Ipv6CidrBlock(Shape, frozen=True):
    """An IPv6 block of a VPC."""

    ipv6_cidr_block: AnyNetwork


class VpcShape(Shape, frozen=True):
    """Of DescribeVpcs."""

    vpc_id: str
    owner_id: str = ""
    cidr_block: AnyNetwork | None = None
    cidr_block_association_set: tuple[CidrBlock, ...] = ()
    ipv6_cidr_block_association_set: tuple[Ipv6CidrBlock, ...] = ()


class FlowLogShape(Shape, frozen=True):
    """Of DescribeFlowLogs."""

    flow_log_id: str
    resource_id: str = ""
    traffic_type: str = "ALL"
    max_aggregation_interval: int = 600
    log_format: str = ""
    flow_log_status: str = "ACTIVE"
    deliver_logs_status: str = ""
    deliver_logs_error_message: str = ""
    log_destination: str = ""
    log_group_name: str = ""


def described[Item](kind: type[Item], items: object, where: str) -> list[Item]:
    """Read the items of an answer; InvalidInput names the field, as in `NetworkInterfaces[3].VpcId`."""
    try:
        return msgspec.convert(items, list[kind], dec_hook=network_from)  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        path, problem = located(error)
        raise InvalidInput(f"{where}{path}", problem) from None


def interface_of(item: NetworkInterface) -> Interface:
    """A network interface; its addresses are in EC2's order, the primary one first."""
    addresses: dict[Address, None] = {}
    if item.private_ip_address is not None:
        addresses[item.private_ip_address] = None
    addresses |= dict.fromkeys(one.private_ip_address for one in item.private_ip_addresses)
    addresses |= dict.fromkeys(one.ipv6_address for one in item.ipv6_addresses)
    ipv4 = (one.ipv4_prefix for one in item.ipv4_prefixes)
    ipv6 = (one.ipv6_prefix for one in item.ipv6_prefixes)
    return Interface(
        id=item.network_interface_id,
        vpc=item.vpc_id,
        subnet=item.subnet_id,
        owner=item.owner_id,
        groups=tuple(sorted(one.group_id for one in item.groups)),
        addresses=tuple(addresses),
        prefixes=(*ipv4, *ipv6),
        kind=item.interface_type,
        description=item.description or "",
        requester=item.requester_id or "",
        instance=item.attachment.instance_id if item.attachment else "",
        tags=_tags(item.tag_set),
    )


def group_of(item: SecurityGroup) -> Group:
    """A group, without its rules."""
    return Group(
        id=item.group_id,
        name=item.group_name,
        vpc=item.vpc_id,
        owner=item.owner_id,
        description=item.description or "",
        tags=_tags(item.tags),
    )


def rule_of(item: SecurityGroupRule) -> Rule:
    """A rule; InvalidInput if it has no peer or a protocol that EC2 does not have."""
    protocol = protocol_of(item.ip_protocol, f"{item.security_group_rule_id}.IpProtocol")
    first = ANY if item.from_port is None else item.from_port
    last = ANY if item.to_port is None else item.to_port
    ports, icmp = ALL_PORTS, (ANY, ANY)
    if protocol in {TCP, UDP} and first != ANY:
        ports = (first, last)
    elif protocol in {ICMP, ICMPV6}:
        icmp = (first, last)
    return Rule(
        id=item.security_group_rule_id,
        group=item.group_id,
        direction=Direction.EGRESS if item.is_egress else Direction.INGRESS,
        protocol=protocol,
        ports=ports,
        icmp=icmp,
        peer=_peer(item),
        description=item.description or "",
        tags=_tags(item.tags),
    )


def protocol_of(text: str, field: str) -> int:
    """The number of a protocol as rules name it; InvalidInput, with the field, if it is none."""
    name = text.lower()
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if name.isascii() and name.isdigit() and int(name) <= LAST_PROTOCOL:
        return int(name)
    raise InvalidInput(field, f"{text!r} is no protocol")


def entries_of(items: Iterable[PrefixListEntry]) -> "frozenset[Network]":
    """The entries of a prefix list."""
    return frozenset(one.cidr for one in items)


def vpc_of(item: VpcShape) -> Vpc:
    """A VPC with all its blocks, those included whose association has ended."""
    main = [] if item.cidr_block is None else [item.cidr_block]
    ipv4 = (one.cidr_block for one in item.cidr_block_association_set)
    ipv6 = (one.ipv6_cidr_block for one in item.ipv6_cidr_block_association_set)
    return Vpc(id=item.vpc_id, owner=item.owner_id, cidrs=tuple(dict.fromkeys([*main, *ipv4, *ipv6])))


def flow_log_of(item: FlowLogShape) -> FlowLog:
    """A flow log; failure: why it delivers nothing."""
    has_failed = item.deliver_logs_status == "FAILED"
    return FlowLog(
        id=item.flow_log_id,
        resource=item.resource_id,
        traffic_type=item.traffic_type,
        aggregation=item.max_aggregation_interval,
        fields=tuple(re.findall(r"\$\{([^}]+)\}", item.log_format)) or DEFAULT_FIELDS,
        is_active=item.flow_log_status == "ACTIVE",
        failure=(item.deliver_logs_error_message or "delivery failed") if has_failed else "",
        destination=item.log_destination or item.log_group_name,
    )


def _peer(item: SecurityGroupRule) -> "Peer":
    for network in (item.cidr_ipv4, item.cidr_ipv6):
        if network is not None:
            return network
    if item.prefix_list_id:
        return PrefixListReference(item.prefix_list_id)
    if group := item.referenced_group_info:
        return GroupReference(
            group=group.group_id,
            owner=group.user_id,
            vpc=group.vpc_id,
            peering=group.vpc_peering_connection_id,
            peering_status=group.peering_status,
        )
    raise InvalidInput(item.security_group_rule_id, "has no CIDR, prefix list or group")


def _tags(tags: Iterable[Tag]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((one.key, one.value) for one in tags))
