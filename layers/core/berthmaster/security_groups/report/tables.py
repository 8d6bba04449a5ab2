"""What is said of groups, as tables: the page and the Markdown file show the same."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from berthmaster.security_groups.model.documentation import Documentation, DocumentedGroup, Party, PartyKind, Talk, User
from berthmaster.security_groups.model.evidence import Cover, RuleEvidence, Verdict
from berthmaster.security_groups.model.rules import Direction, GroupReference, Rule
from berthmaster.security_groups.plan.rule_text import listed, peer_text, ports_text, traffic_of
from berthmaster.security_groups.report.removal_words import next_step, standing, why
from berthmaster.security_groups.report.wording import counted, is_open, number, short_time, traffic

MOST_USERS = 8
MOST_PORTS = 8
MOST_GROUPS = 12
RULE_COLUMNS = ("Allows", "Peer", "Verdict", "Last seen", "Records", "Why", "Rule")
RULE_NUMBERS = frozenset({4})


@dataclass(frozen=True, slots=True)
class GroupLink:
    """A group that the documentation has."""

    id: str
    name: str


type Cell = str | Verdict | GroupLink | tuple["Cell", ...]
"""A tuple is shown as a list."""
type Peers = Mapping[str, Mapping[Cell, list[Talk]]]
"""Conversations by the id of a group, and by who is at their other end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A section with a table. numbers: which columns hold numbers. about: what its rows have in common."""

    id: str
    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numbers: frozenset[int] = frozenset()


class Tables:
    """Makes the tables of a documentation."""

    def __init__(self, documentation: Documentation) -> None:
        self._of = documentation
        self.groups = {one.group.id: one for one in documentation.groups}
        self.rules = {one.rule.id: one for one in documentation.rules}
        self.covers: Mapping[str, Cover] = {one.rule: one for one in documentation.redundant}
        self.removals = {one.rule_id or one.rule.id: one for one in documentation.removals if one.state.is_open}
        self.talks = sorted(documentation.talks, key=lambda one: (-one.records, talk_order(one)))
        self.in_order = sorted(documentation.rules, key=self._order)

    def all(self) -> tuple[Table, ...]:
        """In the order in which they are read."""
        return (
            self._gaps(),
            self._removals(),
            self._open(),
            self._unused(),
            self._scanned(),
            self._covered(),
            self._conditional(),
            self._duplicates(),
            self._consolidations(),
            self._tightenings(),
            self._unused_groups(),
            self._latent_groups(),
            self._stale(),
            self._talks(),
        )

    def link(self, group: str) -> Cell:
        """A group by its name, or its id if it is none of the documentation."""
        known = self.groups.get(group)
        return GroupLink(group, known.group.name or group) if known else group

    def _links(self, groups: Sequence[str]) -> Cell:
        if len(groups) > MOST_GROUPS and set(groups) == self.groups.keys():
            return "all"
        more = len(groups) - MOST_GROUPS
        return (*map(self.link, groups[:MOST_GROUPS]), *((f"and {more} more",) if more > 0 else ()))

    def peer(self, rule: Rule) -> Cell:
        """A rule's peer, a known group by its name."""
        if isinstance(rule.peer, GroupReference) and rule.peer.group in self.groups:
            return self.link(rule.peer.group)
        return peer_text(rule.peer)

    def party(self, party: Party) -> Cell:
        """An end of conversations."""
        match party.kind:
            case PartyKind.GROUP:
                return self.link(party.ids[0])
            case PartyKind.INTERNET:
                return "internet"
        return ", ".join(party.ids)

    def why(self, one: RuleEvidence) -> str:
        """The reason of the verdict, what covers the rule, and how far its removal is."""
        cover, removal = self.covers.get(one.rule.id), self.removals.get(one.rule.id)
        parts = [one.why]
        if cover:
            parts.append(f"covered by {', '.join(cover.covered_by)}")
        if removal:
            parts.append(standing(removal))
        return "; ".join(parts)

    def rules_by_group(self) -> Mapping[str, list[RuleEvidence]]:
        """Ingress first."""
        found: dict[str, list[RuleEvidence]] = defaultdict(list)
        for one in self.in_order:
            found[one.rule.group].append(one)
        return found

    def rules_of(self, rules: Iterable[RuleEvidence]) -> Iterator[tuple[Cell, ...]]:
        """Rows of rules of one group; RULE_COLUMNS names their columns."""
        for one in rules:
            yield (
                f"{one.rule.direction.value}: {traffic_of(one.rule)}",
                self.peer(one.rule),
                one.verdict,
                last_seen(one),
                records(one),
                self.why(one),
                one.rule.id + (f": {one.rule.description}" if one.rule.description else ""),
            )

    def talks_of(self) -> tuple[Peers, Peers]:
        """Who reaches each group, and whom it reaches."""
        reached: dict[str, dict[Cell, list[Talk]]] = defaultdict(lambda: defaultdict(list))
        reaches: dict[str, dict[Cell, list[Talk]]] = defaultdict(lambda: defaultdict(list))
        for talk in self.talks:
            if talk.target.kind is PartyKind.GROUP:
                reached[talk.target.ids[0]][self.party(talk.source)].append(talk)
            if talk.source.kind is PartyKind.GROUP:
                reaches[talk.source.ids[0]][self.party(talk.target)].append(talk)
        return reached, reaches

    def _order(self, one: RuleEvidence) -> tuple[object, ...]:
        rule = one.rule
        known = self.groups.get(rule.group)
        name = known.group.name if known else ""
        return (
            name,
            rule.group,
            rule.direction is Direction.EGRESS,
            rule.protocol,
            rule.ports,
            str(rule.peer),
            rule.id,
        )

    def _gaps(self) -> Table:
        return Table(
            id="gaps",
            title="What the logs cannot tell",
            about="What is missing in the logs or the topology, and which groups that concerns.",
            columns=("What", "Why it matters", "Groups"),
            rows=tuple((one.what, one.why, self._links(one.groups)) for one in self._of.gaps),
        )

    def _removals(self) -> Table:
        found = sorted(
            self._of.removals, key=lambda one: (not one.state.is_open, -one.changed_at.timestamp(), one.sort_key)
        )
        return Table(
            id="changes",
            title="Changes",
            about="Rules that are being removed, and those whose removal ended in the window: each can be restored.",
            columns=("Group", "Direction", "Allows", "Peer", "Rule", "State", "Since", "Next", "Not before", "Why"),
            rows=tuple(
                (
                    *self._rule(one.rule),
                    one.rule_id or one.rule.id,
                    one.state.value,
                    f"{one.changed_at:%Y-%m-%d %H:%M}",
                    next_step(one),
                    f"{one.due_at:%Y-%m-%d %H:%M}" if next_step(one) else "",
                    why(one),
                )
                for one in found
            ),
        )

    def _open(self) -> Table:
        found = [one for one in self.in_order if is_open(one.rule)]
        return Table(
            id="open",
            title="Open to the world",
            about="Ingress rules from any address.",
            columns=("Group", "Lets in", "From", "Verdict", "Last seen", "Records", "Rule"),
            rows=tuple(
                (
                    self.link(one.rule.group),
                    traffic_of(one.rule),
                    peer_text(one.rule.peer),
                    one.verdict,
                    last_seen(one),
                    records(one),
                    one.rule.id,
                )
                for one in found
            ),
            numbers=frozenset({5}),
        )

    def _unused(self) -> Table:
        return Table(
            id="unused",
            title="Unused rules",
            about="Nothing used them in the whole window, and the logs have no gap that concerns them.",
            columns=("Group", "Direction", "Allows", "Peer", "Rule", "Description"),
            rows=tuple(
                (*self._rule(one.rule), one.rule.id, one.rule.description)
                for one in self.in_order
                if one.verdict is Verdict.UNUSED
            ),
        )

    def _scanned(self) -> Table:
        return Table(
            id="scanned",
            title="Only scanned",
            about="Connections were tried, and none was accepted by whoever has the interface.",
            columns=("Group", "Direction", "Allows", "Peer", "Rule", "Last seen", "Records"),
            rows=tuple(
                (*self._rule(one.rule), one.rule.id, last_seen(one), records(one))
                for one in self.in_order
                if one.verdict is Verdict.SCANNED_ONLY
            ),
            numbers=frozenset({6}),
        )

    def _covered(self) -> Table:
        return Table(
            id="covered",
            title="Covered by other rules",
            about="All of them can be removed at once, and the group allows what it allowed before.",
            columns=("Group", "Direction", "Allows", "Peer", "Rule", "Covered by", "Why"),
            rows=tuple(self._covers(self._of.redundant)),
        )

    def _conditional(self) -> Table:
        return Table(
            id="conditional",
            title="Covered for now",
            about="Covered as long as members of groups, prefix lists or attachments stay as they are.",
            columns=("Group", "Direction", "Allows", "Peer", "Rule", "Covered by", "Why"),
            rows=tuple(self._covers(self._of.conditional)),
        )

    def _duplicates(self) -> Table:
        return Table(
            id="duplicates",
            title="The same rule in several groups",
            about="Interfaces carry these groups together, and need the rule once.",
            columns=("Groups", "Rules", "Interfaces", "Why"),
            rows=tuple(
                (tuple(self.link(group) for group in one.groups), one.rules, number(one.interfaces), one.why)
                for one in self._of.duplicates
            ),
            numbers=frozenset({2}),
        )

    def _consolidations(self) -> Table:
        return Table(
            id="consolidations",
            title="Rules that could be one",
            about="One rule would allow exactly the same.",
            columns=("Group", "Rules", "One rule: peer", "Ports", "Why"),
            rows=tuple(
                (
                    self.link(self.rules[one.rules[0]].rule.group) if one.rules[0] in self.rules else "",
                    one.rules,
                    peer_text(one.peer),
                    ports_text(one.ports),
                    one.why,
                )
                for one in self._of.consolidations
            ),
        )

    def _tightenings(self) -> Table:
        return Table(
            id="tightening",
            title="Broader than what was seen",
            about="What would have been enough in the window. What happens once a year may be missing.",
            columns=("Group", "Direction", "Allows", "Peer", "Rule", "Enough: peers", "Ports", "Why"),
            rows=tuple(
                (
                    *self._rule_of(one.rule),
                    one.rule,
                    tuple(peer_text(peer) for peer in one.peers),
                    tuple(ports_text(range_) for range_ in sorted(one.ports)),
                    one.why,
                )
                for one in self._of.tightenings
            ),
        )

    def _unused_groups(self) -> Table:
        return Table(
            id="unused-groups",
            title="Groups that nobody uses",
            about="No interface carried them in the window, and nothing that was looked at names them.",
            columns=("Group", "VPC", "Id", "Why"),
            rows=tuple(
                (
                    self.link(one.group),
                    self.groups[one.group].group.vpc if one.group in self.groups else "",
                    one.group,
                    one.why if one.is_certain else f"not certain: {one.why}",
                )
                for one in self._of.unused_groups
            ),
        )

    def _latent_groups(self) -> Table:
        return Table(
            id="latent-groups",
            title="Groups that something will need",
            about="No interface carried them in the window, and these name them: they would break without the group.",
            columns=("Group", "VPC", "Id", "Named by"),
            rows=tuple(
                (
                    self.link(one.group),
                    self.groups[one.group].group.vpc if one.group in self.groups else "",
                    one.group,
                    one.named_by,
                )
                for one in self._of.latent_groups
            ),
        )

    def _stale(self) -> Table:
        return Table(
            id="stale",
            title="Rules that name what is gone",
            about="Groups, peerings and prefix lists that do not exist any more.",
            columns=("Group", "Direction", "Allows", "Rule", "Names", "Why"),
            rows=tuple((*self._rule_of(one.rule)[:3], one.rule, one.names, one.why) for one in self._of.stale),
        )

    def _talks(self) -> Table:
        return Table(
            id="talks",
            title="Who talks to whom",
            about="As the flow logs show it. An interface with several groups counts for the one that is carried in "
            "the fewest combinations.",
            columns=("From", "To", "On", "Records", "Last seen", "Opened by"),
            rows=tuple(
                (
                    self.party(one.source),
                    self.party(one.target),
                    traffic(one.protocol, one.ports),
                    number(one.records),
                    short_time(one.last),
                    "the left side" if one.is_certain else "one of them",
                )
                for one in self.talks
            ),
            numbers=frozenset({3}),
        )

    def _rule(self, rule: Rule) -> tuple[Cell, ...]:
        return self.link(rule.group), rule.direction.value, traffic_of(rule), self.peer(rule)

    def _rule_of(self, id_: str) -> tuple[Cell, ...]:
        known = self.rules.get(id_)
        return self._rule(known.rule) if known else ("", "", "", "")

    def _covers(self, covers: Iterable[Cover]) -> Iterable[tuple[Cell, ...]]:
        for one in covers:
            yield (*self._rule_of(one.rule), one.rule, one.covered_by, one.why)


