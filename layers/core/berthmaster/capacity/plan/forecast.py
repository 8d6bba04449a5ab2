"""Whether a pool of addresses is about to run out, and how high its demand will climb.

Demand of real clusters has a daily shape, bursts of minutes, and days that differ. A line drawn through the last
hours takes every morning for the end of the world, and a level threshold either sleeps through a steep day or nags
on a pool that is hot but stable. So four questions are asked, from the cheapest to the dearest:

=====  =====================================================================================  ===========
guard  question                                                                               answer
=====  =====================================================================================  ===========
full   Is nine tenths of the room taken now?                                                  room needed
idle   Was less than a quarter taken for three hours? Then old peaks can wait for new demand  no
ramp   Does a steady climb, faster than any before, end within the hour?                      room needed
peak   Does the highest peak, with allowances for a higher one, reach the capacity?           room needed
=====  =====================================================================================  ===========

Everything here is a pure function of ``samples``: ``[(minute, used), …]``, oldest first, about one every five minutes,
at most 14 days of them. A missing sample is never a zero: it is just not looked at.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import combinations, pairwise
from operator import itemgetter
from statistics import median, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    type Samples = Sequence[tuple[int, int]]

HOUR = 60
DAY = 24 * HOUR

STEP = 5
"""Minutes between samples: the period at which Berthmaster measures."""

FULL = 0.9
"""Share of capacity from which no forecast is needed: the last tenth is one deployment."""

IDLE = 0.25
"""Share of capacity below which old peaks are no reason to act: the next busy hour is, and it is fresher evidence."""

IDLE_MINUTES = 3 * HOUR
"""A pause that long is an evening or a night; a shorter one is the gap between two jobs."""

SWING_SHARE = 0.2
"""Share of the swing by which the next high tide tops the last one.

The swing tells two peaks of one height apart: what lasted was wanted by many at once, and more may want it next time; a
spike of minutes was a coincidence. What a steady load takes does not swing, however high it is.
"""

HOLD_MINUTES = 30
"""Use that lasts so long is demand, not the start and end of short-lived tasks: several rounds of them fit in."""

RECORD_GROWTH = 0.3
"""Standard deviations of daily peaks by which the next record tops the last one, besides the swing.

For Gumbel-distributed peaks (scale b, deviation 1.28 b) the expected maximum rises by b ln 2 = 0.54 deviations while
the number of days seen doubles, that is over the next one or two weeks; about half of it is in the swing's share.
"""

BURST_SHARE = 0.1
"""Share of a typical day's steepest burst that lands on top of the highest peak: bursts and peaks seldom meet."""

BURST_MINUTES = 15
"""What wiring a new subnet takes, at least: a climb this short cannot be answered, only provided for."""

RAMP_MINUTES = 25
"""A ramp rises with each sample for so long; a level shift or a batch start rises with one or two."""

RAMP_HORIZON = HOUR
"""A ramp that takes longer is left to the other guards, or judged again in five minutes."""

OUTRUN = 2
"""How much faster than ever before a ramp is: a faster start of the daily or hourly routine is no news."""

EPISODE = 6 * HOUR
"""The ramp itself does not count as 'before'."""

WHOLE_DAY = 0.9
"""Share of the fullest day's samples without which a day says nothing about its own peak."""

FEW_DAYS = 3
"""Below this a deviation or slope of daily peaks means nothing."""

LEAD_DAYS = 0.5
"""Growth is provided for over half a day: a night, or the time an approval may take."""

UNKNOWN_SPREAD = 0.25
"""Deviation of daily peaks, as a share of the highest, assumed until a few days are seen; usual in busy clusters."""

SIGHT = 2
"""A trend is carried on for at most this many times the days it was seen in."""

_minute = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Demand:
    """What the samples tell about one pool's demand, in addresses.

    ``peak``: the highest use seen, or the use now with what is committed. ``swing``: how far the highest use that
    lasted for half an hour stands above the mean. ``spread``: standard deviation of the daily peaks. ``burst``: the
    steepest climb within a quarter of an hour on a typical day. ``growth``: Theil-Sen slope of the daily peaks per
    day, not below 0. ``days``: how much history that rests on.
    """

    peak: int
    swing: float
    spread: float
    burst: float
    growth: float
    days: float

    @property
    def allowance(self) -> float:
        """Addresses above the highest peak that a higher tide or day and its bursts may take."""
        return SWING_SHARE * self.swing + RECORD_GROWTH * self.spread + BURST_SHARE * self.burst

    def projected_peak(self, days: float) -> int:
        """Tell the highest use to expect within ``days`` days, on the pessimistic side.

        Never less than the highest peak seen. The allowance is widened by 1 + 1/days seen, as the Kubernetes vertical
        pod autoscaler does: a size is chosen once, whereas the trigger is asked again in five minutes.
        """
        widening = 1 + 1 / max(self.days, 0.25)
        return math.ceil(self.peak + self.allowance * widening + self.growth * min(days, SIGHT * self.days))

    def hours_until(self, room: float) -> float | None:
        """Hours until growth takes ``room`` addresses more than the peak; None: not in sight."""
        if room <= 0:
            return 0.0
        if room > self.growth * SIGHT * self.days:
            return None
        return 24 * room / self.growth


