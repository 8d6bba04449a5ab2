"""How far the input of a pipeline has been compared with the ledger."""

from dataclasses import dataclass
from datetime import UTC, datetime

from berthmaster.batch.model.pipelines import Input

LONG_AGO = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Listing after listing of all objects of an input.

    source: the input. since: when it came into force, or the mode was last switched to enforce: no older object is
    looked at. is_in_force: whether the pipeline was in the last run. began: of the listing that goes on, or was the
    last. after: the key with which it goes on, empty if it is complete. checked: all objects up to that time were
    looked at by a complete listing; until: as `checked`, of the listing that goes on. deep_at: when the last listing
    began that looked at uploads in parts which began long before. is_deep: whether this one does. has_failed: whether
    some object of this one could not be received.
    """

    pipeline: str
    source: Input
    since: datetime
    began: datetime = LONG_AGO
    after: str = ""
    checked: datetime = LONG_AGO
    until: datetime = LONG_AGO
    deep_at: datetime = LONG_AGO
    is_deep: bool = False
    has_failed: bool = False
    is_in_force: bool = True
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return self.pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """Since when the mode is `enforce` or `approve`; one item. is_on: whether it was in the last run, at seen_at."""

    is_on: bool = False
    since: datetime = LONG_AGO
    seen_at: datetime = LONG_AGO
    version: int = 0

    @property
    def sort_key(self) -> str:
        """Of its item."""
        return "enforcement"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """One object of a listing. etag: without quotes."""

    key: str
    etag: str
    size: int
    modified: datetime
