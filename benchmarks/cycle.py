"""AWS calls of one cycle of the watch over 100 VPCs, 1,000 subnets and 20,000 interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.fleet import settle
from benchmarks.survey import survey
from simulator.calls import READ_VERBS
from simulator.cloud import Cloud

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

AIM = 60


@dataclass(frozen=True)
class Report:
    """Calls by operation: of a container's first cycle, of its next, and of a watch that reads subnet by subnet."""

    cold: Counter[str]
    warm: Counter[str]
    by_subnet: Counter[str]


@cache
def report() -> Report:
    """Count all three."""
    seen = survey()
    return Report(cold=seen.cold, warm=seen.warm, by_subnet=_ask_subnet_by_subnet())


def _ask_subnet_by_subnet() -> Counter[str]:
    with Cloud(seed=5, subnet_delay=0) as cloud:
        fleet = settle(cloud)
        ec2 = cloud.client("ec2")
        before = len(cloud.calls)
        for subnet in fleet.subnets:
            ec2.describe_subnets(SubnetIds=[subnet])
            inside = [{"Name": "subnet-id", "Values": [subnet]}]
            for _ in ec2.get_paginator("describe_network_interfaces").paginate(Filters=inside):
                pass
        return cloud.calls.since(before).counts()


def reads(calls: Counter[str]) -> int:
    """How many of the calls read."""
    return sum(count for name, count in calls.items() if name.partition(":")[2].startswith(READ_VERBS))


def printed(found: Report) -> Iterator[str]:
    """A table of operations."""
    columns = {"cold": found.cold, "warm": found.warm, "by subnet": found.by_subnet}
    yield f"{'':42s}" + "".join(f"{name:>10s}" for name in columns)
    names = sorted(found.cold | found.warm | found.by_subnet, key=lambda name: (-found.warm[name], name))
    for name in names:
        yield f"  {name:40s}" + "".join(f"{calls[name] or '-':>10}" for calls in columns.values())
    yield f"{'all':42s}" + "".join(f"{calls.total():10d}" for calls in columns.values())
    yield f"{f'reads (aim: fewer than {AIM})':42s}" + "".join(f"{reads(calls):10d}" for calls in columns.values())
    yield "cold: the first cycle of a container, which reads two weeks of history; by subnet: two calls per subnet."
