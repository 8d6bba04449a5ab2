"""What a million files cost on Fargate: as packing chooses, in the best fixed packing, in a task each; and the goal.

A million files go through a queue that is modelled event by event (`benchmarks.packing_queue`), in which `plan.packing`
decides as it is; what else is used is measured on fewer, through the whole simulator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.batch import priced
from benchmarks.batch_account import an_account
from benchmarks.batch_usage import Meter, observed
from benchmarks.packing_queue import SIZE, Arrival, Queue, World, arrivals
from berthmaster.batch.model.pipelines import Contract, Input, Limits, Output, Packing, Pipeline, Run
from berthmaster.batch.model.prices import Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.packing import RATE
from berthmaster.batch.plan.prices import AS_OF, LEAST_SECONDS, dollars_per_second, prices_of
from simulator.demo.bill import PRICES_OF

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.batch_usage import Usage
    from benchmarks.packing_queue import Outcome

REGION = "us-east-1"
PRICES = prices_of(REGION)
HALF = Resources(cpu=512, memory=1024)
QUARTER = Size(256, 512)
MILLION, LEARNED_FROM = 1_000_000, 1_000
TASKS = 1_000
"""At a time."""
KINDS: Mapping[str, tuple[float, float]] = {
    "1 s": (1.0, 0.0),
    "10 s": (10.0, 0.0),
    "10 min": (600.0, 0.0),
    "a mixture": (5.0, 1.5),
}
"""Seconds of a file, and the spread of their logarithms: of the mixture, half take 5 s and more, one in 50 a minute to
many."""
INTERRUPTIONS = 0.05
"""Of a task on Spot, an hour; assumed."""
READINGS = 2_000
"""Of the backlog, while a million files are processed; in production at least one a minute."""
BEST_AIM, SINGLE_AIM, SINGLE_AIM_OF = 1.15, 5.0, "10 s"
AFTERNOONS = 100
USED_FILES, USED_SECONDS, USED_GOAL = 1_200, 1.0, 3
"""Files that go through the whole simulator, how long each takes, and in how many minutes they are to be done."""
DOLLARS_AIM, WRITES_AIM = 6, 4
"""Of the control plane for a million files; writes to the ledger for each, without heartbeats."""


def a_pipeline(*, tasks: int = TASKS, goal: int = 0, spot: int = 0, sizes: tuple[Size, ...] = ()) -> Pipeline:
    """A pipeline of workers."""
    run = Run(
        cluster="batch",
        task_definition="ocr",
        container="ocr",
        subnets=("subnet-a",),
        security_groups=("sg-a",),
        contract=Contract.WORKER,
        sizes=sizes,
    )
    return Pipeline(
        name="ocr",
        version=1,
        input=Input(bucket="incoming"),
        output=Output(bucket="results", prefix=""),
        run=run,
        limits=Limits(tasks=tasks),
        spot_tries=spot,
        packing=Packing.AUTO,
        goal_minutes=goal,
    )


@dataclass(frozen=True)
class Million:
    """A million files, in dollars.

    work: seconds of it alone. best: the best fixed packing that is as quick, of best_tasks. single: a task for each.
    """

    kind: str
    is_spot: bool
    outcome: Outcome
    best: float
    best_tasks: int
    single: float
    work: float

    @property
    def hours(self) -> float:
        """Until the last is done."""
        return max(self.outcome.waits) / 3600


@dataclass(frozen=True)
class Sizes:
    """Dollars. given: in tasks of the definition's size. first, later: with a smaller one allowed, not tried before."""

    given: float
    first: float
    later: float


@dataclass(frozen=True)
class Afternoon:
    """goal: in seconds. longest: that a file has waited and worked. least: seconds of one task that does all."""

    goal: float
    files: int
    late: int
    longest: float
    billed: float
    least: float
    is_first: bool


@dataclass(frozen=True)
class Report:
    """All of it."""

    millions: Sequence[Million]
    sizes: Sizes
    afternoons: Sequence[Afternoon]
    usage: Usage


@cache
def report() -> Report:
    """Measure."""
    millions = [a_million(kind, is_spot=is_spot) for kind in KINDS for is_spot in (False, True)]
    afternoons = [an_afternoon(seed) for seed in range(AFTERNOONS)]
    return Report(millions, a_choice(10_000), afternoons, usage_of(USED_FILES))