@dataclass(frozen=True, slots=True)
class Outlook:
    """The answer for one pool.

    ``hours_to_exhaustion``: by the trend alone; None when no exhaustion is in sight. ``hours_pessimistic``: the same
    with the allowance for a higher day; 0 means that the next high day may exhaust the pool. ``reason``: for an
    operator.
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
    """Whether room must be added now. Cheap for the many pools that are far from full."""
    if _is_idle(samples, 0, capacity):
        return False
    return outlook(samples, capacity).needs_room


def outlook(samples: Samples, capacity: int, *, committed: int = 0) -> Outlook:
    """Judge one pool.

    ``committed``: addresses that running deployments may still take; they count as used on top of the last sample.
    """
    used = (samples[-1][1] if samples else 0) + committed
    demand = measure(samples, used)
    ramp = _hours_of_ramp(samples, used, capacity)
    expected = demand.peak + demand.allowance + LEAD_DAYS * demand.growth
    needed = True
    taken = f"{used} of {capacity} addresses are taken" + (
        f" or promised to deployments ({committed})" * bool(committed)
    )
    if used >= FULL * capacity:
        reason = f"{taken}, {FULL:.0%} or more"
    elif _is_idle(samples, used, capacity):
        needed = False
        reason = (
            f"{taken}, and less than {IDLE:.0%} were for {IDLE_MINUTES // HOUR} h: nothing to do before demand returns"
        )
    elif ramp is not None:
        reason = f"{taken}, and a climb faster than any before ends in {ramp:.1f} h"
    else:
        needed = expected >= capacity
        reason = (
            f"the next peak may reach {math.ceil(expected)} of {capacity} addresses: {demand.peak} was the highest"
            f" in {demand.days:.1f} days, and {SWING_SHARE * demand.swing:.0f} for a higher tide,"
            f" {RECORD_GROWTH * demand.spread:.0f} for a higher day, {BURST_SHARE * demand.burst:.0f} for bursts,"
            f" {LEAD_DAYS * demand.growth:.0f} for growth"
        )
    trend = 0.0 if used >= capacity else demand.hours_until(capacity - demand.peak)
    cautious = 0.0 if used >= FULL * capacity else demand.hours_until(capacity - demand.peak - demand.allowance)
    return Outlook(needed, _soonest(ramp, trend), _soonest(ramp, cautious), reason, demand)


def measure(samples: Samples, now: int) -> Demand:
    """Reduce the samples to the few figures a forecast needs; ``now`` is the use now, with what is committed."""
    if not samples:
        return Demand(peak=now, swing=0.0, spread=UNKNOWN_SPREAD * now, burst=0.0, growth=0.0, days=0.0)
    days = _whole_days(samples)
    levels = [used for _, used in samples]
    peak = max(now, *levels)
    climbs = _climbs(samples, BURST_MINUTES)
    burst = median(_highest(climbs[i:j]) for _, i, j in days)
    peaks = [(age, max(levels[i:j])) for age, i, j in days]
    return Demand(
        peak=peak,
        swing=max(0.0, _highest_held(levels) - sum(levels) / len(levels)),
        spread=stdev(p for _, p in peaks) if len(peaks) >= FEW_DAYS else UNKNOWN_SPREAD * peak,
        burst=burst,
        growth=_growth(peaks),
        days=(samples[-1][0] - samples[0][0]) / DAY,
    )


def _whole_days(samples: Samples) -> list[tuple[int, int, int]]:
    """Days back from the last sample, as (age in days, first index, end index); without those with large gaps."""
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
    """Find the highest level that was not fallen below for half an hour.

    A stretch of that length holds two neighbours of every third sample: only where both are higher than the best level
    so far, the stretches around them are worth a look.
    """
    half = HOLD_MINUTES // STEP // 2
    best = min(levels[: 2 * half])
    for i, (a, b) in enumerate(pairwise(levels[::half])):
        if a > best and b > best:
            starts = range(max(0, (i - 1) * half + 1), min(i * half, len(levels) - 2 * half) + 1)
            best = max([best, *(min(levels[start : start + 2 * half]) for start in starts)])
    return best


def _growth(peaks: list[tuple[int, int]]) -> float:
    """Theil-Sen slope of daily peaks in addresses per day: the median of all pairs' slopes, deaf to single odd days."""
    if len(peaks) < FEW_DAYS:
        return 0.0
    slopes = [(new - old) / (past - recent) for (recent, new), (past, old) in combinations(peaks, 2)]
    return max(0.0, median(slopes))


def _climbs(samples: Samples, minutes: int) -> list[int]:
    """By how much use rises within ``minutes`` of each sample but the last few; 0 across a gap or in a fall."""
    steps = minutes // STEP
    limit = minutes + STEP
    pairs = zip(samples, samples[steps:], strict=False)
    return [b - a if b > a and t - s < limit else 0 for (s, a), (t, b) in pairs]


def _hours_of_ramp(samples: Samples, used: int, capacity: int) -> float | None:
    """Hours until a steady climb that outruns every earlier one reaches ``capacity``; None: no such climb."""
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
    """Whether next to nothing is, or lately was, in use."""
    limit = IDLE * capacity
    if used >= limit or not samples:
        return used < limit
    recent = bisect_right(samples, samples[-1][0] - IDLE_MINUTES, key=_minute)
    return max(level for _, level in samples[recent:]) < limit


def _soonest(*hours: float | None) -> float | None:
    return min((h for h in hours if h is not None), default=None)
