"""Workers of a pipeline may claim files, or not: kept as it should be, at once when something changes and every minute.

The item is read before what it depends on, and written only if nobody has written it since: so whoever knows of a pause
or of a new document is never written over by somebody who does not.
"""

from berthmaster.batch.ledger.controls import Controls
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.pipelines import PipelineRecord
from berthmaster.batch.plan.controls import why_no_claims
from berthmaster.failures import Failures
from berthmaster.items import without_conflict
from berthmaster.modes import Mode
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

TRIES = 5


class ControlsKeeping:
    """Keeps the control items of all pipelines."""

    def __init__(self, controls: Controls, *, pipelines: Pipelines, switch: Switch, mode: Mode) -> None:
        self._controls = controls
        self._pipelines = pipelines
        self._switch = switch
        self._mode = mode

    def keep_all(self) -> None:
        """Write what is not as it should be; one pipeline that cannot be read does not stop the others."""
        failures = Failures()
        for record in self._pipelines.records(failures):
            with failures.collect("control item not written", pipeline=record.name):
                self.keep(record.name)
        failures.raise_all("not every pipeline's workers know whether they may claim files")

    def keep(self, name: str) -> None:
        """Write the item of one pipeline if it is not as it should be."""
        without_conflict(lambda: self._keep(name), tries=TRIES)

    def _keep(self, name: str) -> None:
        control = self._controls.get(name)
        record = self._pipelines.get(name) or PipelineRecord(name=name)
        has_workers = bool(record.pipeline and record.pipeline.has_workers)
        if control.why_not is None and not has_workers:
            return
        why_not = why_no_claims(self._mode, self._switch.reason(), record.pipeline)
        if why_not != control.why_not:
            self._controls.save(name, control, why_not)
            logger.info("control item written", pipeline=name, claims=not why_not, reason=why_not)
