"""Which files in flight are compared with their tasks in this run: each once in five minutes.

Ids are spread evenly over a circle. A hand goes around it in the time of one lap, and a run compares the files over
which it has passed since the last run: no file needs a mark, and a run that was missed is caught up with.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from berthmaster.batch.model.lap import Lap
from berthmaster.batch.plan.identity import DIGITS

LAP = timedelta(minutes=5)
MICROSECOND = timedelta(microseconds=1)
_CIRCLE = 16**DIGITS


def advance(lap: Lap, ids: Iterable[str], now: datetime, *, most: int) -> tuple[list[str], Lap]:
    """The files to compare, at most so many, and the lap as it is when they are."""
    start = int(lap.after or "0", 16)
    passed_by = min(max(now - lap.at, timedelta()), LAP) // MICROSECOND
    arc = _CIRCLE * passed_by // (LAP // MICROSECOND)
    passed = sorted(
        (distance, one) for one in ids for distance in [(int(one, 16) - start - 1) % _CIRCLE] if distance < arc
    )
    chosen = [one for _, one in passed[:most]]
    after = chosen[-1] if len(passed) > most else f"{(start + arc) % _CIRCLE:0{DIGITS}x}"
    return chosen, replace(lap, after=after, at=now)
