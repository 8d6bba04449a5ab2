"""Evidence of days: what single objects say is folded into one object a day, so that a long window is read quickly."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING

from berthmaster.concurrently import concurrently
from berthmaster.items import Unreadable
from berthmaster.security_groups.model.sources import Evidence
from berthmaster.security_groups.plan.completeness import SLOT
from berthmaster.security_groups.plan.evidence_sum import EvidenceSum
from berthmaster.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from berthmaster.security_groups.ledger.evidence_store import EvidenceStore

AT_ONCE = 8
READ = 400
"""Objects that are read before the time left is looked at."""


class NoTime(TimeoutError):
    """There was no time for all evidence; what was read is folded."""


class Folding:
    """Reads the evidence of days, and folds what is new."""

    def __init__(self, store: "EvidenceStore", may_go_on: "Callable[[], bool]") -> None:
        """may_go_on: asked now and then; NoTime is raised if it says no."""
        self._store = store
        self._may_go_on = may_go_on
        self._unread: dict[str, list[str]] = defaultdict(list)

    def evidence(self, first: date, last: date) -> Evidence:
        """All evidence of the days from the first to the last one."""
        total = EvidenceSum()
        for day in _days(first, last):
            total.add(self._of_day(f"{day}"))
        return total.evidence()

    def folded(self, first: date, last: date) -> Iterator[Evidence]:
        """What was folded of the days from the first to the last one; NoTime if there is no time for all."""
        for days in batched(_days(first, last), AT_ONCE, strict=False):
            if not self._may_go_on():
                raise NoTime(f"{days[0]}")
            for outcome in concurrently(self._store.folded, map(str, days), at_once=AT_ONCE):
                yield outcome.result

    def unread(self, read: Collection[str], since: datetime, until: datetime) -> Mapping[str, list[str]]:
        """By flow log, the objects that hold records of that time and are not read, with the reason.

        read: those that are.
        """
        for day in map(str, _days(since.date(), until.date())):
            waiting = [name for name in self._store.received(day) if name not in read]
            for outcome in concurrently(partial(self._store.receipt, day), waiting, at_once=AT_ONCE):
                if isinstance(outcome.error, Unreadable):
                    self._unread[""].append(str(outcome.error))
                elif since.timestamp() - SLOT < (receipt := outcome.result).time < until.timestamp():
                    self._unread[receipt.log].append(f"{receipt.file}: {receipt.problem}")
        return self._unread

    def _of_day(self, day: str) -> Evidence:
        known = self._store.folded(day)
        new = [name for name in self._store.names(day) if name not in known.sources]
        if not new:
            return known
        total = EvidenceSum()
        total.add(known)
        is_whole = True
        for names in batched(new, READ, strict=False):
            if not (is_whole := self._may_go_on()):
                break
            for one in self._read(day, names):
                total.add(one)
        found = total.evidence()
        if found.sources != known.sources:
            self._store.save_folded(day, found)
        if not is_whole:
            raise NoTime(day)
        return found

    def _read(self, day: str, names: Sequence[str]) -> Iterator[Evidence]:
        for outcome in concurrently(partial(self._store.read, day), names, at_once=AT_ONCE):
            if isinstance(outcome.error, Unreadable):
                logger.error("evidence not read", error=str(outcome.error))
                self._unread[outcome.item.rpartition("-")[0]].append(str(outcome.error))
            else:
                yield outcome.result


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)
