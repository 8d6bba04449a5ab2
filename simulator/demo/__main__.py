"""python -m simulator.demo: run each scene without and with Berthmaster, print the results, write the page."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from simulator.aws.ec2.addresses import RESERVED
from simulator.demo.batch.scene import Afternoon
from simulator.demo.batch.script import SCRIPT as BATCH
from simulator.demo.capacity.approval import first_request
from simulator.demo.capacity.comparison import WITH, WITHOUT, Comparison
from simulator.demo.capacity.console import Console
from simulator.demo.capacity.scene import DAYS, SEED, SUBNETS, Scene
from simulator.demo.capacity.simulation import simulate
from simulator.demo.console import play
from simulator.demo.page import Report, render
from simulator.demo.processes import Observed
from simulator.demo.security_groups.scene import TwoMonths
from simulator.demo.security_groups.script import SCRIPT as SECURITY_GROUPS
from simulator.demo.targets.scene import Morning
from simulator.demo.targets.script import SCRIPT as TARGETS
from simulator.demo.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path("build/demo.html")
AUTOMATIONS = ("capacity", "targets", "batch", "security_groups")


def main(arguments: Sequence[str] | None = None, stream: TextIO = sys.stdout) -> Report:
    """Run the demo and return what it showed."""
    options = parsed(arguments)
    seed, asked = options.seed, (options.only,) if options.only else AUTOMATIONS
    return show(
        options.html,
        stream,
        capacity=Scene(seed=seed, days=options.days) if "capacity" in asked else None,
        targets=Morning(seed=seed) if "targets" in asked else None,
        batch=Afternoon(seed=seed) if "batch" in asked else None,
        security_groups=TwoMonths(seed=seed) if "security_groups" in asked else None,
    )


def show(
    page: Path,
    stream: TextIO,
    *,
    capacity: Scene | None = None,
    targets: Morning | None = None,
    batch: Afternoon | None = None,
    security_groups: TwoMonths | None = None,
) -> Report:
    """Run each scene without and with Berthmaster; print what happens and write the page."""
    terminal = Terminal(stream)
    page.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    report = Report(
        capacity=_capacity(capacity, terminal) if capacity else None,
        targets=play(TARGETS, targets, terminal) if targets else None,
        batch=play(BATCH, batch, terminal) if batch else None,
        security_groups=play(SECURITY_GROUPS, security_groups, terminal) if security_groups else None,
    )
    page.write_text(render(report), encoding="utf-8")
    terminal.line()
    terminal.line(f"Done in {time.monotonic() - begun:.0f} s. Report: {page}")
    return report


def _capacity(scene: Scene, terminal: Terminal) -> Comparison:
    console = Console(terminal)
    console.open(scene, IPv4Network(SUBNETS["a"]).num_addresses - RESERVED)
    without, with_it = (Observed(partial(simulate, with_berthmaster=is_with), scene) for is_with in (False, True))
    console.title(WITHOUT.title)
    outcome_without = without.follow(console.show)
    # The run without Berthmaster is short: its core is free for this one.
    request = Observed(first_request, scene)
    console.title(WITH.title)
    outcome = with_it.follow(console.show)
    comparison = Comparison(scene, outcome_without, outcome, request.follow(console.show))
    console.close(comparison)
    return comparison


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; exits with a message if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator.demo",
        description="A container network on the simulator, without Berthmaster and with it.",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="seed of all that is random (%(default)s)")
    parser.add_argument("--only", choices=AUTOMATIONS, help="run only this automation's scene")
    parser.add_argument(
        "--days", type=whole_days, default=DAYS, help="virtual days of the capacity scene (%(default)s)"
    )
    parser.add_argument("--html", type=Path, default=PAGE, help="path of the report (%(default)s)")
    options = parser.parse_args(arguments)
    if options.html.is_dir():
        parser.error(f"argument --html: {options.html} is a folder")
    return options


def whole_days(text: str) -> int:
    """A number of days, at least one; ValueError otherwise."""
    days = int(text)
    if days < 1:
        raise ValueError(text)
    return days


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
