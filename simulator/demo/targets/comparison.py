"""Both runs of the targets scene side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.demo.targets.outcome import Phase, Run
    from simulator.demo.targets.scene import Scene
    from simulator.demo.wording import Row

USUAL = "the usual way"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A morning simulated twice. `rows`: what is compared, the usual way, with Berthmaster."""

    scene: Scene
    usual: Run
    with_it: Run

    @property
    def phases(self) -> list[tuple[Phase, Phase]]:
        """What happened, in both runs."""
        return list(zip(self.usual.phases, self.with_it.phases, strict=True))

    def rows(self) -> Iterator[Row]:
        """The table."""
        yield self._row("requests", "requests")
        yield self._row("… lost: no task listened at the address", "lost")
        yield self._row("… misdirected: a task of another service answered", "misdirected")
        yield self._row("longest time that a stopped task's address got requests", "longest_dead", " s")
        yield self._row("from RUNNING to the first request, median", "median_wait", " s")
        yield self._row("… longest", "longest_wait", " s")
        yield self._row("tasks that never got a request", "unused")
        yield self._row("calls that registered or deregistered targets", "changes")
        yield self._row("calls that read target groups", "reads")
        yield self._row("failed Lambda invocations", "errors")

    def _row(self, label: str, name: str, unit: str = "") -> Row:
        return label, count(getattr(self.usual, name)) + unit, count(getattr(self.with_it, name)) + unit
