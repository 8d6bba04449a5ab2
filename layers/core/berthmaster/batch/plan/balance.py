"""Conservation: received = committed + dead + skipped + superseded + cancelled + vanished + observed + live.

All files that were received by a moment, the cut, are counted; and so are those that have ended for good by then. Both
are counted once, when the cut moves on: what was received or has ended before it does not change any more, and may
expire. The others must be somewhere in the ledger, wherever they have moved since: they wait, are in flight, have ended
after the cut, or have ended so that they may be replayed. They are collected by their ids, so that one that moves
meanwhile does not count twice; and they are collected again before one is taken to be missing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.balance import Balance
from berthmaster.batch.model.files import State

LAG = timedelta(minutes=3)
"""A time is written into a record by an invocation that may live for a minute, with a clock that differs a little."""
EVERY = timedelta(minutes=5)
KEYS_A_MINUTE = 20_000
"""On average; a key has some 130 bytes. The more files there are, the less often they are collected."""
FOR_GOOD = (State.COMMITTED, State.SKIPPED, State.SUPERSEDED, State.VANISHED)
"""Nothing follows."""
REPLAYABLE = (State.DEAD, State.CANCELLED, State.OBSERVED)
"""An operator may have such a file processed, as long as its record does not expire soon: again, or by a backfill."""
_DAY = timedelta(days=1)


def is_due(balance: Balance, now: datetime) -> bool:
    """Whether the files of a pipeline are to be counted again."""
    last = balance.waiting + balance.in_flight + sum(balance.replayable.values())
    return now - balance.found_at >= max(EVERY, timedelta(minutes=last / KEYS_A_MINUTE))


def continued(balance: Balance, now: datetime, kept_for: timedelta) -> Balance:
    """The balance to go on with: an empty one if records may have expired since that were not counted.

    All that is in the ledger is counted then, as if it had just come.
    """
    is_too_old = now - balance.cut > margin(kept_for) - EVERY
    return replace(Balance(pipeline=balance.pipeline), version=balance.version) if is_too_old else balance


def next_cut(balance: Balance, now: datetime) -> datetime:
    """Up to when files are counted as received, and as ended for good."""
    return max(balance.cut, now - LAG)


def next_horizon(balance: Balance, now: datetime, kept_for: timedelta) -> datetime:
    """Up to when files that might have been replayed have ended for good: their records are about to expire."""
    return max(balance.horizon, now - kept_for + margin(kept_for))


def margin(kept_for: timedelta) -> timedelta:
    """For so long before its record expires, a file may not be replayed any more."""
    return min(_DAY, kept_for / 2)


def advanced(
    balance: Balance, cut: datetime, horizon: datetime, *, received: int, ended: Mapping[State, int]
) -> Balance:
    """The balance at a later moment, with what was received and has ended since."""
    total = {state: balance.ended.get(state, 0) + ended.get(state, 0) for state in (*FOR_GOOD, *REPLAYABLE)}
    return replace(balance, cut=cut, horizon=horizon, received=balance.received + received, ended=total)
