"""Every operation that has a handler or a patch here; all others are moto's alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.aws import pages
from simulator.aws.cloud_map import discovery, instances
from simulator.aws.cloud_map import services as cloud_map_services
from simulator.aws.cloudformation import stacks
from simulator.aws.dynamodb import items
from simulator.aws.ec2 import (
    cloud_trail,
    connection_tracking,
    filtered,
    interfaces,
    ipam,
    ipam_resources,
    ipv6,
    network_acls,
    prefix_lists,
    routing,
    security_group_rules,
    security_groups,
    subnets,
    vpcs,
)
from simulator.aws.ec2.addresses import track_interfaces
from simulator.aws.ec2.flow_logs import operations as flow_logs
from simulator.aws.ecs import (
    run_task,
    service_deployments,
    service_revisions,
    services,
    sizes,
    task_definitions,
    tasks,
)
from simulator.aws.eks import clusters
from simulator.aws.elasticache import clusters as cache_clusters
from simulator.aws.elbv2 import registration, target_groups
from simulator.aws.events import bus
from simulator.aws.s3 import events as s3_events
from simulator.aws.s3 import listings, objects
from simulator.aws.scheduler import schedules
from simulator.aws.service_quotas import quotas
from simulator.aws.sns import topics
from simulator.aws.sqs import messages
from simulator.aws.ssm import parameters
from simulator.aws.tagging import late_tags, resources

if TYPE_CHECKING:
    from simulator.account import Account, Handlers, Patches

HANDLERS: tuple[Handlers, ...] = (
    vpcs.HANDLERS,
    subnets.HANDLERS,
    interfaces.HANDLERS,
    ipv6.HANDLERS,
    security_groups.HANDLERS,
    security_group_rules.HANDLERS,
    prefix_lists.HANDLERS,
    routing.HANDLERS,
    ipam.HANDLERS,
    ipam_resources.HANDLERS,
    flow_logs.HANDLERS,
    quotas.HANDLERS,
    stacks.HANDLERS,
    services.HANDLERS,
    service_revisions.HANDLERS,
    service_deployments.HANDLERS,
    task_definitions.HANDLERS,
    sizes.HANDLERS,
    run_task.HANDLERS,
    tasks.HANDLERS,
    bus.HANDLERS,
    cloud_map_services.HANDLERS,
    instances.HANDLERS,
    discovery.HANDLERS,
    items.HANDLERS,
    topics.HANDLERS,
    messages.HANDLERS,
    registration.HANDLERS,
    target_groups.HANDLERS,
    resources.HANDLERS,
    late_tags.HANDLERS,
    parameters.HANDLERS,
    objects.HANDLERS,
    listings.HANDLERS,
)
# In the order in which they are applied: what is filtered out does not count for a page.
PATCHES: tuple[Patches, ...] = (
    schedules.PATCHES,
    s3_events.PATCHES,
    cloud_map_services.PATCHES,
    routing.PATCHES,
    services.PATCHES,
    clusters.PATCHES,
    cache_clusters.PATCHES,
    connection_tracking.PATCHES,
    network_acls.PATCHES,
    target_groups.PATCHES,
    late_tags.PATCHES,
    filtered.PATCHES,
    pages.PATCHES,
    cloud_trail.PATCHES,
)


def install(account: Account) -> None:
    """Give an account that has just been opened all of them."""
    for handlers in HANDLERS:
        account.handlers.update(handlers)
    for patches in PATCHES:
        for operation, patch in patches.items():
            account.add_patch(operation, patch)
    account.withheld.update(filtered.WITHHELD)
    track_interfaces(account)
