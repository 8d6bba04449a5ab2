"""Files in flight compared with their tasks: events that did not come, tasks that hang or run for too long."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from berthmaster.batch.healing import Healing
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.model.files import File
from berthmaster.batch.model.lap import Lap
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.observe.tasks import TaskReads
from berthmaster.batch.plan.lap import advance
from berthmaster.batch.plan.overdue import FOLLOWED, compare, is_abandoned, is_late
from berthmaster.batch.settings import ReconcileSettings
from berthmaster.batch.triggers import COMMIT_FILE
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures
from berthmaster.items import Items
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

MOST_FILES = 4_000
"""That one run compares; a hundred tasks are described in one call."""
MOST_COMMITS = 400
"""That one run asks for: some seconds, so that time is left for the tasks when many are blocked."""
AT_ONCE = 8


class InFlight:
    """Compares files in flight with their tasks, each once in five minutes, and when it is late."""

    def __init__(self, settings: ReconcileSettings, clients: Clients, clock: Clock, healing: Healing) -> None:
        self._clock = clock
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._laps = Items(clients.dynamodb, settings.batch_table, "reconciliation", Lap)
        self._follow = OwnQueue(clients, clock, settings.batch_task_queue_url)
        self._healing = healing

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
            file = by_task[arn]
            step = compare(file, task, self._clock.now())
            self._healing.heal(file, step, self._files.save, pipeline=file.pipeline, named=file.id)

        outcomes = concurrently(heal, reads.described(by_task), at_once=AT_ONCE, may_begin=may_go_on)
        failures.add(one.error for one in outcomes if one.error)

    def _in_lap(self, files: Mapping[str, File], now: datetime) -> list[str]:
        lap = self._laps.get(Lap().sort_key) or Lap()
        chosen, lap = advance(lap, files, now, most=MOST_FILES)
        # Before the comparison, so that the next run goes on after it, whatever ends this one.
        self._laps.save(lap)
        return chosen
