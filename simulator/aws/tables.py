"""Every operation this simulator answers or mends, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.aws import (
    bus,
    callers,
    discovery,
    interfaces,
    ipam,
    items,
    quotas,
    routing,
    service_revisions,
    services,
    subnets,
    tagged,
    target_groups,
    targets,
    task_definitions,
    tasks,
    topics,
    vpcs,
)

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
