"""Why a task has stopped."""

from dataclasses import dataclass
from enum import StrEnum


class OwnStop(StrEnum):
    """Why this application has stopped a task; the ledger knows."""

    TIMEOUT = "timeout"
    CANCEL = "cancel"
    SUPERSEDED = "superseded"
    STUCK = "stuck"
    SILENT = "silent"
    ORPHAN = "orphan"


class Cause(StrEnum):
    """Why a task has stopped, and by that what becomes of its file.

    CAPACITY: a subnet had no free address, or AWS no room; another subnet may. UNREACHABLE: the task could not reach or
    was not served by what it needs to start, for a moment or because of its network. NOT_WORKING: the container of a
    worker has run and done nothing. UNKNOWN: AWS says nothing that is
    known; it never counts as done, and opens no breaker.
    """

    DONE = "done"
    REJECTED = "rejected"
    NOTHING_TO_DO = "nothing to do"
    TRY_LATER = "try later"
    APPLICATION = "application"
    OUT_OF_MEMORY = "out of memory"
    TIMED_OUT = "timed out"
    SPOT = "spot"
    CAPACITY = "capacity"
    INFRASTRUCTURE = "infrastructure"
    UNREACHABLE = "unreachable"
    CONFIGURATION = "configuration"
    NOT_WORKING = "not working"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def opens_breaker(self) -> bool:
        """Whether one such stop shows that the next file would stop likewise."""
        return self is Cause.CONFIGURATION

    @property
    def opens_breaker_in_a_row(self) -> bool:
        """Whether several such stops with nothing else between them show it."""
        return self in {Cause.UNREACHABLE, Cause.NOT_WORKING}

    @property
    def shows_container_ran(self) -> bool:
        """Whether image, permissions and network were good enough to start the container."""
        return self in _RAN


_RAN = frozenset(
    {
        Cause.DONE,
        Cause.REJECTED,
        Cause.NOTHING_TO_DO,
        Cause.TRY_LATER,
        Cause.APPLICATION,
        Cause.OUT_OF_MEMORY,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What ECS says of a stopped task; everything may be missing.

    code: `stopCode`. reason: `stoppedReason`. exit_code, container_reason: of the container that has the pipeline's
    work. own: why this application has stopped it, if it has.
    """

    code: str = ""
    reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    own: OwnStop | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause, and what happened and what to do in a sentence, with AWS's own words behind it."""

    cause: Cause
    text: str
