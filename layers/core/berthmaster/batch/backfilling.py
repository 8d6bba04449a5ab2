"""A backfill at work: objects are listed, and counted, or received behind all files that come meanwhile.

Which objects the ledger knows is found out from the ids of all its files, which are read by thousands. Before some
objects are received, it is written down which; they are counted when all are. So a backfill goes on wherever a function
has died, and counts each file once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from berthmaster.batch.arrivals import Arrivals
from berthmaster.batch.ledger.file_index import FileIndex, Section
from berthmaster.batch.ledger.files import Files
from berthmaster.batch.ledger.known_files import KnownFiles
from berthmaster.batch.model.backfills import TAKEN, Backfill, Fate, ListedVersion, Stage
from berthmaster.batch.model.files import File
from berthmaster.batch.model.pipelines import Pipeline
from berthmaster.batch.observe.listing import current_versions
from berthmaster.batch.plan.backfills import (
    MOST_TRIES,
    PAGES,
    STRIDE,
    activated,
    fate_of,
    identifier_of,
    is_taken,
    known_version,
    within,
)
from berthmaster.batch.plan.matching import matches
from berthmaster.clients import Clients
from berthmaster.clock import Clock
from berthmaster.concurrently import concurrently, results_of
from berthmaster.items import Conflict, without_conflict
from berthmaster.modes import Mode
from berthmaster.telemetry import logger

AT_ONCE = 8
TRIES = 6


@dataclass(frozen=True, slots=True)
class _Found:
    """An object, the id of its file if it is new, and its fate; None if the versions of its key must be read."""

    listed: ListedVersion
    identifier: str
    fate: Fate | None

    @property
    def may_be_taken(self) -> bool:
        return self.fate is None or self.fate in TAKEN


@dataclass(frozen=True, slots=True)
class _Page:
    """Objects that a listing has; until: the last key that was looked at. is_last: whether nothing follows."""

    found: Sequence[_Found]
    until: str
    is_last: bool
    listed_at: datetime


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of an object, and the file that was written for it."""

    fate: Fate
    size: int
    file: File | None = None


