"""Backfills: objects that were in an input bucket before, which are counted, and processed if that is approved."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from berthmaster.batch.model.pipelines import Input


class Stage(StrEnum):
    """How far a backfill has come."""

    COUNTING = "counting"
    """Its objects are being counted; nothing is written."""
    PROPOSED = "proposed"
    """It waits for a decision."""
    RUNNING = "running"
    """Its files are received, some thousands at a time, and wait behind all others."""
    CANCELLING = "cancelling"
    """An operator has cancelled it while it ran; no file is received any more."""
    COMPLETED = "completed"
    """All its files were received, and none of them waits for its first launch."""
    CANCELLED = "cancelled"
    """It came to its end before; `reason` says why."""


GOES_ON = (Stage.COUNTING, Stage.RUNNING, Stage.CANCELLING)
"""There is something to be done that no operator has to decide."""


class Fate(StrEnum):
    """What a backfill makes of an object."""

    NEW = "new"
    """The ledger does not know it: it is received."""
    OBSERVED = "observed"
    """It came in mode `observe`, and is processed now."""
    KNOWN = "known"
    """The ledger knows it, and what has become of it."""
    EMPTY = "empty"
    """It has no bytes; it is left alone."""
    OUTSIDE = "outside"
    """It was modified before `since` or after `until`; or it is so new that its event comes."""


TAKEN = (Fate.NEW, Fate.OBSERVED)
"""They are processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """The current version of an object, as a listing of versions has it.

    version_id: empty if it is none of its own. etag: without quotes. modified: in whole seconds; of an upload in parts,
    when it began.
    """

    key: str
    version_id: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Objects by fate, and the bytes of those that are processed."""

    objects: Mapping[Fate, int] = field(default_factory=dict)
    bytes: int = 0

    def of(self, *fates: Fate) -> int:
        """How many objects have one of these fates."""
        return sum(self.objects.get(fate, 0) for fate in fates)

    @property
    def files(self) -> int:
        """How many are processed."""
        return self.of(*TAKEN)

    def plus(self, fates: Collection[tuple[Fate, int]]) -> "Count":
        """With more objects, of which fate and size are given."""
        objects = dict(self.objects)
        for fate, _ in fates:
            objects[fate] = objects.get(fate, 0) + 1
        return Count(objects=objects, bytes=self.bytes + sum(size for fate, size in fates if fate in TAKEN))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the planned files take, by what was measured; None where nothing was. reason: how it was reckoned."""

    seconds: float | None = None
    dollars: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """One ledger item: the newest backfill of a pipeline.

    id: that of its proposal. request_id, requested_at, by: of the request. source: the pipeline's input as it was then.
    prefix: what the keys begin with. since, until: of their last modification. fingerprint: of what is proposed.
    planned: what was counted; no more files are received. expected: of those. stage_since: when it came into its stage.
    after: the key after which the listing goes on. page_until: the last key of the objects that are being received now,
    some of which may have been; empty if none are. tries: how often receiving them has failed. is_listed: whether the
    listing has come to its end. counted: what this listing has found so far. failed: objects that could not be
    received. is_cut: whether there were more to be processed than was approved. reason: why it was cancelled.
    cancel_id, cancelled_by: of the request that has cancelled it while it ran; empty if none has. carried_on_at: when
    it was last worked on. reported: whether the bus knows of its stage.
    """

    pipeline: str
    id: str
    request_id: str
    requested_at: datetime
    by: str = ""
    source: Input
    prefix: str
    since: datetime | None = None
    until: datetime
    fingerprint: str = ""
    planned: Count = field(default_factory=Count)
    expected: Expected = field(default_factory=Expected)
    stage: Stage = Stage.COUNTING
    stage_since: datetime
    after: str = ""
    page_until: str = ""
    tries: int = 0
    is_listed: bool = False
    counted: Count = field(default_factory=Count)
    failed: int = 0
    is_cut: bool = False
    reason: str = ""
    cancel_id: str = ""
    cancelled_by: str = ""
    carried_on_at: datetime
    reported: bool = True
    version: int = 0

    @property
    def sort_key(self) -> str:
        """The pipeline: it has one at a time."""
        return self.pipeline

    @property
    def goes_on(self) -> bool:
        """Whether there is something to be done that no operator has to decide."""
        return self.stage in GOES_ON
