"""Results of workers: each ends one claim of a file, if the worker still has it."""

from datetime import datetime

from berthmaster.batch.commit import Commit
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.file_results import FileResult, WorkOutcome
from berthmaster.batch.model.files import File, Provider, State
from berthmaster.batch.model.measures import FileMeasured
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.prices import Prices, Resources
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.bills import dollars_of_file
from berthmaster.batch.plan.results import ResultMeaning, after_result, diagnosis_of, result_meaning, worked_on
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.clock import Clock
from berthmaster.invocation import Invocation
from berthmaster.items import without_conflict
from berthmaster.telemetry import logger

TRIES = 5
"""At a file that others write too."""


class Results:
    """Commits what workers have done, and decides what follows what they have not."""

    def __init__(
        self,
        clock: Clock,
        *,
        files: Files,
        pipelines: Pipelines,
        workers: Workers,
        commit: Commit,
        outcomes: Outcomes,
        prices: Prices,
    ) -> None:
        self._clock = clock
        self._files = files
        self._pipelines = pipelines
        self._workers = workers
        self._commit = commit
        self._outcomes = outcomes
        self._prices = prices
        self._known: dict[str, Worker | None] = {}

    def receive(self, result: FileResult, invocation: Invocation) -> datetime | None:
        """Let a file follow its result; returns when it may be claimed or launched again, None if it has ended.

        Errors: Conflict if others write the file all the time.
        """
        return without_conflict(lambda: self._receive(result, invocation), tries=TRIES)

    def _receive(self, result: FileResult, invocation: Invocation) -> datetime | None:
        file = self._files.get(*result.file)
        if file is None:
            logger.warning("the ledger has no such file", file=result.file.id)
            return None
        match result_meaning(file, result):
            case ResultMeaning.LOST:
                logger.info("result of a claim that is lost", file=file.id, worker=result.worker, state=file.state)
            case ResultMeaning.COMMITS:
                self._commit.commit(file, invocation)
            case ResultMeaning.ENDS:
                return self._ended(file, result, invocation)
        return None

    def _ended(self, file: File, result: FileResult, invocation: Invocation) -> datetime | None:
        now, worker = self._clock.now(), self._worker_of(result)
        file = worked_on(file, now, self._dollars(worker, result))
        diagnosis = diagnosis_of(result, is_spot=_is_spot(worker))
        if diagnosis.cause is Cause.DONE:
            self._commit.commit(file, invocation)
            return None
        size = worker.launch.size if worker else None
        following = self._files.save(
            after_result(
                file,
                result,
                diagnosis,
                now,
                pipeline=self._pipeline(file),
                size=size,
            )
        )
        logger.info(
            "file not done by its worker",
            file=file.id,
            worker=result.worker,
            cause=diagnosis.cause,
            then=following.state,
            due=following.due,
        )
        self._outcomes.report(following, diagnosis.cause)
        self._outcomes.report_memory(file, following, size, diagnosis.text)
        return following.due if following.state is State.WAITING else None

    def measured(self, result: FileResult) -> FileMeasured | None:
        """What a file took of its worker, whatever came of it; None if that was cut short, or nobody knows the worker.

        Files that fail are work as well: if they did not count, workers on them would seem to be slow.
        """
        if result.outcome not in {WorkOutcome.EXITED, WorkOutcome.TIMED_OUT}:
            return None
        worker = self._worker_of(result)
        if worker is None or worker.launch.size is None:
            return None
        return FileMeasured(
            pipeline=worker.pipeline, size=Size(*worker.launch.size), bytes=result.size, seconds=result.seconds
        )

    def _worker_of(self, result: FileResult) -> Worker | None:
        """The worker of a result; what matters here does not change while it works."""
        if result.worker not in self._known:
            self._known[result.worker] = self._workers.get(result.file.pipeline, result.worker)
        return self._known[result.worker]

    def _dollars(self, worker: Worker | None, result: FileResult) -> float:
        if worker is None or worker.launch.size is None:
            return 0.0
        cpu, memory = worker.launch.size
        resources = Resources(
            cpu=cpu,
            memory=memory,
            is_arm=worker.is_arm,
            is_spot=_is_spot(worker),
            storage=worker.storage,
        )
        return dollars_of_file(self._prices, resources, result.seconds)

    def _pipeline(self, file: File) -> Pipeline:
        return self._pipelines.version(file.pipeline, file.launch.pipeline_version if file.launch else 0)


def _is_spot(worker: Worker | None) -> bool:
    return worker is not None and worker.launch.provider is Provider.FARGATE_SPOT