def a_million(kind: str, *, is_spot: bool, files: int = MILLION, tasks: int = TASKS) -> Million:
    """So many files that come at once, to a pipeline that has processed such files before."""
    seconds, spread = KINDS[kind]
    pipeline = a_pipeline(tasks=tasks, spot=2 if is_spot else 0)
    world = World(interruptions=INTERRUPTIONS if is_spot else 0.0)
    before = Queue(pipeline, arrivals(seconds, spread, LEARNED_FROM, seed=2), World(), HALF)
    before.run()
    coming = arrivals(seconds, spread, files)
    work = sum(one.seconds + world.turn for one in coming)
    world = replace(world, reading=max(world.reading, work / tasks / READINGS))
    outcome = Queue(pipeline, coming, world, HALF, known=before).run()
    longest = max(one.seconds for one in coming)
    price = dollars_per_second(PRICES, replace(HALF, is_spot=is_spot))
    count = best_fixed(work, longest, world, tasks=tasks, files=files, ends_in=max(outcome.waits))
    alone = sum(max(LEAST_SECONDS, one.seconds + world.pull + world.exit) for one in coming)
    return Million(
        kind=kind,
        is_spot=is_spot,
        outcome=outcome,
        best=fixed_seconds(work, world, count) * price,
        best_tasks=count,
        single=alone * price,
        work=work * price,
    )


def best_fixed(work: float, longest: float, world: World, *, tasks: int, files: int, ends_in: float) -> int:
    """Of all fixed numbers of tasks, the one that costs least and ends in time; the work can be shared equally.

    It is begun at once and never interrupted, which is more than anybody can have.
    """
    enough = [
        count
        for count in range(1, min(tasks, files) + 1)
        if world.provisioning + world.pull + count / RATE / 2 + max(work / count, longest) <= ends_in
    ]
    return min(enough or [min(tasks, files)], key=lambda count: fixed_seconds(work, world, count))


def fixed_seconds(work: float, world: World, count: int) -> float:
    """What is billed for so many tasks that share the work."""
    return count * max(LEAST_SECONDS, work / count + world.pull + world.exit)


def a_choice(files: int) -> Sizes:
    """A task of half the size takes 1.6 times as long, and nobody has measured that yet."""
    world = World(speeds={QUARTER: 1 / 1.6})
    coming = arrivals(10.0, 0.3, files)
    before = Queue(a_pipeline(), coming, world, HALF)
    before.run()
    both = a_pipeline(sizes=(Size(512, 1024), QUARTER))
    first = Queue(both, coming, world, HALF, known=before)
    return Sizes(
        given=Queue(a_pipeline(), coming, world, HALF, known=before).run().dollars,
        first=first.run().dollars,
        later=Queue(both, coming, world, HALF, known=first).run().dollars,
    )


