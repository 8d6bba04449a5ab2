"""The map of groups: an SVG drawing that links each group to its article on the page."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import log10

from berthmaster.security_groups.model.documentation import Documentation, DocumentedGroup, Party, PartyKind, Talk
from berthmaster.security_groups.model.evidence import RuleEvidence, Verdict
from berthmaster.security_groups.model.topology import Vpc
from berthmaster.security_groups.plan.rule_text import listed
from berthmaster.security_groups.report.html import Html, fill, joined
from berthmaster.security_groups.report.layout import (
    BOX_PADDING,
    PADDING,
    ROW_HEIGHT,
    ROW_WIDTH,
    Box,
    Card,
    layout,
)
from berthmaster.security_groups.report.wording import CLASSES, is_open, number, traffic

INTERNET = "internet"
MOST_OUTSIDE = 40
"""Networks, prefix lists and others without groups that the map shows; the rest is one row."""
REST = "other networks"
BAR_WIDTH = 44
LETTERS = 24
"""Of a name that fits into a row."""
MOST_TRAFFIC = 6
LETTERS_OF_A_LINE = 14
FAR_SIZE = 25


@dataclass(slots=True)
class Edge:
    """All conversations of one node with another."""

    source: str
    target: str
    talks: list[Talk]

    @property
    def records(self) -> int:
        """Of all of them."""
        return sum(one.records for one in self.talks)

    @property
    def is_certain(self) -> bool:
        """Whether it is known who opened at least one."""
        return any(one.is_certain for one in self.talks)


class Map:
    """Draws a documentation."""

    def __init__(self, documentation: Documentation, rules: Mapping[str, list[RuleEvidence]]) -> None:
        self._of = documentation
        self._rules = rules
        self._in_removal = Counter(one.rule.group for one in documentation.removals if one.state.is_open)
        self._groups = {one.group.id: one for one in documentation.groups}
        self._shown = _most_talked(documentation.talks)
        edges = list(self._edges())
        self.edges = [edge for edge in edges if edge.source != edge.target]
        self.layout = layout(documentation.groups, self._outside(), ((edge.source, edge.target) for edge in self.edges))
        self._places = {
            member: (card, index) for card in self.layout.cards for index, member in enumerate(card.members)
        }
        self._numbers = {member: number for number, member in enumerate(self._places)}
        self.bundles = self._gathered()

    def draw(self) -> Html:
        """The drawing: boxes, edges, and cards above them."""
        plan = self.layout
        return fill(
            '<svg id="map" viewBox="-20 -20 {} {}" role="group" aria-label="{}">\n'
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>\n'
            '<g id="view">{}<g class="between cards">{}</g><g class="between groups">{}</g>{}<g id="above"></g></g>\n'
            "</svg>",
            round(plan.width + 40),
            round(plan.height + 40),
            f"{len(self._groups)} security groups and who talks to whom; the tables below say the same",
            joined(map(self._box, plan.boxes)),
            joined(self._bundles(), "\n"),
            joined(map(self._path, self.edges), "\n"),
            joined(self._cards(), "\n"),
        )

    def _node(self, party: Party) -> str:
        if party.kind is PartyKind.GROUP:
            return party.ids[0]
        if party.kind is PartyKind.INTERNET:
            return INTERNET
        name = ", ".join(party.ids)
        return name if name in self._shown else REST

    def _edges(self) -> Iterator[Edge]:
        found: dict[tuple[str, str], list[Talk]] = defaultdict(list)
        for talk in self._of.talks:
            found[self._node(talk.source), self._node(talk.target)].append(talk)
        for (source, target), talks in sorted(found.items()):
            yield Edge(source, target, talks)

    def _outside(self) -> dict[str, list[str]]:
        parties = {party for talk in self._of.talks for party in (talk.source, talk.target)}
        kinds = {self._node(party): party.kind for party in parties}
        if REST in kinds:
            kinds[REST] = PartyKind.NETWORK
        unknown = sorted(node for node, kind in kinds.items() if kind is PartyKind.GROUP and node not in self._groups)
        return {
            "Internet": [INTERNET] if INTERNET in kinds else [],
            "Networks": sorted(node for node, kind in kinds.items() if kind is PartyKind.NETWORK),
            "Without groups": sorted(node for node, kind in kinds.items() if kind is PartyKind.INTERFACE),
            "Prefix lists": sorted(node for node, kind in kinds.items() if kind is PartyKind.PREFIX_LIST),
            "Other groups": unknown,
        }

    def _box(self, box: Box) -> Html:
        vpc = next((one for one in self._of.vpcs if one.id == box.vpc), Vpc(id=box.vpc))
        return fill(
            '<g class="vpc" data-vpc="{}"><rect x="{}" y="{}" width="{}" height="{}" rx="10"/>'
            '<text x="{}" y="{}">{}</text></g>\n',
            box.vpc,
            *map(round, (box.x, box.y, box.width, box.height, box.x + BOX_PADDING, box.y + 26)),
            "  ".join([box.vpc or "no VPC", listed([str(block) for block in vpc.cidrs], 1)]).strip(),
        )

    def _cards(self) -> Iterator[Html]:
        for index, card in enumerate(self.layout.cards):
            rows = joined((self._row(card, place, member) for place, member in enumerate(card.members)), "\n")
            yield fill(
                '<g class="card" data-card="{}"><rect x="{}" y="{}" width="{}" height="{}" rx="6"/>'
                '<text class="title" x="{}" y="{}">{}</text>{}{}</g>',
                index,
                *map(round, (card.x, card.y, card.width, card.height, card.x + PADDING + 4, card.y + 19)),
                card.title,
                rows,
                self._far(card),
            )

    def _far(self, card: Card) -> Html:
        """What a card shows when rows are too small to be read: its title, in two lines if it is long, and a bar."""
        first, _, second = card.title.rpartition(" ")
        lines = [first, second] if first and len(card.title) > LETTERS_OF_A_LINE else [card.title]
        size = min(max(FAR_SIZE, card.height / 8), (card.width - 16) / (0.64 * max(map(len, lines))))
        x = card.x + card.width / 2
        y = card.y + card.height / 2 - (len(lines) - 1) * size * 0.55
        texts = [
            fill(
                '<text x="{}" y="{}" style="font-size:{}px">{}</text>',
                round(x),
                round(y + index * size),
                round(size),
                line,
            )
            for index, line in enumerate(lines)
        ]
        bar = self._bar(card.members, x - 50, y + (len(lines) - 1) * size + size * 0.7, 100)
        return fill('<g class="far">{}{}</g>', joined(texts), bar)

    def _row(self, card: Card, index: int, member: str) -> Html:
        x, y = card.row(index)
        known = self._groups.get(member)
        if known is None:
            return fill(
                '<g class="node" data-node="{}" tabindex="0" role="button" transform="translate({} {})">'
                '<rect width="{}" height="{}" rx="3"/><text x="5" y="14">{}</text></g>',
                member,
                round(x),
                round(y),
                ROW_WIDTH,
                ROW_HEIGHT - 1,
                shortened(member),
            )
        return fill(
            '<a class="node" href="#{}" data-node="{}" data-vpc="{}" data-has="{}" transform="translate({} {})">'
            '<title>{}</title><rect width="{}" height="{}" rx="3"/><text x="5" y="14">{}</text>{}</a>',
            member,
            member,
            known.group.vpc,
            " ".join(self._marks(known)),
            round(x),
            round(y),
            f"{known.group.name} ({member}): {self._counts(member)}",
            ROW_WIDTH,
            ROW_HEIGHT - 1,
            shortened(known.group.name or member),
            self._bar([member], ROW_WIDTH - BAR_WIDTH - 6, 7, BAR_WIDTH),
        )

    def _marks(self, known: DocumentedGroup) -> Iterator[str]:
        """What the filter of the page looks for."""
        verdicts = {one.verdict for one in self._rules.get(known.group.id, ())}
        yield from (CLASSES[verdict] for verdict in Verdict if verdict in verdicts)
        if any(is_open(one.rule) for one in self._rules.get(known.group.id, ())):
            yield "open"
        if not known.interfaces:
            yield "unattached"
        if self._in_removal[known.group.id]:
            yield "in-removal"

    def _counts(self, group: str) -> str:
        rules = self._rules.get(group, [])
        found = [(sum(one.verdict is verdict for one in rules), verdict.value) for verdict in Verdict]
        counts = ", ".join(f"{count} {verdict}" for count, verdict in found if count) or "no rules"
        going = self._in_removal[group]
        return f"{counts}; {going} in removal" if going else counts

    def _bar(self, groups: Iterable[str], x: float, y: float, width: float) -> Html:
        """How many of their rules have which verdict."""
        rules = [one for group in groups for one in self._rules.get(group, ())]
        parts = []
        for verdict in Verdict:
            if count := sum(one.verdict is verdict for one in rules):
                length = width * count / len(rules)
                parts.append(
                    fill(
                        '<rect class="{}" x="{}" y="{}" width="{}" height="7"/>',
                        Html(CLASSES[verdict]),
                        *(round(length, 1) for length in (x, y, length)),
                    )
                )
                x += length
        return joined(parts)

    def _path(self, edge: Edge) -> Html:
        source, target = (self._places[end] for end in (edge.source, edge.target))
        return fill(
            '<path class="edge{}" data-from="{}" data-to="{}" d="{}" stroke-width="{}"><title>{}</title></path>',
            "" if edge.is_certain else " either",
            self._numbers[edge.source],
            self._numbers[edge.target],
            _curve(_ends(source), _ends(target)),
            _thickness(edge.records),
            f"{self._name(edge.source)} → {self._name(edge.target)}: {_traffic(edge.talks)}",
        )

    def _gathered(self) -> list[tuple[Card, Card, list[Edge]]]:
        """The edges between each two cards."""
        numbers = {id(card): index for index, card in enumerate(self.layout.cards)}
        found: dict[tuple[int, int], list[Edge]] = defaultdict(list)
        for edge in self.edges:
            source, target = (numbers[id(self._places[end][0])] for end in (edge.source, edge.target))
            if source != target:
                found[source, target].append(edge)
        cards = self.layout.cards
        return [(cards[source], cards[target], edges) for (source, target), edges in sorted(found.items())]

    def _bundles(self) -> Iterator[Html]:
        for one, other, edges in self.bundles:
            yield fill(
                '<path class="edge{}" d="{}" stroke-width="{}"><title>{}</title></path>',
                "" if any(edge.is_certain for edge in edges) else " either",
                _curve(_sides(one), _sides(other)),
                _thickness(sum(edge.records for edge in edges)),
                f"{one.title} → {other.title}: {_traffic([talk for edge in edges for talk in edge.talks])}",
            )

    def _name(self, node: str) -> str:
        known = self._groups.get(node)
        return known.group.name or node if known else node


def _most_talked(talks: Iterable[Talk]) -> frozenset[str]:
    """Those without groups that have a row of their own."""
    found: dict[str, int] = defaultdict(int)
    for talk in talks:
        for party in (talk.source, talk.target):
            if party.kind not in {PartyKind.GROUP, PartyKind.INTERNET}:
                found[", ".join(party.ids)] += talk.records
    return frozenset(sorted(found, key=lambda name: (-found[name], name))[:MOST_OUTSIDE])


def _traffic(talks: Collection[Talk]) -> str:
    ranges = sorted({(one.protocol, one.ports) for one in talks})
    records = number(sum(one.records for one in talks))
    return f"{listed([traffic(*one) for one in ranges], MOST_TRAFFIC)}; {records} records"


def shortened(name: str) -> str:
    """A name that fits into a row: its end tells more than its middle."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 11]}…{name[-10:]}"


type Sides = tuple[float, float, float]
"""Left, right and middle height."""


def _ends(place: tuple[Card, int]) -> Sides:
    card, index = place
    _, y = card.row(index)
    return card.x, card.x + card.width, y + ROW_HEIGHT / 2


def _sides(card: Card) -> Sides:
    return card.x, card.x + card.width, card.y + card.height / 2


def _curve(source: Sides, target: Sides) -> str:
    """From side to side; between cards that stand above each other, in a loop on their right."""
    y, to_y = source[2], target[2]
    if target[0] >= source[1]:
        x, to_x = source[1], target[0]
        bend = max(24, (to_x - x) / 2)
        return f"M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    if target[1] <= source[0]:
        x, to_x = source[0], target[1]
        bend = max(24, (x - to_x) / 2)
        return f"M{x:.0f} {y:.0f}C{x - bend:.0f} {y:.0f} {to_x + bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
    x, to_x = source[1], target[1]
    out = max(x, to_x) + 18 + min(24, abs(to_y - y) / 16)
    return f"M{x:.0f} {y:.0f}C{out:.0f} {y:.0f} {out:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"


def _thickness(records: int) -> float:
    return round(0.8 + 0.45 * log10(max(1, records)), 1)
