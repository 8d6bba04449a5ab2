"""`concurrent.futures.ThreadPoolExecutor` under the virtual clock: its workers are threads of a simulated process.

Outside any process, where nothing else could run meanwhile, work is done as it is submitted.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from concurrent import futures
from typing import TYPE_CHECKING, Any

from simulator.errors import FunctionDied
from simulator.processes import running_thread

if TYPE_CHECKING:
    from simulator.processes import Thread

type Work = Callable[[], None]
type Resume = Callable[[Thread], None]


class CoroutineFuture[T](futures.Future[T]):
    """A future that a thread awaits in virtual time, for as long as it takes."""

    def __init__(self, resume: Resume) -> None:
        super().__init__()
        self._resume = resume

    def result(self, timeout: float | None = None) -> T:
        """The result, or what the work raised."""
        self._wait(timeout)
        return super().result(timeout=0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the work raised, if it did."""
        self._wait(timeout)
        return super().exception(timeout=0)

    def _wait(self, timeout: float | None) -> None:
        if self.done():
            return
        thread = running_thread()
        if thread is None or timeout is not None:
            raise NotImplementedError("only threads await a result, and without a timeout")
        self.add_done_callback(lambda _: self._resume(thread))
        thread.suspend()


class CoroutinePool(futures.Executor):
    """Runs work in at most `max_workers` threads of the process that submits it.

    resume: lets a thread begin, or go on, as soon as all others wait.
    """

    def __init__(self, resume: Resume, max_workers: int) -> None:
        self._resume = resume
        self._most = max_workers
        self._waiting: deque[Work] = deque()
        self._workers = 0
        self._begun: list[futures.Future[Any]] = []

    def submit[T](self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> futures.Future[T]:
        """Have a call made by a thread of the pool."""
        future: CoroutineFuture[T] = CoroutineFuture(self._resume)
        work = functools.partial(_do, future, functools.partial(function, *args, **kwargs))
        thread = running_thread()
        if thread is None:
            work()
            return future
        self._waiting.append(work)
        self._begun.append(future)
        if self._workers < self._most:
            self._workers += 1
            self._resume(thread.process.thread(self._work))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as its base
        """Wait until all work is done."""
        if cancel_futures:
            raise NotImplementedError("work that was submitted is done")
        while wait and self._begun:
            self._begun.pop().exception()

    def _work(self) -> None:
        while self._waiting:
            self._waiting.popleft()()
        self._workers -= 1


def _do[T](future: futures.Future[T], work: Callable[[], T]) -> None:
    future.set_running_or_notify_cancel()
    try:
        result = work()
    except FunctionDied:
        raise
    except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
        future.set_exception(error)
    else:
        future.set_result(result)
