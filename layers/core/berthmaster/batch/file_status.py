"""Answers where files are, and what a pipeline waits for: what is read is read consistently, and nothing is changed."""

from datetime import UTC, timedelta
from itertools import chain

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.backfill_records import BackfillRecords
from berthmaster.batch.budgets import Budgets
from berthmaster.batch.file_requests import FileRequest, StatusRequest
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.dispatcher import Turns
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.money import Money
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.bills import Costs
from berthmaster.batch.model.breaker import Breaker
from berthmaster.batch.model.budgets import Budget
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.workers import WorkerCounts, WorkerState
from berthmaster.batch.observe.logs import log_of
from berthmaster.batch.observe.objects import has_object
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan.identity import key_id
from berthmaster.batch.plan.never_seen import forgotten, never_seen
from berthmaster.batch.plan.status import Situation, Status, nothing_waits, status
from berthmaster.batch.plan.versions import newest
from berthmaster.batch.report.status import file_status, pipeline_status, unknown_status
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from berthmaster.notices import Notice, Notices
from berthmaster.requests import LONG_AGO, refused
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

LAST_FILES_OF_A_SHARD = 12
"""Some hundred in all."""
LATER = timedelta(days=1)
"""Any file that waits is due by then."""
AT_ONCE = 8


class FileStatus:
    """Answers File Status Requested."""

    def __init__(
        self, settings: ControlSettings, clients: Clients, clock: Clock, switch: Switch, notices: Notices
    ) -> None:
        dynamodb, table = clients.dynamodb, settings.batch_table
        self._settings = settings
        self._clients = clients
        self._clock = clock
        self._switch = switch
        self._files = Files(dynamodb, table, kept_for=settings.kept_for)
        self._index = FileIndex(dynamodb, table)
        self._pipelines = Pipelines(dynamodb, table, clock)
        self._breakers = Breakers(dynamodb, table)
        self._turns = Turns(dynamodb, table)
        self._workers = Workers(dynamodb, table)
        self._money = Money(dynamodb, table, clock)
        self._budgets = Budgets(settings, clients, clock, revisions=Revisions(clients.ecs, clock), notices=notices)
        self._backfills = BackfillRecords(settings, clients, clock)

    def answer(self, request: StatusRequest) -> Notice:
        """Where the file is that a request names, or what its pipeline waits for."""
        if request.pipeline:
            return self._pipeline(request)
        file = named(self._files, self._pipelines, request)
        if file is None:
            return unknown_status(request, self._unknown(request))
        pipeline = self._in_force(file.pipeline)
        found = status(file, self._situation(file.pipeline, pipeline, file))
        return file_status(request, file, found, logs=self._log(file))

    def _pipeline(self, request: StatusRequest) -> Notice:
        name = request.pipeline
        if reason := why_unknown(self._pipelines, name):
            return refused(request, reason)
        pipeline = self._in_force(name)
        counts = {
            "waiting": self._index.count(Section.waiting(name)),
            "behind": self._index.count(Section.behind(name)),
            "in_flight": self._index.count(Section.in_flight(name)),
            "dead": self._index.count(Section.ended(name, State.DEAD, after=LONG_AGO)),
        }
        workers = self._worker_counts(name)
        counts |= {"workers_starting": workers.starting, "workers_running": workers.running}
        later = self._clock.now() + LATER
        first = next(
            (
                file
                for read in (self._files.first_waiting, self._files.first_behind)
                for file in read(name, until=later, of_each_shard=1)
            ),
            None,
        )
        found = status(first, self._situation(name, pipeline, first)) if first else nothing_waits(pipeline)
        return pipeline_status(
            request,
            pipeline,
            counts,
            found,
            first=first,
            costs=self._costs(name),
            backfill=self._backfills.get(name),
        )

    def _costs(self, pipeline: str) -> Costs:
        """What the tasks of a pipeline have cost, and the last files that have a result."""
        day = self._clock.now().astimezone(UTC).date()
        last = self._index.newest(
            Section.ended(pipeline, State.COMMITTED, after=LONG_AGO), of_each_shard=LAST_FILES_OF_A_SHARD
        )
        return Costs(
            today=self._money.day(pipeline, day),
            this_month=self._money.month(pipeline, day),
            per_file=sum(one.dollars for one in last) / len(last) if last else None,
        )

    def _situation(self, name: str, pipeline: Pipeline | None, file: File) -> Situation:
        """What decides about a file; what concerns only those that wait is read only for one that does."""
        is_waiting = file.state is State.WAITING
        workers = self._worker_counts(name)
        budget, may_cost = self._budget(pipeline, file) if pipeline and is_waiting else (None, 0.0)
        return Situation(
            now=self._clock.now(),
            mode=self._settings.batch_mode,
            stopped=self._switch.reason(),
            pipeline=pipeline,
            tasks=self._tasks(name, pipeline, workers) if is_waiting else 0,
            workers=workers,
            ahead=self._ahead(file) if is_waiting else 0,
            breaker=self._breakers.get(name) if is_waiting else Breaker(pipeline=name),
            dispatcher=self._turns.look(),
            budget=budget,
            may_cost=may_cost,
        )

    def _worker_counts(self, name: str) -> WorkerCounts:
        active = [one for one in self._workers.open(name) if one.is_active]
        running = sum(one.state is WorkerState.RUNNING for one in active)
        return WorkerCounts(starting=len(active) - running, running=running)

    def _tasks(self, name: str, pipeline: Pipeline | None, workers: WorkerCounts) -> int:
        """Tasks that count against the limit of a pipeline: of a file in flight each, or workers."""
        if pipeline is None or not pipeline.has_workers:
            return self._index.count(Section.in_flight(name))
        in_flight = self._index.files(Section.in_flight(name), Failures())
        return workers.starting + workers.running + sum(one.has_task for one in in_flight)

    def _budget(self, pipeline: Pipeline, file: File) -> tuple[Budget | None, float]:
        """The budget of the day, and what a task of a file may cost; None if there is no limit, or ECS fails to say."""
        try:
            budget = self._budgets.look(pipeline)
            return budget, self._budgets.most_of(file, pipeline) if budget else 0.0
        except MissingEvidence as error:
            logger.warning("budget not known", pipeline=pipeline.name, reason=str(error))
            return None, 0.0

    def _ahead(self, file: File) -> int:
        """How many files of its pipeline come before one that waits."""
        name = file.pipeline
        if not file.is_behind:
            return max(0, self._index.count(Section.waiting(name, until=file.due)) - 1)
        others = self._index.count(Section.waiting(name, until=self._clock.now()))
        return others + max(0, self._index.count(Section.behind(name, until=file.due)) - 1)

    def _in_force(self, name: str) -> Pipeline | None:
        record = self._pipelines.get(name)
        return record.pipeline if record else None

    def _unknown(self, request: StatusRequest) -> Status:
        kept_days = self._settings.batch_kept_days
        if request.file:
            return forgotten(kept_days)
        pipelines = [one.pipeline for one in self._pipelines.records() if one.pipeline]
        is_read = any(one.input.bucket == request.bucket for one in pipelines)
        return never_seen(
            request.bucket,
            request.key,
            pipelines,
            kept_days=kept_days,
            is_there=self._is_there(request) if is_read else None,
        )

    def _is_there(self, request: StatusRequest) -> bool | None:
        try:
            return has_object(self._clients.s3, request.bucket, request.key)
        except (BotoCoreError, ClientError) as error:
            logger.warning("object not looked for", bucket=request.bucket, key=request.key, error=str(error))
            return None

    def _log(self, file: File) -> str:
        """The address of the log of a file's task, as its pipeline was when it was launched."""
        if file.launch is None or not file.launch.task:
            return ""
        pipeline = self._pipelines.version(file.pipeline, file.launch.pipeline_version)
        return log_of(self._clients.ecs, pipeline, file.launch.task)


def why_unknown(pipelines: Pipelines, name: str) -> str:
    """Why nothing can be said or done about a pipeline: there never was one; empty if there was."""
    if pipelines.get(name):
        return ""
    known = ", ".join(sorted(one.name for one in pipelines.records())) or "none"
    return f"there is no pipeline {name}; those that there are: {known}"


def named(files: Files, pipelines: Pipelines, request: FileRequest) -> File | None:
    """The file that a request names; the newest version if it names none. None if the ledger has no such file."""
    identifier = request.file or key_id(request.bucket, request.key)
    names = [one.name for one in pipelines.records()]
    found = results_of(concurrently(lambda name: files.versions(name, identifier), names, at_once=AT_ONCE))
    versions = list(chain.from_iterable(found))
    if request.file:
        return next((one for one in versions if one.id == request.file), None)
    versions = [one for one in versions if (one.bucket, one.key) == (request.bucket, request.key)]
    if request.version_id:
        return next((one for one in versions if one.version_id == request.version_id), None)
    return newest(versions)
