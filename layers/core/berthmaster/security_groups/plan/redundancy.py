"""Rules that other rules of their group make redundant, by their literal CIDR blocks: exact, and jointly."""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.evidence import Cover
from berthmaster.security_groups.model.rules import Direction, Network, Rule
from berthmaster.security_groups.plan.cover import Covered
from berthmaster.security_groups.plan.rule_areas import Protocols, in_order_of_removal, same_traffic
from berthmaster.security_groups.plan.rule_text import text_of

_MOST_NAMED = 4


def redundant(rules: Collection[Rule]) -> list[Cover]:
    """Rules that can all be removed at once without a change to what their groups allow, in the order of the rules.

    Each is covered by rules of its group and direction that stay. Rules whose peers are groups or prefix lists neither
    cover nor are covered: who those are may change (`conditional_cover`). Of equal rules the one with tags stays, else
    the one with a description, else the one with the lower id.
    """
    alike: dict[tuple[str, Direction, int], list[Rule]] = {}
    for rule in rules:
        if isinstance(rule.peer, IPv4Network | IPv6Network):
            alike.setdefault((rule.group, rule.direction, rule.peer.version), []).append(rule)
    covers = {cover.rule: cover for some in alike.values() for cover in _redundant(some)}
    return [covers[rule.id] for rule in rules if rule.id in covers]


def _redundant(rules: Sequence[Rule]) -> list[Cover]:
    protocols = Protocols.of(rules)
    areas = {rule.id: tuple(protocols.areas(rule, None, _blocks(rule))) for rule in rules}
    covered = Covered(areas)
    ordered = in_order_of_removal(rules)
    for rule in ordered:
        if covered.by_others(rule.id, areas[rule.id]):
            covered.take_out(rule.id)
    staying = {rule.id: rule for rule in reversed(ordered) if rule.id in covered}
    rank = {identifier: position for position, identifier in enumerate(staying)}
    found = []
    for rule in [rule for rule in ordered if rule.id not in covered]:
        chosen = covered.coverers(areas[rule.id], rank)
        found.append(Cover(rule=rule.id, covered_by=chosen, why=why(rule, [staying[one] for one in chosen])))
    return found


def why(rule: Rule, coverers: Sequence[Rule]) -> str:
    """What a network engineer wants to read about it."""
    named = [_named(one, rule) for one in coverers[:_MOST_NAMED]]
    if len(coverers) > _MOST_NAMED:
        named.append(f"{len(coverers) - _MOST_NAMED} more")
    if len(named) == 1:
        return f"{text_of(rule)}: {named[0]} allows all of it"
    together = f"{text_of(rule)}: {', '.join(named[:-1])} and {named[-1]} together allow all of it"
    if _is_for_anybody(rule) and not any(map(_is_for_anybody, coverers)):
        # Connection tracking: flows that rules for anybody allow in both directions are not tracked.
        return f"{together}; connections that are not tracked are interrupted when it goes"
    return together


def _is_for_anybody(rule: Rule) -> bool:
    return isinstance(rule.peer, IPv4Network | IPv6Network) and rule.peer.prefixlen == 0


def _named(one: Rule, rule: Rule) -> str:
    where = f" of {one.group}" if one.group != rule.group else ""
    is_same = one.peer == rule.peer and same_traffic(one, rule)
    return f"{one.id}{where} ({'the same' if is_same else text_of(one)})"


def _blocks(rule: Rule) -> list[Network]:
    return [rule.peer] if isinstance(rule.peer, IPv4Network | IPv6Network) else []


def is_covered(rule: Rule, others: Iterable[Rule]) -> bool:
    """Whether other rules of its group and direction allow all that a rule allows, by their literal CIDR blocks."""
    if not isinstance(rule.peer, IPv4Network | IPv6Network):
        return False
    alike = [one for one in others if (one.group, one.direction) == (rule.group, rule.direction) and _blocks(one)]
    protocols = Protocols.of([rule, *alike])
    covered = Covered({one.id: tuple(protocols.areas(one, None, _blocks(one))) for one in alike if one.id != rule.id})
    return covered.by_others(rule.id, tuple(protocols.areas(rule, None, _blocks(rule))))
