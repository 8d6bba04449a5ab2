"""How many tasks process the files that wait: the cheapest that keep the pipeline's goal.

A task is billed while its image is pulled, and for a minute at least. So the fewer tasks there are, the less is paid,
and the later all is done. The plan is made anew again and again, from what is there by then. It only ever adds
workers: they end by themselves when nothing is left.

A worker takes the next file whenever it is done with one (list scheduling). So all workers work as long as a file
waits, and the last one ends at most the longest file's time later (Graham, 1969). Work is counted in seconds of a
worker, and what workers can do by a time is counted from when each of them is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil, floor, inf

from berthmaster.batch.model.files import Provider
from berthmaster.batch.model.measures import Measures
from berthmaster.batch.model.packing import PackingRun, Plan, Workload
from berthmaster.batch.model.pipelines import Packing, Pipeline
from berthmaster.batch.model.prices import Prices, Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.plan.expectations import (
    LEAST_FILES,
    SECONDS,
    Expectation,
    expected,
    files_measured,
    is_hopeless,
)
from berthmaster.batch.plan.prices import LEAST_SECONDS, dollars_per_second

OVERHEAD = 0.1
"""Without a goal: the share of the bill that may go to starts."""
TRIGGER, USED = 0.85, 0.75
"""Of the time until the goal: workers are added if the work takes more than the larger share, so many that it takes the
smaller one. What is left is for what comes otherwise than expected."""
PATIENCE = 0.5
"""Of the goal: so long a few files may wait for more, if a worker for them alone would cost much more than the work."""
NOISE = 0.05
"""Without a goal: fewer workers than this share of those there are is worth no launch."""
LEARNERS, LEARNING = 4, 0.15
"""Workers while it is not known how long a file takes; and for which share of the goal at most."""
LONG = 60.0
"""Seconds: files of which it is known that they take longer are worth workers, however much longer that is."""
RATE = 20.0
"""Launches a second, in an account."""
SOON = 5.0
"""Seconds until a worker is there that is expected now."""
ALONE, STILL_ALONE = 1.05, 1.08
"""What a task for each file may cost, of the work: to begin with that, and to go on."""
CHEAPER = 0.95
"""What another size costs at most, of the one in use, if it is to be used instead."""
TRIAL = 20
"""A size is tried out if all there is to do costs so many times what that does."""
SPOT_NOTICE = 120.0
"""Seconds from the notice until a task on Spot is stopped."""
SHOWN = 600.0
"""Seconds are shown as such, more as minutes."""
GROWN, QUIET = 2, timedelta(minutes=5)
"""Times as many workers are news, and how long after the last ones."""


def packing(
    pipeline: Pipeline,
    workload: Workload,
    measures: Measures,
    prices: Prices,
    definition: Resources,
    *,
    last: Plan | None = None,
    now: datetime,
) -> Plan:
    """What to launch now. definition: of the pipeline's tasks. last: the plan that was in force until now."""
    sizes = pipeline.run.sizes or (Size(definition.cpu, definition.memory),)
    cases = [
        _case(pipeline, workload, measures, prices, replace(definition, cpu=one.cpu, memory=one.memory), now=now)
        for one in sizes
    ]
    hopeful = [one for one in cases if not is_hopeless(measures, one.size)] or cases[-1:]
    best = _best(hopeful, Size(definition.cpu, definition.memory), last)
    was_single = last is not None and last.is_single
    if pipeline.packing is Packing.SINGLE:
        return best.single("the pipeline's document says so")
    if best.is_better_alone(was_single=was_single):
        return best.single(f"a start costs little beside a file of {_seconds(best.expectation.seconds)}")
    plan, trial = best.workers(), _trial(hopeful, best)
    if trial is None:
        return plan
    # The others are launched first, so that they need not wait, and leave room for the trial.
    more = min(plan.workers, workload.room - 1)
    return replace(plan, workers=more, wanted=best.active + more) if more else trial


def is_news(plan: Plan, run: PackingRun, now: datetime) -> bool:
    """Whether people are to hear of a plan, after what they heard of the run before."""
    chosen = run.chosen
    if chosen is None or run.chosen_at is None:
        return True
    if (plan.size, plan.is_single) != (chosen.size, chosen.is_single):
        return plan.workers > 0 or plan.is_single
    grown = plan.wanted >= GROWN * chosen.wanted and plan.workers > 0
    known = chosen.dollars is None and plan.dollars is not None
    return (grown or known) and now - run.chosen_at >= QUIET


