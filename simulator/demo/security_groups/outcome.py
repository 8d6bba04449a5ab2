"""The result of a run: values only, so that they can be sent between processes and compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from simulator.demo import phases
from simulator.demo.security_groups.rules import Need
from simulator.demo.wording import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.demo.security_groups.rules import ShopRule

IDLE = (Need.NOBODY, Need.COVERED)
"""Whose rules nobody would miss."""


@dataclass(frozen=True)
class Phase(phases.Phase):
    """What happened, and how many connections were denied from then on that a rule of the beginning would allow."""

    denied: int = 0

    @property
    def wrong(self) -> Mapping[str, float]:
        """Connections."""
        return {"denied": self.denied}

    @property
    def outcome(self) -> str:
        """In words."""
        return f"{count(self.denied)} connections denied" if self.denied else "none denied"


class By(StrEnum):
    """Who has put a rule back."""

    PEOPLE = "people, who had to find out which rule it was"
    ASKED = "Berthmaster, when a person had approved it"
    ITSELF = "Berthmaster, by itself"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Outage:
    """Somebody was denied who needed a rule. since: in seconds since the epoch. minutes: until a connection passed."""

    rule: ShopRule
    since: float
    minutes: float
    denied: int
    by: By


@dataclass(frozen=True, slots=True)
class Life:
    """What became of a rule. steps: what was reported, and when. why: as was reported last."""

    rule: ShopRule
    steps: tuple[tuple[str, float], ...]
    why: str = ""

    @property
    def ends_otherwise(self) -> bool:
        """Whether it is not removed after all."""
        return self.steps[-1][0] in {"withdrawn", "restored"}


@dataclass(frozen=True, kw_only=True)
class Run(phases.Run):
    """The outcome of one run.

    before: rules of the beginning. left: those that are there in the end. rules, denied: how many rules there were, and
    how many connections had been denied, at the end of each stretch of six hours. outages: oldest first. lives: of the
    rules that Berthmaster reported. errors: runs of functions that failed.
    """

    phases: Sequence[Phase]
    before: tuple[ShopRule, ...]
    left: tuple[ShopRule, ...]
    rules: tuple[int, ...]
    denied: tuple[int, ...]
    outages: tuple[Outage, ...]
    lives: tuple[Life, ...] = ()
    errors: int = 0

    @property
    def idle(self) -> tuple[ShopRule, ...]:
        """Rules that nobody would miss."""
        return tuple(rule for rule in self.before if rule.need in IDLE)

    @property
    def idle_removed(self) -> int:
        """How many of these are gone."""
        return sum(rule not in self.left for rule in self.idle)

    @property
    def behind_the_back(self) -> int:
        """Rules that are gone although the template of a CloudFormation stack still has them."""
        return sum(rule.need is Need.DEFINED and rule not in self.left for rule in self.before)

    @property
    def total_denied(self) -> int:
        """Connections."""
        return sum(phase.denied for phase in self.phases)

    @property
    def longest(self) -> float:
        """Minutes of the longest outage."""
        return max((one.minutes for one in self.outages), default=0.0)

    @property
    def found_by_itself(self) -> int:
        """Outages in which nobody had to find out which rule was missing."""
        return sum(one.by in {By.ITSELF, By.ASKED} for one in self.outages)
