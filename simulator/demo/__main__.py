"""python -m simulator.demo: run the scene twice, tell the story, write the page."""

from __future__ import annotations

import argparse
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from simulator.aws.addresses import RESERVED
from simulator.demo.comparison import Comparison
from simulator.demo.console import Console
from simulator.demo.page import render
from simulator.demo.processes import Observed
from simulator.demo.scene import DAYS, SEED, SUBNETS, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path("build/demo.html")


def main(arguments: Sequence[str] | None = None, stream: TextIO = sys.stdout) -> Comparison:
    """Run the demo and return both outcomes."""
    options = _options(arguments)
    return show(Scene(seed=options.seed, days=options.days), options.html, stream)


def show(scene: Scene, page: Path, stream: TextIO) -> Comparison:
    """Let the scene happen twice; print the story and write the page."""
    console = Console(stream)
    page.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    console.open(scene, IPv4Network(SUBNETS["a"]).num_addresses - RESERVED)
    without, with_it = Observed(scene, with_berthmaster=False), Observed(scene, with_berthmaster=True)
    console.title("Without Berthmaster")
    outcome_without = without.follow(console.tell)
    console.title("With Berthmaster, from template.yaml, in mode enforce")
    outcome_with = with_it.follow(console.tell)
    comparison = Comparison(scene, outcome_without, outcome_with)
    page.write_text(render(comparison), encoding="utf-8")
    console.close(comparison, page, time.monotonic() - begun)
    return comparison


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.demo",
        description="A growing cluster on the simulator, without Berthmaster and with it.",
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of demand, releases and chance (%(default)s)")
    parser.add_argument("--days", type=whole_days, default=DAYS, help="of virtual time (%(default)s)")
    parser.add_argument("--html", type=Path, default=PAGE, help="where the report is written (%(default)s)")
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
