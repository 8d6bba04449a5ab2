"""AWS → VpcSnapshot: reads only, paginated and batched, all of them before anything is decided.

`read_fleet` reads every managed VPC at once, every five minutes, without a call per subnet; what can only be read one
by one comes from the inventory. `read_vpc` reads one VPC, complete and current, for a plan.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from berthmaster.capacity.model import Occupancy, Reservation, Service, Subnet, VpcSnapshot
from berthmaster.capacity.observe.inventory import Inventory
from berthmaster.capacity.observe.mentions import (
    network_acls_of,
    routes_elsewhere,
    security_group_mentions,
    transit_gateways_of,
    transit_routes,
)
from berthmaster.capacity.observe.network import (
    associations_of,
    interfaces_of,
    managed_vpcs,
    may_have_reservations,
    neighbours_of,
    one_vpc,
    read_ipam_pool,
    reservations_of,
    subnets_of,
    tags_of,
)
from berthmaster.capacity.observe.occupancy import OccupancyCounter
from berthmaster.capacity.observe.quotas import read_quotas
from berthmaster.capacity.observe.routing import PrefixLists, peerings_of, route_tables_of
from berthmaster.capacity.observe.workloads import cluster_arns, rules_in, schedules_in, services_in
from berthmaster.clients import Clients
from berthmaster.concurrently import Together
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

READS_AT_ONCE = 6
"""Beside those of the caller's thread; boto3 keeps ten connections per client."""


def read_fleet(clients: Clients, now: datetime, inventory: Inventory, failures: Failures) -> tuple[VpcSnapshot, ...]:
    """Every managed VPC with what the watch needs: blocks, subnets, occupancy, services, reservations, quotas.

    What the inventory cannot read stays as it was read before, and is added to the failures.
    """
    vpcs = managed_vpcs(clients.ec2)
    ids = [vpc["VpcId"] for vpc in vpcs]
    subnets = subnets_of(clients.ec2, ids)
    counter = OccupancyCounter(subnets)
    counter.count(interfaces_of(clients.ec2, ids))
    inventory.refresh(now, subnets, counter.holding_prefixes(), failures)
    counter.reserve(inventory.reservations)
    occupancy = counter.occupancy()
    own: defaultdict[str, list[Subnet]] = defaultdict(list)
    for subnet in subnets:
        own[subnet.vpc_id].append(subnet)
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


def read_vpc(clients: Clients, vpc_id: str, now: datetime, *, ipam_pool: str = "") -> VpcSnapshot:
    """One VPC with all that a plan may rest on.

    MissingEvidence if it is gone. AWS's error if something cannot be read without which a plan would be unsafe, such as
    route tables and peerings. What the owner of a transit gateway does not let this account read is left out.
    """
    ec2 = clients.ec2
    found = one_vpc(ec2, vpc_id)
    if found is None:
        raise MissingEvidence(f"{vpc_id} does not exist")
    prefix_lists = PrefixLists(ec2)
    with Together(at_once=READS_AT_ONCE) as reads:
        gateways = reads.begin(transit_gateways_of, ec2, vpc_id)
        peerings = reads.begin(peerings_of, ec2, vpc_id)
        acls = reads.begin(network_acls_of, ec2, vpc_id)
        route_tables = reads.begin(route_tables_of, ec2, vpc_id, prefix_lists)
        neighbours = reads.begin(neighbours_of, ec2, vpc_id)
        security_groups = reads.begin(lambda: tuple(security_group_mentions(ec2, vpc_id, prefix_lists)))
        quotas = reads.begin(read_quotas, clients.quotas)
        ipam = reads.begin(read_ipam_pool, ec2, ipam_pool) if ipam_pool else None
        clusters = reads.begin(cluster_arns, clients.ecs)
        subnets = subnets_of(ec2, [vpc_id])
        used = reads.begin(_use_of, ec2, vpc_id, subnets)
        connected = {"peering_ids": peerings.result().ids, "gateway_ids": gateways.result()}
        others = reads.begin(lambda: tuple(routes_elsewhere(ec2, vpc_id, **connected, prefix_lists=prefix_lists)))
        transit = reads.begin(lambda: tuple(transit_routes(ec2, vpc_id, gateways.result())))
        subnet_ids = {subnet.id for subnet in subnets}
        services = services_in(clients.ecs, clusters.result(), subnet_ids)
        callers = (
            *rules_in(clients.events, clusters.result(), subnet_ids),
            *schedules_in(clients.scheduler, subnet_ids),
        )
    occupancy, reservations = used.result()
    acl_list, acl_mentions = acls.result()
    return VpcSnapshot(
        vpc_id=vpc_id,
        taken_at=now,
        associations=associations_of(found),
        subnets=tuple(subnets),
        tags=tags_of(found.get("Tags", ())),
        occupancy=occupancy,
        reservations=reservations,
        route_tables=route_tables.result(),
        network_acls=acl_list,
        services=tuple(services),
        callers=callers,
        mentions=(*security_groups.result(), *acl_mentions, *others.result(), *transit.result()),
        neighbours=neighbours.result(),
        peer_cidrs=peerings.result().peer_cidrs,
        pending_peering=peerings.result().request_pending,
        quotas=quotas.result(),
        ipam=ipam.result() if ipam else None,
    )


def _use_of(
    ec2: "EC2Client", vpc_id: str, subnets: Collection[Subnet]
) -> tuple[Mapping[str, Occupancy], tuple[Reservation, ...]]:
    """What the subnets of a VPC are used for, and what is reserved in them."""
    counter = OccupancyCounter(subnets)
    counter.count(interfaces_of(ec2, [vpc_id]))
    holding_prefixes = counter.holding_prefixes()
    asked = [subnet for subnet in subnets if may_have_reservations(subnet, holding_prefixes)]
    reservations = tuple(one for subnet in asked for one in reservations_of(ec2, subnet.id))
    counter.reserve(reservations)
    return counter.occupancy(), reservations


def _by_vpc(services: Collection[Service], vpc_of: dict[str, str]) -> defaultdict[str, list[Service]]:
    """Services by the VPC of their subnets; all subnets of a service are in one VPC (ECS API, AwsVpcConfiguration)."""
    found: defaultdict[str, list[Service]] = defaultdict(list)
    for service in services:
        vpc_id = next((vpc_of[subnet] for subnet in service.subnet_ids if subnet in vpc_of), "")
        found[vpc_id].append(service)
    return found
