"""Where the map shows what: a card for each service or cluster, in columns from entry to data, in a box for each VPC.

All lengths are in pixels at scale 1. The same documentation gives the same layout.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import ceil, sqrt

from berthmaster.security_groups.model.documentation import DocumentedGroup, Tier

ROW_HEIGHT = 21
ROW_WIDTH = 224
HEADER = 28
PADDING = 8
GAP = 26
TIER_GAP = 64
BOX_TITLE = 40
BOX_PADDING = 22
BOX_GAP = 40
LEAST_BOX_WIDTH = 400
"""What the title of a box needs."""
FEWEST_ROWS = 14
"""A card has a second column only if it has more."""
LARGE = 40
"""A card of more groups is divided by how their names begin, into cards of at least so many:"""
FEWEST_ALIKE = 3
MOST_WORDS = 3
WIDE = 1.9
"""The width of the map, and of large cards, of its height."""

_SEPARATORS = re.compile(r"[-_./\s]+")
_TIERS = (Tier.ENTRY, Tier.COMPUTE, Tier.DATA, Tier.UNATTACHED)


@dataclass(slots=True, kw_only=True)
class Card:
    """Groups of one service or cluster, or parties that are no groups, one a row. x and y: of its upper left corner."""

    key: str
    title: str
    members: Sequence[str]
    tier: Tier | None = None
    x: float = 0
    y: float = 0

    @property
    def columns(self) -> int:
        """Of rows."""
        rows = max(FEWEST_ROWS, ceil(sqrt(len(self.members) * ROW_WIDTH / ROW_HEIGHT / WIDE)))
        return ceil(len(self.members) / rows)

    @property
    def rows(self) -> int:
        """Of the longest column."""
        return ceil(len(self.members) / self.columns)

    @property
    def width(self) -> float:
        """With its border."""
        return self.columns * ROW_WIDTH + 2 * PADDING

    @property
    def height(self) -> float:
        """With its title."""
        return HEADER + self.rows * ROW_HEIGHT + PADDING

    def row(self, index: int) -> tuple[float, float]:
        """The upper left corner of a row."""
        column, row = divmod(index, self.rows)
        return self.x + PADDING + column * ROW_WIDTH, self.y + HEADER + row * ROW_HEIGHT


@dataclass(slots=True, kw_only=True)
class Box:
    """A VPC with its cards."""

    vpc: str
    cards: list[Card]
    x: float = 0
    y: float = 0
    width: float = 0
    height: float = 0


@dataclass(slots=True, kw_only=True)
class Layout:
    """The map."""

    boxes: list[Box]
    outside: list[Card]
    width: float = 0
    height: float = 0
    cards: list[Card] = field(default_factory=list)


def layout(
    groups: Iterable[DocumentedGroup], outside: Mapping[str, Sequence[str]], links: Iterable[tuple[str, str]]
) -> Layout:
    """Place all groups, and cards of what is outside (title → members).

    links: ids of groups that talk to each other, as far as they decide about the order of cards.
    """
    by_vpc: dict[str, list[DocumentedGroup]] = defaultdict(list)
    for one in groups:
        by_vpc[one.group.vpc].append(one)
    neighbours: dict[str, set[str]] = defaultdict(set)
    callers: dict[str, set[str]] = defaultdict(set)
    for source, target in links:
        neighbours[source].add(target)
        neighbours[target].add(source)
        callers[target].add(source)
    strangers = {member for members in outside.values() for member in members}
    boxes = [_box(vpc, members, neighbours, callers, strangers) for vpc, members in sorted(by_vpc.items())]
    boxes.sort(key=lambda box: (-box.width * box.height, box.vpc))
    rail = [Card(key=f"outside {title}", title=title, members=members) for title, members in outside.items() if members]
    left = _stack(rail)
    width, height = _shelve(boxes, left)
    return Layout(
        boxes=boxes,
        outside=rail,
        width=width,
        height=max(height, rail[-1].y + rail[-1].height if rail else 0),
        cards=[*rail, *(card for box in boxes for card in box.cards)],
    )


def _box(
    vpc: str,
    groups: list[DocumentedGroup],
    neighbours: Mapping[str, set[str]],
    callers: Mapping[str, set[str]],
    strangers: AbstractSet[str],
) -> Box:
    clusters: dict[tuple[Tier, str], list[DocumentedGroup]] = defaultdict(list)
    for one in groups:
        clusters[one.tier, one.cluster].append(one)
    members = {
        (_tier(tier, part, callers, strangers), title): part
        for (tier, cluster), found in clusters.items()
        for title, part in _parts(cluster, found)
    }
    tiers = [
        [
            Card(
                key=f"{vpc} {tier} {cluster}",
                title=cluster,
                members=[one.group.id for one in sorted(found, key=lambda one: (one.group.name, one.group.id))],
                tier=tier,
            )
            for (of, cluster), found in sorted(members.items())
            if of is tier
        ]
        for tier in _TIERS
    ]
    tiers = [tier for tier in tiers if tier]
    _order(tiers, neighbours)
    cards = [card for tier in tiers for card in tier]
    area = sum((card.width + GAP) * (card.height + GAP) for card in cards)
    most = max(sqrt(area / WIDE), *(card.height for card in cards), 0)
    box = Box(vpc=vpc, cards=cards)
    x = float(BOX_PADDING)
    for tier in tiers:
        x = _columns(tier, x, most) + TIER_GAP
    box.width = max(x - TIER_GAP + BOX_PADDING, LEAST_BOX_WIDTH)
    box.height = max(card.y + card.height for card in cards) + BOX_PADDING
    return box


def _tier(
    tier: Tier, groups: list[DocumentedGroup], callers: Mapping[str, set[str]], strangers: AbstractSet[str]
) -> Tier:
    """Where a card stands: what only outsiders reach, such as a bastion, is an entry."""
    own = {one.group.id for one in groups}
    found = {caller for group in own for caller in callers.get(group, ())} - own
    return Tier.ENTRY if tier is Tier.COMPUTE and found and found <= strangers else tier


def _parts(cluster: str, groups: list[DocumentedGroup]) -> list[tuple[str, list[DocumentedGroup]]]:
    """Cards of a cluster: of a large one, a card for groups whose names begin alike."""
    if len(groups) <= LARGE:
        return [(cluster, groups)]
    parts: dict[str, list[DocumentedGroup]] = {}
    for words in range(1, MOST_WORDS + 1):
        parts = defaultdict(list)
        for one in groups:
            parts["-".join(_SEPARATORS.split(one.group.name)[:words])].append(one)
        if max(map(len, parts.values())) <= LARGE:
            break
    others = [one for part in parts.values() if len(part) < FEWEST_ALIKE for one in part]
    named = [(f"{cluster} {name}", part) for name, part in sorted(parts.items()) if len(part) >= FEWEST_ALIKE]
    return [*named, *([(cluster, others)] if others else [])]


def _order(tiers: list[list[Card]], neighbours: Mapping[str, set[str]]) -> None:
    """Cards that talk to each other stand at the same height: by the mean place of their neighbours, twice."""
    place: dict[str, float] = {}
    for tier in tiers:
        _number(tier, place)
    for _ in range(2):
        for tier in [*tiers[1:], *tiers[-2::-1]]:
            own = {member for card in tier for member in card.members}
            means = {card.key: _mean(card, own, neighbours, place) for card in tier}
            tier.sort(key=lambda card: means[card.key])
            _number(tier, place)


def _number(tier: list[Card], place: dict[str, float]) -> None:
    """The places of one tier are between 0 and 1, so that tiers of different length can be compared."""
    for index, card in enumerate(tier):
        for member in card.members:
            place[member] = (index + 0.5) / len(tier)


def _mean(card: Card, own: set[str], neighbours: Mapping[str, set[str]], place: Mapping[str, float]) -> float:
    found = [
        place[other]
        for member in card.members
        for other in neighbours.get(member, ())
        if other in place and other not in own
    ]
    return sum(found) / len(found) if found else place[card.members[0]]


def _columns(cards: list[Card], x: float, most: float) -> float:
    """Stack cards into columns that are at most so high; returns the right end."""
    y, right = float(BOX_TITLE), x
    for card in cards:
        if y > BOX_TITLE and y - BOX_TITLE + card.height > most + GAP:
            x, y = right + GAP, BOX_TITLE
        card.x, card.y = x, y
        y += card.height + GAP
        right = max(right, x + card.width)
    return right


def _stack(rail: list[Card]) -> float:
    """Stack the cards of what is outside; returns where the boxes begin."""
    y = 0.0
    for card in rail:
        card.x, card.y = 0, y
        y += card.height + GAP
    return max((card.width for card in rail), default=0) + (TIER_GAP if rail else 0)


def _shelve(boxes: list[Box], left: float) -> tuple[float, float]:
    """Boxes beside each other, row after row, so that the map fits best into its shape; returns width and height."""
    sizes = [_place(boxes, left, most) for most in range(1, len(boxes) + 1)]
    best = min(range(len(sizes)), key=lambda index: max(sizes[index][0] / WIDE, sizes[index][1]), default=None)
    if best is None:
        return left, 0
    width, height = _place(boxes, left, best + 1)
    for box in boxes:
        for card in box.cards:
            card.x, card.y = card.x + box.x, card.y + box.y
    return width, height


def _place(boxes: list[Box], left: float, most: int) -> tuple[float, float]:
    """At most so many boxes beside each other."""
    right = bottom = 0.0
    for first in range(0, len(boxes), most):
        x, y = left, bottom + BOX_GAP if first else 0.0
        for box in boxes[first : first + most]:
            box.x, box.y = x, y
            x += box.width + BOX_GAP
            right, bottom = max(right, x - BOX_GAP), max(bottom, y + box.height)
    return right, bottom
