"""batch_reconcile: every minute, whether the ledger, the tasks and the buckets agree.

Each kind of work fails on its own, asks what time is left, and goes on in the next run where this one has ended. While
batch is paused, nothing is stopped, deleted or taken in: what is only read, counted or handed on to other functions is.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from berthmaster.batch.balance import Balances
from berthmaster.batch.breaking import Breaking
from berthmaster.batch.bucket_sweep import BucketSweep
from berthmaster.batch.control_triggers import CHECK_PIPELINES, REPORT_UNFINISHED
from berthmaster.batch.healing import Healing
from berthmaster.batch.in_flight import InFlight
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.heartbeats import Beats
from berthmaster.batch.ledger.mails import Mails
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.leftovers import Leftovers
from berthmaster.batch.model.balance import Balance
from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import AUTOMATION, PipelineRecord
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.observe.tasks import TaskReads
from berthmaster.batch.orphans import Orphans
from berthmaster.batch.plan.overdue import is_unsettled
from berthmaster.batch.plan.worker_overdue import is_unsettled as is_request_unsettled
from berthmaster.batch.release import Release
from berthmaster.batch.report.metrics import publish_run
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.batch.triggers import DISPATCH_FILES
from berthmaster.batch.unbooked import Unbooked
from berthmaster.batch.worker_checks import LedgerView, WorkerChecks
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

LEASE = "batch reconciliation"
ECS_CALLS = 150
"""In one run, at most ten a second."""
MOST_UNSETTLED = 1_000
"""Files that one message names."""
UNFINISHED_REPORTED_AFTER = timedelta(minutes=2)
"""By then a deployment that turns batch off has reached batch_control, and the schedule."""
LEAST_TIME = timedelta(seconds=8)
"""With less time left, nothing more is begun."""


class Reconcile:
    """What batch_reconcile does every minute."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._mode = settings.batch_mode
        table = settings.batch_table
        self._switch = Switch(clients.dynamodb, clock, table=table, automation=AUTOMATION, mode=settings.batch_mode)
        self._leases = Leases(clients.dynamodb, table)
        self._files = Files(clients.dynamodb, table, kept_for=settings.kept_for)
        self._pipelines = Pipelines(clients.dynamodb, table, clock)
        self._index = FileIndex(clients.dynamodb, table)
        self._workers = Workers(clients.dynamodb, table)
        follow = OwnQueue(clients, clock, settings.batch_task_queue_url)
        healing = Healing(clients, clock, self._switch, stack=settings.stack, follow=follow)
        self._in_flight = InFlight(settings, clients, clock, healing)
        notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        mails = Mails(clients.dynamodb, table)
        breakers = Breakers(clients.dynamodb, table)
        self._worker_checks = WorkerChecks(
            clock,
            workers=self._workers,
            beats=Beats(clients.dynamodb, table),
            pipelines=self._pipelines,
            breakers=breakers,
            breaking=Breaking(breakers, mails, notices),
            release=Release(
                clock,
                files=self._files,
                index=self._index,
                workers=self._workers,
                pipelines=self._pipelines,
                outcomes=Outcomes(self._files, mails, notices, clock),
            ),
            healing=healing,
        )
        self._balances = Balances(clients.dynamodb, table, clock, kept_for=settings.kept_for)
        self._buckets = BucketSweep(settings, clients, clock)
        self._leftovers = Leftovers(clients, clock, self._switch, files=self._files, pipelines=self._pipelines)
        self._orphans = Orphans(settings, clients, clock, self._switch)
        self._unbooked = Unbooked(settings, clients, clock)
        self._dispatch = OwnQueue(clients, clock, settings.batch_dispatch_queue_url)
        self._control = OwnQueue(clients, clock, settings.batch_control_queue_url)

    def run(self, invocation: Invocation) -> dict[str, Any]:
        """Compare everything, or as much as there is time for; raises all failures at the end."""
        if self._mode is Mode.OFF:
            logger.info("run skipped", reason="the mode is off")
            return {}
        with self._leases.held(LEASE, invocation, self._clock) as is_alone:
            if not is_alone:
                logger.info("run skipped", reason="the last run has not ended")
                return {}
            return self._run(invocation)

    def _run(self, invocation: Invocation) -> dict[str, Any]:
        failures = Failures()
        with failures.collect("pipelines not checked"):
            self._control.send(CHECK_PIPELINES, {}, timedelta())
        before = len(failures)
        records: list[PipelineRecord] = []
        with failures.collect("pipelines not read"):
            records = self._pipelines.records(failures)
        has_all = len(failures) == before
        pipelines = [one.name for one in records]

        def may_go_on() -> bool:
            return invocation.time_left(self._clock.now()) > LEAST_TIME

        reads = TaskReads(self._clients.ecs, self._clock, calls=ECS_CALLS, may_go_on=may_go_on)
        read_at = self._clock.now()
        in_flight: list[File] = []
        for name in pipelines:
            with failures.collect("files in flight not read", pipeline=name):
                in_flight += self._index.files(Section.in_flight(name), failures)
        by_pipeline: dict[str, list[Worker]] = {}
        for name in pipelines:
            with failures.collect("workers not read", pipeline=name):
                by_pipeline[name] = self._workers.open(name)
        view = LedgerView(read_at, in_flight, by_pipeline)
        workers = view.all_workers
        oldest = timedelta()
        with failures.collect("dispatcher not woken"):
            oldest = self._wake(pipelines, in_flight, workers, failures)
        with failures.collect("files in flight not compared"):
            self._in_flight.compare(in_flight, reads, failures, may_go_on)
        with failures.collect("workers not checked"):
            if self._worker_checks.run(view, reads, failures, may_go_on):
                self._dispatch.send(DISPATCH_FILES, {}, timedelta())
        with failures.collect("buckets not compared with the ledger"):
            # A pipeline whose record was not read would be taken for one that is not in force any more.
            if has_all:
                self._sweep(records, failures, may_go_on)
        with failures.collect("tasks not compared with the ledger"):
            self._orphans.find(in_flight, workers, reads, failures, may_go_on)
        with failures.collect("tasks not compared with what was booked"):
            self._unbooked.find(reads, failures, may_go_on)
        with failures.collect("attempts not deleted"):
            self._leftovers.sweep(pipelines, failures, may_go_on)
        balances = list[Balance]()
        with failures.collect("files not counted"):
            balances = self._balances.strike(pipelines, failures, may_go_on)
        active = sum(one.is_active for one in workers)
        figures = publish_run(in_flight=len(in_flight), workers=active, oldest=oldest, balances=balances)
        logger.info("run completed", failures=len(failures), figures=figures)
        failures.raise_all("the run completed with failures")
        return figures

    def _sweep(self, records: Collection[PipelineRecord], failures: Failures, may_go_on: Callable[[], bool]) -> None:
        """Receive objects whose event was lost, and have them launched."""
        if self._buckets.run(records, failures, may_go_on, paused=self._switch.reason()):
            self._dispatch.send(DISPATCH_FILES, {}, timedelta())

    def _wake(
        self, pipelines: Iterable[str], in_flight: Collection[File], workers: Collection[Worker], failures: Failures
    ) -> timedelta:
        """Have what waits launched, and what became of a launch found out, if a message about it was lost.

        Returns for how long the first of the files could have been launched, but for those that come after all others:
        it is no news that they wait.
        """
        now = self._clock.now()
        due: list[datetime] = []
        are_behind = False
        for name in pipelines:
            with failures.collect("waiting files not read", pipeline=name):
                due += [one.due for one in self._files.waiting(name, until=now, most=1)]
                are_behind |= bool(self._files.first_behind(name, until=now, of_each_shard=1))
        if in_flight or due or are_behind or workers:
            unsettled = [(one.pipeline, one.id) for one in in_flight if is_unsettled(one, now)]
            unsettled += [(one.pipeline, one.id) for one in workers if is_request_unsettled(one, now)]
            named = [{"pipeline": pipeline, "file": identifier} for pipeline, identifier in unsettled[:MOST_UNSETTLED]]
            self._dispatch.send(DISPATCH_FILES, {"unsettled": named}, timedelta())
            self._control.send(REPORT_UNFINISHED, {}, UNFINISHED_REPORTED_AFTER)
        return now - min(due, default=now)
