"""Flows and topology → what each rule is credited with.

Security groups are a union: a flow credits every rule that allows it, of all groups of its interface. Only the side
that opened a conversation needs a rule; who that was is known from SYN and SYN-ACK, or if rules allow one side only.
What may have been so is credited as possible use, never as disuse.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from berthmaster.security_groups.model.evidence import Credits
from berthmaster.security_groups.model.flows import Flow, Quality
from berthmaster.security_groups.model.rules import TCP, UDP, Direction, GroupReference, Network, Rule
from berthmaster.security_groups.model.sources import AllowedBy
from berthmaster.security_groups.model.topology import Address, Span, Topology
from berthmaster.security_groups.plan.allowed_by import AllowedBySum
from berthmaster.security_groups.plan.credits import Account
from berthmaster.security_groups.plan.peers import Peers
from berthmaster.security_groups.plan.rule_set import Candidate, RuleSet, is_icmp

LAG = 60
"""Seconds by which a packet may be older than the start of its record, says AWS."""


class Sides(NamedTuple):
    """The rules by which either side may have opened a flow: of ingress if it was the peer, of egress otherwise."""

    ingress: "Allowed"
    egress: "Allowed"


class Allowed(NamedTuple):
    """Ids of rules that allow a flow in one direction.

    replies: those of the other direction that carry its untracked replies.
    """

    certain: frozenset[str]
    possible: frozenset[str]
    certain_replies: frozenset[str]
    possible_replies: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Those that certainly and those that possibly allow it."""
        return self.certain | self.possible


NOTHING = Allowed(frozenset(), frozenset(), frozenset(), frozenset())


class Matched(NamedTuple):
    """What flows say of rules. credits: by rule; rules without credits are left out."""

    credits: dict[str, Credits]
    allowed_by: tuple[AllowedBy, ...]


def credit(flows: Iterable[Flow], topology: Topology) -> dict[str, Credits]:
    """What each rule of the topology is credited with by some flows."""
    return matched(flows, topology).credits


def matched(flows: Iterable[Flow], topology: Topology) -> Matched:
    """What some flows say of the rules of the topology."""
    matching = Matching(topology)
    account, together = Account(), AllowedBySum()
    for flow in flows:
        sides = matching.sides(flow)
        _credit(account, flow, sides, matching)
        if flow.quality is not Quality.KNOCK:
            for allowed in sides:
                together.add(allowed.certain, allowed.possible, flow.records, flow.last)
                together.add(allowed.certain_replies, allowed.possible_replies, flow.records, flow.last)
    return Matched(account.credits(), together.sum())


def _credit(account: Account, flow: Flow, sides: Sides, matching: "Matching") -> None:
    candidates = sides.ingress.all | sides.egress.all
    if len(candidates) == 1:
        account.add_exclusive(next(iter(candidates)), flow.records)
    peers = _peers_of_rules(flow, matching) if flow.vias else {}

    def add(rules: Iterable[str], quality: Quality, ports: tuple[int, int]) -> None:
        for rule in rules:
            account.add(rule, quality, flow, peers.get(rule, (flow.peer,)), ports)

    if flow.is_inbound is not None:
        allowed = sides.ingress if flow.is_inbound else sides.egress
        add(allowed.certain | allowed.certain_replies, flow.quality, flow.ports)
        add(allowed.possible | allowed.possible_replies, Quality.ONE_WAY, flow.ports)
        return
    # Rules that carry untracked replies are those of the other side, which are credited anyway.
    is_settled = flow.quality is Quality.BOTH_WAYS and bool(sides.ingress.all) != bool(sides.egress.all)
    for allowed, ports in ((sides.ingress, flow.ports), (sides.egress, flow.peer_ports)):
        add(allowed.certain, Quality.CONVERSATION if is_settled else Quality.ONE_WAY, ports)
        add(allowed.possible, Quality.ONE_WAY, ports)


