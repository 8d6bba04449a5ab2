"""Rules that name a group, a peering or a prefix list that is gone: they allow nothing, and return if that does."""

from collections.abc import Iterator

from berthmaster.security_groups.model.evidence import StaleRule
from berthmaster.security_groups.model.references import Stale
from berthmaster.security_groups.model.rules import GroupReference, PrefixListReference, Rule
from berthmaster.security_groups.plan.present import Present

_ENDED = frozenset({"deleted", "deleting", "expired", "failed", "rejected"})
"""States of a peering in which no traffic passes, and none will (DescribeVpcPeeringConnections)."""
_EFFECT = "it allows nothing, and nothing breaks without it"


def stale_rules(now: Present, stale: Stale) -> list[StaleRule]:
    """In the order of the rules. stale: what EC2 says; without it, only peerings that have ended are seen."""
    return [found for rule in now.rules for found in _stale(rule, now, stale)]


def _stale(rule: Rule, now: Present, stale: Stale) -> Iterator[StaleRule]:
    match rule.peer:
        case PrefixListReference(name) if name in stale.prefix_lists:
            why = f"the prefix list is deleted, or not shared with this account any more: {_EFFECT}"
            yield StaleRule(rule=rule.id, names=name, why=why)
        case GroupReference(peering_status=status) as peer if status in _ENDED:
            yield StaleRule(rule=rule.id, names=_named(peer), why=f"the peering is {status}: {_EFFECT}")
        case GroupReference(group) as peer if (rule.group, rule.direction, group) in stale.references:
            known = group in now.groups
            what = "there is no peering to its VPC any more" if known else "the group is deleted, or its VPC not peered"
            yield StaleRule(rule=rule.id, names=_named(peer), why=f"EC2 calls it stale: {what}; {_EFFECT}")


def _named(peer: GroupReference) -> str:
    where = " through ".join(one for one in (peer.vpc, peer.peering) if one)
    return f"{peer.group} in {where}" if where else peer.group
