"""Batch on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.act import Act, Number, filled
from simulator.demo.batch import scene
from simulator.demo.batch.script import SCRIPT
from simulator.demo.batch.simulation import WAYS
from simulator.demo.drawing import charts
from simulator.demo.wording import MINUTE, count, dollars

if TYPE_CHECKING:
    from simulator.demo.batch.outcome import Run
    from simulator.demo.batch.scene import Afternoon
    from simulator.demo.phases import Comparison
    from simulator.demo.way import Way


SECTIONS = {
    "batch-phases": "What happened",
    "batch-comparison": "Comparison",
    "batch-method": "How it was measured",
}


def act(comparison: Comparison[Afternoon, Run]) -> Act:
    """The part of the page about an afternoon of files."""
    usual, each, workers = (comparison.runs[way] for way in WAYS)
    runs = {"comparison": comparison, "usual": usual, "each": each, "workers": workers}
    return Act(
        name="batch",
        title="Files come, and containers work on them",
        numbers=tuple(_number(way, run) for way, run in comparison.runs.items()),
        figure=filled("batch/figure.html", **runs, charts=charts(comparison, lambda run: run.waiting, stretch=MINUTE)),
        sections=SECTIONS,
        body=filled(
            "batch/act.html",
            **runs,
            sections=SECTIONS,
            ways=SCRIPT.ways,
            rows=list(SCRIPT.rows(comparison)),
            work=scene.WORK,
            tasks=scene.TASKS,
            goal=scene.GOAL,
        ),
    )


def _number(way: Way, run: Run) -> Number:
    note = (
        f"of {count(run.files)} files were lost, {count(run.doubled)} worked on twice; Fargate {dollars(run.fargate)}"
    )
    return Number(way, count(run.lost), note)
