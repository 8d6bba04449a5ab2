"""Virtual time for the whole process: moto, botocore, Powertools and the functions all see it."""

from __future__ import annotations

import heapq
import itertools
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, SupportsIndex

import time_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

type Callback = Callable[[], None]

_real_sleep = time.sleep
_running: list[Clock] = []

MONDAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""Where simulated time starts unless a test says otherwise: a Monday morning."""


def _sleep(seconds: float | SupportsIndex) -> None:
    # A module imported while a clock runs may keep time.sleep for good: it must keep no clock.
    (_running[-1].advance if _running else _real_sleep)(seconds)


@dataclass(order=True, slots=True)
class Timer:
    """A callback and its time, in seconds since the epoch; equal times keep the order in which they were made."""

    when: float
    order: int
    callback: Callback = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Do not run the callback."""
        self.cancelled = True


class Clock:
    """Time that moves only when somebody sleeps or waits.

    `time.sleep` advances it, so botocore's back-off and a function's own waits cost virtual time only. Callbacks run
    from `run_until` and never from `advance`: what falls due while a Lambda function sleeps runs after that
    invocation, so invocations never nest.
    """

    def __init__(self, start: datetime = MONDAY) -> None:
        self._now = start.timestamp()
        self._travel = time_machine.travel(start, tick=False)
        self._coordinates: time_machine.Traveller | None = None
        self._timers: list[Timer] = []
        self._order = itertools.count()
        self._limit: tuple[float, BaseException] | None = None

    def __enter__(self) -> Self:
        self._coordinates = self._travel.start()
        _running.append(self)
        time.sleep = _sleep
        return self

    def __exit__(self, *_: object) -> None:
        _running.remove(self)
        if not _running:
            time.sleep = _real_sleep
        self._travel.stop()
        self._coordinates = None

    def now(self) -> datetime:
        """Virtual time, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    def timestamp(self) -> float:
        """Virtual time, in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float | SupportsIndex) -> None:
        """Let time pass; what falls due meanwhile waits for `run_until`.

        Within `limit`, time stops at the limit and its error is raised.
        """
        target = self._now + max(0.0, float(seconds))
        if self._limit is not None and target >= self._limit[0]:
            self._move_to(max(self._now, self._limit[0]))
            raise self._limit[1]
        self._move_to(target)

    @contextmanager
    def limit(self, when: float, error: BaseException) -> Iterator[None]:
        """Raise `error` in whoever sleeps until `when` (seconds since the epoch) or longer."""
        outer, self._limit = self._limit, (when, error)
        try:
            yield
        finally:
            self._limit = outer

    def at(self, when: float, callback: Callback) -> Timer:
        """Run `callback` at `when`, in seconds since the epoch; a time already past means as soon as possible."""
        timer = Timer(when, next(self._order), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def after(self, seconds: float, callback: Callback) -> Timer:
        """Run `callback` so many seconds from now."""
        return self.at(self._now + seconds, callback)

    def every(self, seconds: float, callback: Callback) -> None:
        """Run `callback` each `seconds`, first one period from now, on a grid that a slow callback cannot shift."""
        due = self._now + seconds

        def again() -> None:
            nonlocal due
            due += seconds
            self.at(due, again)
            callback()

        self.at(due, again)

    def next_due(self) -> float | None:
        """When the next callback runs, or None when none is left."""
        while self._timers and self._timers[0].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0].when if self._timers else None

    def run_next(self) -> None:
        """Move to the next callback's time, if it is in the future, and run it."""
        if self.next_due() is None:
            return
        timer = heapq.heappop(self._timers)
        self._move_to(max(self._now, timer.when))
        timer.callback()

    def run_until(self, when: datetime | float) -> None:
        """Run every callback due until `when`, then stand at `when`."""
        target = when.timestamp() if isinstance(when, datetime) else when
        while (due := self.next_due()) is not None and due <= target:
            self.run_next()
        self._move_to(max(self._now, target))

    def _move_to(self, timestamp: float) -> None:
        self._now = timestamp
        if self._coordinates is not None:
            self._coordinates.move_to(timestamp)


class WallClock(Clock):
    """Real time, for a simulated AWS that real processes talk to."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def now(self) -> datetime:
        """Real time, in UTC."""
        return datetime.now(UTC)

    def timestamp(self) -> float:
        """Real time, in seconds since the epoch."""
        return time.time()

    def advance(self, seconds: float | SupportsIndex) -> None:
        """Wait."""
        time.sleep(float(seconds))
