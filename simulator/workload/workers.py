"""Workers of batch pipelines as programs of tasks: the package of worker/ itself, in virtual time.

Only what `berthmaster_worker.host` lists is another than in a real container: time, threads, and the command, which is
a function here.

>>> def ocr(job: Job) -> int:
...     job.sleep(40)
...     job.write("text.txt", job.data.upper())
...     return 0
>>> cloud.tasks.programs["ocr"] = worker(ocr)  # by the family of the task definition
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from berthmaster_worker.environment import OneFile, Settings
from berthmaster_worker.model import KILLED, TERMINATED
from berthmaster_worker.one_file import process_one
from berthmaster_worker.processing import Processing
from berthmaster_worker.watch import Stop
from berthmaster_worker.worker import Clients, Task, Worker
from simulator.aws.ecs.programs import Terminated
from simulator.errors import FunctionDied
from simulator.processes import running_thread

if TYPE_CHECKING:
    from berthmaster_worker.model import Job as WorkerJob
    from simulator.aws.ecs.programs import Container, Program
    from simulator.clock import Timer
    from simulator.processes import Thread

# The log of a simulated task goes nowhere, unless a test reads it.
logging.getLogger("berthmaster_worker").addHandler(logging.NullHandler())

type Work = Callable[[Job], int | None]
"""What the command does; returns its exit code (None is 0), and an exception is exit code 1."""


def worker(work: Work, *, with_checkpoints: bool = False) -> Program:
    """A worker as the program of a task, for one file or many, as its environment says."""

    def program(container: Container) -> int:
        host = SimulatedHost(container, work)
        one = OneFile.read(container.environment)
        settings = None if one else Settings.read(container.environment)
        stop = Stop(host, one.stop_seconds if one else settings.stop_seconds if settings else 0)
        container.on_terminate(stop.request)
        with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as below:
            processing = Processing(host, container.s3, Path(below), with_checkpoints=with_checkpoints)
            if one:
                return process_one(host, one, processing, stop)
            if settings is None:
                raise AssertionError
            clients = Clients(container.client("dynamodb"), container.client("sqs"), container.s3)
            task = Task(container.task.arn, container.task.pull_started_at)
            return Worker(host, clients, settings, task=task, processing=processing, stop=stop).run()

    return program


def taking(seconds: float) -> Work:
    """A command that takes so long for each file, and writes one object."""

    def work(job: Job) -> int:
        job.sleep(seconds)
        job.write("result.txt", b"result of " + job.data[:100])
        return 0

    return work


_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder is the worker's own
"""Where folders are made and deleted in no time: hundreds of workers have one for each file."""


class _Killed(BaseException):
    """SIGKILL for the command; no `except Exception` of it may catch that."""


class Job:
    """A file as the command sees it, and what a process can do.

    attempt: from 1. is_terminating: whether SIGTERM has arrived.
    """

    def __init__(self, job: WorkerJob, container: Container) -> None:
        self.job = job
        self.container = container
        self.attempt = job.attempt
        self.is_terminating = False
        self._is_told = self._is_killed = False
        self._sleeper: tuple[Thread, Timer] | None = None

    @property
    def data(self) -> bytes:
        """The content of the file."""
        return self.job.input.read_bytes()

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint."""
        if self.job.checkpoint is None:
            raise RuntimeError("this worker was started without checkpoints")
        return self.job.checkpoint

    def write(self, path: str, data: bytes) -> None:
        """Write one object of the result."""
        with self.job.create(path) as file:
            file.write(data)

    def sleep(self, seconds: float) -> None:
        """Let time pass. SIGTERM ends it with `Terminated`, and so it does the next one if it came meanwhile; once."""
        thread, clock = running_thread(), self.container.clock
        if thread is None:
            raise RuntimeError("only a command sleeps")
        if self._is_killed:
            raise _Killed
        if not self.is_terminating or self._is_told:
            self._sleeper = thread, clock.after(seconds, lambda: thread.process.resume(thread))
            thread.suspend()
            self._sleeper = None
        if self._is_killed:
            raise _Killed
        if self.is_terminating and not self._is_told:
            self._is_told = True
            raise Terminated

    def use_memory(self, mebibytes: int) -> None:
        """Take so much memory in all: the command is killed, and not the worker, if the task has less."""
        if mebibytes > self.container.task.memory_limit:
            raise _Killed

    def terminate(self) -> None:
        """SIGTERM arrives."""
        if not self.is_terminating:
            self.is_terminating = True
            self._wake()

    def kill(self) -> None:
        """SIGKILL arrives."""
        self._is_killed = True
        self._wake()

    def _wake(self) -> None:
        if self._sleeper is not None:
            thread, timer = self._sleeper
            self._sleeper = None
            timer.cancel()
            self.container.clock.resume(thread)


class SimulatedHost:
    """A container in virtual time, as `berthmaster_worker.host.Host` wants it."""

    def __init__(self, container: Container, work: Work) -> None:
        self.container = container
        self._work = work
        self._is_woken = False
        self._waiting: tuple[Thread, Timer] | None = None

    def monotonic(self) -> float:
        """Virtual time."""
        return self.container.now()

    def wait(self, seconds: float) -> None:
        """Let the main thread sleep until somebody calls `wake`, also before this call, or for so long."""
        thread = running_thread()
        if thread is None:
            raise RuntimeError("only a worker waits")
        if not self._is_woken and seconds > 0:
            timer = self.container.clock.after(seconds, lambda: thread.process.resume(thread))
            self._waiting = thread, timer
            thread.suspend()
            self._waiting = None
        self._is_woken = False

    def wake(self) -> None:
        """End the wait of the main thread, or its next one."""
        self._is_woken = True
        if self._waiting is not None:
            thread, timer = self._waiting
            self._waiting = None
            timer.cancel()
            self.container.clock.resume(thread)

    def in_background(self, work: Callable[[], None]) -> None:
        """Begin a thread that ends with the process."""
        thread = running_thread()
        if thread is None:
            raise RuntimeError("only a worker has threads")
        self.container.clock.resume(thread.process.thread(work))

    def sleep(self, seconds: float) -> None:
        """Let another thread than the main one sleep."""
        self.container.clock.advance(seconds)

    def start(self, job: WorkerJob) -> _Command:
        """Start the command."""
        command = _Command(Job(job, self.container), self._work, self.wake)
        self.in_background(command.run)
        return command


class _Command:
    """The command while it runs."""

    def __init__(self, job: Job, work: Work, ended: Callable[[], None]) -> None:
        self._job = job
        self._work = work
        self._ended = ended
        self._code: int | None = None

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._code

    def terminate(self) -> None:
        """SIGTERM."""
        self._job.terminate()

    def kill(self) -> None:
        """SIGKILL: whatever it does from now on, it has ended."""
        if self._code is None:
            self._end(KILLED)
            self._job.kill()

    def run(self) -> None:
        """Its process."""
        try:
            self._end(self._work(self._job) or 0)
        except FunctionDied:
            raise
        except _Killed:
            self._end(KILLED)
        except Terminated:
            self._end(TERMINATED)
        except Exception:  # noqa: BLE001 - whatever it raises ends it alone
            self._end(1)

    def _end(self, code: int) -> None:
        if self._code is None:
            self._code = code
            self._ended()