@dataclass(frozen=True)
class _Case:
    """What there is to do, by tasks of one size.

    on_demand, spot: dollars for a second of a task; spot is 0 if the pipeline uses none. goal: in seconds, 0 without
    one. limit: of tasks.
    """

    size: Size
    expectation: Expectation
    workload: Workload
    on_demand: float
    spot: float
    goal: float
    limit: int
    now: datetime

    @cached_property
    def deadlines(self) -> Sequence[tuple[int, float]]:
        """So many files are to be done within so many seconds, the first ones first; none without a goal.

        A few that have waited for long must not make all others urgent: the first file, the next two, the next four and
        so on have the time that the oldest of them has.
        """
        waiting = self.workload.waiting
        received = sorted(self.workload.received)[:waiting]
        if not self.goal or not waiting or not received:
            return ()
        firsts = [2**number - 1 for number in range(len(received).bit_length())]
        counts = [*firsts[1:], waiting]
        return [
            (count, self.goal - (self.now - received[first]).total_seconds())
            for first, count in zip(firsts, counts, strict=True)
        ]

    @cached_property
    def left(self) -> float:
        """Seconds until the oldest file is to be done; infinite without a goal, negative if it is late."""
        return self.deadlines[0][1] if self.deadlines else inf

    @cached_property
    def active(self) -> int:
        """Workers that run or start."""
        return len(self.workload.workers)

    @cached_property
    def arrivals(self) -> Sequence[float]:
        """In how many seconds those are there that start; one that is late is expected to be as late again."""
        ages = [(self.now - one.requested_at).total_seconds() for one in self.workload.workers if not one.started_at]
        return sorted(max(SOON, abs(self.expectation.latency - age)) for age in ages)

    @cached_property
    def running(self) -> int:
        """Workers that are there."""
        return self.active - len(self.arrivals)

    @cached_property
    def busy(self) -> int:
        """Workers that have a file."""
        return min(self.workload.in_flight, self.running)

    def most(self, files: int) -> int:
        """Workers more that would still find one of so many files, when those that are free or expected have."""
        return max(0, files - (self.active - self.busy))

    def work(self, files: int) -> float:
        """Seconds, for so many files that wait and for those that workers have."""
        return files * self.expectation.seconds + self.busy * self.expectation.residual

    def capacity(self, until: float) -> float:
        """Seconds of work that the active workers can do until then."""
        return self.running * max(0.0, until) + sum(until - one for one in self.arrivals if one < until)

    def done_in(self, more: int) -> float:
        """Seconds until no file waits, with so many workers more; infinite if there are none at all."""
        begun = self.work(self.workload.files)
        arrivals = [*self.arrivals, *[self.expectation.latency + more / RATE / 2] * more]
        until = begun / self.running if self.running else inf
        for number, arrival in enumerate(sorted(arrivals), self.running + 1):
            if until <= arrival:
                break
            begun += arrival
            until = begun / number
        return until

    # How many workers more

    @cached_property
    def worth(self) -> float:
        """Seconds of work that make up for a start, without a goal."""
        return max(self.expectation.unused * (1 - OVERHEAD) / OVERHEAD, LEAST_SECONDS - self.expectation.unused)

    @cached_property
    def paid(self) -> float:
        """Seconds of work that a worker does in the minute that is paid anyway, or that cost as much as its start."""
        return max(self.expectation.unused, LEAST_SECONDS - self.expectation.unused)

    def by_price(self, files: int, each: float) -> int:
        """As many as have at least so many seconds of work each; one if there is none."""
        until = self.expectation.latency + each
        wanted = floor((self.work(files) - self.capacity(until)) / each)
        return min(self.most(files), max(0 if self.active else 1, wanted))

    def by_goal(self, share: float) -> int:
        """As many as end all files within a share of the time that each has."""
        return max((self._by(files, left, share) for files, left in self.deadlines), default=0)

    def _by(self, files: int, left: float, share: float) -> int:
        """As many as end so many files within a share of so many seconds."""
        start, file = self.expectation.latency, self.expectation.seconds
        if left <= start + file:
            # They are late whatever is done: that is not to be dear as well.
            return self.by_price(files, self.paid)
        until = self._begun_by(left - file, share)
        if until <= start:
            return self.most(files)
        last = self._begun_by(left - min(self.expectation.longest_among(files + self.busy), left - start), share)
        missing = max(
            self._missing(files, until, until - start),
            # Only the longest files are at risk, so that a worker is to have enough to do.
            self._missing(files, last, max(last - start, self.paid)),
        )
        return min(self.most(files), max(0 if self.active else 1, missing))

    def _begun_by(self, seconds: float, share: float) -> float:
        """When the last file is to be begun that has to be in so many seconds: early enough for another start."""
        return min(share * seconds, seconds - self.expectation.latency)

    def _missing(self, files: int, until: float, each: float) -> int:
        work = self.work(files) - self.capacity(until)
        return ceil(work / max(SOON, each - work / each / RATE / 2)) if work > 0 else 0

    @cached_property
    def is_patient(self) -> bool:
        """Whether so little is to be done that it is cheaper to wait for more, and the goal allows that."""
        needed = self.expectation.latency + self.work(self.workload.files) + self.expectation.longest
        return (
            self.left < inf
            and not self.active
            and not self.workload.behind
            and self.expectation.is_measured
            and self.work(self.workload.files) < self.worth
            and self.left > (1 - PATIENCE) * self.goal
            and needed < USED * (1 - PATIENCE) * self.goal
        )

    @cached_property
    def is_learning(self) -> bool:
        """Whether too little is known of the files for more than some workers, and the goal allows to wait for that."""
        known = self.expectation.is_measured or self.expectation.seconds >= LONG
        return not known and self.left > (1 - LEARNING) * self.goal

    @cached_property
    def more(self) -> int:
        """Workers that are worth it, whatever the limits are."""
        if not self.workload.files or self.is_patient:
            return 0
        more = 0
        if self.left == inf or self.workload.behind:
            more = self.by_price(self.workload.files, self.worth)
            more = more if more >= NOISE * self.active else 0
        if self.left < inf and self.by_goal(TRIGGER):
            more = max(more, self.by_goal(USED))
        return min(more, max(0, LEARNERS - self.active)) if self.is_learning else more

    # What that costs

    @property
    def dollars_of_file(self) -> float:
        """Of the work on one, on average."""
        return self.expectation.seconds * self.on_demand

    def provider(self, ends_in: float) -> Provider:
        """Spot, if a file that is interrupted can be begun anew before the goal."""
        start, file = self.expectation.latency, self.expectation.seconds
        again = SPOT_NOTICE + start + self.expectation.longest_among(max(1, self.workload.files))
        # Those that are late already are so on Spot as well, unless all are.
        lefts = [left for _, left in self.deadlines if left > start + file] or [self.left]
        return Provider.FARGATE_SPOT if self.spot and ends_in + again <= min(lefts) else Provider.FARGATE

    def price(self, provider: Provider) -> float:
        """Dollars for a second."""
        return self.spot if provider is Provider.FARGATE_SPOT else self.on_demand

    def is_better_alone(self, *, was_single: bool) -> bool:
        """Whether tasks of their own cost hardly more than the work on the files."""
        share = STILL_ALONE if was_single else ALONE
        return self.expectation.is_measured and self.expectation.alone <= share * self.expectation.seconds

    def single(self, why: str) -> Plan:
        """A task for each file."""
        expectation = self.expectation
        waves = max(self.workload.files / RATE, self.workload.files * expectation.alone / self.limit)
        ends_in = expectation.latency + waves + expectation.longest_among(max(1, self.workload.files))
        provider = self.provider(ends_in)
        is_known = expectation.is_measured
        return Plan(
            workers=0,
            wanted=self.active,
            size=self.size,
            provider=provider,
            is_single=True,
            reason=f"a task for each file: {why}",
            dollars=self.workload.files * expectation.alone * self.price(provider) if is_known else None,
            ends_at=self.now + timedelta(seconds=ends_in) if is_known else None,
        )

    def workers(self) -> Plan:
        """Tasks that take many files."""
        more = min(self.more, self.workload.room)
        # While files wait for more, the price is that of the worker which comes then.
        begun = max(more, 1) if self.workload.files and not self.active else more
        done_in = self.done_in(begun)
        ends_in = done_in + min(self.expectation.seconds, self.expectation.longest_among(max(1, self.workload.files)))
        provider = self.provider(ends_in)
        is_known = self.expectation.is_measured and (self.workload.files or self.active)
        return Plan(
            workers=more,
            wanted=self.active + more,
            size=self.size,
            provider=provider,
            reason=self._reason(more),
            dollars=self._seconds(begun, done_in) * self.price(provider) if is_known else None,
            ends_at=self.now + timedelta(seconds=ends_in) if is_known else None,
        )

    def _seconds(self, more: int, done_in: float) -> float:
        """That are billed for all there is to do, with those of the active workers that are not booked yet."""
        ages = [(self.now - one.started_at).total_seconds() for one in self.workload.workers if one.started_at]
        works = [*(age + done_in for age in ages), *(max(0.0, done_in - one) for one in self.arrivals)]
        works += [max(0.0, done_in - self.expectation.latency)] * more
        unused = self.expectation.unused
        extra = sum(max(LEAST_SECONDS, one + unused) - one for one in works)
        return self.work(self.workload.files) + sum(ages) + extra

    def _reason(self, more: int) -> str:
        there = f"{self.active:,} active" if self.active else "none active"
        if not self.workload.files:
            return f"no file waits; workers: {there}"
        about = "about" if self.expectation.is_measured else "not known yet, taken to be"
        text = f"{self.workload.files:,} files wait, of {about} {_seconds(self.expectation.seconds)} each"
        text += f"; workers: {there}"
        if self.is_patient:
            until = self.now + timedelta(seconds=self.left - (1 - PATIENCE) * self.goal)
            return f"{text}; they wait for more files until {until:%H:%M:%S} UTC, which the goal allows"
        if self.is_learning and self.more + self.active == LEARNERS:
            text += f"; no more than {LEARNERS} until it is known how long a file takes"
        if self.left < inf:
            text += f"; {_seconds(self.left)} until the goal" if self.left > 0 else "; the goal is missed"
        if self.more > more:
            return f"{text}; {self.more:,} more would be worth it, the limits allow {more:,}"
        return f"{text}; {more:,} more" if more else f"{text}; more would cost more than they are worth"


