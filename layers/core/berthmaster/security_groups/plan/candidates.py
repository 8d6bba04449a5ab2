"""Rules that may go, as the evidence of a window says: whether they are removed is decided elsewhere."""

from collections.abc import Collection, Iterator

from berthmaster.security_groups.model.evidence import Cover, RuleEvidence, Verdict
from berthmaster.security_groups.model.removals import Candidate, Ground
from berthmaster.security_groups.plan.keeping import is_managed
from berthmaster.security_groups.plan.redundancy import redundant
from berthmaster.security_groups.plan.window import Judgement


def candidates(judgement: Judgement, going: Collection[str] = ()) -> list[Candidate]:
    """Rules of managed groups that are unused, or that others of their group cover; without their earlier peers.

    going: ids of rules whose removal was begun, which are no candidates and cover nothing. In the order in which they
    should go: a rule that covers others can go only after these.
    """
    covers = {one.rule: one for one in redundant([rule for rule in judgement.present.rules if rule.id not in going])}
    found = [one for evidence in judgement.rules for one in _of_rule(judgement, evidence, covers.get(evidence.rule.id))]
    return sorted((one for one in found if one.rule.id not in going), key=lambda one: (not one.covered_by, one.rule.id))


def _of_rule(judgement: Judgement, evidence: RuleEvidence, cover: Cover | None) -> Iterator[Candidate]:
    group = judgement.present.groups.get(evidence.rule.group)
    is_unused = evidence.verdict is Verdict.UNUSED
    if group is None or not is_managed(group) or not (is_unused or cover):
        return
    yield Candidate(
        rule=evidence.rule,
        vpc=group.vpc,
        ground=Ground.UNUSED if is_unused else Ground.COVERED,
        why=evidence.why if is_unused or cover is None else cover.why,
        since=judgement.since,
        until=judgement.until,
        covered_by=cover.covered_by if cover else (),
    )
