"""What a run leaves behind: values only, so that they travel between processes and compare."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.demo.bill import Bill


class Kind(StrEnum):
    """What an entry of the timeline tells."""

    FAILURE = "failure"
    NEED = "need"
    CHANGE = "change"
    DONE = "done"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline; `at` in seconds since the epoch."""

    at: float
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Tide:
    """How far it has come: the fewest free addresses of the fullest subnet in the last hour, failed launches so far."""

    at: float
    fewest: int
    failed: int


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour: the fewest free addresses of the fullest subnet and of all subnets together, and failed launches."""

    at: float
    fewest: int
    fewest_in_all: int
    failed: int


@dataclass(frozen=True, slots=True)
class Expansion:
    """One expansion as Berthmaster announced it: `steps` and `story` in its own words."""

    began: float
    ended: float
    reasons: tuple[str, ...]
    steps: tuple[str, ...]
    warnings: tuple[str, ...]
    story: str


@dataclass(frozen=True, slots=True)
class Work:
    """What Berthmaster did for it: runs of its functions, AWS calls, and those of them that changed the network."""

    runs: int
    errors: int
    calls: int
    changes: int
    notifications: int
    bill: Bill


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of one run. `missing`: task-hours by which services had fewer tasks than they asked for."""

    hours: tuple[Hour, ...]
    entries: tuple[Entry, ...]
    started: int
    releases: int
    failed: int
    first_failure: float | None
    missing: float
    addresses: int
    expansions: tuple[Expansion, ...]
    work: Work | None

    @property
    def fewest(self) -> int:
        """Fewest free addresses the fullest subnet ever had."""
        return min(hour.fewest for hour in self.hours)
