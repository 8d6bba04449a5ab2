"""What the evidence of a window says: all that a report is made of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Gap, RuleEvidence, Seen
from berthmaster.security_groups.model.references import Stale, Surroundings
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.age import doubts_of_age
from berthmaster.security_groups.plan.calendar import notes_on
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.improvements import improvements
from berthmaster.security_groups.plan.present import Present, present
from berthmaster.security_groups.plan.talks import of_one_group
from berthmaster.security_groups.plan.unused_groups import groups_without_interface
from berthmaster.security_groups.plan.users_of_groups import documented_groups
from berthmaster.security_groups.plan.verdicts import verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a window says of the rules that are there at its reading. Times are seconds since the epoch.

    present: what there is. rules: what is said of each, in order of their ids. written: now.
    """

    topology: Topology
    evidence: Evidence
    completeness: Completeness
    present: Present
    rules: tuple[RuleEvidence, ...]
    since: float
    until: float
    written: float


def judged(
    topology: Topology,
    evidence: Evidence,
    unread: Mapping[str, Sequence[str]],
    *,
    since: float,
    until: float,
    written: float,
) -> Judgement:
    """What is to be said of the rules that are there now.

    unread: by flow log, files of which nothing was read, with the reason. What was seen last before `since` does not
    count: the evidence of a day has it, if the window does not begin with the day.
    """
    seen = _since(evidence, since)
    completeness = Completeness(topology, seen.coverage.values(), since, until, unread)
    now = present(topology, written)
    there = {rule.id for rule in now.rules}
    said = verdicts(topology, seen.credits, completeness, doubts_of_age(topology, since))
    return Judgement(
        topology=topology,
        evidence=seen,
        completeness=completeness,
        present=now,
        rules=tuple(one for one in said if one.rule.id in there),
        since=since,
        until=until,
        written=written,
    )


def documentation(found: Judgement, surroundings: Surroundings, *, not_looked_at: str) -> Documentation:
    """All that a report is made of. not_looked_at: what may name groups and is never read, in words."""
    topology, completeness, since, now = found.topology, found.completeness, found.since, found.present
    too_young = doubts_of_age(topology, since)
    unproven = {
        rule.id for rule in now.rules if completeness.doubts(rule) or completeness.lost(rule) or too_young(rule)
    }
    better = improvements(now, found.rules, surroundings.stale, seconds=found.until - since, unproven=unproven)
    without = groups_without_interface(
        topology, since, found.written, surroundings.references, not_looked_at=not_looked_at
    )
    return Documentation(
        written=found.written,
        since=since,
        until=found.until,
        vpcs=tuple(vpc for _, vpc in sorted(topology.vpcs.items())),
        groups=documented_groups(topology, found.written),
        rules=found.rules,
        talks=tuple(of_one_group(found.evidence.talks, topology)),
        redundant=better.redundant,
        conditional=better.conditional,
        duplicates=better.duplicates,
        consolidations=better.consolidations,
        tightenings=better.tightenings,
        stale=better.stale,
        unused_groups=without.unused,
        latent_groups=without.latent,
        gaps=(*completeness.gaps(), *_not_asked(surroundings.stale)),
        notes=notes_on(since, found.until),
    )


def _since(evidence: Evidence, since: float) -> Evidence:
    """Evidence without what was seen last before a time; of what was seen since then, all that was seen is left."""

    def seen(one: Seen | None) -> Seen | None:
        return one if one and one.last >= since else None

    return replace(
        evidence,
        credits={
            rule: replace(
                one, conversations=seen(one.conversations), possible=seen(one.possible), knocks=seen(one.knocks)
            )
            for rule, one in evidence.credits.items()
        },
        allowed_by=tuple(one for one in evidence.allowed_by if one.last >= since),
    )


def _not_asked(stale: Stale) -> Iterator[Gap]:
    for what, reason in stale.unread:
        yield Gap(
            what=f"{what}: EC2 could not be asked what is gone ({reason})",
            why="rules that name groups, peerings or prefix lists that are gone may be missing from the list",
        )
