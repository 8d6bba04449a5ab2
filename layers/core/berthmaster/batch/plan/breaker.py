"""One file finds out that a pipeline is out of order, instead of all of them.

A launch that shows a wrong configuration opens the breaker of its pipeline. From then on one launch at a time, the
canary, finds out whether that is fixed: after five minutes, then after twice as long each time, an hour at most, and
at once if pipeline or task definition have changed. The breaker closes when a canary's container runs.

What RunTask refuses may be due to a file and not to the pipeline. Canaries are therefore other files than the one that
failed, if there are any; and a file that opens the breaker although another could be launched with the same revision
is charged itself from then on.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from berthmaster.batch.model.breaker import Breaker, BreakerState, Launched
from berthmaster.batch.model.launch_failures import LaunchFailure
from berthmaster.batch.model.stops import Cause

FIRST_PROBE = timedelta(minutes=5)
LAST_PROBE = timedelta(hours=1)
NEXT_PROBE = timedelta(seconds=30)
"""After a canary that stopped for another reason than the pipeline's."""

LOST_CANARY = timedelta(minutes=30)
"""A canary that has not run by then is given up: its task would have been stopped as stuck long before."""

ROW = 3
"""So many launches in a row that reach nothing are a matter of configuration."""

MOST_SUSPECTS = 50


class Permission(StrEnum):
    """What a pipeline may launch now."""

    ALL = "all"
    CANARY = "canary"
    NOTHING = "nothing"


def permission(breaker: Breaker, revision: str, now: datetime) -> Permission:
    """What may be launched; revision: what a launch would use now."""
    match breaker.state:
        case BreakerState.CLOSED:
            return Permission.ALL
        case BreakerState.OPEN:
            is_due = breaker.probe_at is None or breaker.probe_at <= now or revision != breaker.probed_with
        case BreakerState.PROBING:
            is_due = breaker.since is None or now - breaker.since >= LOST_CANARY
    return Permission.CANARY if is_due else Permission.NOTHING


def chosen(breaker: Breaker, due: Sequence[str]) -> str | None:
    """Which of the files that are due is the canary: the first, but rather another than those that have failed."""
    failed = {breaker.opened_by, breaker.canary, *(file_id for file_id, _ in breaker.suspects)}
    return next((file_id for file_id in due if file_id not in failed), due[0] if due else None)


def probing(breaker: Breaker, launch: Launched, now: datetime) -> Breaker:
    """The canary is about to be launched; to be written before it is, so that no other one is."""
    return replace(
        breaker,
        state=BreakerState.PROBING,
        since=now,
        probed_with=launch.revision,
        canary=launch.file_id,
        canary_launch=launch.number,
    )


def is_canary(breaker: Breaker, launch: Launched) -> bool:
    """Whether a launch is the canary that is under way."""
    under_way = (breaker.canary, breaker.canary_launch)
    return breaker.state is BreakerState.PROBING and (launch.file_id, launch.number) == under_way


def is_the_files_own(breaker: Breaker, launch: Launched) -> bool:
    """Whether a failure that looks like the pipeline's is the file's: others could be launched with the revision."""
    return (launch.file_id, launch.revision) in breaker.suspects


def ran(breaker: Breaker, launch: Launched, now: datetime) -> Breaker:
    """The container of a launch runs, or has run."""
    if not is_canary(breaker, launch):
        return replace(breaker, row=0) if breaker.state is BreakerState.CLOSED and breaker.row else breaker
    suspects = breaker.suspects
    if launch.revision == breaker.opened_with and launch.file_id != breaker.opened_by:
        suspect = (breaker.opened_by, breaker.opened_with)
        suspects = (*(one for one in suspects if one != suspect), suspect)[-MOST_SUSPECTS:]
    return Breaker(
        pipeline=breaker.pipeline,
        since=now,
        proven_at=launch.requested_at,
        suspects=suspects,
        version=breaker.version,
    )


def stopped(breaker: Breaker, launch: Launched, cause: Cause, diagnosis: str, now: datetime) -> Breaker:
    """The task of a launch has stopped.

    A canary that did not stop because of the pipeline, but for lack of capacity for instance, decides nothing; the next
    one follows soon.
    """
    if cause.shows_container_ran:
        return ran(breaker, launch, now)
    fails = cause.opens_breaker or cause.opens_breaker_in_a_row
    if is_canary(breaker, launch):
        return _canary_failed(breaker, diagnosis, now) if fails else _inconclusive(breaker, now)
    is_news = breaker.proven_at is None or launch.requested_at > breaker.proven_at
    if not fails or breaker.state is not BreakerState.CLOSED or not is_news or is_the_files_own(breaker, launch):
        return breaker
    if cause.opens_breaker_in_a_row and breaker.row + 1 < ROW:
        return replace(breaker, row=breaker.row + 1)
    return Breaker(
        pipeline=breaker.pipeline,
        state=BreakerState.OPEN,
        since=now,
        opened_at=now,
        diagnosis=diagnosis,
        opened_by=launch.file_id,
        opened_with=launch.revision,
        probe_at=now + FIRST_PROBE,
        probed_with=launch.revision,
        proven_at=breaker.proven_at,
        suspects=breaker.suspects,
        version=breaker.version,
    )


def refused(breaker: Breaker, launch: Launched, failure: LaunchFailure, now: datetime) -> Breaker:
    """A call of RunTask has failed; the launch may still be under way."""
    if failure.follows.keeps_token or failure.follows.adopts:
        return breaker
    cause = Cause.CONFIGURATION if failure.follows.opens_breaker else Cause.UNKNOWN
    return stopped(breaker, launch, cause, failure.text, now)


def _canary_failed(breaker: Breaker, diagnosis: str, now: datetime) -> Breaker:
    failed = breaker.failed_probes + 1
    wait = min(LAST_PROBE, FIRST_PROBE * (1 << min(failed, 10)))
    return replace(
        breaker, state=BreakerState.OPEN, since=now, diagnosis=diagnosis, probe_at=now + wait, failed_probes=failed
    )


def _inconclusive(breaker: Breaker, now: datetime) -> Breaker:
    return replace(breaker, state=BreakerState.OPEN, since=now, probe_at=now + NEXT_PROBE)
