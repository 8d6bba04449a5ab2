"""Processes whose threads are coroutines under the virtual clock.

One thread runs at a time, until it waits: each AWS call and each sleep is a wait. Whoever steps the clock (a test, a
benchmark, `make demo`) is not a thread, and gets control back when all threads wait. So the order of everything follows
from virtual time, and a seed repeats it.
"""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

from greenlet import getcurrent, greenlet

from simulator.errors import FunctionDied

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


class Thread(greenlet):
    """One thread of a process."""

    def __init__(self, process: Process, target: Callable[[], None]) -> None:
        super().__init__(parent=process.stepper)
        self.process = process
        self._target = target
        self.gr_context = copy_context()

    def run(self) -> None:
        """Run until the target returns or the process dies."""
        try:
            self._target()
        except FunctionDied as death:
            self.process.death = self.process.death or death

    def suspend(self) -> None:
        """Wait until `Process.resume`; raise if the process has died meanwhile."""
        if self.process.death is None:
            self.process.stepper.switch()
        if self.process.death is not None:
            raise self.process.death


class Process:
    """Threads that live and die together; the first of them is the main thread.

    installed: makes what belongs to the process (modules, environment, standard output) the interpreter's own while a
    thread of it runs. ended: called once, when the main thread has returned or the process has died. death: why it
    died; then no thread of it goes on, whatever its `finally` blocks try.

    `start`, `resume` and `kill` are for callbacks of the clock: threads never run each other.
    """

    def __init__(
        self,
        target: Callable[[], None],
        *,
        installed: Callable[[], AbstractContextManager[None]],
        ended: Callable[[], None],
    ) -> None:
        self.stepper = getcurrent()
        self.death: FunctionDied | None = None
        self._installed = installed
        self._ended = ended
        self._main = Thread(self, target)
        self._threads = [self._main]
        self._is_over = False

    def start(self) -> None:
        """Let the main thread begin."""
        self.resume(self._main)

    def thread(self, target: Callable[[], None]) -> Thread:
        """Another thread, which begins when it is resumed."""
        thread = Thread(self, target)
        self._threads = [one for one in self._threads if not one.dead] + [thread]
        return thread

    def resume(self, thread: Thread) -> None:
        """Let a thread go on until it waits again."""
        if self._is_over or thread.dead:
            return
        with self._installed():
            thread.switch()
        if self._main.dead or self.death is not None:
            self._end(self.death or FunctionDied("the main thread has returned"))

    def kill(self, death: FunctionDied) -> None:
        """End all threads where they wait."""
        if not self._is_over:
            self._end(death)

    def abandon(self) -> None:
        """End all threads where they wait, since the simulation is over; `ended` is not called."""
        self._ended = lambda: None
        self.kill(FunctionDied("the simulation is over"))

    def _end(self, death: FunctionDied) -> None:
        self.death, self._is_over = death, True
        with self._installed():
            for thread in self._threads:
                if thread:  # it has begun and has not ended
                    thread.switch()
        self._ended()


def running_thread() -> Thread | None:
    """The thread that runs now; None while the clock is stepped."""
    found = getcurrent()
    return found if isinstance(found, Thread) else None
