"""The batch scene as it was, for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.batch.comparison import USUAL
from simulator.demo.batch.scene import MINUTES
from simulator.demo.wording import clock, count

if TYPE_CHECKING:
    from simulator.demo.batch.comparison import Comparison
    from simulator.demo.batch.outcome import Phase
    from simulator.demo.batch.scene import Scene
    from simulator.demo.terminal import Terminal

GREEN, RED, YELLOW = 32, 31, 33


class Console:
    """Prints each phase."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def open(self, scene: Scene) -> None:
        """Say what is about to happen."""
        self._terminal.title(f"batch on the simulator: {MINUTES} minutes, seed {scene.seed}")
        self._terminal.line("Scans of letters come to a bucket; a container on Fargate Spot reads each. Times are UTC.")

    def show(self, phase: Phase) -> None:
        """Print what happened and what went wrong."""
        colour, mark = (RED, "✗") if phase.lost else (YELLOW, "!") if phase.doubled else (GREEN, "✓")
        wrong = [
            f"{count(number)} {what}"
            for number, what in ((phase.lost, "lost"), (phase.doubled, "worked on twice"))
            if number
        ]
        outcome = f"{count(phase.files)} files, {' and '.join(wrong) or 'none lost'}" if phase.files else "no file"
        self._terminal.entry(f"  {clock(phase.at)}  {mark} ", f"{phase.text}: {outcome}", colour)

    def close(self, comparison: Comparison) -> None:
        """Print the table."""
        self._terminal.table(comparison.rows(), USUAL)
