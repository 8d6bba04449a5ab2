"""What the functions print: kept as text, parsed only when somebody asks."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.clock import Clock


@dataclass(frozen=True, slots=True)
class Line:
    """One write of a function to its standard output."""

    function: str
    at: float
    text: str


class Logs:
    """Everything the functions printed, oldest first."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def text(self, function: str = "") -> str:
        """All output of one function, or of all."""
        return "".join(line.text for line in self._of(function))

    def records(self, function: str = "") -> Iterator[dict[str, Any]]:
        """The log lines that are JSON objects, metrics left out."""
        return (record for record in self._objects(function) if "_aws" not in record)

    def metrics(self, function: str = "") -> Iterator[dict[str, Any]]:
        """The metrics in CloudWatch's embedded metric format."""
        return (record for record in self._objects(function) if "_aws" in record)

    def _of(self, function: str) -> Iterator[Line]:
        return (line for line in self.lines if function in ("", line.function))

    def _objects(self, function: str) -> Iterator[dict[str, Any]]:
        for text in self.text(function).splitlines():
            if text.startswith("{"):
                yield json.loads(text)


class Output(io.TextIOBase):
    """The standard output of one function's container."""

    def __init__(self, logs: Logs, clock: Clock, function: str) -> None:
        self._logs = logs
        self._clock = clock
        self._function = function
        self.is_open = True

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Keep a piece of output; a discarded container prints nothing more."""
        if text and self.is_open:
            self._logs.lines.append(Line(self._function, self._clock.timestamp(), text))
        return len(text)
