"""What waits to be launched and may be, by the ledger: read again and again while an invocation launches."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, zip_longest

from berthmaster.batch.breaking import Breaking
from berthmaster.batch.budgets import Budgets
from berthmaster.batch.launching import Job
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.breaker import Breaker, BreakerState
from berthmaster.batch.model.pipelines import LONG_AGO, Pipeline
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan.breaker import Permission, chosen, permission
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures
from berthmaster.own_queue import LONGEST_DELAY

AHEAD = LONGEST_DELAY
"""So far ahead is known when a file becomes due; for what comes later, batch_reconcile wakes the dispatcher."""
OF_EACH_SHARD = 20
"""Files of a pipeline that are read at once: of all shards, more than are launched until the next reading."""
AT_ONCE = 4
"""Pipelines; each is read by several calls."""


@dataclass(frozen=True, slots=True)
class Found:
    """What waits.

    jobs: those that may be launched now. next_due: when another file becomes due; None if none is known. is_complete:
    whether all that may be launched is among the jobs. began: when it was read.
    """

    jobs: Sequence[Job]
    next_due: datetime | None
    is_complete: bool = True
    began: datetime = LONG_AGO


class Backlog:
    """Reads what waits, for one invocation."""

    def __init__(
        self,
        clock: Clock,
        failures: Failures,
        *,
        files: Files,
        breakers: Breakers,
        breaking: Breaking,
        revisions: Revisions,
        budgets: Budgets,
    ) -> None:
        self._clock = clock
        self._failures = failures
        self._files = files
        self._breakers = breakers
        self._breaking = breaking
        self._revisions = revisions
        self._budgets = budgets
        self._begun: dict[str, _Begun] = {}

    def begin(self, job: Job) -> None:
        """A file is launched: it is neither found again nor forgotten as one in flight."""
        self._begun[job.file.id] = _Begun(job, self._clock.now())

    def end(self, job: Job) -> None:
        """The ledger knows the file as in flight, or it will not be."""
        self._begun[job.file.id].ended_at = self._clock.now()

    def read(self, pipelines: Iterable[Pipeline]) -> Found:
        """What may be launched now, the pipelines in turns; one that cannot be read launches nothing."""
        began = self._clock.now()
        begun = {name: one for name, one in list(self._begun.items()) if one.is_unknown_to(began)}
        breakers = self._breakers.all()
        for breaker in breakers.values():
            with self._failures.collect("breaker not reported", pipeline=breaker.pipeline):
                self._breaking.report_again(breaker, began)
        outcomes = concurrently(
            lambda pipeline: self._within_budget(
                self._of_pipeline(pipeline, breakers.get(pipeline.name), begun, began), pipeline, begun
            ),
            [one for one in pipelines if not one.paused],
            at_once=AT_ONCE,
        )
        found = []
        for outcome in outcomes:
            with self._failures.collect("pipeline not read", pipeline=outcome.item.name):
                found.append(outcome.result)
        in_turns = chain.from_iterable(zip_longest(*(one.jobs for one in found)))
        return Found(
            [job for job in in_turns if job is not None],
            min((one.next_due for one in found if one.next_due), default=None),
            is_complete=all(one.is_complete for one in found),
            began=began,
        )

    def current(self, found: Found) -> Found:
        """What was found, without what was begun meanwhile, and as many jobs fewer as were begun besides."""
        begun = {name: one for name, one in self._begun.items() if one.is_unknown_to(found.began)}
        names = {job.file.id for job in found.jobs}
        surplus = Counter(
            one.pipeline for name, one in begun.items() if one.begun_at >= found.began and name not in names
        )
        jobs = []
        for job in reversed([job for job in found.jobs if job.file.id not in begun]):
            if surplus[job.pipeline.name]:
                surplus[job.pipeline.name] -= 1
            else:
                jobs.append(job)
        return replace(found, jobs=jobs[::-1], is_complete=found.is_complete and len(jobs) == len(found.jobs))

    def _within_budget(self, found: Found, pipeline: Pipeline, unknown: Mapping[str, "_Begun"]) -> Found:
        """What was found, as far as the pipeline's dollars of the day go."""
        if pipeline.limits.dollars_per_day is None:
            return found
        begun = {name: self._most(one.job) for name, one in unknown.items() if one.job.pipeline.name == pipeline.name}
        count = self._budgets.fits(pipeline, [self._most(job) for job in found.jobs], begun)
        return replace(found, jobs=found.jobs[:count])

    def _most(self, job: Job) -> float:
        return self._budgets.most_of(job.file, job.pipeline)

    def _of_pipeline(
        self, pipeline: Pipeline, breaker: Breaker | None, unknown: Mapping[str, "_Begun"], began: datetime
    ) -> Found:
        waiting = self._files.first_waiting(pipeline.name, until=began + AHEAD, of_each_shard=OF_EACH_SHARD)
        due = [file for file in waiting if file.due <= began and file.id not in unknown]
        next_due = next((file.due for file in waiting if file.due > began), None)
        if not due:
            return Found([], next_due)
        free = pipeline.limits.tasks - self._files.count_in_flight(pipeline.name)
        # Some of these may be among those in flight: then too few are launched until they are not here any more.
        begun = sum(one.pipeline == pipeline.name for one in unknown.values())
        jobs = [Job(file, pipeline) for file in due[: max(0, free - begun)]]
        if breaker and jobs:
            return self._by_breaker(breaker, jobs, next_due, began)
        may_hide_room = bool(begun) and len(jobs) < len(due)
        may_be_cut = len(jobs) == len(due) and len(waiting) >= OF_EACH_SHARD
        return Found(jobs, next_due, is_complete=not may_hide_room and not may_be_cut)

    def _by_breaker(self, breaker: Breaker, jobs: Sequence[Job], next_due: datetime | None, now: datetime) -> Found:
        match permission(breaker, self._revisions.of(jobs[0].pipeline), now):
            case Permission.ALL:
                return Found(jobs, next_due)
            case Permission.CANARY:
                canary = chosen(breaker, [job.file.id for job in jobs])
                return Found([replace(job, is_canary=True) for job in jobs if job.file.id == canary], None)
            case Permission.NOTHING:
                return Found([], breaker.probe_at if breaker.state is BreakerState.OPEN else None)


@dataclass(slots=True)
class _Begun:
    """A launch of this invocation. ended_at: since when the ledger knows of it."""

    job: Job
    begun_at: datetime
    ended_at: datetime | None = None

    @property
    def pipeline(self) -> str:
        """Whose it is."""
        return self.job.pipeline.name

    def is_unknown_to(self, reading: datetime) -> bool:
        """Whether what is read from that time on may lack it."""
        return self.ended_at is None or self.ended_at > reading
