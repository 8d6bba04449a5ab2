"""One file, from its download to its upload: the same for a task that takes many files and for one that has one."""

import logging
import math
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from berthmaster_worker import checkpoints
from berthmaster_worker.errors import Interrupted, LostInput, is_passing
from berthmaster_worker.folders import Folders, folders_for
from berthmaster_worker.host import Host
from berthmaster_worker.model import (
    DONE,
    ERROR,
    EXITED,
    FAILED,
    HANDED_BACK,
    KILLED,
    LATER,
    LOST_INPUT,
    NOTHING,
    REJECTED,
    TERMINATED,
    TIMED_OUT,
    Ended,
    Input,
    Job,
)
from berthmaster_worker.objects import download, results_below, upload
from berthmaster_worker.watch import LOST, STOPPING, TIME_OVER, Watch

KILL_SECONDS = 10.0
"""From SIGTERM to SIGKILL for a command whose time is over."""
OUTCOMES = {TIME_OVER: TIMED_OUT, STOPPING: HANDED_BACK}

log = logging.getLogger("berthmaster_worker")


class Attempt:
    """What is known of an attempt at a file before it begins.

    earlier: the output prefixes of the attempts before it, the newest first. deadline: in seconds since the epoch.
    """

    def __init__(self, source: Input, *, bucket: str, root: str, number: int, deadline: float | None) -> None:
        """root: what the output prefixes of all attempts at the file begin with, up to the number."""
        self.source = source
        self.bucket = bucket
        self.number = number
        self.deadline = deadline
        self.prefix = f"{root}{number}/"
        self.earlier = [f"{root}{before}/" for before in range(number - 1, 0, -1)]


class Processing:
    """Works on files, one after the other. below: the folder for local files."""

    def __init__(self, host: Host, s3: Any, below: Path, *, with_checkpoints: bool) -> None:
        self._host = host
        self._s3 = s3
        self._below = below
        self._with_checkpoints = with_checkpoints

    def process(self, attempt: Attempt, watch: Watch) -> Ended | None:
        """Work on a file; returns how that has ended, None if the file is no longer the worker's.

        Nothing that one file brings about is raised: the next one has nothing to do with it.
        """
        try:
            with folders_for(attempt.source.key, self._below) as folders:
                return self._process(attempt, watch, folders)
        except Interrupted:
            verdict = watch.verdict()
            return None if verdict == LOST else _interrupted(verdict)
        except LostInput as error:
            return Ended(LOST_INPUT, LATER, str(error))
        except (BotoCoreError, ClientError) as error:
            log.warning("file %s: %s", attempt.source.file, error)
            return Ended(FAILED, LATER if is_passing(error) else ERROR, str(error))
        except Exception as error:
            # Such as a full disk: it lies with the file or its command, as an exit code does, and counts as one.
            log.exception("file %s", attempt.source.file)
            return Ended(EXITED, ERROR, f"{type(error).__name__}: {error}")

    def _process(self, attempt: Attempt, watch: Watch, folders: Folders) -> Ended:
        size = download(self._s3, attempt.source, folders.input, watch.check)
        if self._with_checkpoints:
            checkpoints.restore(self._s3, attempt.bucket, attempt.earlier, folders.checkpoint, watch.check)
        job = Job(
            source=attempt.source,
            input=folders.input,
            output=folders.output,
            checkpoint=folders.checkpoint if self._with_checkpoints else None,
            attempt=attempt.number,
            deadline=attempt.deadline,
        )
        code, interruption = self._run(job, watch)
        if interruption == TIME_OVER or (interruption == STOPPING and code not in (DONE, REJECTED, NOTHING)):
            kept = self._with_checkpoints and self._keep(attempt, folders, watch)
            outcome = OUTCOMES[interruption]
            return Ended(outcome, TERMINATED, f"the command was stopped: {interruption}", kept, size)
        if code != DONE:
            kept = code == LATER and self._with_checkpoints and self._keep(attempt, folders, watch)
            return Ended(EXITED, code, f"the command ended with {_said(code)}", kept, size)
        for path, file in results_below(folders.output):
            upload(self._s3, file, attempt.bucket, f"{attempt.prefix}{path}", watch.check_finishing)
        return Ended(EXITED, DONE, "", size=size)

    def _run(self, job: Job, watch: Watch) -> tuple[int, str]:
        """Run the command; returns its exit code, and why it was asked to end, empty if it was not."""
        running = self._host.start(job)
        interruption, kill_at = "", math.inf
        try:
            while (code := running.exit_code()) is None:
                verdict = watch.verdict()
                if verdict == LOST:
                    raise Interrupted
                if verdict and not interruption:
                    interruption = verdict
                    running.terminate()
                    kill_at = self._host.monotonic() + (KILL_SECONDS if verdict == TIME_OVER else watch.stop_in())
                left = kill_at - self._host.monotonic()
                if left <= 0:
                    running.kill()
                    left = KILL_SECONDS
                self._host.wait(min(left, watch.next_look()))
                watch.look()
            return code, interruption
        finally:
            # And what it has started and left behind.
            running.kill()

    def _keep(self, attempt: Attempt, folders: Folders, watch: Watch) -> bool:
        """Upload a checkpoint; that it fails is no reason to report anything else."""
        try:
            return checkpoints.save(self._s3, attempt.bucket, attempt.prefix, folders.checkpoint, watch.check_finishing)
        except (BotoCoreError, ClientError, OSError) as error:
            log.warning("file %s: checkpoint not saved: %s", attempt.source.file, error)
            return False


def _interrupted(verdict: str) -> Ended:
    outcome = OUTCOMES.get(verdict, HANDED_BACK)
    return Ended(outcome, TERMINATED, f"the worker was interrupted: {verdict}")


def _said(code: int) -> str:
    return f"exit code {code}" + (", killed: out of memory, as a rule" if code == KILLED else "")
