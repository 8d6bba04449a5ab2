"""When a file is tried again after its task has stopped, and when it is not any more.

What the file's own work did is charged as an attempt, of which the pipeline allows so many. What AWS did is not, but
counted, so that no file costs without end. A configuration that is wrong is neither: the breaker holds its pipeline
back. Nor is a lack of capacity, which says nothing of the file.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from zlib import crc32

from berthmaster.batch.model.files import File
from berthmaster.batch.model.stops import Cause

MOST_FAILURES = 10
"""Of infrastructure."""
MOST_SPOT_LOSSES = 20

_CHARGED = frozenset({Cause.APPLICATION, Cause.TIMED_OUT, Cause.OUT_OF_MEMORY})
_COUNTED = frozenset({Cause.INFRASTRUCTURE, Cause.UNREACHABLE, Cause.NOT_WORKING, Cause.UNKNOWN, Cause.TRY_LATER})
_UNCOUNTED = frozenset({Cause.CAPACITY, Cause.CONFIGURATION})
AGAIN = _CHARGED | _COUNTED | _UNCOUNTED | {Cause.SPOT}
"""The causes after which a file may be tried again."""


@dataclass(frozen=True, slots=True)
class _Backoff:
    first: timedelta
    most: timedelta

    def after(self, failures: int, file_id: str) -> timedelta:
        """How long to wait after so many failures, at least half of what doubling gives.

        The other half differs from file to file, so that files that failed together are not launched together; and it
        is the same whenever it is asked, so that a step that is repeated changes nothing.
        """
        doubled = min(self.most, self.first * (1 << min(failures - 1, 16)))
        return doubled * (0.5 + crc32(f"{file_id} {failures}".encode()) / 2**33)


_OWN_WORK = _Backoff(timedelta(seconds=30), timedelta(minutes=15))
_AWS = _Backoff(timedelta(seconds=10), timedelta(minutes=5))


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTry:
    """What follows for a file. file: with what is charged or counted.

    after: how long it waits; None if it is dead, by the reason that is given.
    """

    file: File
    after: timedelta | None
    reason: str = ""


def next_try(
    file: File, cause: Cause, *, attempts: int, has_larger_size: bool = False, is_canary: bool = False
) -> NextTry:
    """What follows for a file whose task has stopped by one of the causes `AGAIN`.

    attempts: as the pipeline allows. has_larger_size: whether the task was out of memory at the size of its task
    definition, and Fargate has a larger one: that is tried once, and not charged. is_canary: whether the launch was to
    show if a breaker can close: what AWS did is not counted then, however long the pipeline is out of order.

    Errors: ValueError for a cause that ends a file.
    """
    if cause not in AGAIN:
        raise ValueError(f"a file whose task has stopped by {cause!r} is not tried again")
    if cause is Cause.OUT_OF_MEMORY and has_larger_size:
        return NextTry(file=file, after=timedelta())
    if cause in _UNCOUNTED or (cause in _COUNTED and is_canary):
        times = _for_nothing(file) if cause is Cause.CAPACITY else 1
        return NextTry(file=file, after=_AWS.after(times, file.id))
    if cause in _CHARGED:
        return _charged(replace(file, attempts=file.attempts + 1), cause, attempts)
    if cause is Cause.SPOT:
        file = replace(file, spot_losses=file.spot_losses + 1)
        times, most, reason = file.spot_losses, MOST_SPOT_LOSSES, "Fargate Spot has interrupted its task"
    else:
        file = replace(file, failures=file.failures + 1)
        times, most, reason = (
            file.failures,
            MOST_FAILURES,
            "through no fault of its own, its task has not done its work",
        )
    if times >= most:
        return NextTry(file=file, after=None, reason=f"{reason}, {times} times")
    backoff = _OWN_WORK if cause is Cause.TRY_LATER else _AWS
    return NextTry(file=file, after=backoff.after(times, file.id))


def _for_nothing(file: File) -> int:
    """How many launches of a file have neither been charged nor counted, if the last one has become a task.

    Where RunTask has refused one for lack of capacity, the dispatcher launches nothing for a while; of tasks that ECS
    has accepted and could not start, nobody knows but their files.
    """
    if file.launch is None or not file.launch.task:
        return 1
    return max(1, file.launch.number - file.attempts - file.failures - file.spot_losses)


def _charged(file: File, cause: Cause, attempts: int) -> NextTry:
    if cause is Cause.OUT_OF_MEMORY:
        return NextTry(file=file, after=None, reason="its task was out of memory, and Berthmaster tries no larger size")
    if file.attempts >= attempts:
        return NextTry(file=file, after=None, reason=f"{file.attempts} of {attempts} attempts have failed")
    return NextTry(file=file, after=_OWN_WORK.after(file.attempts, file.id))
