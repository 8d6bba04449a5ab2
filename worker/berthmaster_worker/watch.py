"""What may end the work on a file before it is done: the worker's end, the file's time, or that it is another's."""

import math
from collections.abc import Callable

from berthmaster_worker.errors import Interrupted
from berthmaster_worker.host import Host

LOST = "the file is no longer this worker's"
STOPPING = "the task is being stopped"
TIME_OVER = "its time is over"
LONGEST_WAIT = 3600.0
MARGIN = 0.15
"""Of the time from SIGTERM to SIGKILL: what is kept for uploading a checkpoint and reporting."""


class Stop:
    """Whether the worker was asked to end (SIGTERM). seconds: from then to SIGKILL."""

    def __init__(self, host: Host, seconds: float) -> None:
        self._host = host
        self._seconds = seconds
        self._at: float | None = None

    def request(self) -> None:
        """SIGTERM has arrived; for signal handlers."""
        if self._at is None:
            self._at = self._host.monotonic()
        self._host.wake()

    @property
    def is_requested(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._at is not None

    def kill_at(self) -> float:
        """When a command is to have ended, by the monotonic clock."""
        return math.inf if self._at is None else self._at + self._seconds * (1 - MARGIN)

    def end_at(self) -> float:
        """When all is to have ended."""
        return math.inf if self._at is None else self._at + self._seconds


class Watch:
    """Of one file. until: when its time is over, by the monotonic clock. look: called now and then, for other work.

    look_in: seconds until it wants to be called. has_lost: whether the file is another's by now.
    """

    def __init__(
        self,
        host: Host,
        stop: Stop,
        *,
        until: float = math.inf,
        has_lost: Callable[[], bool] = lambda: False,
        look: Callable[[], None] = lambda: None,
        look_in: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._host = host
        self._stop = stop
        self._until = until
        self._has_lost = has_lost
        self.look = look
        self._look_in = look_in

    def verdict(self) -> str:
        """Why the work on the file is to end; empty if it is not."""
        if self._has_lost():
            return LOST
        if self._host.monotonic() >= self._until:
            return TIME_OVER
        return STOPPING if self._stop.is_requested else ""

    def stop_in(self) -> float:
        """Seconds until a command is to have ended that was asked to, because the task is being stopped."""
        return self._stop.kill_at() - self._host.monotonic()

    def next_look(self) -> float:
        """Seconds until something may have changed that wakes nobody."""
        left = self._until - self._host.monotonic()
        return max(0.0, min(left if left > 0 else math.inf, self._look_in(), LONGEST_WAIT))

    def check(self) -> None:
        """Raise Interrupted if the work on the file is to end. For what takes long."""
        self.look()
        if self.verdict():
            raise Interrupted

    def check_finishing(self) -> None:
        """The same for what is done after the command: a task that is being stopped still has some time for it."""
        self.look()
        verdict = self.verdict()
        if verdict == LOST or (verdict == STOPPING and self._host.monotonic() >= self._stop.end_at()):
            raise Interrupted
