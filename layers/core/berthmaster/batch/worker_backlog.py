"""What waits for workers, and what is launched for it: workers, and files by themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from berthmaster.batch.found import AHEAD, OF_EACH_SHARD, AnyJob, Begun, Found
from berthmaster.batch.launching import Job
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.heartbeats import Beats
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.files import File
from berthmaster.batch.model.heartbeats import Heartbeats
from berthmaster.batch.model.packing import ActiveWorker, Workload
from berthmaster.batch.model.pipelines import Packing, Pipeline
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.workers import Worker, WorkerState
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.packing import PackingPlans
from berthmaster.batch.plan.heartbeats import LEASE, silent_for
from berthmaster.batch.plan.identity import worker_id
from berthmaster.batch.worker_launching import WorkerJob
from berthmaster.clock import Clock
from berthmaster.errors import MissingEvidence
from berthmaster.expiring import Expiring
from berthmaster.failures import Failures

MANY = 8_000
"""Files that are counted again at every reading. More are counted as they are estimated, and not so often."""
MANY_KEPT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """What the ledger says of one pipeline.

    waiting, behind: files, the first of each shard, also those that are due later. claims: files that workers have.
    tasks: how many there are, or may be. workers: of these tasks.
    """

    waiting: Sequence[File]
    behind: Sequence[File]
    claims: int
    tasks: int
    workers: tuple[ActiveWorker, ...]

    @property
    def first(self) -> list[File]:
        """All files that were read, in the order in which they are launched."""
        return [*self.waiting, *self.behind]


class WorkerBacklog:
    """Reads what waits in pipelines with workers, for one invocation."""

    def __init__(
        self,
        clock: Clock,
        *,
        turn: str,
        files: Files,
        index: FileIndex,
        workers: Workers,
        beats: Beats,
        revisions: Revisions,
        packing: PackingPlans,
    ) -> None:
        """turn: the id of the invocation, from which the ids of workers follow."""
        self._clock = clock
        self._turn = turn
        self._files = files
        self._index = index
        self._workers = workers
        self._beats = beats
        self._revisions = revisions
        self._packing = packing
        self._counts: Expiring[int] = Expiring()
        self._numbers = count()

    def read(self, pipeline: Pipeline, begun: Mapping[str, Begun], began: datetime, *, most: int | None) -> Found:
        """What may be launched of a pipeline. begun: launches that the ledger may not show yet, by what they are for.

        most: workers that its breaker lets be launched, None for as many as there is room for.
        """
        reading = self._reading(pipeline, begun, began)
        due = [one for one in reading.first if one.due <= began and one.id not in begun]
        next_due = min((one.due for one in reading.first if one.due > began), default=None)
        room = most_jobs = max(0, pipeline.limits.tasks - reading.tasks)
        is_single = pipeline.packing is Packing.SINGLE
        alone = [one for one in due if one.is_alone or is_single]
        jobs: list[AnyJob] = [Job(one, pipeline) for one in alone[:room]]
        room -= len(jobs)
        if not is_single:
            jobs += self._packed(pipeline, reading, due, began, room if most is None else min(most, room))
        may_hide_room = bool(begun) and not room
        # Workers find what was not read; files that are launched by themselves must all have been.
        are_alone = any(isinstance(one, Job) for one in jobs)
        may_be_cut = are_alone and len(jobs) < most_jobs and len(reading.waiting) >= OF_EACH_SHARD
        return Found(jobs, next_due, is_complete=not may_hide_room and not may_be_cut)

    def _packed(
        self, pipeline: Pipeline, reading: _Reading, due: Sequence[File], began: datetime, room: int
    ) -> Iterator[AnyJob]:
        """Workers, or files by themselves, as costs less and keeps the goal."""
        for_workers = [one for one in due if not one.is_alone]
        live = [one for one in for_workers if not one.is_behind]
        behind = [one for one in for_workers if one.is_behind]
        definition = self._revisions.resources(pipeline)
        if definition is None:
            raise MissingEvidence(f"ECS does not say which size {pipeline.run.task_definition} has")
        plan = self._packing.plan(
            pipeline,
            Workload(
                waiting=self._count(Section.waiting(pipeline.name, until=began), live, reading.waiting),
                behind=self._count(Section.behind(pipeline.name, until=began), behind, reading.behind),
                received=tuple(one.received_at for one in live),
                bytes=tuple(one.size for one in for_workers),
                in_flight=reading.claims,
                workers=reading.workers,
                room=room,
            ),
            definition,
        )
        if plan.is_single:
            for file in for_workers[:room]:
                yield Job(file, pipeline, size=plan.size)
        for _ in range(min(plan.workers, room)):
            identifier = worker_id(pipeline.name, self._turn, next(self._numbers))
            yield WorkerJob(
                id=identifier,
                pipeline=pipeline,
                resources=replace(definition, cpu=plan.size.cpu, memory=plan.size.memory),
                provider=plan.provider,
            )

    def _reading(self, pipeline: Pipeline, begun: Mapping[str, Begun], began: datetime) -> _Reading:
        name, until, unreadable = pipeline.name, began + AHEAD, Failures()
        waiting = self._files.first_waiting(name, until=until, of_each_shard=OF_EACH_SHARD)
        behind = self._files.first_behind(name, until=until, of_each_shard=OF_EACH_SHARD)
        in_flight = self._index.files(Section.in_flight(name), unreadable)
        known = {one.id: one for one in self._workers.open(name) if one.is_active}
        heartbeats = self._beats.seen(name) if known else Heartbeats(pipeline=name)
        # Its task counts until it has stopped; what it would have done is left to others.
        silent = {identifier for identifier in known if silent_for(heartbeats, identifier) >= LEASE}
        workers = [_active(one) for identifier, one in known.items() if identifier not in silent]
        workers += [
            ActiveWorker(size=one.job.size, provider=one.job.provider, requested_at=one.begun_at)
            for identifier, one in begun.items()
            if isinstance(one.job, WorkerJob) and one.pipeline == name and identifier not in known
        ]
        files = {one.id for one in in_flight if one.has_task}
        files |= {identifier for identifier, one in begun.items() if isinstance(one.job, Job) and one.pipeline == name}
        return _Reading(
            waiting=waiting,
            behind=behind,
            claims=sum(one.is_claimed for one in in_flight),
            # A record that cannot be read may be that of a task.
            tasks=len(workers) + len(silent) + len(files) + len(unreadable),
            workers=tuple(workers),
        )

    def _count(self, section: Section, due: Sequence[File], read: Sequence[File]) -> int:
        """How many files are in a section, without those that no worker takes. due, read: of it, as far as was read."""
        if len(read) < OF_EACH_SHARD:
            return len(due)
        now = self._clock.now()
        known = self._counts.get(section.low, now)
        if known is None:
            known = self._index.about(section)
            if known > MANY:
                self._counts.put(section.low, known, now, MANY_KEPT)
        return known - sum(one.is_alone for one in read)


def _active(worker: Worker) -> ActiveWorker:
    launch = worker.launch
    if launch.size is None:
        raise ValueError(f"the worker {worker.id} has no size")
    started_at = launch.started_at or worker.since
    return ActiveWorker(
        size=Size(*launch.size),
        provider=launch.provider,
        requested_at=launch.requested_at,
        started_at=started_at if worker.state is WorkerState.RUNNING else None,
    )
