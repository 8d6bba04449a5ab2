"""Workers of one pipeline as a queue, event by event, for files by the million: `plan.packing` decides in it, as it is.

What is modelled: files that come; workers that start, take one of the oldest files, and end after an hour, or when none
is left and their paid minute is over; readings of the backlog by batch_dispatch; the pace of launches; refusals of
RunTask; Spot. What is not: functions, the ledger, S3. `tests/functions/batch/dispatch/test_packing.py` holds it against
the whole simulator.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from math import ceil, inf, log
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.measures import FileSums, Measures, TaskSums
from berthmaster.batch.model.packing import ActiveWorker, Plan, Workload
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.measures import size_class, span, weighted
from berthmaster.batch.plan.packing import RATE, packing
from berthmaster.batch.plan.prices import LEAST_SECONDS, dollars, prices_of
from berthmaster.batch.plan.workers import WORKS_FOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from berthmaster.batch.model.pipelines import Pipeline
    from berthmaster.batch.model.prices import Prices, Resources

EPOCH = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = 60.0
SIZE = 100_000
"""Bytes of a file."""
READ = 160
"""Files that a reading of the backlog sees."""
SEEN = 2 / 8
"""A worker takes the oldest of the files at the head of two of eight shards: so likely that is the oldest of all."""


class Arrival(NamedTuple):
    """A file. at: seconds since the beginning. seconds: that a task of the definition's size takes for it."""

    at: float
    bytes: int
    seconds: float


def arrivals(seconds: float, spread: float, count: int, *, over: float = 0.0, seed: int = 1) -> list[Arrival]:
    """Files that come within some seconds. seconds: the median of what they take; spread: of its logarithm."""
    random = Random(seed)
    times = sorted(random.uniform(0, over) for _ in range(count))
    return [Arrival(at, SIZE, seconds * random.lognormvariate(0, spread)) for at in times]