def _peers_of_rules(flow: Flow, matching: "Matching") -> Mapping[str, Sequence[Address]]:
    """By which of the peer's addresses each rule allows a flow."""
    found: dict[str, list[Address]] = defaultdict(list)
    for address in (flow.peer, *flow.vias):
        for allowed in matching.sides(flow._replace(peer=address, vias=())):
            for rule in allowed.all | allowed.certain_replies | allowed.possible_replies:
                found[rule].append(address)
    return found


class Matching:
    """A topology, prepared to find the rules of flows."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._peers = Peers(topology)
        self._rules_of: dict[tuple[str, Direction], list[tuple[Span[Rule], ...]]] = {}
        for versions in topology.rules.values():
            for key in dict.fromkeys((span.value.group, span.value.direction) for span in versions):
                self._rules_of.setdefault(key, []).append(versions)
        self._changes = _changes(chain(topology.rules.values(), topology.prefix_lists.values()))
        self._everywhere = tuple(sorted({group for group, _ in self._rules_of}))
        self._in_vpc = cache(self._groups_in_vpc)
        self._compiled = cache(self._compile)
        self._answered = cache(self._answer)

    def sides(self, flow: Flow) -> Sides:
        """The rules by which a flow may have been opened; of a side that did not open it, none."""
        own, peer = flow.ports, flow.peer_ports
        if flow.is_inbound is not None:
            peer = own
        return Sides(
            self._allowed(flow, Direction.INGRESS, own) if flow.is_inbound is not False else NOTHING,
            self._allowed(flow, Direction.EGRESS, peer) if flow.is_inbound is not True else NOTHING,
        )

    def _allowed(self, flow: Flow, direction: Direction, ports: tuple[int, int]) -> Allowed:
        states, is_known = self._states(flow)
        if is_known and len(states) == 1 and not self._changes:
            return self._allowed_by(flow, direction, ports, states[0], 0)
        found = [
            self._allowed_by(flow, direction, ports, groups, epoch)
            for groups in states
            for epoch in range(bisect_left(self._changes, flow.first - LAG), bisect_right(self._changes, flow.last) + 1)
        ]
        if is_known and len(found) == 1:
            return found[0]
        return _either(found, is_known=is_known)

    def _states(self, flow: Flow) -> tuple[list[tuple[str, ...]], bool]:
        """The groups that the interface may have had, and whether the interface is known."""
        spans = self._topology.interfaces.get(flow.interface, ())
        found = [span.value.groups for span in spans if span.overlaps(flow.first - LAG, flow.last)]
        if found:
            return list(dict.fromkeys(found)), True
        return [self._in_vpc(flow.vpc or self._vpc_of(flow.log))], False

    def _vpc_of(self, log: str) -> str:
        """The VPC of a flow log, as far as its resource says."""
        declared = (self._topology.flow_logs or {}).get(log)
        resource = declared.resource if declared else ""
        if resource.startswith("subnet-"):
            interfaces = (span.value for spans in self._topology.interfaces.values() for span in spans)
            return next((one.vpc for one in interfaces if one.subnet == resource), "")
        return resource if resource.startswith("vpc-") else ""

    def _groups_in_vpc(self, vpc: str) -> tuple[str, ...]:
        """All groups with rules of a VPC; of all VPCs if it is not known."""
        groups = self._topology.groups
        return tuple(one for one in self._everywhere if not vpc or one not in groups or groups[one].vpc in ("", vpc))

    def _allowed_by(
        self, flow: Flow, direction: Direction, ports: tuple[int, int], groups: tuple[str, ...], epoch: int
    ) -> Allowed:
        rules = self._compiled(groups, direction, epoch)
        at_port = rules.of_ports(flow.protocol, *ports)
        if not at_port:
            return NOTHING
        peer = rules.of_peer((flow.peer, *flow.vias), flow.first - LAG, flow.last)
        certain, possible = peer.certain & at_port, peer.possible & at_port
        if not certain | possible:
            return NOTHING
        return self._answered(_Question(groups, direction, epoch, flow.protocol, flow.peer.version, certain, possible))

    def _answer(self, asked: "_Question") -> Allowed:
        rules = self._compiled(asked.groups, asked.direction, asked.epoch)
        certain, possible = asked.certain, asked.possible
        if is_icmp(asked.protocol) and (certain | possible).bit_count() > 1:
            typed = certain & ~rules.of_any_icmp
            certain, possible = certain & ~typed, possible | typed
        certain_replies = possible_replies = frozenset[str]()
        if asked.protocol in (TCP, UDP):
            for_anybody = rules.for_anybody(asked.version)
            back = self._compiled(asked.groups, asked.direction.opposite, asked.epoch)
            replies = back.carrying_replies(asked.protocol, asked.version)
            if certain & for_anybody:
                certain_replies = back.chosen(replies & back.settled)
                possible_replies = back.chosen(replies & ~back.settled)
            elif possible & for_anybody:
                possible_replies = back.chosen(replies)
        return Allowed(rules.chosen(certain), rules.chosen(possible), certain_replies, possible_replies)

    def _compile(self, groups: tuple[str, ...], direction: Direction, epoch: int) -> RuleSet:
        """The rules of some groups between two changes of rules or prefix lists."""
        since = self._changes[epoch - 1] if epoch else float("-inf")
        until = self._changes[epoch] if epoch < len(self._changes) else float("inf")
        candidates = []
        for group in groups:
            for versions in self._rules_of.get((group, direction), ()):
                # A rule whose description or tags were changed allows what it did.
                found = {_terms(span.value): span.value for span in versions if _holds(span, since, until)}
                candidates += [
                    Candidate(rule, is_settled=len(found) == 1, members_vpc=self._members_vpc(rule))
                    for rule in found.values()
                    if rule.group == group and rule.direction is direction
                ]
        return RuleSet(candidates, self._lists(since, until), self._peers)

    def _members_vpc(self, rule: Rule) -> str | None:
        """The VPC of the group that a rule refers to; None if its members are not known."""
        if not isinstance(rule.peer, GroupReference) or rule.peer.group not in self._topology.groups:
            return None
        own = self._topology.groups.get(rule.group)
        referenced = self._topology.groups[rule.peer.group]
        owners = {owner for owner in (rule.peer.owner, referenced.owner, own.owner if own else "") if owner}
        return referenced.vpc if len(owners) <= 1 else None

    def _lists(self, since: float, until: float) -> Mapping[str, tuple[frozenset[Network], bool]]:
        found: dict[str, tuple[frozenset[Network], bool]] = {}
        for prefix_list, versions in self._topology.prefix_lists.items():
            held = {span.value.entries for span in versions if _holds(span, since, until)}
            if held:
                found[prefix_list] = frozenset[Network]().union(*held), len(held) == 1
        return found


class _Question(NamedTuple):
    """Which rules allow a flow, by the bits of those that match its port and peer: the same for many flows."""

    groups: tuple[str, ...]
    direction: Direction
    epoch: int
    protocol: int
    version: int
    certain: int
    possible: int


def _either(found: list[Allowed], *, is_known: bool) -> Allowed:
    """What several states of a topology allow: certainly what all of them do, possibly what any of them does."""

    def together(
        certain: list[frozenset[str]], possible: list[frozenset[str]]
    ) -> tuple[frozenset[str], frozenset[str]]:
        anywhere = frozenset[str]().union(*certain, *possible)
        everywhere = certain[0].intersection(*certain) if is_known else frozenset[str]()
        return everywhere, anywhere - everywhere

    return Allowed(
        *together([one.certain for one in found], [one.possible for one in found]),
        *together([one.certain_replies for one in found], [one.possible_replies for one in found]),
    )


def _terms(rule: Rule) -> tuple[object, ...]:
    return rule.group, rule.direction, rule.protocol, rule.ports, rule.icmp, rule.peer


def _holds(span: Span[object], since: float, until: float) -> bool:
    """Whether it holds between two changes."""
    return span.since <= since and until <= span.until


def _changes(subjects: Iterable[Iterable[Span[object]]]) -> list[float]:
    times: Iterator[float] = (time for spans in subjects for span in spans for time in (span.since, span.until))
    return sorted({time for time in times if time not in (float("-inf"), float("inf"))})
