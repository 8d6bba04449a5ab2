"""What the evidence of a window says: all that a report is made of."""

from collections.abc import Iterator, Mapping, Sequence

from berthmaster.security_groups.model.documentation import Documentation
from berthmaster.security_groups.model.evidence import Gap
from berthmaster.security_groups.model.references import Stale, Surroundings
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.model.topology import Topology
from berthmaster.security_groups.plan.age import doubts_of_age
from berthmaster.security_groups.plan.calendar import notes_on
from berthmaster.security_groups.plan.completeness import Completeness
from berthmaster.security_groups.plan.improvements import improvements
from berthmaster.security_groups.plan.present import present
from berthmaster.security_groups.plan.talks import of_one_group
from berthmaster.security_groups.plan.unused_groups import groups_without_interface
from berthmaster.security_groups.plan.users_of_groups import documented_groups
from berthmaster.security_groups.plan.verdicts import verdicts


def documentation(
    topology: Topology,
    evidence: Evidence,
    surroundings: Surroundings,
    unread: Mapping[str, Sequence[str]],
    *,
    since: float,
    until: float,
    written: float,
    not_looked_at: str,
) -> Documentation:
    """What is to be said of the rules that are there now; times are seconds since the epoch. written: now.

    unread: by flow log, files of which nothing was read, with the reason. not_looked_at: what may name groups and is
    never read, in words.
    """
    completeness = Completeness(topology, evidence.coverage.values(), since, until, unread)
    too_young = doubts_of_age(topology, since)
    now = present(topology, written)
    there = {rule.id for rule in now.rules}
    judged = verdicts(topology, evidence.credits, completeness, too_young)
    rules = [one for one in judged if one.rule.id in there]
    unproven = {
        rule.id for rule in now.rules if completeness.doubts(rule) or completeness.lost(rule) or too_young(rule)
    }
    better = improvements(now, rules, surroundings.stale, seconds=until - since, unproven=unproven)
    without = groups_without_interface(topology, since, written, surroundings.references, not_looked_at=not_looked_at)
    return Documentation(
        written=written,
        since=since,
        until=until,
        vpcs=tuple(vpc for _, vpc in sorted(topology.vpcs.items())),
        groups=documented_groups(topology, written),
        rules=tuple(rules),
        talks=tuple(of_one_group(evidence.talks, topology)),
        redundant=better.redundant,
        conditional=better.conditional,
        duplicates=better.duplicates,
        consolidations=better.consolidations,
        tightenings=better.tightenings,
        stale=better.stale,
        unused_groups=without.unused,
        latent_groups=without.latent,
        gaps=(*completeness.gaps(), *_not_asked(surroundings.stale)),
        notes=notes_on(since, until),
    )


def _not_asked(stale: Stale) -> Iterator[Gap]:
    for what, reason in stale.unread:
        yield Gap(
            what=f"{what}: EC2 could not be asked what is gone ({reason})",
            why="rules that name groups, peerings or prefix lists that are gone may be missing from the list",
        )
