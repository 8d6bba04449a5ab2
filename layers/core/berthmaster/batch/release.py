"""Files of workers that have ended or give no sign of life are taken from them, and wait again."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.stops import Diagnosis
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.releasing import after_release, reported, why_released
from berthmaster.batch.plan.workers import is_released_at
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.errors import MissingEvidence
from berthmaster.failures import Failures
from berthmaster.items import Conflict
from berthmaster.telemetry import logger

AT_ONCE = 8


class Release:
    """Releases claims.

    A worker whose claim was released finds that out with its next beat; whatever it reports of the file after that is
    ignored, since the claim had a lease of its own.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        files: Files,
        index: FileIndex,
        workers: Workers,
        pipelines: Pipelines,
        outcomes: Outcomes,
    ) -> None:
        self._clock = clock
        self._files = files
        self._index = index
        self._workers = workers
        self._pipelines = pipelines
        self._outcomes = outcomes

    def of_ended(self, pipeline: str) -> list[datetime]:
        """Release what the workers of a pipeline have left that ended a minute ago or longer, and have not reported.

        Returns when each of the files may be launched again. Raises what has failed, when all others are done.
        """
        now, failures = self._clock.now(), Failures()
        open_ones = self._workers.open(pipeline)
        ended = {one.id: one for one in open_ones if not one.is_active and is_released_at(one) <= now}
        if not ended:
            return []
        in_flight = self._index.files(Section.in_flight(pipeline), failures)
        claims = [
            (file, ended[file.claim.owner])
            for file in in_flight
            if file.is_claimed and file.claim and file.claim.owner in ended
        ]

        leases = reported(in_flight)
        due: list[tuple[File, Worker, Diagnosis]] = []
        for file, worker in claims:
            is_reported = file.claim is not None and file.claim.lease in leases
            if file.claim and (
                why := why_released(file.claim, worker, timedelta(), now, timeout=timedelta(), is_reported=is_reported)
            ):
                due.append((file, worker, why))
            else:
                # batch_reconcile releases it when its result should have been received.
                ended.pop(worker.id, None)
        outcomes = concurrently(lambda one: self.release(*one), due, at_once=AT_ONCE)
        failures.add(one.error for one in outcomes if one.error)
        if not failures:
            self.close(ended.values())
        failures.raise_all("not all claims of workers that have ended were released")
        return [one.value for one in outcomes if one.value]

    def release(self, file: File, worker: Worker | None, why: Diagnosis) -> datetime | None:
        """Release one claim; returns when the file may be launched again, None if it may not be.

        worker: as the ledger has it; None if it does not.
        """
        pipeline = self._pipeline(file, worker)
        after = after_release(file, why, self._clock.now(), pipeline=pipeline, worker=worker)
        try:
            after = self._files.save(after)
        except Conflict:
            # Its result has come, or somebody else has taken it.
            logger.info("file has changed meanwhile", file=file.id)
            return None
        owner = file.claim.owner if file.claim else ""
        logger.warning("claim released", file=file.id, worker=owner, reason=why.text, then=after.state, due=after.due)
        self._outcomes.report(after, why.cause)
        self._outcomes.report_memory(file, after, worker.launch.size if worker else None, why.text)
        return after.due if after.is_live else None

    def close(self, workers: Iterable[Worker]) -> None:
        """Write down that nothing is claimed by these workers any more, of which all claims were looked for."""
        for worker in workers:
            try:
                self._workers.save(replace(worker, is_released=True))
            except Conflict:
                logger.info("worker has changed meanwhile", worker=worker.id)

    def _pipeline(self, file: File, worker: Worker | None) -> Pipeline:
        """As it was when the worker was launched: what a worker has written into its claim is not relied on."""
        if worker:
            return self._pipelines.version(file.pipeline, worker.launch.pipeline_version)
        record = self._pipelines.get(file.pipeline)
        if record is None or not record.highest:
            raise MissingEvidence(f"there is no record of the pipeline {file.pipeline}")
        return record.pipeline or self._pipelines.version(file.pipeline, record.highest)
