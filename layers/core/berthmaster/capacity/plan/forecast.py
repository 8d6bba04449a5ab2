"""Whether a pool of addresses is about to run out, and how high its use will rise.

Use in real clusters has a daily shape, bursts of minutes, and days that differ. A straight line through the last hours
predicts exhaustion every morning; a fixed threshold misses a steep day, or alarms about a pool that is nearly full but
stable. So four questions are asked, from the cheapest to the most expensive:

=====  =====================================================================================  ===========
check  question                                                                               answer
=====  =====================================================================================  ===========
full   Is nine tenths of the capacity used now?                                               room needed
idle   Was less than a quarter used for three hours? Then old peaks can wait for new demand   no
ramp   Does a steady climb, faster than any before, reach the capacity within the hour?       room needed
peak   Was the highest peak high, and does it reach the capacity with an allowance for more?  room needed
=====  =====================================================================================  ===========

The allowance is for what is new: days that repeat, each day or each week, get none, however high they are and however
much use changes within a day. Demand that falls makes no earlier day look new: no figure is a two-sided deviation.

Everything here is a pure function of ``samples``: ``[(minute, used), …]``, oldest first, about one every five minutes,
at most 14 days of them. A missing sample is not zero: it is left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import combinations, pairwise
from operator import itemgetter
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    type Samples = Sequence[tuple[int, int]]

HOUR = 60
DAY = 24 * HOUR

STEP = 5
"""Minutes between samples: the period at which Berthmaster measures."""

FULL = 0.9
"""Share of capacity above which no forecast is needed: the last tenth is one deployment."""

IDLE = 0.25
"""Share of capacity below which old peaks are no reason to act: the next busy hour will be, with newer evidence."""

IDLE_MINUTES = 3 * HOUR
"""A pause of this length is an evening or a night; a shorter one is the gap between two jobs."""

HIGH = 0.82
"""Share of capacity that the highest peak must have reached before an allowance counts.

Before that there is time to see how a day goes on. Without it, record peaks of four fifths made an eighth of the false
alarms on real traces; with more than 0.83 an eighth of the exhaustions is not seen in time.
"""

SWING_SHARE = 0.35
"""Share of the swing by which the next long peak may exceed the last one.

The swing distinguishes two peaks of equal height: one that lasted came from many tasks at once, and there may be more
of them next time; a spike of minutes was a coincidence. A steady load has no swing, however high it is. The share is
the smallest with which all foreseeable exhaustions on real traces are seen in time.
"""

HOLD_MINUTES = 30
"""Use that lasts this long is demand, not short-lived tasks that start and stop: several rounds of them fit in."""

BURST_SHARE = 0.1
"""Share of a typical day's steepest burst that is added to the highest peak: the two rarely coincide."""

EXCESS_TIMES = 2
"""The next record exceeds this one by no more than this many times what it exceeds a usual day by.

That tells days that repeat from days that differ; from 1.5 on the number makes no difference on real traces.
"""

BURST_MINUTES = 15
"""Adding a subnet takes at least this long: addresses for a climb this short must be there before it begins."""

RAMP_MINUTES = 25
"""A ramp rises with each sample for this long; a level shift or a batch start rises with one or two."""

RAMP_HORIZON = HOUR
"""A ramp that takes longer is left to the other checks, or judged again in five minutes."""

OUTRUN = 2
"""How many times faster than any earlier climb a ramp is: the daily or hourly routine also varies."""

EPISODE = 6 * HOUR
"""The ramp itself is not an earlier climb."""

WHOLE_DAY = 0.9
"""A day with fewer samples than this share of the fullest day's says nothing about its peak."""

WEEK = 7
"""Days after which demand repeats. Five of any seven are weekdays, so the median of their peaks is a weekday's."""

WORKING_WEEK = 5
"""What so many days have reached is usual, even if the last week was a holiday."""

FEW_DAYS = 3
"""With fewer days, nothing is known about how days differ."""

WHOLE_HISTORY = 13
"""Days from which on older samples may have been dropped: the days before the oldest are unknown, not missing."""

LEAD_DAYS = 0.5
"""Growth is included for half a day: a night, or the time that an approval may take."""

SIGHT = 2
"""A trend is extrapolated over at most this many times the days in which it was seen."""

