"""The capacity scene as it happens, for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demo.capacity.comparison import WITH, WITHOUT
from simulator.demo.capacity.outcome import Entry, Kind, Progress
from simulator.demo.terminal import BOLD, DIM
from simulator.demo.wording import HOUR, dollars, moment

if TYPE_CHECKING:
    from simulator.demo.capacity.comparison import Comparison
    from simulator.demo.capacity.scene import Scene
    from simulator.demo.terminal import Terminal

LOG_HOURS = 12
MARKS = {Kind.FAILURE: "✗", Kind.NEED: "!", Kind.CHANGE: "+", Kind.DONE: "✓", Kind.NOTICE: "·"}
COLOURS = {Kind.FAILURE: 31, Kind.NEED: 33, Kind.CHANGE: 36, Kind.DONE: 32, Kind.NOTICE: 35}


class Console:
    """Prints what happens at once, and how full the subnets are every twelve hours."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._fewest: list[int] = []

    def open(self, scene: Scene, addresses: int) -> None:
        """Say what is about to happen."""
        self._terminal.line(f"capacity on the simulator: {scene.days:g} days, seed {scene.seed}", BOLD)
        self._terminal.line(
            f"A VPC with no free CIDR space. {len(scene.services)} ECS services share three subnets of {addresses} "
            f"addresses and grow each day by {scene.growth:.1%} of their initial size. Times are UTC."
        )

    def title(self, text: str) -> None:
        """Begin a run."""
        self._fewest.clear()
        self._terminal.title(text)

    def show(self, news: Progress | Entry) -> None:
        """Print an entry of the timeline, or the progress."""
        if isinstance(news, Entry):
            self._terminal.entry(f"  {moment(news.at):>16}  {MARKS[news.kind]} ", news.text, COLOURS[news.kind])
        else:
            self._progress(news)

    def close(self, comparison: Comparison) -> None:
        """Print the approval request's subject and the table."""
        if request := comparison.request:
            self._terminal.title("With Berthmaster, in mode approve: nothing changes before this mail is answered")
            self._terminal.entry(
                f"  {moment(request.at):>16}  {MARKS[Kind.NOTICE]} ", request.subject, COLOURS[Kind.NOTICE]
            )
        self._terminal.table(comparison.rows(), [WITHOUT.name, WITH.name])
        if comparison.with_it.work:
            sums = comparison.with_it.work.bill.by_service()
            self._terminal.line(
                f"  of which: {', '.join(f'{service} {dollars(sum_)}' for service, sum_ in sums.items())}"
            )

    def _progress(self, progress: Progress) -> None:
        self._fewest.append(progress.fewest)
        free = f"fullest subnet: {min(self._fewest):2} free"
        text = f"  {moment(progress.at):>16}    {free}   failed launches: {progress.failed:,}"
        if progress.at % (LOG_HOURS * HOUR) == 0:
            self._fewest.clear()
            self._terminal.line(text, DIM)
        else:
            self._terminal.progress(text)
