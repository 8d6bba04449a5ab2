"""The results of the calls on one destination."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from berthmaster.targets.model import ClaimKey, Finding, Move


@dataclass(frozen=True, slots=True)
class Begun:
    """A Cloud Map operation that runs."""

    move: Move
    operation: str


@dataclass(slots=True)
class CallResults:
    """Every move that was called for is in exactly one of these lists.

    done: AWS has done it. begun: AWS has begun it. busy: AWS is doing something else with that instance; call again.
    refused: AWS will not do it. failed: no answer, or an error that a retry may avoid. reasons: why AWS refuses
    targets, as far as people are to be notified. answered_at: when AWS had done it, by target.
    """

    done: list[Move] = field(default_factory=list)
    begun: list[Begun] = field(default_factory=list)
    busy: list[Move] = field(default_factory=list)
    refused: list[Move] = field(default_factory=list)
    failed: list[Move] = field(default_factory=list)
    reasons: dict[ClaimKey, Finding] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    answered_at: dict[ClaimKey, datetime] = field(default_factory=dict)

    def add(self, other: "CallResults") -> None:
        """Add the results of other calls."""
        self.done += other.done
        self.begun += other.begun
        self.busy += other.busy
        self.refused += other.refused
        self.failed += other.failed
        self.reasons |= other.reasons
        self.errors += other.errors
        self.answered_at |= other.answered_at

    def fail(self, moves: Sequence[Move], error: Exception) -> None:
        """Add moves that a retry may carry out."""
        self.failed += moves
        self.errors.append(error)

    def refuse(self, moves: Sequence[Move], reason: Finding | None = None) -> None:
        """Add moves that AWS refuses."""
        self.refused += moves
        if reason:
            self.reasons |= {move.after.key: reason for move in moves}

    def retract(self, keys: Collection[ClaimKey]) -> None:
        """Take out refused moves, since they are called for once more."""
        self.refused = [move for move in self.refused if move.after.key not in keys]
        self.reasons = {key: reason for key, reason in self.reasons.items() if key not in keys}

    @property
    def findings(self) -> list[Finding]:
        """The reasons, each once, however many moves it is about."""
        return list(dict.fromkeys(self.reasons.values()))
