"""Programs of a scene: what the container of a task does while the task is RUNNING, as a process in virtual time.

>>> def ocr(container: Container) -> int:
...     container.sleep(40)
...     container.s3.put_object(Bucket="results", Key=container.environment["OUTPUT"], Body=b"...")
...     return 0
>>> cloud.tasks.programs["ocr"] = ocr  # by the family of the task definition

Its calls are recorded under `workload` and the task's id, and take time as those of functions do. A task whose family
has no program runs until it is stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from simulator.aws.ecs.fargate import OUT_OF_MEMORY
from simulator.calls import WORKLOAD, calling_as
from simulator.errors import Killed
from simulator.processes import Process, Thread, running_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.account import Account
    from simulator.aws.ecs.task import Task
    from simulator.clock import Clock, Timer

SIGKILL_CODE, SIGTERM_CODE = 137, 143

type Program = Callable[[Container], int | None]
"""What runs in a container; returns its exit code (None is 0), and an exception is exit code 1."""


class Terminated(Exception):
    """SIGTERM arrived. If it leaves the program, the exit code is 143.

    A program that has no handler for SIGTERM, which the first process of a container then ignores, catches it.
    """


class Container:
    """A task's container as its program sees it.

    is_terminating: whether SIGTERM has arrived; SIGKILL follows after the definition's `stopTimeout`. killed_for: why
    the container was killed, as ECS says it.
    """

    def __init__(self, account: Account, task: Task) -> None:
        self.task = task
        self.is_terminating = False
        self.killed_for = ""
        self._account = account
        self._is_told = False
        self._sleeper: tuple[Thread, Timer] | None = None
        self._on_terminate: list[Callable[[], None]] = []

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the task definition with the overrides of RunTask."""
        return self.task.environment

    @property
    def command(self) -> list[str]:
        """The command of the task definition, or of the overrides of RunTask."""
        return self.task.command

    @property
    def clock(self) -> Clock:
        """Virtual time."""
        return self._account.clock

    @property
    def s3(self) -> Any:
        """An S3 client."""
        return self.client("s3")

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return self._account.client(service)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._account.clock.timestamp()

    def sleep(self, seconds: float) -> None:
        """Let time pass. SIGTERM ends it with `Terminated`, and so it does the next one if it came meanwhile; once."""
        thread = running_thread()
        if thread is None:
            raise RuntimeError("only a program sleeps in a container")
        if not self.is_terminating:
            timer = self._account.clock.after(seconds, lambda: thread.process.resume(thread))
            self._sleeper = thread, timer
            thread.suspend()
            self._sleeper = None
        elif self._is_told:
            self._account.clock.advance(seconds)
        if self.is_terminating and not self._is_told:
            self._is_told = True
            raise Terminated

    def use_memory(self, mebibytes: int) -> None:
        """Take so much memory in all: the container is killed at once if that is more than it has."""
        if mebibytes > self.task.memory_limit:
            self.killed_for = OUT_OF_MEMORY
            raise Killed(OUT_OF_MEMORY)

    def on_terminate(self, callback: Callable[[], None]) -> None:
        """Call this when SIGTERM arrives: a handler of a program that does not sleep by `sleep`."""
        self._on_terminate.append(callback)

    def terminate(self) -> None:
        """SIGTERM arrives."""
        self.is_terminating = True
        for callback in self._on_terminate:
            callback()
        if self._sleeper is not None:
            thread, timer = self._sleeper
            timer.cancel()
            self._account.clock.resume(thread)


class Run:
    """A program while it runs; `ended` is called with it when it has ended, however that was.

    `start` and `kill` are for callbacks of the clock.
    """

    def __init__(self, account: Account, task: Task, program: Program, ended: Callable[[Run], None]) -> None:
        self.container = Container(account, task)
        self._clock = account.clock
        self._until_kill: Timer | None = None
        self._ended = ended
        self.exit_code = SIGKILL_CODE
        self.error: Exception | None = None
        self.process = Process(lambda: self._run(program), installed=nullcontext, ended=self._end)

    def start(self) -> None:
        """Let the program begin."""
        self.process.start()

    def terminate(self, until_kill: float) -> None:
        """Send SIGTERM, and SIGKILL so many seconds later; nothing changes if it was sent before."""
        if self._until_kill is None:
            self._until_kill = self._clock.after(until_kill, self.kill)
            self.container.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill(Killed("SIGKILL"))

    def _end(self) -> None:
        if self._until_kill is not None:
            self._until_kill.cancel()
        self._ended(self)

    def _run(self, program: Program) -> None:
        try:
            with calling_as(WORKLOAD, request_id=self.container.task.id):
                self.exit_code = program(self.container) or 0
        except Terminated:
            self.exit_code = SIGTERM_CODE
        except Exception as error:  # noqa: BLE001 - whatever a program raises ends its container alone
            self.exit_code, self.error = 1, error
