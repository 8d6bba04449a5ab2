"""What a pipeline may cost in a day, and what it has cost and may yet cost."""

from dataclasses import dataclass
from datetime import date
from math import inf

from berthmaster.proposals import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Of one pipeline and one day in UTC.

    limit: dollars, as its document says. booked: what tasks have cost that have stopped on that day. in_flight: what
    the others may cost until their deadlines. verdict: whether a person lets it go on for the day; None if none has
    been asked, or has decided.
    """

    pipeline: str
    day: date
    limit: float
    booked: float
    in_flight: float = 0.0
    verdict: Outcome | None = None

    @property
    def left(self) -> float:
        """What further launches may cost at most."""
        return inf if self.verdict is Outcome.APPROVED else self.limit - self.booked - self.in_flight

    def is_reached(self, dollars: float) -> bool:
        """Whether a launch that may cost so much would have no room if nothing else ran, either."""
        return self.left + self.in_flight < dollars
