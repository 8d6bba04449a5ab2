"""Who uses the subnets of a VPC, as far as Berthmaster can see: read before subnets are deleted."""

from collections.abc import Callable
from datetime import datetime

from berthmaster.capacity.model.vpc import VpcSnapshot
from berthmaster.capacity.observe.network import associations_of, interface_pages_of, one_vpc, subnets_of, tags_of
from berthmaster.capacity.observe.occupancy import OccupancyCounter
from berthmaster.capacity.observe.workloads import buses_of, cluster_arns, rules_in, schedules_in, services_in
from berthmaster.clients import Clients
from berthmaster.errors import MissingEvidence


def read_use(
    clients: Clients, vpc_id: str, now: datetime, *, may_begin: Callable[[], bool] = lambda: True
) -> VpcSnapshot:
    """One VPC with its blocks and subnets, who has addresses in them, and what lists them.

    Also rules on other than the default bus, and schedules of groups that are not managed: a plan does without them,
    but they would run tasks in a subnet that is gone. MissingEvidence if the VPC is gone, AWS's error if something
    cannot be read.
    may_begin: asked before each of the calls of which there are many; NotBegun if the time does not suffice.
    """
    found = one_vpc(clients.ec2, vpc_id)
    if found is None:
        raise MissingEvidence(f"{vpc_id} does not exist")
    subnets = subnets_of(clients.ec2, [vpc_id])
    counter = OccupancyCounter(subnets)
    for page in interface_pages_of(clients.ec2, [vpc_id]):
        counter.count(page)
    subnet_ids = {subnet.id for subnet in subnets}
    clusters = cluster_arns(clients.ecs)
    services = services_in(clients.ecs, clusters, subnet_ids, may_begin)
    rules = rules_in(clients.events, clusters, subnet_ids, may_begin, buses=buses_of(clients.events))
    schedules = schedules_in(clients.scheduler, subnet_ids, may_begin, is_any_group=True)
    for one in (services, rules, schedules):
        if one.error:
            raise one.error
    return VpcSnapshot(
        vpc_id=vpc_id,
        taken_at=now,
        associations=associations_of(found),
        subnets=tuple(subnets),
        tags=tags_of(found.get("Tags", ())),
        occupancy=counter.occupancy(),
        services=services.workloads,
        callers=(*rules.workloads, *schedules.workloads),
    )
