"""Which copies make a result stand under its stable names: pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from berthmaster.batch.model.pipelines import OWN_FOLDER, Pipeline
from berthmaster.batch.model.results import Manifest
from berthmaster.batch.plan.matching import is_own
from berthmaster.batch.plan.places import published_prefix

LONGEST_KEY = 1024
"""Bytes of a key."""
_GIB = 2**30
LARGEST = 20 * _GIB
"""What one invocation is sure to copy."""
TOGETHER, TOGETHER_BYTES = 32, _GIB
"""Objects that are copied together."""
_BYTES_PER_SECOND = _GIB // 2


@dataclass(frozen=True, slots=True)
class Copy:
    """One object, and the stable name that it gets."""

    source: str
    target: str
    etag: str
    size: int


def copies_of(manifest: Manifest, pipeline: Pipeline) -> tuple[Copy, ...]:
    """In the order of the manifest, which does not change."""
    prefix = published_prefix(pipeline, manifest.input.key)
    return tuple(Copy(one.key, f"{prefix}{one.path}", one.etag, one.size) for one in manifest.objects)


def obstacle(copies: Sequence[Copy]) -> str:
    """Why a result cannot be published, all of it or nothing; empty if it can.

    A task chooses paths, and whoever uploads chooses keys: neither may name what stands beside attempts and manifests,
    which batch_follow could overwrite.
    """
    for one in copies:
        if is_own(one.target):
            return f"a stable name would be in the folder {OWN_FOLDER}, of attempts and manifests: {one.target}"
        if len(one.target.encode()) > LONGEST_KEY:
            return f"a stable name would have more than {LONGEST_KEY} bytes: {one.target}"
        if one.size > LARGEST:
            return f"an object has more than {LARGEST // _GIB} GiB: {one.source}"
    return ""


def together(copies: Sequence[Copy]) -> Iterator[Sequence[Copy]]:
    """Copies that are made together, in order."""
    chosen: list[Copy] = []
    for one in copies:
        if chosen and (len(chosen) == TOGETHER or sum(other.size for other in chosen) + one.size > TOGETHER_BYTES):
            yield chosen
            chosen = []
        chosen.append(one)
    if chosen:
        yield chosen


def time_for(copies: Sequence[Copy]) -> timedelta:
    """How long they take at most."""
    return timedelta(seconds=5 + sum(one.size for one in copies) / _BYTES_PER_SECOND)
