"""AWS → VpcSnapshot: reads only, paginated and batched, all of them before anything is decided.

`read_fleet` reads every managed VPC at once, every five minutes, without a call per subnet; what can only be read one
by one comes from the inventory. `read_vpc` reads one VPC, complete and current, for a plan.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from berthmaster.capacity.model.vpc import Occupancy, Reservation, Subnet, VpcSnapshot
from berthmaster.capacity.model.workloads import Service
from berthmaster.capacity.observe.cluster_memory import Cluster
from berthmaster.capacity.observe.clusters import cluster_ranges
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.ipam_resources import vpcs_in_ipam
from berthmaster.capacity.observe.mentions import (
    network_acls_of,
    routes_elsewhere,
    security_group_mentions,
    transit_gateways_of,
    transit_routes,
)
from berthmaster.capacity.observe.network import (
    associations_of,
    describe_subnets,
    interface_pages_of,
    ipam_pool_of,
    ipv6_of,
    managed_vpcs,
    neighbours_of,
    one_vpc,
    own_account,
    reservations_of,
    subnets_of,
    tags_of,
    uses_prefixes,
    with_ipv4,
)
from berthmaster.capacity.observe.occupancy import OccupancyCounter, without_reserved
from berthmaster.capacity.observe.quotas import read_quotas
from berthmaster.capacity.observe.routing import PrefixLists, peerings_of, route_tables_of
from berthmaster.capacity.observe.unread import Unread
from berthmaster.capacity.observe.workloads import clusters_in, relevant_clusters, rules_in, schedules_in, services_in
from berthmaster.clients import Clients
from berthmaster.concurrently import NotBegun, Together, concurrently, results_of
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

READS_AT_ONCE = 6
"""Beside those of the caller's thread; boto3 keeps ten connections per client."""
FLEET_PARTS = 4
"""Answers about the interfaces of the fleet that are read at the same time."""
RESERVATIONS_AT_ONCE = 4
"""One call for each subnet, beside the other reads."""


def read_fleet(
    clients: Clients,
    now: datetime,
    inventory: Inventory,
    failures: Failures,
    *,
    may_begin: Callable[[], bool] = lambda: True,
    may_refresh: Callable[[], bool] = lambda: True,
) -> tuple[VpcSnapshot, ...]:
    """Every managed VPC with what the watch needs: blocks, subnets, occupancy, services, reservations, quotas.

    A VPC whose interfaces cannot be read, or for which no time is left, is missing; what the inventory cannot read
    stays as it was read before. Both are added to the failures.
    may_begin: asked before each page of interfaces. may_refresh: asked before each call for the inventory.
    """
    vpcs = managed_vpcs(clients.ec2)
    ids = [vpc["VpcId"] for vpc in vpcs]
    subnets = subnets_of(clients.ec2, ids)
    counted = concurrently(
        partial(_count, clients.ec2, subnets, may_begin), _parts(ids), at_once=FLEET_PARTS, may_begin=may_begin
    )
    counters: dict[str, OccupancyCounter] = {}
    for one in counted:
        with failures.collect("interfaces not read", vpcs=one.item):
            counters |= dict.fromkeys(one.item, one.result)
    vpcs = [vpc for vpc in vpcs if vpc["VpcId"] in counters]
    subnets = [subnet for subnet in subnets if subnet.vpc_id in counters]
    each_counter = list({id(counter): counter for counter in counters.values()}.values())
    holding_prefixes = {subnet for counter in each_counter for subnet in counter.holding_prefixes()}
    inventory.refresh(now, subnets, holding_prefixes, failures, may_refresh)
    occupancy: dict[str, Occupancy] = {}
    for counter in each_counter:
        counter.reserve(inventory.reservations)
        occupancy |= counter.occupancy()
    own: defaultdict[str, list[Subnet]] = defaultdict(list)
    for subnet in subnets:
        own[subnet.vpc_id].append(without_reserved(subnet, occupancy[subnet.id]))
    vpc_of = {subnet.id: subnet.vpc_id for subnet in subnets}
    services = _by_vpc(inventory.services, vpc_of)
    return tuple(
        VpcSnapshot(
            vpc_id=vpc["VpcId"],
            taken_at=now,
            associations=associations_of(vpc),
            subnets=tuple(own[vpc["VpcId"]]),
            tags=tags_of(vpc.get("Tags", ())),
            occupancy={subnet.id: occupancy[subnet.id] for subnet in own[vpc["VpcId"]]},
            reservations=tuple(one for one in inventory.reservations if vpc_of.get(one.subnet_id) == vpc["VpcId"]),
            services=tuple(services[vpc["VpcId"]]),
            quotas=inventory.quotas,
        )
        for vpc in vpcs
    )


