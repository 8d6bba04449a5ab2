"""Workers compared with their tasks and their signs of life, and claims with their workers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from berthmaster.batch.breaking import Breaking
from berthmaster.batch.healing import Healing
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.heartbeats import Beats
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.breaker import BreakerState
from berthmaster.batch.model.files import File
from berthmaster.batch.model.heartbeats import Beat, Heartbeats
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.observe.tasks import TaskReads
from berthmaster.batch.plan.heartbeats import lives, looked, silent_for
from berthmaster.batch.plan.releasing import reported, why_released
from berthmaster.batch.plan.worker_overdue import compare, is_compared
from berthmaster.batch.plan.workers import has_worked, is_released_at, launched
from berthmaster.batch.release import Release
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures

AT_ONCE = 8
MOST_RELEASED = 1_000
"""Claims in one run: some ten seconds."""


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What one run has read of the ledger.

    in_flight: all files in flight, read since read_at. workers: by pipeline, those of which something may be to be
    done, read after the files: a worker is written down before it can have one.
    """

    read_at: datetime
    in_flight: Sequence[File]
    workers: Mapping[str, Sequence[Worker]]

    @property
    def all_workers(self) -> list[Worker]:
        """Of all pipelines."""
        return [one for some in self.workers.values() for one in some]


class WorkerChecks:
    """What batch_reconcile does about workers."""

    def __init__(
        self,
        clock: Clock,
        *,
        workers: Workers,
        beats: Beats,
        pipelines: Pipelines,
        breakers: Breakers,
        breaking: Breaking,
        release: Release,
        healing: Healing,
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._beats = beats
        self._pipelines = pipelines
        self._breakers = breakers
        self._breaking = breaking
        self._release = release
        self._healing = healing

    def run(self, view: LedgerView, reads: TaskReads, failures: Failures, may_go_on: Callable[[], bool]) -> int:
        """Check all workers; returns how many files wait again."""
        silences: dict[str, timedelta] = {}
        for pipeline, workers in view.workers.items():
            with failures.collect("heartbeats not read", pipeline=pipeline):
                silences |= self._silences(pipeline, workers)
        self._compare(view.all_workers, silences, reads, failures, may_go_on)
        return self._release_claims(view, silences, failures, may_go_on)

    # Signs of life

    def _silences(self, pipeline: str, workers: Sequence[Worker]) -> dict[str, timedelta]:
        """For how long workers have given no sign of life. What was seen is written before anything follows from it."""
        before = self._beats.seen(pipeline)
        if not workers and not before.seen:
            return {}
        beats, now = self._beats.of(pipeline), self._clock.now()
        seen = looked(before, workers, beats, now)
        self._beats.remember(seen)
        self._prove(pipeline, workers, beats, before, now)
        return {one.id: silent_for(seen, one.id) for one in workers}

    def _prove(
        self, pipeline: str, workers: Sequence[Worker], beats: Mapping[str, Beat], before: Heartbeats, now: datetime
    ) -> None:
        """A worker that tries whether its pipeline works has shown it when it has claimed a file, or goes on living.

        That its container runs shows nothing yet: it may end at once.
        """
        breaker = self._breakers.get(pipeline)
        canary = next((one for one in workers if one.id == breaker.canary), None)
        if breaker.state is not BreakerState.PROBING or canary is None or canary.id not in beats:
            return
        if has_worked(beats[canary.id]) or lives(before, beats[canary.id]):
            self._breaking.ran(pipeline, launched(canary, breaker.probed_with), now)

    # Tasks

    def _compare(
        self,
        workers: Iterable[Worker],
        silences: Mapping[str, timedelta],
        reads: TaskReads,
        failures: Failures,
        may_go_on: Callable[[], bool],
    ) -> None:
        now = self._clock.now()
        by_task = {one.launch.task: one for one in workers if is_compared(one, silences.get(one.id, timedelta()), now)}

        def heal(found: tuple[str, Task | None]) -> None:
            arn, task = found
            worker = by_task[arn]
            step = compare(worker, task, silences.get(worker.id, timedelta()), self._clock.now())
            self._healing.heal(worker, step, self._workers.save, pipeline=worker.pipeline, named=worker.id)

        outcomes = concurrently(heal, reads.described(by_task), at_once=AT_ONCE, may_begin=may_go_on)
        failures.add(one.error for one in outcomes if one.error)

    # Claims

    def _release_claims(
        self,
        view: LedgerView,
        silences: Mapping[str, timedelta],
        failures: Failures,
        may_go_on: Callable[[], bool],
    ) -> int:
        """Release the claims of workers that are dead or have ended, and remember whose have all been looked at."""
        known = {(one.pipeline, one.id): one for one in view.all_workers}
        claimed = [file for file in view.in_flight if file.is_claimed]
        owners = {(file.pipeline, file.claim.owner) for file in claimed if file.claim}
        owned: dict[tuple[str, str], Worker | None] = dict(known)
        for pipeline, owner in sorted(owners - known.keys()):
            with failures.collect("worker not read", worker=owner):
                owned[pipeline, owner] = self._workers.get(pipeline, owner)
        now, leases = self._clock.now(), reported(view.in_flight)
        due: list[Callable[[], datetime | None]] = []
        left: set[tuple[str, str]] = set()
        for file in claimed:
            name = (file.pipeline, file.claim.owner if file.claim else "")
            if file.claim is None or name not in owned:
                continue
            left.add(name)
            worker, silence = owned[name], silences.get(name[1], timedelta())
            with failures.collect("claim not judged", file=file.id):
                timeout = self._timeout(file, worker)
                is_reported = file.claim.lease in leases
                why = why_released(file.claim, worker, silence, now, timeout=timeout, is_reported=is_reported)
                if why:
                    due.append(partial(self._release.release, file, worker, why))
        outcomes = concurrently(lambda release: release(), due[:MOST_RELEASED], at_once=AT_ONCE, may_begin=may_go_on)
        failures.add(one.error for one in outcomes if one.error)
        # Those that had claims until now are closed by the next run, which finds none.
        ended = [one for one in known.values() if not one.is_active and is_released_at(one) <= view.read_at]
        with failures.collect("workers not closed"):
            self._release.close(one for one in ended if (one.pipeline, one.id) not in left)
        return sum(outcome.value is not None for outcome in outcomes)

    def _timeout(self, file: File, worker: Worker | None) -> timedelta:
        """Of one file, as the document said when the worker was launched."""
        if worker is None:
            return timedelta()
        pipeline = self._pipelines.version(file.pipeline, worker.launch.pipeline_version)
        return timedelta(minutes=pipeline.limits.timeout_minutes)