def _case(
    pipeline: Pipeline,
    workload: Workload,
    measures: Measures,
    prices: Prices,
    resources: Resources,
    *,
    now: datetime,
) -> _Case:
    size = Size(resources.cpu, resources.memory)
    ages = [
        (now - one.started_at).total_seconds()
        for one in workload.workers
        if one.started_at is not None and one.size == size
    ]
    busy = min(len(ages), workload.in_flight)
    # All the time that workers have worked, for the files that they have done or begun: files take that long at least.
    worked = sum(ages) / max(1.0, files_measured(measures, size) + busy)
    return _Case(
        size=size,
        expectation=expected(measures, size, workload.bytes, at_least=max(SECONDS, worked)),
        workload=workload,
        on_demand=dollars_per_second(prices, resources),
        spot=dollars_per_second(prices, replace(resources, is_spot=True)) if pipeline.spot_tries else 0.0,
        goal=pipeline.goal_minutes * 60.0,
        limit=pipeline.limits.tasks,
        now=now,
    )


def _best(cases: Sequence[_Case], definition: Size, last: Plan | None) -> _Case:
    """The cheapest size that keeps the goal, the quickest if none does; the one in use stays for little more."""
    known = [one for one in cases if one.expectation.is_measured]
    if not known:
        return next((one for one in cases if one.size == definition), cases[0])
    keeps = [
        one
        for one in known
        if one.expectation.latency + one.expectation.longest_among(max(1, one.workload.files)) < one.left
    ]
    if not keeps:
        return min(known, key=lambda one: one.expectation.seconds)
    best = min(keeps, key=lambda one: one.dollars_of_file)
    used = next((one for one in keeps if last is not None and one.size == last.size), best)
    return best if best.dollars_of_file < CHEAPER * used.dollars_of_file else used


def _trial(cases: Sequence[_Case], best: _Case) -> Plan | None:
    """A worker of a size that was not measured yet, if it may save more than it costs."""
    active = {one.size for one in best.workload.workers}
    new = next((one for one in cases if not one.expectation.is_measured and one.size not in active), None)
    if new is None or not best.expectation.is_measured or not best.workload.room:
        return None
    if best.left < (1 - PATIENCE) * best.goal:
        return None
    seconds = max(LEAST_SECONDS, best.expectation.unused + LEAST_FILES * best.expectation.seconds)
    if best.work(best.workload.files) * best.on_demand < TRIAL * seconds * new.on_demand:
        return None
    plan = best.workers()
    return replace(
        plan,
        workers=1,
        wanted=best.active + 1,
        size=new.size,
        reason=f"one with {new.size}, to try that size; {plan.reason}",
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < SHOWN else f"{seconds / 60:.0f} min"
