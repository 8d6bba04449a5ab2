"""A request is answered within a minute, whatever AWS does meanwhile: for functions that answer them one by one."""

from collections.abc import Callable

from berthmaster.clock import Clock
from berthmaster.notices import Notice, Notices, NotPublished
from berthmaster.own_queue import OwnQueue
from berthmaster.requests import RETRIED_AFTER, Request, not_done
from berthmaster.telemetry import logger


class Answering:
    """Publishes answers to requests; a request that AWS fails at is tried again while there is time for that."""

    def __init__(self, notices: Notices, queue: OwnQueue, clock: Clock) -> None:
        self._notices = notices
        self._queue = queue
        self._clock = clock

    def answer[R: Request](self, request: R, body: str, answer_to: Callable[[R], Notice | None]) -> None:
        """Do what a request asks for and publish what `answer_to` returns, if anything. body: the message itself."""
        try:
            if notice := answer_to(request):
                self._notices.publish([notice])
        except Exception as error:
            logger.warning("request failed", request=request.detail_type, subject=request.subject, error=repr(error))
            if request.is_retried(self._clock.now()):
                self._queue.defer(body, RETRIED_AFTER)
            elif isinstance(error, NotPublished):
                raise
            else:
                self._notices.publish([not_done(request, error)])
