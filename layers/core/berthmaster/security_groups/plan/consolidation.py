"""Rules of one group that one rule can replace exactly: adjacent ports, or adjacent blocks of addresses.

Each rule saved is one of the 60 that a group may have in a direction, by default.
"""

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.evidence import Consolidation, Cover
from berthmaster.security_groups.model.rules import TCP, UDP, Network, Rule
from berthmaster.security_groups.plan.rule_text import listed, text_of

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class _Merged:
    """A rule, and those that it stands for."""

    rule: Rule
    stands_for: tuple[Rule, ...]

    def joined(self, other: "_Merged", rule: Rule) -> "_Merged":
        return _Merged(rule, (*self.stands_for, *other.stands_for))


def consolidations(rules: Iterable[Rule], redundant: Collection[Cover] = ()) -> list[Consolidation]:
    """What can be merged of the rules that are not redundant; each rule is in one proposal at most."""
    gone = {cover.rule for cover in redundant}
    merged = [_Merged(rule, (rule,)) for rule in rules if rule.id not in gone]
    before = len(merged) + 1
    while len(merged) < before:
        before = len(merged)
        merged = _with_adjacent_blocks_joined(_with_adjacent_ports_joined(merged))
    return [_proposal(one) for one in merged if len(one.stands_for) > 1]


def _with_adjacent_ports_joined(merged: Iterable[_Merged]) -> list[_Merged]:
    by_peer: dict[Hashable, list[_Merged]] = {}
    for one in merged:
        rule = one.rule
        by_peer.setdefault((rule.group, rule.direction, rule.protocol, rule.icmp, rule.peer), []).append(one)
    return [one for alike in by_peer.values() for one in _joined_ports(alike)]


def _joined_ports(alike: list[_Merged]) -> list[_Merged]:
    """Join rules whose ports overlap or are adjacent. alike: of the same protocol and peer."""
    joined: list[_Merged] = []
    for one in sorted(alike, key=lambda one: one.rule.ports):
        first, last = one.rule.ports
        if joined and one.rule.protocol in {TCP, UDP} and first <= joined[-1].rule.ports[1] + 1:
            so_far = joined[-1].rule
            wider = replace(so_far, ports=(so_far.ports[0], max(so_far.ports[1], last)))
            joined[-1] = joined[-1].joined(one, wider)
        else:
            joined.append(one)
    return joined


def _with_adjacent_blocks_joined(merged: Iterable[_Merged]) -> list[_Merged]:
    by_traffic: dict[Hashable, list[_Merged]] = {}
    left = []
    for one in merged:
        rule = one.rule
        if isinstance(rule.peer, IPv4Network | IPv6Network):
            key = rule.group, rule.direction, rule.protocol, rule.icmp, rule.ports, rule.peer.version
            by_traffic.setdefault(key, []).append(one)
        else:
            left.append(one)
    return [*left, *(one for alike in by_traffic.values() for one in _joined_blocks(alike))]


def _joined_blocks(alike: list[_Merged]) -> list[_Merged]:
    """Join blocks that are the halves of another. alike: of the same traffic and IP version."""
    by_block: dict[Network, _Merged] = {}
    for one in alike:
        block, joined = _block(one), one
        # The halves of a block join, then that block with its neighbour.
        while block.prefixlen and (neighbour := _neighbour(block)) in by_block:
            block = block.supernet()
            joined = by_block.pop(neighbour).joined(joined, replace(one.rule, peer=block))
        by_block[block] = joined if block not in by_block else by_block[block].joined(joined, joined.rule)
    return list(by_block.values())


def _block(one: _Merged) -> Network:
    if not isinstance(one.rule.peer, IPv4Network | IPv6Network):
        raise TypeError(one.rule.peer)
    return one.rule.peer


def _neighbour(block: Network) -> Network:
    """The other half of the next larger block."""
    return next(half for half in block.supernet().subnets() if half != block)


def _proposal(one: _Merged) -> Consolidation:
    rules = sorted(one.stands_for, key=lambda rule: rule.id)
    what = listed([f"{rule.id} ({text_of(rule)})" for rule in rules], _MOST_NAMED)
    saved = len(rules) - 1
    descriptions = {rule.description for rule in rules}
    differ = "; their descriptions differ" if len(descriptions) > 1 else ""
    return Consolidation(
        rules=tuple(rule.id for rule in rules),
        peer=one.rule.peer,
        ports=one.rule.ports,
        why=f"{text_of(one.rule)} allows exactly what {what} allow together, with {saved} fewer{differ}",
    )
