"""What batch_follow measures of files and tasks, for packing."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.ledger.measures import Measured
from berthmaster.batch.model.measures import FileMeasured, TaskMeasured
from berthmaster.batch.plan.measures import measured
from berthmaster.clock import Clock
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Measuring:
    """Adds to what was measured."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, clock: Clock) -> None:
        self._measured = Measured(dynamodb, table)
        self._clock = clock

    def add(self, found: Iterable[FileMeasured | TaskMeasured]) -> None:
        """Add what a batch of messages says, with one write for each pipeline.

        What cannot be written is lost and logged: the messages would be received, and counted, once more.
        """
        pipeline = attrgetter("pipeline")
        for name, some in groupby(sorted(found, key=pipeline), key=pipeline):
            try:
                self._measured.add(name, measured(some), self._clock.now())
            except (BotoCoreError, ClientError) as error:
                logger.warning("measurements lost", pipeline=name, error=str(error))
