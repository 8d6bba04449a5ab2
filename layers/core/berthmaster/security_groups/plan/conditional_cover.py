"""Rules that others make redundant as things are now: the members of groups, entries of lists, groups of interfaces.

What literal CIDR blocks of the same group cover is left to `redundancy`: that stays true whatever else changes.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_network

from berthmaster.security_groups.model.evidence import Cover
from berthmaster.security_groups.model.rules import Direction, GroupReference, Network, PrefixListReference, Rule
from berthmaster.security_groups.model.topology import Interface
from berthmaster.security_groups.plan.cover import Area, Covered
from berthmaster.security_groups.plan.credits import united
from berthmaster.security_groups.plan.present import Present
from berthmaster.security_groups.plan.redundancy import why
from berthmaster.security_groups.plan.rule_areas import Protocols, in_order_of_removal
from berthmaster.security_groups.plan.rule_text import listed

_MOST_NAMED = 4


@dataclass(frozen=True)
class _Reading:
    """One way to say who the peers of a rule are, and on what it depends; "" if on nothing."""

    areas: tuple[Area, ...]
    condition: str = ""


def conditional(now: Present, redundant: Collection[Cover]) -> list[Cover]:
    """Rules that others cover as long as something else does not change, which `why` names; in the order of the rules.

    redundant: what is covered anyway, which is not looked at. All of these, and the redundant ones, can be removed
    at once: `covered_by` names rules that stay.
    """
    gone = {cover.rule for cover in redundant}
    rules = [rule for rule in now.rules if rule.id not in gone]
    search = _Search(now, rules)
    covers = {cover.rule: cover for cover in search.covers()}
    return [covers[rule.id] for rule in rules if rule.id in covers]


class _Search:
    def __init__(self, now: Present, rules: Sequence[Rule]) -> None:
        self._carriers = now.carriers()
        self._peers = _Peers(now, self._carriers)
        self._rules = {rule.id: rule for rule in rules}
        self._ordered = in_order_of_removal(rules)
        self._protocols = Protocols.of(rules)
        by_group: dict[tuple[str, Direction], list[Rule]] = {}
        for rule in rules:
            by_group.setdefault((rule.group, rule.direction), []).append(rule)
        self._allowed: dict[tuple[str, Direction], Covered] = {}
        self._where: dict[str, list[Covered]] = {rule.id: [] for rule in rules}
        for group, direction in by_group:
            together = [
                rule for one in (group, *self._always_with(group)) for rule in by_group.get((one, direction), ())
            ]
            covered = Covered({rule.id: self._peers.allowed(rule, self._protocols) for rule in together})
            self._allowed[group, direction] = covered
            for rule in together:
                self._where[rule.id].append(covered)

    def _always_with(self, group: str) -> list[str]:
        """The groups that every interface of a group carries too."""
        others = [set(interface.groups) for interface in self._carriers.get(group, ())]
        return sorted(set.intersection(*others) - {group}) if others else []

    def covers(self) -> Iterator[Cover]:
        removed = []
        for rule in self._ordered:
            if self._covered(rule):
                removed.append(rule)
                for covered in self._where[rule.id]:
                    covered.take_out(rule.id)
        gone = {rule.id for rule in removed}
        rank = {rule.id: position for position, rule in enumerate(reversed(self._ordered)) if rule.id not in gone}
        for rule in removed:
            # What covered it may have been removed since, but then it was itself covered by what is left.
            if reading := self._covered(rule):
                ids = self._allowed[rule.group, rule.direction].coverers(reading.areas, rank)
                coverers = [self._rules[one] for one in ids]
                yield Cover(rule=rule.id, covered_by=ids, why=self._why(rule, coverers, reading))

    def _covered(self, rule: Rule) -> _Reading | None:
        """The first reading of a rule that others cover."""
        covered = self._allowed[rule.group, rule.direction]
        readings = self._peers.readings(rule, self._protocols)
        return next((one for one in readings if covered.by_others(rule.id, one.areas)), None)

    def _why(self, rule: Rule, coverers: Sequence[Rule], reading: _Reading) -> str:
        conditions = [reading.condition] if reading.condition else []
        others = sorted({one.group for one in coverers} - {rule.group})
        if others:
            number = len(self._carriers[rule.group])
            every = f"each of the {number} interfaces" if number > 1 else "the only interface"
            conditions.append(f"{every} of {rule.group} carries {listed(others, _MOST_NAMED)} too")
        if not isinstance(rule.peer, PrefixListReference):
            lists = {one.peer.prefix_list for one in coverers if isinstance(one.peer, PrefixListReference)}
            conditions += [self._peers.version(one) for one in sorted(lists)]
        return f"{why(rule, coverers)}; " + (
            f"as long as {' and '.join(conditions)}" if conditions else "whoever the peers are"
        )


class _Peers:
    """Who the peers of rules are now."""

    def __init__(self, now: Present, carriers: Mapping[str, Sequence[Interface]]) -> None:
        self._now = now
        self._carriers = carriers
        self._entries = cache(self._entries_of)
        self._members = cache(self._members_of)

    def allowed(self, rule: Rule, protocols: Protocols) -> tuple[Area, ...]:
        """The areas that a rule allows: those of its blocks or entries, and by name what it refers to."""
        return tuple(area for reading in self._own(rule, protocols) for area in reading.areas)

    def readings(self, rule: Rule, protocols: Protocols) -> Iterator[_Reading]:
        """The ways to say who the peers are, what depends on least first."""
        yield from self._own(rule, protocols)
        if isinstance(rule.peer, GroupReference):
            for blocks, condition in self._members(rule.peer):
                yield _Reading(tuple(protocols.areas(rule, None, blocks)), condition)

    def _own(self, rule: Rule, protocols: Protocols) -> Iterator[_Reading]:
        match rule.peer:
            case GroupReference(group):
                yield _Reading(tuple(protocols.areas(rule, group, [None])))
            case PrefixListReference(name):
                yield _Reading(tuple(protocols.areas(rule, name, [None])))
                if entries := self._entries(name):
                    yield _Reading(tuple(protocols.areas(rule, None, entries)), self.version(name))
            case block:
                yield _Reading(tuple(protocols.areas(rule, None, [block])))

    def _entries_of(self, name: str) -> tuple[Network, ...]:
        known = self._now.prefix_lists.get(name)
        return _blocks(known.entries) if known else ()

    def _members_of(self, peer: GroupReference) -> tuple[tuple[tuple[Network, ...], str], ...]:
        """Blocks in which the members of a group are, and what that depends on; nothing if they are not known."""
        members = self._carriers.get(peer.group, ())
        group = self._now.groups.get(peer.group)
        vpc = self._now.vpcs.get(group.vpc) if group else None
        if not group or peer.owner not in {"", group.owner}:
            return ()
        addresses = [ip_network(address) for one in members for address in one.addresses]
        addresses += [prefix for one in members for prefix in one.prefixes]
        found = []
        if vpc and vpc.cidrs and all(one.vpc == vpc.id for one in members):
            condition = f"all members of {peer.group} are in {vpc.id} ({_named(vpc.cidrs)})"
            found.append((_blocks([*vpc.cidrs, *addresses]), condition))
        if addresses:
            blocks = _blocks(addresses)
            condition = f"the members of {peer.group} have the addresses that they have now ({_named(blocks)})"
            found.append((blocks, condition))
        return tuple(found)

    def version(self, name: str) -> str:
        """What a person compares a prefix list with."""
        return f"{name} has the entries of version {self._now.prefix_lists[name].version}"


def _blocks(networks: Iterable[Network]) -> tuple[Network, ...]:
    """The fewest blocks of the same addresses, IPv4 first."""
    return tuple(sorted(united(networks), key=lambda block: (block.version, int(block.network_address))))


def _named(blocks: Sequence[Network]) -> str:
    return listed([str(block) for block in blocks], _MOST_NAMED)
