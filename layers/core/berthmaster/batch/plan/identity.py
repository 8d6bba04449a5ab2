"""Which file an object version is, where its item is, and which of two versions of a key is newer."""

import re
from hashlib import sha256
from typing import NamedTuple

SHARDS = 8
"""Partitions of the ledger; an item collection with an index may hold 10 GB."""
KEY_DIGITS = 20
_VERSION_DIGITS = 10
DIGITS = KEY_DIGITS + _VERSION_DIGITS
"""Of a file's id, hexadecimal."""
NULL_VERSION = "null"
"""The version id of whatever was written while a bucket had no versioning, or it was suspended."""
WORKER_DIGITS = 20
_WORKER = re.compile(rf"w[0-9a-f]{{{WORKER_DIGITS}}}", re.ASCII)
_STARTED_BY = re.compile(rf"([0-9a-f]{{{DIGITS}}})-([0-9]{{1,5}})", re.ASCII)


class Started(NamedTuple):
    """What a task's `startedBy` names: a file, and the number of its launch."""

    file: str
    launch: int


def file_id(bucket: str, key: str, *, version_id: str, etag: str, sequencer: str) -> str:
    """The id of one version of an object; without a version id, its ETag and sequencer tell versions apart."""
    return key_id(bucket, key) + _digits(version_id or f"{etag} {sequencer}", _VERSION_DIGITS)


def own_version_id(version_id: str) -> str:
    """A version id if it is that of one version alone; else empty, as in a bucket without versioning."""
    return "" if version_id == NULL_VERSION else version_id


def key_id(bucket: str, key: str) -> str:
    """What the ids of all versions of an object begin with."""
    return _digits(f"{bucket}\0{key}", KEY_DIGITS)


def shard_of(identifier: str) -> int:
    """The partition of a file, by its id: all versions of a key are in one."""
    return int(identifier[0], 16) * SHARDS // 16


def started_by(text: str) -> Started | None:
    """The file and launch that a task's `startedBy` names; None if it names none."""
    found = _STARTED_BY.fullmatch(text)
    return Started(found[1], int(found[2])) if found else None


def group_of(stack: str, pipeline: str) -> str:
    """The task group of a pipeline's tasks; rules filter events by it, since those have no tags.

    ECS keeps names with a colon for itself, and stacks' names have no underscore.
    """
    return f"berthmaster_{stack}_{pipeline}"


def pipeline_of(group: str) -> str:
    """The pipeline of a task, by its group: names of pipelines have no underscore either."""
    return group.rpartition("_")[2]


def worker_id(pipeline: str, turn: str, number: int) -> str:
    """The id of a worker: of the invocation that launches it, and how many that has launched before."""
    return f"w{_digits(f'{pipeline}\0{turn}\0{number}', WORKER_DIGITS)}"


def is_worker(started_by: str) -> bool:
    """Whether a task's `startedBy` names a worker."""
    return _WORKER.fullmatch(started_by) is not None


def revision(pipeline_version: int, task_definition: str) -> str:
    """What a launch uses, as one text; task_definition: the ARN of a revision, or empty if there is none."""
    return f"{pipeline_version} {task_definition.rpartition('/')[2]}"


def is_newer(sequencer: str, other: str) -> bool:
    """Whether one sequencer of a key is later than another of the same key.

    Hexadecimal text of different lengths: the shorter one is padded with zeros on the right, then both are compared as
    text ("Event message structure" of the S3 guide).
    """
    length = max(len(sequencer), len(other))
    return sequencer.upper().ljust(length, "0") > other.upper().ljust(length, "0")


def _digits(text: str, count: int) -> str:
    # A key may hold half of a surrogate pair if it was decoded badly; it still needs an id.
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:count]
