"""The records of backfills, one for each pipeline, and the messages by which they go on."""

from datetime import timedelta

from berthmaster.batch.control_triggers import BACKFILL_FILES
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.backfills import Backfill
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.items import Items
from berthmaster.own_queue import OwnQueue

AT_ONCE = timedelta()
KEPT_FOR = timedelta(days=365)


class BackfillRecords:
    """Reads and writes backfills."""

    def __init__(self, settings: ControlSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._items = Items(clients.dynamodb, settings.batch_table, "backfill", Backfill)
        self._pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._queue = OwnQueue(clients, clock, settings.batch_control_queue_url)

    def get(self, pipeline: str) -> Backfill | None:
        """The newest backfill of a pipeline, read consistently; None if it never had one."""
        return self._items.get(pipeline)

    def all(self) -> list[Backfill]:
        """The newest one of each pipeline."""
        return self._items.query()

    def save(self, backfill: Backfill) -> Backfill:
        """Write one; Conflict if another invocation has written it since it was read."""
        return self._items.save(backfill, expires=self._clock.now() + KEPT_FOR)

    def send(self, backfill: Backfill, delay: timedelta = AT_ONCE) -> None:
        """Have it carried on, unless it is written before the message arrives."""
        self._queue.send(BACKFILL_FILES, {"pipeline": backfill.pipeline, "version": backfill.version}, delay)

    def in_force(self, pipeline: str) -> Pipeline | None:
        """A pipeline as it is in force, read consistently; None if it is not."""
        record = self._pipelines.get(pipeline)
        return record.pipeline if record else None
