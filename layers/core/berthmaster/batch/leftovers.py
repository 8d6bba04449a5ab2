"""What launches have written that is no result is deleted, some time after their last task has stopped."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from berthmaster.batch.act.sweep import sweep_attempts
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.failures import Failures
from berthmaster.items import Conflict
from berthmaster.switch import Stopped, Switch
from berthmaster.telemetry import logger

MOST_FILES = 200
"""In one run."""
AT_ONCE = 4


class Leftovers:
    """Deletes them."""

    def __init__(self, clients: Clients, clock: Clock, switch: Switch, *, files: Files, pipelines: Pipelines) -> None:
        self._clients = clients
        self._clock = clock
        self._switch = switch
        self._files = files
        self._pipelines = pipelines

    def sweep(self, pipelines: Iterable[str], failures: Failures, may_go_on: Callable[[], bool]) -> None:
        """Delete what is due, of as many files as there is time for."""
        now = self._clock.now()
        due: list[File] = []
        for name in pipelines:
            with failures.collect("leftovers not read", pipeline=name):
                due += self._files.to_sweep(name, until=now, most=MOST_FILES)
        due = due[:MOST_FILES]
        outcomes = concurrently(lambda file: self._sweep(file, may_go_on), due, at_once=AT_ONCE, may_begin=may_go_on)
        failures.add(one.error for one in outcomes if one.error)

    def _sweep(self, file: File, may_go_on: Callable[[], bool]) -> None:
        launch = file.launch
        if launch is None:
            return
        try:
            self._switch.check()
            pipeline = self._pipelines.version(file.pipeline, launch.pipeline_version)
            if sweep_attempts(self._clients.s3, file, pipeline, may_go_on=may_go_on):
                self._files.save(replace(file, swept_to=launch.number))
                logger.info("attempts deleted", file=file.id, launches=launch.number)
        except Conflict:
            logger.info("file has changed meanwhile", file=file.id)
        except Stopped as error:
            logger.info("attempts not deleted", file=file.id, reason=str(error))