class Backfilling:
    """Goes on with backfills, one slice after the other."""

    def __init__(self, clients: Clients, clock: Clock, *, table: str, mode: Mode, kept_for: timedelta) -> None:
        self._clients = clients
        self._clock = clock
        self._kept_for = kept_for
        self._files = Files(clients.dynamodb, table, kept_for=kept_for)
        self._index = FileIndex(clients.dynamodb, table)
        self._arrivals = Arrivals(clients, clock, self._files, mode)
        self._known: dict[str, KnownFiles] = {}
        self._known_for: dict[str, tuple[str, Stage]] = {}

    def forget(self, pipeline: str) -> None:
        """Nothing of a pipeline goes on: what is known of its files may leave the memory."""
        self._known.pop(pipeline, None)

    def is_ready(self, backfill: Backfill, until: datetime) -> bool:
        """Whether the ids of its pipeline's files are in memory; false if there was not enough time to read them all.

        What was read for another stage may be days old: another container has worked since, and this one was idle.
        """
        pipeline, work = backfill.pipeline, (backfill.id, backfill.stage)
        if self._known_for.get(pipeline) != work:
            self.forget(pipeline)
            self._known_for[pipeline] = work
        known = self._known.setdefault(pipeline, KnownFiles(self._index, self._clock, pipeline))
        return known.load(lambda: self._clock.now() < until)

    def count_behind(self, pipeline: str) -> int:
        """How many files of a pipeline wait behind all others."""
        return self._index.count(Section.behind(pipeline))

    # Counting

    def count(self, backfill: Backfill, until: datetime) -> Backfill:
        """Count some thousand objects more; nothing is written."""
        page = self._list(backfill, until)
        outcomes = concurrently(lambda found: self._looked_at(backfill, found), page.found, at_once=AT_ONCE)
        counted = backfill.counted.plus([(fate, size) for fate, size in results_of(outcomes)])
        return replace(backfill, counted=counted, after=page.until, is_listed=page.is_last)

    def _looked_at(self, backfill: Backfill, found: _Found) -> tuple[Fate, int]:
        fate = found.fate
        if fate is None:
            known = known_version(self._files.versions(backfill.pipeline, found.identifier), found.listed)
            if known is None:
                fate = Fate.NEW
            else:
                waits = activated(known, backfill, self._clock.now(), kept_for=self._kept_for)
                fate = Fate.OBSERVED if waits else Fate.KNOWN
        return fate, found.listed.size

    # Receiving

    def receive(
        self,
        backfill: Backfill,
        pipeline: Pipeline,
        until: datetime,
        *,
        room: int,
        save: Callable[[Backfill], Backfill],
    ) -> Backfill:
        """Receive some thousand files more, at most so many as there is room for; writes the backfill before and after.

        After failures, the same objects are received again, some times.
        """
        page = self._list(backfill, until)
        is_again = bool(backfill.page_until)
        if is_again:
            found = [one for one in page.found if one.listed.key <= backfill.page_until]
            # What the ledger knows may have been received just before, by whoever has died.
            found = [replace(one, fate=None) if one.fate is Fate.KNOWN else one for one in found]
            page = replace(page, found=found, until=backfill.page_until, is_last=False)
        else:
            approved = backfill.planned.files - backfill.counted.files
            if sum(one.may_be_taken for one in page.found) > approved:
                page = replace(page, found=self._resolved(backfill, page.found))
            cut = within([(one, one.may_be_taken) for one in page.found], min(room, approved))
            if len(cut) < len(page.found):
                if approved <= room:
                    backfill = replace(backfill, is_cut=True)
                page = replace(
                    page,
                    found=[one for one, _ in cut],
                    until=cut[-1][0].listed.key if cut else backfill.after,
                    is_last=approved <= room,
                )
            if any(one.may_be_taken for one in page.found):
                backfill = save(replace(backfill, page_until=page.found[-1].listed.key))
        outcomes = concurrently(
            lambda one: self._receive(backfill, pipeline, one, page.listed_at, is_again=is_again),
            page.found,
            at_once=AT_ONCE,
        )
        errors = {one.item.listed.key: repr(one.error) for one in outcomes if one.error}
        done = [one.value for one in outcomes if one.value]
        self._settle(backfill.pipeline, [one.file for one in done if one.file])
        if errors:
            logger.warning("objects not received", backfill=backfill.id, tries=backfill.tries, errors=errors)
            if backfill.tries + 1 < MOST_TRIES:
                return save(replace(backfill, tries=backfill.tries + 1))
        return save(
            replace(
                backfill,
                after=page.until,
                page_until="",
                tries=0,
                is_listed=page.is_last,
                counted=backfill.counted.plus([(one.fate, one.size) for one in done]),
                failed=backfill.failed + len(errors),
            )
        )

    def _resolved(self, backfill: Backfill, found: Sequence[_Found]) -> Sequence[_Found]:
        """With the fates that ids do not tell: what the ledger knows is not to take the place of what was approved."""
        looked_at = concurrently(lambda one: self._looked_at(backfill, one)[0], found, at_once=AT_ONCE)
        return [replace(one, fate=fate) for one, fate in zip(found, results_of(looked_at), strict=True)]

    def _receive(
        self, backfill: Backfill, pipeline: Pipeline, found: _Found, listed_at: datetime, *, is_again: bool
    ) -> _Done:
        if found.fate is Fate.NEW and (file := self._new(pipeline, found, listed_at)):
            return _Done(Fate.NEW, found.listed.size, file)
        if found.fate is not None and found.fate not in TAKEN:
            return _Done(found.fate, found.listed.size)
        return without_conflict(
            lambda: self._by_versions(backfill, pipeline, found, listed_at, is_again=is_again), tries=TRIES
        )

    def _by_versions(
        self, backfill: Backfill, pipeline: Pipeline, found: _Found, listed_at: datetime, *, is_again: bool
    ) -> _Done:
        """Receive an object of which the ledger knows some version."""
        size = found.listed.size
        known = known_version(self._files.versions(backfill.pipeline, found.identifier), found.listed)
        if known is None:
            file = self._new(pipeline, found, listed_at)
            if file is None:
                raise Conflict(f"another invocation has written the file {found.identifier}")
            return _Done(Fate.NEW, size, file)
        if waits := activated(known, backfill, self._clock.now(), kept_for=self._kept_for):
            return _Done(Fate.OBSERVED, size, self._files.save(waits))
        if is_again and is_taken(known, backfill):
            fate = Fate.OBSERVED if known.request_id == backfill.id else Fate.NEW
            return _Done(fate, size, known)
        return _Done(Fate.KNOWN, size)

    def _new(self, pipeline: Pipeline, found: _Found, listed_at: datetime) -> File | None:
        return self._arrivals.backfilled(pipeline, found.listed, identifier=found.identifier, listed_at=listed_at)

    def _settle(self, pipeline: str, written: Sequence[File]) -> None:
        """Let the newest version alone be live of each key of which another version has come, before or meanwhile.

        Who receives one by its event writes it, and reads all versions of its key then: so either it has found the file
        that was written here, or what is read now has the other one.
        """
        if not written:
            return
        known = self._known[pipeline]
        known.refresh([one.id for one in written])
        shared = [one for one in written if known.received.of_key(one.id) - {one.id}]
        results_of(concurrently(self._arrivals.settle, shared, at_once=AT_ONCE))

    # Listing

    def _list(self, backfill: Backfill, until: datetime) -> _Page:
        """Some thousand objects more, with their fates as far as ids tell them; at least a page."""
        source, known = backfill.source, self._known[backfill.pipeline]
        listed_at, after = self._clock.now(), backfill.after
        listed: list[ListedVersion] = []
        for _ in range(PAGES):
            versions, last = current_versions(self._clients.s3, source.bucket, backfill.prefix, after)
            listed += (one for one in versions if matches(source, one.key))
            if not last:
                break
            after = last
            if len(listed) >= STRIDE or self._clock.now() > until:
                break
        found = []
        for one in listed:
            identifier = identifier_of(source.bucket, one)
            ids = known.received.of_key(identifier)
            found.append(_Found(one, identifier, fate_of(backfill, one, identifier, ids, known.observed)))
        return _Page(found, after, is_last=not last, listed_at=listed_at)
