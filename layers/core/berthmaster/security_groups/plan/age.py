"""How old rules are: EC2 does not say, so it is what was seen first."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import takewhile

from berthmaster.security_groups.model.rules import Rule
from berthmaster.security_groups.model.topology import Span, Topology

type Allowed = tuple[object, ...]


def doubts_of_age(topology: Topology, since: float) -> Callable[[Rule], tuple[str, ...]]:
    """What speaks against calling a rule unused that was first seen, as it is, after `since`: the window began then."""

    def doubts(rule: Rule) -> tuple[str, ...]:
        first = first_seen(topology.rules[rule.id])
        if first <= since:
            return ()
        return (f"it was first seen as it is at {_minute(first)}, and the window began at {_minute(since)}",)

    return doubts


def first_seen(versions: Sequence[Span[Rule]]) -> float:
    """Since when a rule allows what it allows now, in seconds since the epoch; its description and tags may change."""
    newest = allowed(versions[-1].value)
    return min(one.since for one in takewhile(lambda one: allowed(one.value) == newest, reversed(versions)))


def allowed(rule: Rule) -> Allowed:
    """What a rule allows."""
    return (rule.direction, rule.protocol, rule.ports, rule.icmp, rule.peer)


def _minute(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%MZ}"
