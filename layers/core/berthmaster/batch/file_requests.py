"""Requests about files: where one is, to cancel them, to try dead ones again.

Each is about one file, or about those of a pipeline. A file is named by its id, or by bucket and key: keys are taken as
they are, never URL-encoded. Without a version id, a key means the newest version that the ledger knows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from berthmaster.batch.backfill_requests import CANCEL_REQUESTED, CancelBackfill
from berthmaster.batch.model.orders import Action, Change
from berthmaster.batch.plan.identity import own_version_id
from berthmaster.batch.triggers import Bucket, FileId, Key
from berthmaster.envelope import OPERATOR_SOURCE, Envelope, Name, Parsers
from berthmaster.errors import InvalidEvent
from berthmaster.requests import Request

STATUS_REQUESTED = "File Status Requested"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest(FileRequest):
    """An operator wants files cancelled or replayed.

    since: of those that are replayed, when they came to their end at the earliest; None for no such limit. most: files
    that may be changed.
    """

    action: Action
    since: datetime | None = None
    most: int = MOST_FILES

    @property
    def detail_type(self) -> str:
        """Of the event."""
        return CANCEL_REQUESTED if self.action is Action.CANCEL else REPLAY_REQUESTED

    @property
    def change(self) -> Change:
        """What it asks of each file."""
        return Change(action=self.action, by=self.by, id=self.id, at=self.time)


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

    def named(self, event: Envelope) -> dict[str, Any]:
        """What all requests have; InvalidEvent unless it names one file, one object or one pipeline."""
        self.check()
        return {
            "file": self.file,
            "bucket": self.bucket,
            "key": self.key,
            "version_id": own_version_id(self.version_id),
            "pipeline": self.pipeline,
            "by": self.by,
            "id": event.id,
            "time": event.at,
        }


class _Cancel(_About, kw_only=True):
    backfill: Annotated[str, Meta(min_length=1, max_length=256)] | UnsetType = UNSET


class _Replay(_About, kw_only=True):
    since: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    most: Annotated[int, Meta(ge=1, le=MOST_FILES)] = MOST_FILES


def _status(event: Envelope) -> StatusRequest:
    return StatusRequest(**event.as_(_About).named(event))


def _cancel(event: Envelope) -> ChangeRequest | CancelBackfill:
    detail = event.as_(_Cancel)
    if isinstance(detail.backfill, UnsetType):
        return ChangeRequest(action=Action.CANCEL, **detail.named(event))
    if detail.file or detail.bucket or detail.key or detail.pipeline:
        raise InvalidEvent("detail", "must have `backfill`, or name files, and not both")
    return CancelBackfill(backfill=detail.backfill, by=detail.by, id=event.id, time=event.at)


def _replay(event: Envelope) -> ChangeRequest:
    detail = event.as_(_Replay)
    since = None if isinstance(detail.since, UnsetType) else detail.since
    return ChangeRequest(action=Action.REPLAY, since=since, most=detail.most, **detail.named(event))


PARSERS: Parsers[StatusRequest | ChangeRequest | CancelBackfill] = {
    (OPERATOR_SOURCE, STATUS_REQUESTED): _status,
    (OPERATOR_SOURCE, CANCEL_REQUESTED): _cancel,
    (OPERATOR_SOURCE, REPLAY_REQUESTED): _replay,
}
