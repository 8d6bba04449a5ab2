"""What can be said of each rule, from what it was credited with and what logs cannot tell."""

from collections.abc import Callable, Iterator, Mapping

from berthmaster.security_groups.model.evidence import Credits, RuleEvidence, Verdict
from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.completeness import MOST_LOST, Completeness

NAMED = 3
"""Doubts that a verdict names."""


def no_doubts(_: Rule) -> tuple[str, ...]:
    """Nothing more is known against calling a rule unused."""
    return ()


def verdicts(
    topology: Topology,
    credits_: Mapping[str, Credits],
    completeness: Completeness,
    more_doubts: Callable[[Rule], tuple[str, ...]] = no_doubts,
) -> list[RuleEvidence]:
    """What is said of the newest version of each rule, in order of their ids.

    more_doubts: what else speaks against calling a rule unused, such as that it is younger than the window.
    """
    return list(_verdicts(topology, credits_, completeness, more_doubts))


def _verdicts(
    topology: Topology,
    credits_: Mapping[str, Credits],
    completeness: Completeness,
    more_doubts: Callable[[Rule], tuple[str, ...]],
) -> Iterator[RuleEvidence]:
    for id_, versions in sorted(topology.rules.items()):
        rule, seen = versions[-1].value, credits_.get(id_, Credits())
        verdict, why = _verdict(rule, seen, completeness, more_doubts)
        yield RuleEvidence(rule=rule, verdict=verdict, why=why, credits=seen)


def _verdict(
    rule: Rule, seen: Credits, completeness: Completeness, more_doubts: Callable[[Rule], tuple[str, ...]]
) -> tuple[Verdict, str]:
    if seen.conversations:
        return Verdict.USED, "it allowed conversations"
    if seen.possible:
        return Verdict.POSSIBLY_USED, "it may have allowed traffic: who opened it, or who the peer was, is not known"
    if (lost := completeness.lost(rule)) > MOST_LOST:
        return Verdict.UNKNOWN, f"records were lost in {lost:.0%} of its minutes (SKIPDATA)"
    if seen.knocks:
        return Verdict.SCANNED_ONLY, "all that it allowed were connection attempts that nobody answered"
    if doubts := (*completeness.doubts(rule), *more_doubts(rule)):
        more = f"; and {len(doubts) - NAMED} more reasons" if len(doubts) > NAMED else ""
        return Verdict.UNKNOWN, "; ".join(doubts[:NAMED]) + more
    return Verdict.UNUSED, "no record in the whole window could have been allowed by it"
