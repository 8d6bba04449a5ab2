"""The second act on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.act import Act, Number, filled
from simulator.demo.targets import chart, scene, traffic
from simulator.demo.wording import count

if TYPE_CHECKING:
    from simulator.demo.targets.comparison import Comparison
    from simulator.demo.targets.outcome import Run


def act(comparison: Comparison) -> Act:
    """A morning behind a load balancer."""
    return Act(
        name="targets",
        title="Tasks come and go behind a load balancer",
        without=_number("The usual way", comparison.usual),
        with_it=_number("With Berthmaster", comparison.with_it),
        figure=filled(
            "targets/figure.html",
            comparison=comparison,
            so_far=[chart.so_far(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
        ),
        body=filled(
            "targets/act.html",
            comparison=comparison,
            dead=[chart.dead(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
            usual=comparison.usual,
            with_it=comparison.with_it,
            chapters=comparison.chapters,
            rows=list(comparison.rows()),
            minutes=scene.MINUTES,
            drain=scene.DRAIN,
            per_second=traffic.PER_SECOND,
            interval=traffic.INTERVAL,
            failures=traffic.FAILURES_UNTIL_UNHEALTHY,
        ),
    )


def _number(name: str, run: Run) -> Number:
    answered = f"{count(run.misdirected) if run.misdirected else 'none'} met another service's task"
    note = f"of {count(run.requests)} requests went wrong: {count(run.lost)} met nobody and {answered}"
    return Number(name, count(run.wrong), note)
