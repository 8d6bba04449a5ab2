"""batch_intake: each new object version becomes a file of the ledger, once.

Files are recorded while batch is paused, too: the dispatcher launches none. An object that no pipeline in force takes
is not recorded; if one was about to come into force, the sweep of the bucket finds it.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from berthmaster import metrics
from berthmaster.batch.arrivals import Arrivals
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.plan.matching import pipeline_of
from berthmaster.batch.report.notices import file_observed, file_skipped
from berthmaster.batch.settings import IntakeSettings
from berthmaster.batch.triggers import DISPATCH_FILES, ObjectCreated, ObjectDeleted, object_message
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.invocation import Invocation
from berthmaster.items import Conflict
from berthmaster.notices import Notice, Notices, NotPublished
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

AT_ONCE = 8
LEAST_TIME = timedelta(seconds=8)
"""With less time left no message is begun: each takes some calls, and what was received is reported afterwards."""
RECEIVED, KNOWN, UNMATCHED, GONE = "FilesReceived", "FilesKnown", "ObjectsUnmatched", "FilesVanished"
"""Metrics: new files, copies of events, objects of no pipeline, files whose object was deleted before their turn."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one message: how often each metric counts it, and the file as the ledger has it."""

    counted: Mapping[str, int]
    file: File | None = None


class Intake:
    """What batch_intake does with one batch of messages."""

    def __init__(self, settings: IntakeSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._arrivals = Arrivals(clients, clock, self._files, settings.batch_mode)
        self._pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._dispatch = OwnQueue(clients, clock, settings.batch_dispatch_queue_url)
        self._notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason.

        Raises if the registry cannot be read: then all of them are.
        """
        pipelines = self._pipelines.in_force()
        outcomes = concurrently(
            lambda message: self._receive(object_message(bodies[message]), pipelines.values()),
            bodies,
            at_once=AT_ONCE,
            may_begin=lambda: invocation.time_left(self._clock.now()) > LEAST_TIME,
        )
        failed = {outcome.item: outcome.error for outcome in outcomes if outcome.error}
        done = {outcome.item: outcome.value for outcome in outcomes if outcome.value}
        counted = sum((Counter(one.counted) for one in done.values()), Counter())
        if counted:
            metrics.publish(counted)
        files = {message: one.file for message, one in done.items() if one.file}
        return failed | self._report(files, pipelines) | self._wake_dispatcher(files)

    def _receive(self, message: ObjectCreated | ObjectDeleted, pipelines: Collection[Pipeline]) -> Done:
        pipeline = pipeline_of(message.bucket, message.key, pipelines)
        if pipeline is None:
            logger.info("object belongs to no pipeline", bucket=message.bucket, key=message.key)
            return Done({UNMATCHED: 1})
        match message:
            case ObjectCreated():
                arrival = self._arrivals.created(message, pipeline)
                return Done({RECEIVED if arrival.is_new else KNOWN: 1}, arrival.file)
            case ObjectDeleted():
                return Done({GONE: len(self._arrivals.deleted(message, pipeline))})

    def _report(self, files: Mapping[str, File], pipelines: Mapping[str, Pipeline]) -> dict[str, Exception]:
        """Report files (by message) that are not processed; returns the messages that are to be received again.

        Only what the bus has taken is marked so: a file is reported again rather than never.
        """
        due = {file.id: (message, file) for message, file in files.items() if file.unreported}
        notices = {identifier: notice for identifier, (_, file) in due.items() if (notice := _notice(file, pipelines))}
        failed: dict[str, Exception] = {}
        try:
            self._notices.publish(list(notices.values()))
        except NotPublished as error:
            refused = [identifier for identifier, notice in notices.items() if notice in error.notices]
            failed = {due[identifier][0]: error for identifier in refused}
        reported = [due[identifier] for identifier in notices if due[identifier][0] not in failed]
        outcomes = concurrently(self._mark_reported, reported, at_once=AT_ONCE)
        return failed | {outcome.item[0]: outcome.error for outcome in outcomes if outcome.error}

    def _mark_reported(self, reported: tuple[str, File]) -> None:
        with suppress(Conflict):
            # Another invocation has received a copy, and marks it.
            self._files.save(replace(reported[1], unreported=False))

    def _wake_dispatcher(self, files: Mapping[str, File]) -> dict[str, Exception]:
        """One message, if any file waits; returns the messages that are to be received again if it cannot be sent."""
        waiting = [message for message, file in files.items() if file.state is State.WAITING]
        if waiting:
            try:
                self._dispatch.send(DISPATCH_FILES, {}, timedelta())
            except Exception as error:  # noqa: BLE001 - each of the messages is received again
                return dict.fromkeys(waiting, error)
        return {}


def _notice(file: File, pipelines: Mapping[str, Pipeline]) -> Notice | None:
    match file.state:
        case State.OBSERVED if file.pipeline in pipelines:
            return file_observed(file, pipelines[file.pipeline])
        case State.SKIPPED:
            return file_skipped(file)
    return None
