"""What waits to be launched and may be, by the ledger: read again and again while an invocation launches."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, zip_longest

from berthmaster.batch.breaking import Breaking
from berthmaster.batch.budgets import Budgets
from berthmaster.batch.found import AHEAD, OF_EACH_SHARD, AnyJob, Begun, Found
from berthmaster.batch.launching import Job
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.breaker import Breaker, BreakerState
from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan.breaker import Permission, chosen, permission
from berthmaster.batch.worker_backlog import WorkerBacklog
from berthmaster.batch.worker_launching import WorkerJob
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.expiring import Expiring
from berthmaster.failures import Failures

LOOKED_BEHIND_AGAIN = timedelta(seconds=20)
"""A backfill puts files behind others; each look costs as much as one at those that wait."""
AT_ONCE = 4
"""Pipelines; each is read by several calls."""
_MOST_WORKERS = {Permission.ALL: None, Permission.CANARY: 1, Permission.NOTHING: 0}


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
        of_workers: WorkerBacklog,
        none_behind: Expiring[datetime],
    ) -> None:
        """none_behind: the pipelines of which no file waits behind others, as the container has found out lately."""
        self._clock = clock
        self._failures = failures
        self._files = files
        self._breakers = breakers
        self._breaking = breaking
        self._revisions = revisions
        self._budgets = budgets
        self._of_workers = of_workers
        self._none_behind = none_behind
        self._begun: dict[str, Begun] = {}

    def begin(self, job: AnyJob) -> None:
        """A file or worker is launched: it is neither found again nor forgotten as one in flight."""
        self._begun[job.name] = Begun(job, self._clock.now())

    def end(self, job: AnyJob) -> None:
        """The ledger knows it as in flight, or it will not be."""
        self._begun[job.name].ended_at = self._clock.now()

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
        names = {job.name for job in found.jobs}
        surplus = Counter(
            one.pipeline for name, one in begun.items() if one.begun_at >= found.began and name not in names
        )
        jobs = list[AnyJob]()
        for job in reversed([job for job in found.jobs if job.name not in begun]):
            if surplus[job.pipeline.name]:
                surplus[job.pipeline.name] -= 1
            else:
                jobs.append(job)
        return replace(found, jobs=jobs[::-1], is_complete=found.is_complete and len(jobs) == len(found.jobs))

    def _within_budget(self, found: Found, pipeline: Pipeline, unknown: Mapping[str, Begun]) -> Found:
        """What was found, as far as the pipeline's dollars of the day go."""
        if pipeline.limits.dollars_per_day is None:
            return found
        begun = {name: self._most(one.job) for name, one in unknown.items() if one.job.pipeline.name == pipeline.name}
        count = self._budgets.fits(pipeline, [self._most(job) for job in found.jobs], begun)
        return replace(found, jobs=found.jobs[:count])

    def _most(self, job: AnyJob) -> float:
        return self._budgets.most(job.pipeline, job.task_size, job.lasts)

    def _of_pipeline(
        self, pipeline: Pipeline, breaker: Breaker | None, unknown: Mapping[str, Begun], began: datetime
    ) -> Found:
        if breaker is None or breaker.state is BreakerState.CLOSED:
            return self._all(pipeline, unknown, began)
        allowed = permission(breaker, self._revisions.of(pipeline), began)
        found = self._all(pipeline, unknown, began, most=_MOST_WORKERS[allowed])
        if allowed is Permission.ALL or not (found.jobs or pipeline.has_workers):
            return found
        if allowed is Permission.CANARY:
            return Found(_canary(breaker, found.jobs), None if found.jobs else found.next_due)
        return Found([], breaker.probe_at if breaker.state is BreakerState.OPEN else None)

    def _all(
        self, pipeline: Pipeline, unknown: Mapping[str, Begun], began: datetime, *, most: int | None = None
    ) -> Found:
        """What may be launched, whatever its breaker says. most: workers, None for as many as there is room for."""
        if pipeline.has_workers:
            return self._of_workers.read(pipeline, unknown, began, most=most)
        waiting = self._waiting(pipeline, began)
        due = [file for file in waiting if file.due <= began and file.id not in unknown]
        next_due = min((file.due for file in waiting if file.due > began), default=None)
        if not due:
            return Found([], next_due)
        free = pipeline.limits.tasks - self._files.count_in_flight(pipeline.name)
        # Some of these may be among those in flight: then too few are launched until they are not here any more.
        begun = sum(one.pipeline == pipeline.name for one in unknown.values())
        jobs = [Job(file, pipeline) for file in due[: max(0, free - begun)]]
        may_hide_room = bool(begun) and len(jobs) < len(due)
        may_be_cut = len(jobs) == len(due) and len(waiting) >= OF_EACH_SHARD
        return Found(jobs, next_due, is_complete=not may_hide_room and not may_be_cut)

    def _waiting(self, pipeline: Pipeline, began: datetime) -> list[File]:
        """The first files that wait; those that come after all others only if none of the others were left out."""
        until = began + AHEAD
        first = self._files.first_waiting(pipeline.name, until=until, of_each_shard=OF_EACH_SHARD)
        if len(first) >= OF_EACH_SHARD or self._none_behind.get(pipeline.name, began):
            return first
        behind = self._files.first_behind(pipeline.name, until=until, of_each_shard=OF_EACH_SHARD)
        if not behind:
            self._none_behind.put(pipeline.name, began, began, LOOKED_BEHIND_AGAIN)
        return first + behind


def _canary(breaker: Breaker, jobs: Sequence[AnyJob]) -> list[AnyJob]:
    """The job that is tried alone: rather a worker, since a file by itself does not show whether workers work."""
    worker = next((job for job in jobs if isinstance(job, WorkerJob)), None)
    if worker:
        return [replace(worker, is_canary=True)]
    files = [job for job in jobs if isinstance(job, Job)]
    canary = chosen(breaker, [job.file.id for job in files])
    return [replace(job, is_canary=True) for job in files if job.file.id == canary]