@dataclass(frozen=True)
class World:
    """What the account is like, in seconds.

    provisioning, pull, exit: of a task: until the pull, of it, and until STOPPED. turn: that a worker takes for a file
    besides the work. reading: between two readings of the backlog, at least. lifetime: in which a worker begins with
    files. jitter: by how much all these differ. interruptions: of a task on Spot, an hour. refused: the share of
    launches that RunTask refuses. speeds: of other sizes than that of the task definition.
    """

    provisioning: float = 6.0
    pull: float = 30.0
    exit: float = 9.0
    turn: float = 0.2
    reading: float = 2.0
    lifetime: float = WORKS_FOR.total_seconds()
    jitter: float = 0.2
    interruptions: float = 0.0
    refused: float = 0.0
    speeds: Mapping[Size, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Of a run.

    waits: seconds from each file until it was done, in the order in which they were. starts: of tasks; most: at a time.
    billed: seconds. first: the first plan with a price, at first_at, for so many files.
    """

    waits: Sequence[float]
    ended: float
    dollars: float
    billed: float
    starts: int
    most: int
    lost: int
    first: Plan | None
    first_at: float
    first_files: int


@dataclass(eq=False)
class _Task:
    active: ActiveWorker
    speed: float
    requested: float
    pulled: float = 0.0
    started: float = 0.0
    file: Arrival | None = None
    is_gone: bool = False


class Queue:
    """One run. files: in the order in which they come. measures: what is known before."""

    def __init__(
        self,
        pipeline: Pipeline,
        files: Sequence[Arrival],
        world: World,
        definition: Resources,
        *,
        seed: int = 1,
        prices: Prices | None = None,
        fixed: int = 0,
        known: Queue | None = None,
    ) -> None:
        """fixed: so many workers at once, instead of what `packing` says. known: a run before, and what it measured."""
        self._pipeline = pipeline
        self._world = world
        self._definition = definition
        self._prices = prices or prices_of("us-east-1")
        self._fixed = fixed
        self._random = Random(seed)
        self._coming = deque(files)
        self._waiting: deque[Arrival] = deque()
        self._idle: dict[_Task, None] = {}
        self._active: dict[_Task, None] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._now = 0.0
        self._next_reading = inf
        self._last_reading = -inf
        self._launch_at = 0.0
        self._busy = 0
        self._last: Plan | None = None
        self._known = known.measures() if known else Measures()
        self._files: defaultdict[tuple[Size, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._spans: defaultdict[tuple[Size, int], Counter[int]] = defaultdict(Counter)
        self._tasks: defaultdict[Size, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
        self._waits: list[float] = []
        self._dollars = self._billed = 0.0
        self._starts = self._most = self._lost = 0
        self._first: tuple[Plan, float, int] | None = None

    def run(self) -> Outcome:
        """Until all files are done and all workers have ended."""
        self._arrive()
        if self._fixed:
            for _ in range(self._fixed):
                self._launch(self._size, Provider.FARGATE_SPOT if self._pipeline.spot_tries else Provider.FARGATE)
        while self._events:
            self._now, _, event = heappop(self._events)
            event()
        plan, at, files = self._first or (None, 0.0, 0)
        return Outcome(
            waits=self._waits,
            ended=self._now,
            dollars=self._dollars,
            billed=self._billed,
            starts=self._starts,
            most=self._most,
            lost=self._lost,
            first=plan,
            first_at=at,
            first_files=files,
        )

    def measures(self) -> Measures:
        """What is known by now."""
        files = {
            key: FileSums(seconds=seconds, bytes=size, spans=dict(self._spans[key]))
            for key, (seconds, size) in self._files.items()
        }
        tasks = {
            size: TaskSums(stopped=stopped, count=count, latency=latency, unused=unused)
            for size, (stopped, count, latency, unused) in self._tasks.items()
        }
        return weighted([Measures(files=files, tasks=tasks), self._known])

    @property
    def _size(self) -> Size:
        return Size(self._definition.cpu, self._definition.memory)

    def _at(self, when: float, event: Callable[[], None]) -> None:
        self._number += 1
        heappush(self._events, (when, self._number, event))

    def _about(self, seconds: float) -> float:
        jitter = self._world.jitter
        return seconds * self._random.uniform(1 - jitter, 1 + jitter)

    # Files

    def _arrive(self) -> None:
        while self._coming and self._coming[0].at <= self._now:
            self._waiting.append(self._coming.popleft())
            self._wake_one()
        if self._coming:
            self._at(self._coming[0].at, self._arrive)
        self._wake_dispatcher(1.0)

    def _wake_one(self) -> None:
        if self._idle:
            task = next(iter(self._idle))
            del self._idle[task]
            self._at(self._now + self._random.uniform(0, 2), lambda: self._take(task))

    # The dispatcher

    def _wake_dispatcher(self, delay: float) -> None:
        if self._fixed:
            return
        when = max(self._now + delay, self._last_reading + self._world.reading)
        if when < self._next_reading:
            self._next_reading = when
            self._at(when, lambda: self._read(when))

    def _read(self, when: float) -> None:
        if when != self._next_reading:
            return
        self._next_reading, self._last_reading = inf, self._now
        first = [self._waiting[number] for number in range(min(READ, len(self._waiting)))]
        workload = Workload(
            waiting=len(self._waiting),
            received=tuple(EPOCH + timedelta(seconds=one.at) for one in first),
            bytes=tuple(one.bytes for one in first),
            in_flight=self._busy,
            workers=tuple(one.active for one in self._active),
            room=max(0, self._pipeline.limits.tasks - len(self._active)),
        )
        plan = packing(
            self._pipeline,
            workload,
            self.measures(),
            self._prices,
            self._definition,
            last=self._last,
            now=EPOCH + timedelta(seconds=self._now),
        )
        self._last = plan
        if self._first is None and plan.dollars is not None and workload.waiting:
            self._first = plan, self._now, workload.waiting + workload.in_flight
        if plan.is_single:
            for _ in range(min(len(self._waiting), workload.room)):
                self._launch(plan.size, plan.provider, self._waiting.popleft())
        for _ in range(plan.workers):
            self._launch(plan.size, plan.provider)
        if self._waiting or self._active:
            self._wake_dispatcher(MINUTE)

    # Tasks

    def _launch(self, size: Size, provider: Provider, file: Arrival | None = None) -> None:
        self._launch_at = at = max(self._now, self._launch_at + 1 / RATE)
        requested = EPOCH + timedelta(seconds=at)
        speed = self._world.speeds.get(size, 1.0)
        task = _Task(ActiveWorker(size=size, provider=provider, requested_at=requested), speed, at, file=file)
        self._active[task] = None
        self._most = max(self._most, len(self._active))
        if self._random.random() < self._world.refused:
            self._at(at + 0.1, lambda: self._refused(task))
            return
        self._starts += 1
        task.pulled = at + self._about(self._world.provisioning)
        task.started = task.pulled + self._about(self._world.pull)
        self._at(task.started, lambda: self._start(task))

    def _refused(self, task: _Task) -> None:
        del self._active[task]
        self._put_back(task)
        self._wake_dispatcher(15.0)

    def _start(self, task: _Task) -> None:
        del self._active[task]
        task.active = replace(task.active, started_at=EPOCH + timedelta(seconds=self._now))
        self._active[task] = None
        if self._world.interruptions and task.active.provider is Provider.FARGATE_SPOT:
            after = self._random.expovariate(self._world.interruptions / 3600)
            self._at(self._now + after, lambda: self._interrupt(task))
        if task.file is not None:
            self._busy += 1
            self._work(task, task.file)
        else:
            self._take(task)

    def _take(self, task: _Task) -> None:
        if task.is_gone:
            # Who was to take a file is gone: another one does.
            self._wake_one()
        elif self._now - task.requested >= self._world.lifetime and not self._fixed:
            self._stop(task)
        elif self._waiting:
            chosen = min(len(self._waiting) - 1, int(log(1 - self._random.random()) / log(1 - SEEN)))
            task.file = self._waiting[chosen]
            del self._waiting[chosen]
            self._busy += 1
            self._work(task, task.file)
        elif self._now - task.pulled >= LEAST_SECONDS - self._world.exit:
            self._stop(task)
        else:
            self._idle[task] = None
            self._at(task.pulled + LEAST_SECONDS - self._world.exit, lambda: self._stop_idle(task))

    def _work(self, task: _Task, file: Arrival) -> None:
        seconds = file.seconds / task.speed + self._world.turn
        self._at(self._now + seconds, lambda: self._end(task, file, seconds))

    def _end(self, task: _Task, file: Arrival, seconds: float) -> None:
        if task.is_gone:
            return
        task.file = None
        self._busy -= 1
        self._waits.append(self._now - file.at)
        key = task.active.size, size_class(file.bytes)
        sums = self._files[key]
        sums[0] += seconds
        sums[1] += file.bytes
        self._spans[key][span(seconds)] += 1
        if self._last is not None and self._last.is_single:
            self._stop(task)
        else:
            self._take(task)

    def _stop_idle(self, task: _Task) -> None:
        if task in self._idle and not task.is_gone:
            del self._idle[task]
            self._stop(task)

    def _stop(self, task: _Task) -> None:
        task.is_gone = True
        exit_ = self._about(self._world.exit)
        self._at(self._now + exit_, lambda: self._stopped(task, exit_))

    def _stopped(self, task: _Task, exit_: float) -> None:
        del self._active[task]
        seconds = max(LEAST_SECONDS, ceil(self._now - task.pulled))
        size = task.active.size
        resources = replace(
            self._definition,
            cpu=size.cpu,
            memory=size.memory,
            is_spot=task.active.provider is Provider.FARGATE_SPOT,
        )
        self._billed += seconds
        self._dollars += dollars(self._prices, resources, seconds)
        sums = self._tasks[size]
        for number, value in enumerate((1, 1, task.started - task.requested, task.started - task.pulled + exit_)):
            sums[number] += value
        self._wake_dispatcher(1.0)

    def _interrupt(self, task: _Task) -> None:
        if task.is_gone:
            return
        self._lost += 1
        self._idle.pop(task, None)
        if task.file is not None:
            self._busy -= 1
            file = task.file
            self._at(self._now + 15.0, lambda: self._again(file))
            task.file = None
        self._stop(task)
        if self._fixed:
            self._launch(task.active.size, task.active.provider)

    def _again(self, file: Arrival) -> None:
        self._waiting.appendleft(file)
        self._wake_one()
        self._wake_dispatcher(1.0)

    def _put_back(self, task: _Task) -> None:
        if task.file is not None:
            self._waiting.appendleft(task.file)
            task.file = None
