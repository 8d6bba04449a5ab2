"""What a worker handles: inputs, claims, and how the work on a file has ended."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

EXITED, TIMED_OUT, HANDED_BACK, LOST_INPUT, FAILED = "exited", "timed out", "handed back", "lost input", "failed"
"""The outcomes that Berthmaster knows; FAILED: it was not the command that failed."""
DONE, ERROR, REJECTED, NOTHING, LATER, KILLED, TERMINATED = 0, 1, 3, 4, 75, 137, 143
"""Exit codes, as docs/batch.md lists them."""
LONGEST_REASON = 500


@dataclass(frozen=True)
class Input:
    """One version of an object. version_id: empty in a bucket without versioning. etag: without quotes."""

    file: str
    bucket: str
    key: str
    version_id: str
    etag: str

    @property
    def pinned(self) -> dict[str, str]:
        """What GetObject takes, so that it reads this version or nothing."""
        if self.version_id:
            return {"VersionId": self.version_id}
        return {"IfMatch": f'"{self.etag}"'} if self.etag else {}


@dataclass(frozen=True)
class Claim:
    """A file that this worker holds. fence: the number of the claim among all launches of the file, from 1.

    lease: names this claim and no other, also none of the same worker.
    """

    input: Input
    fence: int
    lease: str

    @property
    def file(self) -> str:
        """The file's id."""
        return self.input.file


@dataclass(frozen=True)
class Job:
    """One file that a command or a callable works on.

    source: the object. input: its content, in a file that is named without regard to the key but for a plain extension.
    output: an empty folder; all that is in it in the end is the result. checkpoint: a folder that holds what an earlier
    attempt at the file has left there when it was stopped; None if the worker was started without checkpoints. attempt:
    from 1. deadline: when the work is stopped, in seconds since the epoch; None for never.
    """

    source: Input
    input: Path
    output: Path
    checkpoint: Path | None
    attempt: int
    deadline: float | None

    def create(self, path: str) -> BinaryIO:
        """A new file of the result, to be written to and closed; its folders are made."""
        target = self.output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")


@dataclass(frozen=True)
class Ended:
    """How the work on a file has ended. has_checkpoint: whether it left one. size: bytes of the input."""

    outcome: str
    exit_code: int
    reason: str = ""
    has_checkpoint: bool = False
    size: int = 0