def purpose(one: DocumentedGroup) -> str:
    """Who uses a group, as a sentence."""
    if not one.users:
        return "No interface carries it."
    if not one.interfaces:
        return f"No interface carries it; before, {listed([_user(user) for user, _ in one.users], MOST_USERS)} did."
    users = [f"{_user(user)} ({counted(count, 'interface')})" for user, count in one.users]
    return f"Carried by {listed(users, MOST_USERS)}."


def _user(user: User) -> str:
    return f"{user.kind} {user.name}".strip()


def on(talks: Iterable[Talk]) -> str:
    """What is spoken."""
    ways = [traffic(one.protocol, one.ports) + ("" if one.is_certain else " (or the other way)") for one in talks]
    return listed(ways, MOST_PORTS)


def talk_order(talk: Talk) -> tuple[object, ...]:
    """An order that depends on nothing but what a talk is."""
    return talk.source, talk.target, talk.protocol, talk.ports, talk.is_certain


def last_seen(one: RuleEvidence) -> str:
    """When what the verdict rests on was seen last."""
    last = max((seen.last for seen in one.seen), default=None)
    return short_time(last) if last is not None else ""


def records(one: RuleEvidence) -> str:
    """How many records the verdict rests on."""
    return number(sum(seen.records for seen in one.seen)) if one.seen else ""
