"""Which files of a pipeline the ledger knows, for a listing that asks about very many of them.

All ids are read from the index, some thousands by a call, and stay in memory from one slice of work to the next. Files
that come meanwhile are added by reading what was received lately.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.model.files import State
from berthmaster.batch.model.pipelines import LONG_AGO
from berthmaster.batch.plan.identity import SHARDS
from berthmaster.batch.plan.known_ids import KnownIds
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of

PAGE = 5_000
"""Ids by a call; 1 MB, the most that a query reads, has more than twice as many."""
WRITTEN_WITHIN = timedelta(minutes=2)
"""A file is written so soon after the time at which it says that it was received, by whatever clock, or never."""


@dataclass(slots=True)
class _Reading:
    """How far a partition of a section was read. after: None before the first page."""

    section: Section
    shard: int
    into: KnownIds
    after: tuple[str, str] | None = None


class KnownFiles:
    """The files of one pipeline. received: ids of all of them. observed: of those that came in mode `observe`."""

    def __init__(self, index: FileIndex, clock: Clock, pipeline: str) -> None:
        self._index = index
        self._clock = clock
        self._pipeline = pipeline
        self.received, self.observed = KnownIds(), KnownIds()
        self._left: list[_Reading] | None = None
        self._read_at = LONG_AGO
        self._own: deque[tuple[datetime, frozenset[str]]] = deque()

    def load(self, may_go_on: Callable[[], bool]) -> bool:
        """Read all ids, or go on with that, or read what has come since; returns whether all are read.

        may_go_on: asked between calls.
        """
        if self._left is None:
            self._read_at = self._clock.now()
            sections = (
                (Section.received(self._pipeline, after=LONG_AGO), self.received),
                (Section.ended(self._pipeline, State.OBSERVED, after=LONG_AGO), self.observed),
            )
            self._left = [_Reading(section, shard, ids) for section, ids in sections for shard in range(SHARDS)]
        elif not self._left:
            self.refresh(())
        while self._left and may_go_on():
            now, later = self._left[:SHARDS], self._left[SHARDS:]
            self._left = [*(one for one in self._pages(now) if one.after), *later]
        return not self._left

    def refresh(self, own: Collection[str]) -> None:
        """Add what was received since it was last read. own: ids that the caller has written, which are not added."""
        now = self._clock.now()
        self._own.append((now, frozenset(own)))
        since = self._read_at - WRITTEN_WITHIN
        while self._own[0][0] < since:
            self._own.popleft()
        lately = self._index.ids(Section.received(self._pipeline, after=since))
        self.received.add(lately.difference(*(ids for _, ids in self._own)))
        self._read_at = now

    def _pages(self, readings: Sequence[_Reading]) -> Sequence[_Reading]:
        """Read the next page of each."""
        pages = results_of(
            concurrently(
                lambda one: self._index.page(one.section, one.shard, after=one.after, most=PAGE),
                readings,
                at_once=SHARDS,
            )
        )
        for one, (ids, after) in zip(readings, pages, strict=True):
            one.into.add(ids)
            one.after = after
        return readings
