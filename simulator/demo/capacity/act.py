"""Capacity on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo import bill, wording
from simulator.demo.act import Act, Number, filled
from simulator.demo.capacity import chart
from simulator.demo.capacity.comparison import WITH, WITHOUT
from simulator.demo.capacity.outcome import Entry, Kind
from simulator.demo.capacity.steps import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.demo.capacity.comparison import Comparison
    from simulator.demo.capacity.outcome import Run

HOURS_OF_DAY = 24
SECTIONS = {
    "capacity-free": "Free addresses",
    "capacity-plan": "What Berthmaster decided, and why",
    "capacity-approval": "The approval request",
    "capacity-timeline": "Timeline of both runs",
    "capacity-comparison": "Comparison",
}
COST = {"capacity-cost": "What it would cost on AWS"}


@dataclass(frozen=True, slots=True)
class Day:
    """One line of the table that says in numbers what the charts draw."""

    date: str
    fewest: tuple[int, int]
    fewest_in_all: tuple[int, int]
    failed: tuple[int, int]


def act(comparison: Comparison) -> Act:
    """The part of the page about two weeks of a growing cluster."""
    without, with_it = comparison.without, comparison.with_it
    failed = "task launches failed because no address was free"
    if without.first_failure is not None:
        failed += f", the first on {wording.moment(without.first_failure)}"
    added = "task launches failed"
    if comparison.lead is not None:
        lead = wording.duration(comparison.lead)
        added += f"; {comparison.added:,} addresses were added, {lead} before the first failure of the other run"
    sections = SECTIONS | (COST if with_it.work else {})
    return Act(
        name="capacity",
        title="A cluster outgrows its subnets",
        numbers=(
            Number(WITHOUT, wording.count(without.failed), failed),
            Number(WITH, wording.count(with_it.failed), added),
        ),
        figure=filled(
            "capacity/figure.html",
            comparison=comparison,
            fullest=[chart.fullest(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
            bar_hours=chart.BAR_HOURS,
        ),
        sections=sections,
        body=filled(
            "capacity/act.html",
            comparison=comparison,
            sections=sections,
            plans=[(one, list(grouped(one.steps)), list(grouped(one.warnings))) for one in with_it.expansions],
            ways=(WITHOUT, WITH),
            rows=list(comparison.rows()),
            days=list(_days(comparison)),
            timeline=list(_timeline(comparison)),
            in_all=[chart.in_all(comparison, frame) for frame in (chart.WIDE, chart.NARROW)],
            cpu_seconds=bill.CPU_SECONDS,
            prices_of=bill.PRICES_OF,
            polls_per_hour=bill.IDLE_POLLS_PER_HOUR,
        ),
    )


def _days(comparison: Comparison) -> Iterator[Day]:
    runs = (comparison.without, comparison.with_it)
    for first in range(0, len(comparison.without.hours), HOURS_OF_DAY):
        one, other = (run.hours[first : first + HOURS_OF_DAY] for run in runs)
        yield Day(
            date=wording.day(one[0].at),
            fewest=(min(hour.fewest for hour in one), min(hour.fewest for hour in other)),
            fewest_in_all=(min(hour.fewest_in_all for hour in one), min(hour.fewest_in_all for hour in other)),
            failed=(sum(hour.failed for hour in one), sum(hour.failed for hour in other)),
        )


def _timeline(comparison: Comparison) -> Iterator[tuple[Entry, bool]]:
    """The entries of both runs in order of time, each with whether it is of the run with Berthmaster."""
    both = [(entry, False) for entry in (*comparison.without.entries, *_failures(comparison.without))]
    both += [(entry, True) for entry in (*comparison.with_it.entries, *_failures(comparison.with_it))]
    yield from sorted(both, key=lambda one: (one[0].at, one[1]))


def _failures(run: Run) -> Iterator[Entry]:
    """One entry at the end of each day that had failures."""
    for first in range(0, len(run.hours), HOURS_OF_DAY):
        hours = run.hours[first : first + HOURS_OF_DAY]
        if failed := sum(hour.failed for hour in hours):
            ended = hours[-1].at + wording.HOUR
            yield Entry(ended, Kind.FAILURE, f"{failed:,} launches failed on {wording.day(hours[0].at)}")
