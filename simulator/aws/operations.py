"""Every operation this simulator answers or mends, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.aws.cloud_map import instances as discovery
from simulator.aws.dynamodb import items
from simulator.aws.ec2 import interfaces, ipam, routing, subnets, vpcs
from simulator.aws.ecs import service_revisions, services, task_definitions, tasks
from simulator.aws.elbv2 import target_groups, targets
from simulator.aws.events import bus
from simulator.aws.scheduler import schedules as callers
from simulator.aws.service_quotas import quotas
from simulator.aws.sns import topics
from simulator.aws.tagging import resources as tagged

if TYPE_CHECKING:
    from simulator.cloud import Answers, Mends

ANSWERS: Answers = (
    vpcs.ANSWERS
    | subnets.ANSWERS
    | interfaces.ANSWERS
    | routing.ANSWERS
    | quotas.ANSWERS
    | ipam.ANSWERS
    | services.ANSWERS
    | service_revisions.ANSWERS
    | task_definitions.ANSWERS
    | tasks.ANSWERS
    | bus.ANSWERS
    | discovery.ANSWERS
    | items.ANSWERS
    | topics.ANSWERS
    | targets.ANSWERS
    | target_groups.ANSWERS
    | tagged.ANSWERS
)
MENDS: Mends = callers.MENDS | discovery.MENDS | routing.MENDS | services.MENDS | target_groups.MENDS
