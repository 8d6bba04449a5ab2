"""A Python callable instead of a command: it runs in a process that is kept from file to file.

The process is this program, started once more: what it has loaded (a model, a library) serves many files. It can be
stopped when a file takes too long, and a file that kills it is alone in that: the next one gets a new process.
"""

import json
import os
import subprocess
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from berthmaster_worker.host import Running
from berthmaster_worker.model import DONE, ERROR, Input, Job
from berthmaster_worker.process import environment_of, own_command, send_signal, shell_code

PIPES = "BERTHMASTER_JOB_PIPES"
"""Says that this process is the kept one: the file descriptors to read jobs from, and to write exit codes to."""

Process = Callable[[Job], "int | None"]
"""Works on a job; returns its exit code, where None is 0. An exception is exit code 1."""


class KeptProcess:
    """Gives jobs to a process of its own, and starts one where there is none."""

    def __init__(self) -> None:
        self._current: _Child | None = None

    def __call__(self, job: Job, ended: Callable[[], None]) -> Running:
        """Have a job done."""
        if self._current is None or not self._current.is_alive:
            self._current = _Child(job)
        return self._current.give(job, ended)


class _Child:
    """The process."""

    def __init__(self, job: Job) -> None:
        jobs, give = os.pipe()
        answer, codes = os.pipe()
        self.process = subprocess.Popen(  # noqa: S603 - this program
            own_command(),
            env={**environment_of(job), PIPES: f"{jobs} {codes}"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(jobs, codes),
        )
        os.close(jobs)
        os.close(codes)
        self._jobs = os.fdopen(give, "w", encoding="utf-8")
        self.codes: IO[str] = os.fdopen(answer, encoding="utf-8")

    @property
    def is_alive(self) -> bool:
        """Whether it takes another job."""
        return self.process.poll() is None

    def give(self, job: Job, ended: Callable[[], None]) -> Running:
        """Give it a job."""
        work = _Work(self, ended)
        try:
            self._jobs.write(encoded(job) + "\n")
            self._jobs.flush()
        except BrokenPipeError:
            # It has just died: then its exit code is that of the job.
            work.kill()
        return work


class _Work:
    """A job that the process was given."""

    def __init__(self, child: "_Child", ended: Callable[[], None]) -> None:
        self._child = child
        self._code: int | None = None
        threading.Thread(target=self._wait, args=(ended,), daemon=True).start()

    def exit_code(self) -> int | None:
        """As a shell shows it."""
        return self._code

    def terminate(self) -> None:
        """Ask it to end: the whole process does, and this is its last job."""
        send_signal(self._child.process.pid, 15)

    def kill(self) -> None:
        """End it, unless the job is done: then the process is kept."""
        if self._code is None:
            send_signal(self._child.process.pid, 9)

    def _wait(self, ended: Callable[[], None]) -> None:
        line = self._child.codes.readline()
        if line:
            self._code = int(line)
        else:
            self._code = shell_code(self._child.process.wait())
            # What it has started ends with it.
            send_signal(self._child.process.pid, 9)
        ended()


def serve(process: Process, pipes: str) -> int:
    """Be the kept process: do jobs until no more come."""
    jobs, codes = (int(one) for one in pipes.split())
    with os.fdopen(jobs, encoding="utf-8") as given, os.fdopen(codes, "w", encoding="utf-8") as told:
        for line in given:
            job = decoded(json.loads(line))
            os.environ.update(environment_of(job))
            told.write(f"{code_of_call(process, job)}\n")
            told.flush()
    return DONE


def code_of_call(process: Process, job: Job) -> int:
    """Call it; the exit code."""
    try:
        return process(job) or DONE
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else ERROR if exit_.code else DONE
    except Exception:  # noqa: BLE001 - whatever it raises fails this file alone
        traceback.print_exc()
        return ERROR


def encoded(job: Job) -> str:
    """A job as a line of text."""
    paths = {name: str(value) if value else None for name, value in _paths(job).items()}
    return json.dumps({**asdict(job), **paths})


def decoded(values: Mapping[str, Any]) -> Job:
    """The job that it says."""
    return Job(
        source=Input(**values["source"]),
        input=Path(values["input"]),
        output=Path(values["output"]),
        checkpoint=Path(values["checkpoint"]) if values["checkpoint"] else None,
        attempt=values["attempt"],
        deadline=values["deadline"],
    )


def _paths(job: Job) -> dict[str, Path | None]:
    return {"input": job.input, "output": job.output, "checkpoint": job.checkpoint}
