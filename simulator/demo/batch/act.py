"""Batch on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.act import Act, Number, filled
from simulator.demo.batch import chart, scene
from simulator.demo.wording import count

if TYPE_CHECKING:
    from simulator.demo.batch.comparison import Comparison
    from simulator.demo.batch.outcome import Run


SECTIONS = {
    "batch-phases": "What happened",
    "batch-comparison": "Comparison",
    "batch-method": "How it was measured",
}


def act(comparison: Comparison) -> Act:
    """The part of the page about an afternoon of files."""
    return Act(
        name="batch",
        title="Files come, and a task works on each",
        without=_number("The usual way", comparison.usual),
        with_it=_number("With Berthmaster", comparison.with_it),
        figure=filled(
            "batch/figure.html",
            comparison=comparison,
            waiting=[chart.waiting(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
        ),
        sections=SECTIONS,
        body=filled(
            "batch/act.html",
            comparison=comparison,
            usual=comparison.usual,
            with_it=comparison.with_it,
            phases=comparison.phases,
            sections=SECTIONS,
            rows=list(comparison.rows()),
            minutes=scene.MINUTES,
            work=scene.WORK,
            tasks=scene.TASKS,
        ),
    )


def _number(name: str, run: Run) -> Number:
    note = f"of {count(run.files)} files were lost; {count(run.doubled)} were worked on twice"
    return Number(name, count(run.lost), note)
