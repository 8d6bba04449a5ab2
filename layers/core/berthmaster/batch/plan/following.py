"""What ECS's events mean for a file, and what follows for it when its task has stopped: pure.

A launch number of a file is one client token, by which ECS starts one task at most. Events name the file and the number
by `startedBy`. So:

- An event with the current number is about the current launch, whose task becomes known by it if the answer of RunTask
  was lost. If ECS should have started another task with that number, the first that the ledger has heard of is the
  launch's.
- An event with a lower number is about a task of which the ledger had to believe that there is none, or no more: it is
  left to batch_reconcile, which stops it. It had an output prefix of its own, so it has harmed nothing.
- A file that waits has no launch any more, so that nothing is about it.

Nothing follows the stop of a task. So a late event that a task runs is known by the state of its file, by a higher
launch number, or by its version.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from berthmaster.batch.model.files import FINAL, File, State
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.stops import Cause, Diagnosis, OwnStop, Stop
from berthmaster.batch.model.tasks import RUNNING, TaskStateChange
from berthmaster.batch.plan.backoff import next_try
from berthmaster.batch.plan.sizes import next_memory
from berthmaster.batch.plan.stops import KILLED, TERMINATED
from berthmaster.batch.plan.transitions import ended, running, waiting, with_launch


class Meaning(StrEnum):
    """What an event is for a file."""

    NOTHING = "nothing"
    """It is about another task, or out of date."""
    STARTED = "started"
    """The container of the file's launch runs."""
    STOPPED = "stopped"
    """The task of the file's launch has stopped, and what follows is to be decided."""
    COMMITS = "commits"
    """It has stopped, and that its result is to be committed was decided before."""
    ENDED = "ended"
    """The file has come to its end, and what its last task is, that it ran, or has stopped, was not known yet."""


def meaning(file: File, number: int, change: TaskStateChange) -> Meaning:
    """What an event is for the file that it names; number: of the launch that it names."""
    launch = file.launch
    if launch is None or number != launch.number or (launch.task and launch.task != change.task):
        return Meaning.NOTHING
    if file.state in FINAL:
        has_started = change.last_status == RUNNING and launch.started_at is None
        has_stopped = change.has_stopped and (launch.stopped_at is None or file.unreported)
        is_news = not launch.task or has_started or has_stopped
        return Meaning.ENDED if is_news else Meaning.NOTHING
    if change.has_stopped:
        match file.state:
            case State.LAUNCHING | State.STARTING | State.RUNNING:
                return Meaning.STOPPED
            case State.COMMITTING:
                return Meaning.COMMITS
    elif change.last_status == RUNNING and change.version > launch.task_version:
        match file.state:
            case State.LAUNCHING | State.STARTING:
                return Meaning.STARTED
    return Meaning.NOTHING


def started(file: File, change: TaskStateChange, now: datetime) -> File:
    """The container runs."""
    return running(file, now, task=change.task, task_version=change.version, started_at=change.started_at)


def with_task(file: File, change: TaskStateChange, *, dollars: float) -> File:
    """The file with what the event says of its task. dollars: what the task has cost, if it has stopped."""
    launch = file.launch
    if launch is None:
        raise ValueError(f"file {file.id} was never launched")
    is_news = change.has_stopped and launch.stopped_at is None
    return with_launch(
        replace(file, dollars=round(file.dollars + dollars, 9)) if is_news else file,
        task=change.task,
        task_version=max(change.version, launch.task_version),
        started_at=change.started_at or launch.started_at,
        stopped_at=(change.stopped_at or change.at) if change.has_stopped else launch.stopped_at,
    )


def stop_of(change: TaskStateChange, container: str, *, own: str) -> Stop:
    """What is classified: the pipeline's container alone decides. own: why this application has stopped the task.

    If it has ended with exit code 0, others that fail do not matter, although ECS calls them essential. If ECS has
    stopped it because another one has failed, that one is named.
    """
    exit_code, reason = change.exit_codes.get(container), change.reasons.get(container, "")
    others = {name: code for name, code in change.exit_codes.items() if name != container}
    failed = [name for name, code in others.items() if code not in {0, KILLED, TERMINATED}]
    if exit_code in {None, KILLED, TERMINATED} and failed and "outofmemory" not in reason.lower():
        exit_code = TERMINATED
        reason = "; ".join(part for part in (reason, *_named(others, failed)) if part)
    if exit_code is None and not reason:
        reason = "; ".join(change.reasons.values())
    return Stop(
        code=change.stop_code,
        reason=change.stopped_reason,
        exit_code=exit_code,
        container_reason=reason,
        own=OwnStop(own) if own else None,
    )


def _named(exit_codes: Mapping[str, int], failed: list[str]) -> list[str]:
    return [f"the container {name} has ended with exit code {exit_codes[name]}" for name in failed]


def after_stop(
    file: File, diagnosis: Diagnosis, now: datetime, *, attempts: int, size: tuple[int, int] | None, is_canary: bool
) -> File:
    """The file as it is to be written, for every cause but DONE.

    attempts: as the pipeline allows. size: that the task had, None if that is not known. is_canary: see `next_try`.
    """
    cause, text = diagnosis.cause, diagnosis.text
    if cause is Cause.REJECTED:
        return reported_later(ended(file, State.DEAD, now, text))
    if cause is Cause.NOTHING_TO_DO:
        return reported_later(ended(file, State.SKIPPED, now, text))
    if cause is Cause.CANCELLED:
        match file.launch.stopped_for if file.launch else "":
            case OwnStop.CANCEL:
                return ended(file, State.CANCELLED, now, text)
            case OwnStop.SUPERSEDED:
                return ended(file, State.SUPERSEDED, now, text)
            case _:
                # It was taken for an orphan, and is the file's task.
                cause = Cause.INFRASTRUCTURE
    larger = larger_size(file, size) if cause is Cause.OUT_OF_MEMORY else None
    following = next_try(file, cause, attempts=attempts, has_larger_size=larger is not None, is_canary=is_canary)
    file = following.file
    if following.after is None:
        return reported_later(ended(file, State.DEAD, now, f"{following.reason}. {text}"))
    if larger:
        file = replace(file, task_size=(larger.cpu, larger.memory))
    return waiting(file, now, due=now + following.after, reason=text)


def larger_size(file: File, size: tuple[int, int] | None) -> Size | None:
    """The size that is tried after the one at which a task of the file was out of memory; None if none is."""
    if file.task_size or size is None:
        return None
    return next_memory(*size)


def reported_later(file: File) -> File:
    """The bus is to know what has become of the file, when that is written down."""
    return replace(file, unreported=True)
