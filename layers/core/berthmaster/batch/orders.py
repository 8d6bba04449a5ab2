"""Cancel Requested and Replay Requested.

One file is changed at once. Those of a pipeline are an order: it is answered as begun, and carried out by messages of
batch_control to itself, some seconds each, so that other requests do not wait. The ids of some files are written down
before they are changed, and each file knows the request that has changed it: so an order goes on wherever an invocation
has died, counts each file once, and does nothing twice. When it has ended, an event says how many files it has changed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from berthmaster.batch.control_triggers import CHANGE_FILES
from berthmaster.batch.file_changes import Changed, FileChanges
from berthmaster.batch.file_requests import MOST_FILES, ChangeRequest
from berthmaster.batch.file_status import named, why_unknown
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.pipelines import Pipelines
from berthmaster.batch.model.files import File, FileReference, State
from berthmaster.batch.model.orders import Action, Change, Order
from berthmaster.batch.plan.orders import A_SECOND, Left, advanced, is_concerned
from berthmaster.batch.report.orders import DONE, request_completed
from berthmaster.batch.settings import ControlSettings
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently
from berthmaster.invocation import Invocation
from berthmaster.items import Items
from berthmaster.lease import Leases
from berthmaster.modes import Mode
from berthmaster.notices import Notice, Notices
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import LONG_AGO, About, accepted, refused
from berthmaster.switch import Switch
from berthmaster.telemetry import logger

AT_ONCE = 8
PAGE = 200
"""Files that are written down before they are changed."""
SLICE = timedelta(seconds=20)
"""For so long an invocation works on an order: requests wait meanwhile."""
LEAST_TIME = timedelta(seconds=15)
"""With less time left in an invocation, no more files are changed."""
A_SECOND_CHANGES = 100
"""Files that are changed in a second, at least: for what is promised to operators."""
LOST_AFTER = timedelta(minutes=8)
"""An order on which nobody has worked for so long goes on by a new message: longer than a message is hidden."""
KEPT_FOR = timedelta(days=30)
NOT_REPLAYED = {
    Mode.OFF: "the mode is off, so nothing would be launched",
    Mode.OBSERVE: "the mode is observe, so nothing would be launched",
}


class Orders:
    """Cancels and replays files as operators ask for it."""

    def __init__(
        self, settings: ControlSettings, clients: Clients, clock: Clock, switch: Switch, notices: Notices
    ) -> None:
        dynamodb, table = clients.dynamodb, settings.batch_table
        self._mode = settings.batch_mode
        self._clock = clock
        self._switch = switch
        self._notices = notices
        self._files = Files(dynamodb, table, kept_for=settings.kept_for)
        self._changes = FileChanges(self._files, clock, kept_for=settings.kept_for)
        self._index = FileIndex(dynamodb, table)
        self._pipelines = Pipelines(dynamodb, table, clock)
        self._orders = Items(dynamodb, table, "order", Order)
        self._leases = Leases(dynamodb, table)
        self._queue = OwnQueue(clients, clock, settings.batch_control_queue_url)

    # Requests

    def answer(self, request: ChangeRequest) -> Notice:
        """Change one file, or begin with those of a pipeline; returns what to answer."""
        if reason := self._why_not(request):
            return refused(request, reason)
        if request.pipeline:
            return self._begin(request)
        file = named(self._files, self._pipelines, request)
        if file is None:
            return refused(request, "the ledger has no such file; File Status Requested says why")
        about = About(name=file.key, resources=(f"arn:aws:s3:::{file.bucket}/{file.key}",))
        if reason := self._why_not_of(file.pipeline, request.action):
            return refused(request, reason, about=about)
        match self._changes.apply(file.reference, request.change):
            case Changed(before, after):
                return accepted(request, self._done(before, after, request.action), about=about)
            case Left(reason):
                return refused(request, reason, about=about)
            case None:
                raise AssertionError("a request for one file concerns it")

    def _why_not(self, request: ChangeRequest) -> str:
        if request.action is Action.REPLAY:
            return NOT_REPLAYED.get(self._mode, "")
        return "the mode is off, so nothing is launched, and no task would be stopped" if self._mode is Mode.OFF else ""

    def _why_not_of(self, pipeline: str, action: Action) -> str:
        """Why nothing of a pipeline is changed; empty if it may be. What is left of a removed one may be cancelled."""
        if reason := why_unknown(self._pipelines, pipeline):
            return reason
        record = self._pipelines.get(pipeline)
        if action is Action.REPLAY and (record is None or record.pipeline is None):
            return f"the pipeline {pipeline} is not in force, so nothing of it would be launched"
        return ""

    def _done(self, before: File, after: File, action: Action) -> str:
        if before == after:
            return f"this request had been carried out before, and the file is {after.state} now"
        if action is Action.CANCEL:
            task = "; its task is stopped within two minutes" if after.launch and after.launch.stopped_for else ""
            return f"the file was {before.state} and is cancelled{task}"
        stopped = self._switch.reason()
        when = f"when batch goes on, since {stopped}" if stopped else "as soon as its pipeline may launch it"
        return f"the file was {before.state}, and has all its attempts again; it is launched {when}"

    # Orders

    def _begin(self, request: ChangeRequest) -> Notice:
        if reason := self._why_not_of(request.pipeline, request.action):
            return refused(request, reason)
        order = self._orders.get(request.id)
        if order and order.ended_at:
            return accepted(request, f"it had been carried out before, and {order.done:,} files were changed")
        now = self._clock.now()
        if order is None:
            order = Order(
                change=request.change,
                pipeline=request.pipeline,
                since=request.since,
                most=request.most,
                carried_on_at=now,
            )
            order = self._orders.save(order, expires=now + KEPT_FOR)
        count = min(order.most, sum(self._index.count(one) for one in _sections(order)))
        self._send(order)
        text = f"{count:,} files of the pipeline are being {DONE[request.action]}; Request Completed follows"
        return accepted(request, text, until=now + timedelta(minutes=1, seconds=count / A_SECOND_CHANGES))

    def cancel_behind(self, pipeline: str, change: Change) -> None:
        """Begin to cancel the files of a pipeline that wait behind all others, if that was not begun."""
        if self._orders.get(change.id) is None:
            now = self._clock.now()
            order = Order(change=change, pipeline=pipeline, most=MOST_FILES, only_behind=True, carried_on_at=now)
            self._send(self._orders.save(order, expires=now + KEPT_FOR))

    def carry_on(self, identifier: str, invocation: Invocation) -> None:
        """Go on with an order for some seconds, and send a message for the rest; one invocation at a time does."""
        until = min(self._clock.now() + SLICE, invocation.deadline - LEAST_TIME)
        with self._leases.held(f"order {identifier}", invocation, self._clock) as is_alone:
            order = self._orders.get(identifier) if is_alone else None
            if not is_alone:
                logger.info("another invocation carries the order out", order=identifier)
            elif order is None:
                logger.warning("the ledger has no such order", order=identifier)
            elif self._work(order, until):
                self._send(order)

    def heal(self) -> None:
        """Send a message for orders that have none any more."""
        now = self._clock.now()
        for order in self._orders.query():
            if not order.reported and now - order.carried_on_at > LOST_AFTER:
                self._send(order)

    def _send(self, order: Order) -> None:
        self._queue.send(CHANGE_FILES, {"order": order.sort_key}, timedelta())

    def _work(self, order: Order, until: datetime) -> bool:
        """Whether something is left to be done."""
        sections = _sections(order)
        while order.ended_at is None:
            if self._clock.now() > until:
                return True
            following = advanced(order := self._with_outcomes(order), len(sections))
            now = self._clock.now()
            if following is None:
                order = self._save(replace(order, ended_at=now))
                break
            section = sections[following.section]
            pending, after = self._index.page(
                section, following.shard, after=following.after, most=min(PAGE, order.most - order.done)
            )
            order = replace(following, pending=tuple(pending), after=after)
            if pending:
                order = self._save(order)
        if not order.reported:
            self._notices.publish([request_completed(order)])
            self._save(replace(order, reported=True))
        return False

    def _save(self, order: Order) -> Order:
        now = self._clock.now()
        return self._orders.save(replace(order, carried_on_at=now), expires=now + KEPT_FOR)

    def _with_outcomes(self, order: Order) -> Order:
        """Change the files that were read, and count what came of it."""
        outcomes = concurrently(
            partial(self._changes.apply, change=order.change, concerns=partial(is_concerned, order=order)),
            [FileReference(order.pipeline, one) for one in order.pending],
            at_once=AT_ONCE,
        )
        for one in outcomes:
            if one.error:
                logger.warning("file not changed", order=order.sort_key, file=one.item.id, error=repr(one.error))
        counts = Counter(type(one.value) for one in outcomes if not one.error)
        return replace(
            order,
            pending=(),
            done=order.done + counts[Changed],
            left=order.left + counts[Left],
            failed=order.failed + sum(1 for one in outcomes if one.error),
        )


def _sections(order: Order) -> Sequence[Section]:
    """Where the files are that an order concerns."""
    name = order.pipeline
    if order.only_behind:
        return (Section.behind(name),)
    if order.change.action is Action.CANCEL:
        return (Section.waiting(name), Section.behind(name), Section.in_flight(name))
    until = order.change.at + A_SECOND
    return (Section.ended(name, State.DEAD, after=order.since or LONG_AGO, until=until),)
