"""Why a rule is never removed automatically, whatever is known of its use."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from ipaddress import IPv4Network, IPv6Network

from berthmaster.security_groups.model.removals import Candidate, LeftAlone, Removal
from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, TCP, UDP, Direction, GroupReference, Rule
from berthmaster.security_groups.model.tags import PLACE, TAG
from berthmaster.security_groups.plan.controllers import controller_of
from berthmaster.security_groups.plan.keeping import kept
from berthmaster.security_groups.plan.peers import is_anywhere
from berthmaster.security_groups.plan.quarantine import is_inert
from berthmaster.security_groups.plan.redundancy import redundant
from berthmaster.security_groups.plan.terms import content_key, peer_text
from berthmaster.security_groups.plan.window import Judgement

COMES_IN = {Direction.INGRESS: "what comes in", Direction.EGRESS: "what goes out"}

NO_RECORD = "its peer is that of a rule in quarantine, and there is no record of what it had before"


class Holds:
    """What keeps rules of one moment. account: the id of our own. removals: all of them, also those that are over."""

    def __init__(
        self,
        judgement: Judgement,
        *,
        account: str,
        now: datetime,
        removals: Collection[Removal],
        left_alone: Collection[LeftAlone],
    ) -> None:
        self._present = judgement.present
        self._account = account
        self._now = now
        self._left = {(one.group, one.key): one for one in left_alone if one.until is None or one.until > now}
        self._covering = {one.rule.id: one.candidate.covered_by for one in removals}
        there = {rule.id: rule for rule in judgement.present.rules}
        # A rule in quarantine has another peer, and one that is revoked is not there: what they covered is not lost.
        rules = there | {one.rule.id: one.rule for one in removals if one.state.is_open}
        self._there = _by_group(judgement.present.rules)
        self._as_announced = _by_group(rules.values())
        self._allowing_nothing = {
            one.rule.id
            for one in removals
            if one.inert is not None and one.rule.id in there and _is_at(there[one.rule.id], one)
        }
        self._showing_rejected = {
            one.resource
            for one in (judgement.topology.flow_logs or {}).values()
            if one.is_active and one.traffic_type != "ACCEPT" and one.id in judgement.evidence.coverage
        }
        self._open = {one.rule.id for one in removals if one.state.is_open}
        self._carriers = judgement.present.carriers()
        self._covers = cache(self._covers_of)

    def of(self, candidate: Candidate, going: Collection[str] = ()) -> tuple[str, ...]:
        """All reasons, each without a full stop; none if it may go.

        going: ids of rules that are in removal or were chosen to be, besides this one.
        """
        others = frozenset(going) - {candidate.rule.id}
        return (
            *self._of_people(candidate.rule),
            *self._of_owners(candidate.rule),
            *self._of_watching(candidate),
            *self._of_tracking(candidate.rule),
            *self._of_direction(candidate.rule, others),
            *self._of_cover(candidate, others),
        )

    def _of_people(self, rule: Rule) -> Iterator[str]:
        group, today = self._present.groups.get(rule.group), self._now.date()
        if why := kept(rule.tags, today):
            yield f"it is to be kept: {why}"
        elif why := kept(group.tags if group else (), today):
            yield f"its group is to be kept: {why}"
        if left := self._left.get((rule.group, content_key(rule))):
            yield f"it is left alone: {left.why}"

    def _of_owners(self, rule: Rule) -> Iterator[str]:
        group = self._present.groups.get(rule.group)
        if controller := controller_of(rule, group):
            yield f"{controller} makes it, and would make it again"
        if group and group.owner and group.owner != self._account:
            yield f"its group is account {group.owner}'s"
        if group and (TAG, PLACE) in group.tags:
            yield "its group is Berthmaster's own"
        if _is_among_members(rule):
            yield "it lets members of its group reach each other: AWS Glue and others require that, used or not"
        if rule.id not in self._open and is_inert(rule.peer, self._present.groups, self._present.prefix_lists):
            yield NO_RECORD

    def _of_watching(self, candidate: Candidate) -> Iterator[str]:
        """What is rejected later is what shows that it was wrong to remove a rule."""
        carriers = self._carriers.get(candidate.rule.group, ())
        places = [(one.id, {one.id, one.subnet, one.vpc}) for one in carriers] or [(candidate.vpc, {candidate.vpc})]
        unseen = [place for place, resources in places if not resources & self._showing_rejected]
        if unseen:
            yield f"no flow log that is read shows what is rejected in {unseen[0]}"

    def _of_tracking(self, rule: Rule) -> Iterator[str]:
        """AWS does not track TCP and UDP that is allowed from anywhere if all replies to anywhere are allowed."""
        if not _is_for_anybody(rule):
            return
        for other in self._together(rule):
            if other.direction is rule.direction or not _is_for_anybody(other) or not _have_in_common(rule, other):
                continue
            if other.ports == ALL_PORTS:
                yield f"with {other.id}, it lets flows through untracked, which would be interrupted at once"
                return
            if rule.ports == ALL_PORTS:
                yield f"it carries the replies of untracked flows that {other.id} allows"
                return

    def _together(self, rule: Rule) -> Iterator[Rule]:
        """The rules that are there of all groups that some interface carries together with a rule's."""
        groups = {rule.group, *(one for interface in self._carriers.get(rule.group, ()) for one in interface.groups)}
        return (one for group in sorted(groups) for one in self._there.get(group, ()))

    def _of_direction(self, rule: Rule, going: frozenset[str]) -> Iterator[str]:
        carriers = self._carriers.get(rule.group)
        if not carriers:
            return
        left = [
            one
            for one in self._there.get(rule.group, ())
            if one.direction is rule.direction
            and one.id != rule.id
            and one.id not in going
            and one.id not in self._allowing_nothing
        ]
        if not left:
            yield f"it is the last rule of its group for {COMES_IN[rule.direction]}, and {carriers[0].id} carries it"

    def _of_cover(self, candidate: Candidate, going: frozenset[str]) -> Iterator[str]:
        rule, covers = candidate.rule, self._covers(candidate.rule.group)
        coverers = {*candidate.covered_by, *covers.get(rule.id, ())}
        if lost := sorted(coverers & going):
            yield f"{lost[0]}, which covers it, is being removed"
        covered = {one for one in going if rule.id in {*self._covering.get(one, ()), *covers.get(one, ())}}
        if covered:
            yield f"it covers {min(covered)}, which is being removed"

    def _covers_of(self, group: str) -> Mapping[str, tuple[str, ...]]:
        return {one.rule: one.covered_by for one in redundant(self._as_announced.get(group, ()))}


def _by_group(rules: Iterable[Rule]) -> Mapping[str, Sequence[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.group, []).append(rule)
    return found


def _is_at(rule: Rule, removal: Removal) -> bool:
    """Whether a rule still has the peer of its quarantine."""
    return removal.inert is not None and peer_text(rule.peer) == peer_text(removal.inert)


def _is_among_members(rule: Rule) -> bool:
    """Whether it lets members of its own group reach each other on all ports of TCP, or with everything."""
    is_own = isinstance(rule.peer, GroupReference) and rule.peer.group == rule.group
    return is_own and rule.protocol in (TCP, ANY) and rule.ports == ALL_PORTS


def _is_for_anybody(rule: Rule) -> bool:
    is_tracked_otherwise = rule.protocol in (TCP, UDP, ANY)
    return is_tracked_otherwise and isinstance(rule.peer, IPv4Network | IPv6Network) and is_anywhere(rule.peer)


def _have_in_common(one: Rule, other: Rule) -> bool:
    """Whether two rules for anybody may allow the same flows and their replies."""
    is_same_family = type(one.peer) is type(other.peer)
    return is_same_family and (one.protocol == other.protocol or ANY in (one.protocol, other.protocol))
