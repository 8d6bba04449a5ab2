"""What a plan does not add of what a person has asked for."""

from berthmaster.capacity.model.plan import Plan, Policy
from berthmaster.capacity.model.vpc import RESERVED_PER_SUBNET


def shortfall(plan: Plan, origin_id: str, asked: int, policy: Policy) -> str:
    """Why a plan adds fewer addresses for a group than were asked for; "" if it adds as many, or none at all."""
    own = [one.cidr for one in plan.subnets if one.sibling_id == origin_id]
    added = sum(cidr.num_addresses - RESERVED_PER_SUBNET for cidr in own)
    if not own or added >= asked:
        return ""
    is_largest = min(cidr.prefixlen for cidr in own) <= policy.largest_subnet
    why = f"a new subnet is a /{policy.largest_subnet} at most" if is_largest else "no larger block is free"
    return f"{asked} addresses were asked for, and {added} are added, because {why}"
