"""What is there that decides about rejected packets, read from EC2 now.

Three rounds, whatever is asked: the interfaces; their rules and network ACLs; the entries of prefix lists.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from berthmaster.concurrently import Together, concurrently, results_of
from berthmaster.network_codec import AnyNetwork
from berthmaster.security_groups.model.rejections import AclEntry, NetworkAcl, Scene, Suspect
from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, Direction, Network
from berthmaster.security_groups.model.topology import Address, Interface, Topology, Vpc
from berthmaster.security_groups.observe import ec2_reads
from berthmaster.security_groups.observe.ec2_reads import PAGE, batches_of, filter_by
from berthmaster.security_groups.observe.ec2_shapes import Shape, described, protocol_of
from berthmaster.security_groups.plan.peers import Peers
from berthmaster.security_groups.plan.rejections import asked_lists
from berthmaster.security_groups.plan.suspects import LAG, is_in

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

AT_ONCE = 6


class _PortRange(Shape, frozen=True):
    from_: int = msgspec.field(name="From", default=ALL_PORTS[0])
    to: int = ALL_PORTS[1]


class _IcmpTypeCode(Shape, frozen=True):
    type: int = ANY
    code: int = ANY


class _Entry(Shape, frozen=True):
    rule_number: int
    egress: bool
    rule_action: str
    protocol: str
    cidr_block: AnyNetwork | None = None
    ipv6_cidr_block: AnyNetwork | None = None
    port_range: _PortRange | None = None
    icmp_type_code: _IcmpTypeCode | None = None


class _Association(Shape, frozen=True):
    subnet_id: str = ""


class _Acl(Shape, frozen=True):
    network_acl_id: str
    entries: tuple[_Entry, ...] = ()
    associations: tuple[_Association, ...] = ()


def read_scene(ec2: "EC2Client", suspects: Collection[Suspect], vpcs: Mapping[str, Vpc], account: str) -> Scene:
    """What EC2 has for some suspects. vpcs: all of the account's."""
    own = [block for vpc in vpcs.values() for block in vpc.cidrs]
    peers = {peer for one in suspects for peer in one.peers if is_in(peer, own)}
    with Together(at_once=AT_ONCE) as reads:
        rejecting = [
            reads.begin(ec2_reads.interfaces, ec2, [filter_by("network-interface-id", ids)])
            for ids in batches_of({one.rejected.interface for one in suspects})
        ]
        holding = [
            reads.begin(ec2_reads.interfaces, ec2, [filter_by(name, addresses)])
            for name, version in (("addresses.private-ip-address", 4), ("ipv6-addresses.ipv6-address", 6))
            for addresses in batches_of({str(peer) for peer in peers if peer.version == version})
        ]
    interfaces = {id_: one for read in rejecting for id_, one in read.result().items()}
    holders = {id_: one for read in holding for id_, one in read.result().items()}
    scene = Scene(account=account, interfaces=interfaces, holders=_by_address(peers, [*holders.values()]), vpcs=vpcs)
    return _with_rules(ec2, suspects, scene)


def recalled(ec2: "EC2Client", suspects: Collection[Suspect], scene: Scene, topology: Topology) -> Scene:
    """The scene with what was recorded of that time: interfaces that are gone, and who had which address."""
    peers = Peers(topology)
    interfaces = dict(scene.interfaces)
    holders = defaultdict[Address, dict[str, Interface]](dict)
    for address, those in scene.holders.items():
        holders[address] = {one.id: one for one in those}
    for suspect in suspects:
        rejected = suspect.rejected
        since, until = rejected.first - LAG, rejected.last
        for span in topology.interfaces.get(rejected.interface, ()):
            if span.overlaps(since, until) and rejected.interface not in scene.interfaces:
                interfaces[rejected.interface] = span.value
        for peer in suspect.peers:
            for one, _ in peers.holders(peer, since, until):
                # An interface that has other groups by now is a member of those as well.
                holders[peer].setdefault(f"{one.id} {one.groups}", one)
    found = {address: tuple(those.values()) for address, those in holders.items()}
    return _with_rules(ec2, suspects, replace(scene, interfaces=interfaces, holders=found, is_recalled=True))


def _with_rules(ec2: "EC2Client", suspects: Collection[Suspect], scene: Scene) -> Scene:
    """The scene with rules, network ACLs and prefix lists of interfaces that carry a group with a removed rule."""
    removed = {one.removal.rule.group for one in suspects}
    carriers = [one for one in scene.interfaces.values() if not removed.isdisjoint(one.groups)]
    groups = {group for one in carriers for group in one.groups} - scene.rules.keys()
    subnets = {one.subnet for one in carriers if one.subnet} - scene.acls.keys()
    with Together(at_once=AT_ONCE) as reads:
        rules = [reads.begin(ec2_reads.rules, ec2, [filter_by("group-id", ids)]) for ids in batches_of(groups)]
        acls = [reads.begin(_acls, ec2, ids) for ids in batches_of(subnets)]
    by_group = dict(scene.rules) | dict.fromkeys(groups, ())
    for rule in (rule for read in rules for rule in read.result().values()):
        by_group[rule.group] = (*by_group[rule.group], rule)
    lists = sorted(asked_lists(suspects, by_group) - scene.lists.keys())
    entries = results_of(concurrently(lambda one: ec2_reads.entries(ec2, one), lists, at_once=AT_ONCE))
    known = {one: found for one, found in zip(lists, entries, strict=True) if found is not None}
    by_subnet = dict(scene.acls) | {subnet: acl for read in acls for subnet, acl in read.result().items()}
    return replace(scene, rules=by_group, acls=by_subnet, lists=dict(scene.lists) | known)


def _by_address(peers: Iterable[Address], interfaces: Collection[Interface]) -> dict[Address, tuple[Interface, ...]]:
    return {peer: tuple(one for one in interfaces if peer in one.addresses) for peer in peers}


def _acls(ec2: "EC2Client", subnets: Collection[str]) -> dict[str, NetworkAcl]:
    """The network ACLs of some subnets."""
    pages = ec2.get_paginator("describe_network_acls").paginate(
        Filters=[filter_by("association.subnet-id", subnets)], PaginationConfig={"PageSize": PAGE}
    )
    found = [one for page in pages for one in described(_Acl, page["NetworkAcls"], "DescribeNetworkAcls.NetworkAcls")]
    return {association.subnet_id: _acl_of(one) for one in found for association in one.associations}


def _acl_of(item: _Acl) -> NetworkAcl:
    return NetworkAcl(id=item.network_acl_id, entries=tuple(_entries_of(item)))


def _entries_of(item: _Acl) -> Iterable[AclEntry]:
    for one in item.entries:
        network: Network | None = one.cidr_block or one.ipv6_cidr_block
        if network is None:
            continue
        ports, icmp = one.port_range, one.icmp_type_code
        yield AclEntry(
            number=one.rule_number,
            direction=Direction.EGRESS if one.egress else Direction.INGRESS,
            is_allowed=one.rule_action == "allow",
            protocol=protocol_of(one.protocol, f"{item.network_acl_id}.Protocol"),
            network=network,
            ports=(ports.from_, ports.to) if ports else ALL_PORTS,
            icmp=(icmp.type, icmp.code) if icmp else (ANY, ANY),
        )
