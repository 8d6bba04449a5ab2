"""Running tasks compared with the ledger: one that no file has is marked in one run, and stopped in a later one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from berthmaster.batch.act.stop import stop_task
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.files import File
from berthmaster.batch.model.orphans import Listing
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import RUNNING, Task
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.observe.tasks import TaskReads, cluster_of
from berthmaster.batch.plan.identity import pipeline_of, started_by
from berthmaster.batch.plan.orphans import PAGES_A_MINUTE, Finding, find, find_worker, is_of, marks, why_to_stop
from berthmaster.batch.report.notices import tasks_unknown
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.batch.task_pages import TaskPages
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures
from berthmaster.items import Items
from berthmaster.notices import Notices
from berthmaster.switch import Stopped, Switch
from berthmaster.telemetry import logger

MOST_STOPS = 100
"""In one run."""
MOST_FOREIGN = 10_000
AT_ONCE = 4


class Orphans:
    """Finds and stops tasks that no file has."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock, switch: Switch) -> None:
        self._clients = clients
        self._clock = clock
        self._switch = switch
        self._stack = settings.stack
        table = settings.batch_table
        self._files = Files(clients.dynamodb, table, kept_for=settings.kept_for)
        self._workers = Workers(clients.dynamodb, table)
        self._pages = TaskPages(Pipelines(clients.dynamodb, table, clock), clock, RUNNING)
        self._listings = Items(clients.dynamodb, table, "reconciliation", Listing)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        self._foreign: set[str] = set()
        """Tasks of others that have the families of pipelines: they are not described again."""

    def find(
        self,
        in_flight: Iterable[File],
        workers: Iterable[Worker],
        reads: TaskReads,
        failures: Failures,
        may_go_on: Callable[[], bool],
    ) -> None:
        """List as many tasks as there is time for. in_flight: all files in flight; workers: all that have not ended.

        Both were read before.
        """
        listing = self._listings.get(Listing().sort_key) or Listing()
        now = self._clock.now()
        if listing.is_over:
            if now - listing.began < timedelta(minutes=max(0.75, listing.pages / PAGES_A_MINUTE)):
                return
            listing = replace(listing, began=now, pages=0)
        known = {one.launch.task for one in in_flight if one.launch and not one.is_claimed}
        known |= {one.launch.task for one in workers if one.is_active}
        if len(self._foreign) > MOST_FOREIGN:
            self._foreign.clear()
        listed: list[str] = []
        for reached, arns in self._pages.after(listing, reads):
            listing = reached
            listed += [arn for arn in arns if arn not in known and arn not in self._foreign]
        found = list(self._looked_at(listed, reads, failures))
        self._conclude(listing, found, failures, may_go_on)

    def _looked_at(
        self, arns: Iterable[str], reads: TaskReads, failures: Failures
    ) -> Iterator[tuple[Task, File | None, Finding]]:
        """The tasks of this stack, with the files that they name, if they are not those of workers."""
        for arn, task in reads.described(arns):
            if task is None:
                continue
            if not is_of(task, self._stack):
                self._foreign.add(arn)
                continue
            pipeline = pipeline_of(task.group)
            with failures.collect("file or worker of a task not read", task=arn, started_by=task.started_by):
                if named := started_by(task.started_by):
                    file = self._files.get(pipeline, named.file)
                    yield task, file, find(task, file)
                else:
                    yield task, None, find_worker(task, self._workers.get(pipeline, task.started_by))

    def _conclude(
        self,
        listing: Listing,
        found: Sequence[tuple[Task, File | None, Finding]],
        failures: Failures,
        may_go_on: Callable[[], bool],
    ) -> None:
        now = self._clock.now()
        orphans = {task.arn: finding is Finding.ORPHAN for task, _, finding in found}
        unknown = {task.arn: finding is Finding.UNKNOWN for task, _, finding in found}
        news = [arn for arn, is_unknown in unknown.items() if is_unknown and arn not in listing.unknown]
        if news:
            self._notices.publish([tasks_unknown(news, self._stack)])
        to_stop = [
            (task, why)
            for task, file, finding in found
            for why in [why_to_stop(finding, task, file, listing.marked, now)]
            if why
        ]
        self._listings.save(
            replace(
                listing,
                marked=marks(listing.marked, orphans, now),
                unknown=marks(listing.unknown, unknown, now),
            )
        )
        outcomes = concurrently(self._stop, to_stop[:MOST_STOPS], at_once=AT_ONCE, may_begin=may_go_on)
        failures.add(one.error for one in outcomes if one.error)

    def _stop(self, orphan: tuple[Task, OwnStop]) -> None:
        task, why = orphan
        try:
            self._switch.check()
        except Stopped as error:
            logger.info("task not stopped", task=task.arn, reason=str(error))
            return
        stop_task(self._clients.ecs, task.arn, cluster_of(task.arn), why)
        logger.info("task stopped", task=task.arn, started_by=task.started_by, reason=why)
