"""The requests in a batch, and their answers.

A request at which AWS fails is sent to the own queue again, and answered in time if AWS goes on failing: the queue
itself would show it again only after two minutes.
"""

from collections.abc import Callable, Mapping
from functools import partial

from berthmaster.approval import Decision
from berthmaster.clock import Clock
from berthmaster.concurrently import NotBegun
from berthmaster.invocation import Invocation
from berthmaster.notices import Notice, Notices, NotPublished
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import RETRIED_AFTER, Request, Unreadable, accepted, not_done, refused
from berthmaster.switch import Switch, SwitchRequest
from berthmaster.targets.batch import LEAST_TIME, Batch
from berthmaster.targets.decisions import Decisions
from berthmaster.targets.drain import Drains
from berthmaster.targets.triggers import DrainRequest
from berthmaster.telemetry import logger


class Requests:
    """Answers the requests of batches."""

    def __init__(
        self,
        clock: Clock,
        switch: Switch,
        *,
        decisions: Decisions,
        drains: Drains,
        queue: OwnQueue,
        notices: Notices,
    ) -> None:
        self._clock = clock
        self._switch = switch
        self._decisions = decisions
        self._drains = drains
        self._queue = queue
        self._notices = notices

    def answer_at_once(self, batch: Batch) -> None:
        """Pause or resume, so that the rest of the batch obeys; and answer what is not valid."""
        answers: dict[str, Notice] = {}
        for message, request in list(batch.requests.items()):
            match request:
                case Unreadable():
                    answers[message] = request.answer()
                case SwitchRequest():
                    self._attempt(message, batch, answers, partial(self._switch.apply, request))
        self._publish(answers, batch)

    def refuse(self, batch: Batch, reason: str) -> None:
        """Refuse all that are left: targets is off or paused."""
        self._publish({message: refused(request, reason) for message, request in batch.requests.items()}, batch)

    def retry(self, batch: Batch, error: Exception) -> None:
        """Let all that are left be tried again."""
        for message in list(batch.requests):
            self._retry(message, batch, error)

    def carry_out(self, batch: Batch, invocation: Invocation) -> None:
        """Answer decisions, and begin drains, which `answer_drains` answers."""
        answers: dict[str, Notice] = {}
        for message, request in list(batch.requests.items()):
            if isinstance(request, Decision):
                if invocation.time_left(self._clock.now()) <= LEAST_TIME:
                    self._retry(message, batch, NotBegun("no time left in this invocation"))
                    continue
                self._attempt(message, batch, answers, partial(self._decisions.apply, request))
        drains = {message: one for message, one in batch.requests.items() if isinstance(one, DrainRequest)}
        if drains:
            answers |= self._begin_drains(drains, batch, invocation)
        self._publish(answers, batch)

    def _begin_drains(
        self, drains: Mapping[str, DrainRequest], batch: Batch, invocation: Invocation
    ) -> dict[str, Notice]:
        """Begin them, and return the refusals."""
        # Of two about one task, the one that is forced.
        of_task = {one.task: one for one in sorted(drains.values(), key=lambda one: one.force)}
        result = self._drains.begin(of_task, invocation)
        for message, request in drains.items():
            if error := result.failed.get(request.task):
                self._retry(message, batch, error)
            elif request.task in result.begun:
                batch.messages[request.task].append(message)
                batch.checked.add(request.task)
                if result.begun[request.task]:
                    batch.drains_begun_before.add(request.task)
        return {
            message: refused(request, result.refused[request.task])
            for message, request in drains.items()
            if request.task in result.refused
        }

    def answer_drains(self, batch: Batch) -> None:
        """Answer drains that were begun, with what the batch has done about them meanwhile."""
        answers = {
            message: self._drain_begun(request, batch)
            for message, request in batch.requests.items()
            if isinstance(request, DrainRequest)
        }
        self._publish(answers, batch)

    def _drain_begun(self, request: DrainRequest, batch: Batch) -> Notice:
        task = request.task
        if task in batch.drained:
            return accepted(request, "it is registered nowhere any more, and was stopped")
        if task in batch.drains_begun_before:
            return accepted(request, "its drain was begun before; Task Drained follows when it is stopped")
        text = "it is deregistered everywhere, and stopped when it has drained; Task Drained follows"
        return accepted(request, text, until=batch.ends_at.get(task))

    # Failures

    def _attempt(self, message: str, batch: Batch, answers: dict[str, Notice], answer: Callable[[], Notice]) -> None:
        try:
            answers[message] = answer()
        except Exception as error:  # noqa: BLE001 - the request is tried again, or answered
            self._retry(message, batch, error)

    def _publish(self, answers: Mapping[str, Notice], batch: Batch) -> None:
        """Publish answers; requests whose answers the bus did not accept are tried again."""
        try:
            self._notices.publish(list(answers.values()))
        except NotPublished as error:
            for message, answer in answers.items():
                if answer in error.notices:
                    self._retry(message, batch, error, is_undone=False)
        except Exception as error:  # noqa: BLE001 - whatever fails, no request is lost
            for message in answers:
                self._retry(message, batch, error, is_undone=False)
        for message in answers:
            batch.requests.pop(message, None)

    def _retry(self, message: str, batch: Batch, error: Exception, *, is_undone: bool = True) -> None:
        """Send a request again, or answer that it was not done when there is no time for that.

        is_undone: whether it is known that nothing was done.
        """
        request: Request = batch.requests.pop(message)
        logger.warning("request failed", request=request.detail_type, subject=request.subject, error=repr(error))
        try:
            if request.is_retried(self._clock.now()):
                self._queue.defer(batch.bodies[message], RETRIED_AFTER)
            elif is_undone:
                self._notices.publish([not_done(request, error)])
            else:
                batch.failed[message] = error
        except Exception as other:  # noqa: BLE001 - then the queue shows it again
            batch.failed[message] = other
