"""What requests of operators make of files: pure.

Events arrive twice and late. A file knows the newest request that has changed it, and older ones have no effect on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from berthmaster.batch.model.files import File, State
from berthmaster.batch.model.orders import Action, Change, Order
from berthmaster.batch.model.stops import OwnStop
from berthmaster.batch.plan.balance import margin
from berthmaster.batch.plan.identity import SHARDS
from berthmaster.batch.plan.intake import MAY_HAVE_TASK
from berthmaster.batch.plan.status import UPLOAD_AGAIN
from berthmaster.batch.plan.transitions import ended, moved, with_launch
from berthmaster.batch.plan.versions import newest

A_SECOND = timedelta(seconds=1)
"""EventBridge rounds the times of events down to whole seconds."""
STOPS_WITHIN = timedelta(minutes=10)
"""A task that is to be stopped has stopped by then, or ECS does not know it."""
MOST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Left:
    """Why a file may not be changed, as a sentence without a full stop."""

    reason: str


def changed(file: File, change: Change, versions: Iterable[File], now: datetime, *, kept_for: timedelta) -> File | Left:
    """A file as it is to be written, itself if the request has changed it before, or why it is left as it is.

    versions: all of its key. kept_for: how long a file that has come to its end is remembered.
    """
    if file.request_id == change.id:
        return file
    if file.requested_at and change.at < file.requested_at:
        return Left("a request that was sent later has been carried out")
    found = _cancelled(file, change, now) if change.action is Action.CANCEL else _replayed(file, change, now, kept_for)
    if isinstance(found, Left):
        return found
    if change.action is Action.REPLAY and (latest := newest(versions)) and latest.id != file.id:
        return Left(f"a newer version of the object has come, the file {latest.id}")
    return replace(found, request_id=change.id, requested_at=change.at)


def is_concerned(file: File, order: Order) -> bool:
    """Whether a file was there when a request about all files of its pipeline was sent."""
    until = order.change.at + A_SECOND
    return file.received_at < until if order.change.action is Action.CANCEL else file.since < until


def _cancelled(file: File, change: Change, now: datetime) -> File | Left:
    if file.state is State.COMMITTING:
        return Left("its task has ended well, and its result is being committed")
    if not file.is_live:
        return Left(f"it is {file.state} already")
    if file.state in MAY_HAVE_TASK:
        file = with_launch(file, stopped_for=OwnStop.CANCEL)
    return ended(file, State.CANCELLED, now, f"cancelled by {_who(change)}")


def _replayed(file: File, change: Change, now: datetime, kept_for: timedelta) -> File | Left:
    if file.is_live:
        return Left(f"it is {file.state}, and has not come to an end")
    if file.state not in {State.DEAD, State.CANCELLED}:
        return Left(f"it is {file.state}, and only what is dead or cancelled is replayed. {UPLOAD_AGAIN.rstrip('.')}")
    if now - file.since > kept_for - margin(kept_for):
        return Left(f"its record is about to expire. {UPLOAD_AGAIN.rstrip('.')}")
    launch = file.launch
    is_stopping = launch and launch.task and not launch.is_claim and launch.stopped_for and not launch.stopped_at
    if file.state is State.CANCELLED and is_stopping and now - file.since < STOPS_WITHIN:
        return Left("its task is still being stopped, which takes some minutes: send the request again then")
    return replace(
        moved(file, State.WAITING, now, reason=f"replayed by {_who(change)}"),
        attempts=0,
        failures=0,
        spot_losses=0,
        task_size=None,
        is_alone=False,
        unreported=False,
    )


def _who(change: Change) -> str:
    return change.by or "an operator"


# Many files


def advanced(order: Order, sections: int) -> Order | None:
    """The order at the next page to be read, when all that was read is done; None if it has come to its end.

    sections: parts of the index that are gone through. Files move meanwhile from one to another: those that are to be
    cancelled are gone through again until none is found.
    """
    if order.done >= order.most:
        return None
    if order.after:
        return order
    if order.shard + 1 < SHARDS:
        return replace(order, shard=order.shard + 1)
    if order.section + 1 < sections:
        return replace(order, shard=0, section=order.section + 1)
    if order.change.action is Action.REPLAY or order.done == order.was_done or order.round == MOST_ROUNDS:
        return None
    return replace(order, shard=0, section=0, round=order.round + 1, was_done=order.done, left=0, failed=0)
