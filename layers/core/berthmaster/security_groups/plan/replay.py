"""Whether rules can go together: the conversations of the window, with what would be left of the rules."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from berthmaster.security_groups.model.sources import AllowedBy
from berthmaster.security_groups.plan.age import first_seen
from berthmaster.security_groups.plan.window import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """What the removal of rules would have denied.

    records: of conversations. rules: those of the removed rules that may have allowed some of these, with how many. If
    none of them is removed, nothing is denied.
    """

    records: int = 0
    rules: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything would have been denied."""
        return bool(self.rules)


class Replays:
    """Replays of the same conversations, many times: each looks at those that some removed rule may have allowed."""

    def __init__(self, allowed_by: Iterable[AllowedBy], staying: Collection[str]) -> None:
        """staying: as of `replay`."""
        self._staying = frozenset(staying)
        self._by_rule: dict[str, list[tuple[int, AllowedBy]]] = defaultdict(list)
        for number, one in enumerate(allowed_by):
            for rule in one.certain | one.possible:
                self._by_rule[rule].append((number, one))

    def without(self, removed: Collection[str]) -> Denied:
        """What would have been denied without some rules."""
        concerned = {number: one for rule in removed for number, one in self._by_rule.get(rule, ())}
        return replay(concerned.values(), removed, self._staying)


def staying(judgement: Judgement, going: Collection[str]) -> frozenset[str]:
    """Rules that allow now what they allowed in the whole window, without those that are going: by their ids."""
    versions = judgement.topology.rules
    return frozenset(
        rule.id
        for rule in judgement.present.rules
        if rule.id not in going and first_seen(versions[rule.id]) <= judgement.since
    )


def replay(allowed_by: Iterable[AllowedBy], removed: Collection[str], staying: Collection[str]) -> Denied:
    """What would have been denied without some rules: one of them may have allowed it, and no other certainly did.

    removed, staying: ids; a rule in both is removed.
    """
    gone = frozenset(removed)
    left = frozenset(staying) - gone
    records, rules = 0, defaultdict[str, int](int)
    for one in allowed_by:
        missed = (one.certain | one.possible) & gone
        if missed and not one.certain & left:
            records += one.records
            for rule in missed:
                rules[rule] += one.records
    return Denied(records=records, rules=dict(sorted(rules.items())))
