"""AWS's rules for blocks, with CIDRs as text."""

from collections.abc import Sequence
from typing import Any

from berthmaster.capacity.plan.cidr_rules import Constraints, Rule, violations
from tests.support.capacity.builders import networks


def rules_broken(
    candidate: str, *, vpc: Sequence[str], routes: Sequence[str] = (), peers: Sequence[str] = (), **more: Any
) -> set[Rule]:
    constraints = Constraints(
        vpc_cidrs=networks(*vpc), route_destinations=networks(*routes), peer_cidrs=networks(*peers), **more
    )
    (block,) = networks(candidate)
    return {violation.rule for violation in violations(block, constraints)}
