"""The second act as it happens, for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.targets.comparison import USUAL
from simulator.demo.targets.scene import MINUTES
from simulator.demo.targets.traffic import PER_SECOND
from simulator.demo.wording import clock, count

if TYPE_CHECKING:
    from simulator.demo.targets.comparison import Comparison
    from simulator.demo.targets.outcome import Chapter
    from simulator.demo.targets.scene import Scene
    from simulator.demo.terminal import Terminal

GREEN, RED, YELLOW = 32, 31, 33


class Console:
    """Tells of each chapter when it is over."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def open(self, scene: Scene) -> None:
        """Say what is about to happen."""
        self._terminal.title(f"targets on the simulator: {MINUTES} minutes, seed {scene.seed}")
        self._terminal.line(
            "A service and single tasks behind an Application Load Balancer that ECS does not know of, with "
            f"{PER_SECOND:g} requests a second each."
        )
        self._terminal.line("Another service has tasks in the same subnets, on the same port. Times are UTC.")

    def tell(self, chapter: Chapter) -> None:
        """Print what happened and what went wrong."""
        colour, mark = (RED, "✗") if chapter.misdirected else (YELLOW, "!") if chapter.lost else (GREEN, "✓")
        wrong = [
            f"{count(number)} {what}"
            for number, what in ((chapter.lost, "lost"), (chapter.misdirected, "misdirected"))
            if number
        ]
        self._terminal.entry(
            f"  {clock(chapter.at)}  {mark} ", f"{chapter.text}: {' and '.join(wrong) or 'none lost'}", colour
        )

    def close(self, comparison: Comparison) -> None:
        """Print the table."""
        self._terminal.table(comparison.rows(), USUAL)
