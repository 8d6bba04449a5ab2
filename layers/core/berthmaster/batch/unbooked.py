"""Tasks that have stopped and were not booked, as long as ECS shows them: for an hour.

The end of a task is learned from its event, or from a file or worker that waits for it. If the event is lost, nobody
waits for the task of a file that has come to its end meanwhile, or for one of which RunTask has said that there is
none.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from berthmaster.batch.ledger.money import Money
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.task_laps import TaskLap
from berthmaster.batch.model.tasks import STOPPED
from berthmaster.batch.observe.tasks import TaskReads
from berthmaster.batch.plan.identity import group_of, pipeline_of
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.batch.task_pages import TaskPages
from berthmaster.batch.triggers import task_event
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.failures import Failures
from berthmaster.items import Items
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

EVERY = timedelta(minutes=15)
"""A lap begins so often: each task is listed several times while ECS shows it."""
MOST_FOREIGN = 10_000


class Unbooked:
    """Has them booked by batch_follow, to which they are handed as the events that have not come."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock) -> None:
        table = settings.batch_table
        self._clock = clock
        self._stack = settings.stack
        self._pages = TaskPages(Pipelines(clients.dynamodb, table, clock), clock, STOPPED)
        self._laps = Items(clients.dynamodb, table, "reconciliation", TaskLap)
        self._money = Money(clients.dynamodb, table, clock)
        self._follow = OwnQueue(clients, clock, settings.batch_task_queue_url)
        self._foreign: set[str] = set()
        """Tasks of others that have the families of pipelines: they are not described again."""

    def find(self, reads: TaskReads, failures: Failures, may_go_on: Callable[[], bool]) -> None:
        """Look at as many tasks as there is time for, and go on there in the next run."""
        lap, now = self._laps.get(TaskLap().sort_key) or TaskLap(), self._clock.now()
        if lap.is_over:
            if now - lap.began < EVERY:
                return
            lap = replace(lap, began=now, pages=0)
        if len(self._foreign) > MOST_FOREIGN:
            self._foreign.clear()
        for reached, arns in self._pages.after(lap, reads):
            with failures.collect("stopped tasks not looked at"):
                self._report(self._money.not_booked(set(arns) - self._foreign), reads)
            lap = reached
            if not may_go_on():
                break
        self._laps.save(lap)

    def _report(self, arns: set[str], reads: TaskReads) -> None:
        for arn, task in reads.described(sorted(arns)):
            if task is None or not task.is_stopped:
                continue
            if task.group != group_of(self._stack, pipeline_of(task.group)):
                self._foreign.add(arn)
                continue
            self._follow.defer(task_event(task.event, self._clock.now()), timedelta())
            logger.info("task state handed on", task=arn, reason="it has stopped, and is not booked")
