"""Both runs of the batch scene side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo.wording import count, dollars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.demo.batch.outcome import Phase, Run
    from simulator.demo.batch.scene import Scene
    from simulator.demo.wording import Row

USUAL = "the usual way"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An afternoon simulated twice. `rows`: what is compared, the usual way, with Berthmaster."""

    scene: Scene
    usual: Run
    with_it: Run

    @property
    def phases(self) -> list[tuple[Phase, Phase]]:
        """What happened, in both runs."""
        return list(zip(self.usual.phases, self.with_it.phases, strict=True))

    def rows(self) -> Iterator[Row]:
        """The table."""
        yield self._row("files", "files")
        yield self._row("… lost: no result in the end", "lost")
        yield self._row("… worked on twice", "doubled")
        yield self._row("from the file to its result, median", "median_wait", " min")
        yield self._row("… longest", "longest_wait", " min")
        yield self._row("tasks started", "tasks")
        yield "Fargate", dollars(self.usual.fargate), dollars(self.with_it.fargate)
        yield "what launches the tasks", dollars(self.usual.rest), dollars(self.with_it.rest)
        yield self._row("failed Lambda invocations", "errors")

    def _row(self, label: str, name: str, unit: str = "") -> Row:
        return label, count(getattr(self.usual, name)) + unit, count(getattr(self.with_it, name)) + unit
