"""batch_intake: each new object version becomes a file of the ledger, once."""

from collections.abc import Mapping
from datetime import timedelta

from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File, State
from berthmaster.batch.plan.identity import file_id
from berthmaster.batch.plan.intake import received, superseded
from berthmaster.batch.plan.matching import pipeline_of
from berthmaster.batch.settings import IntakeSettings
from berthmaster.batch.triggers import DISPATCH_FILES, ObjectCreated, object_created
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.invocation import Invocation
from berthmaster.items import Conflict
from berthmaster.modes import Mode
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

AT_ONCE = 8
LEAST_TIME = timedelta(seconds=3)


class Intake:
    """What batch_intake does with one batch of messages."""

    def __init__(self, settings: IntakeSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._observes = settings.batch_mode is Mode.OBSERVE
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._dispatch = OwnQueue(clients, clock, settings.batch_dispatch_queue_url)

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""

        def receive(message: str) -> bool:
            return self._receive(object_created(bodies[message]))

        outcomes = concurrently(
            receive,
            bodies,
            at_once=AT_ONCE,
            may_begin=lambda: invocation.time_left(self._clock.now()) > LEAST_TIME,
        )
        if any(outcome.value for outcome in outcomes):
            self._dispatch.send(DISPATCH_FILES, {}, timedelta())
        return {outcome.item: outcome.error for outcome in outcomes if outcome.error}

    def _receive(self, created: ObjectCreated) -> bool:
        """Record an object version; returns whether a file waits now."""
        pipeline = pipeline_of(created.bucket, created.key, self._pipelines.in_force().values())
        if pipeline is None:
            logger.info("object belongs to no pipeline", bucket=created.bucket, key=created.key)
            return False
        now = self._clock.now()
        identifier = file_id(
            created.bucket,
            created.key,
            version_id=created.version_id,
            etag=created.etag,
            sequencer=created.sequencer,
        )
        file = received(
            File(
                id=identifier,
                pipeline=pipeline.name,
                bucket=created.bucket,
                key=created.key,
                version_id=created.version_id,
                etag=created.etag,
                size=created.size,
                sequencer=created.sequencer,
                received_at=now,
                state=State.WAITING,
                since=now,
                due=now,
            ),
            observes=self._observes,
        )
        try:
            self._files.save(file)
        except Conflict:
            logger.info("object version known already", file=identifier)
        # After the file is written: of two invocations that receive two versions, at least one sees both.
        versions = self._files.versions(identifier)
        for one in superseded(versions, now):
            self._files.save(one)
        return file.state is State.WAITING