_minute = itemgetter(0)
_level = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Demand:
    """What the samples show about the demand of one pool, in addresses.

    ``peak``: the highest use seen, or the use now with what is committed. ``excess``: by how much the highest day's
    peak exceeds that of a usual day. ``swing``: by how much the highest use that lasted for half an hour
    exceeds the mean of its day. ``burst``: the steepest climb within a quarter of an hour on a typical day.
    ``growth``: Theil-Sen slope of the daily peaks per day, not below 0. ``days``: the length of the history.
    """

    peak: int
    excess: float
    swing: float
    burst: float
    growth: float
    days: float

    @property
    def allowance(self) -> float:
        """Addresses above the highest peak that a longer peak and a burst may take, where days differ."""
        return min(EXCESS_TIMES * self.excess, SWING_SHARE * self.swing + BURST_SHARE * self.burst)

    def projected_peak(self, days: float) -> int:
        """The highest use to expect within ``days`` days, a pessimistic estimate.

        Never less than the highest peak seen. The allowance is multiplied by 1 + 1/days seen, as Kubernetes' vertical
        pod autoscaler does: a size is chosen once, whereas the need is judged again in five minutes.
        """
        widening = 1 + 1 / max(self.days, 0.25)
        return math.ceil(self.peak + self.allowance * widening + self.growth * min(days, SIGHT * self.days))

    def hours_until(self, room: float) -> float | None:
        """Hours until growth takes ``room`` addresses more than the peak; None if that is not expected."""
        if room <= 0:
            return 0.0
        if room > self.growth * SIGHT * self.days:
            return None
        return 24 * room / self.growth


@dataclass(frozen=True, slots=True)
class Outlook:
    """The answer for one pool.

    ``hours_to_exhaustion``: by the trend alone; None if no exhaustion is expected. ``hours_pessimistic``: the same
    with the allowance for a busier day; 0 means that the next busy day may exhaust the pool. ``reason``: for people.
    """

    needs_room: bool
    hours_to_exhaustion: float | None
    hours_pessimistic: float | None
    reason: str
    demand: Demand

    def projected_peak(self, days: float) -> int:
        """See `Demand.projected_peak`."""
        return self.demand.projected_peak(days)


def needs_room(samples: Samples, capacity: int) -> bool:
    """Whether addresses must be added now. Cheap for the many pools that are far from full."""
    if _is_idle(samples, 0, capacity):
        return False
    if max(map(_level, samples)) < HIGH * capacity:
        return _hours_of_ramp(samples, samples[-1][1], capacity) is not None
    return outlook(samples, capacity).needs_room


def outlook(samples: Samples, capacity: int, *, committed: int = 0) -> Outlook:
    """Judge one pool.

    ``committed``: addresses that running deployments may still take; they are added to the last sample.
    """
    used = (samples[-1][1] if samples else 0) + committed
    demand = measure(samples, used)
    ramp = _hours_of_ramp(samples, used, capacity)
    expected = demand.peak + demand.allowance + LEAD_DAYS * demand.growth
    needed = True
    taken = f"{used} of {capacity} addresses are in use"
    if committed:
        taken += f" or will be by running deployments ({committed})"
    if used >= FULL * capacity:
        reason = f"{taken}, {FULL:.0%} or more"
    elif _is_idle(samples, used, capacity):
        needed = False
        reason = (
            f"{taken}, and for {IDLE_MINUTES // HOUR} h less than {IDLE:.0%} were: nothing to do until demand returns"
        )
    elif ramp is not None:
        reason = f"{taken}, and a climb faster than any before takes the rest in {ramp:.1f} h"
    elif demand.peak < HIGH * capacity:
        needed = False
        reason = f"{taken}, and never more than {demand.peak} were in {demand.days:.1f} days, less than {HIGH:.0%}"
    else:
        needed = expected >= capacity
        reason = (
            f"the next peak may reach {math.ceil(expected)} of {capacity} addresses: {demand.peak} was the highest"
            f" in {demand.days:.1f} days, {demand.excess:.0f} more than on a usual day,"
            f" plus {demand.allowance:.0f} for a longer peak or a burst, {LEAD_DAYS * demand.growth:.0f} for growth"
        )
    trend = 0.0 if used >= capacity else demand.hours_until(capacity - demand.peak)
    cautious = 0.0 if used >= FULL * capacity else demand.hours_until(capacity - demand.peak - demand.allowance)
    return Outlook(needed, _soonest(ramp, trend), _soonest(ramp, cautious), reason, demand)


def measure(samples: Samples, now: int) -> Demand:
    """Reduce the samples to the few figures that a forecast needs; ``now`` is the use now, with what is committed."""
    if not samples:
        return Demand(peak=now, excess=now, swing=0.0, burst=0.0, growth=0.0, days=0.0)
    days = _whole_days(samples)
    levels = [used for _, used in samples]
    climbs = _climbs(samples, BURST_MINUTES)
    peaks = [(age, max(levels[i:j])) for age, i, j in days]
    held, first, end = max((_highest_held(levels[i:j]), i, j) for _, i, j in days)
    length = (samples[-1][0] - samples[0][0]) / DAY
    return Demand(
        peak=max(now, *levels),
        excess=_excess([peak for _, peak in peaks], length),
        swing=max(0.0, held - sum(levels[first:end]) / (end - first)),
        burst=median(_highest(climbs[i:j]) for _, i, j in days),
        growth=_growth(peaks),
        days=length,
    )


