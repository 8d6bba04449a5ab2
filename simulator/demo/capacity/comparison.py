"""The two runs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo.way import Way
from simulator.demo.wording import NONE, count, dollars, duration, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.demo.capacity.outcome import Mail, Run, Work
    from simulator.demo.capacity.scene import Scene
    from simulator.demo.wording import Row


WITHOUT = Way("without Berthmaster", "without", "Without Berthmaster", "without")
WITH = Way("with Berthmaster", "with", "With Berthmaster, deployed from template.yaml, in mode enforce", "with")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A scene simulated without and with Berthmaster; `request`: its first mail in mode approve. `rows`: the table."""

    scene: Scene
    without: Run
    with_it: Run
    request: Mail | None

    @property
    def lead(self) -> float | None:
        """Seconds from the end of the first expansion to the other run's first failed launch; None without either."""
        if self.without.first_failure is None or not self.with_it.expansions:
            return None
        return self.without.first_failure - self.with_it.expansions[0].ended

    @property
    def added(self) -> int:
        """Addresses that the run with Berthmaster had more at the end."""
        return self.with_it.addresses - self.without.addresses

    def rows(self) -> Iterator[Row]:
        """The table."""
        without, with_it = self.without, self.with_it
        yield "failed launches", count(without.failed), count(with_it.failed)
        yield "first failed launch", _moment(without.first_failure), _moment(with_it.first_failure)
        yield "task-hours below the desired count", f"{without.missing:,.1f}", f"{with_it.missing:,.1f}"
        yield "tasks started", count(without.started), count(with_it.started)
        yield "fewest free addresses, fullest subnet", count(without.fewest), count(with_it.fewest)
        yield "addresses for tasks at the end", count(without.addresses), count(with_it.addresses)
        yield "addresses added", NONE, count(self.added)
        ended = with_it.expansions[0].ended if with_it.expansions else None
        yield "expansion completed", NONE, _moment(ended)
        yield "… before the first failure without Berthmaster", NONE, NONE if self.lead is None else duration(self.lead)
        if with_it.work:
            yield from _work(with_it.work, self.scene.days)


def _work(work: Work, days: float) -> Iterator[Row]:
    yield "Lambda invocations", NONE, count(work.runs)
    yield "AWS API calls", NONE, count(work.calls)
    yield "… that changed the network or services", NONE, count(work.changes)
    yield f"AWS bill for {days:g} days, without free tiers", NONE, dollars(work.bill.dollars)


def _moment(at: float | None) -> str:
    return NONE if at is None else moment(at)
