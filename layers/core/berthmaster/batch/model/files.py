"""A file: one version of an object in an input bucket, and the launches of tasks that process it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class FileReference(NamedTuple):
    """What names a file: files of different pipelines are kept apart."""

    pipeline: str
    id: str


class State(StrEnum):
    """Of a file; it is in exactly one, whatever happens."""

    WAITING = "waiting"
    """To be launched, not before `due`."""
    LAUNCHING = "launching"
    """RunTask was called, or is about to be: its outcome is not known yet."""
    STARTING = "starting"
    """ECS has accepted the task."""
    RUNNING = "running"
    """The container runs, or has run: its stop has not been processed yet."""
    COMMITTING = "committing"
    """The task has ended well: its result is being committed and published."""

    COMMITTED = "committed"
    """It has a result."""
    DEAD = "dead"
    """It was tried as often as its pipeline allows, or its task has rejected it."""
    SKIPPED = "skipped"
    """There was nothing to do: a folder marker, an empty file, or its task said so."""
    SUPERSEDED = "superseded"
    """A newer version of the object came before this one had a result."""
    CANCELLED = "cancelled"
    """An operator wanted no result."""
    VANISHED = "vanished"
    """The object was deleted before its turn."""
    OBSERVED = "observed"
    """It came while the mode was `observe`."""


IN_FLIGHT = (State.LAUNCHING, State.STARTING, State.RUNNING, State.COMMITTING)
"""They count against the pipeline's limit: a task may exist."""
_WITH_TASK = frozenset({State.LAUNCHING, State.STARTING, State.RUNNING})
LIVE = (State.WAITING, *IN_FLIGHT)
"""Something is still to be done."""
FINAL = tuple(state for state in State if state not in LIVE)


class Provider(StrEnum):
    """The capacity that a task runs on, as ECS names it."""

    FARGATE = "FARGATE"
    FARGATE_SPOT = "FARGATE_SPOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One request for a task, and the task that it became.

    number: 1 for the first of a file; one that is known to have failed is never requested again, since RunTask may have
    started a task all the same, which must not write where the next one does. pipeline_version: of the document that
    the request follows. size: CPU units and MiB instead of the task definition's, None for those. task: its ARN, empty
    while it is not known. task_version: of the newest event that was processed. stopped_for: why Berthmaster itself has
    stopped it, empty if it has not. missing_since: when ECS first did not know the task, None if it does.
    """

    number: int
    pipeline_version: int = 0
    subnets: tuple[str, ...] = ()
    provider: Provider = Provider.FARGATE
    size: tuple[int, int] | None = None
    requested_at: datetime
    deadline: datetime
    task: str = ""
    task_version: int = -1
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    stopped_for: str = ""
    missing_since: datetime | None = None

    @property
    def is_claim(self) -> bool:
        """Whether it was a worker's claim, and no task of the file's own."""
        return not self.subnets


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's claim of a file: nobody else works on it, until the claim is released.

    owner: the worker's id. lease: of this claim alone; what names another one comes from a worker that has lost its
    claim. fence: higher than that of each earlier claim or launch of the file, and so the number of its launch. task:
    the ARN of the worker's task. pipeline_version: of the document that the worker follows. until: when it gives the
    file up at the latest.
    """

    owner: str
    lease: str
    fence: int
    task: str = ""
    pipeline_version: int = 0
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One ledger item.

    id: 20 hexadecimal digits of its bucket and key, and 10 of its version. version_id: empty in a bucket without
    versioning. etag: without quotes. size: bytes. sequencer: S3's order of the versions of a key, empty for a file that
    was found by listing. created_at: S3's time of the event; for a file that was found by listing, when that was, which
    is later. since: when it came into its state. due: when something is to be done about it at the latest; a waiting
    file is not launched before. reason: why it waits, or has ended so; for people. attempts: launches that are charged
    to it. failures: of infrastructure, not charged. spot_losses: Spot tasks that AWS has reclaimed, not charged.
    task_size: CPU units and MiB of its next launches, since one was out of memory at the size of its task definition;
    None for that. launch: the current one, or the last. committing_until: when the invocation that commits it has ended
    for sure. copied: objects of its result that stand under their stable names, while the others do not yet. result_of:
    the number of the launch whose result is the file's; 0 if it has none. is_published: whether that stands under its
    stable names. swept_to: the number of the last launch whose objects were deleted, but for the result. request_id,
    requested_at: of the newest request of an operator that has changed it. unreported: whether the bus does not know
    yet what has become of it. forget_at: when the record may be deleted, if that is earlier than those of others; None
    if it is not. claim: of the worker that processes it; None if none does. is_behind: whether it waits until all
    files that are not have been launched or claimed. is_alone: whether no worker takes it, since it needs a task of its
    own. dollars: what its launches and claims have cost so far. version: how often the record was written.
    """

    id: str
    pipeline: str
    bucket: str
    key: str
    version_id: str = ""
    etag: str = ""
    size: int = 0
    sequencer: str = ""
    received_at: datetime
    created_at: datetime | None = None
    state: State
    since: datetime
    due: datetime
    reason: str = ""
    attempts: int = 0
    failures: int = 0
    spot_losses: int = 0
    task_size: tuple[int, int] | None = None
    launch: Launch | None = None
    committing_until: datetime | None = None
    copied: int = 0
    result_of: int = 0
    is_published: bool = False
    swept_to: int = 0
    request_id: str = ""
    requested_at: datetime | None = None
    unreported: bool = False
    forget_at: datetime | None = None
    claim: Claim | None = None
    is_behind: bool = False
    is_alone: bool = False
    dollars: float = 0.0
    version: int = 0

    @property
    def sort_key(self) -> str:
        """What it is found by, within its shard."""
        return self.id

    @property
    def is_in_flight(self) -> bool:
        """Whether it counts against the pipeline's limit."""
        return self.state in IN_FLIGHT

    @property
    def is_claimed(self) -> bool:
        """Whether a worker works on it, so that it has no task of its own."""
        return self.state is State.RUNNING and self.claim is not None

    @property
    def has_task(self) -> bool:
        """Whether it has a task of its own, or may have one."""
        return self.state in _WITH_TASK and not self.is_claimed

    @property
    def is_live(self) -> bool:
        """Whether something is still to be done about it."""
        return self.state in LIVE

    @property
    def reference(self) -> FileReference:
        """By which the ledger finds it."""
        return FileReference(self.pipeline, self.id)

    @property
    def started_by(self) -> str:
        """What RunTask names as the task's `startedBy`, and the client token of its request.

        At most 36 characters, which all endpoints accept.
        """
        return f"{self.id}-{self.launch.number if self.launch else 0}"
