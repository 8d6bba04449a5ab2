"""batch_follow: what ECS reports of the tasks."""

from collections.abc import Mapping
from datetime import timedelta

from berthmaster.batch.commit import Commit
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import State
from berthmaster.batch.plan.identity import started_by
from berthmaster.batch.plan.transitions import running, with_launch
from berthmaster.batch.settings import FollowSettings
from berthmaster.batch.triggers import DISPATCH_FILES, CommitFile, TaskStateChange, task_message
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.invocation import Invocation
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.telemetry import logger

AT_ONCE = 8
LEAST_TIME = timedelta(seconds=5)


class Follow:
    """What batch_follow does with one batch of messages."""

    def __init__(self, settings: FollowSettings, clients: Clients, clock: Clock) -> None:
        self._clock = clock
        self._files = Files(clients.dynamodb, settings.batch_table, kept_for=settings.kept_for)
        self._dispatch = OwnQueue(clients, clock, settings.batch_dispatch_queue_url)
        notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        pipelines = Pipelines(clients.dynamodb, settings.batch_table, clock)
        self._commit = Commit(clients, clock, files=self._files, pipelines=pipelines, notices=notices)

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Process all messages (body by id); returns those that are to be received again, with the reason."""

        def follow(message: str) -> None:
            match task_message(bodies[message]):
                case TaskStateChange() as change:
                    self._follow(change, invocation)
                case CommitFile(file):
                    self._resume(file, invocation)

        outcomes = concurrently(
            follow,
            bodies,
            at_once=AT_ONCE,
            may_begin=lambda: invocation.time_left(self._clock.now()) > LEAST_TIME,
        )
        self._dispatch.send(DISPATCH_FILES, {}, timedelta())
        return {outcome.item: outcome.error for outcome in outcomes if outcome.error}

    def _follow(self, change: TaskStateChange, invocation: Invocation) -> None:
        named = started_by(change.started_by)
        file = self._files.get(named.file) if named else None
        if named is None or file is None or file.launch is None:
            logger.warning("task of no known file", task=change.task, started_by=change.started_by)
            return
        if named.launch != file.launch.number or change.version <= file.launch.task_version:
            logger.info("event is out of date", task=change.task, file=file.id)
            return
        if change.last_status != "STOPPED":
            self._files.save(
                running(
                    file,
                    self._clock.now(),
                    task=change.task,
                    task_version=change.version,
                    started_at=change.started_at,
                )
            )
            return
        file = with_launch(file, task=change.task, task_version=change.version, stopped_at=change.stopped_at)
        if set(change.exit_codes.values()) == {0}:
            self._commit.commit(file, invocation)

    def _resume(self, identifier: str, invocation: Invocation) -> None:
        file = self._files.get(identifier)
        if file is not None and file.state is State.COMMITTING:
            self._commit.commit(file, invocation)