def _excess(peaks: list[int], length: float) -> float:
    """By how much the highest of the peaks, newest first, exceeds a usual one.

    Usual is the median of the seven days that end with the highest, and what five days have reached. If a young history
    begins later, its first seven days are taken. In one that is cut off, days before its begin count as equal to the
    highest: a high day that is about to leave it does not look new.
    """
    highest = max(peaks)
    if len(peaks) < FEW_DAYS:
        return highest
    day = peaks.index(highest)
    if length < WHOLE_HISTORY:
        week = peaks[max(0, min(day, len(peaks) - WEEK)) :][:WEEK]
    else:
        week = peaks[day:][:WEEK]
        week += [highest] * (WEEK - len(week))
    usual = median(week)
    if len(peaks) >= WORKING_WEEK:
        usual = max(usual, sorted(peaks)[-WORKING_WEEK])
    return highest - usual


def _whole_days(samples: Samples) -> list[tuple[int, int, int]]:
    """Days back from the last sample, as (age in days, first index, end index); without days with large gaps."""
    now = samples[-1][0]
    days = []
    end = len(samples)
    while end:
        age = (now - samples[end - 1][0]) // DAY
        first = bisect_right(samples, now - (age + 1) * DAY, hi=end, key=_minute)
        days.append((age, first, end))
        end = first
    enough = WHOLE_DAY * max(j - i for _, i, j in days)
    return [(age, i, j) for age, i, j in days if j - i >= enough]


def _highest_held(levels: list[int]) -> int:
    """The highest level that use stayed at or above for half an hour.

    A window of that length contains two neighbours among every third sample: only where both exceed the best level so
    far, the windows around them are examined.
    """
    half = HOLD_MINUTES // STEP // 2
    best = min(levels[: 2 * half])
    for i, (a, b) in enumerate(pairwise(levels[::half])):
        if a > best and b > best:
            starts = range(max(0, (i - 1) * half + 1), min(i * half, len(levels) - 2 * half) + 1)
            best = max([best, *(min(levels[start : start + 2 * half]) for start in starts)])
    return best


def _growth(peaks: list[tuple[int, int]]) -> float:
    """Theil-Sen slope of daily peaks in addresses per day: the median of all pairs' slopes ignores single odd days.

    Before a week is over, the days after a weekend would look like growth.
    """
    if len(peaks) < WEEK:
        return 0.0
    slopes = [(new - old) / (past - recent) for (recent, new), (past, old) in combinations(peaks, 2)]
    return max(0.0, median(slopes))


def _climbs(samples: Samples, minutes: int) -> list[int]:
    """By how much use rises within ``minutes`` after each sample but the last few; 0 across a gap or in a fall."""
    steps = minutes // STEP
    limit = minutes + STEP
    pairs = zip(samples, samples[steps:], strict=False)
    return [b - a if b > a and t - s < limit else 0 for (s, a), (t, b) in pairs]


def _hours_of_ramp(samples: Samples, used: int, capacity: int) -> float | None:
    """Hours until a steady climb, faster than every earlier one, reaches ``capacity``; None without such a climb."""
    last = samples[-1 - RAMP_MINUTES // STEP :]
    steps = [new - old for (_, old), (_, new) in pairwise(last)]
    if len(steps) * STEP < RAMP_MINUTES or min(steps) <= 0 or last[-1][0] - last[0][0] >= RAMP_MINUTES + STEP:
        return None
    minutes_left = max(0, capacity - used) * STEP / median(steps)
    if minutes_left > RAMP_HORIZON:
        return None
    before = samples[: bisect_left(samples, last[-1][0] - EPISODE, key=_minute)]
    if sum(steps) <= OUTRUN * _highest(_climbs(before, RAMP_MINUTES)):
        return None
    return minutes_left / HOUR


def _highest(climbs: list[int]) -> int:
    return max(climbs, default=0)


def _is_idle(samples: Samples, used: int, capacity: int) -> bool:
    """Whether little is in use, and little was in the last hours."""
    limit = IDLE * capacity
    if used >= limit or not samples:
        return used < limit
    recent = bisect_right(samples, samples[-1][0] - IDLE_MINUTES, key=_minute)
    return max(level for _, level in samples[recent:]) < limit


def _soonest(*hours: float | None) -> float | None:
    return min((h for h in hours if h is not None), default=None)
