"""batch_dispatch: launches tasks for waiting files, as fast as the account's rates allow.

One invocation at a time launches. Others only ask it to look for files once more (`ledger.dispatcher`), so that their
messages are done at once. It launches until no file is left that may be launched, or its time is nearly over: then it
sends itself a message.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from berthmaster import metrics
from berthmaster.batch.act.launch import Surroundings
from berthmaster.batch.backlog import Backlog
from berthmaster.batch.breaking import Breaking
from berthmaster.batch.budgets import Budgets
from berthmaster.batch.conditions import Conditions
from berthmaster.batch.found import AHEAD
from berthmaster.batch.launches import Launches
from berthmaster.batch.launching import Launching
from berthmaster.batch.ledger.breakers import Breakers
from berthmaster.batch.ledger.dispatcher import Turn, Turns
from berthmaster.batch.ledger.file_index import FileIndex
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.heartbeats import Beats
from berthmaster.batch.ledger.mails import Mails
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.ledger.workers import Workers
from berthmaster.batch.model.files import FileReference
from berthmaster.batch.model.pipelines import AUTOMATION
from berthmaster.batch.observe.task_definitions import Revisions
from berthmaster.batch.packing import PackingPlans
from berthmaster.batch.report.outcomes import Outcomes
from berthmaster.batch.requesting import Requesting
from berthmaster.batch.settings import DispatchSettings
from berthmaster.batch.triggers import DISPATCH_FILES, dispatch
from berthmaster.batch.worker_backlog import WorkerBacklog
from berthmaster.batch.worker_launching import WorkerLaunching
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.expiring import Expiring
from berthmaster.failures import Failures
from berthmaster.invocation import Invocation
from berthmaster.modes import Mode
from berthmaster.notices import Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.switch import Switch
from berthmaster.telemetry import logger


class Dispatch:
    """What batch_dispatch does."""

    def __init__(self, settings: DispatchSettings, clients: Clients, clock: Clock) -> None:
        dynamodb, table = clients.dynamodb, settings.batch_table
        self._clients = clients
        self._clock = clock
        self._settings = settings
        self._turns = Turns(dynamodb, table)
        self._files = Files(dynamodb, table, kept_for=settings.kept_for)
        self._index = FileIndex(dynamodb, table)
        self._workers = Workers(dynamodb, table)
        self._pipelines = Pipelines(dynamodb, table, clock)
        self._revisions = Revisions(clients.ecs, clock)
        self._switch = Switch(dynamodb, clock, table=table, automation=AUTOMATION, mode=settings.batch_mode)
        self._queue = OwnQueue(clients, clock, settings.batch_dispatch_queue_url)
        self._notices = notices = Notices(clients, bus=settings.event_bus, topic_arn=settings.topic_arn)
        mails = Mails(dynamodb, table)
        self._budgets = Budgets(settings, clients, clock, revisions=self._revisions, notices=notices)
        self._outcomes = Outcomes(self._files, mails, notices, clock)
        self._breakers = Breakers(dynamodb, table)
        self._breaking = Breaking(self._breakers, mails, notices)
        self._none_behind: Expiring[datetime] = Expiring()

    def process(self, bodies: Mapping[str, str], invocation: Invocation) -> dict[str, Exception]:
        """Launch what waits; returns the messages (body by id) that are to be received again, with the reason."""
        failed: dict[str, Exception] = {}
        unsettled: list[FileReference] = []
        for message, body in bodies.items():
            try:
                unsettled += dispatch(body).unsettled
            except Exception as error:  # noqa: BLE001 - a message that is not valid stops no launches
                failed[message] = error
        if reason := self._why_not():
            # batch_reconcile sends a message every minute while files wait.
            logger.info("nothing launched", reason=reason)
            return failed
        turn = self._turns.begin(owner=invocation.id, now=self._clock.now(), deadline=invocation.deadline)
        if turn is None:
            logger.info("another invocation launches", action="it looks for files again before it ends")
            return failed
        try:
            self._work(turn, unsettled, invocation)
        except Exception as error:  # noqa: BLE001 - each message is received again, and what was launched is written
            logger.exception("not everything launched")
            failed = dict.fromkeys(bodies, error) | failed
        return failed

    def _why_not(self) -> str:
        if self._settings.batch_mode is Mode.OBSERVE:
            return "the mode is observe"
        return self._switch.reason()

    def _work(self, turn: Turn, files: Iterable[FileReference], invocation: Invocation) -> None:
        conditions, failures = Conditions(turn.known, self._clock), Failures()
        launches = self._launches(conditions, failures, invocation)
        has_ended = False
        try:
            for file in files:
                conditions.unsettle(file, self._clock.now())
            if turn.lost_since:
                launches.find_unsettled(turn.lost_since)
            while not has_ended and not launches.is_over:
                launches.run()
                has_ended = not launches.is_over and self._end(turn, conditions, launches.next_at)
        finally:
            if not has_ended:
                self._turns.leave(turn, conditions.known)
        if launches.is_over and not launches.is_stopped:
            self._queue.send(DISPATCH_FILES, {}, timedelta())
        if conditions.launched or conditions.throttled:
            metrics.publish({"TasksLaunched": conditions.launched, "LaunchesThrottled": conditions.throttled})
        failures.raise_all("some files could not be launched")

    def _launches(self, conditions: Conditions, failures: Failures, invocation: Invocation) -> Launches:
        requesting = Requesting(self._clients, conditions, self._outcomes, stack=self._settings.stack)
        launching = Launching(
            self._clients,
            self._clock,
            conditions,
            requesting=requesting,
            files=self._files,
            pipelines=self._pipelines,
            revisions=self._revisions,
            breaking=self._breaking,
            switch=self._switch,
            outcomes=self._outcomes,
        )
        worker_launching = WorkerLaunching(
            self._clients,
            self._clock,
            conditions,
            surroundings=Surroundings(
                table=self._settings.batch_table, result_queue_url=self._settings.batch_result_queue_url
            ),
            requesting=requesting,
            workers=self._workers,
            pipelines=self._pipelines,
            revisions=self._revisions,
            breaking=self._breaking,
            switch=self._switch,
        )
        return Launches(
            self._clock,
            invocation,
            conditions,
            failures,
            launching=launching,
            worker_launching=worker_launching,
            backlog=self._backlog(failures, invocation),
            pipelines=self._pipelines,
            files=self._files,
            workers=self._workers,
        )

    def _backlog(self, failures: Failures, invocation: Invocation) -> Backlog:
        of_workers = WorkerBacklog(
            self._clock,
            turn=invocation.id,
            files=self._files,
            index=self._index,
            workers=self._workers,
            beats=Beats(self._clients.dynamodb, self._settings.batch_table),
            revisions=self._revisions,
            packing=PackingPlans(
                self._clients.dynamodb,
                self._settings.batch_table,
                self._clock,
                failures,
                notices=self._notices,
                prices=self._settings.prices(self._clients.region),
            ),
        )
        return Backlog(
            self._clock,
            failures,
            files=self._files,
            breakers=self._breakers,
            breaking=self._breaking,
            revisions=self._revisions,
            budgets=self._budgets,
            of_workers=of_workers,
            none_behind=self._none_behind,
        )

    def _end(self, turn: Turn, conditions: Conditions, next_at: datetime | None) -> bool:
        """End the turn unless another invocation has asked; if something is due soon, a message arrives then."""
        now = self._clock.now()
        is_soon = next_at is not None and next_at - now <= AHEAD and not conditions.will_wake(next_at)
        before = conditions.known
        if is_soon and next_at:
            conditions.wakes(next_at)
        if not self._turns.end(turn, conditions.known):
            conditions.wakes(before.wakes_at)
            return False
        if is_soon and next_at:
            self._queue.send(DISPATCH_FILES, {}, next_at - now)
        return True
