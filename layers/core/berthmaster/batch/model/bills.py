"""What tasks have cost, as it is booked."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one task has cost.

    task: its ARN. day: in UTC, on which it has stopped. seconds: that it is billed for, 0 if its image was never
    pulled. is_estimate: ECS does not say all that the price follows from, and no less is assumed than is likely.
    """

    task: str
    pipeline: str
    day: date
    seconds: int
    dollars: float
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What the tasks of a pipeline have cost in some time. estimated: the part of the dollars that is an estimate."""

    dollars: float = 0.0
    tasks: int = 0
    seconds: int = 0
    estimated: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        """Of both times together."""
        return Spent(
            self.dollars + other.dollars,
            self.tasks + other.tasks,
            self.seconds + other.seconds,
            self.estimated + other.estimated,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a pipeline costs. per_file: dollars on average, of the last that have a result; None if none has."""

    today: Spent
    this_month: Spent
    per_file: float | None
