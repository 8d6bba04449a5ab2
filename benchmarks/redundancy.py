"""Redundant rules of security groups: how long it takes, beside comparing each rule with each other one."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from berthmaster.security_groups.model.rules import ALL_PORTS, ANY, ICMP, TCP, UDP, Direction, Network, Rule
from berthmaster.security_groups.plan.redundancy import redundant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEED = 5
AIMS = {1_000: 0.05, 20_000: 5.0}
"""Seconds."""
LARGEST_GROUP = 1_000
"""Rules that an interface may have, with all its groups (VPC quotas)."""
MOST_FOR_PAIRS = 1_000
RUNS = 3
SERVICES = (22, 80, 443, 3306, 5432, 6379, 8080, 9092)
WELL_KNOWN, OF_IPV6 = 0.8, 0.2
"""Shares."""
TEN, IPV6 = 10 << 24, 0xFD00 << 112


@dataclass(frozen=True)
class Row:
    """Rules in groups of a size. seconds: of CPU, the median of RUNS; by_pairs: None if it would take too long."""

    rules: int
    groups: int
    seconds: float
    found: int
    jointly: int
    by_pairs: tuple[float, int] | None


def report() -> list[Row]:
    """The largest group there may be, ordinary groups, and one of a size that no AWS account has."""
    return [
        row(some_rules(rules, each))
        for rules, each in (
            (1_000, LARGEST_GROUP),
            (1_000, 60),
            (20_000, 60),
            (20_000, LARGEST_GROUP),
            (20_000, 20_000),
        )
    ]


def row(rules: Sequence[Rule]) -> Row:
    """Measure both ways."""
    taken = []
    for _ in range(RUNS):
        begun = time.process_time()
        covers = redundant(rules)
        taken.append(time.process_time() - begun)
    by_pairs = None
    if len(rules) <= MOST_FOR_PAIRS:
        begun = time.process_time()
        found = len(covered_by_one(rules))
        by_pairs = time.process_time() - begun, found
    return Row(
        rules=len(rules),
        groups=len({rule.group for rule in rules}),
        seconds=sorted(taken)[RUNS // 2],
        found=len(covers),
        jointly=sum(len(cover.covered_by) > 1 for cover in covers),
        by_pairs=by_pairs,
    )


def covered_by_one(rules: Sequence[Rule]) -> set[str]:
    """What tools find that compare rules in pairs: a rule that a single other one contains."""
    return {
        rule.id
        for rule in rules
        for other in rules
        if other is not rule and _allows(other, rule) and (other.id < rule.id or not _allows(rule, other))
    }


def _allows(outer: Rule, inner: Rule) -> bool:
    return (
        (outer.group, outer.direction) == (inner.group, inner.direction)
        and outer.protocol in (ANY, inner.protocol)
        and (outer.protocol == ANY or (outer.ports[0] <= inner.ports[0] and inner.ports[1] <= outer.ports[1]))
        and _contains(outer.peer, inner.peer)
    )


def _contains(outer: object, inner: object) -> bool:
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def some_rules(number: int, each: int) -> list[Rule]:
    """Rules as they pile up: services opened to subnets, single hosts, and now and then to a whole network."""
    source = random.Random(SEED)
    return [
        Rule(
            id=f"sgr-{index:05d}",
            group=f"sg-{index // each}",
            direction=Direction.INGRESS,
            protocol=(protocol := source.choice([TCP, TCP, TCP, TCP, UDP, ICMP, ANY])),
            ports=_ports(source) if protocol in {TCP, UDP} else ALL_PORTS,
            peer=_peer(source, is_wide=protocol in {TCP, UDP}),
        )
        for index in range(number)
    ]


def _ports(source: random.Random) -> tuple[int, int]:
    first = source.choice(SERVICES) if source.random() < WELL_KNOWN else source.randint(1, 60_000)
    return first, first + source.choice([0, 0, 0, 1, 10, 1000])


def _peer(source: random.Random, *, is_wide: bool) -> Network:
    if source.random() < OF_IPV6:
        return IPv6Network((IPV6 | source.getrandbits(12) << 68, source.choice([56, 60, 64, 128])), strict=False)
    length = source.choice([22, 23, 24, 25, 26, 32, 32, 32] if is_wide else [24, 28, 32])
    return IPv4Network((TEN | source.getrandbits(13), length), strict=False)


def printed(rows: list[Row]) -> Iterator[str]:
    """Milliseconds of CPU."""
    yield f"  {'rules':>7s}{'groups':>8s}{'CPU':>11s}{'redundant':>11s}{'jointly':>9s}   in pairs"
    for one in rows:
        pairs = "too many to compare in pairs"
        if one.by_pairs:
            pairs = (
                f"{one.by_pairs[0] * 1000:.0f} ms, {one.by_pairs[0] / one.seconds:.0f} times as long: {one.by_pairs[1]}"
            )
        yield f"  {one.rules:7d}{one.groups:8d}{one.seconds * 1000:8.0f} ms{one.found:11d}{one.jointly:9d}   {pairs}"
    aims = ", ".join(f"{rules} in {seconds * 1000:.0f} ms" for rules, seconds in AIMS.items())
    yield f"  aim: {aims}. Rules that several others cover jointly are found by no comparison in pairs."
