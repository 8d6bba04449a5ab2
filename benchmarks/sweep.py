"""Unused rules removed, and outages caused: a sweep with Revoke beside Berthmaster, in the same shops.

The shop of the demo, in less time: rules that are seldom needed are needed on days that are drawn by seed. CPU takes no
time, and nothing else fails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from simulator.demo.processes import Observed
from simulator.demo.security_groups.outcome import By
from simulator.demo.security_groups.scene import TwoMonths
from simulator.demo.security_groups.simulation import BERTHMASTER, USUAL, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from simulator.demo.phases import Emit
    from simulator.demo.security_groups.outcome import Run
    from simulator.demo.way import Way

SEEDS = (0, 1, 2)
WAYS = (USUAL, BERTHMASTER)
SHOP = TwoMonths(seed=0, window=3, notice=1, quarantine=2, minutes=12 * 24 * 60, is_drawn=True)
"""Ten days of its story are one here; that people take so many hours to find out is not shortened."""


@dataclass(frozen=True)
class Report:
    """The runs of all seeds, by way."""

    runs: Mapping[Way, Sequence[Run]]


@cache
def report() -> Report:
    """Run each shop both ways."""
    return measured(SEEDS)


def measured(seeds: Sequence[int]) -> Report:
    """The same with other seeds."""
    runs: dict[Way, list[Run]] = {way: [] for way in WAYS}
    for seed in seeds:
        # Both ways at once: there are two cores.
        begun = {way: Observed(partial(_simulate, way), replace(SHOP, seed=seed)) for way in WAYS}
        for way, run in begun.items():
            runs[way].append(run.follow(lambda _: None))
    return Report(runs)


def _simulate(way: Way, scene: TwoMonths, emit: Emit) -> Run:
    return simulate(scene, emit, way)


def printed(found: Report) -> Iterator[str]:
    """What came of it, all seeds together."""
    rows: tuple[tuple[str, Callable[[Run], float]], ...] = (
        ("unused rules", lambda run: len(run.idle)),
        ("… that were removed", lambda run: run.idle_removed),
        ("needed rules that were taken away, and missed", lambda run: len(run.outages)),
        ("… that came back by themselves", lambda run: sum(one.by is By.ITSELF for one in run.outages)),
        ("connections denied", lambda run: run.total_denied),
        ("minutes in which somebody was denied", lambda run: sum(one.minutes for one in run.outages)),
    )
    seeds = len(found.runs[USUAL])
    yield f"{f'in {seeds} shops':50s}" + "".join(f"{way.name:>20s}" for way in found.runs)
    for name, value in rows:
        sums = (sum(map(value, runs)) for runs in found.runs.values())
        yield f"{name:50s}" + "".join(f"{total:20,.0f}" for total in sums)
    usual, with_it = (sum(run.total_denied for run in found.runs[way]) for way in WAYS)
    yield f"{'ratio of connections denied':50s}{usual / max(1, with_it):20.1f}"
    yield (
        f"Assumed: people find out within {SHOP.repair:g} hours which rule is missing, and answer a proposed restore "
        f"within {SHOP.answer:g} minutes."
    )
