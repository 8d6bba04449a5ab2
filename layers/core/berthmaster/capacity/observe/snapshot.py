"""AWS → VpcSnapshot: reads only, paginated and batched, all of them before anything is decided.

`read_fleet` reads every managed VPC at once, every five minutes, without a call per subnet; what can only be read one
by one comes from the inventory. `read_vpc` reads one VPC, complete and current, for a plan.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from berthmaster.capacity.model import Service, Subnet, VpcSnapshot
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
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures


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
    subnets = subnets_of(ec2, [vpc_id])
    subnet_ids = {subnet.id for subnet in subnets}
    counter = OccupancyCounter(subnets)
    counter.count(interfaces_of(ec2, [vpc_id]))
    holding_prefixes = counter.holding_prefixes()
    asked = [subnet for subnet in subnets if may_have_reservations(subnet, holding_prefixes)]
    reservations = tuple(one for subnet in asked for one in reservations_of(ec2, subnet.id))
    counter.reserve(reservations)
    prefix_lists = PrefixLists(ec2)
    acls, acl_mentions = network_acls_of(ec2, vpc_id)
    peerings = peerings_of(ec2, vpc_id)
    gateways = transit_gateways_of(ec2, vpc_id)
    clusters = cluster_arns(clients.ecs)
    return VpcSnapshot(
        vpc_id=vpc_id,
        taken_at=now,
        associations=associations_of(found),
        subnets=tuple(subnets),
        tags=tags_of(found.get("Tags", ())),
        occupancy=counter.occupancy(),
        reservations=reservations,
        route_tables=route_tables_of(ec2, vpc_id, prefix_lists),
        network_acls=acls,
        services=tuple(services_in(clients.ecs, clusters, subnet_ids)),
        callers=(
            *rules_in(clients.events, clusters, subnet_ids),
            *schedules_in(clients.scheduler, subnet_ids),
        ),
        mentions=(
            *security_group_mentions(ec2, vpc_id, prefix_lists),
            *acl_mentions,
            *routes_elsewhere(ec2, vpc_id, peering_ids=peerings.ids, gateway_ids=gateways, prefix_lists=prefix_lists),
            *transit_routes(ec2, vpc_id, gateways),
        ),
        neighbours=neighbours_of(ec2, vpc_id),
        peer_cidrs=peerings.peer_cidrs,
        pending_peering=peerings.request_pending,
        quotas=read_quotas(clients.quotas),
        ipam=read_ipam_pool(ec2, ipam_pool) if ipam_pool else None,
    )


def _by_vpc(services: Collection[Service], vpc_of: dict[str, str]) -> defaultdict[str, list[Service]]:
    """Services by the VPC of their subnets; all subnets of a service are in one VPC (ECS API, AwsVpcConfiguration)."""
    found: defaultdict[str, list[Service]] = defaultdict(list)
    for service in services:
        vpc_id = next((vpc_of[subnet] for subnet in service.subnet_ids if subnet in vpc_of), "")
        found[vpc_id].append(service)
    return found
