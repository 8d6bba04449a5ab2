"""The same files, the usual ways and with Berthmaster: a burst, single files, and an afternoon on which much fails."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from math import ceil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.batch_account import an_account
from benchmarks.batch_ways.queue import IDLE, FilesQueue
from benchmarks.batch_ways.queue_scaled import Scaling
from simulator.cloud import Cloud
from simulator.demo.batch.simulation import USUAL_WAY, usual_program
from simulator.faults import NO_FAULTS, FaultPlan
from simulator.stack.deployment import Deployment
from simulator.workload.fleet import Fleet
from simulator.workload.scans import CLUSTER, FAMILY, INCOMING, Scans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    type Way = Callable[[int, FaultPlan], AbstractContextManager[tuple[Scans, Deployment]]]

WAYS = Path(__file__).parent / "batch_ways"
MOST = 500
"""Tasks that each way may run at a time."""
BURST = 500
SINGLES, APART = 20, (20.0, 60.0)
SEEDS, FILES, SPREAD = range(2), 100, 600.0
"""Of the bad afternoon: files within so many seconds."""
LONG, QUIET = 7200.0, 3600.0
"""Seconds until the results are looked at."""
TASK_DEATH = 0.005
"""Of each call of a program."""


def bad(seed: int) -> FaultPlan:
    """Events are lost and doubled, answers are lost, functions and programs die, Fargate has no room now and then."""
    return FaultPlan(
        seed=seed,
        event_lost=0.01,
        event_duplicated=0.05,
        lost_response=0.02,
        crash=0.002,
        program_crash=0.01,
        no_capacity=0.05,
    )


@contextmanager
def berthmaster(seed: int, faults: FaultPlan) -> Iterator[tuple[Scans, Deployment]]:
    """With Berthmaster."""
    with an_account(seed, faults, tasks=MOST) as account:
        account.scans.forget()
        yield account.scans, account.berthmaster


@contextmanager
def usual(
    seed: int, faults: FaultPlan, *, way: str, parameters: Mapping[str, str]
) -> Iterator[tuple[Scans, Deployment]]:
    """A template of the usual ways."""
    with Cloud(seed=seed, faults=faults) as cloud:
        scans = Scans.create(cloud)
        places = {"Cluster": CLUSTER, "TaskDefinition": FAMILY, "Subnets": ",".join(scans.network.subnets)}
        given = {"Bucket": INCOMING, **parameters}
        if way != "queue_scaled":
            given |= places
        template = USUAL_WAY if way == "per_event" else WAYS / way / "template.yaml"
        yield scans, Deployment(cloud, template=template, parameters=given, stack="usual-way")


@contextmanager
def per_event(seed: int, faults: FaultPlan) -> Iterator[tuple[Scans, Deployment]]:
    """A Lambda function that calls RunTask for each event."""
    with usual(seed, faults, way="per_event", parameters={}) as (scans, deployed):
        scans.cloud.tasks.programs[FAMILY] = usual_program(scans)
        yield scans, deployed


@contextmanager
def every_minute(seed: int, faults: FaultPlan) -> Iterator[tuple[Scans, Deployment]]:
    """A launcher that looks at a queue once a minute."""
    with usual(seed, faults, way="every_minute", parameters={"Most": str(MOST)}) as (scans, deployed):
        queue = FilesQueue(scans.cloud, str(deployed.template.identity("Files").name))
        scans.cloud.tasks.programs[FAMILY] = queue.worker(scans, idle=IDLE)
        yield scans, deployed


@contextmanager
def queue_scaled(seed: int, faults: FaultPlan, *, visibility: int) -> Iterator[tuple[Scans, Deployment]]:
    """A service that is scaled by the length of a queue."""
    with usual(seed, faults, way="queue_scaled", parameters={"Visibility": str(visibility)}) as (scans, deployed):
        queue = FilesQueue(scans.cloud, str(deployed.template.identity("Files").name))
        scans.cloud.tasks.programs[FAMILY] = queue.worker(scans)
        fleet = Fleet(scans.cloud, cluster=CLUSTER)
        fleet.service(FAMILY, scans.network.network_configuration(), 1)
        Scaling(fleet, FAMILY, queue, MOST)
        deployed.run(minutes=3)
        yield scans, deployed


EVERY: Mapping[str, Way] = {
    "Berthmaster": berthmaster,
    "a Lambda that calls RunTask per event": per_event,
    "a service scaled by its queue, 30 s": partial(queue_scaled, visibility=30),
    "a service scaled by its queue, 300 s": partial(queue_scaled, visibility=300),
    "a launcher once a minute": every_minute,
}
"""The seconds are the queue's visibility timeout; the work takes 30 s."""


