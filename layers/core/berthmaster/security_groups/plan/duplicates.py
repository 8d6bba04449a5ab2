"""Rules that are the same in several groups of one interface: each of them is allowed twice there."""

from collections import Counter
from collections.abc import Hashable

from berthmaster.security_groups.model.evidence import Duplicates
from berthmaster.security_groups.model.rules import GroupReference, Rule
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.rule_areas import spans_of
from berthmaster.security_groups.plan.rule_text import listed, text_of

_MOST_NAMED = 4


def duplicates(now: Present) -> list[Duplicates]:
    """The same rules of groups that some interface carries together, in the order of their ids.

    Which of them can go depends on the interfaces that carry one of the groups only (`conditional_cover`).
    """
    together = Counter(frozenset(interface.groups) for interface in now.interfaces if len(interface.groups) > 1)
    alike: dict[Hashable, dict[str, Rule]] = {}
    for rule in now.rules:
        alike.setdefault(_content(rule), {}).setdefault(rule.group, rule)
    found = []
    for by_group in alike.values():
        carried = Counter[frozenset[str]]()
        for groups, interfaces in together.items() if len(by_group) > 1 else ():
            if len(some := groups.intersection(by_group)) > 1:
                carried[some] += interfaces
        if carried:
            groups = frozenset[str]().union(*carried)
            found.append(_duplicates([by_group[group] for group in sorted(groups)], carried.total()))
    return sorted(found, key=lambda one: one.rules)


def _content(rule: Rule) -> Hashable:
    peer = (rule.peer.group,) if isinstance(rule.peer, GroupReference) else rule.peer
    return rule.direction, rule.protocol, spans_of(rule), peer


def _duplicates(rules: list[Rule], interfaces: int) -> Duplicates:
    groups = [rule.group for rule in rules]
    where = f"{interfaces} interfaces carry" if interfaces > 1 else "one interface carries"
    return Duplicates(
        rules=tuple(sorted(rule.id for rule in rules)),
        groups=tuple(groups),
        interfaces=interfaces,
        why=f"{text_of(rules[0])} is in {listed(groups, _MOST_NAMED)}, and {where} two of them or more",
    )
