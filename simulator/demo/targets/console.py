"""The targets scene as it happens, for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.targets.comparison import USUAL
from simulator.demo.targets.scene import MINUTES
from simulator.demo.targets.traffic import PER_SECOND
from simulator.demo.wording import clock, count

if TYPE_CHECKING:
    from simulator.demo.targets.comparison import Comparison
    from simulator.demo.targets.outcome import Phase
    from simulator.demo.targets.scene import Scene
    from simulator.demo.terminal import Terminal

GREEN, RED, YELLOW = 32, 31, 33


class Console:
    """Prints each phase when it is over."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def open(self, scene: Scene) -> None:
        """Say what is about to happen."""
        self._terminal.title(f"targets on the simulator: {MINUTES} minutes, seed {scene.seed}")
        self._terminal.line(
            "An ECS service (storefront) and standalone tasks (previews) behind an Application Load Balancer, with "
            f"{PER_SECOND:g} requests a second each."
        )
        self._terminal.line(
            "ECS does not register them. Another service (payments) runs in the same subnets, on the same port. "
            "Times are UTC."
        )

    def show(self, phase: Phase) -> None:
        """Print what happened and what went wrong."""
        colour, mark = (RED, "✗") if phase.misdirected else (YELLOW, "!") if phase.lost else (GREEN, "✓")
        wrong = [
            f"{count(number)} {what}"
            for number, what in ((phase.lost, "lost"), (phase.misdirected, "misdirected"))
            if number
        ]
        self._terminal.entry(
            f"  {clock(phase.at)}  {mark} ", f"{phase.text}: {' and '.join(wrong) or 'none lost'}", colour
        )

    def close(self, comparison: Comparison) -> None:
        """Print the table."""
        self._terminal.table(comparison.rows(), USUAL)
