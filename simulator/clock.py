"""Virtual time for the whole interpreter: moto, botocore, Powertools and the functions all see it."""

from __future__ import annotations

import heapq
import itertools
import time
from concurrent import futures
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Self, SupportsIndex

import time_machine

from simulator.processes import running_thread
from simulator.thread_pools import CoroutinePool

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.processes import Thread

type Callback = Callable[[], None]

_real_sleep, _real_pool = time.sleep, futures.ThreadPoolExecutor
_running: list[Clock] = []

MONDAY = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""Where simulated time starts unless a test says otherwise: a Monday morning."""


def _sleep(seconds: float | SupportsIndex) -> None:
    # A module imported while a clock runs may keep time.sleep for good: it must keep no clock.
    (_running[-1].advance if _running else _real_sleep)(seconds)


def _pool(max_workers: int) -> CoroutinePool:
    return CoroutinePool(_running[-1].resume, max_workers)


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
    """Time that moves only when somebody sleeps or waits, and what is due at each moment.

    Threads of simulated processes take turns: one that sleeps (`time.sleep`, botocore's back-off, an AWS call on its
    way) lets everything else that is due before it wakes up happen first. Outside such a thread, sleeping moves the
    time and runs nothing; `run_until` does. Callbacks at the same time run in the order in which they were set.
    """

    def __init__(self, start: datetime = MONDAY) -> None:
        self._now = start.timestamp()
        self._travel = time_machine.travel(start, tick=False)
        self._coordinates: time_machine.Traveller | None = None
        self._timers: list[Timer] = []
        self._order = itertools.count()
        self._horizon = -inf

    def __enter__(self) -> Self:
        self._coordinates = self._travel.start()
        _running.append(self)
        time.sleep = _sleep
        futures.ThreadPoolExecutor = _pool  # type: ignore[misc,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        _running.remove(self)
        if not _running:
            time.sleep, futures.ThreadPoolExecutor = _real_sleep, _real_pool  # type: ignore[misc]
        self._travel.stop()
        self._coordinates = None

    def now(self) -> datetime:
        """Virtual time, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    def timestamp(self) -> float:
        """Virtual time, in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float | SupportsIndex) -> None:
        """Let time pass; in a thread, let what falls due meanwhile happen."""
        until = self._now + max(0.0, float(seconds))
        thread = running_thread()
        if thread is None or (thread.process.death is None and self._is_next(until)):
            self._move_to(until)
        else:
            self.at(until, lambda: thread.process.resume(thread))
            thread.suspend()

    def resume(self, thread: Thread) -> None:
        """Let a thread that waits, or has not begun, go on now, as soon as all others wait."""
        self.at(self._now, lambda: thread.process.resume(thread))

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

    def step(self, until: float = inf) -> bool:
        """Run the next callback due until `until`, in seconds since the epoch; returns whether there was one.

        A thread that it resumes goes on until something else is due, or until it waits for longer than `until`.
        """
        due = self.next_due()
        if due is None or due > until:
            return False
        timer = heapq.heappop(self._timers)
        self._move_to(max(self._now, timer.when))
        before, self._horizon = self._horizon, until
        try:
            timer.callback()
        finally:
            self._horizon = before
        return True

    def run_until(self, when: datetime | float) -> None:
        """Run every callback due until `when`, then stand at `when`; threads that still wait then go on later."""
        target = when.timestamp() if isinstance(when, datetime) else when
        while self.step(target):
            pass
        self._move_to(max(self._now, target))

    def _is_next(self, until: float) -> bool:
        """Whether nothing happens until `until`: a thread that waits so long need not be left."""
        due = self.next_due()
        return until <= self._horizon and (due is None or due > until)

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
