"""VPCs that are short where only people can change something, and know it: they need not be read in every cycle.

A full read takes an invocation of capacity_expand some seconds, and such VPCs stay short for days. Many of them would
keep it from the others.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from berthmaster.capacity.ledger.expansions import PROPOSAL_LIFETIME, Expansion, ExpansionState
from berthmaster.capacity.plan.demand import Assessment
from berthmaster.lease import Leases

READ_AGAIN_AFTER = timedelta(minutes=30)
"""capacity_watch does not read rules and schedules, so this is how long it may take until a tag on one is noticed."""


def is_left_to_people(
    vpc_id: str, short: Iterable[Assessment], expansions: Iterable[Expansion], leases: Leases, now: datetime
) -> bool:
    """Whether a VPC was read a short time ago, and people were notified of all groups of it that are short.

    short: as the watch sees them. A group for which Berthmaster can do something by now is not left to people.
    """
    reported = {
        need.origin_id
        for one in expansions
        if one.vpc_id == vpc_id and one.state is ExpansionState.IMPOSSIBLE
        if one.plan.is_for_people and now - one.created_at < PROPOSAL_LIFETIME
        for need in one.plan.needs
    }
    if not all(one.group.origin.id in reported and not one.can_be_helped for one in short):
        return False
    lease = leases.look(vpc_id)
    return lease is not None and now - lease.considered_at < READ_AGAIN_AFTER
