"""Targets on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.act import Act, Number, filled
from simulator.demo.targets import chart, scene, traffic
from simulator.demo.wording import count

if TYPE_CHECKING:
    from simulator.demo.targets.comparison import Comparison
    from simulator.demo.targets.outcome import Run


SECTIONS = {
    "targets-phases": "What happened",
    "targets-stopped": "Requests to stopped tasks",
    "targets-comparison": "Comparison",
    "targets-method": "How it was measured",
}


def act(comparison: Comparison) -> Act:
    """The part of the page about a morning behind a load balancer."""
    return Act(
        name="targets",
        title="Tasks start and stop behind a load balancer",
        without=_number("The usual way", comparison.usual),
        with_it=_number("With Berthmaster", comparison.with_it),
        figure=filled(
            "targets/figure.html",
            comparison=comparison,
            so_far=[chart.so_far(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
        ),
        sections=SECTIONS,
        body=filled(
            "targets/act.html",
            comparison=comparison,
            dead=[chart.dead(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
            usual=comparison.usual,
            with_it=comparison.with_it,
            phases=comparison.phases,
            sections=SECTIONS,
            rows=list(comparison.rows()),
            minutes=scene.MINUTES,
            drain=scene.DRAIN,
            per_second=traffic.PER_SECOND,
            interval=traffic.INTERVAL,
            failures=traffic.FAILURES_UNTIL_UNHEALTHY,
        ),
    )


def _number(name: str, run: Run) -> Number:
    answered = count(run.misdirected) if run.misdirected else "none"
    note = (
        f"of {count(run.requests)} requests went wrong: {count(run.lost)} were lost, "
        f"{answered} reached a task of another service"
    )
    return Number(name, count(run.wrong), note)
