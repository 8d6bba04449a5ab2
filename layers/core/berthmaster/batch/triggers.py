"""The messages of batch's queues. Parsers read EventBridge events; InvalidEvent names the field that is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from berthmaster import envelope
from berthmaster.batch.model.file_results import FileResult, WorkOutcome
from berthmaster.batch.model.files import FileReference
from berthmaster.batch.model.prices import STORAGE_INCLUDED
from berthmaster.batch.model.tasks import TaskStateChange
from berthmaster.batch.plan.identity import own_version_id
from berthmaster.envelope import SOURCE, Envelope, Parsers
from berthmaster.errors import InvalidEvent

DISPATCH_FILES = "Dispatch Files"
WORKER_SOURCE, FILE_PROCESSED = "berthmaster.worker", "File Processed"
COMMIT_FILE = "Commit File"
RELEASE_CLAIMS = "Release Claims"
MARKED = "Delete Marker Created"
"""The deletion type of a deletion that leaves all versions."""

Bucket = Annotated[str, Meta(min_length=3, max_length=63)]
Key = Annotated[str, Meta(min_length=1, max_length=1024)]
"""Of at most 1,024 bytes in UTF-8, and so of no more characters."""
Sequencer = Annotated[str, Meta(min_length=1, max_length=256)]
PipelineName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
FileId = Annotated[str, Meta(pattern=r"^[0-9a-f]{30}$")]
LaunchedId = Annotated[str, Meta(pattern=r"^([0-9a-f]{30}|w[0-9a-f]{20})$")]
"""Of a file, or of a worker."""
TaskArn = Annotated[str, Meta(pattern=r"^arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task/[\w-]{1,255}/[0-9a-f]{8,64}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectCreated:
    """S3 has a new version of an object.

    version_id: empty in a bucket without versioning. etag: without quotes. size: None if S3 does not say.
    """

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int | None
    sequencer: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDeleted:
    """An object is gone. version_id: of the version that was deleted for good; empty for the object as such.

    The latter is a deletion in a bucket without versioning, or a delete marker in one with it. sequencer: empty if S3
    does not say.
    """

    bucket: str
    key: str
    version_id: str
    sequencer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DispatchFiles:
    """Files may be waiting for a launch.

    unsettled: files and workers of which it is to be found out if their launch has failed.
    """

    unsettled: tuple[FileReference, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitFile:
    """The result of a file is to be committed."""

    file: FileReference


@dataclass(frozen=True, slots=True)
class ReleaseClaims:
    """Workers of a pipeline have ended a while ago: what they have left is to be taken from them."""

    pipeline: str


class _Bucket(Struct):
    name: Bucket


class _Object(Struct, kw_only=True, rename={"version_id": "version-id"}):
    key: Key
    version_id: str = ""
    sequencer: str = ""


class _NewObject(_Object, kw_only=True):
    sequencer: Sequencer
    etag: str
    size: Annotated[int, Meta(ge=0)] | None = None


class _Created(Struct):
    bucket: _Bucket
    object: _NewObject


class _Deleted(Struct, rename={"deletion_type": "deletion-type"}):
    bucket: _Bucket
    object: _Object
    deletion_type: str


def _object_created(event: Envelope) -> ObjectCreated:
    detail = event.as_(_Created)
    found = detail.object
    return ObjectCreated(
        bucket=detail.bucket.name,
        key=found.key,
        version_id=own_version_id(found.version_id),
        etag=found.etag,
        size=found.size,
        sequencer=found.sequencer,
        at=event.at,
    )


def _object_deleted(event: Envelope) -> ObjectDeleted:
    detail = event.as_(_Deleted)
    found = detail.object
    return ObjectDeleted(
        bucket=detail.bucket.name,
        key=found.key,
        # The version id of a new delete marker is the marker's own.
        version_id="" if detail.deletion_type == MARKED else own_version_id(found.version_id),
        sequencer=found.sequencer,
        at=event.at,
    )


class _Container(Struct, rename="camel"):
    name: str
    exit_code: int | None = None
    reason: str | None = None


class _Attribute(Struct):
    name: str
    value: str | None = None


class _Storage(Struct, rename="camel"):
    size_in_gi_b: Annotated[int, Meta(ge=0)] = STORAGE_INCLUDED


class _TaskDetail(Struct, rename="camel"):
    task_arn: TaskArn
    last_status: str
    desired_status: str
    version: Annotated[int, Meta(ge=0)] = 0
    task_definition_arn: str = ""
    group: str = ""
    started_by: str | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    containers: list[_Container] = []
    cpu: str = ""
    memory: str = ""
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    created_at: datetime | None = None
    pull_started_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    capacity_provider_name: str | None = None
    attributes: list[_Attribute] = []
    ephemeral_storage: _Storage | None = None
    estimated_until: datetime | None = None


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _task_state_change(event: Envelope) -> TaskStateChange:
    detail = event.as_(_TaskDetail)
    return TaskStateChange(
        task=detail.task_arn,
        task_definition=detail.task_definition_arn,
        started_by=detail.started_by or "",
        group=detail.group,
        version=detail.version,
        last_status=detail.last_status,
        desired_status=detail.desired_status,
        stop_code=detail.stop_code or "",
        stopped_reason=detail.stopped_reason or "",
        exit_codes={one.name: one.exit_code for one in detail.containers if one.exit_code is not None},
        reasons={one.name: one.reason for one in detail.containers if one.reason},
        size=(int(detail.cpu), int(detail.memory)) if _is_size(detail.cpu) and _is_size(detail.memory) else None,
        started_at=detail.started_at,
        stopped_at=detail.stopped_at,
        at=event.at,
        created_at=detail.created_at,
        pull_started_at=detail.pull_started_at,
        execution_stopped_at=detail.execution_stopped_at,
        provider=detail.capacity_provider_name or "",
        is_arm=any((one.name, one.value) == ("ecs.cpu-architecture", "arm64") for one in detail.attributes),
        storage=(detail.ephemeral_storage or _Storage()).size_in_gi_b,
        estimated_until=detail.estimated_until,
    )


class _Reference(Struct):
    pipeline: PipelineName
    file: FileId

    @property
    def named(self) -> FileReference:
        """The file."""
        return FileReference(self.pipeline, self.file)


class _Launched(Struct):
    pipeline: PipelineName
    file: LaunchedId

    @property
    def named(self) -> FileReference:
        """The file or worker."""
        return FileReference(self.pipeline, self.file)


class _Dispatch(Struct):
    unsettled: tuple[_Launched, ...] = ()


def _dispatch_files(event: Envelope) -> DispatchFiles:
    return DispatchFiles(tuple(one.named for one in event.as_(_Dispatch).unsettled))


class _Release(Struct):
    pipeline: PipelineName


def _release_claims(event: Envelope) -> ReleaseClaims:
    return ReleaseClaims(event.as_(_Release).pipeline)


def _commit_file(event: Envelope) -> CommitFile:
    return CommitFile(event.as_(_Reference).named)


class _Processed(_Reference, rename="camel"):
    lease: Annotated[str, Meta(min_length=1, max_length=64)]
    worker: Annotated[str, Meta(max_length=64)]
    outcome: WorkOutcome
    exit_code: int | None = None
    reason: Annotated[str, Meta(max_length=2_000)] = ""
    seconds: Annotated[float, Meta(ge=0)] = 0.0
    bytes: Annotated[int, Meta(ge=0)] = 0


def _file_processed(event: Envelope) -> FileResult:
    detail = event.as_(_Processed)
    if detail.outcome is WorkOutcome.EXITED and detail.exit_code is None:
        raise InvalidEvent("detail.exitCode", "is missing: the command has ended by itself")
    return FileResult(
        file=detail.named,
        lease=detail.lease,
        worker=detail.worker,
        outcome=detail.outcome,
        exit_code=detail.exit_code,
        reason=detail.reason,
        seconds=detail.seconds,
        size=detail.bytes,
    )


OBJECT_PARSERS: Parsers[ObjectCreated | ObjectDeleted] = {
    ("aws.s3", "Object Created"): _object_created,
    ("aws.s3", "Object Deleted"): _object_deleted,
}
DISPATCH_PARSERS: Parsers[DispatchFiles] = {(SOURCE, DISPATCH_FILES): _dispatch_files}
type TaskMessage = TaskStateChange | CommitFile | ReleaseClaims

TASK_PARSERS: Parsers[TaskMessage] = {
    ("aws.ecs", "ECS Task State Change"): _task_state_change,
    (SOURCE, COMMIT_FILE): _commit_file,
    (SOURCE, RELEASE_CLAIMS): _release_claims,
}


RESULT_PARSERS: Parsers[FileResult] = {(WORKER_SOURCE, FILE_PROCESSED): _file_processed}


def object_message(body: str | bytes) -> ObjectCreated | ObjectDeleted:
    """Read a message of batch_intake."""
    return envelope.parse(body, OBJECT_PARSERS)


def dispatch(body: str | bytes) -> DispatchFiles:
    """Read a message of batch_dispatch."""
    return envelope.parse(body, DISPATCH_PARSERS)


def task_message(body: str | bytes) -> TaskMessage:
    """Read a message of batch_follow."""
    return envelope.parse(body, TASK_PARSERS)


def result_message(body: str | bytes) -> FileResult:
    """Read a message of batch_follow that a worker has sent."""
    return envelope.parse(body, RESULT_PARSERS)


def task_event(detail: Mapping[str, Any], now: datetime) -> str:
    """The message by which batch_follow would have heard of a task. detail: as ECS describes tasks, and reports."""
    event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "time": now, "detail": detail}
    return msgspec.json.encode(event, enc_hook=str).decode()
