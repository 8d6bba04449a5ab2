"""Requests about files: where one is, to cancel them, to try dead ones again.

Each is about one file, or about those of a pipeline. A file is named by its id, or by bucket and key: keys are taken as
they are, never URL-encoded. Without a version id, a key means the newest version that the ledger knows.
"""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from berthmaster.batch.plan.identity import own_version_id
from berthmaster.batch.triggers import Bucket, FileId, Key
from berthmaster.envelope import OPERATOR_SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request

STATUS_REQUESTED = "File Status Requested"
CANCEL_REQUESTED = "Cancel Requested"
REPLAY_REQUESTED = "Replay Requested"
MOST_FILES = 100_000
"""That one request is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest(Request):
    """What all of them have: `file`, or `bucket` and `key` with or without `version_id`, or `pipeline`."""

    file: str = ""
    bucket: str = ""
    key: str = ""
    version_id: str = ""
    pipeline: str = ""

    @property
    def subject(self) -> str:
        """The id of the file, the address of the object, or the name of the pipeline."""
        return self.file or self.pipeline or f"s3://{self.bucket}/{self.key}"

    @property
    def resources(self) -> tuple[str, ...]:
        """The object, if it is named."""
        return (f"arn:aws:s3:::{self.bucket}/{self.key}",) if self.key else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest(FileRequest):
    """An operator wants to know where a file is, or what a pipeline waits for."""

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return STATUS_REQUESTED


class _About(Struct, kw_only=True):
    file: FileId = ""
    bucket: Bucket = ""
    key: Key = ""
    version_id: Annotated[str, Meta(max_length=1024)] = ""
    pipeline: Annotated[str, Meta(min_length=1, max_length=64)] = ""
    by: Name = ""

    def check(self) -> None:
        """InvalidEvent unless it names one file, one object or one pipeline."""
        if bool(self.bucket) is not bool(self.key):
            missing = "key" if self.bucket else "bucket"
            raise InvalidEvent(f"detail.{missing}", "is missing: an object has a bucket and a key")
        if self.version_id and not self.key:
            raise InvalidEvent("detail.version_id", "belongs to a bucket and a key")
        if sum(map(bool, (self.file, self.key, self.pipeline))) != 1:
            raise InvalidEvent("detail", "must have `file`, or `bucket` and `key`, or `pipeline`, and one of them only")


def _status(event: Envelope) -> StatusRequest:
    about = event.as_(_About)
    about.check()
    return StatusRequest(
        file=about.file,
        bucket=about.bucket,
        key=about.key,
        version_id=own_version_id(about.version_id),
        pipeline=about.pipeline,
        by=about.by,
        id=event.id,
        time=event.at,
    )


PARSERS: Parsers[StatusRequest] = {(OPERATOR_SOURCE, STATUS_REQUESTED): _status}
