"""What workers report of the files that they have claimed."""

from dataclasses import dataclass
from enum import StrEnum

from berthmaster.batch.model.files import FileReference


class WorkOutcome(StrEnum):
    """How the work on a file has ended."""

    EXITED = "exited"
    """The command has ended by itself; its exit code says how."""
    TIMED_OUT = "timed out"
    """It took longer than the pipeline allows."""
    HANDED_BACK = "handed back"
    """The worker had to end before."""
    LOST_INPUT = "lost input"
    """There is no such version of the object any more."""
    FAILED = "failed"
    """The worker could not read the object or write the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """One claim of a file has ended. lease: of the claim. worker: its id. exit_code: of the command, if it has one.

    seconds: that the worker was busy with the file. size: bytes of the object.
    """

    file: FileReference
    lease: str
    worker: str
    outcome: WorkOutcome
    exit_code: int | None = None
    reason: str = ""
    seconds: float = 0.0
    size: int = 0