def an_afternoon(seed: int) -> Afternoon:
    """Four hours with a goal: bursts and single files, images of any size, refusals, Spot; every other is the first."""
    random = Random(seed)
    goal, tasks = random.choice((15, 30, 60)), 300
    seconds, spread = 2 ** random.uniform(0, 6), random.uniform(0, 1.2)
    most = 0.3 * 60 * goal
    world = World(
        pull=random.uniform(8, 60),
        turn=0.2,
        reading=5.0,
        jitter=0.4,
        refused=random.choice((0.0, 0.05, 0.2)),
        interruptions=random.choice((0.1, 1.0)),
    )
    pipeline = a_pipeline(tasks=tasks, goal=goal, spot=random.choice((0, 2)))
    coming: list[Arrival] = []

    def come(at: float, over: float, files: int) -> None:
        for _ in range(files):
            takes = min(most, seconds * random.lognormvariate(0, spread))
            coming.append(Arrival(at + random.uniform(0, over), SIZE, takes))

    come(0, 4 * 3600, random.randint(10, 300))
    for _ in range(random.randint(1, 5)):
        # What the limit of tasks allows to be done in half of the goal.
        come(random.uniform(0, 4 * 3600), random.choice((5, 300)), random.randint(20, 1000))
    coming.sort()
    known = None
    if not (is_first := seed % 2 == 0):
        known = Queue(pipeline, coming[: len(coming) // 2], world, HALF, seed=seed)
        known.run()
    outcome = Queue(pipeline, coming, world, HALF, seed=seed + 1000, known=known).run()
    return Afternoon(
        goal=60.0 * goal,
        files=len(coming),
        late=sum(wait > 60 * goal for wait in outcome.waits),
        longest=max(outcome.waits),
        billed=outcome.billed,
        least=sum(one.seconds + world.turn for one in coming) + world.pull + world.exit,
        is_first=is_first,
    )


def usage_of(files: int) -> Usage:
    """What so many files use besides Fargate, through the whole simulator, when there were such files before."""
    with an_account(seconds=USED_SECONDS, workers=True, goal=USED_GOAL) as account, observed() as seen:
        berthmaster, scans = account.berthmaster, account.scans
        for number in range(files // 10):
            scans.put(f"scans/first-{number}.tif")
        berthmaster.run(minutes=USED_GOAL + 5)
        seen.forget()
        meter = Meter(berthmaster)
        for number in range(files):
            scans.put(f"scans/{number}.tif")
        berthmaster.run(minutes=USED_GOAL + 5)
        if scans.lost or scans.doubled:
            raise AssertionError(f"{scans.lost} files are lost and {scans.doubled} doubled where nothing fails")
        return meter.read(seen, files)


def printed(found: Report) -> Iterator[str]:
    """The millions, the sizes, the afternoons."""
    start = f"{World.provisioning:g} s until the pull, {World.pull:g} s of it, {World.exit:g} s at the end"
    yield f"a million files at once, at most {TASKS:,} tasks of 0.5 vCPU and 1 GB; {REGION}, prices as of {AS_OF}"
    yield f"  a start: {start}; a file: {World.turn:g} s more; Spot: {INTERRUPTIONS:.0%} an hour taken back"
    yield _columns(
        "",
        "",
        "the work",
        "Fargate",
        "predicted",
        "best fixed",
        f"aim {BEST_AIM:g}",
        "a task each",
        "times",
        "tasks",
        "hours",
    )
    for one in found.millions:
        yield _row(one)
    yield f"  aim: a task each costs {SINGLE_AIM:g} times as much and more, of files of {SINGLE_AIM_OF}"
    sizes = found.sizes
    yield "10,000 files of 10 s, which take 1.6 times as long in half the size at half the price:"
    yield f"  in the definition's ${sizes.given:.2f}; with both ${sizes.first:.2f} at first, ${sizes.later:.2f} later"
    yield from _afternoons(found.afternoons)
    yield f"besides Fargate, through the whole simulator; prices: {PRICES_OF}"
    what = f"at once, take {USED_SECONDS:g} s each, and are to be done in {USED_GOAL} minutes"
    yield from priced(what, found.usage, aims=(DOLLARS_AIM, WRITES_AIM))


def _row(one: Million) -> str:
    outcome = one.outcome
    predicted = outcome.first.dollars if outcome.first and outcome.first.dollars else 0.0
    return _columns(
        one.kind,
        "Spot" if one.is_spot else "on demand",
        *(f"{dollars:,.2f}" for dollars in (one.work, outcome.dollars, predicted, one.best)),
        f"{outcome.dollars / one.best:.2f}",
        f"{one.single:,.2f}",
        f"{one.single / outcome.dollars:.1f}",
        f"{outcome.starts:,}",
        f"{one.hours:.1f}",
    )


def _columns(kind: str, provider: str, *figures: str) -> str:
    return f"  {kind:10s}{provider:10s}" + "".join(f"{figure:>12s}" for figure in figures)


def _afternoons(found: Sequence[Afternoon]) -> Iterator[str]:
    kept = [one for one in found if not one.late]
    files, late = sum(one.files for one in found), sum(one.late for one in found)
    yield f"{len(found)} random afternoons with a goal of 15, 30 or 60 minutes; half of them with unknown files"
    yield f"  goal kept by all files on {len(kept)}; {late:,} of {files:,} files late"
    shares = [(one.longest / one.goal, one.billed / one.least) for one in found]
    longest, billed = (median(values) for values in zip(*shares, strict=True))
    yield f"  medians: longest wait {longest:.0%} of the goal; billed {billed:.2f} times one task that does all"
    for one in found:
        if one.late:
            yield f"  late: {one}"
