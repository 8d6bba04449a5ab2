"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.demo.act import templates
from simulator.demo.batch import act as batch_act
from simulator.demo.capacity import act as capacity_act
from simulator.demo.capacity.scene import DAYS
from simulator.demo.security_groups import act as security_groups_act
from simulator.demo.targets import act as targets_act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.demo.batch.outcome import Run as BatchRun
    from simulator.demo.batch.scene import Afternoon
    from simulator.demo.capacity.comparison import Comparison
    from simulator.demo.phases import Comparison as Compared
    from simulator.demo.security_groups.outcome import Run as SecurityGroupsRun
    from simulator.demo.security_groups.scene import TwoMonths
    from simulator.demo.targets.outcome import Run as TargetsRun
    from simulator.demo.targets.scene import Morning


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The comparisons to show."""

    capacity: Comparison | None = None
    targets: Compared[Morning, TargetsRun] | None = None
    batch: Compared[Afternoon, BatchRun] | None = None
    security_groups: Compared[TwoMonths, SecurityGroupsRun] | None = None

    def arguments(self) -> Iterator[str]:
        """The options of `python -m simulator.demo` that give this report again."""
        if shown := self.capacity or self.targets or self.batch or self.security_groups:
            yield f"--seed {shown.scene.seed}"
        if self.capacity and self.capacity.scene.days != DAYS:
            yield f"--days {self.capacity.scene.days:g}"
        acts = {
            "capacity": self.capacity,
            "targets": self.targets,
            "batch": self.batch,
            "security_groups": self.security_groups,
        }
        if not all(acts.values()):
            yield f"--only {next(name for name, one in acts.items() if one)}"


def render(report: Report) -> str:
    """The page; the same runs give the same page."""
    acts = []
    if report.capacity:
        acts.append(capacity_act.act(report.capacity))
    if report.targets:
        acts.append(targets_act.act(report.targets))
    if report.batch:
        acts.append(batch_act.act(report.batch))
    if report.security_groups:
        acts.append(security_groups_act.act(report.security_groups))
    return templates().get_template("page.html").render(acts=acts, arguments=" ".join(report.arguments()))
