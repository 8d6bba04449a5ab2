"""How a file goes from one state to the next: pure, so that whoever reads this knows all ways there are.

waiting → launching → starting → running → committing → committed
   │         └───────────┴──────────┴──────────┴→ waiting (again, later), or another end
   └─── a worker claims it ───→ running

Every function returns the file as it is to be written. Whoever writes it has read the file before, and the write fails
if anybody else has written it meanwhile.
"""

from dataclasses import replace
from datetime import datetime

from berthmaster.batch.model.files import Claim, File, Launch, State

_CLAIMED = frozenset({State.RUNNING, State.COMMITTING})
"""The states in which a worker's claim stands: its result may be received twice while it is committed."""


def moved(file: File, state: State, now: datetime, *, reason: str = "", due: datetime | None = None) -> File:
    """The file in another state; what no worker works on any more is claimed no more."""
    claim = file.claim if state in _CLAIMED else None
    return replace(file, state=state, since=now, due=due or now, reason=reason, claim=claim)


def launching(file: File, launch: Launch, *, due: datetime) -> File:
    """It is about to be requested. due: if the outcome is not known by then, the same is requested again."""
    return moved(replace(file, launch=launch), State.LAUNCHING, launch.requested_at, due=due)


def claimed(file: File, claim: Claim) -> File:
    """A worker works on it: that is a launch of its own, whose number is the claim's fence."""
    launch = Launch(
        number=claim.fence,
        pipeline_version=claim.pipeline_version,
        requested_at=claim.at,
        deadline=claim.until,
        task=claim.task,
        started_at=claim.at,
    )
    return replace(moved(file, State.RUNNING, claim.at), launch=launch, claim=claim)


def starting(file: File, task: str, now: datetime) -> File:
    """ECS has accepted the request."""
    return moved(with_launch(file, task=task), State.STARTING, now)


def running(file: File, now: datetime, *, task: str, task_version: int, started_at: datetime | None) -> File:
    """The container runs."""
    return moved(with_launch(file, task=task, task_version=task_version, started_at=started_at), State.RUNNING, now)


def committing(file: File, now: datetime, *, until: datetime) -> File:
    """An invocation that has ended by `until` commits its result."""
    since = file.since if file.state is State.COMMITTING else now
    return replace(moved(file, State.COMMITTING, now), since=since, committing_until=until)


def committed(file: File, now: datetime, *, result_of: int, is_published: bool, reason: str = "") -> File:
    """It has its result, which a launch of that number has made."""
    return replace(
        moved(file, State.COMMITTED, now, reason=reason),
        committing_until=None,
        copied=0,
        result_of=result_of,
        is_published=is_published,
    )


def waiting(file: File, now: datetime, *, due: datetime, reason: str) -> File:
    """It is launched again, not before `due`; the launch that it had stays, for its number."""
    return moved(file, State.WAITING, now, due=due, reason=reason)


def ended(file: File, state: State, now: datetime, reason: str) -> File:
    """It has come to an end without a result."""
    return moved(file, state, now, reason=reason)


def with_launch(file: File, **changes: object) -> File:
    """The file with a changed launch."""
    if file.launch is None:
        raise ValueError(f"file {file.id} was never launched")
    return replace(file, launch=replace(file.launch, **changes))  # type: ignore[arg-type]
