"""From Room Needed to a subnet that has passed its test, in accounts of several sizes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING

from benchmarks.usage import Meter
from simulator.aws.ec2.vpcs import Associations
from simulator.cloud import Cloud
from simulator.latency import Realistic
from simulator.stack.deployment import Deployment
from simulator.workload.many_services import add_services
from simulator.workload.network import MANAGED, Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simulator.calls import Call

EXPAND, WATCH = "CapacityExpandFunction", "CapacityWatchFunction"
SIZES = ((50, 10), (500, 10), (500, 100), (5_000, 10), (5_000, 100), (5_000, 500))
"""Services and VPCs."""
TYPICAL = (0.1, 0.3)
"""Seconds of most calls: twice what the other benchmarks take."""
EXPANSIONS = 30
"""Of each size, in as many accounts as that takes."""
LEFT = 1
"""Addresses that are free in the subnet for which there is to be room."""
SUBNETS = {"a": "0/26", "b": "64/26", "c": "128/25"}
"""They fill a VPC: the end of their CIDRs, by zone."""
PERIOD = 300.0
SETTLED = 600.0
"""Seconds until all that was made has settled."""
CYCLES = 18
"""Of the watch before anything is measured, an hour and a half: by then it has read all services."""
AIM = 90.0
PHASES = ("the function starts", "the VPC is read, and a plan made", "the block associates", "the subnets are added")


@dataclass(frozen=True)
class Expansion:
    """Seconds of each of the phases; reads and writes that were made until the subnet had passed its test."""

    phases: tuple[float, ...]
    reads: int
    writes: int

    @property
    def seconds(self) -> float:
        """All phases."""
        return sum(self.phases)


@dataclass(frozen=True)
class Size:
    """The expansions in accounts with so many services and VPCs.

    unknown: an expansion before the watch has run for the first time. watch: the longest cycle.
    """

    services: int
    vpcs: int
    expansions: tuple[Expansion, ...]
    unknown: Expansion
    watch: float

    def percentile(self, share: float) -> float:
        """Seconds in which so many of the expansions had their subnet."""
        ordered = sorted(one.seconds for one in self.expansions)
        return ordered[ceil(share * len(ordered)) - 1]


@dataclass(frozen=True)
class Report:
    """latency: of the simulated AWS. association: how long a block takes there."""

    sizes: tuple[Size, ...]
    latency: str
    association: float


@dataclass(frozen=True)
class Account:
    """An account whose services run in all its VPCs, in a cluster for each VPC; one in each VPC is managed."""

    cloud: Cloud
    networks: Sequence[Network]
    berthmaster: Deployment

    def expand(self, network: Network) -> Expansion:
        """Fill a subnet, report the VPC, and see an expansion to its end."""
        subnet = next(iter(network.subnets))
        network.occupy(subnet, leave=LEFT)
        # Expansions are rare: a function that is called for one has no container yet.
        self.berthmaster.runtime.kill_containers()
        before, began = len(self.cloud.calls), self.cloud.clock.timestamp()
        detail = {"vpc": network.vpc_id, "subnets": [{"subnet": subnet, "reason": "a benchmark"}]}
        event = {"source": "berthmaster", "detail-type": "Room Needed", "detail": detail}
        self.berthmaster.put_event(event, bus="berthmaster")
        self.berthmaster.drain()
        calls = list(self.cloud.calls.of(EXPAND).since(before))
        tested = _last(calls, "ec2:DeleteNetworkInterface")
        moments = (
            began,
            calls[0].at,
            _first(calls, "ec2:AssociateVpcCidrBlock").at,
            _first(calls, "ec2:CreateSubnet").at,
            tested.at,
        )
        made = [call for call in calls if call.seq <= tested.seq]
        reads = sum(call.is_read for call in made)
        return Expansion(tuple(end - start for start, end in pairwise(moments)), reads, len(made) - reads)

    def watch(self) -> float:
        """Run a cycle of the watch, five minutes after the last; returns its seconds."""
        meter = Meter(self.berthmaster, WATCH)
        due = self.cloud.clock.timestamp() + PERIOD
        if error := self.berthmaster.invoke(WATCH, {}).error:
            raise error
        self.cloud.clock.run_until(due)
        return meter.read().longest


@contextmanager
def an_account(seed: int, services: int, vpcs: int) -> Iterator[Account]:
    """Open a cloud with so much in it; no schedule runs."""
    with Cloud(seed=seed, latency=Realistic(seed, typical=TYPICAL)) as cloud:
        networks = [_network(cloud, number) for number in range(vpcs)]
        for number, network in enumerate(networks):
            names = [f"service-{one}" for one in range(number, services, vpcs)]
            cluster, configuration = f"cluster-{number}", network.network_configuration()
            add_services(cloud, cluster, names[:1], configuration, tags=MANAGED)
            if names[1:]:
                add_services(cloud, cluster, names[1:], configuration)
        berthmaster = Deployment(cloud, parameters={"CapacityMode": "enforce"})
        berthmaster.schedules_enabled = False
        cloud.clock.advance(SETTLED)
        yield Account(cloud, networks, berthmaster)


def _network(cloud: Cloud, number: int) -> Network:
    start = f"10.{number // 256}.{number % 256}"
    network = Network.create(cloud, f"{start}.0/24", name=f"vpc-{number}")
    for zone, end in SUBNETS.items():
        network.subnet(zone, f"{start}.{end}")
    return network


@cache
def report(sizes: Sequence[tuple[int, int]] = SIZES, expansions: int = EXPANSIONS) -> Report:
    """Measure all sizes, with so many expansions of each."""
    with Cloud() as cloud:
        association = cloud.state(Associations).delay
    latency = str(Realistic(0, typical=TYPICAL))
    return Report(tuple(_measured(*size, expansions) for size in sizes), latency, association)


def _measured(services: int, vpcs: int, expansions: int) -> Size:
    found: list[Expansion] = []
    longest = 0.0
    for seed in range(ceil(expansions / vpcs)):
        with an_account(seed, services, vpcs) as account:
            longest = max(longest, *(account.watch() for _ in range(CYCLES)))
            found += [account.expand(network) for network in account.networks[: expansions - len(found)]]
    with an_account(0, services, vpcs) as account:
        unknown = account.expand(account.networks[0])
    return Size(services, vpcs, tuple(found), unknown, longest)


def _first(calls: Sequence[Call], name: str) -> Call:
    return next(call for call in calls if call.name == name)


def _last(calls: Sequence[Call], name: str) -> Call:
    return next(call for call in reversed(calls) if call.name == name)


def printed(found: Report) -> Iterator[str]:
    """A line for each size, and the phases of the expansion in the middle."""
    yield f"virtual seconds from Room Needed to a subnet that has passed its test ({found.latency};"
    yield f"ECS allows 20 reads of services a second; a block associates in {found.association:g} s; cold starts):"
    heads = f"{'p50':>8s}{'longest':>9s}{'unknown':>9s}{'reads':>7s}{'writes':>8s}{'watch':>8s}"
    yield f"  {'services':>8s}{'VPCs':>6s}{heads}"
    for size in found.sizes:
        middle = _middle(size)
        yield (
            f"  {size.services:8,d}{size.vpcs:6d}{size.percentile(0.5):8.1f}{size.percentile(1):9.1f}"
            f"{size.unknown.seconds:9.1f}{middle.reads:7d}{middle.writes:8d}{size.watch:8.1f}"
        )
    count = "/".join(str(len(size.expansions)) for size in found.sizes)
    yield f"p50, longest: of {count} expansions; unknown: before the watch has run once; reads, writes: until then;"
    yield "watch: the longest of its cycles, with no interface in most VPCs"
    for size in found.sizes[-1:]:
        yield f"of which, at {size.services:,} services and {size.vpcs} VPCs:"
        yield from (f"  {seconds:8.1f}  {phase}" for phase, seconds in zip(PHASES, _middle(size).phases, strict=True))
    yield "without the functions' own CPU: see `cpu`"


def _middle(size: Size) -> Expansion:
    return sorted(size.expansions, key=lambda one: one.seconds)[len(size.expansions) // 2]
