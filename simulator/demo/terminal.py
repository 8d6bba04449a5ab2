"""Lines for a terminal or a log: plain ones, and on a terminal also colours and a line that updates in place."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulator.demo.wording import Row

WIDTH = 110
BOLD, DIM = 1, 2


class Terminal:
    """Where the demo prints."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_interactive = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._has_colours = self.is_interactive and "NO_COLOR" not in os.environ

    def line(self, text: str = "", colour: int | None = None) -> None:
        """Write a line, over the one that updates in place."""
        start = "\r\x1b[K" if self.is_interactive else ""
        self._stream.write(f"{start}{self._in(colour, text)}\n")
        self._stream.flush()

    def title(self, text: str) -> None:
        """Begin a part."""
        self.line()
        self.line(text, BOLD)

    def progress(self, text: str) -> None:
        """Update the line in place; a log gets nothing."""
        if self.is_interactive:
            self._stream.write(f"\r{text}\x1b[K")
            self._stream.flush()

    def entry(self, head: str, text: str, colour: int) -> None:
        """Write a text, indented by the width of its head."""
        body = textwrap.wrap(text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False)
        for index, part in enumerate(body):
            self.line((head if not index else " " * len(head)) + self._in(colour, part))

    def text(self, text: str) -> None:
        """Write sentences."""
        for part in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False):
            self.line(part)

    def table(self, rows: Iterable[Row], names: Sequence[str]) -> None:
        """Compare runs; each has a name above its column."""
        lines = list(rows)
        widths = [max(len(label) for label, *_ in lines), *(max(len(name), 14) for name in names)]

        def line(label: str, values: Sequence[str]) -> str:
            cells = (f"  {value:>{width}}" for value, width in zip(values, widths[1:], strict=True))
            return f"{label:{widths[0]}}{''.join(cells)}"

        self.title(line("", names))
        for label, *values in lines:
            self.line(line(label, values))

    def _in(self, colour: int | None, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._has_colours and colour is not None else text