def _parts(vpc_ids: Sequence[str]) -> list[list[str]]:
    """VPCs to be read at the same time: EC2 returns the pages of one answer one after the other."""
    parts = [list(vpc_ids[number::FLEET_PARTS]) for number in range(FLEET_PARTS)]
    return [part for part in parts if part]


def _count(
    ec2: "EC2Client", subnets: Collection[Subnet], may_begin: Callable[[], bool], vpc_ids: Sequence[str]
) -> OccupancyCounter:
    """Who uses the subnets of these VPCs; NotBegun if the time does not suffice."""
    counter = OccupancyCounter(subnet for subnet in subnets if subnet.vpc_id in vpc_ids)
    for page in interface_pages_of(ec2, vpc_ids):
        counter.count(page)
        if not may_begin():
            raise NotBegun(f"no time left in this invocation for all interfaces of {len(vpc_ids)} VPCs")
    return counter


def read_vpc(
    clients: Clients,
    vpc_id: str,
    now: datetime,
    *,
    ipam_pool: str = "",
    may_begin: Callable[[], bool] = lambda: True,
    known: Mapping[str, Cluster] = MappingProxyType({}),
    reporting: Collection[str] = (),
    may_read_workloads: Callable[[], bool] | None = None,
) -> VpcSnapshot:
    """One VPC with all that a plan may rest on.

    MissingEvidence if it is gone. AWS's error if something cannot be read without which a plan would be unsafe, such as
    route tables and peerings. What only leads to warnings is read as far as possible; the rest is in `unread`.
    may_begin: asked before each of the calls of which there are many; NotBegun if the time does not suffice.
    known: the account's clusters as capacity_watch has read them; see `services_in`. reporting: see
    `relevant_clusters`. may_read_workloads: asked before each call about services, rules, schedules and what only
    leads to warnings, instead of `may_begin`; then only relevant clusters are read, and what of the workloads cannot be
    read is in `unread_workloads`. If it is None, all of them must be read.
    """
    ec2 = clients.ec2
    may_ask = may_read_workloads or may_begin
    found = one_vpc(ec2, vpc_id)
    if found is None:
        raise MissingEvidence(f"{vpc_id} does not exist")
    unread = Unread(may_ask)
    prefix_lists = PrefixLists(ec2, unread)
    with Together(at_once=READS_AT_ONCE) as reads:
        gateways = reads.begin(unread.read, "transit gateways", transit_gateways_of(ec2, vpc_id))
        peerings = reads.begin(peerings_of, ec2, vpc_id)
        acls = reads.begin(network_acls_of, ec2, vpc_id)
        route_tables = reads.begin(route_tables_of, ec2, vpc_id, prefix_lists)
        neighbours = reads.begin(unread.read, "other VPCs", neighbours_of(ec2, vpc_id))
        security_groups = reads.begin(
            unread.read, "security groups", security_group_mentions(ec2, vpc_id, prefix_lists)
        )
        quotas = reads.begin(read_quotas, clients.quotas)
        account = reads.begin(unread.read, "the own account", own_account(clients.sts))
        ipam = reads.begin(ipam_pool_of, ec2, ipam_pool) if ipam_pool else None
        clusters = reads.begin(clusters_in, clients.ecs, known)
        shown = describe_subnets(ec2, [vpc_id])
        subnets = with_ipv4(shown)
        used = reads.begin(_use_of, ec2, vpc_id, subnets, may_begin, unread)
        subnet_ids = {subnet.id for subnet in subnets}
        schedules = reads.begin(schedules_in, clients.scheduler, subnet_ids, may_ask)
        relevant = list(clusters.result().workloads)
        if may_read_workloads:
            relevant = relevant_clusters(relevant, subnet_ids, known, reporting)
        services = reads.begin(services_in, clients.ecs, relevant, subnet_ids, may_ask, known)
        rules = reads.begin(rules_in, clients.events, relevant, subnet_ids, may_ask)
        in_ipam = reads.begin(unread.read, "VPCs in IPAM", vpcs_in_ipam(ec2, vpc_id))
        in_clusters = reads.begin(unread.read, "EKS clusters", cluster_ranges(clients.eks, vpc_id, may_ask))
        gateway_ids = sorted(set(gateways.result()))
        connected = {"peering_ids": peerings.result().ids, "gateway_ids": gateway_ids}
        others = reads.begin(
            unread.read, "routes of other VPCs", routes_elsewhere(ec2, vpc_id, **connected, prefix_lists=prefix_lists)
        )
        transit = reads.begin(
            unread.read, "transit gateway routes", transit_routes(ec2, vpc_id, gateway_ids, prefix_lists)
        )
    workloads = (clusters.result(), services.result(), rules.result(), schedules.result())
    for one in workloads:
        if one.error and may_read_workloads is None:
            raise one.error
    occupancy, reservations = used.result()
    acl_list, acl_mentions = acls.result()
    return VpcSnapshot(
        vpc_id=vpc_id,
        taken_at=now,
        associations=associations_of(found),
        subnets=tuple(without_reserved(subnet, occupancy[subnet.id]) for subnet in subnets),
        tags=tags_of(found.get("Tags", ())),
        occupancy=occupancy,
        reservations=reservations,
        route_tables=route_tables.result(),
        network_acls=acl_list,
        services=services.result().workloads,
        callers=(*rules.result().workloads, *schedules.result().workloads),
        unread_workloads=tuple(line for one in workloads for line in one.unread),
        mentions=(*security_groups.result(), *acl_mentions, *others.result(), *transit.result()),
        neighbours=tuple(sorted({*neighbours.result(), *in_ipam.result()})),
        cluster_cidrs=in_clusters.result(),
        unread=unread.reasons,
        peer_cidrs=peerings.result().peer_cidrs,
        pending_peering=peerings.result().request_pending,
        quotas=quotas.result(),
        ipam=ipam.result() if ipam else None,
        shared_by=found["OwnerId"] if found["OwnerId"] not in (account.result() or found["OwnerId"]) else "",
        ipv6_blocks=ipv6_of(found),
        ipv6_subnets=tuple(cidr for subnet in shown for cidr in ipv6_of(subnet)),
    )


