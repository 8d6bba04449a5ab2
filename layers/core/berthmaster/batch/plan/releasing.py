"""What becomes of a file that a worker had, and has not reported: pure.

What the worker itself or its command did to end so may be this file's doing: the file has a task of its own the next
time, whose end is its own.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.files import Claim, File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.stops import Cause, Diagnosis
from berthmaster.batch.model.workers import Worker
from berthmaster.batch.plan.following import after_stop
from berthmaster.batch.plan.heartbeats import LEASE
from berthmaster.batch.plan.transitions import with_launch
from berthmaster.batch.plan.workers import is_released_at

OVERTIME = timedelta(minutes=10)
"""A worker ends a file that takes longer than its pipeline allows; after so long it is not going to."""
RECEIVED_WITHIN = timedelta(minutes=35)
"""A result that was sent is received by then, however often that fails: five times, six minutes apart."""
SENT_WITHIN = timedelta(seconds=30)
"""A worker that cannot send its results for so long claims nothing more."""
UNKNOWN_OWNER = timedelta(minutes=10)
"""A claim by a worker that the ledger does not have is released when it is older: the record of a worker is written
before its task is requested, so this ledger was restored to an earlier time."""

_FOR_FILE = {Cause.SPOT: Cause.SPOT, Cause.OUT_OF_MEMORY: Cause.OUT_OF_MEMORY, Cause.TIMED_OUT: Cause.TIMED_OUT}
"""What a file is charged with, by the end of its worker; for all else, AWS or the worker is to blame."""
_MAYBE_THE_FILE = frozenset(
    {Cause.OUT_OF_MEMORY, Cause.TIMED_OUT, Cause.APPLICATION, Cause.REJECTED, Cause.NOTHING_TO_DO, Cause.TRY_LATER}
)


def reported(files: Iterable[File]) -> frozenset[str]:
    """The leases of claims whose results were sent. files: all that are in flight in a pipeline.

    A worker works on one file at a time: those before its last ones may only wait until their results are received.
    """
    claims = [file.claim for file in files if file.claim]
    newest: dict[str, datetime] = {}
    for claim in claims:
        newest[claim.owner] = max(claim.at, newest.get(claim.owner, claim.at))
    return frozenset(one.lease for one in claims if one.at < newest[one.owner] - SENT_WITHIN)


def why_released(
    claim: Claim, worker: Worker | None, silence: timedelta, now: datetime, *, timeout: timedelta, is_reported: bool
) -> Diagnosis | None:
    """Why a claim is released now; None if it is not.

    worker: as the ledger has it; None if it does not. silence: for how long it has given no sign of life. timeout: of
    one file, as its pipeline says. is_reported: whether the worker has gone on with other files since; one that has
    ended well has reported all.
    """
    age = now - claim.at
    if worker is None:
        if age < UNKNOWN_OWNER:
            return None
        return Diagnosis(Cause.INFRASTRUCTURE, f"The ledger has no worker {claim.owner}, which had claimed the file.")
    if not worker.is_active:
        is_reported |= worker.cause is Cause.DONE
        if now < (worker.since + RECEIVED_WITHIN if is_reported else is_released_at(worker)):
            return None
        text = f"The worker {worker.id} has ended without having reported the file. {worker.reason}"
        return Diagnosis(worker.cause or Cause.INFRASTRUCTURE, text.strip())
    if silence >= LEASE and not is_reported:
        text = f"The worker {worker.id} has given no sign of life for {silence.total_seconds():.0f} seconds."
        return Diagnosis(Cause.INFRASTRUCTURE, text)
    if age > timeout + (RECEIVED_WITHIN if is_reported else OVERTIME):
        text = f"The worker {worker.id} has had the file for longer than the pipeline allows: see its log."
        return Diagnosis(Cause.TIMED_OUT, text)
    return None


def after_release(
    file: File, diagnosis: Diagnosis, now: datetime, *, pipeline: Pipeline, worker: Worker | None
) -> File:
    """The file as it is to be written, without its claim. pipeline: as it was when the worker was launched."""
    cause = _FOR_FILE.get(diagnosis.cause, Cause.INFRASTRUCTURE)
    stopped_at = worker.launch.stopped_at if worker else None
    size = worker.launch.size if worker else None
    after = after_stop(
        with_launch(file, stopped_at=stopped_at),
        Diagnosis(cause, diagnosis.text),
        now,
        attempts=pipeline.limits.attempts,
        size=size,
        is_canary=False,
    )
    is_lost_to_spot = cause is Cause.SPOT and after.spot_losses >= pipeline.spot_tries
    is_alone = file.is_alone or diagnosis.cause in _MAYBE_THE_FILE or is_lost_to_spot
    return replace(after, is_alone=is_alone)
