"""How often the capacity forecast is right in time, how often it is wrong, and what a call costs.

    python -m benchmarks.forecast_score                    synthetic traces, seeded
    python -m benchmarks.forecast_score folder/of/traces   *.csv.gz with the columns minute,used

Each trace becomes the use of a pool whose capacity is a multiple of the trace's peak in the first week. From the second
week on each trigger is asked every five minutes with the past only, and its first yes is judged:

useful    the pool is exhausted at least 15 minutes later: addresses are added in time
late      the pool is exhausted sooner, or without a yes
false     the pool is never exhausted, and its use never again exceeds 85 % of the capacity
cautious  the pool is never exhausted, but its use exceeds 85 % again
silent    the pool is never exhausted, and there was no yes
"""

from __future__ import annotations

import csv
import gzip
import math
import random
import sys
import time
from bisect import bisect_left
from collections import Counter
from enum import StrEnum
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING

from berthmaster.capacity.plan.forecast import needs_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    type Samples = list[tuple[int, int]]
    type Trigger = Callable[[Sequence[tuple[int, int]], int], bool]

STEP = 5
HOUR = 60
DAY = 24 * HOUR
WARM_UP = 7 * DAY
MEMORY = 14 * DAY // STEP
LEAD = 15
HIGH = 0.85
CAPACITY_FACTORS = (1.02, 1.1, 1.2, 1.35, 1.6, 2.0)


class Verdict(StrEnum):
    """How the first yes is judged."""

    USEFUL = "useful"
    LATE = "late"
    FALSE = "false"
    CAUTIOUS = "cautious"
    SILENT = "silent"


def judge(trace: Samples, capacity: int, trigger: Trigger) -> Verdict:
    """Ask ``trigger`` along the trace, from the end of the warm-up to the exhaustion, and judge its first yes."""
    begin = bisect_left(trace, (WARM_UP, 0))
    exhausted = next((i for i in range(begin, len(trace)) if trace[i][1] >= capacity), None)
    asked = range(begin, len(trace) if exhausted is None else exhausted)
    yes = next((i for i in asked if trigger(trace[max(0, i - MEMORY) : i + 1], capacity)), None)
    if exhausted is not None:
        in_time = yes is not None and trace[exhausted][0] - trace[yes][0] >= LEAD
        return Verdict.USEFUL if in_time else Verdict.LATE
    if yes is None:
        return Verdict.SILENT
    return Verdict.CAUTIOUS if max(used for _, used in trace[yes:]) >= HIGH * capacity else Verdict.FALSE


def score(traces: Mapping[str, Samples], trigger: Trigger) -> Counter[Verdict]:
    """Judge the trigger on every trace at every capacity."""
    verdicts: Counter[Verdict] = Counter()
    for trace in traces.values():
        first_peak = max(used for minute, used in trace if minute < WARM_UP)
        verdicts.update(judge(trace, int(first_peak * factor), trigger) for factor in CAPACITY_FACTORS)
    return verdicts


def used_at_least(share: float) -> Trigger:
    """The usual first alarm: a fixed threshold."""
    return lambda samples, capacity: samples[-1][1] >= share * capacity


def predict_linear(window: int, horizon: int, gate: float) -> Trigger:
    """Prometheus' ``predict_linear`` over ``window`` minutes, asked only if less than ``gate`` is free.

    The node-exporter mixin warns of a full filesystem with 6 h, 24 h and 40 %.
    """

    def trigger(samples: Sequence[tuple[int, int]], capacity: int) -> bool:
        now, used = samples[-1]
        if used < (1 - gate) * capacity:
            return False
        recent = samples[bisect_left(samples, (now - window, 0)) :]
        if len(recent) < window // STEP // 2:
            return False
        slope, intercept = linear_regression(*zip(*recent, strict=True))
        return intercept + slope * (now + horizon) >= capacity

    return trigger


TRIGGERS: dict[str, Trigger] = {
    "berthmaster": needs_room,
    "used >= 80 %": used_at_least(0.8),
    "predict_linear 6h->24h, <40 % free": predict_linear(6 * HOUR, DAY, 0.4),
    "predict_linear 6h->24h": predict_linear(6 * HOUR, DAY, 1.0),
}


