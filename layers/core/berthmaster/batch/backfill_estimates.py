"""What a backfill is expected to take and to cost, by what was measured of its pipeline."""

from datetime import timedelta
from math import ceil

from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.measures import Measured
from berthmaster.batch.model.backfills import Count, Expected
from berthmaster.batch.model.files import State
from berthmaster.batch.model.packing import Workload
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.plan.backfills import by_last_files
from berthmaster.batch.plan.packing import packing
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.requests import LONG_AGO

LAST_FILES_OF_A_SHARD = 12
"""Some hundred in all."""


class BackfillEstimates:
    """Reckons as the dispatcher would decide, if nothing else came."""

    def __init__(self, settings: ControlSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._index = FileIndex(clients.dynamodb, settings.batch_table)
        self._measured = Measured(clients.dynamodb, settings.batch_table)
        self._revisions = Revisions(clients.ecs, clock)
        self._prices = settings.prices(clients.region)

    def of(self, pipeline: Pipeline, count: Count) -> Expected:
        """For so many files; nothing is expected as long as none was measured."""
        if not count.files:
            return Expected()
        return self._by_workers(pipeline, count) if pipeline.has_workers else self._by_files(pipeline, count)

    def _by_workers(self, pipeline: Pipeline, count: Count) -> Expected:
        definition = self._revisions.resources(pipeline)
        if definition is None:
            return Expected(reason="ECS does not say what the size of its tasks is")
        now, mean = self._clock.now(), ceil(count.bytes / count.files)
        workload = Workload(waiting=0, behind=count.files, bytes=(mean,), room=pipeline.limits.tasks)
        plan = packing(pipeline, workload, self._measured.of(pipeline.name), self._prices, definition, now=now)
        seconds = (plan.ends_at - now) / timedelta(seconds=1) if plan.ends_at else None
        return Expected(seconds=seconds, dollars=plan.dollars, reason=plan.reason)

    def _by_files(self, pipeline: Pipeline, count: Count) -> Expected:
        section = Section.ended(pipeline.name, State.COMMITTED, after=LONG_AGO)
        last = self._index.newest(section, of_each_shard=LAST_FILES_OF_A_SHARD)
        return by_last_files(last, files=count.files, tasks=pipeline.limits.tasks)
