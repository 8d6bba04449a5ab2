"""All that could be simpler, narrower or gone, of the rules that are in force."""

from collections.abc import Collection
from dataclasses import dataclass

from berthmaster.security_groups.model.evidence import (
    Consolidation,
    Cover,
    Duplicates,
    RuleEvidence,
    StaleRule,
    Tightening,
)
from berthmaster.security_groups.model.references import Stale
from berthmaster.security_groups.plan.conditional_cover import conditional
from berthmaster.security_groups.plan.consolidation import consolidations
from berthmaster.security_groups.plan.duplicates import duplicates
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.redundancy import redundant
from berthmaster.security_groups.plan.stale_rules import stale_rules
from berthmaster.security_groups.plan.tightening import tightenings


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvements:
    """What others cover, what is there twice, what can be merged, what is wider than its use, what allows nothing."""

    redundant: tuple[Cover, ...]
    conditional: tuple[Cover, ...]
    duplicates: tuple[Duplicates, ...]
    consolidations: tuple[Consolidation, ...]
    tightenings: tuple[Tightening, ...]
    stale: tuple[StaleRule, ...]


def improvements(
    now: Present, evidence: Collection[RuleEvidence], stale: Stale, *, seconds: float, unproven: Collection[str]
) -> Improvements:
    """What to improve.

    stale: what EC2 says is gone. seconds: of the window. unproven: ids of rules whose use logs may have missed.
    """
    covered = redundant(now.rules)
    there = {rule.id for rule in now.rules}
    in_force = [one for one in evidence if one.rule.id in there]
    return Improvements(
        redundant=tuple(covered),
        conditional=tuple(conditional(now, covered)),
        duplicates=tuple(duplicates(now)),
        consolidations=tuple(consolidations(now.rules, covered)),
        tightenings=tuple(tightenings(in_force, seconds=seconds, unproven=unproven)),
        stale=tuple(stale_rules(now, stale)),
    )
