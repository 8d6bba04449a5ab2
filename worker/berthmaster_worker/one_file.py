"""A task that was started for one file: the contract `command`, whose exit codes docs/batch.md lists."""

import logging
from typing import Any

from berthmaster_worker.environment import OneFile
from berthmaster_worker.host import Host
from berthmaster_worker.model import EXITED
from berthmaster_worker.processing import Attempt, Processing
from berthmaster_worker.watch import Stop, Watch

log = logging.getLogger("berthmaster_worker")


def process_one(host: Host, task: OneFile, processing: Processing, stop: Stop) -> int:
    """Process the file; returns the exit code of the task."""
    root = task.output_prefix.removesuffix(f"{task.attempt}/")
    if root == task.output_prefix:
        raise ValueError(f"{task.output_prefix!r} does not end with attempt {task.attempt}")
    deadline = task.deadline.timestamp() if task.deadline else None
    attempt = Attempt(task.input, bucket=task.output_bucket, root=root, number=task.attempt, deadline=deadline)
    ended: Any = processing.process(attempt, Watch(host, stop))
    if ended.outcome != EXITED or ended.exit_code:
        log.error("%s: %s", ended.outcome, ended.reason)
    return int(ended.exit_code)