@dataclass(frozen=True)
class Outcome:
    """What became of files.

    begun: seconds from each file until work on it began, in that order; ended: until the last result. throttled: calls
    of RunTask that were throttled, the SDK's own retries too. task_dollars: what Fargate bills.
    """

    files: int
    begun: tuple[float, ...]
    ended: float
    lost: int
    doubled: int
    throttled: int
    task_dollars: float

    @classmethod
    def of(cls, scans: Scans) -> Outcome:
        """Now."""
        calls = scans.cloud.calls.named("ecs:RunTask")
        return cls(
            files=len(scans.put_at),
            begun=tuple(sorted(_waits(scans, scans.begun_at))),
            ended=max(_waits(scans, scans.ended_at), default=0.0),
            lost=scans.lost,
            doubled=scans.doubled,
            throttled=sum(call.attempts - 1 + (call.outcome == "ThrottlingException") for call in calls),
            task_dollars=scans.cloud.tasks.dollars(),
        )

    def percentile(self, share: float) -> float:
        """Seconds in which work had begun on so many of those on which it began."""
        return self.begun[ceil(share * len(self.begun)) - 1]


def _waits(scans: Scans, moments: Mapping[str, float]) -> Iterator[float]:
    """Seconds from each file until then, if that has come."""
    return (moments[key] - at for key, at in scans.put_at.items() if key in moments)


@dataclass(frozen=True)
class Compared:
    """A way: the burst, the single files, the bad afternoons of all seeds."""

    burst: Outcome
    singles: Outcome
    bad: tuple[Outcome, ...]


@cache
def report() -> Mapping[str, Compared]:
    """Run all."""
    return {name: _compared(way) for name, way in EVERY.items()}


def _compared(way: Way) -> Compared:
    return Compared(
        burst=a_burst(way, BURST),
        singles=some_singles(way, SINGLES),
        bad=tuple(a_bad_afternoon(way, seed) for seed in SEEDS),
    )


def a_burst(way: Way, files: int) -> Outcome:
    """So many files at once, and nothing fails."""
    with way(1, NO_FAULTS) as (scans, deployed):
        for number in range(files):
            scans.put(f"scans/{number}.tif")
        _until_done(scans, deployed, LONG)
        return Outcome.of(scans)


def some_singles(way: Way, files: int) -> Outcome:
    """One after another."""
    random = Random(1)
    with way(1, NO_FAULTS) as (scans, deployed):
        for number in range(files):
            scans.put(f"scans/{number}.tif")
            deployed.run(minutes=random.uniform(*APART) / 60)
        _until_done(scans, deployed, QUIET)
        return Outcome.of(scans)


def a_bad_afternoon(way: Way, seed: int) -> Outcome:
    """Files come while much fails; then it is quiet."""
    random = Random(seed)
    with way(seed, bad(seed)) as (scans, deployed):
        for number in range(FILES):
            scans.put(f"scans/{number}.tif")
            deployed.run(minutes=random.uniform(0, 2 * SPREAD / FILES) / 60)
        scans.cloud.faults.clear()
        _until_done(scans, deployed, QUIET)
        return Outcome.of(scans)


def _until_done(scans: Scans, deployed: Deployment, most: float) -> None:
    """Let time pass until each file was worked on to its end, and for some minutes more; at most so many seconds."""
    end = scans.cloud.clock.timestamp() + most
    while scans.lost and scans.cloud.clock.timestamp() < end:
        deployed.run(minutes=1)
    deployed.run(minutes=5)


def printed(found: Mapping[str, Compared]) -> Iterator[str]:
    """A row for each way."""
    yield f"on the same simulator, at most {MOST} tasks of 30 s, nothing fails; seconds from file to work:"
    yield f"  {'':40s}{f'{BURST} files at once':>24s}{'':10s}{f'{SINGLES} single files':>16s}{'all files':>12s}"
    heads = f"{'p50':>8s}{'last':>8s}{'result':>8s}{'throttled':>10s}{'p50':>8s}{'last':>8s}{'lost':>6s}{'twice':>6s}"
    yield f"  {'':40s}{heads}"
    for name, one in found.items():
        burst, singles = one.burst, one.singles
        lost, doubled = burst.lost + singles.lost, burst.doubled + singles.doubled
        yield (
            f"  {name:40s}{burst.percentile(0.5):8.0f}{burst.begun[-1]:8.0f}{burst.ended:8.0f}{burst.throttled:10d}"
            f"{singles.percentile(0.5):8.1f}{singles.begun[-1]:8.1f}{lost:6d}{doubled:6d}"
        )
    yield "result: seconds from the files to the last result; throttled: attempts of RunTask, the SDK's own too"
    yield f"{len(SEEDS)} times {FILES} files, events lost and doubled, functions and tasks killed, no room:"
    yield f"  {'':40s}{'lost':>8s}{'twice':>8s}{'last result':>13s}{'Fargate':>10s}"
    for name, one in found.items():
        lost, doubled = sum(bad_.lost for bad_ in one.bad), sum(bad_.doubled for bad_ in one.bad)
        last, dollars = max(bad_.ended for bad_ in one.bad), sum(bad_.task_dollars for bad_ in one.bad)
        yield f"  {name:40s}{lost:8d}{doubled:8d}{last:11.0f} s{f'${dollars:.2f}':>10s}"
    yield "lost: no result an hour later; twice: worked on to the end twice (Berthmaster commits one of both)"
