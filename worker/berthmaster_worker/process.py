"""The host that is a real process: threads, signals, and the command as a process of its own for each file."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from berthmaster_worker.host import Running
from berthmaster_worker.model import Job

INPUT, OUTPUT, CHECKPOINT = "{input}", "{output}", "{checkpoint}"
SIGNALLED = 128

Start = Callable[[Job, Callable[[], None]], Running]
"""Starts the work on a job; the second argument is to be called when it ends."""


class ProcessHost:
    """This process."""

    def __init__(self, start: Start) -> None:
        self._start = start
        # Unlike an Event it may be used by a signal handler that interrupts its own use.
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let the main thread sleep until somebody calls `wake`, also before this call, or for so long."""
        with suppress(queue.Empty):
            self._wakes.get(timeout=max(0.0, seconds))
        with suppress(queue.Empty):
            while True:
                self._wakes.get_nowait()

    def wake(self) -> None:
        """End the wait of the main thread, or its next one."""
        self._wakes.put(None)

    def in_background(self, work: Callable[[], None]) -> None:
        """Begin a thread that ends with the process."""
        threading.Thread(target=work, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        """Let another thread than the main one sleep."""
        time.sleep(seconds)

    def start(self, job: Job) -> Running:
        """Start the command."""
        return self._start(job, self.wake)


class Command:
    """Starts a command for each job, in a process group of its own."""

    def __init__(self, words: Sequence[str]) -> None:
        """words: the program and its arguments, in which the placeholders stand for paths. No shell reads them."""
        self._words = tuple(words)

    @property
    def names_checkpoint(self) -> bool:
        """Whether it is given the folder of the checkpoint."""
        return any(CHECKPOINT in word for word in self._words)

    def __call__(self, job: Job, ended: Callable[[], None]) -> Running:
        """Start it."""
        paths = {INPUT: str(job.input), OUTPUT: str(job.output), CHECKPOINT: str(job.checkpoint or "")}
        words = [_replaced(word, paths) for word in self._words]
        process = subprocess.Popen(  # noqa: S603 - the user's own command; nothing of a key is in it
            words, env=environment_of(job), stdin=subprocess.DEVNULL, start_new_session=True
        )
        return Group(process, ended)


class Group:
    """A process and those that it has started."""

    def __init__(self, process: subprocess.Popen[Any], ended: Callable[[], None]) -> None:
        self._process = process
        threading.Thread(target=self._wait, args=(ended,), daemon=True).start()

    def exit_code(self) -> int | None:
        """As a shell shows it."""
        return shell_code(self._process.poll())

    def terminate(self) -> None:
        """Ask them to end."""
        send_signal(self._process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End them."""
        send_signal(self._process.pid, signal.SIGKILL)

    def _wait(self, ended: Callable[[], None]) -> None:
        self._process.wait()
        ended()


def environment_of(job: Job) -> dict[str, str]:
    """The environment of the command: the worker's own, and the job."""
    found: dict[str, str] = {
        **os.environ,
        "BERTHMASTER_INPUT": str(job.input),
        "BERTHMASTER_OUTPUT": str(job.output),
        "BERTHMASTER_FILE": job.source.file,
        "BERTHMASTER_INPUT_BUCKET": job.source.bucket,
        "BERTHMASTER_INPUT_KEY": job.source.key,
        "BERTHMASTER_INPUT_VERSION_ID": job.source.version_id,
        "BERTHMASTER_INPUT_ETAG": job.source.etag,
        "BERTHMASTER_ATTEMPT": str(job.attempt),
    }
    if job.deadline:
        found["BERTHMASTER_DEADLINE"] = datetime.fromtimestamp(job.deadline, timezone.utc).isoformat(timespec="seconds")
    if job.checkpoint:
        found["BERTHMASTER_CHECKPOINT"] = str(job.checkpoint)
    return found


def shell_code(code: int | None) -> int | None:
    """An exit code as a shell shows it: that of a signal is 128 and its number."""
    return SIGNALLED - code if code is not None and code < 0 else code


def send_signal(group: int, number: int) -> None:
    """To a process group, as far as there is one."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def own_command() -> list[str]:
    """What this process was started with."""
    return [sys.executable, *sys.orig_argv[1:]]


def listen_for_stop(request: Callable[[], None]) -> None:
    """Call this on SIGTERM, and on Ctrl+C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: request())


def _replaced(word: str, paths: Mapping[str, str]) -> str:
    for placeholder, path in paths.items():
        word = word.replace(placeholder, path)
    return word
