"""What a file becomes: objects of one launch, named by a manifest."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultObject:
    """One object of a result. path: its key below the launch's output prefix."""

    path: str
    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputVersion:
    """What was processed."""

    bucket: str
    key: str
    version_id: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The truth about a file's result. attempt: the number of the launch that made it."""

    file: str
    pipeline: str
    input: InputVersion
    output_bucket: str
    attempt: int
    task: str
    objects: tuple[ResultObject, ...]
    committed_at: datetime
