"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo.act import templates
from simulator.demo.capacity import act as capacity_act
from simulator.demo.targets import act as targets_act

if TYPE_CHECKING:
    from simulator.demo.capacity.comparison import Comparison
    from simulator.demo.targets.comparison import Comparison as TargetsComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The acts that were shown."""

    capacity: Comparison | None = None
    targets: TargetsComparison | None = None


def render(report: Report) -> str:
    """The page; the same runs give the same page."""
    acts, arguments = [], []
    if report.capacity:
        acts.append(capacity_act.act(report.capacity))
        scene = report.capacity.scene
        arguments += [f"--seed {scene.seed}", f"--days {scene.days:g}"]
    if report.targets:
        acts.append(targets_act.act(report.targets))
        arguments = arguments or [f"--seed {report.targets.scene.seed}"]
    if len(acts) == 1:
        arguments.append(f"--act {acts[0].name}")
    return templates().get_template("page.html").render(acts=acts, arguments=" ".join(arguments))
