"""What Berthmaster tells a task by environment variables; docs/batch.md lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from berthmaster_worker.errors import Misconfigured
from berthmaster_worker.model import Input

PREFIX = "BERTHMASTER_"
STOP_SECONDS = 100.0
LEASE_SECONDS = 90.0


@dataclass(frozen=True)
class OneFile:
    """A task that was started for one file. output_prefix: ends with a slash."""

    input: Input
    output_bucket: str
    output_prefix: str
    attempt: int
    deadline: datetime | None
    stop_seconds: float = STOP_SECONDS

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "OneFile | None":
        """From the environment; None if the task is there for many files."""
        if not environment.get(f"{PREFIX}INPUT_KEY"):
            return None
        return cls(
            input=Input(
                file=environment.get(f"{PREFIX}FILE", ""),
                bucket=_needed(environment, "INPUT_BUCKET"),
                key=_needed(environment, "INPUT_KEY"),
                version_id=environment.get(f"{PREFIX}INPUT_VERSION_ID", ""),
                etag=environment.get(f"{PREFIX}INPUT_ETAG", ""),
            ),
            output_bucket=_needed(environment, "OUTPUT_BUCKET"),
            output_prefix=_needed(environment, "OUTPUT_PREFIX"),
            attempt=int(_number(environment, "ATTEMPT", 1)),
            deadline=_time(environment, "DEADLINE") if environment.get(f"{PREFIX}DEADLINE") else None,
            stop_seconds=_number(environment, "STOP_SECONDS", STOP_SECONDS),
        )


@dataclass(frozen=True)
class Settings:
    """A task that takes many files.

    output_root: what the output prefixes of all files begin with; ends with a slash. deadline: when the task is
    stopped. file_seconds: what one file may take, with download and upload. lease_seconds: how long Berthmaster sees no
    heartbeat before it takes the worker for dead. stop_seconds: from SIGTERM to SIGKILL.
    """

    pipeline: str
    worker: str
    table: str
    result_queue: str
    output_bucket: str
    output_root: str
    deadline: datetime
    file_seconds: float
    lease_seconds: float = LEASE_SECONDS
    stop_seconds: float = STOP_SECONDS
    pipeline_version: int = 0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """From the environment; raises Misconfigured."""
        return cls(
            pipeline=_needed(environment, "PIPELINE"),
            pipeline_version=int(_number(environment, "PIPELINE_VERSION", 0)),
            worker=_needed(environment, "WORKER"),
            table=_needed(environment, "TABLE"),
            result_queue=_needed(environment, "RESULT_QUEUE"),
            output_bucket=_needed(environment, "OUTPUT_BUCKET"),
            output_root=_needed(environment, "OUTPUT_ROOT"),
            deadline=_time(environment, "DEADLINE"),
            file_seconds=float(_needed_number(environment, "FILE_SECONDS")),
            lease_seconds=_number(environment, "LEASE_SECONDS", LEASE_SECONDS),
            stop_seconds=_number(environment, "STOP_SECONDS", STOP_SECONDS),
        )


def _needed(environment: Mapping[str, str], name: str) -> str:
    found = environment.get(f"{PREFIX}{name}", "")
    if not found:
        raise Misconfigured(f"{PREFIX}{name} is not set: this image is to be started by a pipeline of Berthmaster")
    return found


def _needed_number(environment: Mapping[str, str], name: str) -> float:
    _needed(environment, name)
    return _number(environment, name, 0)


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(f"{PREFIX}{name}", "")
    try:
        return float(text) if text else default
    except ValueError:
        raise Misconfigured(f"{PREFIX}{name} must be a number, not {text!r}") from None


def _time(environment: Mapping[str, str], name: str) -> datetime:
    text = _needed(environment, name)
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Misconfigured(f"{PREFIX}{name} must be a time such as 2026-11-22T12:00:00+00:00, not {text!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
