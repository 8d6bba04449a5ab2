"""The story as it happens, for a terminal or a log."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, TextIO

from simulator.demo.outcome import Entry, Kind, Tide
from simulator.demo.wording import HOUR, dollars, moment

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.demo.comparison import Comparison
    from simulator.demo.scene import Scene

LOG_HOURS = 12
WIDTH = 110
MARKS = {Kind.FAILURE: "✗", Kind.NEED: "!", Kind.CHANGE: "+", Kind.DONE: "✓", Kind.NOTICE: "·"}
COLOURS = {Kind.FAILURE: 31, Kind.NEED: 33, Kind.CHANGE: 36, Kind.DONE: 32, Kind.NOTICE: 35}
BOLD, DIM = 1, 2


class Console:
    """Writes plain lines; on a terminal also colours, and a line of progress that updates in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colours = self._is_terminal and "NO_COLOR" not in os.environ
        self._fewest: list[int] = []

    def open(self, scene: Scene, addresses: int) -> None:
        """Say what is about to happen."""
        self._line(self._in(BOLD, f"Berthmaster on the simulator: {scene.days:g} days, seed {scene.seed}"))
        self._line(
            f"A VPC without free space, {len(scene.services)} ECS services in three subnets of {addresses} addresses, "
            f"growing each day by {scene.growth:.1%} of their first size. Times are UTC."
        )

    def title(self, text: str) -> None:
        """Begin a run."""
        self._fewest.clear()
        self._line()
        self._line(self._in(BOLD, text))

    def tell(self, news: Tide | Entry) -> None:
        """Print an entry of the timeline, or how far it has come."""
        if isinstance(news, Entry):
            self._entry(news)
        else:
            self._tide(news)

    def close(self, comparison: Comparison, page: Path, seconds: float) -> None:
        """Print the table and where the report is."""
        rows = list(comparison.rows())
        width = max(len(label) for label, _, _ in rows)
        self._line()
        self._line(self._in(BOLD, f"{'':{width}}  {'without':>18}  {'with Berthmaster':>18}"))
        for label, without, with_it in rows:
            self._line(f"{label:{width}}  {without:>18}  {with_it:>18}")
        if comparison.with_it.work:
            sums = comparison.with_it.work.bill.by_service()
            self._line(f"  of which {', '.join(f'{service} {dollars(sum_)}' for service, sum_ in sums.items())}")
        self._line()
        self._line(f"Two runs in {seconds:.0f} s. The report: {page}")

    def _entry(self, entry: Entry) -> None:
        head = f"  {moment(entry.at):>16}  {MARKS[entry.kind]} "
        body = textwrap.wrap(entry.text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False)
        for index, part in enumerate(body):
            self._line((head if not index else " " * len(head)) + self._in(COLOURS[entry.kind], part))

    def _tide(self, tide: Tide) -> None:
        self._fewest.append(tide.fewest)
        free = f"fullest subnet: {min(self._fewest):2} free"
        text = f"  {moment(tide.at):>16}    {free}   failed launches: {tide.failed:,}"
        if tide.at % (LOG_HOURS * HOUR) == 0:
            self._fewest.clear()
            self._line(self._in(DIM, text))
        elif self._is_terminal:
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()

    def _line(self, text: str = "") -> None:
        start = "\r\x1b[K" if self._is_terminal else ""
        self._stream.write(f"{start}{text}\n")
        self._stream.flush()

    def _in(self, colour: int, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colours else text
