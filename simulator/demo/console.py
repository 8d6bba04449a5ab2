"""An act that is shown in phases, on a terminal or in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.phases import Comparison

if TYPE_CHECKING:
    from simulator.demo.phases import Phase, Run, Scene, Script
    from simulator.demo.terminal import Terminal

GREEN, RED, YELLOW = 32, 31, 33


def play[S: Scene, R: Run](script: Script[S, R], scene: S, terminal: Terminal) -> Comparison[S, R]:
    """Run a scene in all its ways at once, and print each phase of one way after the other."""

    def show(phase: Phase) -> None:
        worst, *others = phase.wrong.values()
        colour, mark = (RED, "✗") if worst else (YELLOW, "!") if any(others) else (GREEN, "✓")
        terminal.entry(f"  {scene.time(phase.at)}  {mark} ", f"{phase.text}: {phase.outcome}", colour)

    terminal.title(f"{script.name} on the simulator: {scene.length}, seed {scene.seed}")
    terminal.text(f"{script.introduction} Times are UTC.")
    runs = {}
    for way, run in script.runs(scene).items():
        terminal.title(way.title)
        runs[way] = run.follow(show)
    comparison = Comparison(scene, runs)
    terminal.table(script.rows(comparison), [way.name for way in script.ways])
    return comparison
