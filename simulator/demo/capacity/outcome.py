"""The result of a run: values only, so that they can be sent between processes and compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.demo.bill import Bill


class Kind(StrEnum):
    """What an entry of the timeline is about."""

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
class Progress:
    """At the end of an hour: fewest free addresses of the fullest subnet in it, and failed launches so far."""

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
    """One expansion as Berthmaster reported it: `steps`, `warnings` and the mail's `text` are its own words."""

    began: float
    ended: float
    reasons: tuple[str, ...]
    steps: tuple[str, ...]
    warnings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as SNS sends it to a topic's e-mail subscribers; `at` in seconds since the epoch."""

    at: float
    topic: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Work:
    """What Berthmaster did: Lambda invocations, AWS calls, and those of them that changed the network or services."""

    runs: int
    errors: int
    calls: int
    changes: int
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
