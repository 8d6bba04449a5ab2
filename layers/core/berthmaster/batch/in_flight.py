"""Files in flight compared with their tasks: events that did not come, tasks that hang or run for too long."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from berthmaster.batch.act.stop import stop_task
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.files import File
from berthmaster.batch.model.lap import Lap
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.observe.tasks import TaskReads, cluster_of
from berthmaster.batch.plan.identity import group_of
from berthmaster.batch.plan.lap import advance
from berthmaster.batch.plan.overdue import FOLLOWED, Report, Save, Stop, compare, is_abandoned, is_late
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.batch.triggers import COMMIT_FILE, task_event
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures
from berthmaster.items import Conflict, Items
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Stopped, Switch
from berthmaster.telemetry import logger

MOST_FILES = 4_000
"""That one run compares; a hundred tasks are described in one call."""
MOST_COMMITS = 400
"""That one run asks for: some seconds, so that time is left for the tasks when many are blocked."""
AT_ONCE = 8


class InFlight:
    """Compares files in flight with their tasks, each once in five minutes, and when it is late."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock, switch: Switch) -> None:
        self._stack = settings.stack
        self._clients = clients
        self._clock = clock
        self._switch = switch
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._laps = Items(clients.dynamodb, settings.batch_table, "reconciliation", Lap)
        self._follow = OwnQueue(clients, clock, settings.batch_task_queue_url)

    def compare(
        self, files: Sequence[File], reads: TaskReads, failures: Failures, may_go_on: Callable[[], bool]
    ) -> None:
        """Compare those of all files in flight that are due."""
        now = self._clock.now()
        # A file that a worker has claimed has no task of its own: `worker_checks` looks after it.
        by_id = {one.id: one for one in files if not one.is_claimed}
        late = [one.id for one in by_id.values() if is_late(one, now)]
        due = dict.fromkeys([*late[:MOST_FILES], *self._in_lap(by_id, now)])
        chosen = [by_id[one] for one in due]
        by_task = {one.launch.task: one for one in chosen if one.state in FOLLOWED and one.launch and one.launch.task}

        def ask(file: File) -> None:
            self._follow.send(COMMIT_FILE, {"pipeline": file.pipeline, "file": file.id}, timedelta())
            logger.info("commit asked for again", file=file.id)

        abandoned = [one for one in chosen if is_abandoned(one, now)][:MOST_COMMITS]
        failures.add(one.error for one in concurrently(ask, abandoned, at_once=AT_ONCE) if one.error)

        def heal(found: tuple[str, Task | None]) -> None:
            arn, task = found
            self._heal(by_task[arn], task)

        outcomes = concurrently(heal, reads.described(by_task), at_once=AT_ONCE, may_begin=may_go_on)
        failures.add(one.error for one in outcomes if one.error)

    def _in_lap(self, files: Mapping[str, File], now: datetime) -> list[str]:
        lap = self._laps.get(Lap().sort_key) or Lap()
        chosen, lap = advance(lap, files, now, most=MOST_FILES)
        # Before the comparison, so that the next run goes on after it, whatever ends this one.
        self._laps.save(lap)
        return chosen

    def _heal(self, file: File, task: Task | None) -> None:
        try:
            match compare(file, task, self._clock.now()):
                case Report(detail, reason):
                    detail = {**detail, "group": group_of(self._stack, file.pipeline)}
                    self._follow.defer(task_event(detail, self._clock.now()), timedelta())
                    logger.info("task state handed on", file=file.id, reason=reason)
                case Save(changed, reason):
                    self._files.save(changed)
                    logger.info("file noted", file=file.id, reason=reason)
                case Stop(changed, arn, reason):
                    self._switch.check()
                    if changed != file:
                        self._files.save(changed)
                    stop_task(self._clients.ecs, arn, cluster_of(arn), OwnStop(reason))
                    logger.info("task stopped", file=file.id, task=arn, reason=reason)
        except Conflict:
            logger.info("file has changed meanwhile", file=file.id)
        except Stopped as error:
            logger.info("task not stopped", file=file.id, reason=str(error))
