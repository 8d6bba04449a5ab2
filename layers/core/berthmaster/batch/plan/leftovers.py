"""What the launches of a file have written that is no result, and when it is deleted: pure."""

from datetime import datetime, timedelta

from berthmaster.batch.model.files import File, State

AFTER_STOP = timedelta(hours=1)
"""After the stop of the last task."""
FOR_PEOPLE = timedelta(hours=12)
"""What a dead file has left may tell why."""
IF_UNKNOWN = timedelta(days=1)
"""After the end of the last launch, if nobody knows whether its task has stopped."""


def launches_to_sweep(file: File) -> list[int]:
    """The launches whose objects are to be deleted when the file has come to its end."""
    if file.launch is None or file.is_live:
        return []
    return [number for number in range(file.swept_to + 1, file.launch.number + 1) if number != file.result_of]


def sweep_due(file: File) -> datetime | None:
    """When they are deleted; None if there are none."""
    if file.launch is None or not launches_to_sweep(file):
        return None
    if file.launch.stopped_at is None:
        return max(file.since, file.launch.deadline) + IF_UNKNOWN
    return max(file.since, file.launch.stopped_at) + (FOR_PEOPLE if file.state is State.DEAD else AFTER_STOP)
