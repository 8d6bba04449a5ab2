"""Which running tasks no file of the ledger has: pure.

Such a task is one of a launch that was known to have failed and started all the same, of a file that has come to its
end, or of a launch that is not its file's any more. It writes below a prefix of its own, so it can harm no result; but
it costs, and may run for ever.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.batch.model.files import IN_FLIGHT, File
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.model.tasks import Task
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.identity import is_worker, started_by

MARKED_FOR = timedelta(seconds=50)
"""For so long at least, a task is known as an orphan before it is stopped: until the next run."""
FORGOTTEN_AFTER = timedelta(hours=1)
"""A mark is older only if the task is not there any more."""
PAGES_A_MINUTE = 20
"""Of ListTasks, on average: tasks are listed once a minute, and less often if they are many."""


class Finding(StrEnum):
    """What a task is."""

    KNOWN = "known"
    """Its file has it, or waits to hear of it."""
    FOREIGN = "foreign"
    """Not of this stack, or it stops already: it is left alone."""
    UNKNOWN = "unknown"
    """The ledger has no such file. It may be a new one, or was restored: nothing is stopped."""
    ORPHAN = "orphan"
    """No file has it."""
    UNWANTED = "unwanted"
    """Its file has come to its end, and it is written down why the task is to be stopped."""


def is_of(task: Task, stack: str) -> bool:
    """Whether a task was launched by this stack, by its tag and by what it says of itself."""
    names_launch = bool(started_by(task.started_by)) or is_worker(task.started_by)
    return task.stack == stack and task.group.startswith(f"berthmaster_{stack}_") and names_launch


def find(task: Task, file: File | None) -> Finding:
    """What a task of this stack is. file: that its `startedBy` names, read after the task was listed."""
    named = started_by(task.started_by)
    if task.is_to_stop or named is None:
        return Finding.FOREIGN
    if file is None:
        return Finding.UNKNOWN
    launch = file.launch
    if launch is None or launch.number < named.launch:
        # A launch is written down before it is requested: this ledger was restored to an earlier time.
        return Finding.UNKNOWN
    if launch.number > named.launch or launch.task not in {"", task.arn}:
        return Finding.ORPHAN
    if file.state in IN_FLIGHT:
        return Finding.KNOWN
    return Finding.UNWANTED if launch.stopped_for and not file.is_live else Finding.ORPHAN


def find_worker(task: Task, worker: Worker | None) -> Finding:
    """What a task of this stack is that names a worker. worker: as the ledger has it, read after the task was listed.

    Files that it has claimed are released when it has stopped.
    """
    if task.is_to_stop:
        return Finding.FOREIGN
    if worker is None:
        return Finding.UNKNOWN
    is_its_task = worker.launch.task in {"", task.arn}
    return Finding.KNOWN if worker.is_active and is_its_task else Finding.ORPHAN


def marks(before: Mapping[str, datetime], found: Mapping[str, bool], now: datetime) -> dict[str, datetime]:
    """The marks after a run. found: by ARN of all tasks that it has looked at, whether they are to be marked."""
    kept = {arn: since for arn, since in before.items() if found.get(arn, True) and now - since < FORGOTTEN_AFTER}
    return {arn: now for arn, is_marked in found.items() if is_marked} | kept


def why_to_stop(
    finding: Finding, task: Task, file: File | None, marked: Mapping[str, datetime], now: datetime
) -> OwnStop | None:
    """Why a task is stopped now, None if it is not. marked: by earlier runs."""
    if finding is Finding.UNWANTED and file and file.launch:
        return OwnStop(file.launch.stopped_for)
    if finding is Finding.ORPHAN and task.arn in marked and now - marked[task.arn] >= MARKED_FOR:
        return OwnStop.ORPHAN
    return None
