"""What the result of a worker means for the file that it had claimed: pure.

A claim differs from others of its file by its lease, a random text that only the worker and the ledger know. Who has
lost the claim, because functions took the worker for dead or the file was cancelled, reports in vain.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from berthmaster.batch.model.file_results import FileResult, WorkOutcome
from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.stops import Cause, Diagnosis, Stop
from berthmaster.batch.plan.following import after_stop
from berthmaster.batch.plan.stops import ESSENTIAL_EXITED, classify
from berthmaster.batch.plan.transitions import ended, with_launch


class ResultMeaning(StrEnum):
    """What a result is for the file that it names."""

    LOST = "lost"
    """The worker has the claim no more."""
    ENDS = "ends"
    """Its claim has ended, and what follows is to be decided."""
    COMMITS = "commits"
    """That it is to be committed was decided before."""


_DIAGNOSES = {
    WorkOutcome.TIMED_OUT: Diagnosis(
        Cause.TIMED_OUT,
        "Its command ran longer than the pipeline allows and was stopped: see the worker's log, or raise"
        " `timeoutMinutes`.",
    ),
    WorkOutcome.LOST_INPUT: Diagnosis(Cause.NOTHING_TO_DO, "Its object was deleted or overwritten before its turn."),
    WorkOutcome.HANDED_BACK: Diagnosis(
        Cause.INFRASTRUCTURE, "Its worker had to end before it was done, and has handed it back."
    ),
    WorkOutcome.FAILED: Diagnosis(Cause.INFRASTRUCTURE, "Its worker could not read its input or write its result."),
}
_INTERRUPTED = Diagnosis(Cause.SPOT, "Its worker had to end before it was done, since AWS has reclaimed its Spot task.")


def result_meaning(file: File, result: FileResult) -> ResultMeaning:
    """What a result is for the file that it names."""
    if file.claim is None or file.claim.lease != result.lease:
        return ResultMeaning.LOST
    return ResultMeaning.COMMITS if file.state is State.COMMITTING else ResultMeaning.ENDS


def diagnosis_of(result: FileResult, *, is_spot: bool) -> Diagnosis:
    """Why the work on a file has ended. is_spot: whether its worker runs on Spot, which is why most of those end."""
    if result.outcome is WorkOutcome.HANDED_BACK and is_spot:
        found = _INTERRUPTED
    elif result.outcome is WorkOutcome.EXITED:
        found = classify(Stop(code=ESSENTIAL_EXITED, exit_code=result.exit_code))
    else:
        found = _DIAGNOSES[result.outcome]
    return replace(found, text=f"{found.text} The worker: {result.reason}") if result.reason else found


def after_result(
    file: File,
    result: FileResult,
    diagnosis: Diagnosis,
    now: datetime,
    *,
    pipeline: Pipeline,
    size: tuple[int, int] | None,
) -> File:
    """The file as it is to be written, for every cause but DONE.

    pipeline: as the worker follows it. size: of the worker's task. What the worker was out of memory with gets a task
    of its own from then on, of the next size; so does, on demand, what Spot has interrupted as often as the pipeline
    allows. What the worker hands back waits for nothing.
    """
    if result.outcome is WorkOutcome.LOST_INPUT:
        return ended(file, State.VANISHED, now, diagnosis.text)
    attempts = pipeline.limits.attempts
    following = after_stop(file, diagnosis, now, attempts=attempts, size=size, is_canary=False)
    if following.task_size != file.task_size:
        return replace(following, is_alone=True)
    if result.outcome is WorkOutcome.HANDED_BACK and following.state is State.WAITING:
        is_lost_to_spot = diagnosis.cause is Cause.SPOT and following.spot_losses >= pipeline.spot_tries
        return replace(following, due=now, is_alone=following.is_alone or is_lost_to_spot)
    return following


def worked_on(file: File, now: datetime, dollars: float) -> File:
    """The file when its claim has ended. dollars: what the work has cost."""
    return replace(with_launch(file, stopped_at=now), dollars=file.dollars + dollars)