def read_traces(folder: Path) -> dict[str, Samples]:
    """Read every ``*.csv.gz`` of a folder; the first row names the columns."""
    traces = {}
    for path in sorted(folder.glob("*.csv.gz")):
        with gzip.open(path, "rt", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            traces[path.name.removesuffix(".csv.gz")] = [(int(minute), int(used)) for minute, used in rows]
    return traces


def synthetic_traces(seed: int = 1, days: int = 24) -> dict[str, Samples]:
    """Make three noisy traces of each shape."""
    rng = random.Random(seed)
    minutes = range(0, days * DAY, STEP)
    return {
        f"{shape.__name__} {number}": _noisy(rng, minutes, shape(rng, minutes))
        for shape in SHAPES
        for number in range(3)
    }


def _noisy(rng: random.Random, minutes: range, levels: Iterator[float]) -> Samples:
    return [
        (minute, max(0, round(1000 * level + rng.gauss(0, 8)))) for minute, level in zip(minutes, levels, strict=True)
    ]


def daylight(minute: float) -> float:
    """0 at four in the morning, 1 at four in the afternoon."""
    return 0.5 - 0.5 * math.cos(2 * math.pi * (minute / DAY - 4 / 24))


def flat(rng: random.Random, minutes: range) -> Iterator[float]:
    """Long-running services only."""
    level = rng.uniform(0.3, 0.9)
    return (level for _ in minutes)


def daily(_: random.Random, minutes: range) -> Iterator[float]:
    """A daily shape that never changes: busy but stable."""
    return (0.2 + 0.7 * daylight(minute) for minute in minutes)


def weekly(_: random.Random, minutes: range) -> Iterator[float]:
    """Use at weekends is a third."""
    return ((0.2 + 0.7 * daylight(minute)) * (1 if minute // DAY % 7 < 5 else 0.35) for minute in minutes)  # noqa: PLR2004


def growing(rng: random.Random, minutes: range) -> Iterator[float]:
    """A daily shape that grows by 1 to 4 % a day."""
    rate = rng.uniform(0.01, 0.04)
    return ((0.1 + 0.4 * daylight(minute)) * (1 + rate) ** (minute / DAY) for minute in minutes)


def shifting(rng: random.Random, minutes: range) -> Iterator[float]:
    """A new service raises the level once and for all."""
    moment = rng.uniform(9, 20) * DAY
    rise = rng.uniform(0.1, 0.5)
    return (0.2 + 0.4 * daylight(minute) + rise * (minute > moment) for minute in minutes)


def runaway(rng: random.Random, minutes: range) -> Iterator[float]:
    """On one day use climbs to twice the usual within one to six hours."""
    moment = rng.uniform(9, 20) * DAY
    length = rng.uniform(1, 6) * HOUR
    return (0.2 + 0.3 * daylight(minute) + min(1.5, max(0.0, minute - moment) / length) for minute in minutes)


def batch(rng: random.Random, minutes: range) -> Iterator[float]:
    """Jobs fill the pool every few hours and all end at once."""
    period = rng.choice((2, 3, 4, 6)) * HOUR
    return (0.1 + 0.7 * (minute % period) / period for minute in minutes)


def rollouts(rng: random.Random, minutes: range) -> Iterator[float]:
    """Deployments double a service's tasks for half an hour, a few times a day."""
    starts = sorted(rng.uniform(0, minutes.stop) for _ in range(3 * minutes.stop // DAY))
    running = (any(0 <= minute - start < HOUR / 2 for start in _near(starts, minute)) for minute in minutes)
    return (0.2 + 0.3 * daylight(minute) + 0.2 * on for minute, on in zip(minutes, running, strict=True))


def _near(starts: list[float], minute: int) -> list[float]:
    return starts[bisect_left(starts, minute - HOUR) : bisect_left(starts, minute + 1)]


def bursty(rng: random.Random, minutes: range) -> Iterator[float]:
    """Analytics: idle, then jobs of any size; no day is like another."""
    level = busyness = 0.0
    for minute in minutes:
        if minute % DAY == 0:
            busyness = rng.lognormvariate(-1.0, 0.35)
        if rng.random() < 0.05 + 0.15 * daylight(minute):
            level = busyness * rng.betavariate(1, 2)
        level *= 0.9
        yield 0.02 + level


def growing_bursts(rng: random.Random, minutes: range) -> Iterator[float]:
    """The same, by 3 % more a day."""
    return (level * 1.03 ** (minute / DAY) for minute, level in zip(minutes, bursty(rng, minutes), strict=True))


SHAPES = (flat, daily, weekly, growing, shifting, runaway, batch, rollouts, bursty, growing_bursts)


def cpu_per_call(trace: Samples, trigger: Trigger, calls: int = 100) -> float:
    """Milliseconds of CPU per call with two weeks of samples of a pool that is half full, and nearly was full."""
    earlier = trace[: MEMORY - 1]
    capacity = round(1.1 * max(used for _, used in earlier))
    samples = [*earlier, (earlier[-1][0] + STEP, capacity // 2)]
    began = time.process_time()
    for _ in range(calls):
        trigger(samples, capacity)
    return 1000 * (time.process_time() - began) / calls


def main() -> None:
    """Print one line for each trigger: its verdicts, and its cost in milliseconds and in sorts of the same samples."""
    traces = read_traces(Path(sys.argv[1])) if sys.argv[1:] else synthetic_traces()
    longest = max(traces.values(), key=len)
    sort = cpu_per_call(longest, lambda samples, _: bool(sorted(samples, key=lambda sample: sample[1])))
    print(f"{len(traces)} traces at {len(CAPACITY_FACTORS)} capacities; sorting {MEMORY} samples takes {sort:.2f} ms")
    for name, trigger in TRIGGERS.items():
        verdicts = score(traces, trigger)
        cost = cpu_per_call(longest, trigger)
        exhausted = verdicts[Verdict.USEFUL] + verdicts[Verdict.LATE]
        print(
            f"{name:35s} useful {verdicts[Verdict.USEFUL]:3d} of {exhausted:3d}   "
            f"false {verdicts[Verdict.FALSE]:3d} of {verdicts.total() - exhausted:3d}   "
            f"cautious {verdicts[Verdict.CAUTIOUS]:3d}   {cost:.2f} ms = {cost / sort:.1f} sorts"
        )


if __name__ == "__main__":
    main()
