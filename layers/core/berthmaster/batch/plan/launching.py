"""The launches of a file: what is requested, when the same is requested again, and what follows from a failure."""

from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.breaker import Launched
from berthmaster.batch.model.dispatcher import Placement
from berthmaster.batch.model.files import File, Launch, State
from berthmaster.batch.model.launch_failures import FailureKind, LaunchFailure
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.model.sizes import Size
from berthmaster.batch.model.stops import Cause
from berthmaster.batch.plan.backoff import next_try
from berthmaster.batch.plan.following import reported_later
from berthmaster.batch.plan.placement import QUOTA_PAUSE
from berthmaster.batch.plan.transitions import ended, waiting

FIRST_AGAIN = timedelta(seconds=3)
LAST_AGAIN = timedelta(minutes=5)

TOKEN_TRUSTED_FOR = timedelta(minutes=45)
"""ECS forgets a client token an hour after its task has stopped, and that may have lived for no more than seconds."""

LISTED_AFTER = timedelta(minutes=10)
"""A request that has started a task by then is visible in ECS's lists, which lag behind (eventual consistency)."""


def next_launch(
    file: File, pipeline: Pipeline, placement: Placement, now: datetime, *, size: Size | None = None
) -> Launch:
    """The next request for a file. size: unless it needs another one; None for that of the task definition."""
    return Launch(
        number=file.launch.number + 1 if file.launch else 1,
        pipeline_version=pipeline.version,
        subnets=(placement.subnet,),
        provider=placement.provider,
        size=file.task_size or size,
        requested_at=now,
        deadline=now + lasts(pipeline),
    )


def lasts(pipeline: Pipeline) -> timedelta:
    """How long the task of a file runs at most."""
    return timedelta(minutes=pipeline.limits.timeout_minutes)


def placement_of(launch: Launch) -> Placement:
    """Where the task of a launch runs, or was to run."""
    return Placement(provider=launch.provider, subnet=launch.subnets[0])


def launched(file: File, revision: str) -> Launched:
    """A file's current launch, as a breaker sees it."""
    if file.launch is None:
        raise ValueError(f"file {file.id} was never launched")
    return Launched(
        file_id=file.id, number=file.launch.number, revision=revision, requested_at=file.launch.requested_at
    )


def requested_again_at(launch: Launch, now: datetime) -> datetime:
    """When a request is made again of which the outcome is not known: later and later, as time goes by."""
    return now + min(LAST_AGAIN, max(FIRST_AGAIN, (now - launch.requested_at) / 2))


def may_be_repeated(launch: Launch, now: datetime) -> bool:
    """Whether the same request would still not start a second task."""
    return now - launch.requested_at < TOKEN_TRUSTED_FOR


def impossible(file: File) -> str:
    """Why no container can process a file; empty if one may."""
    if "\0" in file.key:
        return "its key has a NUL character, which no environment variable can hold: put the object under another key"
    return ""


def after_failure(
    file: File, failure: LaunchFailure, pipeline: Pipeline, now: datetime, *, is_its_own: bool, is_canary: bool
) -> File:
    """The file after a launch that is known to have failed. is_its_own: whether other files could be launched so."""
    if failure.follows.is_final:
        return refused(file, now, failure.text)
    if failure.kind is FailureKind.QUOTA:
        return waiting(file, now, due=now + QUOTA_PAUSE, reason=failure.text)
    following = next_try(
        file, _cause(failure, is_its_own=is_its_own), attempts=pipeline.limits.attempts, is_canary=is_canary
    )
    if following.after is None:
        return refused(following.file, now, f"{following.reason}. {failure.text}")
    return waiting(following.file, now, due=now + following.after, reason=failure.text)


def not_launched(file: File, now: datetime) -> File:
    """The file, of whose launch nothing has come."""
    return waiting(file, now, due=now, reason="no task has come of its last launch")


def still_launching(file: File, now: datetime, reason: str) -> File:
    """The outcome of its launch is not known yet."""
    if file.launch is None:
        raise ValueError(f"file {file.id} was never launched")
    return replace(file, due=requested_again_at(file.launch, now), reason=reason)


def refused(file: File, now: datetime, reason: str) -> File:
    """It is not launched, and never will be."""
    return reported_later(ended(file, State.DEAD, now, reason))


def vanished(file: File, now: datetime, reason: str) -> File:
    """Its object is gone since its last launch was requested."""
    return ended(file, State.VANISHED, now, f"{reason} before it could be launched again")


def _cause(failure: LaunchFailure, *, is_its_own: bool) -> Cause:
    if failure.follows.opens_breaker:
        return Cause.APPLICATION if is_its_own else Cause.CONFIGURATION
    return Cause.UNKNOWN if failure.follows.is_counted else Cause.CAPACITY
