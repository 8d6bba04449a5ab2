"""Under which conditions an invocation launches: its turn, the rate, what has room. Threads share them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock

from berthmaster.batch.model.dispatcher import LONG_AGO, Dispatcher, Placement
from berthmaster.batch.model.files import FileReference, Provider
from berthmaster.batch.plan import placement
from berthmaster.batch.plan.launch_rate import emptied, throttled, turn
from berthmaster.clock import Clock

MOST_UNSETTLED = 2_000
"""Launches that are remembered in one item, which holds 400 KB; batch_reconcile names others within two minutes."""


class Conditions:
    """What the dispatcher knows while it works; no lock is held while anything is awaited."""

    def __init__(self, known: Dispatcher, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._known = known
        self._unsettled = dict.fromkeys(known.unsettled, clock.now())
        self._dues: list[datetime] = []
        self._out_of_order: dict[str, datetime] = {}
        self.launched = self.throttled = 0

    @property
    def known(self) -> Dispatcher:
        """What the next invocation has to know."""
        with self._lock:
            return replace(self._known, unsettled=tuple(islice(self._unsettled, MOST_UNSETTLED)))

    def wait_turn(self) -> None:
        """Return when the next call of RunTask is within the rate."""
        with self._lock:
            now = self._clock.now()
            at, full_at = turn(self._known.rate, self._known.full_at, now)
            self._known = replace(self._known, full_at=full_at)
        self._clock.sleep(max(0.0, (at - now).total_seconds()))

    def throttle(self) -> None:
        """AWS has refused a call as too fast."""
        with self._lock:
            now, known = self._clock.now(), self._known
            rate = throttled(known.rate, now)
            self._known = replace(known, rate=rate, full_at=emptied(rate, known.full_at, now))
            self.throttled += 1

    def placed(self, wanted: placement.Wanted) -> Placement | None:
        """Where a task is launched; None if there is no room for it now."""
        with self._lock:
            self._known, chosen = placement.placed(self._known, wanted, self._clock.now())
            return chosen

    def succeeded(self, where: Placement) -> None:
        """A task was launched there."""
        self.launched += 1
        self._change(lambda known: placement.succeeded(known, where))

    def lacks(self, where: Placement) -> None:
        """Fargate has no capacity there."""
        self._change(lambda known: placement.lacking(known, where, self._clock.now()))

    def over_quota(self, provider: Provider) -> bool:
        """The account's vCPUs are used up; returns whether people are to be notified."""
        with self._lock:
            self._known, is_news = placement.over_quota(self._known, provider, self._clock.now())
            return is_news

    def tried_again_at(self) -> datetime | None:
        """When there may be room again."""
        return placement.tried_again_at(self._known, self._clock.now())

    def unsettle(self, file: FileReference, again_at: datetime) -> None:
        """It is not known whether a task comes of the launch of a file or worker; then it is looked into again."""
        with self._lock:
            self._unsettled[file] = again_at

    def settle(self, file: FileReference) -> None:
        """It is known."""
        with self._lock:
            self._unsettled.pop(file, None)

    def unsettled(self, by: datetime) -> list[FileReference]:
        """Files and workers to be looked into by then."""
        with self._lock:
            return [file for file, at in self._unsettled.items() if at <= by]

    def next_unsettled(self) -> datetime | None:
        """When the next file is to be looked into."""
        with self._lock:
            return min(self._unsettled.values(), default=None)

    def next_due(self, since: datetime) -> datetime | None:
        """When the next file may be launched of those that have failed and become due since then."""
        with self._lock:
            return min((due for due in self._dues if due >= since), default=None)

    def fail(self, due: datetime) -> None:
        """A file could not be launched, and may be again then."""
        with self._lock:
            self._dues.append(due)

    def stop(self, pipeline: str) -> None:
        """Its breaker has opened."""
        with self._lock:
            self._out_of_order[pipeline] = self._clock.now()

    def is_out_of_order(self, pipeline: str, since: datetime) -> bool:
        """Whether its breaker has opened since then."""
        with self._lock:
            return self._out_of_order.get(pipeline, LONG_AGO) >= since

    def wakes(self, at: datetime) -> None:
        """A message will arrive then."""
        self._change(lambda known: replace(known, wakes_at=at))

    def will_wake(self, at: datetime) -> bool:
        """Whether a message will arrive by then, or shortly afterwards."""
        now = self._clock.now()
        return now < self._known.wakes_at <= at + timedelta(seconds=2)

    def _change(self, changed: Callable[[Dispatcher], Dispatcher]) -> None:
        with self._lock:
            self._known = changed(self._known)
