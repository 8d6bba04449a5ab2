"""How often the forecast is right in time and how often wrong, compared with common alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.forecast_score import (
    CAPACITY_FACTORS,
    TRIGGERS,
    Verdict,
    bursty,
    cpu_per_call,
    daily,
    growing,
    read_traces,
    runaway,
    score,
    shifting,
    synthetic_traces,
)
from benchmarks.forecast_shapes import Answers, answers
from berthmaster.capacity.plan.forecast import needs_room

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

SHAPES = (daily, growing, shifting, runaway, bursty)


@dataclass(frozen=True)
class Score:
    """How a trigger's first yes is judged on every trace at every capacity, and milliseconds of CPU per call."""

    trigger: str
    verdicts: Counter[Verdict]
    cpu: float


@dataclass(frozen=True)
class Report:
    """A score for each trigger; ``sort`` is the time to sort the same samples, in milliseconds.

    ``shapes``: the forecast's answers for demand whose right answer is known.
    """

    source: str
    traces: int
    scores: tuple[Score, ...]
    sort: float
    shapes: Answers


def report(folder: Path | None = None) -> Report:
    """Judge on the traces of a folder, or on a few synthetic ones: all of them take minutes."""
    traces = read_traces(folder) if folder else _a_few()
    longest = max(traces.values(), key=len)
    return Report(
        source=f"traces of {folder}"
        if folder
        else f"synthetic traces ({', '.join(shape.__name__ for shape in SHAPES)})",
        traces=len(traces),
        scores=tuple(
            Score(name, score(traces, trigger), cpu_per_call(longest, trigger)) for name, trigger in TRIGGERS.items()
        ),
        sort=cpu_per_call(longest, lambda samples, _: bool(sorted(samples, key=lambda sample: sample[1]))),
        shapes=answers(needs_room),
    )


def _a_few() -> dict[str, list[tuple[int, int]]]:
    wanted = {f"{shape.__name__} 0" for shape in SHAPES}
    return {name: trace for name, trace in synthetic_traces().items() if name in wanted}


def printed(found: Report) -> Iterator[str]:
    """A line for each trigger."""
    yield f"{found.traces} {found.source}, each at {len(CAPACITY_FACTORS)} capacities"
    yield f"sorting two weeks of samples takes {found.sort:.2f} ms"
    yield f"  {'':36s}{'useful':>11s}{'false':>11s}{'cautious':>10s}{'CPU':>10s}{'sorts':>7s}"
    for one in found.scores:
        exhausted = one.verdicts[Verdict.USEFUL] + one.verdicts[Verdict.LATE]
        useful = f"{one.verdicts[Verdict.USEFUL]} of {exhausted}"
        false = f"{one.verdicts[Verdict.FALSE]} of {one.verdicts.total() - exhausted}"
        cautious = one.verdicts[Verdict.CAUTIOUS]
        yield f"  {one.trigger:36s}{useful:>11s}{false:>11s}{cautious:10d}{one.cpu:7.2f} ms{one.cpu / found.sort:7.1f}"
    shapes = found.shapes
    yield (
        f"  weeks that repeat or fall: {len(shapes.false)} false alarms in {len(shapes.quiet)};"
        f" weeks that grow: {len(shapes.exhausted) - len(shapes.late)} of {len(shapes.exhausted)} seen in time"
    )
