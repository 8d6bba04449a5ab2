"""batch_follow: what ECS reports of the tasks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster.batch.billing import Billing
from berthmaster.batch.breaking import Breaking
from berthmaster.batch.commit import Commit
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.file_index import FileIndex
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.heartbeats import Beats
from berthmaster.batch.ledger.mails import Mails
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.measuring import Measuring
from berthmaster.batch.model.breaker import Launched
from berthmaster.batch.model.files import File, FileReference, State
from berthmaster.batch.model.measures import FileMeasured, TaskMeasured
from berthmaster.batch.model.pipelines import AUTOMATION, Pipeline
from berthmaster.batch.model.stops import Cause, Diagnosis
from berthmaster.batch.model.tasks import RUNNING, TaskStateChange
from berthmaster.batch.plan.breaker import is_canary, is_the_files_own
from berthmaster.batch.plan.following import Meaning, after_stop, meaning, started, stop_of, with_task
from berthmaster.batch.plan.identity import Started, is_worker, pipeline_of, revision, started_by
from berthmaster.batch.plan.measures import measured_alone
from berthmaster.batch.plan.stops import classify
from berthmaster.batch.release import Release
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.batch.results import Results
from berthmaster.batch.settings import FollowSettings
from berthmaster.batch.triggers import DISPATCH_FILES, ReleaseClaims, TaskMessage, result_message, task_message
from berthmaster.batch.worker_events import WorkerEvents
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.errors import BerthmasterError, InvalidEvent, MissingEvidence
from berthmaster.invocation import Invocation
from berthmaster.items import without_conflict
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from berthmaster.batch.model.file_results import FileResult

AT_ONCE = 8
LEAST_TIME = timedelta(seconds=5)
TRIES = 5
"""At a file that others write too: each decides again with what it is by then."""


@dataclass(frozen=True, slots=True)
class _Room:
    """What a message has made room for: due, when a file may be launched again, None if it has come to its end."""

    due: datetime | None = None


class Follow:
    """What batch_follow does with one batch of messages."""

    def __init__(self, settings: FollowSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._dispatch = OwnQueue(clients, clock, settings.batch_dispatch_queue_url)
        self._billing = Billing(settings, clients, clock)
        notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        mails = Mails(clients.dynamodb, settings.batch_table)
        self._breaking = Breaking(Breakers(clients.dynamodb, settings.batch_table), mails, notices)
        self._outcomes = Outcomes(self._files, mails, notices, clock)
        self._measuring = Measuring(clients.dynamodb, settings.batch_table, clock)
        workers = Workers(clients.dynamodb, settings.batch_table)
        index = FileIndex(clients.dynamodb, settings.batch_table)
        self._workers = WorkerEvents(
            clock,
            index=index,
            workers=workers,
            beats=Beats(clients.dynamodb, settings.batch_table),
            pipelines=self._pipelines,
            breaking=self._breaking,
            queue=OwnQueue(clients, clock, settings.batch_task_queue_url),
        )
        self._release = Release(
            clock,
            files=self._files,
            index=index,
            workers=workers,
            pipelines=self._pipelines,
            outcomes=self._outcomes,
        )
        self._commit = Commit(
            clients,
            clock,
            files=self._files,
            pipelines=self._pipelines,
            outcomes=self._outcomes,
            notices=notices,
            switch=Switch(
                clients.dynamodb, clock, table=settings.batch_table, automation=AUTOMATION, mode=settings.batch_mode
            ),
            queue=OwnQueue(clients, clock, settings.batch_task_queue_url),
        )
        self._results = Results(
            clock,
            files=self._files,
            pipelines=self._pipelines,
            workers=workers,
            commit=self._commit,
            outcomes=self._outcomes,
            prices=settings.prices(clients.region),
        )

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""
        read: dict[str, TaskMessage] = {}
        failed: dict[str, Exception] = {}
        for message, body in bodies.items():
            try:
                read[message] = task_message(body)
            except InvalidEvent as error:
                failed[message] = error
        not_booked = self._book(read.values())
        measured = list[FileMeasured | TaskMeasured]()

        def follow(message: str) -> _Room | None:
            match read[message]:
                case TaskStateChange() as change:
                    if change.has_stopped and not_booked:
                        raise not_booked
                    if is_worker(change.started_by):
                        return _Room() if self._workers.follow(change, measured) else None
                    named = started_by(change.started_by)
                    if named is None:
                        logger.warning("task of no file", task=change.task, started_by=change.started_by)
                        return None
                    reference = FileReference(pipeline_of(change.group), named.file)
                    return self._decided(
                        reference, lambda file: self._follow(file, named, change, invocation, measured)
                    )
                case ReleaseClaims(pipeline):
                    dues = self._release.of_ended(pipeline)
                    return _Room(min(dues)) if dues else None
                case commit:
                    return self._decided(commit.file, lambda file: self._resume(file, invocation))

        failed |= self._each(follow, read, invocation)
        self._measuring.add(measured)
        return failed

    def process_results(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id) of the queue to which workers send; returns as `process`."""
        read: dict[str, FileResult] = {}
        failed: dict[str, Exception] = {}
        for message, body in bodies.items():
            try:
                read[message] = result_message(body)
            except InvalidEvent as error:
                failed[message] = error

        def receive(message: str) -> _Room | None:
            due = self._results.receive(read[message], invocation)
            return _Room(due) if due else None

        failed |= self._each(receive, read, invocation)
        done = [self._results.measured(result) for message, result in read.items() if message not in failed]
        self._measuring.add(one for one in done if one)
        return failed

    def _each(
        self, follow: Callable[[str], _Room | None], messages: Iterable[str], invocation: Invocation
    ) -> dict[str, Exception]:
        """Process messages by their ids, several at once; returns those that have failed."""
        outcomes = concurrently(
            follow,
            messages,
            at_once=AT_ONCE,
            may_begin=lambda: invocation.time_left(self._clock.now()) > LEAST_TIME,
        )
        self._wake_dispatcher([outcome.value for outcome in outcomes if outcome.value])
        return {outcome.item: outcome.error for outcome in outcomes if outcome.error}

    def _book(self, messages: Iterable[TaskMessage]) -> Exception | None:
        """Book what tasks have cost, before it is written down that they have stopped; returns why that has failed.

        Until then they count against the limit of their day at the price until their deadline.
        """
        try:
            self._billing.book(one for one in messages if isinstance(one, TaskStateChange))
        except (BerthmasterError, BotoCoreError, ClientError) as error:
            logger.exception("tasks not booked")
            return error
        return None

    def _wake_dispatcher(self, rooms: list[_Room]) -> None:
        if not rooms:
            return
        now = self._clock.now()
        self._dispatch.send(DISPATCH_FILES, {}, timedelta())
        later = [room.due for room in rooms if room.due and room.due > now]
        if later:
            self._dispatch.send(DISPATCH_FILES, {}, min(later) - now)

    def _decided(self, reference: FileReference, decide: Callable[[File], _Room | None]) -> _Room | None:
        """Decide about a file, and again if another invocation writes it meanwhile."""

        def decided() -> _Room | None:
            file = self._files.get(*reference)
            if file is None:
                logger.warning("the ledger has no such file", file=reference.id)
                return None
            return decide(file)

        return without_conflict(decided, tries=TRIES)

    def _follow(
        self,
        file: File,
        named: Started,
        change: TaskStateChange,
        invocation: Invocation,
        measured: list[FileMeasured | TaskMeasured],
    ) -> _Room | None:
        now = self._clock.now()
        match meaning(file, named.launch, change):
            case Meaning.NOTHING:
                logger.info("event changes nothing", task=change.task, file=file.id, state=file.state)
            case Meaning.STARTED:
                self._files.save(started(file, change, now))
                self._breaking.ran(file.pipeline, _launched(file, change), now)
            case Meaning.STOPPED:
                room = self._stopped(file, change, invocation)
                if self._pipeline(file).has_workers:
                    measured += measured_alone(file, change)
                return room
            case Meaning.COMMITS:
                return self._resume(file, invocation)
            case Meaning.ENDED:
                room = self._judged_at_end(file, change, now)
                known = self._with_task(file, change)
                file = self._files.save(known) if known != file else file
                if file.unreported and change.has_stopped:
                    self._outcomes.report(file, self._diagnosis(file, change).cause)
                return room
        return None

    def _judged_at_end(self, file: File, change: TaskStateChange, now: datetime) -> _Room | None:
        """A file may have been superseded or cancelled while it was the canary of its pipeline."""
        launch = _launched(file, change)
        if change.last_status == RUNNING:
            breaker = self._breaking.ran(file.pipeline, launch, now)
        elif change.has_stopped and file.launch and file.launch.stopped_at is None:
            diagnosis = self._diagnosis(file, change)
            breaker = self._breaking.stopped(file.pipeline, launch, diagnosis.cause, diagnosis.text, now)
        else:
            return None
        return _Room() if is_canary(breaker, launch) else None

    def _stopped(self, file: File, change: TaskStateChange, invocation: Invocation) -> _Room | None:
        now = self._clock.now()
        launch, diagnosis = _launched(file, change), self._diagnosis(file, change)
        breaker = self._breaking.stopped(file.pipeline, launch, diagnosis.cause, diagnosis.text, now)
        file = self._with_task(file, change)
        if diagnosis.cause is Cause.DONE:
            return _Room() if self._commit.commit(file, invocation) else None
        if diagnosis.cause.opens_breaker and is_the_files_own(breaker, launch):
            diagnosis = Diagnosis(Cause.APPLICATION, diagnosis.text)
        following = self._files.save(
            after_stop(
                file,
                diagnosis,
                now,
                attempts=self._pipeline(file).limits.attempts,
                size=change.size,
                is_canary=is_canary(breaker, launch),
            )
        )
        logger.info(
            "task stopped",
            file=file.id,
            task=change.task,
            cause=diagnosis.cause,
            then=following.state,
            due=following.due,
        )
        self._outcomes.report(following, diagnosis.cause)
        self._outcomes.report_memory(file, following, change.size, diagnosis.text)
        return _Room(following.due if following.state is State.WAITING else None)

    def _with_task(self, file: File, change: TaskStateChange) -> File:
        bill = self._billing.bill(change)
        return with_task(file, change, dollars=bill.dollars if bill else 0.0)

    def _diagnosis(self, file: File, change: TaskStateChange) -> Diagnosis:
        own = file.launch.stopped_for if file.launch else ""
        return classify(stop_of(change, self._pipeline(file).run.container, own=own))

    def _pipeline(self, file: File) -> Pipeline:
        """As it was when the file was launched."""
        if file.launch is None:
            raise MissingEvidence(f"file {file.id} was never launched")
        return self._pipelines.version(file.pipeline, file.launch.pipeline_version)

    def _resume(self, file: File, invocation: Invocation) -> _Room | None:
        if file.state is not State.COMMITTING:
            return None
        return _Room() if self._commit.commit(file, invocation) else None


def _launched(file: File, change: TaskStateChange) -> Launched:
    """The launch of a file, as breakers are judged by it."""
    if file.launch is None:
        raise MissingEvidence(f"file {file.id} was never launched")
    return Launched(
        file_id=file.id,
        number=file.launch.number,
        revision=revision(file.launch.pipeline_version, change.task_definition),
        requested_at=file.launch.requested_at,
    )
