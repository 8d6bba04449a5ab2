"""Sums of what was measured: added up, weighted by age, and what they say of files to come."""

from collections.abc import Iterable, Mapping
from math import floor, log2

from berthmaster.batch.model.files import File
from berthmaster.batch.model.measures import FileMeasured, FileSums, Measures, TaskMeasured, TaskSums
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.tasks import TaskStateChange

ENDED_ITSELF = "EssentialContainerExited"
"""ECS's stop code of a task that nobody has stopped."""
SPANS_PER_DOUBLING = 4
SHORTEST = 0.01
"""Seconds; what is shorter counts as that."""
OLDER = 0.5
"""Weight of an hour with measurements against the next later one: what has changed counts within hours."""


def size_class(size: int) -> int:
    """Of a file, by its bytes: files of one class differ at most fourfold."""
    return (size.bit_length() + 1) // 2


def span(seconds: float) -> int:
    """The number of the span of time that so many seconds are in."""
    return floor(SPANS_PER_DOUBLING * log2(max(SHORTEST, seconds)))


def longest_of(number: int) -> float:
    """Seconds: the end of a span."""
    return float(2 ** ((number + 1) / SPANS_PER_DOUBLING))


def middle_of(number: int) -> float:
    """Seconds: the middle of a span."""
    return float(2 ** ((number + 0.5) / SPANS_PER_DOUBLING))


def measured(found: Iterable[FileMeasured | TaskMeasured]) -> Measures:
    """The sums over what was measured in one pipeline."""
    return weighted([_sums(one) for one in found], older=1.0)


def weighted(newest_first: Iterable[Measures], *, older: float = OLDER) -> Measures:
    """The sum of several; each counts `older` times what the one before it does."""
    files: dict[object, FileSums] = {}
    tasks: dict[object, TaskSums] = {}
    weight = 1.0
    for one in newest_first:
        for key, sums in one.files.items():
            files[key] = _with_files(files.get(key, FileSums()), sums, weight)
        for size, stopped in one.tasks.items():
            tasks[size] = _with_tasks(tasks.get(size, TaskSums()), stopped, weight)
        weight *= older
    return Measures(files=files, tasks=tasks)  # type: ignore[arg-type]


def measured_alone(file: File, change: TaskStateChange) -> list[FileMeasured | TaskMeasured]:
    """What it says of a file's own task that it has stopped; nothing if ECS does not say of which size it was."""
    if change.size is None or file.launch is None:
        return []
    task = TaskMeasured(
        pipeline=file.pipeline,
        size=Size(*change.size),
        requested_at=file.launch.requested_at,
        pull_started_at=change.pull_started_at,
        started_at=change.started_at,
        ended_at=change.execution_stopped_at,
        stopped_at=change.stopped_at,
    )
    ended_at = change.execution_stopped_at or change.stopped_at
    if change.stop_code != ENDED_ITSELF or change.started_at is None or ended_at is None:
        return [task]
    seconds = (ended_at - change.started_at).total_seconds()
    return [task, FileMeasured(pipeline=file.pipeline, size=task.size, bytes=file.size, seconds=max(0.0, seconds))]


def _sums(one: FileMeasured | TaskMeasured) -> Measures:
    if isinstance(one, FileMeasured):
        sums = FileSums(seconds=one.seconds, bytes=one.bytes, spans={span(one.seconds): 1.0})
        return Measures(files={(one.size, size_class(one.bytes)): sums})
    return Measures(tasks={one.size: _of_task(one)})


def _of_task(task: TaskMeasured) -> TaskSums:
    if task.pull_started_at is None or task.started_at is None or task.stopped_at is None:
        return TaskSums(stopped=1.0)
    ended_at = min(task.ended_at or task.stopped_at, task.stopped_at)
    billed = task.stopped_at - task.pull_started_at
    return TaskSums(
        stopped=1.0,
        count=1.0,
        latency=max(0.0, (task.started_at - task.requested_at).total_seconds()),
        unused=max(0.0, (billed - (ended_at - task.started_at)).total_seconds()),
    )


def _with_files(sums: FileSums, more: FileSums, weight: float) -> FileSums:
    return FileSums(
        seconds=sums.seconds + weight * more.seconds,
        bytes=sums.bytes + weight * more.bytes,
        spans=_added(sums.spans, more.spans, weight),
    )


def _with_tasks(sums: TaskSums, more: TaskSums, weight: float) -> TaskSums:
    return TaskSums(
        stopped=sums.stopped + weight * more.stopped,
        count=sums.count + weight * more.count,
        latency=sums.latency + weight * more.latency,
        unused=sums.unused + weight * more.unused,
    )


def _added(counts: Mapping[int, float], more: Mapping[int, float], weight: float) -> dict[int, float]:
    return {one: counts.get(one, 0.0) + weight * more.get(one, 0.0) for one in counts.keys() | more.keys()}
