"""Targets on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.act import Act, Number, filled
from simulator.demo.drawing import charts
from simulator.demo.targets import scene, traffic
from simulator.demo.targets.script import SCRIPT
from simulator.demo.targets.simulation import BERTHMASTER, USUAL
from simulator.demo.wording import count

if TYPE_CHECKING:
    from simulator.demo.phases import Comparison
    from simulator.demo.targets.outcome import Run
    from simulator.demo.targets.scene import Morning
    from simulator.demo.way import Way


SECTIONS = {
    "targets-phases": "What happened",
    "targets-stopped": "Requests to stopped tasks",
    "targets-comparison": "Comparison",
    "targets-method": "How it was measured",
}


def act(comparison: Comparison[Morning, Run]) -> Act:
    """The part of the page about a morning behind a load balancer."""
    runs = {"comparison": comparison, "usual": comparison.runs[USUAL], "with_it": comparison.runs[BERTHMASTER]}
    return Act(
        name="targets",
        title="Tasks start and stop behind a load balancer",
        numbers=tuple(_number(way, run) for way, run in comparison.runs.items()),
        figure=filled(
            "targets/figure.html", **runs, charts=charts(comparison, lambda run: run.so_far, stretch=traffic.STRETCH)
        ),
        sections=SECTIONS,
        body=filled(
            "targets/act.html",
            **runs,
            dead=charts(comparison, lambda run: run.dead, stretch=traffic.STRETCH),
            sections=SECTIONS,
            ways=SCRIPT.ways,
            rows=list(SCRIPT.rows(comparison)),
            drain=scene.DRAIN,
            per_second=traffic.PER_SECOND,
            interval=traffic.INTERVAL,
            failures=traffic.FAILURES_UNTIL_UNHEALTHY,
        ),
    )


def _number(way: Way, run: Run) -> Number:
    answered = count(run.misdirected) if run.misdirected else "none"
    note = (
        f"of {count(run.requests)} requests went wrong: {count(run.lost)} were lost, "
        f"{answered} reached a task of another service"
    )
    return Number(way, count(run.wrong), note)
