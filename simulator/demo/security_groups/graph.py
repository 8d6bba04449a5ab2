"""Who may reach whom by the rules of a moment, drawn as the map of Berthmaster's reports is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from berthmaster.security_groups.model.documentation import DocumentedGroup, Tier, User
from berthmaster.security_groups.model.rules import Group
from berthmaster.security_groups.report.layout import ROW_HEIGHT, ROW_WIDTH, layout
from simulator.demo.security_groups.outcome import IDLE
from simulator.demo.security_groups.rules import ANYWHERE, RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from berthmaster.security_groups.report.layout import Card
    from simulator.demo.security_groups.rules import ShopRule

USERS = {
    "front": User("Application Load Balancer", "front", "Load balancers", Tier.ENTRY),
    "shop": User("ECS service", "shop", "ECS shop", Tier.COMPUTE),
    "jobs": User("EC2 instance", "batch host", "EC2 instances", Tier.COMPUTE),
    "orders": User("RDS", "", "RDS", Tier.DATA),
    "archive": User("RDS", "", "RDS", Tier.DATA),
    "cache": User("ElastiCache node", "sessions-001", "ElastiCache", Tier.DATA),
    "search": User("OpenSearch domain", "search", "OpenSearch", Tier.DATA),
}
INTERNET = "internet"
LEAST_BEND = 24.0
LOOP = 30.0
MARGIN = 14


@dataclass(frozen=True, slots=True)
class Row:
    """A group, or a peer that is none, where it stands. said: of its rules."""

    name: str
    x: float
    y: float
    said: str


@dataclass(frozen=True, slots=True)
class DrawnCard:
    """What has groups together, where it stands."""

    title: str
    x: float
    y: float
    width: float
    height: float
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """Rules between two rows. is_idle: nobody would miss any of them."""

    path: str
    title: str
    is_idle: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """The drawing. row: width and height of one. box: of the VPC."""

    id: str
    title: str
    width: float
    height: float
    box: tuple[float, float, float, float]
    cards: tuple[DrawnCard, ...]
    edges: tuple[Edge, ...]
    row: tuple[float, float] = (ROW_WIDTH, ROW_HEIGHT - 1)
    margin: float = MARGIN


def graph(name: str, title: str, rules: Sequence[ShopRule]) -> Graph:
    """Draw some of the shop's rules; all that there ever were decide where everything stands."""
    groups = [DocumentedGroup(group=Group(id=one, name=one), users=((user, 1),)) for one, user in USERS.items()]
    networks = sorted({rule.peer for rule in RULES} - USERS.keys() - {ANYWHERE})
    plan = layout(groups, {"Internet": [INTERNET], "Networks": networks}, (_ends(rule) for rule in RULES))
    places = {member: (card, *card.row(index)) for card in plan.cards for index, member in enumerate(card.members)}
    box = plan.boxes[0]
    return Graph(
        id=name,
        title=title,
        width=plan.width + 2 * MARGIN + LOOP,
        height=plan.height + 2 * MARGIN,
        box=(box.x, box.y, box.width, box.height),
        cards=tuple(
            DrawnCard(
                card.title,
                *(card.x, card.y, card.width, card.height),
                tuple(Row(one, *card.row(index), _said(one, rules)) for index, one in enumerate(card.members)),
            )
            for card in plan.cards
        ),
        edges=tuple(_edges(rules, places)),
    )


def _ends(rule: ShopRule) -> tuple[str, str]:
    """Who may reach whom."""
    peer = INTERNET if rule.peer == ANYWHERE else rule.peer
    return (peer, rule.group) if rule.direction == "ingress" else (rule.group, peer)


def _said(name: str, rules: Sequence[ShopRule]) -> str:
    if name not in USERS:
        return ""
    own = [rule for rule in rules if rule.group == name]
    idle = sum(rule.need in IDLE for rule in own)
    return ("1 rule" if len(own) == 1 else f"{len(own)} rules") + (f", {idle} unused" if idle else "")


def _edges(rules: Sequence[ShopRule], places: dict[str, tuple[Card, float, float]]) -> Iterator[Edge]:
    found: dict[tuple[str, str], list[ShopRule]] = defaultdict(list)
    for rule in rules:
        found[_ends(rule)].append(rule)
    # What is unused lies above the rest.
    for (source, target), between in sorted(found.items(), key=lambda one: _is_idle(one[1])):
        path = _path(places[source], places[target])
        yield Edge(path, "\n".join(f"{rule.text}: {rule.need}" for rule in between), _is_idle(between))


def _is_idle(rules: Sequence[ShopRule]) -> bool:
    return all(rule.need in IDLE for rule in rules)


def _path(source: tuple[Card, float, float], target: tuple[Card, float, float]) -> str:
    """From side to side; between cards that stand above each other, in a loop on their right."""
    (one, _, y), (other, _, to_y) = source, target
    y, to_y = y + ROW_HEIGHT / 2, to_y + ROW_HEIGHT / 2
    left, right, to_left, to_right = one.x, one.x + one.width, other.x, other.x + other.width
    if to_left >= right:
        x, to_x, sign = right, to_left, 1
    elif to_right <= left:
        x, to_x, sign = left, to_right, -1
    else:
        out = max(right, to_right) + LOOP
        return f"M{right:.0f} {y:.0f}C{out:.0f} {y:.0f} {out:.0f} {to_y:.0f} {to_right:.0f} {to_y:.0f}"
    bend = sign * max(LEAST_BEND, abs(to_x - x) / 2)
    return f"M{x:.0f} {y:.0f}C{x + bend:.0f} {y:.0f} {to_x - bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