def _use_of(
    ec2: "EC2Client", vpc_id: str, subnets: Collection[Subnet], may_begin: Callable[[], bool], unread: Unread
) -> tuple[Mapping[str, Occupancy], tuple[Reservation, ...]]:
    """What the subnets of a VPC are used for, and what is reserved in them.

    Where no prefixes are used, reservations that cannot be read are taken for none.
    """
    counter = _count(ec2, subnets, may_begin, [vpc_id])
    holding_prefixes = counter.holding_prefixes()
    needed = {subnet.id for subnet in subnets if uses_prefixes(subnet, holding_prefixes)}
    read = concurrently(
        lambda subnet_id: reservations_of(ec2, subnet_id),
        sorted((subnet.id for subnet in subnets), key=lambda subnet_id: subnet_id not in needed),
        at_once=RESERVATIONS_AT_ONCE,
        may_begin=may_begin,
    )
    optional = [one for one in read if one.error and one.item not in needed]
    if optional and (error := optional[0].error):
        unread.add(f"reservations in {len(optional)} subnets", error)
    found = results_of(one for one in read if one.item in needed or not one.error)
    reservations = tuple(one for some in found for one in some)
    counter.reserve(reservations)
    return counter.occupancy(), reservations


def _by_vpc(services: Collection[Service], vpc_of: dict[str, str]) -> defaultdict[str, list[Service]]:
    """Services by the VPC of their subnets; all subnets of a service are in one VPC (ECS API, AwsVpcConfiguration)."""
    found: defaultdict[str, list[Service]] = defaultdict(list)
    for service in services:
        vpc_id = next((vpc_of[subnet] for subnet in service.subnet_ids if subnet in vpc_of), "")
        found[vpc_id].append(service)
    return found
